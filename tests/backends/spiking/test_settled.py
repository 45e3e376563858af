"""Settled to rates, the generated equations give the rate backend's values, for every rule."""

import numpy as np
import pytest
import torch

pytest.importorskip("brian2")

from both_backends import Both

from oneway.backends.spiking import SpikingNetwork
from oneway.circuits import (
    ACTIVATIONS,
    AllToAllConnector,
    AveragePoolConnector,
    FixedProbabilityConnector,
    FromListConnector,
    MaxPoolConnector,
    Wiring,
    WiringError,
    mlp,
    parse_circuit,
)
from oneway.rules import RULES, parse_rule

from .settled import small_conv

pytestmark = pytest.mark.spiking


def agree(circuit, **options) -> Both:
    """To rounding, and everything that learns does."""
    both = Both(circuit, tolerance=1e-12, **options)
    learns(both.compare_data())
    return both


def learns(changes) -> None:
    for kind in (changes.weights, changes.biases):
        for name, change in kind.items():
            assert np.abs(change).max() > 0, f"{name} does not learn: nothing is compared"


# Rules whose options change what is wired.
VARIANTS = ("kp,gate=local", "asap,gate=shared", "asap,gate=local", "fa,last_layer=bp", "as,k=1")


@pytest.mark.parametrize("rule", [*RULES, *VARIANTS])
def test_dense_circuits_agree(rule):
    agree(parse_rule(rule).wire(mlp((4, 6, 6, 3), activation="tanh")))


@pytest.mark.parametrize("rule", RULES)
def test_convolutions_agree(rule):
    agree(parse_rule(rule).wire(small_conv()))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_agrees(activation):
    for rule in ("bp", "fa,gate=local"):
        agree(parse_rule(rule).wire(mlp((5, 7, 3), activation=activation)))


@pytest.mark.parametrize(
    ("pool", "rule"),
    [
        (MaxPoolConnector(2), "bp"),
        (MaxPoolConnector(3, 2, 1), "kp"),
        (MaxPoolConnector(2), "kp,gate=local"),
        (AveragePoolConnector(3, 2, 1), "asap"),
    ],
    ids=str,
)
def test_pools_agree(pool, rule):
    agree(parse_rule(rule).wire(small_conv("relu", pool, groups=2, pixels=5)))


def test_depthwise_dilated_convolutions_agree():
    agree(parse_rule("kp").wire(small_conv(groups=2, dilation=2)))


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["kp", "wm", "asap"])
def test_built_circuits_agree(rule):
    builders = ["conv2:1x6x6-3,norm=none,width=2,hidden=5"]
    if rule == "asap":  # whose sharing straddles residual blocks
        builders.append("resnet18:1x4x4-3,norm=none,width=1,activation=tanh")
    for text in builders:
        agree(parse_rule(rule).wire(parse_circuit(text)))


def test_sparse_connections_agree():
    """Synapses drawn at random and synapses listed, two of them between the same cells."""
    net = Wiring("sparse")
    x = net.population("x", (5,))
    h1 = net.population("h1", (6,), activation="tanh", bias=True)
    net.connect(x, h1, FixedProbabilityConnector(0.5, seed=3))
    output = net.population("output", (3,))
    listed = [(0, 0, 0.4), (0, 0, -0.1), (1, 2, 0.3), (5, 1, 0.7), (3, 0, -0.6)]
    net.connect(h1, output, FromListConnector(listed))
    net.connect(x, output, AllToAllConnector())
    agree(parse_rule("kp").wire(net.build()))


@pytest.mark.parametrize("rule", ["asap", "as", "forward_alignment"])
def test_phases_agree_in_turn_as_well_as_together(rule):
    """In the mimic phase cells hold what they did, however long it lasts."""
    both = agree(parse_rule(rule).wire(mlp((4, 6, 6, 3))), in_turn=True)
    assert "mimic" in both.circuit.phases


