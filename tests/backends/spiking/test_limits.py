"""Cells that are driven hard: how fast they fire, for how long, and that it is said."""

import numpy as np
import pytest

pytest.importorskip("brian2")

from brian2 import Hz, ms, mV

from oneway.backends.spiking import (
    IdleWarning,
    SaturationWarning,
    SpikingNetwork,
    SpikingParameters,
)
from oneway.circuits import Phase, WiringError, mlp
from oneway.rules import parse_rule

pytestmark = pytest.mark.spiking


def shown(x, dt=1.0, **how):
    net = SpikingNetwork(mlp((2, 2)), SpikingParameters(dt=dt * ms), **how)
    return net.present(np.array(x, dtype=float), record=["x"])


@pytest.mark.parametrize("dt", [1.0, 0.5, 0.25])
@pytest.mark.filterwarnings("ignore::oneway.backends.spiking.SaturationWarning")
def test_no_cell_fires_faster_than_its_refractory_period_lets_it_nor_on_and_on(dt):
    """Of an input of 50 for 100 ms a cell makes a spike each ms, and a trace's worth (20) after."""
    spikes = shown([[50, -50], [0, 0]], dt).spikes["x"]
    for cell in (0, 3):  # that of the first unit for positive input, of the second for negative
        times = 1000 * spikes.times_s[spikes.cells == cell]
        assert np.diff(times).min() >= 1 - 1e-6
        assert 98 <= np.sum(times < 100) <= 100
        assert np.sum(times >= 100) <= 21


@pytest.mark.parametrize("dt", [1.0, 0.25])
@pytest.mark.filterwarnings("ignore::oneway.backends.spiking.SaturationWarning")
def test_random_cells_keep_their_rate_beside_a_refractory_period(dt):
    """Rates of 200, 600 and 1,000 Hz at a refractory period of 1 ms: counts within 4 deviations."""
    p = SpikingParameters(dt=dt * ms, present_time=2000 * ms)
    net = SpikingNetwork(mlp((3, 2)), p, dynamics="poisson")
    spikes = net.present(np.array([[1.0, 3.0, 5.0]]), record=["x"]).spikes["x"]
    expected = 2 * np.array([200, 600, 1000])
    counts = np.bincount(spikes.cells, minlength=6)[:3]
    assert np.all(np.abs(counts - expected) <= 4 * np.sqrt(expected) + 2)


def test_units_at_their_limit_are_named():
    with pytest.warns(SaturationWarning, match=r"1 of 2 units of 'x' \(1\) are to fire .*1. kHz"):
        limit = shown([[1, 8]] * 3).at_limit["x"]
    assert limit[0] == 0
    assert limit[1] > 0.5


@pytest.mark.filterwarnings("error::oneway.backends.spiking.SaturationWarning")
def test_nothing_is_said_of_units_that_can_say_what_they_mean():
    assert shown([[1, 4]] * 3).at_limit["x"].max() == 0


# -- what is refused -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dt": 2 * ms}, "tau_syn = 2. ms: time steps of dt = 2. ms are too long"),
        ({"dt": 0.5 * ms, "noise_tau_trace": 0.9 * ms}, "noise_tau_trace = 0.9 ms: time steps"),
        ({"present_time": 99.5 * ms}, "present_time = 99.5 ms: expected a multiple of dt"),
        ({"present_time": 101 * ms, "learn_time": 10 * ms}, "a multiple of plasticity_dt = 2. ms"),
        ({"learn_time": 5 * ms}, "learn_time = 5. ms: expected a multiple of plasticity_dt"),
        ({"plasticity_dt": 2.5 * ms}, "plasticity_dt = 2.5 ms: expected a multiple of dt"),
        ({"refractory": 1.5 * ms}, "refractory = 1.5 ms: expected a multiple of dt"),
        ({"error_unit": 2000 * Hz}, "error_unit = 2. kHz: cells fire at 1. kHz at most"),
        ({"unit": 300 * Hz, "refractory": 5 * ms}, "unit = 300. Hz: cells fire at 200. Hz at most"),
    ],
)
def test_steps_and_rates_that_do_not_fit(changes, message):
    with pytest.raises(ValueError, match=message):
        SpikingParameters(**changes)


@pytest.mark.parametrize(
    ("dynamics", "changes", "message"),
    [
        ("poisson", {"noise": 1 * mV}, "noise = 1. mV: cells that are 'poisson' have none"),
        ("poisson", {"tau_mem_signed": 90 * ms}, "tau_mem_signed"),
        ("settled", {"noise": 1 * mV}, "noise = 1. mV: cells that are 'settled' have none"),
        ("settled", {"refractory": 0 * ms}, "refractory = 0. s: cells that are 'settled'"),
    ],
)
def test_quantities_that_cells_do_not_have(dynamics, changes, message):
    with pytest.raises(ValueError, match=message):
        SpikingNetwork(mlp((3, 2)), SpikingParameters(**changes), dynamics=dynamics)


def test_a_deviation_of_noise_that_nobody_fires():
    with pytest.raises(WiringError, match=r"noise_std 2\.0, but no population fires noise"):
        Phase("engaged", noise_std=2.0)


def test_a_sleep_that_teaches_nothing():
    """Two layers sleep for half a second each; running means take one to settle."""
    net = SpikingNetwork(parse_rule("wm").wire(mlp((4, 3, 3, 2))))
    with pytest.warns(IdleWarning, match=r"nothing is learned in 1 s of noise.*0\.5 s a phase"):
        net.run_spontaneous(1.0)
