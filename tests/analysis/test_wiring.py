"""Counts from connector algebra against neurons listed one by one."""

import networkx as nx
import pytest
from hypothesis import given, settings
from wirings import count_hidden, listed_pairs, neurons, of_output, passes_on, wired_circuits

from oneway.analysis import (
    ALL,
    PAPERS,
    check_wiring,
    return_paths,
)
from oneway.circuits import (
    ROLES,
    AllToAllConnector,
    AveragePoolConnector,
    Conv2dConnector,
    FromListConnector,
    MatchConnector,
    MaxPoolConnector,
    OneToOneConnector,
    Wiring,
    WiringError,
    mlp,
)


@settings(max_examples=200)
@given(wired_circuits())
def test_counts_equal_listing(circuit):
    verdict = check_wiring(circuit)
    assert verdict.papers == count_hidden(circuit, PAPERS)
    assert verdict.all == count_hidden(circuit, ALL)
    assert verdict.output == len(of_output(circuit, listed_pairs(circuit)))
    assert verdict.relays_apart == count_hidden(circuit, PAPERS, merged=False)
    selves = {u for u, v in neurons(circuit, ALL).edges() if u == v}
    assert verdict.autapses == len(selves)


@settings(max_examples=100)
@given(wired_circuits())
def test_roles_of_a_pair_equal_listing(circuit):
    """For each role: the neuron connections it makes that are answered by any other."""
    edges = set(neurons(circuit).edges())
    for pair in check_wiring(circuit).pairs:
        for ends, counts in (
            ((pair.first, pair.second), pair.there),
            ((pair.second, pair.first), pair.back),
        ):
            for role, counted in counts:
                listed = {
                    (u, v)
                    for u, v in neurons(circuit, (role,)).edges()
                    if (u[0], v[0]) == ends and u != v and (v, u) in edges
                }
                assert counted == len(listed)


# Each way to join h and delta_h both ways, beside delta_h teaching h:
#
#   h <--teach-- delta_h,   h --role--> delta_h
@pytest.mark.parametrize(
    ("role", "papers", "every"),
    [("teach", 6, 6), ("mimic", 6, 6), ("drive", 6, 6), ("gate", 0, 6), ("norm", 0, 6)],
)
def test_each_role_counts_where_the_constraint_says(role, papers, every):
    net = Wiring("pair")
    h = net.population("h", (6,))
    delta = net.population("delta_h", (6,), path="feedback", partner="h")
    net.teach(delta, h)
    net.connect(
        h,
        delta,
        AllToAllConnector() if role == "drive" else None,
        role=role,
        derivative="relu" if role == "gate" else None,
    )
    circuit = net.build()
    verdict = check_wiring(circuit)
    assert (verdict.papers, verdict.all, verdict.output) == (papers, every, 0)
    assert verdict.ok == (papers == 0)
    assert not check_wiring(circuit, "all").ok
    (pair,) = verdict.pairs
    assert (pair.first, pair.second) == ("h", "delta_h")
    assert dict(pair.there) == {role: 6}
    assert dict(pair.back) == {"teach": 6}


def test_two_roles_between_the_same_cells_are_one_pair():
    net = Wiring("pair")
    h, delta = net.population("h", (5,)), net.population("d", (5,), path="feedback")
    net.teach(delta, h)
    net.teach(h, delta)
    net.gate(h, delta, "relu")
    verdict = check_wiring(net.build())
    assert verdict.reciprocal_pairs == {"papers": 5, "all": 5, "output": 0, "relays_apart": 5}


def test_output_pair_stands_apart():
    net = Wiring("output only")
    out, target = net.population("out", (3,)), net.population("target", (3,), path="target")
    error = net.population("error", (3,), path="feedback", partner="out")
    net.connect(out, error, role="compare")
    net.connect(target, error, role="compare")
    net.teach(error, out)
    net.phase("mirror")
    net.mimic(out, error, "mirror")
    verdict = check_wiring(net.build(), "all")
    assert verdict.reciprocal_pairs == {"papers": 0, "all": 0, "output": 3, "relays_apart": 0}
    assert verdict.ok
    assert verdict.offenders == ()


