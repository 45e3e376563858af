"""Trials that begin at rest depend on no other; continuous learning learns as much."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("brian2")

from brian2 import ms

from oneway.backends.spiking import SpikingNetwork, SpikingParameters
from oneway.circuits import mlp
from oneway.rules import parse_rule

pytestmark = pytest.mark.spiking

SEQUENCE = SpikingParameters(present_time=50 * ms, read_from=20 * ms)
TRIALS = replace(SEQUENCE, presentation="trials")
CONTINUOUS = replace(SEQUENCE, presentation="continuous")
LABELS = np.array([0, 2, 1, 1])


def samples(n=4, size=6):
    return np.random.default_rng(0).normal(size=(n, size))


def network(parameters, rule="kp", sizes=(6, 8, 3), **options):
    """With weights strong enough for every layer to fire in a short trial."""
    net = SpikingNetwork(parse_rule(rule).wire(mlp(sizes)), parameters, **options)
    net.set_weights({name: 2.5 * w for name, w in net.weights().items()})
    return net


# -- trials ---------------------------------------------------------------------------------


def shown_in_order(parameters, order):
    """Spikes that each sample evokes, and outputs, in the samples' own order."""
    net, x = network(parameters), samples()
    shown = net.present(x[order], LABELS[order], record=list(net.circuit.populations))
    back = np.argsort(order)
    counts = {}
    for name, train in shown.spikes.items():
        trial = np.floor(train.times_s / 0.05 + 1e-9).astype(int)
        # When in its trial, which trial, which cell.
        since = np.round((train.times_s - 0.05 * trial) * 1e3).astype(int)
        counts[name] = sorted(zip(order[trial], since, train.cells, strict=True))
    return shown.outputs[back], counts


def test_no_answer_depends_on_the_order_of_trials():
    orders = np.arange(4), np.array([2, 0, 3, 1])
    (a, spikes), (b, others) = (shown_in_order(TRIALS, order) for order in orders)
    np.testing.assert_array_equal(a, b)
    assert spikes == others
    assert min(map(len, spikes.values())) >= 10
    (a, _), (b, _) = (shown_in_order(SEQUENCE, order) for order in orders)
    assert np.abs(a - b).max() > 0.01


@pytest.mark.parametrize("rule", ["kp", "asap,gate=local"])
def test_what_is_learned_from_a_trial_is_its_own(rule):
    """A sample changes weights by the same after others as alone, at the rate that they leave."""

    def learned(x, y, shown):
        net = network(TRIALS, rule, seed=3)
        net.rates.forward_rate = net.rates.feedback_rate = 0.0
        for rows in shown:
            before = net.weights()
            net.rates.forward_rate = net.rates.feedback_rate = 0.1 if rows == [1] else 0.0
            net.present(x[rows], y[rows], learn=True)
        return {name: w - before[name] for name, w in net.weights().items()}

    x, y = samples(), LABELS
    alone, after = learned(x, y, [[1]]), learned(x, y, [[0, 3], [1]])
    assert max(np.abs(change).max() for change in alone.values()) > 1e-3
    for name, change in alone.items():
        np.testing.assert_array_equal(change, after[name], err_msg=name)


def test_phases_that_run_in_turn_make_one_trial():
    """The onset is that of the sample: what a phase leaves is there in the next."""
    net = network(TRIALS, "asap", (6, 8, 8, 3), in_turn=True)
    assert len(net.circuit.phases) == 2
    x = samples()
    one = net.present(x, LABELS).outputs
    other = net.present(x[::-1], LABELS[::-1]).outputs
    np.testing.assert_array_equal(one, other[::-1])
    assert np.abs(one).max() > 0.05


def test_noise_knows_no_trials():
    circuit = "wm"
    runs = [network(p, circuit, seed=1) for p in (SEQUENCE, TRIALS)]
    first, second = (net.run_spontaneous(0.2).spikes["delta_h1"] for net in runs)
    np.testing.assert_array_equal(first.times_s, second.times_s)


# -- continuous -----------------------------------------------------------------------------


@pytest.mark.slow
def test_continuous_learning_learns_as_much_from_a_sample():
    """Where activity has become steady, all the time and at the end is the same."""
    changes = []
    steady = {"present_time": 800 * ms, "tau_mem": 60 * ms, "tau_trace": 200 * ms}
    for parameters in (SEQUENCE, CONTINUOUS):
        net = network(replace(parameters, **steady))
        x, y = np.tile(samples(1), (2, 1)), LABELS[:2] * 0
        net.rates.forward_rate = net.rates.feedback_rate = 0.0
        net.present(x[:1], y[:1])
        net.rates.forward_rate = net.rates.feedback_rate = 1e-4
        before = net.weights()
        net.present(x[1:], y[1:], learn=True)
        changes.append(np.concatenate([(w - before[n]).ravel() for n, w in net.weights().items()]))
    at_end, all_the_time = changes
    slope = at_end @ all_the_time / (at_end @ at_end)
    assert slope == pytest.approx(1, abs=0.15)
    assert np.corrcoef(at_end, all_the_time)[0, 1] > 0.95


def test_continuous_learning_never_pauses():
    """Weights move at every tick of every sample, the first included."""
    net = network(CONTINUOUS)
    shown = net.present(
        samples(), LABELS, learn=True, record=["h1 -> output"], record_every_s=0.002
    )
    moved = np.abs(np.diff(shown.weights["h1 -> output"], axis=0)).max(axis=(1, 2)) > 0
    assert len(moved) > 95
    assert moved[10:].all()  # output errors need a few steps to be heard
    rested = network(SEQUENCE)
    shown = rested.present(
        samples(), LABELS, learn=True, record=["h1 -> output"], record_every_s=0.002
    )
    moved = np.abs(np.diff(shown.weights["h1 -> output"], axis=0)).max(axis=(1, 2)) > 0
    assert moved.sum() <= 4


def test_learn_time_is_not_for_continuous_learning():
    with pytest.raises(ValueError, match=r"learn_time = 10. ms: with.*'continuous'.*Leave it out"):
        SpikingParameters(presentation="continuous", learn_time=10 * ms)
    with pytest.raises(ValueError, match="presentation = 'trial', expected one of sequence, tri"):
        SpikingParameters(presentation="trial")
