"""`oneway check`: wiring verdicts for people, or as one JSON object."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout

from rich.markup import escape
from rich.table import Table

from oneway.analysis import (
    CONSTRAINTS,
    Report,
    RoleSet,
    Verdict,
    check,
    check_wiring,
    locality,
    parse_constraints,
    reads_beyond,
    return_paths,
)
from oneway.circuits import Circuit
from oneway.rules import Rule, parse_rule

from ..console import Terminal
from ..errors import ConfigError
from ..progress import ByteProgress
from ..signals import Signals, read_signals
from ..sources import read_source
from ..terminal import say
from . import check_graph
from .constraints import headline, show_findings
from .costs import show_rules
from .drawings import check_file, write_drawing
from .options.check import MANY_NEURONS
from .shared import print_json, tell

WORDS = {"none": "none", "signs": "signs only", "full": "yes"}


def run(arguments: argparse.Namespace) -> int:
    # A rule file may print what it likes; standard output is ours.
    reading = check_graph.read_options(arguments)
    with redirect_stdout(sys.stderr), ByteProgress("reading") as progress:
        source = read_source(arguments.circuit, progress=progress, **reading)
    if arguments.draw is not None:
        if arguments.rules or not isinstance(source, Circuit):
            raise ConfigError("--draw draws one wired circuit: CIRCUIT --rule RULE --draw FILE")
        check_file("--draw", arguments.draw)
    if arguments.signals and (arguments.rules or not isinstance(source, Circuit)):
        raise ConfigError("--signals is said of one wired circuit: CIRCUIT --rule RULE --signals")
    if isinstance(source, Circuit):
        check_graph.refuse_options(arguments)
        if arguments.rules:
            return show_rules(source, arguments)
        return _check_circuit(source, arguments)
    _refuse(arguments, f"{arguments.circuit!r} is a plain graph, which no rule can wire")
    return check_graph.run(source, arguments)


def _check_circuit(circuit: Circuit, arguments: argparse.Namespace) -> int:
    with redirect_stdout(sys.stderr):
        asked = parse_constraints(arguments.constraint)
        rule, wired = _wired(circuit, arguments)
        counted: RoleSet = "all" if "all" in [constraint.name for constraint in asked] else "papers"
        verdict, report = check_wiring(wired, counted), check(wired, asked)
        signals = read_signals(wired) if arguments.signals else None
        if arguments.draw is not None:
            tell(f"drawing: {write_drawing(arguments.draw, wired, verdict)}")
    if arguments.json:
        content = _as_dict(verdict, rule, wired, arguments.locality, signals)
        print_json(content | {"ok": report.ok, "constraints": report.as_list()})
    else:
        _show_circuit(verdict, report, rule, wired, arguments)
        if signals is not None:
            say(signals.text())
    return 0 if report.ok else 1


def _wired(circuit: Circuit, arguments: argparse.Namespace) -> tuple[Rule | None, Circuit]:
    if arguments.rule is not None:
        rule = parse_rule(arguments.rule, gate=arguments.gate, norm=arguments.norm)
        return rule, rule.wire(circuit)
    if circuit.target is None:
        raise ConfigError(
            f"{circuit.name!r} is a forward circuit without feedback: name a rule with --rule"
        )
    _refuse(arguments, f"{circuit.name!r} is wired already")
    return None, circuit


def _refuse(arguments: argparse.Namespace, reason: str) -> None:
    for option in ("rule", "rules", "gate", "norm"):
        if getattr(arguments, option) is not None:
            raise ConfigError(f"{reason}: leave out --{option}")


# -- for programs ------------------------------------------------------------------------------


def _as_dict(
    verdict: Verdict,
    rule: Rule | None,
    wired: Circuit,
    with_locality: bool,
    signals: Signals | None,
) -> dict:
    content = verdict.as_dict(
        rule=rule and rule.label("gate", "norm"),
        gate=rule and rule.gate,
        norm=rule and rule.norm,
    )
    if with_locality:
        content["locality"] = [str(statement) for statement in locality(wired)]
        content["beyond"] = [str(one) for one in reads_beyond(wired)]
    if signals is not None:
        content["signals"] = signals.as_dict()
    return content


# -- for people --------------------------------------------------------------------------------


def _show_circuit(
    verdict: Verdict,
    report: Report,
    rule: Rule | None,
    wired: Circuit,
    arguments: argparse.Namespace,
) -> None:
    console = Terminal()
    how = (
        f" wired by {rule.label('gate', 'norm')} (gate {rule.gate}, norm {rule.norm})"
        if rule
        else ""
    )
    console.print(f"[bold]{escape(verdict.circuit + how)}[/]")
    with_paths = arguments.return_paths or verdict.neurons <= MANY_NEURONS
    console.print(_facts(verdict, wired, with_paths))
    if verdict.pairs:
        console.print(_pairs(verdict))
    show_findings(console, report)
    for note in wired.notes:
        console.print(f"note: {escape(note)}", soft_wrap=True)
    if arguments.locality:
        for statement in (*locality(wired), *reads_beyond(wired)):
            console.print(escape(str(statement)), soft_wrap=True, highlight=False)


def _facts(verdict: Verdict, wired: Circuit, with_paths: bool) -> Table:
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_row("verdict", headline(verdict))
    table.add_row("reciprocal neuron pairs", f"{verdict.papers:,} over drive, teach, mimic")
    table.add_row("", f"{verdict.all:,} with gate and norm")
    table.add_row("", f"{verdict.output:,} at the output, as under any supervised rule")
    if verdict.relays:
        names = escape(", ".join(verdict.relays))
        meaning = "only pass on what other cells send, so they count as those cells"
        table.add_row("relays", f"{names} {meaning}")
        table.add_row("", f"{verdict.relays_apart:,} pairs if they counted as neurons themselves")
    table.add_row("weight transport", WORDS[verdict.weight_transport])
    table.add_row("shortest return path", _return_path(verdict, wired, with_paths))
    table.add_row("phases", _phases(wired.modes))
    table.add_row("neurons", f"{verdict.neurons:,}")
    return table


# What a circuit does in its phases, one after the other.
PHASES = {
    "engaged": "activity and errors flow",
    "mirror": "noise in place of data",
    "mimic": "cells take over others' activity",
}


def _phases(modes: Sequence[str]) -> str:
    if len(modes) == 1:
        return "1: everything happens at once"
    told = (PHASES.get(mode, mode) for mode in modes)
    return f"{len(modes)}, in turn: {'; '.join(told)}"


def _return_path(verdict: Verdict, wired: Circuit, wanted: bool) -> str:
    """Of hidden cells; the output's error cells answer at once under every rule."""
    if not wanted:
        return "not followed in so large a circuit (--return-paths)"
    paths = return_paths(wired, 1, (*CONSTRAINTS[verdict.constraint], "compare"))
    loops = [p for p in paths if p.length is not None and p.population != wired.output.name]
    if not loops:
        return "none: no hidden cell reaches its partner and is reached by it"
    shortest = min(loops, key=lambda path: path.length or 0)
    way = f"{shortest.length} connections, {shortest.population} -> {shortest.partner} and back"
    return f"{way}, not counting those into relays" if verdict.relays else way


def _pairs(verdict: Verdict) -> Table:
    table = Table(
        title="populations that project to each other, with their connections that run both ways"
    )
    for heading in ("populations", "there", "back"):
        table.add_column(heading, overflow="fold")
    for heading in ("papers", "all", "output"):
        table.add_column(heading, justify="right")
    for pair in verdict.pairs:
        counts = (f"{n:,}" if n else "" for n in (pair.papers, pair.all, pair.output))
        table.add_row(
            f"{pair.first}, {pair.second}", _roles(pair.there), _roles(pair.back), *counts
        )
    return table


def _roles(counts: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{role} {n:,}" for role, n in counts)
