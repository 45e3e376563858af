"""A simulation that is saved goes on, in another network, as it would have: to the last bit."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("brian2")

from brian2 import ms

from oneway.backends.spiking import Dynamics, SpikingNetwork, SpikingParameters
from oneway.circuits import WiringError, mlp
from oneway.rules import parse_rule

pytestmark = pytest.mark.spiking

TIMES = {"present_time": 40 * ms, "read_from": 20 * ms, "adapt_time": 20 * ms}
SHORT = SpikingParameters(**TIMES)
BASELINE = SpikingParameters.about_baseline(**TIMES)
KP, WM = (parse_rule(rule).wire(mlp((4, 6, 3))) for rule in ("kp", "wm"))
LABELS = np.array([0, 2, 1])


def network(circuit=KP, parameters=SHORT, **options):
    net = SpikingNetwork(circuit, parameters, seed=3, **options)
    net.set_weights({name: 2.5 * w for name, w in net.weights().items()})
    net.rates.forward_rate = 0.07
    return net


def go_on(net, x):
    """Everything that a network can be asked to do, and all that it says."""
    said = {"online": net.train(x, LABELS, epochs=2)}
    if net.circuit.reading.noisy_phases:
        record = net.run_spontaneous(0.2, record=["h1.activity"])
        said |= {"noise": record.variables["h1.activity"].values}
        said |= {name: train.times_s for name, train in record.spikes.items()}
    shown = net.present(x, LABELS, learn=True, record=["x", "h1.v"])
    said |= {"v": shown.variables["h1.v"].values, "x": shown.spikes["x"].times_s}
    said |= {"out": shown.outputs, "t": shown.onsets_s, "now": net.simulated_s, "seed": net.seed}
    return said | net.weights() | {f"bias {name}": b for name, b in net.biases().items()}


@pytest.mark.parametrize(
    ("circuit", "parameters", "options"),
    [
        (KP, SHORT, {"input": "poisson", "dale": True}),
        (WM, BASELINE, {}),  # running means, refractory cells, noisy membranes
    ],
)
def test_a_run_goes_on_as_it_would_have(tmp_path, circuit, parameters, options):
    x = np.random.default_rng(1).normal(size=(3, 4))
    net, other = (network(circuit, parameters, **options) for _ in range(2))
    net.train(x, LABELS)
    path = net.save_state(tmp_path / "paused")
    assert path.name == "paused.npz"
    expected = go_on(net, x)
    assert len(expected["x"]) > 5
    other.restart(5)  # another seed, and runs of its own that are forgotten
    other.present(x)
    other.load_state(path)
    for name, value in go_on(other, x).items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)


def test_spikes_on_their_way_are_saved(tmp_path):
    """Ten steps long, along synapses whose delays were set on the Brian2 objects."""
    x, seen = np.full((1, 4), 2.0), []
    net, other, lossy = (network() for _ in range(3))
    for one in (net, other, lossy):
        one.brian2["x -> h1"].pre.delay_ = 0.01
    net.present(x)
    path = net.save_state(tmp_path / "paused")
    for one in (net, other, lossy):
        one.load_state(path)
        if one is lossy:
            one.brian2["x -> h1"].pre.queue._restore_from_full_state(None)
        seen.append(one.present(x, record=["h1.v"]).variables["h1.v"].values)
    np.testing.assert_array_equal(seen[0], seen[1])
    assert np.abs(seen[0] - seen[2]).max() > 1e-4


def test_what_it_cannot_go_on_with_is_named(tmp_path):
    path = network().save_state(tmp_path / "a")
    with pytest.raises(WiringError, match=r"present_time = 0.04 there and 0.03 here\. Build"):
        network(parameters=replace(SHORT, present_time=30 * ms)).load_state(path)
    with pytest.raises(WiringError, match="dale = False there and True here"):
        network(dale=True).load_state(path)
    with pytest.raises(WiringError, match="told = False there and True here"):
        network(pairs="told").load_state(path)
    with pytest.raises(WiringError, match="another wiring of circuit 'mlp:4-6-3'"):
        network(WM).load_state(path)


def test_cells_of_ones_own_go_on_and_no_others(tmp_path):
    def cells(fall, taus):
        falling = Dynamics("own", "dv/dt = fall * rate * (v_threshold - v_rest) : volt",
                           constants={"fall": fall}, start={"v": "v_rest"})  # fmt: skip
        return network(dynamics=falling, heterogeneous={"tau_mem_signed": {"x": taus * ms}})

    taus, x = np.array([20, 30, 40, 50]), np.ones((2, 4))
    net = cells(1.0, taus)
    net.present(x)
    path = net.save_state(tmp_path / "own")
    other = cells(1.0, taus)
    other.load_state(path)
    np.testing.assert_array_equal(other.present(x).outputs, net.present(x).outputs)
    for changed, named in ((cells(0.5, taus), "cells"), (cells(1.0, 2 * taus), "heterogeneous")):
        with pytest.raises(WiringError, match=named):
            changed.load_state(path)


@pytest.mark.parametrize("kind", ["cut", "changed", "foreign", "pickle", "text", "spikes"])
def test_a_damaged_or_foreign_file_is_one_error_and_changes_nothing(tmp_path, kind):
    net = network()
    net.present(np.ones((1, 4)))
    path = net.save_state(tmp_path / "a")
    content = path.read_bytes()
    half = len(content) // 2
    if kind == "cut":
        path.write_bytes(content[:half])
    elif kind == "changed":
        path.write_bytes(content[:half] + bytes(b ^ 255 for b in content[half : half + 8])
                         + content[half + 8 :])  # fmt: skip
    elif kind == "text":
        path.write_text("no archive")
    elif kind == "spikes":
        np.savez(path, format="oneway-spikes", version=1)
    else:
        foreign = np.zeros(3) if kind == "foreign" else np.array([{}], object)
        np.savez(path, foreign)
    before = net.weights()
    with pytest.raises(
        ValueError, match=r"a\.npz' (is not an npz|is damaged|cannot be read as state of a)"
    ):
        net.load_state(path)
    assert net.simulated_s == pytest.approx(0.04)
    for name, w in net.weights().items():
        np.testing.assert_array_equal(w, before[name])
