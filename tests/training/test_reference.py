"""Errors held against backpropagation's."""

import pytest
import torch

from oneway.backends.rate import RateNetwork
from oneway.circuits import parse_circuit
from oneway.rules import RULES, parse_rule
from oneway.training import backpropagation_angles

RESNET = parse_circuit("resnet18:3x16x16-10,width=4")


def network(rule, circuit=RESNET, seed=0):
    return RateNetwork(parse_rule(rule).wire(circuit), seed=seed, dtype=torch.float64)


def batch(circuit=RESNET, n=8):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn((n, *circuit.inputs[0].shape), generator=generator, dtype=torch.float64)
    return x, torch.arange(n) % 10


@pytest.mark.parametrize("rule", ["bp", "as", "forward_alignment", "fa,init=aligned"])
def test_tied_or_equal_feedback_gives_backpropagations_errors(rule):
    angles = backpropagation_angles(network(rule), *batch())
    assert "delta_stem" in angles
    assert max(angles.values()) < 1e-4


@pytest.mark.parametrize("rule", ["fa", "kp", "dfa", "drtp"])
def test_random_feedback_starts_at_chance(rule):
    angles = backpropagation_angles(network(rule), *batch())
    assert 75 < angles["delta_block1_a"] < 105
    assert angles["delta_output"] < 1e-4


def test_signs_alone_come_between():
    angles = backpropagation_angles(network("ss"), *batch())
    assert 10 < angles["delta_block8_a"] < 75


@pytest.mark.parametrize("rule", RULES)
def test_nothing_changes(rule):
    net = network(rule)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    backpropagation_angles(net, *batch())
    for name, tensor in net.state_dict().items():
        assert torch.equal(tensor, before[name]), name
