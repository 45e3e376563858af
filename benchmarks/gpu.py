"""What the rate backend does on a GPU, measured in one go.

Shows, in bfloat16 with float32 weights, channels last, both sides compiled:

- the fastest matrix product of this device, against which fractions of its peak are taken;
- every rule's step against plain autograd's (same net, type, layout, optimizer) on ResNet-18 for
  CIFAR-10 at batch 128 and 512, and a few rules on ResNet-34 and on Tiny ImageNet's images: ratio
  of times with quartiles, images a second, fraction of that peak, ratio of peak memory;
- seconds of a training epoch with augmentation, evaluation included, after one that compiles;
- where an uncompiled step spends its time, by kind of operation.

Images are noise: only shapes matter. Fractions of the peak count the products of autograd's step
(forward once, backward twice) and nothing else, whatever a rule computes. What does not fit into
memory is reported as such, and the rest goes on. Compiling takes minutes a rule and shape; for a
first look take --compile no, and --quick to see on any machine that all of it runs. One process,
one set of weights: a seed changes nothing that is timed.

    python benchmarks/gpu.py [--device D] [--dtype T] [--compile MODE] [--batch N N] [--repeats N]
                             [--rules R ...] [--json FILE] [--quick]
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from oneway.backends.rate.autograd import PlainNetwork
from oneway.circuits import Circuit, parse_circuit
from oneway.rules import RULES, Rule, parse_rule
from oneway.training import ConfigError, DataSet, TrainConfig, TrainingError, train
from oneway.training.bench.contenders import DTYPES, BenchConfig, random_batch, rate_network
from oneway.training.bench.measure import as_dict, bench
from oneway.training.config import COMPILE_MODES
from oneway.training.hardware import fastest_kernels, hardware_line

EVERY = (*RULES, "asap,k=4")
SOME = ("bp", "kp", "asap")


@dataclass(frozen=True)
class Case:
    """A net, the rules that it is measured with, and how many images an epoch of it has."""

    circuit: str
    rules: tuple[str, ...]
    epoch: int = 50_000


CASES = (
    Case("resnet18:3x32x32-10", EVERY),
    Case("resnet34:3x32x32-10", SOME),
    Case("resnet18:3x64x64-200", SOME, 100_000),
    Case("resnet34:3x64x64-200", SOME, 100_000),
)
QUICK = (Case("resnet18:3x16x16-4,width=2", ("bp", "wm", "asap"), 64),)


# -- one measurement each ----------------------------------------------------------------------


def product_flops(config: BenchConfig, n: int, repeats: int = 10) -> float:
    """The most operations a second that products of square matrices reach."""
    dtype = config.computed or config.stored
    a, b = (torch.randn(n, n, device=config.device, dtype=dtype) for _ in range(2))
    seconds = [_seconds(lambda: a @ b, config) for _ in range(repeats)]
    return 2 * n**3 / min(seconds)


def step_flops(circuit: Circuit) -> int:
    """Of autograd's step for one image, products alone."""
    x = torch.empty(2, *circuit.inputs[0].shape, device="meta")
    with FlopCounterMode(display=False) as counted:
        PlainNetwork(circuit).to("meta")(x).sum().backward()
    return counted.get_total_flops() // 2


def compare(circuit: Circuit, rules: dict[str, Rule], config: BenchConfig, peak: float) -> Any:
    """Every rule's step against autograd's."""
    found = as_dict(bench(circuit, rules, config))
    flops = step_flops(circuit)
    for side in (found["autograd"], *found["rules"].values()):
        side["fraction_of_peak"] = side["images_per_s"] * flops / peak
    return found


