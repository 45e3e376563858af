"""A graph as a circuit: which way its tracts run, and a forward part that is wired and run.

eye -> mid -> leg     forward        leg -> mid     feedback
eye -------> leg      skip           mid -> mid     recurrent
"""

import re

import networkx as nx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from oneway.analysis import check_wiring
from oneway.analysis.graphs import BY_NAME, Graph, circuit_from_graph
from oneway.backends.rate import RateNetwork
from oneway.circuits import WiringError, from_json, to_json
from oneway.rules import parse_rule

SIZES = {"eye": 4, "mid": 5, "leg": 3}


def reflex(back: bool = True, seed: int = 0) -> Graph:
    rng = np.random.default_rng(seed)
    names = [f"{kind}{i}" for kind, n in SIZES.items() for i in range(n)]
    kind = np.array([name.rstrip("0123456789") for name in names])
    ways = [("eye", "mid", 0.8), ("mid", "leg", 0.8), ("eye", "leg", 0.5)]
    ways += [("leg", "mid", 0.3), ("mid", "mid", 0.3)] if back else []
    pairs = [
        (u, v)
        for pre, post, chance in ways
        for u in np.flatnonzero(kind == pre)
        for v in np.flatnonzero(kind == post)
        if u != v and rng.random() < chance
    ]
    pre, post = np.array(pairs).T
    order = rng.permutation(len(names))  # cells of a class need not stand together
    place = np.argsort(order)
    weights = rng.integers(1, 9, len(pre))
    named = np.array(names)[order]
    return Graph.from_edges(place[pre], place[post], weights, named, {"class": kind[order]})


def test_order_kinds_and_counts():
    graph = reflex()
    found = circuit_from_graph(graph)
    assert {name: len(cells) for name, cells in found.cells.items()} == SIZES
    assert list(found.cells) == ["eye", "mid", "leg"]
    assert {(t.pre, t.post): t.kind for t in found.tracts} == {
        ("eye", "mid"): "forward",
        ("mid", "leg"): "forward",
        ("eye", "leg"): "skip",
        ("leg", "mid"): "feedback",
        ("mid", "mid"): "recurrent",
    }
    kind, dense = graph.attributes["class"], graph.weights.toarray()
    for tract in found.tracts:
        block = dense[np.ix_(kind == tract.pre, kind == tract.post)]
        assert (tract.edges, tract.weight) == ((block > 0).sum(), block.sum())
        ends = (block.any(axis=1).sum(), block.any(axis=0).sum())
        assert (tract.senders, tract.receivers) == ends
    shares = [found.share(kind) for kind in ("forward", "skip", "feedback", "recurrent")]
    assert sum(shares) == pytest.approx(1)
    closing = {str(tract).split(":")[0] for tract in found.closing}
    assert closing == {"leg -> mid (feedback)", "mid -> mid (recurrent)"}
    assert all(name in found.summary() for name in closing)


def test_matrices_count_by_class():
    graph = reflex()
    found = circuit_from_graph(graph)
    edges = found.matrix("edges")
    for tract in found.tracts:
        at = [list(found.cells).index(name) for name in (tract.pre, tract.post)]
        assert edges[*at] == tract.edges
    assert edges.sum() == graph.edges
    assert found.matrix("density")[1, 1] == edges[1, 1] / (5 * 4)
    joined = graph.adjacency.toarray()
    mid, leg = found.cells["mid"], found.cells["leg"]
    answered = (joined & joined.T)[np.ix_(leg, mid)].sum()
    assert found.matrix("reciprocity")[2, 1] == answered / edges[2, 1]
    assert np.isnan(found.matrix("reciprocity")[2, 0])


def test_the_forward_part_is_wired_checked_and_run_with_the_weights_of_the_graph():
    graph = reflex()
    found = circuit_from_graph(graph)
    part = found.forward_part()
    assert (part.inputs[0].name, part.output.name) == ("eye", "leg")
    assert from_json(to_json(part)) == part
    assert "left out, feedback: 1 tracts" in part.summary()
    wired = parse_rule("kp").wire(part)
    verdict = check_wiring(wired)
    assert (verdict.papers, verdict.weight_transport) == (SIZES["mid"], "none")
    assert check_wiring(parse_rule("fa,gate=local").wire(part), "all").ok
    net, dense = RateNetwork(wired, dtype=torch.float64), graph.weights.toarray()
    block = {name: cells for name, cells in found.cells.items()}
    x = np.random.default_rng(1).random((6, SIZES["eye"]))
    for bias in net.biases.values():
        bias.data.zero_()
    step = net.step(torch.tensor(x), torch.arange(6) % SIZES["leg"])
    through = {pair: dense[np.ix_(block[pair[0]], block[pair[1]])] for pair in
               (("eye", "mid"), ("mid", "leg"), ("eye", "leg"))}  # fmt: skip
    mid = np.maximum(x @ through["eye", "mid"], 0)
    expected = mid @ through["mid", "leg"] + x @ through["eye", "leg"]
    assert np.allclose(step.output.detach().numpy(), expected)
    assert net.weights["eye -> mid"].grad.abs().sum() > 0


