"""Activation traffic: counted by hand on chains, one k-th on deep residual nets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneway.analysis.traffic import activation_traffic, reads_table, traffic_table
from oneway.circuits import (
    ACTIVITY,
    AllToAllConnector,
    Conv2dConnector,
    Signal,
    Wiring,
    mlp,
    parse_circuit,
    taught_by,
)
from oneway.rules import RULES, parse_rule

DEEP = parse_circuit("resnet34:3x32x32-10")


def traffic(rule, circuit, **options):
    return activation_traffic(parse_rule(rule).wire(circuit), **options)


def sources(found):
    return [(read.source, read.occasion) for read in found.activations]


# -- by hand -----------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["bp", "fa", "dfa", "drtp", "ss", "kp", "dkp"])
def test_each_layer_reads_its_input_once(rule):
    """x(6) -> h1(5) -> h2(4) -> output(3): 6 + 5 + 4, whoever else reads them too."""
    found = traffic(rule, mlp((6, 5, 4, 3)))
    assert (found.elements, found.bytes) == (15, 60)
    assert sorted(sources(found)) == [("h1", "driven"), ("h2", "driven"), ("x", "driven")]


def test_a_kolen_pollack_pair_reads_one_activity():
    found = traffic("kp", mlp((6, 5, 4, 3)))
    assert found.readers("h1") == ("h1 -> h2", "delta_h2 -> delta_h1")
    taught = [read for read in found.reads if read.projection == "delta_h2 -> delta_h1"]
    assert [(r.cell, r.source, r.how, r.first) for r in taught] == [
        ("delta_h1", "h1", "taught", False)
    ]


@pytest.mark.parametrize(
    ("k", "shared"), [(1, "x h1 h2 h3 h4 h5"), (2, "x h2 h4"), (3, "x h3"), (6, "x")]
)
def test_a_block_reads_its_entrance(k, shared):
    """Six layers of 8: the first layer's input stands for the k that follow it."""
    found = traffic(f"asap,k={k}", mlp((8, 8, 8, 8, 8, 8, 3)))
    assert [name for name, _ in sources(found)] == shared.split()
    assert found.elements == 8 * len(shared.split())


def test_matched_shapes_count_as_the_source_has_them():
    """x(8) stands in for h1(4) and h2(2), max-pooled along its axis: 8, not 8 + 4 + 2."""
    found = traffic("as,k=3", mlp((8, 4, 2, 2)))
    assert sources(found) == [("x", "driven")]
    assert {(r.cell, r.how, r.elements) for r in found.reads} == {
        ("x", "own", 8),
        ("h1", "mimicked", 8),
        ("h2", "mimicked", 8),
    }


def test_conv_chain_counts_cells_not_weights():
    """x 2x4x4 -conv-> h1 3x4x4 -conv-> h2 3x2x2 -> output 5: 32 + 48 + 12 cells are read."""
    net = Wiring("chain")
    x = net.population("x", (2, 4, 4))
    h1, h2 = net.population("h1", (3, 4, 4)), net.population("h2", (3, 2, 2))
    net.connect(x, h1, Conv2dConnector(3, kernel=3, padding=1))
    net.connect(h1, h2, Conv2dConnector(3, kernel=3, stride=2, padding=1))
    net.connect(h2, net.population("output", (5,)), AllToAllConnector())
    chain = net.build()
    assert traffic("bp", chain).elements == 32 + 48 + 12
    assert traffic("bp,frozen=first", chain).elements == 48 + 12
    assert traffic("bp,frozen=conv", chain).elements == 12


def test_second_path_of_forward_alignment_is_read_instead():
    found = traffic("forward_alignment", mlp((6, 5, 4, 3)))
    assert [name for name, _ in sources(found)] == ["x", "random_h1", "random_h2"]


def test_noise_is_another_activity_than_data():
    """Mirrors read h_l's noise and what it makes h_{l+1} fire, in a phase for each layer."""
    found = traffic("wm", mlp((6, 5, 4, 3)))
    assert sorted(sources(found)) == [
        ("h1", "driven"),
        ("h1", "mirror h1"),
        ("h2", "driven"),
        ("h2", "mirror h1"),
        ("h2", "mirror h2"),
        ("output", "mirror h2"),
        ("x", "driven"),
    ]
    assert found.elements == (6 + 5 + 4) + (5 + 4) + (4 + 3)
    assert found.readers("h1", "mirror h1") == ("delta_h2 -> delta_h1",)


