"""The triad census against networkx, at the size of a hub, and as it is drawn."""

from math import comb

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneway.analysis.graph_pictures import TRIAD_EDGES
from oneway.analysis.graphs import TRIADS, Graph, triad_census, triads


@st.composite
def digraphs(draw):
    """Anything from no edge to all of them; networkx's own census needs three nodes."""
    n = draw(st.integers(3, 12))
    density = draw(st.sampled_from([0.05, 0.2, 0.5, 0.9, 1.0]))
    return nx.gnp_random_graph(n, density, seed=draw(st.integers(0, 10**6)), directed=True)


@settings(max_examples=40)
@given(digraphs())
def test_equals_networkx(graph):
    assert triad_census(graph) == nx.triadic_census(graph)


def test_slices_of_the_products_add_up(monkeypatch):
    graph = nx.gnp_random_graph(30, 0.3, seed=0, directed=True)
    whole = triad_census(graph)
    monkeypatch.setattr(triads, "_ENTRIES", 7)
    assert triad_census(graph) == whole == nx.triadic_census(graph)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_too_few_cells_for_a_triad(n):
    census = triad_census(nx.complete_graph(n, nx.DiGraph()))
    assert tuple(census) == TRIADS and set(census.values()) == {0}


def test_a_hub_among_many_cells_costs_little_and_overflows_nothing():
    """One cell projects to 300,000 others: a product by way of it would have 2·10¹⁰ entries."""
    n, hub = 300_001, 150_000
    others = np.delete(np.arange(n), hub)
    census = triad_census(Graph.from_edges(np.full(n - 1, hub), others))
    assert census["021D"] == comb(n - 1, 2)
    assert census["003"] == comb(n - 1, 3)
    assert sum(census.values()) == comb(n, 3)


@pytest.mark.parametrize("name", TRIADS)
def test_every_class_is_drawn_as_it_is(name):
    graph = nx.DiGraph()
    graph.add_nodes_from(range(3))
    graph.add_edges_from(TRIAD_EDGES[name])
    assert triad_census(graph)[name] == 1
