"""`oneway bench`: step time and memory of learning rules against autograd.

Same model, optimizer and batch, in one process and taking turns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from torch import Tensor

from oneway.analysis.traffic import activation_traffic
from oneway.backends.rate.memory_plan import Plan, plan_step
from oneway.circuits import Circuit
from oneway.rules import Rule, parse_rule

from ..errors import ConfigError
from ..hardware import fastest_kernels
from ..progress import ProgressBar
from .contenders import (
    AUTOGRAD,
    BenchConfig,
    Contender,
    plain_contender,
    random_batch,
    rate_network,
    rule_contender,
)
from .timing import Peak, Ratio, alternate, paired_ratio, peak, warm_up


@dataclass(frozen=True)
class RuleMeasure:
    """One rule's step against autograd's."""

    rule: str
    step_s: float  # median over rounds
    time: Ratio
    peak: Peak
    memory_ratio: float  # of the peaks of activity
    total_ratio: float  # of the peaks of everything
    kept_bytes: int  # what the plan holds when the loss is computed
    traffic_ratio: float  # activity that plasticity reads, against backpropagation


@dataclass(frozen=True)
class Bench:
    """A finished measurement."""

    circuit: str
    config: BenchConfig
    autograd_s: float
    autograd_peak: Peak
    rules: tuple[RuleMeasure, ...]

    def images_per_s(self, step_s: float) -> float:
        return self.config.batch / step_s


def wire_all(circuit: Circuit, rules: Mapping[str, Rule]) -> dict[str, Circuit]:
    """The circuit wired by each rule, before anything is measured."""
    if circuit.target is not None:
        raise ConfigError(
            f"circuit {circuit.name!r} is wired already: give a forward circuit, which each rule "
            "wires in turn"
        )
    return {name: rule.wire(circuit) for name, rule in rules.items()}


def bench(circuit: Circuit, rules: Mapping[str, Rule], config: BenchConfig) -> Bench:
    """Measure rules, by what they are called in the result, on a forward circuit."""
    wired = wire_all(circuit, rules)
    x, y = random_batch(circuit, config)
    with fastest_kernels(config.device):
        contenders = _contenders(circuit, wired, config, x, y)
        with ProgressBar("bench", config.repeats * len(contenders)) as progress:
            seconds = alternate(contenders, config, progress.advance)
        if config.for_memory() != config:
            contenders = _contenders(circuit, wired, config.for_memory(), x, y)
            for contender in contenders:
                warm_up(contender, config)
        peaks = {c.name: peak(c, config.device) for c in contenders}
    base_s, base = seconds.pop(AUTOGRAD), peaks.pop(AUTOGRAD)
    traffic = activation_traffic(parse_rule("bp").wire(circuit))
    measures = tuple(
        RuleMeasure(
            name,
            median(taken),
            paired_ratio(taken, base_s),
            peaks[name],
            peaks[name].activity / base.activity,
            peaks[name].total / base.total,
            plan_step(rate_network(wired[name], config), x, y).kept_bytes,
            activation_traffic(wired[name]).relative_to(traffic),
        )
        for name, taken in seconds.items()
    )
    return Bench(circuit.name, config, median(base_s), base, measures)


def _contenders(
    circuit: Circuit, wired: Mapping[str, Circuit], config: BenchConfig, x: Tensor, y: Tensor
) -> list[Contender]:
    rules = [rule_contender(name, w, config, x, y) for name, w in wired.items()]
    return [plain_contender(circuit, config, x, y), *rules]


def plans(circuit: Circuit, rules: Mapping[str, Rule], config: BenchConfig) -> dict[str, Plan]:
    """What the step of each rule keeps in memory, without running it."""
    wired = wire_all(circuit, rules)
    x, y = random_batch(circuit, config)
    return {name: plan_step(rate_network(w, config), x, y) for name, w in wired.items()}


def as_dict(result: Bench) -> dict[str, Any]:
    """For JSON: the measurement, per rule."""
    common = {
        "device": result.config.device,
        "dtype": result.config.dtype,
        "batch": result.config.batch,
        "weights_dtype": str(result.config.stored).removeprefix("torch."),
        "channels_last": result.config.channels_last,
        "compile": result.config.compile,
    }
    rules = {
        m.rule: {
            "rule": m.rule,
            "step_time_ratio": m.time.median,
            "step_time_ratio_spread": [m.time.low, m.time.high],
            "peak_memory_ratio": m.memory_ratio,
            **common,
            "step_s": m.step_s,
            "images_per_s": result.images_per_s(m.step_s),
            "peak_memory_bytes": m.peak.activity,
            "total_memory_ratio": m.total_ratio,
            "total_memory_bytes": m.peak.total,
            "kept_bytes": m.kept_bytes,
            "traffic_ratio": m.traffic_ratio,
        }
        for m in result.rules
    }
    autograd = {
        "step_s": result.autograd_s,
        "images_per_s": result.images_per_s(result.autograd_s),
        "peak_memory_bytes": result.autograd_peak.activity,
        "total_memory_bytes": result.autograd_peak.total,
    }
    return {
        "circuit": result.circuit,
        **common,
        "repeats": result.config.repeats,
        "autograd": autograd,
        "rules": rules,
    }
