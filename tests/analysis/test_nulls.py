"""Random graphs keep what they say, are drawn evenly, and figures are compared honestly."""

import json
from collections import Counter
from itertools import combinations, islice, permutations, product

import networkx as nx
import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import chisquare

from oneway.analysis.graphs import (
    NULLS,
    Graph,
    compare_to_null,
    degree_preserving,
    degrees,
    describe,
    dyad_census,
    erdos_renyi,
    reciprocity,
    usual_nulls,
)
from oneway.analysis.graphs.random_graphs import _repeated, _sweep, distance_preserving
from oneway.circuits import WiringError


def edges(graph):
    return frozenset(zip(*(ends.tolist() for ends in graph.adjacency.nonzero()), strict=True))


def drawn(null, graph, samples, seed=0, **options):
    return islice(null(graph, np.random.default_rng(seed), **options), samples)


def clustered(seed=0):
    """60 cells in two clusters in space, most edges within them, an autapse, uneven weights."""
    rng = np.random.default_rng(seed)
    positions = rng.normal(size=(60, 2)) + 8 * (np.arange(60) >= 30)[:, None]
    chance = 0.9 * np.exp(-cdist(positions, positions))
    pre, post = np.nonzero(rng.random((60, 60)) < chance)
    return Graph.from_edges(
        [*pre, 5], [*post, 5], rng.integers(1, 9, len(pre) + 1), attributes={"positions": positions}
    )


@pytest.mark.parametrize("null", NULLS)
def test_samples_have_the_cells_and_the_number_of_edges_and_differ(null):
    graph = clustered()
    found = list(drawn(NULLS[null], graph, 3))
    for sample in found:
        assert (sample.edges, sample.autapses, sample.multapses) == (graph.edges, 0, 0)
        assert sample.names is graph.names and sample.attributes == graph.attributes
    assert len({edges(graph), *map(edges, found)}) == 4


def test_degrees_stay_and_weights_stay_with_their_presynaptic_cell():
    graph = clustered()
    without = graph.weights.toarray() * (1 - np.eye(60))
    for sample in drawn(degree_preserving, graph, 3):
        for side in ("into", "out"):
            assert np.array_equal(getattr(degrees(sample), side), getattr(degrees(graph), side))
        assert np.array_equal(sample.weights.sum(axis=1), without.sum(axis=1))


def same_degrees(graph):
    """Every simple digraph in which each cell has as many edges in and out as in `graph`."""
    n, wanted = len(graph), degrees(graph)
    pairs = [(u, v) for u in range(n) for v in range(n) if u != v]
    return {
        frozenset(chosen)
        for chosen in combinations(pairs, graph.edges)
        if np.array_equal(np.bincount([u for u, _ in chosen], minlength=n), wanted.out)
        and np.array_equal(np.bincount([v for _, v in chosen], minlength=n), wanted.into)
    }


def test_every_graph_of_these_degrees_is_equally_likely():
    graph = Graph.from_edges([0, 1, 2, 0, 3, 4], [1, 2, 0, 3, 4, 0], names=list("abcde"))
    possible = same_degrees(graph)
    seen = Counter(map(edges, drawn(degree_preserving, graph, 500)))
    assert set(seen) == possible and len(possible) > 10
    assert chisquare(list(seen.values())).pvalue > 1e-3


