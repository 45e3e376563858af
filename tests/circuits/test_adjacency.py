"""Matrices of single cells, against the cells listed one by one; out of a circuit and in again."""

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from wirings import cells_of, neurons, wired_circuits

from oneway.analysis.graphs import Graph, reciprocity
from oneway.backends.rate import RateNetwork
from oneway.circuits import (
    ROLES,
    AllToAllConnector,
    Conv2dConnector,
    FixedProbabilityConnector,
    FromListConnector,
    Wiring,
    WiringError,
    adjacency,
    cells,
    mlp,
    projection_adjacency,
    weights_from_adjacency,
)
from oneway.rules import parse_rule


@given(wired_circuits(), st.sets(st.sampled_from(ROLES), min_size=1))
@settings(max_examples=30, deadline=None)
def test_cells_and_edges_are_those_listed_one_by_one(circuit, roles):
    listed = neurons(circuit, roles, merged=False)
    graph = Graph.from_circuit(circuit, roles)
    named = [f"{population}[{cell}]" for population, cell in cells_of(circuit)]
    assert graph.names.tolist() == named
    assert graph.attributes["population"].tolist() == [name for name, _ in cells_of(circuit)]
    expected = nx.to_scipy_sparse_array(listed, cells_of(circuit)) > 0
    assert ((adjacency(circuit, roles) > 0) != expected).nnz == 0


def test_parallel_connections_are_counted():
    wiring = Wiring("twice")
    x, y = wiring.population("x", (2,)), wiring.population("y", (2,))
    wiring.connect(x, y, FromListConnector([(0, 1), (0, 1)]), name="list")
    wiring.connect(x, y, AllToAllConnector(), name="all")
    circuit = wiring.build()
    matrix = adjacency(circuit)[cells(circuit)["x"], cells(circuit)["y"]]
    assert matrix.toarray().tolist() == [[1, 3], [1, 1]]
    assert projection_adjacency(circuit, "list").toarray().tolist() == [[0, 2], [0, 0]]
    assert Graph.from_circuit(circuit).multapses == 2


CONNECTORS = (
    AllToAllConnector(),
    FixedProbabilityConnector(0.3),
    FromListConnector([(0, 1), (71, 0), (0, 1)]),
    Conv2dConnector(8, 3, stride=2, padding=1, groups=2),
    Conv2dConnector(4, 2, padding=2, dilation=3, groups=4),
)


@pytest.mark.parametrize("connector", CONNECTORS, ids=lambda c: type(c).__name__)
@pytest.mark.parametrize("rule", ["bp", "fa"])
def test_a_networks_matrix_carries_activity_and_errors_as_the_network_does(connector, rule):
    """Tied feedback, transposed convolutions, groups and multapses included."""
    shape = connector.output_shape((8, 3, 3)) if isinstance(connector, Conv2dConnector) else (5,)
    wiring = Wiring("between")
    x = wiring.population("x", (2,))
    h, out = wiring.population("h", (8, 3, 3)), wiring.population("out", shape)
    wiring.connect(x, h, AllToAllConnector(), name="first")
    wiring.connect(h, out, connector, name="drive")
    net = RateNetwork(
        parse_rule(rule).wire(wiring.build()), loss=torch.nn.MSELoss(), dtype=torch.float64
    )
    of, matrix = cells(net.circuit), net.adjacency()
    generator = torch.Generator().manual_seed(0)
    sample = torch.randn((3, 2), generator=generator, dtype=torch.float64)
    target = torch.randn((3, *shape), generator=generator, dtype=torch.float64)
    signals = {name: s.flatten(1).numpy() for name, s in net.signals(sample, target).items()}
    for pre, post in (("h", "out"), ("delta_out", "delta_h")):
        block = matrix[of[pre], of[post]]
        np.testing.assert_allclose(signals[pre] @ block, signals[post], atol=1e-12)
        name = "drive" if pre == "h" else next(net.circuit.select(pre=pre, post=post)).name
        assert (net.adjacency(name) != block).nnz == 0


@pytest.mark.spiking
def test_a_spiking_networks_matrix_is_that_of_its_weights():
    from oneway.backends.spiking import SpikingNetwork

    circuit = parse_rule("fa").wire(mlp((4, 3, 2)))
    spikes, rates = SpikingNetwork(circuit, seed=3), RateNetwork(circuit, seed=3)
    np.testing.assert_allclose(spikes.adjacency().toarray(), rates.adjacency().toarray(), rtol=1e-6)
    assert spikes.adjacency("x -> h1").shape == (4, 3)


@pytest.mark.spiking
@pytest.mark.parametrize(
    "connector", [AllToAllConnector(), FixedProbabilityConnector(0.4), FromListConnector([(1, 0)])]
)
def test_a_networks_own_matrix_sets_its_weights(connector):
    from oneway.backends.spiking import SpikingNetwork

    wiring = Wiring("between")
    x, h = wiring.population("x", (3,)), wiring.population("h", (5,))
    out = wiring.population("out", (4,))
    wiring.connect(x, h, AllToAllConnector())
    wiring.connect(h, out, connector)
    circuit = parse_rule("fa").wire(wiring.build())
    first, other = (SpikingNetwork(circuit, seed=seed) for seed in (0, 1))
    for name, w in first.weights().items():
        assert not np.array_equal(w, other.weight(name))
        other.set_weights({name: first.adjacency(name)})
        np.testing.assert_array_equal(w, other.weight(name))


