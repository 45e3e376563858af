"""The weight mirror: what noise teaches the feedback weights (Akrout et al. 2019, section 4)."""

import numpy as np
import pytest
import torch
from paired_covariance import CONVOLUTIONS, averaged_covariances
from torch.nn import functional as F

from oneway.analysis.alignment import angle_deg
from oneway.backends.rate import RateNetwork, connectors
from oneway.circuits import (
    AllToAllConnector,
    BatchNorm,
    Conv2dConnector,
    Wiring,
    mlp,
    parse_circuit,
)
from oneway.rules import WeightMirror, parse_rule

W, B = "h1 -> h2", "delta_h2 -> delta_h1"


def mirror(circuit, seed=2, **options):
    net = RateNetwork(WeightMirror(**options).wire(circuit), seed=seed, dtype=torch.float64)
    return net, torch.Generator().manual_seed(0)


def mirrored_change(net, generator, batch=200_000):
    """Average ΔB / η of one big batch of noise, in B's own orientation."""
    net.spontaneous_step(batch, generator)
    return -net.weights[B].grad.T


def test_converges_to_the_transpose_under_white_noise():
    net, generator = mirror(mlp((6, 12, 9, 4), activation="linear"))
    optimizer = torch.optim.SGD(net.parameter_groups(), lr=0.1)
    before = angle_deg(net.weight(W), net.weight(B).T)
    for _ in range(60):
        net.spontaneous_step(2048, generator)
        optimizer.step()
    after = angle_deg(net.weight(W), net.weight(B).T)
    assert before > 60 and after < 8
    # The fixed point of eq. 21 is (η_B / λ) σ² Wᵀ.
    torch.testing.assert_close(net.weight(B), 0.2 * net.weight(W).T, rtol=0.3, atol=0.01)


@pytest.mark.parametrize("std", [0.02, 0.05])
def test_expected_change_follows_equation_12_with_bias_blocking(std):
    """E[ΔB] = η_B σ² φ′(0) Wᵀ: biases have no say, and tanh′(0) = 1."""
    net, generator = mirror(mlp((6, 8, 7, 4), "tanh"), noise_std=std, bias_blocking=True)
    net.biases["h2"].data.fill_(0.8)
    expected = std**2 * net.weight(W).T
    change = mirrored_change(net, generator)
    torch.testing.assert_close(change, expected, rtol=0, atol=0.02 * std**2)
    assert angle_deg(change, expected) < 2


def test_without_bias_blocking_each_cell_has_its_own_slope():
    """Equation 11: E[ΔB] = η_B σ² Wᵀ φ′(b), cell by cell."""
    net, generator = mirror(
        mlp((6, 8, 7, 4), activation="tanh"), noise_std=0.05, bias_blocking=False
    )
    bias = torch.linspace(-1.5, 1.5, 7, dtype=torch.float64)
    net.biases["h2"].data.copy_(bias)
    slope = 1 - torch.tanh(bias) ** 2
    expected = 0.05**2 * net.weight(W).T * slope
    torch.testing.assert_close(
        mirrored_change(net, generator), expected, rtol=0, atol=0.02 * 0.05**2
    )


@pytest.mark.parametrize("centre", ["batch", "baseline"])
def test_baseline_is_taken_off_before_the_product(centre):
    """Equation 25: cells fire about β, the synapse sees deviations from it."""
    net, generator = mirror(
        mlp((6, 8, 7, 4), activation="linear"), noise_std=0.5, baseline=3.0, centre=centre
    )
    change = mirrored_change(net, generator)
    torch.testing.assert_close(change, 0.25 * net.weight(W).T, rtol=0, atol=0.02)


def convolutional(pixels, activation="linear", **window):
    """x -> h1 -> h2 -> output, with convolutions between the images."""
    net = Wiring("conv")
    x, a = (net.population(n, (2, pixels, pixels)) for n in ("x", "h1"))
    net.connect(x, a, Conv2dConnector(2, 1))
    connector = Conv2dConnector(4, **window)
    b = net.population("h2", connector.output_shape(a.shape), activation=activation)
    net.connect(a, b, connector)
    net.connect(b, net.population("output", (4,)), AllToAllConnector())
    return net.build()