@pytest.mark.parametrize("largest", [60, 2**62])
def test_repeated_codes_of_any_size(largest):
    codes = np.random.default_rng(0).integers(0, 60, 80) * (largest // 60)
    assert _repeated(codes).tolist() == [Counter(codes.tolist())[c] > 1 for c in codes.tolist()]


OFFERS = [(True, True), (True, False), (False, True)]


class Given:
    """In place of a generator: one order of the edges, and which pairs are offered a swap."""

    def __init__(self, order, offers):
        self.order, self.offers = np.array(order), offers

    def permutation(self, n):
        return self.order

    def random(self, n):
        return np.where(self.offers, 0.0, 1.0)


def test_a_sweep_is_as_likely_as_its_reverse():
    """Over all orders of the edges, hence exactly: the chances between two graphs are equal.

    And it gets everywhere, though here any two swaps stand in each other's way.
    """
    graph = Graph.from_edges([0, 3, 0, 2], [2, 1, 1, 3], names=list("abcd"))
    graphs = sorted(map(sorted, same_degrees(graph)))
    ways = Counter()
    for start, listed in enumerate(graphs):
        pre, post = np.array(listed).T
        for given in map(Given, *zip(*product(permutations(range(4)), OFFERS), strict=True)):
            u, v, *_ = _sweep(pre, post, np.ones(4), 4, given)
            end = sorted(zip(u.tolist(), v.tolist(), strict=True))
            ways[start, graphs.index(end)] += 1
    moved = {(a, b): k for (a, b), k in ways.items() if a != b}
    assert len(graphs) == 3 and nx.is_strongly_connected(nx.DiGraph([*moved]))
    assert all(ways[b, a] == k for (a, b), k in moved.items())


def test_the_default_number_of_swaps_mixes():
    """A ring lattice, of which no trace is left: edges kept are as many as two samples share."""
    ring = nx.DiGraph((u, (u + k) % 300) for u in range(300) for k in range(1, 11))
    graph = Graph.from_networkx(ring)
    samples = [edges(sample) for sample in drawn(degree_preserving, graph, 5)]
    kept = [len(edges(graph) & sample) for sample in samples]
    shared = [len(a & b) for a, b in combinations(samples, 2)]
    assert np.mean(kept) == pytest.approx(np.mean(shared), rel=0.25)
    assert np.mean(kept) < 0.06 * graph.edges


def test_erdos_renyi_has_the_pairs_that_chance_gives():
    """E edges among N ordered pairs: each of N / 2 dyads has both with chance E(E−1)/N(N−1)."""
    n, e = 20, 100
    graph = Graph.from_networkx(nx.gnm_random_graph(n, e, seed=0, directed=True))
    samples = list(drawn(erdos_renyi, graph, 200))
    mutual = [dyad_census(sample).mutual for sample in samples]
    all_pairs = n * (n - 1)
    expected = all_pairs / 2 * e * (e - 1) / (all_pairs * (all_pairs - 1))
    assert abs(np.mean(mutual) - expected) < 4 * np.std(mutual) / np.sqrt(200)
    # No cell is favoured: each has as many edges out as any other, on average.
    out = np.mean([degrees(sample).out for sample in samples], axis=0)
    assert np.abs(out - e / n).max() < 0.6


def test_spatial_keeps_how_many_edges_there_are_at_each_distance():
    graph = clustered()
    distances = cdist(*2 * (graph.attributes["positions"],))
    lengths = distances[graph.adjacency.nonzero()]
    limits = np.quantile(lengths, np.linspace(0, 1, 6)[1:-1])
    for sample in drawn(distance_preserving, graph, 3, bins=5):
        again = distances[sample.adjacency.nonzero()]
        for limit in limits:
            assert (again <= limit).sum() == pytest.approx((lengths <= limit).sum(), abs=1)
        assert again.max() <= lengths.max()
    # So little is left of a reciprocity that distance explains.
    assert abs(compare_to_null(graph, reciprocity, "spatial")["reciprocity"].z) < 3
    assert compare_to_null(graph, reciprocity, "erdos-renyi")["reciprocity"].z > 5


def test_spatial_takes_a_graph_in_which_all_are_joined():
    places = np.random.default_rng(0).normal(size=(7, 3))
    full = Graph.from_networkx(nx.complete_graph(7, nx.DiGraph()))
    full = Graph(full.weights, full.rows, full.names, dict(zip("xyz", places.T, strict=True)))
    assert edges(next(drawn(distance_preserving, full, 1))) == edges(full)


def test_z_is_the_distance_in_standard_deviations_and_none_without_any():
    graph = clustered()
    values = [reciprocity(sample) for sample in drawn(degree_preserving, graph, 6, seed=3)]
    found = compare_to_null(graph, reciprocity, "degree", samples=6, seed=3)["reciprocity"]
    assert (found.mean, found.sd) == pytest.approx((np.mean(values), np.std(values, ddof=1)))
    assert found.z == pytest.approx((reciprocity(graph) - found.mean) / found.sd)
    star = nx.star_graph(6).to_directed()  # no other graph has these degrees
    fixed = compare_to_null(star, samples=3)["reciprocity"]
    assert (fixed.observed, fixed.mean, fixed.sd, fixed.z) == (1.0, 1.0, 0.0, None)
    apart = compare_to_null(graph, lambda g: 0.0 if g is graph else 0.1, samples=7)
    assert apart["<lambda>"].z is None and apart["<lambda>"].excess == pytest.approx(-0.1)
    one = compare_to_null(graph, reciprocity, samples=1)["reciprocity"].as_dict()
    assert one["sd"] is None and one["z"] is None and one["samples"] == 1


def test_counts_beyond_floats_keep_their_differences():
    """Numbers that a float64 cannot tell apart."""
    graph, step = clustered(), iter(range(100))
    found = compare_to_null(graph, lambda g: {"many": 2**60 + next(step)}, samples=3)["many"]
    assert found.sd == 1.0 and found.z == pytest.approx(-2.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"null": "smallworld"}, "no null 'smallworld'; there are erdos-renyi, degree, spatial"),
        ({"samples": 0}, "samples = 0, expected at least 1"),
        ({"null": "spatial"}, "needs positions .* there are side"),
    ],
)
def test_refusals(options, message):
    graph = Graph.from_edges([0, 1], [1, 2], attributes={"side": np.array(["l", "r", "l"])})
    with pytest.raises(WiringError, match=message):
        compare_to_null(graph, **options)


def test_unknown_positions_are_counted():
    places = np.array([[0.0, 1.0], [np.nan, 0.0], [1.0, 1.0]])
    graph = Graph.from_edges([0, 1], [1, 2], attributes={"positions": places})
    with pytest.raises(WiringError, match="1 of 3 cells have no position"):
        compare_to_null(graph, null="spatial")
    assert usual_nulls(graph) == ("erdos-renyi", "degree")


def test_everything_at_once_as_json():
    called = []
    found = describe(clustered(), samples=4, progress=lambda: called.append(1))
    content = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert set(content["nulls"]) == set(NULLS) and len(called) == 12
    assert content["nulls"]["degree"]["reciprocal_pairs"]["samples"] == 4
    assert content["nulls"]["degree"]["030T"]["observed"] == content["triads"]["030T"]
    counted = sum(content["cycles"]["cells_by_shortest"].values()) + content["cycles"]["without"]
    assert counted == content["nodes"] == 60
