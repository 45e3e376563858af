"""What every reader does in the end: the threshold, and what a user should be told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from oneway.circuits import WiringError

from ..graph import Graph
from ..reading import Reading, ReadOptions

FEW_EDGES = 1000


def finished(
    graph: Graph,
    reading: Reading,
    options: ReadOptions,
    counts: NDArray[Any] | None = None,
) -> Graph:
    """The graph above the threshold, with its reading.

    Parameters
    ----------
    counts : array, optional
        Rows behind each stored entry of the graph's weights; by default 1.

    Raises
    ------
    WiringError
        No two different cells are joined, so that nothing can be said.
    """
    zero = int((graph.weights.data == 0).sum())
    if zero and options.min_weight is None:
        raise WiringError(
            f"graph file {reading.file}: {zero:,} connections weigh 0: say --min-weight 0 if they "
            "count as connections, or a threshold that leaves them out"
        )
    if options.min_weight is not None:
        graph, below = _above(graph, options.min_weight, counts)
        reading = replace(reading, min_weight=options.min_weight, below=below)
    if not graph.edges:
        threshold = f" of at least {options.min_weight:g}" if options.min_weight else ""
        raise WiringError(
            f"graph file {reading.file}: no connection{threshold} between two different cells "
            f"in it ({graph.autapses:,} autapses)"
        )
    notes = reading.notes or tuple(_suspicions(graph))
    read = replace(graph, reading=replace(reading, notes=notes))
    # Of millions of edges it takes seconds, and is the same.
    vars(read)["adjacency"] = graph.adjacency
    return read


def _above(graph: Graph, least: float, counts: NDArray[Any] | None) -> tuple[Graph, int]:
    """Cells stay; a connection weighs what its parallel rows weigh together."""
    entries = graph.weights.tocoo()
    kept = np.abs(entries.data) >= least
    rows = int(kept.sum() if counts is None else counts[kept].sum())
    ends = (entries.row[kept], entries.col[kept])
    weights = sparse.csr_array((entries.data[kept], ends), shape=graph.weights.shape)
    return replace(graph, weights=weights, rows=rows), int((~kept).sum())


def _suspicions(graph: Graph) -> list[str]:
    """An undirected graph is listed as one triangle of a matrix, or as both."""
    pre, post = graph.adjacency.nonzero()
    if len(pre) < 2:
        return []
    order = _order(graph.names)
    rises = order[pre] < order[post]
    if rises.all() or not rises.any():
        way = "rises (u < v)" if rises.all() else "falls (u > v)"
        return [
            f"every line {way} and none has one back: in all likelihood this is an undirected "
            "graph that lists each edge once, of which reciprocity says nothing"
        ]
    if len(pre) > 5 and _all_answered(graph, pre, post):
        return [
            "every edge has one back: in all likelihood this is an undirected graph that lists "
            "each edge twice, of which reciprocity says nothing"
        ]
    return []


def _all_answered(graph: Graph, pre: NDArray[Any], post: NDArray[Any]) -> bool:
    """A few edges tell of most large graphs that they are not."""
    few = slice(0, FEW_EDGES)
    if not graph.adjacency[post[few], pre[few]].all():
        return False
    return (graph.adjacency != graph.adjacency.T).nnz == 0


def _order(names: NDArray[np.str_]) -> NDArray[np.int64]:
    """Of names as numbers where all are, else as words."""
    try:
        keys: NDArray = names.astype(np.int64)
    except (ValueError, OverflowError):
        keys = names
    ranks = np.empty(len(names), np.int64)
    ranks[np.argsort(keys, kind="stable")] = np.arange(len(names))
    return ranks