def epoch_seconds(circuit: Circuit, rule: Rule, n: int, config: BenchConfig) -> float:
    """Of the second epoch; the first one compiles."""
    generator = np.random.default_rng(0)
    shape, classes = circuit.inputs[0].shape, circuit.output.size
    n_test = max(2, n // 5)
    x = generator.integers(256, size=(n + n_test, *shape), dtype=np.uint8)
    y = generator.integers(classes, size=n + n_test)
    data = DataSet.from_arrays("noise", (x[:n], y[:n]), (x[n:], y[n:]), classes)
    settings = TrainConfig(
        epochs=2,
        batch_size=config.batch,
        lr=1e-4,
        augment="crop+flip",
        device=config.device,
        dtype=config.dtype,
        channels_last=config.channels_last,
        compile=config.compile,
    )
    return train(rule.wire(circuit), data, settings).history[-1]["seconds"]


def breakdown(circuit: Circuit, rule: Rule, config: BenchConfig, repeats: int = 5) -> dict:
    """Kind of operation → seconds of an uncompiled step, the longest first."""
    net = rate_network(rule.wire(circuit), config)
    x, y = random_batch(circuit, config)
    net.step(x, y)
    clock = Clock(config)
    schedule = net._schedules["step"]
    timed = replace(
        schedule,
        operations=[
            replace(op, kernel=clock.around(op.kind, op.kernel)) for op in schedule.operations
        ],
    )
    with torch.no_grad():
        for _ in range(repeats):
            timed.run(net._given(x=x, y=y))
    seconds = {kind: spent / repeats for kind, spent in clock.seconds().items()}
    return dict(sorted(seconds.items(), key=lambda item: -item[1]))


class Clock:
    """Adds up the time of calls by kind; on a GPU by events in its own queue."""

    def __init__(self, config: BenchConfig) -> None:
        self.config = config
        self.spans: list[tuple[str, Any, Any]] = []

    def around(self, kind: str, kernel: Callable) -> Callable:
        def timed(*inputs: Any) -> Any:
            start = self._now()
            result = kernel(*inputs)
            self.spans.append((kind, start, self._now()))
            return result

        return timed

    def _now(self) -> Any:
        if not self.config.on_gpu:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def seconds(self) -> dict[str, float]:
        if self.config.on_gpu:
            torch.cuda.synchronize(self.config.device)
        total: dict[str, float] = {}
        for kind, start, end in self.spans:
            spent = start.elapsed_time(end) / 1000 if self.config.on_gpu else end - start
            total[kind] = total.get(kind, 0.0) + spent
        return total


def _seconds(call: Callable[[], Any], config: BenchConfig) -> float:
    clock = Clock(config)
    clock.around("call", call)()
    return clock.seconds()["call"]


# -- all of them -------------------------------------------------------------------------------


def measure(chosen: argparse.Namespace) -> dict[str, Any]:
    config = BenchConfig(
        2, chosen.device, chosen.dtype, chosen.repeats, channels_last=True, compile=chosen.compile
    )
    peak = product_flops(config, 256 if chosen.quick else 8192)
    found: dict[str, Any] = {
        "hardware": hardware_line(config.device),
        "dtype": config.dtype,
        "compile": config.compile,
        "tf32_in_convolutions": torch.backends.cudnn.allow_tf32,
        "product_flops": peak,
        "cases": [],
    }
    for case in QUICK if chosen.quick else CASES:
        for batch in chosen.batch:
            names = chosen.rules or case.rules
            report = measured(case, names, replace(config, batch=batch), peak)
            found["cases"].append(report)
            show(report)
            if chosen.json:  # so that a run cut short leaves what it found
                text = json.dumps(found, indent=1, allow_nan=False)
                chosen.json.write_text(text, encoding="utf-8")
    return found


def measured(case: Case, names: Sequence[str], config: BenchConfig, peak: float) -> dict[str, Any]:
    """One net at one batch size; where something fails, its reason in place of a number."""
    circuit = parse_circuit(case.circuit)
    rules = {name: parse_rule(name) for name in names}
    report: dict[str, Any] = {"circuit": case.circuit, "batch": config.batch, "steps": {}}
    with fastest_kernels(config.device):
        for name, rule in rules.items():
            # One rule at a time, autograd beside it: so none takes memory from the others.
            report["steps"][name] = _or_reason(lambda: compare(circuit, {name: rule}, config, peak))  # noqa: B023
        first = next(iter(rules))
        for name in dict.fromkeys((first, *[n for n in SOME if n in rules])):
            report.setdefault("epoch_seconds", {})[name] = _or_reason(
                lambda: epoch_seconds(circuit, rules[name], case.epoch, config)  # noqa: B023
            )
            report.setdefault("breakdown", {})[name] = _or_reason(
                lambda: breakdown(circuit, rules[name], config)  # noqa: B023
            )
    return report


def _or_reason(ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except (ConfigError, TrainingError, torch.OutOfMemoryError) as error:
        return {"failed": str(error).splitlines()[0]}
    finally:
        gc.collect()
        torch.compiler.reset()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


# -- tables ------------------------------------------------------------------------------------


def show(report: dict[str, Any]) -> None:
    print(f"\n{report['circuit']}, batch {report['batch']}")
    print(f"{'':20}{'ms':>9}{'time':>7}  {'quartiles':11}{'memory':>7}{'images/s':>11}{'peak':>7}")
    for line in lines(report["steps"]):
        print(line)
    for name, seconds in report.get("epoch_seconds", {}).items():
        print(f"epoch, {name}: {seconds if isinstance(seconds, dict) else f'{seconds:.2f} s'}")
    for name, kinds in report.get("breakdown", {}).items():
        if "failed" in kinds:
            print(f"uncompiled step, {name}: {kinds['failed']}")
        else:
            print(f"uncompiled step, {name}: {shares(kinds)}")


def lines(steps: dict[str, Any]) -> Iterator[str]:
    done = [step for step in steps.values() if "failed" not in step]
    if done:
        base = median(step["autograd"]["step_s"] for step in done)
        rate = median(step["autograd"]["images_per_s"] for step in done)
        part = median(step["autograd"]["fraction_of_peak"] for step in done)
        yield f"{'autograd':20}{1000 * base:9.2f}{1:7.2f}  {'':11}{1:7.2f}{rate:11,.0f}{part:7.1%}"
    for name, step in steps.items():
        if "failed" in step:
            yield f"{name:20}{step['failed']}"
            continue
        rule = step["rules"][name]
        low, high = rule["step_time_ratio_spread"]
        yield (
            f"{name:20}{1000 * rule['step_s']:9.2f}{rule['step_time_ratio']:7.2f}  "
            f"{f'{low:.2f}-{high:.2f}':11}{rule['total_memory_ratio']:7.2f}"
            f"{rule['images_per_s']:11,.0f}{rule['fraction_of_peak']:7.1%}"
        )


def shares(kinds: dict[str, float]) -> str:
    whole = sum(kinds.values())
    return ", ".join(f"{kind} {spent / whole:.0%}" for kind, spent in kinds.items())


def options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--device", default="cuda", help="cuda, one GPU (cuda:1) or cpu")
    parser.add_argument("--dtype", default="bfloat16", choices=tuple(DTYPES))
    parser.add_argument("--compile", default="reduce-overhead", choices=COMPILE_MODES)
    parser.add_argument("--batch", type=int, nargs="+", default=[128, 512])
    parser.add_argument("--repeats", type=int, default=15, help="rounds")
    parser.add_argument("--rules", nargs="+", help="these in place of each net's own")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers here")
    parser.add_argument("--quick", action="store_true", help="a tiny net: does everything run?")
    chosen = parser.parse_args(arguments)
    if chosen.quick:
        chosen.batch, chosen.repeats = [8], 3
    return chosen


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = options(arguments)
    try:
        found = measure(chosen)
    except ConfigError as error:
        raise SystemExit(f"gpu.py: {error}") from error
    print(f"\n{found['hardware']}; products {found['product_flops'] / 1e12:.2f} TFLOP/s")


if __name__ == "__main__":
    main()
