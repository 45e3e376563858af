"""Any variable can be recorded, by name, and the Brian2 objects are there under the same names."""

import numpy as np
import pytest

pytest.importorskip("brian2")

from brian2 import StateMonitor, mV

from oneway.backends.spiking import SpikingNetwork
from oneway.circuits import WiringError, mlp, parse_circuit
from oneway.rules import parse_rule

pytestmark = pytest.mark.spiking

X, LABELS = np.random.default_rng(0).normal(size=(2, 4)), np.array([0, 2])


def network(rule="kp", circuit=None, **options):
    return SpikingNetwork(parse_rule(rule).wire(circuit or mlp((4, 6, 3))), **options)


def test_a_variable_is_what_a_monitor_of_one_s_own_sees():
    """Of the Brian2 object of that name, added to the Brian2 network."""
    net = network()
    monitor = StateMonitor(net.brian2["h1"], "v", record=True, when="end")
    net.brian2.network.add(monitor)
    shown = net.present(X, LABELS, learn=True, record=["h1.v", "h1 -> output.w", "h1 -> output"])
    trace = shown.variables["h1.v"]
    assert trace.values.shape == (200, 6)
    np.testing.assert_array_equal(trace.values, np.asarray(monitor.v).T[:200])
    np.testing.assert_allclose(trace.times_s, 1e-3 * np.arange(200), atol=1e-12)
    # Weights once a sample; as synapses, in Brian2's order.
    w, synapses = shown.variables["h1 -> output.w"], net.brian2["h1 -> output"]
    at = np.asarray(synapses.j), np.asarray(synapses.i)
    np.testing.assert_array_equal(w.values, [m[at] for m in shown.weights["h1 -> output"][:2]])
    assert (w.values[0] != w.values[1]).any()


def test_recording_changes_nothing():
    names = ["output.v", "h1.activity", "output.activity", "delta_h1.spikes", "h1 -> output.w"]
    plain, watched = network(), network()
    one = plain.present(X, LABELS, learn=True)
    two = watched.present(X, LABELS, learn=True, record=names, record_every_s=0.001)
    np.testing.assert_array_equal(one.outputs, two.outputs)
    np.testing.assert_array_equal(plain.weight("h1 -> output"), watched.weight("h1 -> output"))
    assert set(two.variables) == set(names) - {"delta_h1.spikes"}
    assert len(two.spikes["delta_h1"]) and set(two.activity) == set()
    assert two.variables["h1 -> output.w"].values.shape == (200, 18)


def test_what_synapses_share_and_what_has_parts():
    conv = network(circuit=parse_circuit("conv2:1x4x4-3,norm=none,width=2,hidden=4"))
    drive = next(p.name for p in conv.circuit.select(role="drive", path="forward"))
    trace = conv.present(np.ones((1, 16)), record=[f"{drive}.w"]).variables[f"{drive}.w"]
    assert trace.values.shape == (1, conv.weight(drive).size)
    dale = network(dale=True)
    names = ["h1 -> output.excitatory.w", "h1 -> output.inhibitory.w", "h1.interneurons.activity"]
    shown = dale.present(X[:1], record=[*names, "h1 -> output", "h1.activity"])
    excites, inhibits, copied = (shown.variables[name].values for name in names)
    synapses = dale.brian2["h1 -> output.excitatory"]
    at = np.asarray(synapses.j), np.asarray(synapses.i)
    np.testing.assert_allclose((excites - inhibits)[0], shown.weights["h1 -> output"][0][at])
    np.testing.assert_allclose(copied, shown.variables["h1.activity"].values, atol=1e-12)
    assert dale.brian2["h1.interneurons"].name == "interneurons_h1"


def test_noise_is_recorded_too():
    net = network("wm")
    record = net.run_spontaneous(0.1, record=["delta_h1.activity"])
    assert record.variables["delta_h1.activity"].values.shape == (100, 6)
    again = net.run_spontaneous(0.1, 0.01, record=["delta_h1.activity"])
    trace = again.variables["delta_h1.activity"]
    assert trace.values.shape == (10, 6) and 0.1 <= trace.times_s[0] < 0.11
    np.testing.assert_allclose(np.diff(trace.times_s), 0.01)
    assert net.brian2["delta_h1"].activity[:].shape == (6,)  # those of the last run


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("h2", "'h2', which is neither.*There are: x, h1,.*such as 'h1.v'"),
        ("h2.v", "no population or projection is called 'h2'. There are: x, h1, output"),
        ("h1.u", "'h1' has no variable 'u'. There are: .*activity.*v, limited, spikes"),
        ("h1 -> output.v", "'h1 -> output' has no variable 'v'. There are: .*w"),
    ],
)
def test_a_name_that_is_not_there_is_answered_with_those_that_are(name, complaint):
    with pytest.raises(WiringError, match=complaint):
        network().present(X, record=[name])


def test_intervals_and_targets_that_cannot_be():
    with pytest.raises(ValueError, match=r"record_every_s = 0.0015, expected a multiple of dt = 1"):
        network().present(X, record=["h1.v"], record_every_s=0.0015)
    with pytest.raises(WiringError, match=r"'cpp_standalone'.*no Brian2 objects.*net.script"):
        _ = network(target="cpp_standalone").brian2
    with pytest.raises(KeyError, match=r"no Brian2 object is called 'h7'. There are: x, h1"):
        network().brian2["h7"]


def test_objects_can_be_changed():
    """A membrane that is set is where the next run begins."""
    net = network()
    net.brian2["h1"].v = -60 * mV
    first = net.present(0 * X, record=["h1.v"]).variables["h1.v"].values[0]
    # Without input, a relu cell rests at its threshold, which it nears by 1 / 20 in a step.
    np.testing.assert_allclose(first, -0.0595)
