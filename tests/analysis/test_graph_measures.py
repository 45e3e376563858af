"""Degrees, ways back, walks and signal flow, against networkx and dense algebra."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneway.analysis.graphs import (
    Graph,
    degrees,
    effective_connectivity,
    return_lengths,
    search_blocks,
    signal_flow,
    walk_counts,
    way_back,
)
from oneway.circuits import WiringError


@st.composite
def weighted(draw):
    """Dense matrices of weights, autapses and lone cells among them."""
    n = draw(st.integers(1, 9))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    joined = rng.random((n, n)) < draw(st.sampled_from([0.1, 0.3, 0.7]))
    return rng.integers(1, 6, (n, n)) * joined


def as_graph(matrix):
    pre, post = np.nonzero(matrix)
    return Graph.from_edges(pre, post, matrix[pre, post], [f"c{i}" for i in range(len(matrix))])


def plain(matrix):
    return matrix * (1 - np.eye(len(matrix), dtype=int))


def shortest_back(graph):
    """By networkx: for each edge u -> v the length of the way from v to u."""
    ways = dict(nx.all_pairs_shortest_path_length(graph))
    return {(u, v): ways[v].get(u, np.inf) for u, v in graph.edges}


@settings(max_examples=40)
@given(weighted())
def test_degrees_and_ways_back_equal_networkx(matrix):
    graph, expected = as_graph(matrix), nx.DiGraph(plain(matrix))
    found = degrees(graph)
    assert found.into.tolist() == [d for _, d in expected.in_degree()]
    assert found.out.tolist() == [d for _, d in expected.out_degree()]
    assert found.mutual.tolist() == [len({*expected.pred[u]} & {*expected[u]}) for u in expected]
    lengths, back = return_lengths(graph), shortest_back(expected)
    assert {edge: lengths.edges[edge] for edge in back} == back
    for cell in expected:
        through = [way + 1 for (u, _), way in back.items() if u == cell]
        assert lengths.cells[cell] == min(through, default=np.inf)
    assert sum(lengths.counts.values()) + lengths.without == len(expected)


def test_ways_back_are_searched_in_blocks_of_words():
    """More cells than one word has bits, in three blocks; a ring is as long as it can be."""
    random = nx.gnp_random_graph(150, 0.02, seed=1, directed=True)
    calls = []
    graph = Graph.from_networkx(random)
    lengths = return_lengths(graph, lambda: calls.append(1), words=1)
    assert {edge: lengths.edges[edge] for edge in random.edges} == shortest_back(random)
    assert len(calls) == search_blocks(graph, words=1) == 3
    ring = return_lengths(nx.cycle_graph(130, nx.DiGraph()))
    assert set(ring.cells) == {130.0} and ring.counts == {130: 130}


def test_way_back_by_name():
    graph = as_graph(np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]]))
    assert way_back(graph, "c0", "c1") == 2
    assert way_back(as_graph(np.array([[0, 1], [0, 0]])), "c0", "c1") is None
    with pytest.raises(WiringError, match="no cell 'c9'; its first are"):
        way_back(graph, "c0", "c9")


@settings(max_examples=30)
@given(weighted(), st.integers(1, 4))
def test_walks_and_input_fractions_equal_dense_powers(matrix, steps):
    graph, dense = as_graph(matrix), plain(matrix)
    walks = np.linalg.matrix_power((dense > 0).astype(np.int64), steps)
    assert np.array_equal(walk_counts(graph, steps).toarray(), walks)
    received = np.maximum(dense.sum(axis=0), 1)
    shares = np.linalg.matrix_power(dense / received, steps)
    assert np.allclose(effective_connectivity(graph, steps).toarray(), shares)
    some = [0, len(dense) - 1]
    part = effective_connectivity(graph, steps, pre=some, post=some[1:])
    assert np.allclose(part.toarray(), shares[np.ix_(some, some[1:])])


def test_walks_beyond_64_bits_are_refused():
    with pytest.raises(WiringError, match=r"4\.3e\+22 walks of 12 steps .* more than 64 bits"):
        walk_counts(nx.complete_graph(78, nx.DiGraph()), 12)


@settings(max_examples=40)
@given(weighted())
def test_signal_flow_solves_the_equation_of_the_paper(matrix):
    """z = L⁺ b with numpy's own pseudoinverse (Varshney et al. 2011)."""
    sent = plain(matrix).astype(float)
    joined = (sent + sent.T) / 2
    laplacian = np.diag(joined.sum(axis=1)) - joined
    towards = (joined * np.sign(sent - sent.T)).sum(axis=1)
    assert np.allclose(signal_flow(as_graph(matrix)), np.linalg.pinv(laplacian) @ towards)


def test_steps_start_at_one():
    for ask in (walk_counts, effective_connectivity):
        with pytest.raises(WiringError, match="steps = 0, expected at least 1"):
            ask(nx.DiGraph([(0, 1)]), 0)
