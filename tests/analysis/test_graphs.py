"""Census and reciprocity of any digraph, against networkx, and reciprocity by class."""

from dataclasses import asdict, replace

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneway.analysis import check_graph, dyad_census, path_lengths, reciprocity
from oneway.analysis.graphs import Graph, reciprocity_by
from oneway.circuits import WiringError

nodes = st.integers(0, 6)


@st.composite
def digraphs(draw):
    """Multigraphs with self-loops, parallel edges and lone nodes."""
    graph = nx.MultiDiGraph()
    graph.add_nodes_from(range(draw(st.integers(0, 7))))
    graph.add_edges_from(draw(st.lists(st.tuples(nodes, nodes), max_size=20)))
    return graph


def simple(graph):
    plain = nx.DiGraph(graph)
    plain.remove_edges_from(list(nx.selfloop_edges(plain)))
    return plain


@given(digraphs())
def test_verdict_equals_networkx_on_the_simple_graph(graph):
    plain, verdict = simple(graph), check_graph(graph)
    mutual = sum(plain.has_edge(v, u) for u, v in plain.edges) // 2
    assert (verdict.nodes, verdict.edges) == (len(plain), plain.number_of_edges())
    assert verdict.reciprocal_pairs == mutual
    assert verdict.ok == (mutual == 0)
    expected = nx.overall_reciprocity(plain) if plain.edges else 0.0
    assert verdict.reciprocity == pytest.approx(expected)
    assert reciprocity(graph) == verdict.reciprocity
    assert verdict.density == pytest.approx(nx.density(plain))
    assert verdict.self_loops == nx.number_of_selfloops(nx.DiGraph(graph))
    laid = verdict.edges + verdict.self_loops + verdict.parallel_edges
    assert laid == graph.number_of_edges()
    assert verdict.as_dict() == asdict(verdict) | {"ok": mutual == 0}


@given(digraphs())
def test_census_equals_the_triads_dyads(graph):
    census, plain = dyad_census(graph), simple(graph)
    joined = nx.Graph(plain).number_of_edges()
    assert census.mutual + census.asymmetric == joined
    assert 2 * census.mutual + census.asymmetric == plain.number_of_edges()
    assert joined + census.null == len(plain) * (len(plain) - 1) // 2


@given(digraphs(), st.integers(1, 9))
def test_path_lengths_equal_networkx(graph, chunk):
    found: dict[int, int] = {}
    for source, lengths in nx.all_pairs_shortest_path_length(graph):
        for target, length in lengths.items():
            if target != source:
                found[length] = found.get(length, 0) + 1
    result = path_lengths(graph, chunk)
    assert dict(result.counts) == found
    assert result.unreachable == len(graph) * (len(graph) - 1) - sum(found.values())
    assert result.longest == max(found, default=0)
    if found:
        mean = sum(k * n for k, n in found.items()) / sum(found.values())
        assert result.mean == pytest.approx(mean)


def test_undirected_graph_is_refused():
    with pytest.raises(WiringError, match="undirected"):
        check_graph(nx.path_graph(3))


def test_empty_graph():
    verdict = check_graph(nx.DiGraph())
    assert (verdict.nodes, verdict.reciprocity, verdict.ok) == (0, 0.0, True)


@given(digraphs(), st.integers(1, 3))
def test_reciprocity_by_class_equals_counting(graph, kinds):
    """Of each ordered pair of classes, and of all of them together."""
    plain, whole = simple(graph), Graph.from_networkx(graph)
    kind = {node: str(i % kinds) for i, node in enumerate(graph)}
    classed = replace(whole, attributes={"kind": np.array(list(kind.values()), str)})
    found = reciprocity_by(classed, "kind")
    for pair in found.ordered:
        edges = [(u, v) for u, v in plain.edges if (kind[u], kind[v]) == (pair.pre, pair.post)]
        assert pair.edges == len(edges)
        assert pair.answered == sum(plain.has_edge(v, u) for u, v in edges)
    total = check_graph(graph)
    assert found.within.edges + found.between.edges == total.edges
    assert found.within.answered // 2 + found.between.answered // 2 == total.reciprocal_pairs
    assert found.unordered("0", "1").edges == sum(
        {kind[u], kind[v]} == {"0", "1"} for u, v in plain.edges
    )
