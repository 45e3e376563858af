"""One seed is one network: both backends start from the same weights."""

import numpy as np
import pytest

pytest.importorskip("brian2")

import torch

from oneway.backends.rate import RateNetwork
from oneway.backends.spiking import SpikingNetwork
from oneway.circuits import mlp, parse_circuit
from oneway.rules import RULES, parse_rule

pytestmark = pytest.mark.spiking


def weights_of(net):
    drives = net.circuit.select(role="drive")
    return {p.name: np.asarray(net.weight(p.name)) for p in drives if p.weights}


@pytest.mark.parametrize("size", ["mlp:6-8-8-4", "conv2:1x8x8-3,width=2,hidden=5,norm=none"])
@pytest.mark.parametrize("rule", [*RULES, "fa,init=aligned", "ss,scale=0.25"])
def test_a_seed_is_one_network_in_both_backends(rule, size):
    circuit = parse_rule(rule).wire(parse_circuit(size))
    rate = weights_of(RateNetwork(circuit, seed=7, dtype=torch.float64))
    spiking = weights_of(SpikingNetwork(circuit, seed=7))
    assert rate.keys() == spiking.keys()
    for name, weights in rate.items():
        np.testing.assert_array_equal(spiking[name], weights, err_msg=name)


def test_less_precision_rounds_the_same_draw():
    circuit = parse_rule("kp").wire(mlp((6, 8, 4)))
    exact = weights_of(RateNetwork(circuit, seed=7, dtype=torch.float64))
    for name, weights in weights_of(RateNetwork(circuit, seed=7)).items():
        np.testing.assert_array_equal(weights, exact[name].astype(np.float32), err_msg=name)