def test_populations_joined_both_ways_but_no_cell():
    """h[0] -> d[0], d[1] teaches nobody back: 0 -> 0 and 1 -> 1 are different cells."""
    net = Wiring("crossed")
    h, d = net.population("h", (2,)), net.population("d", (2,), path="feedback")
    net.connect(h, d, FromListConnector([(0, 1), (1, 0)]))
    net.teach(d, h)
    verdict = check_wiring(net.build())
    assert verdict.papers == 0
    assert verdict.population_reciprocity == 1.0
    assert dict(verdict.pairs[0].there) == {"drive": 0}


def test_within_a_population():
    """A 3x3 pool of stride 1 on 1 x 2 x 2 joins all four cells with each other and themselves."""
    net = Wiring("lateral")
    h = net.population("h", (1, 2, 2))
    net.teach(h, h, AveragePoolConnector(3, 1, 1))
    verdict = check_wiring(net.build())
    assert (verdict.papers, verdict.autapses) == (6, 4)


def test_depthwise_and_dilated_convolutions_count_as_they_reach():
    """A 3×3 kernel meets (2 + 4 + 2)² pairs of 4×4 images at dilation 2, channel by channel."""
    net = Wiring("depthwise")
    a, b = net.population("a", (3, 4, 4)), net.population("b", (3, 4, 4), path="feedback")
    net.connect(a, b, Conv2dConnector(3, 3, padding=2, groups=3, dilation=2))
    net.teach(b, a, AveragePoolConnector(7, 1, 3))  # each channel's cells to all of it
    assert check_wiring(net.build()).papers == 3 * 8**2


def test_large_populations_are_counted_exactly():
    """More pairs than 32 bits hold, without listing one."""
    net = Wiring("large")
    h, d = net.population("h", (512, 64, 64)), net.population("d", (512, 64, 64), path="feedback")
    net.connect(h, d, AllToAllConnector())
    net.teach(d, h, MatchConnector())
    assert check_wiring(net.build()).papers == 512 * 64 * 64


def test_unknown_constraint_is_named():
    with pytest.raises(WiringError, match="constraint 'strict', expected one of papers, all"):
        check_wiring(mlp((2, 2)), "strict")


def test_as_dict_has_the_keys_of_the_contract():
    verdict = check_wiring(mlp((4, 3, 2))).as_dict(rule="bp", gate="exact", norm="full")
    expected = "circuit rule gate norm reciprocal_pairs weight_transport phases neurons ok".split()
    assert set(expected) <= set(verdict)
    pairs = {"papers": 0, "all": 0, "output": 0, "relays_apart": 0}
    assert verdict["reciprocal_pairs"] == pairs
    assert (verdict["neurons"], verdict["phases"], verdict["ok"]) == (9, 1, True)


# -- relays --------------------------------------------------------------------------------------


def pooled_pair(left_out=0):
    """h -> pool -> teach -> e -> d -> teach -> h, with a pool of 2 x 2 and its transpose."""
    net = Wiring("pooled")
    h = net.population("h", (1, 4 + left_out, 4), activation="relu")
    pool, y = net.population("pool", (1, 2, 2)), net.population("y", (2,))
    top = net.population("top", (2,), path="feedback")
    e = net.population("e", (1, 2, 2), path="feedback", partner="pool")
    d = net.population("d", h.shape, path="feedback", partner="h")
    net.connect(h, pool, MaxPoolConnector(2))
    net.connect(pool, y, AllToAllConnector())
    net.connect(top, e, AllToAllConnector())
    net.connect(e, d, AveragePoolConnector(2).transpose)
    net.teach(pool, e)
    net.teach(d, h)
    return net


def test_a_pool_hides_no_pair():
    """Each of 16 cells h reaches the error cell of its window, and is taught by it."""
    circuit = pooled_pair().build()
    verdict = check_wiring(circuit)
    assert verdict.reciprocal_pairs == {"papers": 16, "all": 16, "output": 0, "relays_apart": 0}
    assert verdict.relays == ("pool", "d") and not verdict.ok
    assert [(pair.first, pair.second) for pair in verdict.pairs] == [("h", "e")]
    lengths = {(p.population, p.there, p.back) for p in return_paths(circuit, None)}
    assert lengths == {("h", 1, 1), ("pool", 1, 1)}


