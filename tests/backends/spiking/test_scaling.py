"""Synaptic scaling: strengths come to their set point, and keep a mirror in bounds."""

import numpy as np
import pytest

pytest.importorskip("brian2")

from brian2 import second

from oneway.analysis import angle_deg
from oneway.backends.spiking import SpikingNetwork, SpikingParameters
from oneway.circuits import WiringError, set_point

from .mirrors import B, W, mirror

pytestmark = pytest.mark.spiking

FAST = SpikingParameters(batch_time=1 * second, adapt_time=0 * second, noise_deviation=1.0)
HARDLY = 1e-12  # synapses that scale have a rate of their own


def first_weights(n_pre=12, n_post=8, seed=3):
    rng = np.random.default_rng(seed)
    return {
        W: rng.uniform(-0.3, 0.3, (n_post, n_pre)),
        B: rng.uniform(-1, 1, (n_pre, n_post)) * rng.uniform(0.02, 0.6, (n_pre, 1)),
    }


def test_strengths_come_to_their_set_point_as_the_logistic_equation_says():
    """ds/dt = λ s (1 − s/s₀) for the mean |w| of every cell, from above and from below."""
    circuit = mirror(rate=HARDLY, decay=0.0, scaling=0.8, set_point=0.1)
    first = first_weights()
    net = SpikingNetwork(circuit, FAST, weights=first)
    record = net.run_spontaneous(4.0, record_every_s=1.0)
    s_TI = np.abs(record.weights[B]).mean(axis=2)
    assert s_TI[0].min() < 0.1 < s_TI[0].max()
    t = record.times_s[:, None]
    expected = 0.1 / (1 + (0.1 / s_TI[0] - 1) * np.exp(-0.8 * t))
    np.testing.assert_allclose(s_TI, expected, rtol=5e-3)
    # One factor for all synapses of a cell.
    ratio = net.weight(B) / first[B]
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[:, :1], ratio.shape), rtol=1e-9)


def test_a_mirror_that_scales_turns_to_the_forward_weights_and_stays_small():
    """Growth and scaling balance where λ_s (s/s₀ − 1) s = η mean|W|, twice s₀ at the most here."""
    first = first_weights()
    net = SpikingNetwork(mirror(rate=0.8, decay=0.0, scaling=1.0), FAST, weights=first)
    assert angle_deg(first[W], first[B].T) > 75
    record = net.run_spontaneous(4.0, record_every_s=1.0)
    assert angle_deg(first[W], net.weight(B).T) < 30
    strengths = np.abs(record.weights[B]).mean(axis=2)
    kept = set_point(net.circuit, net.circuit.projections[B])
    assert strengths[0].std() > 0.4 * strengths[0].mean()
    assert strengths[-1].std() < 0.15 * strengths[-1].mean()
    np.testing.assert_allclose(strengths[1:].mean(axis=1) / kept, 1.5, atol=0.25)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"scaling": 1.5}, r"scaling = 1.5.*above 0 and at most 1"),
        ({"scaling": 0.5, "set_point": -1.0}, r"set_point = -1.0, expected > 0"),
        ({"set_point": 0.1}, r"scaling = None with set_point = 0.1"),
        ({"scaling": 0.5, "rate": 0.0}, r"rate = 0.0. Synapses that scale need a rate"),
    ],
)
def test_nonsense_is_refused(how, message):
    with pytest.raises(WiringError, match=message):
        mirror(**how)
