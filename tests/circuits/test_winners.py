"""A gate at the back of a max-pool brings word of who won, from the whole window."""

from itertools import product

import numpy as np
import pytest
from wirings import count_hidden

from oneway.analysis import ALL, check, check_wiring, parse_constraints
from oneway.circuits import (
    AllToAllConnector,
    AveragePoolConnector,
    MaxPoolConnector,
    OneToOneConnector,
    Wiring,
    adjacency,
    cells,
    mlp,
)
from oneway.circuits.winners import WinnersConnector
from oneway.rules import parse_rule

SIZE = 5


def forward(*pools):
    net = Wiring("pooled")
    x = net.population("x", (3,))
    h = net.population("h", (2, SIZE, SIZE), activation="relu")
    y = net.population("y", (2,))
    net.connect(x, h, AllToAllConnector())
    for n, connector in enumerate(pools):
        pool = net.population(f"pool{n}", connector.output_shape(h.shape))
        net.connect(h, pool, connector)
        net.connect(pool, y, AllToAllConnector())
    return net.build()


def windows(kernel, stride, padding):
    """The cells of each window of one channel."""
    steps = range(-padding, SIZE + padding - kernel + 1, stride)
    for top, left in product(steps, steps):
        yield [
            row * SIZE + column
            for row in range(max(top, 0), min(top + kernel, SIZE))
            for column in range(max(left, 0), min(left + kernel, SIZE))
        ]


def error_below(h, pool):
    """Errors of 1 at every cell of a pool, sent back by its definition to the strongest."""
    winners = [max(window, key=h.__getitem__) for window in windows(*pool)]
    return np.bincount(winners, minlength=len(h))


def who_matters(*pool):
    """(i, k): raising cell i of h takes the error from cell k, which was the strongest."""
    matters = np.eye(SIZE * SIZE, dtype=bool)
    for k in range(len(matters)):
        h = np.random.default_rng(k).uniform(size=len(matters))
        h[k] = 2
        before = error_below(h, pool)[k]
        for i in set(range(len(matters))) - {k}:
            raised = h.copy()
            raised[i] += 2
            matters[i, k] = error_below(raised, pool)[k] != before
    return np.kron(np.eye(2, dtype=bool), matters)  # channels have nothing to do with each other


# The last one leaves cells out, whose own gate stays.
POOLS = [(2, 2, 0), (3, 2, 0), (3, 1, 1), (2, 3, 0)]


@pytest.mark.parametrize("pool", POOLS)
def test_an_error_cell_hears_from_every_cell_that_can_take_its_error(pool):
    circuit = parse_rule("fa").wire(forward(MaxPoolConnector(*pool)))
    of = cells(circuit)
    gate = adjacency(circuit, roles=("gate",))[of["h"], of["delta_h"]].toarray()
    assert np.array_equal(gate, who_matters(*pool))


def test_of_two_pools_it_hears_both_windows():
    circuit = parse_rule("fa").wire(forward(MaxPoolConnector(2), MaxPoolConnector(3, 2)))
    of = cells(circuit)
    gate = adjacency(circuit, roles=("gate",))[of["h"], of["delta_h"]].toarray()
    assert np.array_equal(gate, who_matters(2, 2, 0) | who_matters(3, 2, 0))


@pytest.mark.parametrize(
    "circuit",
    [
        parse_rule("kp").wire(mlp((4, 3, 2))),
        parse_rule("fa").wire(forward(AveragePoolConnector(2))),
        parse_rule("fa,gate=local").wire(forward(MaxPoolConnector(2))),
        parse_rule("dfa").wire(forward(MaxPoolConnector(2))),  # no error comes back by the pool
    ],
)
def test_everywhere_else_projections_join_what_their_connectors_do(circuit):
    for p in circuit.projections.values():
        assert circuit.reading.connector(p) is p.connector


@pytest.mark.parametrize("pool", POOLS)
def test_pairs_joined_both_ways_are_those_that_the_gate_of_each_cell_makes(pool):
    """A window's cells are told their error by one cell at the pool, so the winners add no pair."""
    circuit = parse_rule("kp").wire(forward(MaxPoolConnector(*pool)))
    assert check_wiring(circuit).all == count_hidden(circuit, ALL)


def test_a_fix_that_leaves_the_gate_out_spreads_the_error():
    circuit = parse_rule("fa").wire(forward(MaxPoolConnector(2)))
    inside, outside = check(circuit, parse_constraints("all")).violations
    assert (inside.count, outside.count) == (2 * 16, 2 * 9)  # cells of h that a window has or not
    fixed = inside.fix.apply(circuit)
    assert check(fixed, parse_constraints("all")).ok
    back = fixed.projections["delta_pool0 -> delta_h"].connector
    assert back == AveragePoolConnector(2).transpose


def test_a_gate_with_windows_fits_where_all_its_parts_fit():
    image, pooled = (2, SIZE, SIZE), (2, 2, 2)
    gate = WinnersConnector(OneToOneConnector(), ((MaxPoolConnector(2), pooled),))
    assert gate.misfit(image, image) is None
    assert "equal shapes" in gate.misfit(image, (2, 3, 3))
    assert "into (2, 3, 3), but post has (2, 2, 2)" in gate.misfit((2, 6, 6), (2, 6, 6))
