"""Reciprocity of any directed graph, so that a connectome can be held against a circuit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from oneway.circuits import WiringError

# Column names that a first line of an edge list may have instead of two nodes.
_HEADER_NAMES = {
    *("source", "target", "pre", "post", "from", "to", "src", "dst"),
    *("source_id", "target_id", "pre_id", "post_id", "pre_root_id", "post_root_id"),
    *("source_node_id", "target_node_id"),
}


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


def check_graph(graph: nx.DiGraph) -> GraphVerdict:
    """Count the node pairs that a graph joins in both directions.

    Examples
    --------
    >>> import networkx as nx
    >>> from oneway.analysis import check_graph
    >>> verdict = check_graph(nx.MultiDiGraph([("u", "v"), ("u", "v"), ("v", "u"), ("v", "w")]))
    >>> verdict.reciprocal_pairs, verdict.edges, verdict.parallel_edges
    (1, 3, 1)
    """
    adjacency, self_loops = _adjacency(graph)
    n, edges = adjacency.shape[0], int(adjacency.nnz)
    mutual = _mutual(adjacency)
    return GraphVerdict(
        nodes=n,
        edges=edges,
        reciprocal_pairs=mutual,
        reciprocity=2 * mutual / edges if edges else 0.0,
        density=edges / (n * (n - 1)) if n > 1 else 0.0,
        self_loops=self_loops,
        parallel_edges=graph.number_of_edges() - edges - self_loops,
    )


def dyad_census(graph: nx.DiGraph) -> DyadCensus:
    """Mutual, asymmetric and null pairs of nodes."""
    adjacency, self_loops = _adjacency(graph)
    n, mutual = adjacency.shape[0], _mutual(adjacency)
    asymmetric = int(adjacency.nnz) - 2 * mutual
    return DyadCensus(mutual, asymmetric, n * (n - 1) // 2 - mutual - asymmetric, self_loops)


def reciprocity(graph: nx.DiGraph) -> float:
    """Reciprocated edges / edges, parallel edges and self-loops left out; 0 without edges."""
    return check_graph(graph).reciprocity


def path_lengths(graph: nx.DiGraph, chunk: int = 256) -> PathLengths:
    """How many ordered node pairs lie at each distance.

    Parameters
    ----------
    chunk : int
        Source nodes searched at a time, which bounds memory to `chunk` x nodes.
    """
    adjacency, _ = _adjacency(graph)
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


def _adjacency(graph: nx.DiGraph) -> tuple[sparse.csr_array, int]:
    """Boolean adjacency without self-loops or repeats, and the number of nodes with a loop."""
    if not graph.is_directed():
        raise WiringError(
            "the graph is undirected, but reciprocity asks for directions: give a directed graph "
            '(GraphML with edgedefault="directed")'
        )
    index = {node: i for i, node in enumerate(graph)}
    ends = np.array([(index[u], index[v]) for u, v in graph.edges()], dtype=np.int64).reshape(-1, 2)
    ends = np.unique(ends, axis=0)
    proper = ends[ends[:, 0] != ends[:, 1]]
    ones = np.ones(len(proper), dtype=np.int8)
    n = len(index)
    adjacency = sparse.csr_array((ones, (proper[:, 0], proper[:, 1])), shape=(n, n))
    return adjacency, len(ends) - len(proper)


def _mutual(adjacency: sparse.csr_array) -> int:
    return int(adjacency.multiply(adjacency.T).nnz) // 2


# -- files -------------------------------------------------------------------------------------


def read_graph(path: str | Path) -> nx.DiGraph:
    """A directed graph from a GraphML file or an edge list.

    Parameters
    ----------
    path : str or Path
        GraphML (``.graphml``, ``.xml``), or lines ``u v`` separated by white space or a comma.
        Further columns are not read, lines that start with ``#`` are comments, and a first line
        of column names such as ``source,target`` is skipped.

    Raises
    ------
    WiringError
        The file is missing, is no such file, or holds a line that is no edge; names the line.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise WiringError(f"graph file {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise WiringError(
            f"graph file {path}: not a text file. Expected GraphML or an edge list of lines `u v`"
        ) from error
    if path.suffix.lower() in (".graphml", ".xml") or text.lstrip().startswith("<"):
        return _parse_graphml(path, text)
    return _parse_edges(path, text)


def _parse_graphml(path: Path, text: str) -> nx.DiGraph:
    try:
        graph = nx.parse_graphml(text)
    except SyntaxError as error:  # what an XML parser raises
        line = (getattr(error, "position", None) or (error.lineno,))[0]
        raise WiringError(f"graph file {path}, line {line}: not GraphML: {error}") from error
    except (nx.NetworkXError, KeyError, ValueError, TypeError) as error:
        raise WiringError(f"graph file {path}: not GraphML: {error}") from error
    if not graph.is_directed():
        raise WiringError(
            f'graph file {path}: the graph is undirected; expected edgedefault="directed"'
        )
    return graph


def _parse_edges(path: Path, text: str) -> nx.DiGraph:
    graph = nx.MultiDiGraph()
    for number, line in enumerate(text.splitlines(), start=1):
        content = line.split("#", 1)[0].strip()
        if not content:
            continue
        fields = [field.strip() for field in content.split(",")]
        fields = fields if len(fields) > 1 else content.split()
        if not graph and {field.lower() for field in fields[:2]} <= _HEADER_NAMES:
            continue
        if len(fields) < 2 or not all(fields[:2]):
            raise WiringError(
                f"graph file {path}, line {number}: {line.strip()!r} is no edge; expected two "
                "nodes `u v`, separated by white space or a comma"
            )
        graph.add_edge(fields[0], fields[1])
    if not graph:
        raise WiringError(f"graph file {path}: no edge in it; expected lines `u v`")
    return graph
