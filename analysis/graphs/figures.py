"""Everything that is usually asked of a graph, at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import networkx as nx

from .census import GraphVerdict, check_graph
from .graph import Graph, as_graph
from .nulls import NullComparison, compare_to_null, reciprocity_figures, usual_figures
from .random_graphs import usual_nulls
from .returns import ReturnLengths, return_lengths
from .triads import triad_census

# Edges × cells up to which the way back is followed unasked: two seconds' work.
CHEAP = 600_000_000


@dataclass(frozen=True)
class GraphFigures:
    """What `describe` found.

    Parameters
    ----------
    verdict : GraphVerdict
    nulls : mapping of str to mapping of str to NullComparison
        By null, then by figure.
    triads : mapping of str to int, optional
        None: not asked for.
    returns : ReturnLengths, optional
        None: not followed.
    """

    verdict: GraphVerdict
    nulls: Mapping[str, Mapping[str, NullComparison]]
    triads: Mapping[str, int] | None = None
    returns: ReturnLengths | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON: the verdict's entries, ``nulls``, and ``triads`` and ``cycles`` if known."""
        content: dict[str, Any] = self.verdict.as_dict()
        content["nulls"] = {
            null: {figure: compared.as_dict() for figure, compared in figures.items()}
            for null, figures in self.nulls.items()
        }
        if self.triads is not None:
            content["triads"] = dict(self.triads)
        if self.returns is not None:
            lengths = {str(length): n for length, n in self.returns.counts.items()}
            content["cycles"] = {"cells_by_shortest": lengths, "without": self.returns.without}
        return content


def describe(
    graph: Graph | nx.DiGraph,
    samples: int = 20,
    nulls: Sequence[str] | None = None,
    triads: bool = True,
    returns: bool | None = None,
    seed: int = 0,
    progress: Callable[[], object] = lambda: None,
) -> GraphFigures:
    """Reciprocity, triad census and shortest cycles of a graph, beside what random graphs have.

    Parameters
    ----------
    samples : int
        Random graphs of each null; 0: none.
    nulls : sequence of str, optional
        Names from `NULLS`; by default all that can be drawn: `spatial` needs positions.
    triads : bool
        Count triads, in the random graphs too.
    returns : bool, optional
        Follow the way back along every edge; by default where that takes a second or two.
    progress : callable, optional
        Called after each random graph: samples × nulls times.

    Examples
    --------
    >>> import networkx as nx
    >>> from oneway.analysis.graphs import describe
    >>> found = describe(nx.gnp_random_graph(50, 0.1, seed=1, directed=True), samples=10)
    >>> found.verdict.reciprocal_pairs, found.returns.counts[2]
    (9, 13)
    >>> abs(found.nulls["erdos-renyi"]["reciprocal_pairs"].z) < 3
    True
    """
    graph = as_graph(graph)
    measure = usual_figures if triads else reciprocity_figures
    drawn = (usual_nulls(graph) if nulls is None else nulls) if samples else ()
    if returns is None:
        returns = graph.edges * len(graph) <= CHEAP
    return GraphFigures(
        check_graph(graph),
        {n: compare_to_null(graph, measure, n, samples, seed, progress) for n in drawn},
        triad_census(graph) if triads else None,
        return_lengths(graph) if returns else None,
    )
