"""Figures of a graph that `oneway check GRAPH` prints below its verdict: nulls, triads, cycles."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from oneway.analysis.graphs import (
    CHEAP,
    NULLS,
    Graph,
    GraphFigures,
    NullComparison,
    describe,
    return_lengths,
    search_blocks,
    usual_nulls,
)

from ..errors import ConfigError
from ..progress import ProgressBar
from .options.graph import MANY_EDGES, SAMPLES


def show(
    console: Console, graph: Graph, found: GraphFigures, arguments: argparse.Namespace
) -> None:
    """For people: a table of the figures, and below it how far it is back."""
    if found.nulls or found.triads:
        console.print(_table(found))
    if not found.nulls and arguments.samples is None:
        console.print(
            f"not held against random graphs, with {graph.edges:,} edges (--samples {SAMPLES})",
            soft_wrap=True,
        )
    console.print(
        f"connections of the shortest cycle through a cell: {_cycles(found)}",
        soft_wrap=True,
        highlight=False,
    )


def find(graph: Graph, arguments: argparse.Namespace) -> GraphFigures:
    """The verdict, and what else is asked for or quickly found."""
    samples = _samples(graph, arguments)
    nulls = _nulls(graph, arguments)
    seed = arguments.null_seed
    if seed < 0:
        raise ConfigError(f"--null-seed {seed}, expected 0 or more")
    with ProgressBar("random graphs", samples * len(nulls)) as bar:
        found = describe(graph, samples, nulls, arguments.triads, False, seed, bar.advance)
    if graph.edges * len(graph) > CHEAP and not arguments.return_paths:
        return found
    with ProgressBar("ways back", search_blocks(graph)) as bar:
        return replace(found, returns=return_lengths(graph, bar.advance))


def _samples(graph: Graph, arguments: argparse.Namespace) -> int:
    if arguments.samples is None:
        return SAMPLES if graph.edges <= MANY_EDGES else 0
    if arguments.samples < 0:
        raise ConfigError(f"--samples {arguments.samples}, expected 0 or more random graphs")
    return arguments.samples


def _nulls(graph: Graph, arguments: argparse.Namespace) -> tuple[str, ...]:
    if arguments.null is None:
        return usual_nulls(graph)
    names = tuple(name.strip() for name in arguments.null.split(","))
    for name in names:
        if name not in NULLS:
            raise ConfigError(f"--null {name!r}, expected some of {', '.join(NULLS)}")
    return names


def _table(found: GraphFigures) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("")
    table.add_column("here", justify="right")
    for null, figures in found.nulls.items():
        samples = next(iter(figures.values())).samples
        table.add_column(f"{null}, {samples} samples", justify="right")
        table.add_column("z", justify="right")
    for name, value in _observed(found).items():
        cells = [cell for figures in found.nulls.values() for cell in _beside(figures[name])]
        table.add_row(escape(name.replace("_", " ")), _number(value), *cells)
    return table


def _observed(found: GraphFigures) -> Mapping[str, float]:
    verdict = found.verdict
    pairs = {"reciprocal_pairs": verdict.reciprocal_pairs, "reciprocity": verdict.reciprocity}
    return {**pairs, **(found.triads or {})}


def _beside(compared: NullComparison) -> tuple[str, str]:
    spread = f"{_number(compared.mean)} ± {_number(compared.sd, 3)}"
    return spread, "–" if compared.z is None else f"{compared.z:+.1f}"


def _number(value: float, figures: int = 4) -> str:
    """Counts in full, fractions in so many figures."""
    if value != value:  # one sample has no spread
        return "–"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.{figures}g}"


def _cycles(found: GraphFigures) -> str:
    """Cells by the length of the shortest cycle through each."""
    if found.returns is None:
        return "not followed in so large a graph (--return-paths)"
    ways = [f"{length} for {n:,}" for length, n in found.returns.counts.items()]
    return ", ".join([*ways, f"none for {found.returns.without:,} cells"])
