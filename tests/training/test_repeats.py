"""Cells that share an activity repeat it spike for spike, and it is counted so."""

import numpy as np
import pytest

pytest.importorskip("brian2")

from oneway.backends.spiking import PhaseInterval, SpikeData, Spikes, SpikingNetwork
from oneway.circuits import mlp
from oneway.rules import parse_rule
from oneway.training.spiking.repeats import repeats

pytestmark = pytest.mark.spiking

WIRED = parse_rule("asap,gate=local").wire(mlp((4, 5, 5, 5, 2)))


def test_in_turn_hidden_cells_repeat_the_first_ones():
    """ASAP: h2 and h3 say what h1 says, one step later, while the phase of sharing lasts."""
    net = SpikingNetwork(WIRED, in_turn=True)
    x, y = 3 * np.random.default_rng(0).normal(size=(2, 4)), np.array([0, 1])
    shown = net.present(x, y, record=list(WIRED.populations))
    assert [part.phase for part in shown.intervals] == ["engaged", "mimic"] * 2
    np.testing.assert_allclose([part.start_s for part in shown.intervals], [0, 0.1, 0.2, 0.3])
    assert [part.phase for part in shown.first(1).intervals] == ["engaged", "mimic"]
    sizes = {name: WIRED.populations[name].size for name in shown.spikes}
    data = SpikeData(shown.spikes, sizes, 0.0, 0.4, shown.intervals)
    found = list(repeats(WIRED, data, 0.001))
    assert [(one.source, one.follower) for one in found] == [("h1", "h2"), ("h1", "h3")]
    assert all(one.copies == one.spikes > 20 for one in found)
    (together,) = SpikingNetwork(WIRED).present(x, y).intervals
    assert together == PhaseInterval("engaged + mimic", 0.0, 0.2)


def test_what_is_no_copy_is_counted_as_none():
    """Of three spikes one is of another cell and one comes too late."""
    trains = {
        "h1": Spikes(np.array([0.110, 0.120, 0.130]), np.array([0, 1, 2])),
        "h2": Spikes(np.array([0.111, 0.121, 0.132]), np.array([0, 2, 2])),
    }
    sharing = (PhaseInterval("mimic", 0.1, 0.2),)
    data = SpikeData(trains, dict.fromkeys(trains, 5), 0.0, 0.2, sharing)
    (one,) = repeats(WIRED, data, 0.001)
    assert (one.spikes, one.copies) == (3, 1)
    assert str(one) == "h2 repeats h1 in phase mimic: 1 of 3 spikes, 1 ms later"