@pytest.mark.parametrize(
    ("pixels", "kernel", "stride", "padding", "dilation", "groups"), CONVOLUTIONS
)
@pytest.mark.parametrize("windows", [True, False])
def test_each_weight_gets_the_mean_over_the_pairs_it_joins(
    monkeypatch, windows, pixels, kernel, stride, padding, dilation, groups
):
    """Appendix D.2: multiplied, averaged over the mini-batch and over those pairs."""
    if not windows:
        monkeypatch.setattr(connectors, "FEW_WINDOWS", 0)
    how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    net, generator = mirror(convolutional(pixels, "relu", kernel=kernel, **how))
    draw, drawn = net._noise, {}
    net._noise = lambda name, *rest: drawn.setdefault(name, draw(name, *rest))
    net.spontaneous_step(3, generator)
    noise = drawn["h1"]
    w = net.weight(W)
    driven = torch.relu(F.conv2d(noise, w, **how))
    expected = averaged_covariances(noise.numpy(), driven.numpy(), w.shape, **how)
    torch.testing.assert_close(-net.weights[B].grad, torch.from_numpy(expected))


@pytest.mark.parametrize("pixels", [2, 4])
def test_convolutions_of_small_images_converge_to_the_transpose(pixels):
    """Divided by all positions, border taps would stay small and the angle at 28° and 12°."""
    net, generator = mirror(convolutional(pixels, kernel=3, padding=1))
    optimizer = torch.optim.SGD(net.parameter_groups(), lr=0.1)
    for _ in range(20):
        net.spontaneous_step(5_000, generator)
        optimizer.step()
    assert angle_deg(net.weights[B], net.weight(W)) < 3
    torch.testing.assert_close(net.weights[B].detach(), 0.2 * net.weight(W), rtol=0.2, atol=0.01)


def test_dense_cells_that_make_an_image_join_one_pair_a_weight():
    net = Wiring("dense to image")
    x, a = net.population("x", (3,)), net.population("h1", (3,))
    b = net.population("h2", (2, 2, 2))
    net.connect(x, a, AllToAllConnector())
    net.connect(a, b, AllToAllConnector())
    net.connect(b, net.population("output", (2,)), AllToAllConnector())
    net, generator = mirror(net.build())
    torch.testing.assert_close(mirrored_change(net, generator), net.weight(W).T, rtol=0, atol=0.02)


def conv_net(norm=None):
    """x -> h1 -> h2 by convolutions without padding, so that every tap joins as many cells."""
    net = Wiring("conv")
    shapes = {"x": (2, 7, 7), "h1": (3, 5, 5), "h2": (4, 3, 3)}
    x = net.population("x", shapes.pop("x"))
    a, b = (net.population(n, s, activation="relu", bias=True) for n, s in shapes.items())
    net.connect(x, a, Conv2dConnector(3, 3), norm=norm, error_norm="full" if norm else "none")
    net.connect(a, b, Conv2dConnector(4, 3), norm=norm, error_norm="full" if norm else "none")
    net.connect(b, net.population("output", (4,)), AllToAllConnector())
    return net.build()