@pytest.mark.parametrize(
    ("connector", "entries", "said"),
    [
        (AllToAllConnector(), np.ones((1, 2)), r"shape \(1, 2\), but \(pre, post\) = \(2, 1\)"),
        (AllToAllConnector(), [[1], [0]], "the matrix has 1 entries, expected one for each of 2"),
        (FromListConnector([(0, 0)]), [[0], [1]], "1 entries, .* 1 synapses, between the same"),
        (FromListConnector([(0, 0), (0, 0)]), [[2], [0]], "1 entries, expected .* 2 synapses"),
    ],
)
def test_a_matrix_of_other_synapses_sets_no_weights(connector, entries, said):
    wiring = Wiring("w")
    x, y = wiring.population("x", (2,)), wiring.population("y", (1,))
    wiring.connect(x, y, connector)
    with pytest.raises(WiringError, match=f"'x -> y'.*{said}"):
        weights_from_adjacency(wiring.build(), "x -> y", sparse.csr_array(entries))


def test_weights_that_synapses_share_have_no_place_in_a_matrix():
    wiring = Wiring("w")
    x, y = wiring.population("x", (1, 2, 1)), wiring.population("y", (1, 2, 1))
    wiring.connect(x, y, Conv2dConnector(1, 1))
    with pytest.raises(WiringError, match=r"a weight of its own.* array \(1, 1, 1, 1\)"):
        weights_from_adjacency(wiring.build(), "x -> y", sparse.csr_array([[1, 0], [0, 1]]))


@pytest.mark.parametrize("kind", [list, np.array, sparse.csr_array, sparse.coo_matrix])
def test_a_matrix_comes_in_as_it_went_out(kind):
    given = [[0, 2, -0.5], [1, 0, 0]]
    matrix = given if kind is list else kind(given)
    connector = FromListConnector.from_adjacency(matrix)
    assert connector.conn_list == ((0, 1, 2.0), (0, 2, -0.5), (1, 0, 1.0))


def test_a_networks_own_matrix_comes_in_again_and_a_stored_zero_is_a_synapse():
    net = RateNetwork(mlp((4, 3)), seed=1)
    out = net.adjacency("x -> output")
    out.data[0] = 0
    wiring = Wiring("again")
    x, y = wiring.population("x", (4,)), wiring.population("output", (3,))
    wiring.connect(x, y, FromListConnector.from_adjacency(out), name="x -> output")
    again = RateNetwork(wiring.build(), seed=2).adjacency("x -> output")
    assert again.nnz == 12
    np.testing.assert_allclose(again.toarray(), out.toarray())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([[0, float("nan")], [1, 0]], r"entry \[0, 1\] is nan, expected finite weights"),
        (sparse.csr_array([[0, 0], [np.inf, 0]]), r"entry \[1, 0\] is inf, expected finite"),
        ([1, 2, 3], r"got shape \(3,\), expected a matrix, one row for each pre cell"),
        (np.zeros((2, 2, 2)), r"got shape \(2, 2, 2\), expected a matrix"),
        ([[1, 2], [3]], "expected a matrix of numbers"),
        ([["a", "b"]], "expected a matrix of numbers"),
        (np.zeros((2, 3)), r"of shape \(2, 3\) has no synapse"),
    ],
    ids=["nan", "inf", "flat", "cube", "ragged", "words", "zeros"],
)
def test_what_is_no_matrix_of_weights_is_refused(given, said):
    with pytest.raises(WiringError, match=said):
        FromListConnector.from_adjacency(given)


def test_what_has_no_matrix_is_named(monkeypatch):
    circuit = parse_rule("kp").wire(mlp((4, 3, 2)))
    with pytest.raises(WiringError, match=r"has no projection 'h9'\. There are: x -> h1"):
        projection_adjacency(circuit, "h9")
    with pytest.raises(WiringError, match=r"shape \(4, 3\), but \(post, pre, ...\) = \(3, 4\)"):
        adjacency(circuit, weights={"x -> h1": np.ones((4, 3))})
    assert adjacency(circuit, weights={}).nnz == 0
    monkeypatch.setattr("oneway.circuits.matrices.MOST_CONNECTIONS", 38)
    with pytest.raises(WiringError, match="39 connections to list, 12 of them in 'x -> h1'"):
        adjacency(circuit)


def test_every_graph_measure_takes_a_circuit():
    """Kolen-Pollack's only pairs are h1 and its error cells: 3 of 32 connections, both ways."""
    graph = Graph.from_circuit(parse_rule("kp").wire(mlp((4, 3, 2))), ("drive", "teach"))
    assert reciprocity(graph) == pytest.approx(6 / 32)
