"""Degrees, and what reaches whom over several steps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import networkx as nx
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from oneway.circuits import WiringError

from .graph import Graph, as_graph


@dataclass(frozen=True, eq=False)
class Degrees:
    """Edges at each cell, without autapses, multapses counted once.

    Parameters
    ----------
    into, out : integer arrays, shape (N,)
        Cells that project to it, and cells that it projects to.
    mutual : integer array, shape (N,)
        Cells that do both.
    """

    into: NDArray[np.int64]
    out: NDArray[np.int64]
    mutual: NDArray[np.int64]


def degrees(graph: Graph | nx.DiGraph) -> Degrees:
    """In-degree, out-degree and mutual degree of every cell.

    Examples
    --------
    >>> import networkx as nx
    >>> from oneway.analysis.graphs import degrees
    >>> found = degrees(nx.DiGraph([(0, 1), (1, 0), (2, 0)]))
    >>> found.into.tolist(), found.out.tolist(), found.mutual.tolist()
    ([2, 1, 0], [1, 1, 1], [1, 1, 0])
    """
    adjacency = as_graph(graph).adjacency
    into, out = (adjacency.astype(np.int64).sum(axis=axis) for axis in (0, 1))
    return Degrees(into, out, adjacency.multiply(adjacency.T).astype(np.int64).sum(axis=1))


def walk_counts(graph: Graph | nx.DiGraph, steps: int) -> sparse.csr_array:
    """How many walks of exactly so many connections lead from one cell to another.

    Cells and edges may be passed more than once; autapses are left out.

    Returns
    -------
    sparse array of int64, shape (N, N)
        ``[u, v]``: walks from u to v.

    Raises
    ------
    WiringError
        There are more walks than 64 bits can count.
    """
    _check_steps(steps)
    adjacency = as_graph(graph).adjacency.astype(np.int64)
    leaving = np.ones(adjacency.shape[0])
    for _ in range(steps):
        leaving = adjacency @ leaving
    if leaving.max(initial=0) >= 2**62:
        raise WiringError(
            f"up to {leaving.max():.1e} walks of {steps} steps leave one cell, more than 64 bits "
            "can count: take fewer steps, or effective_connectivity, which weighs them"
        )
    walks = adjacency
    for _ in range(steps - 1):
        walks = walks @ adjacency
    return walks


def effective_connectivity(
    graph: Graph | nx.DiGraph,
    steps: int,
    pre: Iterable[int] | None = None,
    post: Iterable[int] | None = None,
) -> sparse.csr_array:
    """Which share of a cell's input comes from another over paths of exactly so many steps.

    One step is the matrix of input fractions, ``P[u, v] = |w[u, v]| / Σ_u |w[u, v]|``, and n steps
    are its n-th power, as connectome papers have it (Li et al. 2020, eLife 9:e62576;
    Schlegel et al. 2021, eLife 10:e66018). Where all cells upstream have input, the shares of one
    cell add up to 1. Autapses are left out.

    Parameters
    ----------
    steps : int
        From 1, the fractions themselves.
    pre, post : iterables of int, optional
        Cells from and to which; by default all. Powers of a brain fill up, so name those that you
        ask about.

    Returns
    -------
    sparse array, shape (pre, post)

    Examples
    --------
    >>> from oneway.analysis.graphs import Graph, effective_connectivity
    >>> graph = Graph.from_edges([0, 1, 1, 2], [1, 3, 2, 3], [5, 1, 2, 3])
    >>> effective_connectivity(graph, 2, pre=[0]).toarray()  # all of 1's input, a quarter of 3's
    array([[0.  , 0.  , 1.  , 0.25]])
    """
    _check_steps(steps)
    fractions = input_fractions(as_graph(graph))
    reached = fractions if pre is None else fractions[np.asarray(list(pre), np.int64)]
    targets = None if post is None else np.asarray(list(post), np.int64)
    last = fractions if targets is None else fractions[:, targets]
    if steps == 1:
        return reached if targets is None else reached[:, targets]
    for _ in range(steps - 2):
        reached = reached @ fractions
    return reached @ last


def input_fractions(graph: Graph) -> sparse.csr_array:
    """Each weight as a share of what its postsynaptic cell receives, without autapses."""
    entries = graph.between
    size = np.abs(entries.data)
    received = np.bincount(entries.col, size, minlength=len(graph))[entries.col]
    share = np.divide(size, received, out=np.zeros(len(size)), where=received > 0)
    return sparse.csr_array((share, (entries.row, entries.col)), shape=entries.shape)


def _check_steps(steps: int) -> None:
    if steps < 1:
        raise WiringError(f"steps = {steps}, expected at least 1")