@pytest.mark.parametrize("norm", [None, BatchNorm()])
@pytest.mark.parametrize("blocking", [False, True])
def test_mirrors_go_through_convolution_bias_and_relu(norm, blocking):
    """Appendix D.2: noise through the convolution and the ReLU, bias and all but without batch
    norm; the batch mean of both signals subtracted; their products averaged over the batch and
    over the pairs of cells that a weight joins. With bias-blocking: the same with b = 0."""
    net, _ = mirror(conv_net(norm), bias_blocking=blocking)
    bias = np.array([-0.6, -0.2, 0.3, 0.8])
    net.biases["h2"].data.copy_(torch.from_numpy(bias))
    noise = np.random.default_rng(4).normal(size=(5, 3, 5, 5))
    shapes = {"x": (5, 2, 7, 7), "h2": (5, 4, 3, 3)}
    net._noise = lambda name, *_: torch.from_numpy(noise if name == "h1" else np.ones(shapes[name]))
    net.spontaneous_step(5)

    w = net.weight(W).numpy()  # (4, 3, 3, 3)
    windows = np.lib.stride_tricks.sliding_window_view(
        noise, (3, 3), axis=(2, 3)
    )  # (5, 3, 3, 3, ..)
    b = np.zeros(4) if blocking else bias
    y = np.maximum(0, np.einsum("ocrs,nchwrs->nohw", w, windows) + b[:, None, None])
    centred, before = y - y.mean(0), windows - windows.mean(0)
    expected = np.einsum("nohw,nchwrs->ocrs", centred, before) / (5 * 9)
    assert np.abs(expected).max() > 0.05
    np.testing.assert_allclose(-net.weights[B].grad.numpy(), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("norm", ["none", "before"])
def test_all_layers_mirror_what_one_noise_makes_of_them(norm):
    """Appendix C.4: h1 fires noise, h2 = φ(W h1 + b), h3 = φ(W h2 + b), and so on; every B learns
    from the two signals beside it. Norms, which keep those signals centred, take the noise's own
    statistics."""
    net, _ = mirror(mlp((5, 8, 7, 6, 4), "tanh", norm), layers="all")
    (phase,) = (phase for phase in net.circuit.phases.values() if phase.noisy)
    assert (phase.name, phase.noisy, phase.norm_blocked) == ("mirror h1", ("h1",), False)
    rng = np.random.default_rng(3)
    biases = {name: rng.normal(size=len(b)) for name, b in net.biases.items()}
    for name, bias in biases.items():
        net.biases[name].data.copy_(torch.from_numpy(bias))
    y = {"h1": rng.normal(size=(20, 8))}
    net._noise = lambda *_: torch.from_numpy(y["h1"])
    net.spontaneous_step(20)
    for pre, post in (("h1", "h2"), ("h2", "h3"), ("h3", "output")):
        u = y[pre] @ net.weight(f"{pre} -> {post}").numpy().T
        if norm == "before" and post != "output":
            u = (u - u.mean(0)) / np.sqrt(u.var(0) + 1e-5)
        u = u + biases.get(post, 0)
        y[post] = u if post == "output" else np.tanh(u)
        b = net.weights[f"delta_{post} -> delta_{pre}"]
        expected = (y[post] - y[post].mean(0)).T @ (y[pre] - y[pre].mean(0)) / 20
        np.testing.assert_allclose(-b.grad.numpy(), expected, rtol=0, atol=1e-12)


def test_norms_help_where_all_layers_mirror_at_once():
    """Layers that take turns get to about 20°; all at once, the third does better with norms."""
    angles = {}
    for options in ("layers=each", "layers=all", "layers=all,norm_blocking=yes"):
        rule = parse_rule(f"wm,{options}")
        net = RateNetwork(rule.wire(mlp((8, 40, 40, 40, 5), norm="after")), seed=0)
        optimizer = torch.optim.SGD(net.parameter_groups(), lr=0.1)
        generator = torch.Generator().manual_seed(0)
        for _ in range(100):
            net.spontaneous_step(128, generator)
            optimizer.step()
        w, b = net.weight("h3 -> output"), net.weight("delta_output -> delta_h3")
        angles[options] = angle_deg(w, b.T)
    each, norms_on, norms_off = angles.values()
    assert each < 30 < norms_on < norms_off - 5


def test_all_at_once_in_a_residual_net():
    """Shortcuts and pools carry the noise on; the input is silent."""
    forward = parse_circuit("resnet18:3x8x8-4,width=2")
    net, generator = mirror(forward, layers="all")
    (phase,) = (phase for phase in net.circuit.phases.values() if phase.noisy)
    assert phase.noisy == ("stem",)
    active = {p.name for p in net.circuit.select(role="drive", path="forward", phase=phase.name)}
    assert active == {p.name for p in forward.projections.values()} - {"x -> stem"}
    net.spontaneous_step(8, generator)
    learned = {name for name, weights in net.weights.items() if weights.grad is not None}
    assert learned == {p.name for p in net.circuit.projections.values() if p.plasticity
                       and p.plasticity.phase == phase.name}  # fmt: skip
    assert len(learned) == 20  # 16 convolutions, 3 shortcuts, the output


def test_engaged_mode_about_a_baseline():
    """y_{l+1} = φ(W (y_l − β) + b) and ΔW = −η δ_{l+1} (y_l − β)ᵀ (eqs. 23, 24)."""
    beta, rule = 0.4, parse_rule("wm,baseline=0.4,engaged=baseline")
    net = RateNetwork(rule.wire(mlp((5, 6, 3), "sigmoid")), dtype=torch.float64, seed=2)
    net.biases["h1"].data.copy_(torch.linspace(-1, 1, 6, dtype=torch.float64))
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(4, 5)), np.array([0, 2, 1, 0])
    W1, W2 = (net.weight(name).numpy() for name in ("x -> h1", "h1 -> output"))
    B = net.weight("delta_output -> delta_h1").numpy()
    h = 1 / (1 + np.exp(-((x - beta) @ W1.T + np.linspace(-1, 1, 6))))
    out = np.exp((h - beta) @ W2.T)
    delta = (out / out.sum(1, keepdims=True) - np.eye(3)[y]) / 4
    net.step(torch.from_numpy(x), torch.from_numpy(y))
    np.testing.assert_allclose(
        net.weights["h1 -> output"].grad, delta.T @ (h - beta), rtol=0, atol=1e-13
    )
    back = (delta @ B.T) * h * (1 - h)
    np.testing.assert_allclose(net.weights["x -> h1"].grad, back.T @ (x - beta), rtol=0, atol=1e-13)


