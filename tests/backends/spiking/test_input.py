"""What input cells are given: values that change in time, spike trains, values as Poisson rates."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("brian2")

from brian2 import TimedArray, ms

from oneway.backends.spiking import (
    SpikeData,
    Spikes,
    SpikingNetwork,
    SpikingParameters,
    load_spikes,
    save_spikes,
)
from oneway.circuits import mlp
from oneway.rules import parse_rule

pytestmark = pytest.mark.spiking

SHORT = SpikingParameters(present_time=50 * ms, read_from=20 * ms)
KP = parse_rule("kp").wire(mlp((4, 6, 3)))
IN_TURN = parse_rule("asap").wire(mlp((4, 6, 6, 3)))


def network(circuit=KP, parameters=SHORT, **options):
    net = SpikingNetwork(circuit, parameters, **options)
    net.set_weights({name: 2.5 * w for name, w in net.weights().items()})
    return net


def values(samples=2, rows=5):
    return np.random.default_rng(0).normal(size=(samples, rows, 4))


def everything(net, x, y=None, **options):
    return net.present(x, y, record=list(net.circuit.populations), **options)


def assert_same_spikes(a, b):
    assert set(a.spikes) == set(b.spikes) and min(map(len, a.spikes.values())) > 3
    for name, train in a.spikes.items():
        np.testing.assert_array_equal(train.times_s, b.spikes[name].times_s, err_msg=name)
        np.testing.assert_array_equal(train.cells, b.spikes[name].cells, err_msg=name)


# -- values that change -----------------------------------------------------------------------


def test_cells_are_given_each_row_in_its_time():
    """10 ms each, sample after sample; where phases follow one another, once in each."""
    x = values()
    for circuit, phases in ((KP, 1), (IN_TURN, 2)):
        net = network(circuit, in_turn=phases > 1)
        trace = net.present(x, record=["x.given_data"]).variables["x.given_data"]
        expected = np.repeat(np.repeat(x, phases, axis=0).reshape(-1, 4), 10, axis=0)
        np.testing.assert_array_equal(trace.values, expected)
        # And no less in a run that goes on from another.
        again = net.present(x, record=["x.given_data"]).variables["x.given_data"]
        np.testing.assert_array_equal(again.values, expected)
        assert again.times_s[0] == pytest.approx(0.1 * phases)


def test_what_does_not_change_is_as_a_value():
    x, labels = values(rows=1), np.array([0, 2])
    plain, changing = network(), network()
    one = everything(plain, x[:, 0], labels, learn=True)
    assert_same_spikes(one, everything(changing, np.repeat(x, 10, 1), labels, learn=True))
    for name, w in plain.weights().items():
        np.testing.assert_array_equal(w, changing.weight(name))


def test_an_array_a_function_and_a_timed_array_are_one():
    x, labels = values(), np.array([0, 2])
    array = everything(network(), x, labels)
    function = everything(network(), lambda t: x[:, int(t / 0.01 + 1e-6)], labels)
    timed = everything(network(), TimedArray(x.reshape(-1, 4), dt=10 * ms), labels)
    assert_same_spikes(array, function)
    assert_same_spikes(array, timed)


# -- spike trains -----------------------------------------------------------------------------


def test_spikes_that_were_recorded_do_the_same_again(tmp_path):
    """Through a file, with signs; learning too, and where phases follow one another."""
    x, labels = values(rows=1)[:, 0], np.array([0, 2])
    for circuit in (KP, IN_TURN):
        first, second = network(circuit), network(circuit)
        shown = everything(first, x, labels, learn=True)
        data = SpikeData({"x": shown.spikes["x"]}, {"x": 4}, 0.0, 0.1)
        replayed = load_spikes(save_spikes(tmp_path / "x", data))
        assert_same_spikes(shown, everything(second, replayed, labels, learn=True))
        for name, w in first.weights().items():
            np.testing.assert_array_equal(w, second.weight(name))
    twice = network(IN_TURN, in_turn=True).present(replayed, labels, record=["x"]).spikes["x"]
    sample, since = np.divmod(np.round(twice.times_s * 1e3).astype(int), 100)
    each = np.sort(1000 * (since % 50) + twice.cells + 50_000 * sample)
    once = np.round(replayed.spikes["x"].times_s * 1e3).astype(int)
    once = 1000 * once + replayed.spikes["x"].cells
    np.testing.assert_array_equal(each, np.repeat(np.sort(once), 2))


def test_a_spike_falls_into_its_step():
    """Of 1 ms: units of another tool, whose clock is not ours, and which starts elsewhere."""
    fired = Spikes(np.array([7.0004, 7.0123, 7.0129, 7.05, 7.1]), np.array([0, 5, 2, 3, 3]))
    data = SpikeData({"units": fired}, {"units": 4}, 7.0, 7.1)
    train = network().present(data, record=["x"]).spikes["x"]
    np.testing.assert_allclose(train.times_s, [0, 0.012, 0.012, 0.05, 0.099], atol=1e-9)
    assert sorted(zip(train.times_s[1:3], train.cells[1:3], strict=True)) == [
        (train.times_s[1], 2),
        (train.times_s[1], 5),
    ]


def test_the_activity_of_replayed_cells_is_their_filtered_train():
    """A spike at t counts 1 / (unit · tau_trace) = 0.25 from the step after it, and fades."""
    fired = Spikes(np.array([0.010, 0.020]), np.array([1, 1 + 4]))
    net = network()
    data = SpikeData({"x": fired}, {"x": 4}, 0.0, 0.05)
    trace = net.present(data, record=["x.activity"]).variables["x.activity"].values
    expected = np.zeros((50, 4))
    for step in range(1, 50):
        expected[step, 1] = expected[step - 1, 1] * (1 - 1 / 20)
        expected[step, 1] += 0.25 * (step == 10) - 0.25 * (step == 20)
    np.testing.assert_allclose(trace, expected, atol=1e-12)


# -- Poisson ----------------------------------------------------------------------------------


def counts(shown, cells, samples, length_s=0.05):
    train = shown.spikes["x"]
    sample = (train.times_s / length_s + 1e-6).astype(int)
    return np.bincount(sample * cells + train.cells % cells, minlength=cells * samples)


def test_poisson_input_fires_at_random_and_all_else_does_not():
    """Of x = 0.5: 5 spikes a sample; each step a coin of 0.1, so that the variance is 0.9 of it."""
    circuit = mlp((60, 6, 3))
    x = np.full((10, 60), 0.5) * np.where(np.arange(60) % 2, 1, -1)
    net = SpikingNetwork(circuit, SHORT, input="poisson")
    shown = net.present(x, record=["x", "h1.v"])
    n = counts(shown, 60, 10)
    assert n.mean() == pytest.approx(5, abs=0.35)
    assert n.var() == pytest.approx(4.5, rel=0.25)
    assert set(shown.spikes["x"].cells[shown.spikes["x"].cells % 2 == 0] // 60) == {1}
    assert np.ptp(shown.variables["h1.v"].values) > 0.001  # these have membranes
    regular = counts(SpikingNetwork(circuit, SHORT).present(x, record=["x"]), 60, 10)
    assert regular.var() < 0.5
    again = SpikingNetwork(circuit, SHORT, input="poisson").present(x, record=["x"])
    np.testing.assert_array_equal(shown.spikes["x"].cells, again.spikes["x"].cells)


# -- complaints -------------------------------------------------------------------------------

TRAIN = SpikeData({"x": Spikes(np.array([0.01]), np.array([5]))}, {"x": 4}, 0.0, 0.05)
TWICE = replace(TRAIN, spikes={"x": Spikes(np.array([0.0101, 0.0109]), np.array([1, 5]))})
OTHERS = SpikeData({"a": TRAIN.spikes["x"], "b": TRAIN.spikes["x"]}, {"a": 4, "b": 4}, 0.0, 0.05)
COMPLAINTS = {
    "rows": (values(rows=7), "7 rows to be presented in 50. ms, which is 50 steps"),
    "nan": (values() * np.nan, "finite numbers"),
    "shape": (np.ones((2, 5, 3)), r"shape \(4,\), but the samples have \(2, 5, 3\)"),
    "function": (lambda t: np.ones((2, 3)), r"arrays of shape \(2, 3\), expected \(samples, 4\)"),
    "cells": (TimedArray(np.ones((50, 3)), dt=1 * ms), r"shape \(50, 3\).*expected \(rows, 4\)"),
    "length": (TimedArray(np.ones((60, 4)), dt=1 * ms), "60 rows of 0.001 s lasts 0.06 s"),
    "duration": (replace(TRAIN, stop_s=0.06), "from 0 to 0.06 s are no samples of present_time"),
    "twice": (TWICE, "unit 1 fires twice within one step of 1. ms, near 0.0109 s"),
    "size": (replace(TRAIN, sizes={"x": 9}), r"'x' of 4 units: the data has x \(9 units\)"),
    "names": (OTHERS, r"the data has a \(4 units\), b \(4 units\)"),
}


@pytest.mark.parametrize("case", COMPLAINTS)
def test_input_that_does_not_fit_says_why(case):
    x, complaint = COMPLAINTS[case]
    with pytest.raises(ValueError, match=complaint):
        network().present(x)


def test_what_cells_cannot_do_is_refused():
    with pytest.raises(ValueError, match=r"changes in time.*dynamics = 'settled'"):
        network(dynamics="settled").present(values())
    with pytest.raises(ValueError, match=r"input 'poisson'.*'settled' has no spikes"):
        network(dynamics="settled", input="poisson")
    baseline = SpikingParameters.about_baseline(present_time=50 * ms, read_from=20 * ms)
    with pytest.raises(ValueError, match="both signs, but each of its units is one cell"):
        network(parameters=baseline).present(TRAIN)
    with pytest.raises(ValueError, match=r"up to 6 means Poisson cells of 1.2 kHz.*1.2 spikes a s"):
        network(input="poisson").present(np.full((1, 4), -6.0))