def test_gates_norms_and_errors_are_not_counted():
    net = Wiring("pair")
    x, h = net.population("x", (3,)), net.population("h", (2,), activation="relu")
    net.population("d_h", (2,), path="feedback", partner="h")
    net.connect(x, h, AllToAllConnector())
    net.teach("d_h", "h")
    net.gate("h", "d_h", "relu")
    net.learn("x -> h", pre=ACTIVITY, post=taught_by("d_h", gated=True))
    assert sources(activation_traffic(net.build())) == [("x", "driven")]


def test_activity_at_both_cells_counts_twice():
    net = Wiring("hebb")
    x, h = net.population("x", (3,)), net.population("h", (2,))
    net.connect(x, h, AllToAllConnector())
    net.learn("x -> h", pre=ACTIVITY, post=Signal(), hebbian=True)
    assert activation_traffic(net.build()).elements == 5


# -- the paper's claim -------------------------------------------------------------------------


@pytest.mark.parametrize(("k", "expected"), [(1, 1.0), (2, 0.5), (4, 0.25)])
@pytest.mark.parametrize("frozen", ["", ",frozen=first"])
def test_one_kth_of_backpropagation(k, expected, frozen):
    """Woo et al. 2021, section 5 and appendix F: about a half at k = 2, a quarter at k = 4."""
    ratio = traffic(f"asap,k={k}{frozen}", DEEP).relative_to(traffic("bp", DEEP))
    assert ratio == pytest.approx(expected, abs=0.035)


@pytest.mark.parametrize("rule", "fa dfa drtp ss kp forward_alignment".split())
def test_other_rules_read_as_much_as_backpropagation(rule):
    assert traffic(rule, DEEP).relative_to(traffic("bp", DEEP)) == 1.0


def test_direct_kolen_pollack_reads_what_a_pool_hides_from_backpropagation():
    """Its feedback to the last block learns from that block, of which W only sees the pool."""
    direct, bp = traffic("dkp", DEEP), traffic("bp", DEEP)
    assert set(sources(direct)) - set(sources(bp)) == {("block16", "driven")}


# -- laws --------------------------------------------------------------------------------------


@given(
    widths=st.lists(st.sampled_from([2, 4, 8]), min_size=4, max_size=7),
    rule=st.sampled_from([*RULES, "asap,k=3", "kp,frozen=first"]),
    size=st.integers(1, 8),
)
def test_totals_are_those_of_distinct_reads(widths, rule, size):
    circuit = parse_rule(rule).wire(mlp(tuple(widths)))
    found = activation_traffic(circuit, bytes_per_element=size)
    distinct = {(r.source, r.occasion) for r in found.reads}
    assert found.elements == sum(circuit.populations[name].size for name, _ in distinct)
    assert found.bytes == size * found.elements
    assert len(found.activations) == len(distinct)
    assert all(r.projection in found.readers(r.source, r.occasion) for r in found.reads)


def test_ratio_is_of_bytes():
    whole, half = (traffic("bp", mlp((4, 3, 2)), bytes_per_element=n) for n in (4, 2))
    assert half.relative_to(whole) == 0.5


# -- bad input, tables -------------------------------------------------------------------------


def test_nothing_to_compare_with():
    forward = mlp((4, 3, 2))
    assert activation_traffic(forward).elements == 0
    with pytest.raises(ValueError, match=r"mlp:4-3-2.*parse_rule\('bp'\)"):
        traffic("bp", forward).relative_to(activation_traffic(forward))
    with pytest.raises(ValueError, match="bytes_per_element = 0, expected at least 1"):
        activation_traffic(forward, bytes_per_element=0)
    with pytest.raises(ValueError, match="no rule"):
        traffic_table({})


def test_tables():
    net = mlp((256, 256, 256, 256, 256, 256, 10))
    compared = traffic_table({r: traffic(r, net) for r in ("bp", "asap")}).splitlines()
    assert [line.split() for line in compared[1:]] == [
        ["bp", "6", "1,536", "6.00", "1.000"],
        ["asap", "3", "768", "3.00", "0.500"],
    ]
    assert len({len(line) for line in compared}) == 1
    detail = reads_table(traffic("asap", net)).splitlines()
    assert detail[2].split()[:4] == ["h2", "driven", "256", "1.00"]
    assert detail[2].endswith("h3 -> h4, h4 -> h5, delta_h4 -> delta_h3, delta_h5 -> delta_h4")
