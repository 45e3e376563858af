"""Wiring by receptors and ligands, against what its caption promises; every small pattern."""

from itertools import pairwise, product

import numpy as np
import pytest

from oneway.analysis import (
    ALL,
    check,
    dales_law,
    no_reciprocal_pairs,
    no_sign_transport,
    no_weight_transport,
    sign_agreement,
)
from oneway.circuits import WiringError
from oneway.rules import draw_signs, receptor_wiring

UNITS = ("consistent", "inconsistent")


def listed(circuit, pre, post):
    """Weights (post, pre) between two layers, over both arms of a trio, and their synapses."""
    shape = circuit.populations[post].size, circuit.populations[pre].size
    weights, synapses = np.zeros(shape), np.zeros(shape, int)
    for name in (pre, f"{pre}_plus", f"{pre}_minus"):
        for p in circuit.select(role="drive", pre=name, post=post):
            for i, j, w in p.connector.conn_list:
                weights[j, i] += w
                synapses[j, i] += 1
    return weights, synapses


def test_a_circuit_is_named_by_its_layers():
    assert receptor_wiring(draw_signs((6, 4, 3))).circuit.name == "receptors:6-4-3"


def layers_of(circuit):
    names = [p.name for p in circuit.populations.values() if p.path == "forward"]
    return [name for name in names if not name.endswith(("_plus", "_minus"))]


def assert_antiparallel(circuit, signs):
    """One synapse there and one back wherever a sign is, of that sign; none of them a copy."""
    for (pre, post), wanted in zip(pairwise(layers_of(circuit)), signs, strict=True):
        w, there = listed(circuit, pre, post)
        np.testing.assert_array_equal(np.sign(w), wanted)
        np.testing.assert_array_equal(there, np.abs(wanted))
        if pre == "x":
            continue  # nobody needs the input's error
        b, back = listed(circuit, f"delta_{post}", f"delta_{pre}")
        np.testing.assert_array_equal(np.sign(b), wanted.T)
        np.testing.assert_array_equal(back, there.T)
        joined = wanted != 0
        assert not np.isin(np.abs(b.T[joined]), np.abs(w[joined])).any()


@pytest.mark.parametrize("pattern", [p for p in product((-1, 0, 1), repeat=4) if any(p)])
def test_trios_implement_all_possible_connectivities(pattern):
    """Every one of 3⁴ patterns between two layers of two units."""
    signs = [np.array([[1, -1], [-1, 1]]), np.array(pattern).reshape(2, 2)]
    wiring = receptor_wiring(signs, "inconsistent")
    assert_antiparallel(wiring.circuit, signs)
    assert wiring.pairs == 2 + 2  # the units that hear: hidden and output


@pytest.mark.parametrize("sends", [*product((-1, 1), repeat=3)])
@pytest.mark.parametrize("hears", [*product((-1, 1), repeat=2)])
def test_two_pairs_implement_all_of_consistent_units(sends, hears):
    """Whoever sends a sign is joined with all who hear it."""
    last = np.where(np.array(hears)[:, None] == sends, sends, 0)
    if not last.any():
        return
    signs = [np.array([[1, 0], [0, -1], [1, 0]]), last]
    wiring = receptor_wiring(signs)
    assert_antiparallel(wiring.circuit, signs)
    assert wiring.pairs == 2
    assert len(wiring.cells) == 2 + 3 + 2 + (3 + 2)  # one cell for each unit and each error


@pytest.mark.parametrize("units", UNITS)
def test_ligands_meet_their_receptors_and_nothing_else_is_joined(units):
    wiring = receptor_wiring(draw_signs((5, 4, 4, 3), units, seed=1), units)
    cells = {(cell.population, cell.index): cell for cell in wiring.cells}
    circuit = wiring.circuit
    for p in circuit.select(role="drive"):
        if p.weights is None:
            continue  # within a trio
        joined = {(i, j): w for i, j, w in p.connector.conn_list}
        for i, j in product(*(range(circuit.populations[end].size) for end in (p.pre, p.post))):
            axon, dendrite = cells[p.pre, i], cells[p.post, j]
            assert ((i, j) in joined) == bool(axon.ligands & dendrite.receptors)
            assert np.sign(joined.get((i, j), axon.sign)) == axon.sign


@pytest.mark.parametrize("gate", ["exact", "local"])
@pytest.mark.parametrize("units", UNITS)
def test_the_checker_finds_no_pair_no_transport_and_cells_of_one_sign(units, gate):
    circuit = receptor_wiring(draw_signs((6, 5, 4, 3), units, seed=2), units, gate=gate).circuit
    asked = no_reciprocal_pairs() & no_weight_transport() & no_sign_transport() & dales_law()
    assert check(circuit, asked).ok
    assert check(circuit, no_reciprocal_pairs(ALL)).ok == (gate == "local")
    weights = {p.name: p.connector.conn_list for p in circuit.select(role="drive") if p.weights}
    for p in circuit.select(role="drive"):
        if p.partner is not None:
            w, b = (np.array(weights[name])[:, 2] for name in (p.partner, p.name))
            assert sign_agreement(w, b) == 1


def test_inconsistent_units_need_trios():
    both = [np.ones((2, 2)), np.array([[1, -1]])]
    assert receptor_wiring([np.ones((2, 2)), np.array([[1, 1]])]).pairs == 1
    with pytest.raises(WiringError, match=r"output\[0\] hears both signs.*units='inconsistent'"):
        receptor_wiring(both)
    with pytest.raises(WiringError, match=r"h1\[0\] sends both signs"):
        receptor_wiring([np.ones((2, 2)), np.array([[1, 1], [-1, 1]])])
    with pytest.raises(WiringError, match=r"join x\[1\] and h1\[0\], which are of one sign, but"):
        receptor_wiring([np.array([[1, 0], [1, 1]]), np.array([[1, 1]])])


@pytest.mark.parametrize(
    ("signs", "message"),
    [
        ([np.ones((2, 3)), np.ones((2, 3))], "ends in 2 cells, but matrix 1 starts from 3"),
        ([np.full((2, 2), 2)], "expected one matrix .post, pre. of 1, -1 and 0"),
        ([np.ones((2, 2)), np.zeros((1, 2))], "matrix 1 has no synapse"),
    ],
)
def test_signs_that_make_no_circuit_are_refused(signs, message):
    with pytest.raises(WiringError, match=message):
        receptor_wiring(signs)
    with pytest.raises(WiringError, match="units 'mixed', expected one of consistent"):
        receptor_wiring([np.ones((2, 2))], "mixed")


def test_with_a_local_gate_hidden_cells_multiply_what_they_are_taught():
    local, exact = (receptor_wiring(draw_signs((6, 5, 4, 3)), gate=g) for g in ("local", "exact"))
    gated = {p.post: p.plasticity.post.gated for p in local.circuit.select() if p.plasticity}
    assert gated == {"h1": True, "h2": True, "output": False}
    assert not any(p.plasticity.post.gated for p in exact.circuit.select() if p.plasticity)
    assert not any(local.circuit.select(role="gate"))
    assert {p.pre for p in exact.circuit.select(role="gate")} == {"h1", "h2"}
