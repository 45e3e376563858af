"""Convolutions as local connections, each synapse with a weight of its own."""

import numpy as np
import pytest

pytest.importorskip("brian2")

import torch
from paired_covariance import CONVOLUTIONS, averaged_covariances
from torch.nn import functional as F

from oneway.backends.rate import RateNetwork
from oneway.backends.spiking import SpikingNetwork, SpikingParameters
from oneway.backends.spiking.translation.context import Context
from oneway.backends.spiking.translation.holding import Holding
from oneway.backends.spiking.translation.translate import translate
from oneway.backends.spiking.weights import Arrays, oriented
from oneway.circuits import AllToAllConnector, Conv2dConnector, Wiring
from oneway.rules import parse_rule

from .settled import small_conv

pytestmark = pytest.mark.spiking

LABELS = np.array([0, 2, 1])


def samples(n=3):
    return np.random.default_rng(0).normal(size=(n, 2, 4, 4))


def both(rule, **options):
    """The same circuit with shared weights and without."""
    circuit = parse_rule(rule).wire(small_conv())
    return [SpikingNetwork(circuit, shared=shared, **options) for shared in (True, False)]


def counts(net, name):
    """How many synapses have each weight, (post, pre, ...)."""
    p = net.circuit.projections[name]
    pairs = Holding(Arrays.drawn(net.circuit, 0)).pairs(p)
    shape = oriented(p, net.weight(name)).shape
    return oriented(p, np.bincount(pairs.weight, minlength=int(np.prod(shape))).reshape(shape))


@pytest.mark.parametrize("rule", ["kp", "bp", "asap", "ss"])
def test_without_learning_nothing_changes(rule):
    shared, alone = both(rule, dynamics="settled")
    expected = shared.signals(samples(), LABELS)
    for name, value in alone.signals(samples(), LABELS).items():
        np.testing.assert_allclose(value, expected[name], atol=1e-13, err_msg=name)


@pytest.mark.parametrize("rule", ["kp", "asap"])
def test_changes_of_all_positions_add_up_to_the_shared_change(rule):
    shared, alone = both(rule, dynamics="settled")
    expected, got = (net.changes(samples(), LABELS) for net in (shared, alone))
    assert set(got.weights) == set(expected.weights)
    for name, change in expected.weights.items():
        assert np.abs(change).max() > 1e-6
        summed = got.weights[name] * counts(shared, name)
        np.testing.assert_allclose(summed, change, atol=1e-13, err_msg=name)
    for name, change in expected.biases.items():
        cells = shared.circuit.populations[name]
        summed = got.biases[name] * (cells.size // cells.shape[0])
        np.testing.assert_allclose(summed, change, atol=1e-13, err_msg=name)


@pytest.mark.parametrize(
    ("pixels", "kernel", "stride", "padding", "dilation", "groups"), CONVOLUTIONS
)
@pytest.mark.parametrize("shared", [True, False])
def test_mirrors_average_over_the_pairs_of_a_weight(
    shared, pixels, kernel, stride, padding, dilation, groups
):
    """Also where each pair has a synapse of its own: its weights are then the means of those."""
    wiring = Wiring("conv")
    x, a = (wiring.population(n, (2, pixels, pixels)) for n in ("x", "h1"))
    wiring.connect(x, a, Conv2dConnector(2, 1))
    how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    connector = Conv2dConnector(4, kernel, **how)
    b = wiring.population("h2", connector.output_shape(a.shape))
    wiring.connect(a, b, connector)
    wiring.connect(b, wiring.population("output", (2,)), AllToAllConnector())
    circuit = parse_rule("wm").wire(wiring.build())
    net = SpikingNetwork(circuit, shared=shared, dynamics="settled")
    noise = {
        name: np.random.default_rng(1).normal(size=(3, *circuit.populations[name].shape))
        for phase in circuit.phases.values()
        for name in phase.noisy
    }
    name = "delta_h2 -> delta_h1"
    change = net.spontaneous_changes(noise).weights[name].swapaxes(0, 1)
    w = net.weight("h1 -> h2")
    driven = F.conv2d(torch.from_numpy(noise["h1"]), torch.from_numpy(w), **how).numpy()
    expected = averaged_covariances(noise["h1"], driven, w.shape, **how)
    np.testing.assert_allclose(change, -expected, atol=1e-13)


def test_each_synapse_keeps_what_it_alone_has_learned():
    _, alone = both("kp", dynamics="settled")
    alone.rates.forward_rate = alone.rates.feedback_rate = 0.5
    alone.present(samples(), LABELS, learn=True)
    name = "x -> h1"
    held = alone._engine.holding.parts(("weights", name))[""]
    pairs = alone._engine.holding.pairs(alone.circuit.projections[name])
    of_one = held[pairs.weight == pairs.weight[0]]
    assert len(of_one) > 1 and of_one.std() > 1e-4
    assert alone.weight(name).ravel()[pairs.weight[0]] == pytest.approx(of_one.mean(), rel=1e-12)
    after = alone.signals(samples(), LABELS)  # another translation, the same synapses
    again = alone.signals(samples(), LABELS)
    np.testing.assert_array_equal(after["output"], again["output"])
    np.testing.assert_array_equal(alone._engine.holding.parts(("weights", name))[""], held)
    # Weights that are set count for all positions; so answers change.
    alone.set_weights({name: alone.weight(name)})
    reset = alone.signals(samples(), LABELS)
    assert np.abs(reset["output"] - after["output"]).max() > 1e-6


def test_they_go_to_rates_as_means_and_spikes_run():
    circuit = parse_rule("kp").wire(small_conv("relu"))
    net = SpikingNetwork(circuit, SpikingParameters(), shared=False)
    net.rates.forward_rate = net.rates.feedback_rate = 0.05
    shown = net.present(samples(2), LABELS[:2], learn=True, record=["x -> h1"])
    np.testing.assert_array_equal(shown.weights["x -> h1"].shape[1:], (4, 2, 3, 3))
    rate = RateNetwork(circuit)
    net.store(rate)
    np.testing.assert_allclose(rate.weight("x -> h1"), net.weight("x -> h1"), rtol=1e-6)


def test_no_synapse_reads_anothers_weight():
    circuit = parse_rule("kp").wire(small_conv())
    for shared in (True, False):
        holding = Holding(Arrays.drawn(circuit, 0), shared)
        phases = tuple(circuit.phases)
        context = Context(circuit, phases, SpikingParameters(), "spiking", holding)
        model = translate(context).model
        read = {r.group for joined in model.synapses for r in joined.references}
        assert sum(group.startswith("weights_") for group in read) == (3 if shared else 0)
