"""Which populations are relays, and which cells theirs stand for."""

import numpy as np
import pytest

from oneway.circuits import (
    AllToAllConnector,
    AveragePoolConnector,
    BatchNorm,
    MaxPoolConnector,
    OneToOneConnector,
    Wiring,
    parse_circuit,
    relay_names,
    relayed_cells,
)
from oneway.rules import parse_rule


def between(**properties):
    """x -> h (weights) -> r (none) -> y (weights): is `r`, with these properties, a relay?"""
    net = Wiring("chain")
    x, h = net.population("x", (3,)), net.population("h", (3,), activation="relu", bias=True)
    connector = properties.pop("connector", OneToOneConnector())
    r, y = net.population("r", (3,), **properties), net.population("y", (3,))
    net.connect(x, h, AllToAllConnector())
    net.connect(h, r, connector)
    net.connect(r, y, AllToAllConnector())
    return "r" in relay_names(net.build())


def test_a_linear_population_without_bias_or_weights_relays():
    assert between()


@pytest.mark.parametrize(
    "properties",
    [
        {"bias": True},
        {"activation": "relu"},
        {"norm": BatchNorm(affine=False)},
        {"connector": AllToAllConnector()},
        {"path": "target"},
    ],
)
def test_what_makes_it_a_neuron(properties):
    assert not between(**properties)


def test_a_sum_relays_both_of_its_sources():
    """y = pool(h) + s, and s = pool(h): y's cell stands for each cell of h once, by either way."""
    net = Wiring("sum")
    x, h = net.population("x", (4,)), net.population("h", (1, 2, 2), activation="relu")
    s, y = net.population("s", (1, 1, 1)), net.population("y", (1, 1, 1))
    out = net.population("out", (1,))
    net.connect(x, h, AllToAllConnector())
    net.connect(h, s, MaxPoolConnector(2))
    net.connect(h, y, AveragePoolConnector(2))
    net.connect(s, y, OneToOneConnector())
    net.connect(y, out, AllToAllConnector())
    circuit = net.build()
    assert relay_names(circuit) == ("s", "y")
    ((origin, way),) = relayed_cells(circuit)["y"]
    assert origin == "h"
    assert way.listed().tolist() == [[0, 0], [1, 0], [2, 0], [3, 0]]


def test_ends_are_no_relays():
    """A pool that is the output, an input that nothing drives, an error that compares."""
    net = Wiring("ends")
    x = net.population("x", (1, 2, 2))
    y = net.population("y", (1, 1, 1))
    target = net.population("target", (1, 1, 1), path="target")
    e = net.population("e", (1, 1, 1), path="feedback")
    net.connect(x, y, MaxPoolConnector(2))
    net.connect(y, e, role="compare")
    net.connect(target, e, role="compare")
    net.connect(y, e, OneToOneConnector())
    assert relay_names(net.build()) == ()


def test_errors_run_back_through_a_pool_as_through_a_relay():
    """Errors of h1 are those of pool1, and no longer once weights bring others to them."""
    forward = parse_circuit("alexnet:1x8x8-3,width=2,hidden=4")
    pools = {"pool1", "pool2", "pool3"}
    assert set(relay_names(parse_rule("kp").wire(forward))) == {
        *pools,
        "delta_h1",
        "delta_h2",
        "delta_h3",
    }
    assert set(relay_names(parse_rule("dkp").wire(forward))) == pools


def test_cells_that_a_pool_leaves_out_stand_for_themselves():
    """A 2 x 2 pool of a 1 x 3 x 2 image leaves out the third row, cells 4 and 5."""
    net = Wiring("border")
    top, pool = net.population("top", (2,), path="feedback"), (1, 1, 1)
    e = net.population("e", pool, path="feedback")
    d = net.population("d", (1, 3, 2), path="feedback")
    net.connect(top, e, AllToAllConnector())
    net.connect(e, d, AveragePoolConnector(2).transpose)
    stands = dict(relayed_cells(net.build())["d"])
    assert stands["e"].listed().tolist() == [[0, 0], [0, 1], [0, 2], [0, 3]]
    np.testing.assert_array_equal(stands["d"].listed(), [[4, 4], [5, 5]])


def test_cells_that_normalise_a_sum_are_no_relay():
    wiring = Wiring("pre-activation")
    x, h = wiring.population("x", (4,)), wiring.population("h", (4,))
    wiring.connect(x, h, norm=BatchNorm())
    passed, out = wiring.population("passed", (4,)), wiring.population("output", (2,))
    wiring.connect(h, passed)
    wiring.connect(passed, out, AllToAllConnector())
    assert relay_names(wiring.build()) == ("passed",)