def test_squared_loss_agrees():
    def half_square(output, y):
        return 0.5 * ((output - torch.eye(3)[y]) ** 2).sum() / len(output)

    circuit = parse_rule("kp").wire(mlp((4, 6, 3)))
    both = agree(circuit, rate_loss=half_square, loss="squared")
    error = both.rate.signals(both.x, both.y)["delta_output"]
    got = both.settled.signals(both.x.numpy(), both.y.numpy())["delta_output"]
    np.testing.assert_allclose(got, error, atol=1e-14)


def test_spiking_cells_have_no_signal_for_each_synapse():
    circuit = parse_rule("asap,signals=synapse").wire(mlp((4, 4, 4, 3)))
    with pytest.raises(WiringError, match=r"'h1 -> h2' .*'x' brings to each.*'h1' mimic 'x' in"):
        SpikingNetwork(circuit, dynamics="settled").changes(np.zeros((1, 4)), np.zeros(1, int))


# -- noise ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rule",
    [
        "wm",
        "wm,baseline=0.3,centre=baseline",
        "wm,layers=alternate,bias_blocking=yes",
        "wm,layers=all",
        "wm,decay=0,scaling=0.5",
    ],
)
@pytest.mark.parametrize("forward", [mlp((4, 6, 6, 3)), small_conv("relu")], ids=["dense", "conv"])
def test_mirror_phases_agree(rule, forward):
    learns(Both(parse_rule(rule).wire(forward), tolerance=1e-12).compare_noise())


# -- steps ----------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["kp", "asap,gate=local", "ss"])
@pytest.mark.parametrize("forward", [mlp((4, 6, 6, 3)), small_conv()], ids=["dense", "conv"])
def test_training_is_stochastic_gradient_descent_one_sample_at_a_time(rule, forward):
    """W ← W − η post ⊗ pre − λ W after each sample, as torch's SGD does on the rate backend."""
    both = Both(parse_rule(rule).wire(forward))
    rates = both.settled.rates
    rates.forward_rate, rates.forward_decay = 0.2, 0.02
    rates.feedback_rate, rates.feedback_decay = 0.1, 0.03
    groups = both.rate.parameter_groups(
        forward={"lr": 0.2, "weight_decay": 0.1}, feedback={"lr": 0.1, "weight_decay": 0.3}
    )
    optimizer = torch.optim.SGD(groups)
    for sample in range(len(both.x)):
        both.rate.step(both.x[sample : sample + 1], both.y[sample : sample + 1])
        optimizer.step()
    both.settled.present(both.x.numpy(), both.y.numpy(), learn=True)
    for name in both.rate.weights:
        np.testing.assert_allclose(
            both.settled.weight(name), both.rate.weight(name), atol=1e-13, err_msg=name
        )
    for name, bias in both.rate.biases.items():
        np.testing.assert_allclose(
            both.settled.biases()[name], bias.detach(), atol=1e-13, err_msg=name
        )


def test_epochs_of_several_calls_are_those_of_one():
    """A second call goes on with new orders, not with the first ones again."""
    wired = parse_rule("kp").wire(mlp((4, 6, 3)))
    x, y = np.random.default_rng(0).normal(size=(5, 4)), np.arange(5) % 3
    at_once, in_turn = (SpikingNetwork(wired, dynamics="settled") for _ in range(2))
    at_once.train(x, y, epochs=3, slowing=False)
    for epochs in (1, 2):
        in_turn.train(x, y, epochs=epochs, slowing=False)
    for name, w in at_once.weights().items():
        np.testing.assert_array_equal(in_turn.weight(name), w)


def test_nothing_learns_unless_told_to():
    both = Both(parse_rule("kp").wire(mlp((4, 6, 3))))
    before = both.settled.weights()
    shown = both.settled.present(both.x.numpy(), both.y.numpy())
    both.settled.changes(both.x.numpy(), both.y.numpy())
    for name, w in both.settled.weights().items():
        np.testing.assert_array_equal(w, before[name])
    np.testing.assert_allclose(shown.outputs, both.rate(both.x), atol=1e-13)
    assert shown.answers.tolist() == both.rate(both.x).argmax(dim=1).tolist()