def test_a_cell_that_the_pool_leaves_out_keeps_its_own_pair():
    """The fifth row reaches no window; gates join its 4 cells with their own error cells."""
    net = pooled_pair(left_out=1)
    net.gate("h", "d", "relu")
    verdict = check_wiring(net.build())
    assert verdict.reciprocal_pairs == {"papers": 16, "all": 20, "output": 0, "relays_apart": 0}


def test_a_cell_in_many_windows_is_paired_with_the_error_of_each():
    """A window of 2 x 2 that moves by 1 over 3 x 3 cells."""
    net = Wiring("overlap")
    h = net.population("h", (1, 3, 3), activation="relu")
    pool, y = net.population("pool", (1, 2, 2)), net.population("y", (2,))
    e = net.population("e", (1, 2, 2), path="feedback")
    net.connect(h, pool, AveragePoolConnector(2, 1))
    net.connect(pool, y, AllToAllConnector())
    net.teach(pool, e)
    net.teach(e, h, AveragePoolConnector(2, 1).transpose)
    # Along an axis the cells lie in 1, 2 and 1 windows.
    assert check_wiring(net.build()).papers == (1 + 2 + 1) ** 2


def test_a_cell_that_a_relay_leads_back_to_is_no_pair():
    """r = h; r teaches h: each cell hears of itself."""
    net = Wiring("echo")
    h, r = net.population("h", (3,), activation="relu"), net.population("r", (3,))
    net.connect(h, r, OneToOneConnector())
    net.connect(r, net.population("y", (2,)), AllToAllConnector())
    net.teach(r, h)
    verdict = check_wiring(net.build())
    assert (verdict.papers, verdict.autapses, verdict.relays_apart) == (0, 3, 3)


# -- return paths --------------------------------------------------------------------------------


@settings(max_examples=60)
@given(wired_circuits())
def test_return_paths_equal_shortest_paths_of_the_listed_graph(circuit):
    wiring = Wiring(circuit)
    pairs = []
    forward = [p for p in circuit.populations.values() if p.path == "forward"]
    for p in circuit.populations.values():
        match = [f for f in forward if f.shape == p.shape and f not in pairs]
        if p.path == "feedback" and match:
            wiring.update(p, partner=match[0].name)
            pairs.append(match[0])
    graph = neurons(circuit, merged=False)
    relays = {p.name for p in circuit.populations.values() if passes_on(circuit, p)}
    into_relays = neurons(circuit, ("drive",), merged=False).edges()

    def cost(u, v, _):
        return int((u, v) not in into_relays or v[0] not in relays)

    for path in return_paths(wiring.build(), None, roles=ROLES):
        cell, error = (path.population, path.cell), (path.partner, path.cell)
        for there, u, v in ((path.there, cell, error), (path.back, error, cell)):
            lengths = nx.single_source_dijkstra_path_length(graph, u, weight=cost)
            assert there == lengths.get(v)


def test_return_paths_follow_every_projection_of_a_step():
    """h -> m through two lists: the way on is from the cell that the first one reaches."""
    net = Wiring("fork")
    h, m = net.population("h", (1,)), net.population("m", (2,), path="auxiliary")
    d = net.population("d", (1,), path="feedback", partner="h")
    net.connect(h, m, FromListConnector([(0, 0)]), name="first")
    net.connect(h, m, FromListConnector([(0, 1)]), name="second")
    net.connect(m, d, FromListConnector([(0, 0)]))
    (path,) = return_paths(net.build())
    assert (path.there, path.back, path.length) == (2, None, None)


def test_return_paths_follow_the_asked_cells():
    net = Wiring("image")
    h = net.population("h", (3, 4, 4))
    d = net.population("d", (3, 4, 4), path="feedback", partner="h")
    net.teach(d, h)
    circuit = net.build()
    assert [p.cell for p in return_paths(circuit)] == [0, 1 * 16 + 2 * 4 + 2]
    assert [p.cell for p in return_paths(circuit, 1)] == [0]
    assert len(return_paths(circuit, 7)) == 7
    every = return_paths(circuit, None)
    assert len(every) == 48
    assert {(p.there, p.back, p.length) for p in every} == {(None, 1, None)}
    with pytest.raises(WiringError, match="cells_per_population = 0"):
        return_paths(circuit, 0)
