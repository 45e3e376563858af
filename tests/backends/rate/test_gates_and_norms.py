"""Inexact gates and norms, number by number: what the error cell and the forward cell compute."""

import pytest
import torch

from oneway.backends.rate import RateNetwork
from oneway.backends.rate.activations import TORCH_PHI
from oneway.circuits import PHI, mlp
from oneway.rules import parse_rule

X = torch.randn(6, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
Y = torch.tensor([0, 1, 2, 3, 0, 1])


def network(rule, activation="tanh", norm="none", **options):
    forward = mlp((8, 8, 8, 4), activation=activation, norm=norm)
    return RateNetwork(parse_rule(rule, **options).wire(forward), seed=3, dtype=torch.float64)


def fed_back(net, signals, source, target):
    return signals[source] @ net.weight(f"{source} -> {target}").T


@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid", "softplus", "elu", "leaky_relu"])
def test_local_gate_without_a_stand_in(activation):
    """δ_l passes ungated; the forward cell multiplies what it is taught by its own φ′."""
    net = network("fa", activation, gate="local")
    s = net.signals(X, Y)
    torch.testing.assert_close(s["delta_h2"], fed_back(net, s, "delta_output", "delta_h2"))
    torch.testing.assert_close(s["delta_h1"], fed_back(net, s, "delta_h2", "delta_h1"))
    u = (X @ net.weight("x -> h1").T + net.biases["h1"]).detach().requires_grad_()
    phi = {
        "leaky_relu": torch.nn.functional.leaky_relu,
        "elu": torch.nn.functional.elu,
        "softplus": torch.nn.functional.softplus,
    }.get(activation, getattr(torch, activation, None))
    (slope,) = torch.autograd.grad(phi(u).sum(), u)
    net.step(X, Y)
    taught = s["delta_h1"] * slope
    torch.testing.assert_close(net.weights["x -> h1"].grad, taught.T @ X)
    torch.testing.assert_close(net.biases["h1"].grad, taught.sum(0))


def test_shared_gate_uses_the_activity_that_stands_in():
    """ASAP, k = 2: x stands in for h_1 and h_2, so φ′ is taken at x."""
    net = network("asap", "tanh", gate="shared")
    s = net.signals(X, Y)
    expected = fed_back(net, s, "delta_output", "delta_h2") * (1 - torch.tanh(X) ** 2)
    torch.testing.assert_close(s["delta_h2"], expected)
    net.step(X, Y)
    torch.testing.assert_close(net.weights["h1 -> h2"].grad, s["delta_h2"].T @ X)


def test_local_gate_with_a_stand_in():
    net = network("asap", "tanh", gate="local")
    s = net.signals(X, Y)
    expected = fed_back(net, s, "delta_h2", "delta_h1") * (1 - torch.tanh(X) ** 2)
    torch.testing.assert_close(s["delta_h1"], expected)
    net.step(X, Y)
    taught = s["delta_h2"] * (1 - s["h2"] ** 2)
    torch.testing.assert_close(net.weights["h1 -> h2"].grad, taught.T @ X)
    # The feedback cell knows nothing of φ′(h_2): its own synapses learn from δ_2 as it is.
    torch.testing.assert_close(net.weights["delta_h2 -> delta_h1"].grad, s["delta_h2"].T @ X)


def batch_norm_parts(net, s):
    z = s["h1"] @ net.weight("h1 -> h2").T
    gain = net.norms["h1 -> h2"].gain.detach()
    scale = 1 / torch.sqrt(z.var(0, correction=0) + 1e-5)
    return gain, scale, (z - z.mean(0)) * scale


def sent(net, s):
    """What δ_2 sends past the normalisation of h_1 → h_2, read off its target δ_1."""
    slope = 1 - s["h1"] ** 2
    return torch.linalg.solve(net.weight("delta_h2 -> delta_h1"), (s["delta_h1"] / slope).T).T


def with_gains(net):
    for norm in net.norms.values():
        norm.gain.data.copy_(torch.linspace(0.5, 2, len(norm.gain)))
    return net


def test_full_norm_is_batch_norms_derivative():
    net = with_gains(network("fa", norm="before"))
    s = net.signals(X, Y)
    gain, scale, x_hat = batch_norm_parts(net, s)
    d = s["delta_h2"] * gain
    expected = scale * (d - d.mean(0) - x_hat * (d * x_hat).mean(0))
    torch.testing.assert_close(sent(net, s), expected)


def test_scale_norm_is_gain_over_deviation():
    scaled = with_gains(feedback_norm("scale"))
    s = scaled.signals(X, Y)
    gain, scale, x_hat = batch_norm_parts(scaled, s)
    torch.testing.assert_close(sent(scaled, s), s["delta_h2"] * gain * scale)
    # The forward synapse passes the exact derivative all the same: it lies in its own cell.
    scaled.step(X, Y)
    d = s["delta_h2"] * gain
    exact = scale * (d - d.mean(0) - x_hat * (d * x_hat).mean(0))
    torch.testing.assert_close(scaled.weights["h1 -> h2"].grad, exact.T @ s["h1"])


def test_own_norm_balances_channels_and_keeps_the_layers_size():
    net = with_gains(feedback_norm("own"))
    s = net.signals(X, Y)
    gain, scale, _ = batch_norm_parts(net, s)
    balanced = sent(net, s) / (gain * scale).mean()
    torch.testing.assert_close(
        balanced.mean(0), torch.zeros(8, dtype=torch.float64), atol=1e-8, rtol=0
    )
    variance = balanced.var(0, correction=0)
    typical = s["delta_h2"].var(0, correction=0).mean()
    torch.testing.assert_close(variance, typical.expand(8), rtol=1e-2, atol=0)


def feedback_norm(how):
    circuit = parse_rule("fa", norm=how).wire(mlp((8, 8, 8, 4), "tanh", "before"))
    return RateNetwork(circuit, seed=3, dtype=torch.float64)


def test_own_norm_does_not_depend_on_the_scale_of_errors():
    """Errors shrink as learning goes on; what is sent must shrink with them, not blow up."""
    from oneway.backends.rate.norms import own

    error = torch.randn(32, 5, 3, 3, dtype=torch.float64) * torch.arange(1, 6).reshape(5, 1, 1)
    scale = torch.ones(5, dtype=torch.float64)
    torch.testing.assert_close(own(1e-6 * error, None, scale), 1e-6 * own(error, None, scale))


@pytest.mark.parametrize("how", ["scale", "own"])
def test_a_cell_that_forgets_its_normalised_input_learns_its_shift_only(how):
    circuit = parse_rule("fa", forward_norm=how).wire(mlp((8, 8, 8, 4), "tanh", "before"))
    net = with_gains(RateNetwork(circuit, seed=3, dtype=torch.float64))
    s = net.signals(X, Y)
    net.step(X, Y)
    norm = net.norms["h1 -> h2"]
    assert norm.gain.grad is None and not norm.gain.requires_grad
    torch.testing.assert_close(norm.shift.grad, s["delta_h2"].sum(0))
    if how == "scale":
        gain, scale, _ = batch_norm_parts(net, s)
        expected = (s["delta_h2"] * gain * scale).T @ s["h1"]
        torch.testing.assert_close(net.weights["h1 -> h2"].grad, expected)


@pytest.mark.parametrize("name", PHI)
def test_what_is_said_of_an_activation_is_true_of_it(name):
    """Against the function itself and autograd's derivative of it."""
    said = PHI[name]
    u = torch.linspace(-6, 6, 1000, dtype=torch.float64).requires_grad_()
    a = TORCH_PHI[name].phi(u)
    (slope,) = torch.autograd.grad(a.sum(), u)
    below, above = slope[u < 0], slope[u > 0]
    assert said.signed is bool((a < 0).any())
    assert said.from_value is bool((slope >= 0).all())
    straight = len(below.unique()) == len(above.unique()) == 1 and above[0] == 1
    assert said.slope_below == (float(below[0]) if straight else None)
    assert said.linear is bool((slope == 1).all())
    torch.testing.assert_close(TORCH_PHI[name].module()(u), a)