def test_weights_as_shares_of_the_input_or_drawn():
    found = circuit_from_graph(reflex())
    received = np.zeros(SIZES["leg"])
    part = found.forward_part(weights="fraction")
    for name in ("mid -> leg", "eye -> leg"):
        for _, post, weight in part.projections[name].connector.conn_list:
            received[post] += weight
    assert np.allclose(received, 1)
    drawn = found.forward_part(weights="drawn").projections["mid -> leg"].connector
    assert drawn.initial_weights is None


@settings(max_examples=30)
@given(st.integers(2, 7), st.integers(0, 10**6))
def test_populations_without_a_cycle_have_no_feedback(n, seed):
    """Whatever the flow says: what runs back is on a cycle, or does not run back."""
    rng = np.random.default_rng(seed)
    names = rng.permutation(n)
    joined = [(u, v) for u in range(n) for v in range(u + 1, n) if rng.random() < 0.5]
    graph = nx.DiGraph()
    graph.add_nodes_from(f"p{name}_0" for name in names)
    for u, v in joined:
        graph.add_edge(f"p{names[u]}_0", f"p{names[v]}_0", weight=10.0 ** rng.integers(0, 4))
    found = circuit_from_graph(graph, BY_NAME)
    assert not found.closing
    longest = nx.dag_longest_path_length(nx.DiGraph(joined)) if joined else 0
    assert len({t.pre for t in found.of("forward")}) >= (longest > 0)
    # A skip has a longer way around it, a forward tract has none.
    for tract in found.tracts:
        ways = nx.DiGraph([(t.pre, t.post) for t in found.tracts])
        around = max(map(len, nx.all_simple_paths(ways, tract.pre, tract.post))) > 2
        assert tract.kind == "skip" or not around


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (BY_NAME, ["KC", "h1", "h1", "solo"]),
        (re.compile(r"(\w).*"), ["K", "h", "h", "s"]),
        ({"KC17": "a", "h1[0]": "b", "h1_3": "b", "solo": "c d"}, ["a", "b", "b", "c_d"]),
        (["x", "x", "y", "3y"], ["x", "x", "y", "_3y"]),
    ],
)
def test_classes_in_any_form(classes, expected):
    graph = Graph.from_edges([0, 1, 2], [1, 2, 3], names=["KC17", "h1[0]", "h1_3", "solo"])
    found = circuit_from_graph(graph, classes)
    home = {int(cell): name for name, cells in found.cells.items() for cell in cells}
    assert [home[cell] for cell in range(4)] == expected


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda g: circuit_from_graph(g, "side"), "no attribute 'side' .* there are class"),
        (lambda g: circuit_from_graph(g, {"eye0": "a"}), "11 of 12 cells have no class"),
        (lambda g: circuit_from_graph(g, ["a", "b"]), "2 classes for 12 cells"),
        (lambda g: circuit_from_graph(g, ["a b"] * 6 + ["a-b"] * 6), "both be a population 'a_b'"),
        (lambda g: circuit_from_graph(nx.DiGraph()), "no cell"),
        (lambda g: circuit_from_graph(g).forward_part("nose"), "no population 'nose'; .* eye, mid"),
        (lambda g: circuit_from_graph(g).forward_part("leg", "eye"), "no forward way from 'leg'"),
        (lambda g: circuit_from_graph(g).forward_part(weights="x"), "expected one of listed"),
        (lambda g: circuit_from_graph(g).matrix("x"), "expected one of edges, density"),
    ],
)
def test_refusals(ask, message):
    with pytest.raises(WiringError, match=message):
        ask(reflex())


@pytest.mark.spiking
def test_settled_cells_and_rates_agree_on_the_forward_part():
    pytest.importorskip("brian2")
    from both_backends import Both

    part = circuit_from_graph(reflex()).forward_part(weights="fraction")
    Both(parse_rule("kp").wire(part)).compare(learning=False)
