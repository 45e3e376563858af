"""Synaptic delays: what arrives later, by so much, and changes nothing else."""

import numpy as np
import pytest

pytest.importorskip("brian2")

from both_backends import Both
from brian2 import ms, second

from oneway.backends.spiking import SpikingNetwork, SpikingParameters
from oneway.circuits import MaxPoolConnector, WiringError, mlp
from oneway.rules import parse_rule

from .settled import small_conv

pytestmark = pytest.mark.spiking

DELAYS = {"x -> h1": 2.0, "h1 -> output": 5.0}
ONE_MS = SpikingParameters(dt=1 * ms)


def settling(circuit):
    """How the output comes to where it settles, step by step from the onset on."""
    net = SpikingNetwork(circuit, ONE_MS, dynamics="settled")
    shown = net.present(np.ones((1, 3)), record=["output"], record_every_s=0.001)
    return shown.activity["output"]


def test_with_delays_of_d_a_circuit_settles_d_later():
    at_once, later = settling(mlp((3, 4, 2))), settling(mlp((3, 4, 2)).with_delays(DELAYS))
    np.testing.assert_array_equal(later[7 : len(at_once)], at_once[: len(at_once) - 7])
    first = [int(np.argmax((steps == steps[-1]).all(axis=1))) for steps in (at_once, later)]
    assert first == [1, 8]
    np.testing.assert_array_equal(later[-1], at_once[-1])


@pytest.mark.parametrize("rule", ["bp", "kp", "asap,gate=local", "dfa"])
def test_rates_are_what_delayed_circuits_settle_to(rule):
    circuit = parse_rule(rule).wire(mlp((4, 6, 6, 3), activation="tanh"))
    delays = {name: float(k % 4) for k, name in enumerate(circuit.projections)}
    Both(circuit.with_delays(delays), tolerance=1e-12, parameters=ONE_MS).compare(learning=True)


def test_rates_are_what_delayed_pools_and_mirrors_settle_to():
    pooled = parse_rule("bp").wire(small_conv("relu", MaxPoolConnector(2)))
    Both(pooled.with_delays(2.0), tolerance=1e-12, parameters=ONE_MS).compare_data()
    mirror = parse_rule("wm").wire(mlp((4, 6, 3)))
    Both(mirror.with_delays(3.0), tolerance=1e-12, parameters=ONE_MS).compare_noise()
    dense = parse_rule("kp").wire(mlp((4, 6, 3)))
    Both(dense.with_delays(3.0), tolerance=1e-12, parameters=ONE_MS, dale=True).compare_data()


@pytest.mark.parametrize("dale", [False, True])
def test_spikes_arrive_later_by_the_delay_and_are_the_same(dale):
    """They are those without delays, so much later; of which cell of a pair, its firing said."""
    circuit = mlp((3, 4))
    p = SpikingParameters(present_time=100 * ms)
    trains = []
    for delay in (0.0, 7.0):
        net = SpikingNetwork(circuit.with_delays(delay), p, dale=dale, seed=1)
        x = np.array([[0.9, -0.7, 0.5], [-0.8, 0.9, -0.3]])
        trains.append(net.present(x, record=["x", "output"]).spikes)
    at_once, later = trains
    np.testing.assert_array_equal(at_once["x"].times_s, later["x"].times_s)
    arrived = later["output"].times_s - 0.007
    count = len(arrived)
    assert count > 10
    np.testing.assert_allclose(arrived, at_once["output"].times_s[:count], atol=1e-9)
    np.testing.assert_array_equal(later["output"].cells, at_once["output"].cells[:count])


def test_mimicking_cells_repeat_a_spike_after_the_delay():
    circuit = parse_rule("wm").wire(mlp((5, 6, 3)))
    mimic = next(p for p in circuit.select(role="mimic") if circuit.phases[p.phases[0]].noisy)
    delayed = circuit.with_delays({mimic.name: 4.0})
    p = SpikingParameters(adapt_time=0 * second)
    spikes = SpikingNetwork(delayed, p).run_spontaneous(0.5).spikes
    source, target = spikes[mimic.pre], spikes[mimic.post]
    heard = len(target)
    assert heard > 20
    order = [np.lexsort((s.cells, np.round(s.times_s / float(p.dt)))) for s in (source, target)]
    lag = target.times_s - source.times_s[:heard]
    np.testing.assert_allclose(lag, 0.004 + float(p.dt), atol=1e-9)
    np.testing.assert_array_equal(target.cells[order[1]], source.cells[order[0]][:heard])


@pytest.mark.parametrize(
    ("delay", "how", "message"),
    [
        (1.3, {}, r"'x -> output'.* delay = 1.3 ms, which is no multiple of .* dt = 1. ms"),
        (2.0, {"presentation": "trials"}, "spikes on their way cannot be called back"),
    ],
)
def test_what_no_run_can_honour_is_refused(delay, how, message):
    p = SpikingParameters(dt=1 * ms, **how)
    with pytest.raises(WiringError, match=message):
        SpikingNetwork(mlp((3, 2)).with_delays(delay), p).present(np.zeros((1, 3)))
