"""How far it is back: the shortest directed cycle through each edge and each cell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from oneway.circuits import WiringError

from .graph import Graph, as_graph

_WORD = 64
_BYTES = 2**28


@dataclass(frozen=True, eq=False)
class ReturnLengths:
    """Connections on the shortest way back.

    Parameters
    ----------
    edges : sparse array, shape (N, N)
        ``edges[u, v]``, for every edge u → v: connections on the shortest way from v back to u;
        1 where they project to each other, inf where there is no way.
    """

    edges: sparse.csr_array

    @cached_property
    def cells(self) -> NDArray[np.float64]:
        """Connections of the shortest directed cycle through each cell, shape (N,).

        2 is a reciprocal pair; inf: no cycle.
        """
        shortest = np.full(self.edges.shape[0], np.inf)
        np.minimum.at(shortest, self.edges.tocoo().row, self.edges.data + 1)
        return shortest

    @property
    def counts(self) -> dict[int, int]:
        """How many cells have a shortest cycle of each length; those without any left out."""
        lengths, numbers = np.unique(self.cells[np.isfinite(self.cells)], return_counts=True)
        return {int(length): int(n) for length, n in zip(lengths, numbers, strict=True)}

    @property
    def without(self) -> int:
        """Cells on no directed cycle."""
        return int(np.isinf(self.cells).sum())


def return_lengths(
    graph: Graph | nx.DiGraph,
    progress: Callable[[], object] = lambda: None,
    words: int | None = None,
) -> ReturnLengths:
    """The shortest way back along every edge, hence the shortest cycle through every cell.

    Parameters
    ----------
    progress : callable, optional
        Called after each of the `search_blocks`.
    words : int, optional
        64 × `words` cells are searched for at a time, which takes 8 × `words` bytes an edge; by
        default 64, or fewer where that would be more than 256 MiB.

    Notes
    -----
    Breadth first from all cells at once, one bit for each cell that is looked for: edges × cells /
    64 operations for each step outwards.

    Examples
    --------
    >>> import networkx as nx
    >>> from oneway.analysis.graphs import return_lengths
    >>> lengths = return_lengths(nx.DiGraph([(0, 1), (1, 2), (2, 0), (2, 1), (2, 3)]))
    >>> lengths.cells.tolist(), float(lengths.edges[0, 1])
    ([3.0, 2.0, 2.0, inf], 2.0)
    """
    graph = as_graph(graph)
    adjacency, words = graph.adjacency, words or _words(graph)
    back = np.full(adjacency.nnz, np.inf)
    for start in range(0, len(adjacency.indptr) - 1, _WORD * words):
        stop = min(start + _WORD * words, adjacency.shape[0])
        edges = slice(adjacency.indptr[start], adjacency.indptr[stop])
        back[edges] = _back_to(adjacency, start, stop)
        progress()
    return ReturnLengths(
        sparse.csr_array((back, adjacency.indices, adjacency.indptr), shape=adjacency.shape)
    )


def search_blocks(graph: Graph, words: int | None = None) -> int:
    """How often `return_lengths` reports progress."""
    return -(-len(graph) // (_WORD * (words or _words(graph))))


def _words(graph: Graph) -> int:
    return max(1, min(64, _BYTES // (8 * max(graph.edges, 1))))


def _back_to(adjacency: sparse.csr_array, start: int, stop: int) -> NDArray[np.float64]:
    """From the end of each edge that leaves a cell from `start` to `stop`, back to that cell."""
    indptr, indices = adjacency.indptr, adjacency.indices
    sending = np.flatnonzero(np.diff(indptr))
    bit = np.arange(stop - start)
    own = np.zeros((adjacency.shape[0], -(-(stop - start) // _WORD)), np.uint64)
    own[bit + start, bit // _WORD] = np.uint64(1) << (bit % _WORD).astype(np.uint64)
    at = np.repeat(bit, np.diff(indptr[start : stop + 1]))
    end, word = indices[indptr[start] : indptr[stop]], at // _WORD
    place = (at % _WORD).astype(np.uint64)
    back, reaching, steps = np.full(len(at), np.inf), own, 0
    while np.isinf(back).any():
        # Who reaches a cell within one step more: those that project to one that reaches it.
        further = reaching.copy()
        if len(sending):
            further[sending] |= np.bitwise_or.reduceat(reaching[indices], indptr[sending])
        steps += 1
        if np.array_equal(further, reaching):
            break
        reaching = further
        found = (reaching[end, word] >> place & np.uint64(1)).astype(bool)
        back[found & np.isinf(back)] = steps
    return back


def way_back(graph: Graph, pre: str, post: str) -> int | None:
    """Connections on the shortest way from cell `post` back to cell `pre`; None: no way.

    With an edge `pre` → `post` that is one less than the shortest cycle through both.

    Raises
    ------
    WiringError
        The graph has no such cell.
    """
    start, goal = (_cell(graph, name) for name in (post, pre))
    distance = sparse.csgraph.dijkstra(graph.adjacency, indices=start, unweighted=True)[goal]
    return int(distance) if np.isfinite(distance) else None


def _cell(graph: Graph, name: str) -> int:
    found = np.flatnonzero(graph.names == name)
    if not len(found):
        raise WiringError(f"the graph has no cell {name!r}; its first are {list(graph.names[:3])}")
    return int(found[0])