def test_relu_mirrors_align_in_deep_nets_layer_by_layer_and_alternating():
    for layers, turns in (("each", 3), ("alternate", 2)):
        net, generator = mirror(mlp((8, 20, 18, 16, 5)), layers=layers)
        noisy = [phase for phase in net.circuit.phases.values() if phase.noisy]
        assert len(noisy) == turns
        assert net.circuit.modes == ("engaged", "mirror")
        optimizer = torch.optim.SGD(net.parameter_groups(), lr=0.1)
        for _ in range(150):
            net.spontaneous_step(128, generator)
            optimizer.step()
        for b in net.circuit.select(role="drive", path="feedback"):
            assert angle_deg(net.weight(b.partner), net.weight(b.name).T) < 25, (layers, b.name)


def test_mirroring_leaves_forward_weights_and_running_statistics_alone():
    net, generator = mirror(mlp((6, 8, 7, 4), norm="before"), norm_blocking=False)
    statistics = {name: buffer.clone() for name, buffer in net.named_buffers()}
    net.spontaneous_step(32, generator)
    changed = {name for name, p in net.named_parameters() if p.grad is not None}
    assert changed == {"weights.delta_h2 -> delta_h1", "weights.delta_output -> delta_h2"}
    assert statistics and all(
        torch.equal(statistics[name], buffer) for name, buffer in net.named_buffers()
    )


def test_own_rate_and_decay_reach_the_optimizer():
    """B ← (1 − λ) B + η_B cov, whatever the settings of the paths."""
    net, generator = mirror(mlp((6, 8, 7, 4)), rate=0.07, decay=0.3)
    optimizer = torch.optim.SGD(
        net.parameter_groups({"lr": 1.0}, {"lr": 9.0, "momentum": 0.9}), lr=1.0, momentum=0.5
    )
    before = net.weights[B].detach().clone()
    net.spontaneous_step(16, generator)
    covariance = -net.weights[B].grad.clone()
    optimizer.step()
    torch.testing.assert_close(net.weights[B].detach(), 0.7 * before + 0.07 * covariance)
