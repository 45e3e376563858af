"""Any directed graph of cells as a sparse matrix: what a connectome is held against."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import networkx as nx
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from oneway.circuits import ROLES, Circuit, Role, WiringError, cells, connections

from .reading import Reading


@dataclass(frozen=True, eq=False)
class Graph:
    """A directed graph, its cells numbered from 0.

    Parameters
    ----------
    weights : sparse array, shape (N, N)
        ``weights[u, v]`` is what cell u sends to cell v, summed over its parallel connections.
        Every stored entry is an edge, whatever its weight; the diagonal holds autapses.
    rows : int
        Connections as they were listed: a multapse counts as often as it is listed.
    names : array of str, shape (N,), optional
        By default the cells' numbers.
    attributes : mapping of str to array, shape (N, ...)
        What else is known of the cells: ``class``, ``side``, positions, ...
    reading : Reading, optional
        What was taken from the file that the graph was read from.
    """

    weights: sparse.csr_array
    rows: int
    names: NDArray[np.str_] = field(default_factory=lambda: np.empty(0, str))
    attributes: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    reading: Reading | None = None

    def __post_init__(self) -> None:
        n = self.weights.shape[0]
        if not len(self.names):
            object.__setattr__(self, "names", np.arange(n).astype(str))
        for name, values in {"names": self.names, **self.attributes}.items():
            if len(values) != n:
                raise WiringError(f"{name}: {len(values):,} values for {n:,} cells, expected {n:,}")

    def __len__(self) -> int:
        return int(self.weights.shape[0])

    @property
    def between(self) -> sparse.coo_array:
        """`weights` without autapses, sorted by presynaptic, then by postsynaptic cell."""
        rows = self.weights
        entries = (rows if rows.has_sorted_indices else rows.sorted_indices()).tocoo()
        apart = entries.row != entries.col
        ends = (entries.row[apart], entries.col[apart])
        return sparse.coo_array((entries.data[apart], ends), shape=rows.shape)

    @cached_property
    def adjacency(self) -> sparse.csr_array:
        """Who projects to whom: 1 where an edge joins two different cells; int8, sorted."""
        entries = self.between
        ones = np.ones(entries.nnz, np.int8)
        return sparse.csr_array((ones, (entries.row, entries.col)), shape=entries.shape)

    @property
    def edges(self) -> int:
        """Ordered pairs of different cells that are joined."""
        return int(self.adjacency.nnz)

    @property
    def autapses(self) -> int:
        """Cells that project to themselves."""
        return int(self.weights.nnz) - self.edges

    @property
    def multapses(self) -> int:
        """Connections beyond the first between the same two cells, in the same direction."""
        return self.rows - int(self.weights.nnz)

    @classmethod
    def from_edges(
        cls,
        pre: ArrayLike,
        post: ArrayLike,
        weights: ArrayLike | None = None,
        names: Sequence[str] | NDArray[Any] | None = None,
        attributes: Mapping[str, NDArray[Any]] | None = None,
    ) -> Graph:
        """From the indices of both ends of each connection.

        Parameters
        ----------
        pre, post : integer arrays, shape (K,)
        weights : array, shape (K,), optional
            By default 1 a connection, so that parallel ones are counted.
        names : sequence of str, length N, optional
            Cells beyond the largest index have no connection. By default N is that index + 1.
        attributes : mapping of str to array, optional
        """
        pre, post = np.asarray(pre, np.int64), np.asarray(post, np.int64)
        values = np.ones(len(pre)) if weights is None else np.asarray(weights, float)
        names = np.empty(0, str) if names is None else np.asarray(names, str)
        n = len(names) or int(max(pre.max(initial=-1), post.max(initial=-1))) + 1
        # Through coordinates, since a row-wise constructor would keep parallel entries apart.
        matrix = sparse.coo_array((values, (pre, post)), shape=(n, n)).tocsr()
        return cls(matrix, len(pre), names, dict(attributes or {}))

    @classmethod
    def from_networkx(cls, graph: nx.DiGraph, weight: str = "weight") -> Graph:
        """From a directed networkx graph; edges without the attribute `weight` weigh 1.

        Raises
        ------
        WiringError
            The graph is undirected.
        """
        if not graph.is_directed():
            raise WiringError(
                "the graph is undirected, but reciprocity asks for directions: give a directed "
                'graph (GraphML with edgedefault="directed")'
            )
        index = {node: i for i, node in enumerate(graph)}
        listed = [(index[u], index[v], w) for u, v, w in graph.edges(data=weight, default=1)]
        pre, post, weights = zip(*listed, strict=True) if listed else ((), (), ())
        names = np.array([str(node) for node in graph], str)
        return cls.from_edges(pre, post, weights, names)

    @classmethod
    def from_circuit(
        cls,
        circuit: Circuit,
        roles: Iterable[Role] = ROLES,
        weights: Mapping[str, ArrayLike] | None = None,
    ) -> Graph:
        """The cells of a circuit, and what joins them (see `oneway.circuits.adjacency`).

        Parameters
        ----------
        circuit : Circuit
        roles : iterable of Role
            What counts as a connection. Relays are cells like others here.
        weights : mapping, optional
            Projection → (post, pre, ...) array. Then only these projections count.

        Returns
        -------
        Graph
            Cells are named ``h1[3]``; their attribute ``population`` is ``h1``.

        Examples
        --------
        >>> from oneway.analysis.graphs import Graph, reciprocity
        >>> from oneway.circuits import mlp
        >>> from oneway.rules import parse_rule
        >>> circuit = parse_rule("kp").wire(mlp((4, 3, 2)))
        >>> graph = Graph.from_circuit(circuit, roles=("drive", "teach"))
        >>> str(graph.names[4]), round(reciprocity(graph), 3)
        ('h1[0]', 0.188)
        """
        listed = connections(circuit, roles, weights)
        of = cells(circuit)
        names = [f"{name}[{i}]" for name, own in of.items() for i in range(own.stop - own.start)]
        populations = np.repeat(list(of), [own.stop - own.start for own in of.values()])
        counted = listed.tocsr().astype(float)
        return cls(counted, listed.nnz, np.array(names), {"population": populations})


def as_graph(graph: Graph | nx.DiGraph) -> Graph:
    """Ours as it is, a networkx graph converted."""
    return graph if isinstance(graph, Graph) else Graph.from_networkx(graph)
