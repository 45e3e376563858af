"""Reciprocity of any directed graph, so that a connectome can be held against a circuit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import networkx as nx
import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from .graph import Graph, as_graph


@dataclass(frozen=True)
class DyadCensus:
    """Unordered node pairs by what joins them: both directions, one, or none.

    Self-loops are no dyads; their number stands apart.
    """

    mutual: int
    asymmetric: int
    null: int
    self_loops: int = 0


@dataclass(frozen=True)
class PathLengths:
    """Lengths of the shortest directed paths.

    Parameters
    ----------
    counts : tuple of (int, int)
        Length and number of ordered node pairs at that distance, from 1 upwards.
    unreachable : int
        Ordered pairs without a path.
    """

    counts: tuple[tuple[int, int], ...]
    unreachable: int

    @property
    def mean(self) -> float:
        """Over the pairs that are joined by a path; nan where there is none."""
        pairs = sum(n for _, n in self.counts)
        return sum(length * n for length, n in self.counts) / pairs if pairs else float("nan")

    @property
    def longest(self) -> int:
        return max((length for length, _ in self.counts), default=0)


@dataclass(frozen=True)
class GraphVerdict:
    """What can be said of a directed graph.

    Parameters
    ----------
    nodes : int
    edges : int
        Distinct directed edges between different nodes: parallel edges count once, self-loops
        not at all.
    reciprocal_pairs : int
        Unordered node pairs joined in both directions.
    reciprocity : float
        Reciprocated edges / edges; 0 for a graph without edges.
    density : float
        Edges / possible edges: the reciprocity that edges laid at random would have.
    self_loops, parallel_edges : int
        What was set aside.
    """

    nodes: int
    edges: int
    reciprocal_pairs: int
    reciprocity: float
    density: float
    self_loops: int
    parallel_edges: int

    @property
    def ok(self) -> bool:
        """No two nodes are joined in both directions."""
        return self.reciprocal_pairs == 0

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        names = ("nodes", "edges", "reciprocal_pairs", "reciprocity", "ok")
        apart = ("density", "self_loops", "parallel_edges")
        return {name: getattr(self, name) for name in (*names, *apart)}


def check_graph(graph: Graph | nx.DiGraph) -> GraphVerdict:
    """Count the node pairs that a graph joins in both directions.

    Examples
    --------
    >>> import networkx as nx
    >>> from oneway.analysis import check_graph
    >>> verdict = check_graph(nx.MultiDiGraph([("u", "v"), ("u", "v"), ("v", "u"), ("v", "w")]))
    >>> verdict.reciprocal_pairs, verdict.edges, verdict.parallel_edges
    (1, 3, 1)
    """
    graph = as_graph(graph)
    n, edges, mutual = len(graph), graph.edges, _mutual(graph.adjacency)
    return GraphVerdict(
        nodes=n,
        edges=edges,
        reciprocal_pairs=mutual,
        reciprocity=2 * mutual / edges if edges else 0.0,
        density=edges / (n * (n - 1)) if n > 1 else 0.0,
        self_loops=graph.autapses,
        parallel_edges=graph.multapses,
    )


def dyad_census(graph: Graph | nx.DiGraph) -> DyadCensus:
    """Mutual, asymmetric and null pairs of nodes."""
    graph = as_graph(graph)
    n, mutual = len(graph), _mutual(graph.adjacency)
    asymmetric = graph.edges - 2 * mutual
    return DyadCensus(mutual, asymmetric, n * (n - 1) // 2 - mutual - asymmetric, graph.autapses)


def reciprocity(graph: Graph | nx.DiGraph) -> float:
    """Reciprocated edges / edges, parallel edges and self-loops left out; 0 without edges."""
    return check_graph(graph).reciprocity


def path_lengths(graph: Graph | nx.DiGraph, chunk: int = 256) -> PathLengths:
    """How many ordered node pairs lie at each distance.

    Parameters
    ----------
    chunk : int
        Source nodes searched at a time, which bounds memory to `chunk` x nodes.
    """
    adjacency = as_graph(graph).adjacency
    n = adjacency.shape[0]
    histogram = np.zeros(n + 1, dtype=np.int64)
    for start in range(0, n, chunk):
        sources = np.arange(start, min(start + chunk, n))
        distance = csgraph.dijkstra(adjacency, indices=sources, unweighted=True)
        joined = distance[np.isfinite(distance)].astype(np.int64)
        histogram += np.bincount(joined, minlength=n + 1)
    found = np.flatnonzero(histogram[1:]) + 1
    counts = tuple((int(length), int(histogram[length])) for length in found)
    return PathLengths(counts, n * (n - 1) - sum(number for _, number in counts))


def _mutual(adjacency: sparse.csr_array) -> int:
    return int(adjacency.multiply(adjacency.T).nnz) // 2
