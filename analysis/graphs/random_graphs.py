"""Random graphs that keep some properties of a graph at hand.

Three streams of them, each with the cells, attributes and number of edges of the graph, without
autapses and multapses:

erdos-renyi
    Edges between any two cells alike.
degree
    Every cell keeps how many it projects to and how many project to it.
spatial
    As many edges at each distance, where the cells have positions.

The weights of the graph's edges go with them: to any edge, or, under `degree`, to another edge of
the same presynaptic cell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import ceil

import numpy as np
import scipy  # its parts are imported when they are used
from numpy.random import Generator
from numpy.typing import NDArray

from oneway.circuits import WiringError

from .graph import Graph

Null = Callable[[Graph, Generator], Iterator[Graph]]
Ints = NDArray[np.int64]

_PLACES = ("positions", "position")
_MOST_WITH_DISTANCES = 10_000
# Pairs of edges that are offered a swap in a sweep. Not all: in a graph of a few edges some swaps
# are possible only while no other is offered.
_OFFERED = 0.9


def erdos_renyi(graph: Graph, rng: Generator) -> Iterator[Graph]:
    """Graphs with the same cells and as many edges, anywhere but from a cell to itself."""
    n = len(graph)
    while True:
        drawn = rng.choice(max(n * (n - 1), 0), graph.edges, replace=False)
        pre, post = np.divmod(drawn, max(n - 1, 1))
        yield _with_edges(graph, pre, post + (post >= pre))  # the diagonal is left out


def degree_preserving(graph: Graph, rng: Generator, swaps: int = 5) -> Iterator[Graph]:
    """Graphs in which every cell has as many edges in and out as in `graph`.

    Parameters
    ----------
    swaps : int
        How often an edge is swapped, on average, between one graph and the next; fewer times
        where fewer than one in ten swaps is possible.

    Notes
    -----
    Two edges a → b and c → d become a → d and c → b (Maslov & Sneppen 2002). In one sweep the edges
    are paired at random, and nine in ten pairs are offered a swap, which they take unless it would
    make an autapse or an edge that is there or is offered by another pair, or take one that is
    offered. Whether a pair is blocked depends on its old and its new edges alike, so that every
    sweep is as likely as its reverse, and all graphs that are reached are equally likely in the
    end. The first graph comes after `swaps` sweeps more. In the brain of a larva (110,706 edges)
    three in four edges are swapped in a sweep; after five of them no more edges than by chance are
    where they were, and the reciprocal pairs of one sweep say nothing of the next one's.

    Swaps of two edges cannot turn round a cycle of three cells that has no other edge to be swapped
    with (Rao, Jana & Bandyopadhyay 1996); that matters in graphs of a few cells only.
    """
    edges = graph.between
    pre, post = edges.row.astype(np.int64), edges.col.astype(np.int64)
    weights = edges.data.astype(float)
    swapped = 0
    for _ in range(swaps):
        pre, post, weights, done = _sweep(pre, post, weights, len(graph), rng)
        swapped += done
    # A fixed number from here on: to stop when enough were swapped would favour some graphs.
    offered = max(len(pre) // 2 * swaps, 1)
    sweeps = min(ceil(swaps * offered / max(swapped, 1)), 10 * swaps)
    while True:
        for _ in range(sweeps):
            pre, post, weights, _ = _sweep(pre, post, weights, len(graph), rng)
        yield _with_edges(graph, pre, post, weights)


def _sweep(
    pre: Ints, post: Ints, weights: NDArray[np.float64], n: int, rng: Generator
) -> tuple[Ints, Ints, NDArray[np.float64], int]:
    """Offer every edge one swap; gives the edges in another order, and how many pairs swapped."""
    order, half = rng.permutation(len(pre)), len(pre) // 2
    pre, post, weights = pre[order], post[order], weights[order]
    first, second = slice(0, half), slice(half, 2 * half)
    offers = rng.random(half) < _OFFERED
    ends = np.where(offers, (post[second], post[first]), (post[first], post[second]))
    offered = np.concatenate([*ends, post[2 * half :]])
    blocked = offered == pre
    # Every edge that is there or offered, by number; one that occurs twice blocks both its pairs,
    # as does one that its own pair keeps, since it is offered again.
    twice = _repeated(np.concatenate([pre * n + post, pre * n + offered]))
    blocked |= twice[: len(pre)] | twice[len(pre) :]
    free = ~(blocked[first] | blocked[second])
    post[first][free], post[second][free] = post[second][free], post[first][free]
    return pre, post, weights, int(free.sum())


def _repeated(codes: Ints) -> NDArray[np.bool_]:
    """Which entries are there more than once."""
    bits = len(codes).bit_length()
    if codes.max(initial=0) < 2 ** (62 - bits):
        # With its place in its last bits each can be sorted, three times as fast as places can.
        keys = np.sort(codes << bits | np.arange(len(codes)))
        order, ranked = keys & (2**bits - 1), keys >> bits
    else:
        order = np.argsort(codes)
        ranked = codes[order]
    same = np.flatnonzero(ranked[1:] == ranked[:-1])
    repeated = np.zeros(len(codes), bool)
    repeated[order[same]] = repeated[order[same + 1]] = True
    return repeated


def distance_preserving(graph: Graph, rng: Generator, bins: int = 10) -> Iterator[Graph]:
    """Graphs with as many edges as `graph` has in each bin of distances, anywhere within the bin.

    Parameters
    ----------
    bins : int
        Of distances, with about as many of the graph's edges in each. The first starts at 0; no
        edge is longer than the longest that there is.

    Raises
    ------
    WiringError
        The cells have no positions (attribute ``positions`` of shape (N, D), or ``x``, ``y`` and
        perhaps ``z``), not all of them, or are too many to measure every distance.
    """
    n, edges = len(graph), graph.adjacency.tocoo()
    distances = scipy.spatial.distance.pdist(_positions(graph))
    # Pairs of cells i < j, numbered as in `distances`.
    starts = np.cumsum(np.concatenate([[0], np.arange(n - 1, 0, -1)]))
    low, high = np.minimum(edges.row, edges.col), np.maximum(edges.row, edges.col)
    lengths = distances[starts[low] + high - low - 1]
    limits = np.quantile(lengths, np.linspace(0, 1, bins + 1)[1:]) if len(lengths) else np.zeros(1)
    wanted = np.bincount(np.searchsorted(limits, lengths), minlength=bins)
    bin_of = np.searchsorted(limits, distances).astype(np.uint8)
    members = np.split(np.argsort(bin_of, kind="stable"), np.cumsum(np.bincount(bin_of)))
    while True:
        chosen = [_directed(pairs, k, rng) for pairs, k in zip(members, wanted, strict=False)]
        pair, turned = np.divmod(np.concatenate(chosen), 2)
        low = np.searchsorted(starts, pair, side="right") - 1
        high = pair - starts[low] + low + 1
        yield _with_edges(graph, np.where(turned, high, low), np.where(turned, low, high))


def _directed(pairs: Ints, k: int, rng: Generator) -> Ints:
    """So many of the pairs' two directions: 2 p and 2 p + 1 are those of pair p."""
    drawn = rng.choice(2 * len(pairs), k, replace=False)
    return 2 * pairs[drawn // 2] + drawn % 2


def _positions(graph: Graph) -> NDArray[np.float64]:
    known = graph.attributes
    given = next((known[name] for name in _PLACES if name in known), None)
    if given is None and {"x", "y"} <= set(known):
        given = np.column_stack([known[axis] for axis in "xyz" if axis in known])
    if given is None:
        raise WiringError(
            "the spatial null needs positions of the cells: an attribute 'positions' of shape "
            f"(cells, dimensions), or 'x' and 'y'; there are {', '.join(known) or 'none'}"
        )
    if len(graph) > _MOST_WITH_DISTANCES:
        raise WiringError(
            f"the spatial null measures the distance of every two cells, of at most "
            f"{_MOST_WITH_DISTANCES:,}, not {len(graph):,}: take a part of the graph"
        )
    try:
        places = np.asarray(given, float).reshape(len(graph), -1)
    except ValueError as error:
        raise WiringError(f"the spatial null: positions that are no numbers: {error}") from error
    if unknown := int((~np.isfinite(places)).any(axis=1).sum()):
        raise WiringError(f"the spatial null: {unknown:,} of {len(graph):,} cells have no position")
    return places


def usual_nulls(graph: Graph) -> tuple[str, ...]:
    """Names of the nulls that can be drawn for a graph: `spatial` where all positions are known."""
    try:
        _positions(graph)
    except WiringError:
        return ("erdos-renyi", "degree")
    return tuple(NULLS)


def _with_edges(
    graph: Graph, pre: Ints, post: Ints, weights: NDArray[np.float64] | None = None
) -> Graph:
    weights = graph.between.data if weights is None else weights
    return Graph.from_edges(pre, post, weights, graph.names, graph.attributes)


NULLS: dict[str, Null] = {
    "erdos-renyi": erdos_renyi,
    "degree": degree_preserving,
    "spatial": distance_preserving,
}
