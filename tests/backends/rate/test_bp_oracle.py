"""Wired backpropagation gives autograd's gradients: the anchor of every connector, φ and norm."""

import pytest
import torch
from autograd_reference import forward, gradients, leaves
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import forward_circuits
from torch import nn

from oneway.backends.rate import RateNetwork
from oneway.backends.rate.autograd import PlainNetwork
from oneway.circuits import AllToAllConnector, Conv2dConnector, Wiring, parse_circuit
from oneway.rules import Backpropagation


def relative_gap(ours, theirs):
    return float((ours - theirs).norm() / theirs.norm().clamp_min(1e-12))


def randomise(net, generator):
    """Biases, gains and statistics that no symmetry hides behind."""
    for name, tensor in [*net.named_parameters(), *net.named_buffers()]:
        if not name.startswith("weights"):
            noise = torch.rand(tensor.shape, generator=generator, dtype=tensor.dtype)
            tensor.data.add_(0.3 * noise)


def batch_for(circuit, generator, n=5):
    x = torch.randn((n, *circuit.inputs[0].shape), generator=generator, dtype=torch.float64)
    return x, torch.randint(0, circuit.output.size, (n,), generator=generator)


def assert_backprop_equals_autograd(forward_circuit, seed=0, loss=None, train=True, n=5):
    generator = torch.Generator().manual_seed(seed)
    net = RateNetwork(
        Backpropagation().wire(forward_circuit), loss=loss, seed=seed, dtype=torch.float64
    ).train(train)
    randomise(net, generator)
    x, y = batch_for(forward_circuit, generator, n)
    if isinstance(loss, nn.MSELoss | nn.SmoothL1Loss):
        y = torch.randn((n, net.circuit.output.size), generator=generator, dtype=torch.float64)
    expected = gradients(net, x, y)
    step = net.step(x, y)
    torch.testing.assert_close(step.loss, net.loss(forward(net, leaves(net), x), y).detach())
    learned = {name: p.grad for name, p in net.named_parameters() if p.requires_grad}
    assert learned and None not in learned.values(), [k for k, g in learned.items() if g is None]
    # One scale for the whole circuit: a gradient that is zero but for rounding has none of its own.
    # All of them are where every cell is constant, a kernel that reads padding alone, say.
    scale = max(1e2, *(float(g.norm()) for g in expected.values() if g is not None))
    for name, change in learned.items():
        theirs = expected[name] if expected[name] is not None else torch.zeros_like(change)
        gap = float((change - theirs).norm()) / max(float(theirs.norm()), 1e-5 * scale)
        assert gap < 1e-10, f"{name}: relative gap {gap:.1e}"


@given(forward_circuits(), st.integers(0, 99), st.booleans())
@settings(max_examples=60)
def test_random_circuits(circuit, seed, train):
    assert_backprop_equals_autograd(circuit, seed, train=train)


@pytest.mark.parametrize(
    "loss",
    [
        nn.CrossEntropyLoss(label_smoothing=0.1),
        nn.CrossEntropyLoss(reduction="sum"),
        nn.MSELoss(),
        nn.SmoothL1Loss(reduction="sum"),
        lambda output, y: torch.nn.functional.multi_margin_loss(output, y),
    ],
    ids=["smoothed", "summed", "mse", "smooth_l1", "a function"],
)
def test_any_torch_loss(loss):
    assert_backprop_equals_autograd(parse_circuit("mlp:6-5-4,activation=tanh"), loss=loss)


@pytest.mark.parametrize(
    "circuit",
    [
        "mlp:12-9-8-5,norm=before",
        "mlp:12-9-8-5,norm=after,activation=softplus",
        "conv2:2x8x8-5",
        "alexnet:3x16x16-5,width=4,hidden=8,output_norm=yes",
        "alexnet_bn:3x32x32-5,hidden=8",
        "resnet18:3x16x16-5,width=4",
        "resnet18:3x16x16-5,width=4,shortcut=no",
        "resnet18:3x16x16-5,width=4,norm=after",
        "resnet18:3x80x80-5,width=2",
        "resnet50:3x16x16-5,width=2",
    ],
)
@pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])
def test_builders(circuit, train):
    assert_backprop_equals_autograd(parse_circuit(circuit), train=train, n=3)


def test_depthwise_dilated_convolutions():
    net = Wiring("depthwise")
    x, h = net.population("x", (3, 5, 6)), net.population("h", (6, 3, 3), activation="tanh")
    net.connect(x, h, Conv2dConnector(6, 3, stride=2, padding=2, groups=3, dilation=2))
    net.connect(h, net.population("output", (4,)), AllToAllConnector())
    assert_backprop_equals_autograd(net.build(), n=3)
    (layer,) = (m for m in PlainNetwork(net.build()).modules() if isinstance(m, nn.Conv2d))
    assert (layer.groups, layer.dilation, layer.stride, layer.padding) == (
        3,
        (2, 2),
        (2, 2),
        (2, 2),
    )


def test_full_size_resnet18_and_alexnet():
    for circuit in ("resnet18:3x32x32-10", "alexnet:3x32x32-10"):
        assert_backprop_equals_autograd(parse_circuit(circuit), n=2)


def test_running_statistics_follow_torch():
    net = RateNetwork(Backpropagation().wire(parse_circuit("mlp:4-3-2,norm=before")), seed=3)
    x = torch.randn(16, 4, generator=torch.Generator().manual_seed(0))
    z = x @ net.weight("x -> h1").T
    net.step(x, torch.zeros(16, dtype=torch.int64))
    torch.testing.assert_close(net.norms["x -> h1"].mean, 0.1 * z.mean(0))
    torch.testing.assert_close(net.norms["x -> h1"].var, 0.9 + 0.1 * z.var(0))
