"""`oneway check` of a graph: how its file is read, and what can be said of it."""

from __future__ import annotations

import argparse
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from oneway.analysis import Graph, GraphVerdict, check, parse_constraints
from oneway.analysis.graphs import (
    ClassPair,
    ClassReciprocity,
    GraphFigures,
    Reading,
    reciprocity_by,
)

from ..console import Terminal
from ..errors import ConfigError
from . import graph_figures
from .constraints import show_findings
from .options.graph import READ_OPTIONS
from .shared import print_json

CLASS_PAIRS_SHOWN = 25


def read_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """What `read_graph` is told."""
    given = {name: getattr(arguments, name) for name in READ_OPTIONS}
    options = {name: value for name, value in given.items() if value is not None}
    return options


def refuse_options(arguments: argparse.Namespace) -> None:
    """A circuit is no table."""
    for name in (*READ_OPTIONS, "findings", "samples", "null", "triads"):
        if getattr(arguments, name) not in (None, False):
            raise ConfigError(
                f"{arguments.circuit!r} is a circuit, and --{name.replace('_', '-')} is for graph "
                "files: leave it out"
            )


def run(graph: Graph, arguments: argparse.Namespace) -> int:
    """Exit code 0 where the constraint that was asked for holds."""
    report = check(graph, parse_constraints(arguments.constraint))
    by_class = reciprocity_by(graph, arguments.by) if arguments.by else None
    found = graph_figures.find(graph, arguments)
    holds = arguments.findings or report.ok
    if arguments.json:
        content = _as_dict(found, graph, by_class, holds)
        print_json(content | {"constraints": report.as_list()})
    else:
        _show(found, graph, by_class, arguments)
        show_findings(Terminal(), report, remedies=False)
    return 0 if holds else 1


def _as_dict(
    found: GraphFigures, graph: Graph, by_class: ClassReciprocity | None, holds: bool
) -> dict[str, Any]:
    content = {**found.as_dict(), "ok": holds}
    if graph.reading is not None:
        content["read"] = graph.reading.as_dict() | {
            "autapses": graph.autapses,
            "multapses": graph.multapses,
        }
    if by_class is not None:
        content["by"] = by_class.as_dict()
    return content


# -- for people --------------------------------------------------------------------------------


def _show(
    found: GraphFigures,
    graph: Graph,
    by_class: ClassReciprocity | None,
    arguments: argparse.Namespace,
) -> None:
    console, verdict = Terminal(), found.verdict
    console.print(f"[bold]{escape(arguments.circuit)}[/]")
    facts = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    facts.add_row("verdict", _verdict(verdict, arguments.findings))
    if graph.reading is not None:
        _add_reading(facts, graph, graph.reading)
    facts.add_row("nodes", f"{verdict.nodes:,}")
    facts.add_row("edges", f"{verdict.edges:,}")
    facts.add_row("reciprocal pairs", f"{verdict.reciprocal_pairs:,}")
    facts.add_row("reciprocity", f"{verdict.reciprocity:.4g}")
    facts.add_row("by chance", f"{verdict.density:.4g}, the density of edges")
    console.print(facts)
    graph_figures.show(console, graph, found, arguments)
    if by_class is not None:
        _show_classes(console, by_class)


def _verdict(verdict: GraphVerdict, findings: bool) -> str:
    """Every edge of a graph counts as a drive, so that `papers` and `all` ask the same."""
    if verdict.ok:
        return "[green]one-way[/] (constraint papers): no two cells are joined both ways"
    colour = "yellow" if findings else "red"
    return f"[{colour}]reciprocal[/] (constraint papers): cells are joined both ways"


def _add_reading(facts: Table, graph: Graph, reading: Reading) -> None:
    columns, (pre, post, weight) = reading.columns, reading.first
    facts.add_row("read", escape(reading.format))
    facts.add_row("", escape(f"pre {columns['pre']}, post {columns['post']}"))
    facts.add_row("", escape(f"weights {reading.weights}"))
    if reading.unread:
        facts.add_row(
            "", escape(f"not read: {', '.join(name or '(no name)' for name in reading.unread)}")
        )
    weighs = f", weight {weight:g}" if "weight" in columns else ""
    facts.add_row("", escape(f"first edge {pre} -> {post}{weighs}"))
    taken = f"{reading.rows:,} rows"
    if reading.where:
        taken += f", {reading.taken:,} with {', '.join(reading.where)}"
    facts.add_row("", escape(taken))
    if reading.min_weight is not None:
        facts.add_row(
            "", f"at least {reading.min_weight:g} from cell to cell; {reading.below:,} are below"
        )
    facts.add_row("", f"{graph.autapses:,} autapses and {graph.multapses:,} multapses set aside")
    if reading.cells:
        facts.add_row("cells", escape(reading.cells))
    for note in reading.notes:
        facts.add_row("[yellow]note[/]", escape(note))


def _show_classes(console: Console, by_class: ClassReciprocity) -> None:
    table = Table(title=escape(f"by {by_class.column}: connections, and those that run both ways"))
    table.add_column("pre", overflow="fold")
    table.add_column("post", overflow="fold")
    for heading in ("edges", "both ways", "pairs", "reciprocity"):
        table.add_column(heading, justify="right")
    for name, total in (("within classes", by_class.within), ("between", by_class.between)):
        pairs = total.answered // 2
        table.add_row(name, "", *_counts(total, pairs))
    table.add_section()
    for pair in by_class.ordered[:CLASS_PAIRS_SHOWN]:
        table.add_row(_class(pair.pre), _class(pair.post), *_counts(pair, pair.pairs))
    console.print(table)
    if len(by_class.ordered) > CLASS_PAIRS_SHOWN:
        more = len(by_class.ordered) - CLASS_PAIRS_SHOWN
        console.print(f"{more:,} more pairs of classes with fewer edges: --json has them")


def _class(name: str) -> str:
    return escape(name) if name else "(none)"


def _counts(pair: ClassPair, pairs: int) -> tuple[str, ...]:
    return f"{pair.edges:,}", f"{pair.answered:,}", f"{pairs:,}", f"{pair.reciprocity:.4g}"
