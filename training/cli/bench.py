"""`oneway bench`: each rule's step against autograd's, for people or as one JSON object."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Table

from oneway.circuits import Circuit, WiringError
from oneway.rules import Rule, parse_rule

from ..console import Terminal
from ..errors import ConfigError
from ..sources import read_circuit
from ..terminal import say
from .options.bench import DEFAULT_RULES
from .shared import print_json

if TYPE_CHECKING:
    from oneway.backends.rate.memory_plan import Plan

    from ..bench.measure import Bench, RuleMeasure


# Quartiles further apart than this fraction of the median deserve a word.
NOISY = 0.1
RULE_WIDTH = 18
LEGEND = (
    "time: a step over autograd's with the same optimizer, ratios within each round",
    "memory: peak of what a step makes, changes left for the optimizer aside, over autograd's",
    "kept: of that, held when the loss is known; read: activity that plasticity reads, over "
    "backpropagation's",
)


def run(arguments: argparse.Namespace) -> int:
    # Here, so that --help does not wait for torch.
    from ..bench.contenders import BenchConfig
    from ..bench.measure import as_dict, bench, plans
    from ..hardware import hardware_line, threads

    # A rule file may print what it likes; standard output is ours.
    with redirect_stdout(sys.stderr), threads(arguments.threads):
        circuit = read_circuit(arguments.circuit)
        rules = read_rules(arguments.rules) if arguments.rules else usual_rules(circuit)
        config = BenchConfig(
            arguments.batch,
            arguments.device,
            arguments.dtype,
            arguments.repeats,
            channels_last=arguments.channels_last,
            compile=arguments.compile,
        )
        hardware = hardware_line(config.device)
        if arguments.plan:
            planned = plans(circuit, rules, config)
        else:
            result = bench(circuit, rules, config)
    if arguments.json:
        content = _plans_as_dict(circuit.name, planned) if arguments.plan else as_dict(result)
        print_json(content | {"hardware": hardware})
    elif arguments.plan:
        _show_plans(circuit.name, planned, config.batch)
    else:
        _show(result, hardware)
    return 0


def read_rules(arguments: Iterable[str]) -> dict[str, Rule]:
    """Rules by the text that named each.

    Examples
    --------
    >>> list(read_rules(["bp,asap,k=4,gate=local,fa", "kp"]))
    ['bp', 'asap,k=4,gate=local', 'fa', 'kp']
    """
    texts: list[str] = []
    for argument in " ".join(arguments).split():
        for i, part in enumerate(argument.split(",")):
            if i > 0 and "=" in part:
                texts[-1] += f",{part}"
            else:
                texts.append(part)
    for text in texts:
        if texts.count(text) > 1:
            raise ConfigError(f"rule {text!r} is named twice: name every rule once")
    return {text: parse_rule(text) for text in texts}


def usual_rules(circuit: Circuit) -> dict[str, Rule]:
    """The default rules, without block sizes that the circuit is not deep enough for."""
    usual = read_rules(DEFAULT_RULES)
    for text in [text for text in usual if "k=" in text]:
        try:
            usual[text].wire(circuit)
        except WiringError:
            del usual[text]
    return usual


# -- for people --------------------------------------------------------------------------------


def _show(result: Bench, hardware: str) -> None:
    console = Terminal()
    config = result.config
    what = f"{result.circuit}, batch {config.batch}, {config.dtype} on {config.device}"
    what += ", channels last" if config.channels_last else ""
    what += f", compiled ({config.compile})" if config.compile != "no" else ""
    console.print(f"[bold]{escape(what)}[/]: medians of {config.repeats} rounds, everyone in turn")
    console.print(escape(hardware), soft_wrap=True, highlight=False)
    console.print(_table(result))
    for line in LEGEND:
        console.print(line, soft_wrap=True, highlight=False)
    hint = noise_hint(result)
    if hint:
        console.print(f"[yellow]{escape(hint)}[/]", soft_wrap=True, highlight=False)


def _table(result: Bench) -> Table:
    unit, size = ("MiB", 2**20) if result.autograd_peak.activity > 2**20 else ("KiB", 2**10)
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("rule", overflow="fold", min_width=RULE_WIDTH)
    for name in ("ms", "images/s", "time", "quartiles", unit, "memory", "kept", "read"):
        table.add_column(name, justify="right", no_wrap=True)
    base = f"{result.autograd_peak.activity / size:.1f}"
    amounts = _amounts(result, result.autograd_s)
    table.add_row("autograd", *amounts, "1.00", "", base, "1.00", "", "")
    for m in result.rules:
        table.add_row(escape(_in_lines(m.rule)), *_amounts(result, m.step_s), *_ratios(m, size))
    return table


def _in_lines(rule: str) -> str:
    """A long rule broken after commas, so that it can be read and still be copied."""
    lines = [""]
    for part in rule.replace(",", ",\0").split("\0"):
        if lines[-1] and len(lines[-1] + part) > RULE_WIDTH:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)


def _amounts(result: Bench, step_s: float) -> tuple[str, str]:
    return f"{1000 * step_s:,.2f}", f"{result.images_per_s(step_s):,.0f}"


def _ratios(m: RuleMeasure, size: int) -> Sequence[str]:
    return (
        f"{m.time.median:.2f}",
        f"{m.time.low:.2f}-{m.time.high:.2f}",
        f"{m.peak.activity / size:.1f}",
        f"{m.memory_ratio:.2f}",
        f"{m.kept_bytes / size:.1f}",
        f"{m.traffic_ratio:.2f}",
    )


def noise_hint(result: Bench) -> str | None:
    """What to do where the rounds disagree; None where they do not."""
    noisy = [m.rule for m in result.rules if m.time.spread > NOISY]
    if not noisy:
        return None
    return (
        f"rounds disagree by more than {100 * NOISY:.0f} % for {'; '.join(noisy)}: something else "
        f"uses this machine. Wait until it is idle, or raise --repeats (now "
        f"{result.config.repeats})"
    )


# -- plans -------------------------------------------------------------------------------------


def _show_plans(circuit: str, planned: dict[str, Plan], batch: int) -> None:
    for rule, plan in planned.items():
        title = f"{circuit}, batch {batch}, {rule}: {len(plan.operations)} operations"
        say(f"{title}\n\n{plan}\n")


def _plans_as_dict(circuit: str, planned: dict[str, Plan]) -> dict[str, Any]:
    rules = {
        rule: {
            "rule": rule,
            "operations": len(plan.operations),
            "kept_bytes": plan.kept_bytes,
            "peak_bytes": plan.peak_bytes,
            "peak_at": plan.operations[plan.peak_at],
            "changes_bytes": plan.changes_bytes,
            "kept": [
                {
                    "what": f"{k.kind} {k.label}",
                    "shape": list(k.shape),
                    "bytes": k.bytes,
                    "made": k.made,
                    "freed": k.freed,
                }
                for k in plan.kept
            ],
        }
        for rule, plan in planned.items()
    }
    return {"circuit": circuit, "rules": rules}
