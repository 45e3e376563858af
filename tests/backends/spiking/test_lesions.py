"""Lesions: from a moment on a projection passes nothing, and all else goes on as before."""

from dataclasses import replace

import numpy as np
import pytest
import torch

pytest.importorskip("brian2")

from both_backends import Both
from brian2 import ms, mV, prefs, second

from oneway.backends.rate import RateNetwork
from oneway.backends.spiking import SpikingNetwork, SpikingParameters
from oneway.circuits import (
    AllToAllConnector,
    Circuit,
    MaxPoolConnector,
    Wiring,
    WiringError,
    mlp,
)
from oneway.rules import parse_rule

from .settled import small_conv

pytestmark = pytest.mark.spiking


# -- settled: equal to rates without ---------------------------------------------------------


def silenced(circuit: Circuit, name: str) -> Circuit:
    """The circuit with the projection's source replaced by cells that are always silent.

    ::

        x ──0──> silent ──(projection)──> post
    """
    p, net = circuit.projections[name], Wiring(circuit)
    net.population("silent", circuit.populations[p.pre].shape, path="auxiliary")
    for phase in circuit.phases.values():
        for origin in phase.noisy or [circuit.inputs[0].name]:
            drive = f"{origin} -> silent in {phase.name}"
            net.connect(origin, "silent", AllToAllConnector(), name=drive, phases=phase.name)
    net.update(p, pre="silent")

    def heard(signal, cell):
        through = (
            p.role == "teach" and signal is not None and (signal.source, cell) == (p.pre, p.post)
        )
        return replace(signal, source="silent") if through else signal

    for other in circuit.projections.values():
        if other.plasticity is not None:
            pre = heard(other.plasticity.pre, other.pre)
            post = heard(other.plasticity.post, other.post)
            net.update(other, plasticity=replace(other.plasticity, pre=pre, post=post))
    for cells in circuit.populations.values():
        net.update(cells, learns=heard(cells.learns, cells.name))
    return net.build()


class Cut(Both):
    """Settled cells with a lesion beside rates without the projection."""

    def __init__(self, circuit: Circuit, name: str) -> None:
        super().__init__(circuit, tolerance=1e-12)
        self.name, role = name, circuit.projections[name].role
        self.settled.lesion(name)
        if role != "drive":
            whole = self.rate
            self.rate = RateNetwork(silenced(circuit, name), dtype=torch.float64)
            for cells, bias in self.rate.biases.items():
                bias.data.copy_(whole.biases[cells])
            for drive in self.rate.weights:
                w = whole.weight(drive) if drive in whole.weights else 0.0
                self.rate.weight(drive).copy_(torch.as_tensor(w))
        elif name in self.rate.weights:
            self.rate.weight(name).zero_()

    def _close(self, got, expected) -> None:
        there = set(got) - {self.name}  # whose own synapses do not change
        super()._close({n: got[n] for n in there}, {n: expected[n] for n in there})


KP, WM = (parse_rule(rule).wire(mlp((4, 5, 5, 3))) for rule in ("kp", "wm"))
LOCAL = parse_rule("asap,gate=local").wire(mlp((4, 5, 5, 3)))
TANH = parse_rule("kp").wire(mlp((4, 5, 3), activation="tanh"))
DELAYED = KP.with_delays(2.0).with_delays({"teach: delta_h2 -> h2": 5.0})
POOLED = parse_rule("kp").wire(small_conv("relu", MaxPoolConnector(2)))
CASES = (
    (KP, "delta_output -> delta_h2"),
    (KP, "teach: delta_h2 -> h2"),
    (KP, "teach: h2 -> delta_h2"),  # which a gate shares its trace with: that goes on
    (KP, "gate: h2 -> delta_h2"),  # and the other way round
    (TANH, "gate: h1 -> delta_h1"),  # whose φ′(0) is not 0
    (LOCAL, "mimic: h1 -> h2"),
    (WM, "mimic: h2 -> delta_h2"),
    (POOLED, "pool -> h2"),
    (DELAYED, "teach: delta_h2 -> h2"),
    (DELAYED, "x -> h1"),
)


@pytest.mark.parametrize(("circuit", "name"), CASES, ids=[name for _, name in CASES])
def test_settled_cells_are_rates_without_the_projection(circuit, name):
    cut = Cut(circuit, name)
    changes = [cut.compare_data().weights]
    if circuit.reading.noisy_phases:
        changes.append(cut.compare_noise().weights)
    assert not any(np.any(change.get(name, 0.0)) for change in changes)


def test_a_lesion_comes_at_its_moment():
    """Settled samples, one after another: rates before it, rates without the drive from then on."""
    both, name = Both(KP), "h1 -> h2"
    trial_s = both.settled._engine.trials(both.x.numpy(), both.y.numpy()).trial_s
    both.settled.lesion(name, at=(trial_s - 1e-4) * second)  # to the nearest step
    got = both.settled.signals(both.x.numpy(), both.y.numpy())["output"]
    whole = both.rate(both.x).numpy()
    both.rate.weight(name).zero_()
    without = both.rate(both.x).numpy()
    np.testing.assert_allclose(got, [whole[0], *without[1:]], atol=1e-12)
    assert np.abs(whole - without)[[0, 2]].min() > 1e-3
    both.settled.heal(name)
    np.testing.assert_allclose(both.settled.signals(both.x.numpy())["output"], whole, atol=1e-12)


def test_what_is_compared_is_compared_with_nothing():
    for source, error in (("output", lambda y, t: -t), ("target", lambda y, t: y)):
        net = SpikingNetwork(KP, dynamics="settled", loss="squared")
        net.lesion(f"compare: {source} -> delta_output")
        signals = net.signals(X, Y)
        expected = error(signals["output"], np.eye(3)[Y]) / len(X)
        np.testing.assert_allclose(signals["delta_output"], expected, atol=1e-15)


def test_a_pool_that_is_cut_is_silent():
    net = SpikingNetwork(POOLED, dynamics="settled")
    x = np.random.default_rng(1).normal(size=(2, 2, 4, 4))
    assert net.signals(x)["pool"].any()
    net.lesion("h1 -> pool")
    assert not net.signals(x)["pool"].any()


# -- spikes ----------------------------------------------------------------------------------

X = np.random.default_rng(0).normal(size=(4, 4))
Y = np.array([0, 1, 2, 0])


def spikes(shown):
    return {
        name: list(zip(train.times_s, train.cells, strict=True))
        for name, train in shown.spikes.items()
    }


SMALL = parse_rule("kp").wire(mlp((4, 5, 3)))


@pytest.mark.parametrize(
    ("dynamics", "name", "silenced"),
    [
        ("spiking", "gate: h1 -> delta_h1", "delta_h1"),
        ("spiking", "teach: h1 -> delta_h1", None),
        ("poisson", "h1 -> output", "output"),
    ],
)
def test_a_lesion_between_two_runs_is_one_that_was_planned(dynamics, name, silenced):
    """Spike for spike, whatever else cells remember; and before it, nothing is changed by it."""
    planned, now = (SpikingNetwork(SMALL, dynamics=dynamics) for _ in range(2))
    planned.lesion(name, at=0.2 * second)
    for half in (slice(2), slice(2, 4)):
        shown = [
            net.present(X[half], Y[half], learn=True, record=list(SMALL.populations))
            for net in (planned, now)
        ]
        assert spikes(shown[0]) == spikes(shown[1])
        for drive, w in now.weights().items():
            np.testing.assert_array_equal(planned.weight(drive), w)
        if half.start is None:
            assert all(len(train) for train in shown[0].spikes.values())
            now.lesion(name)
    if silenced:  # once what has arrived before has faded
        assert not (shown[0].spikes[silenced].times_s > 0.33).any()


def test_a_drive_that_is_cut_keeps_its_weights_and_others_decay():
    net = SpikingNetwork(SMALL)
    net.rates.forward_decay = net.rates.feedback_decay = 0.1
    first = net.weights()
    net.lesion("x -> h1")
    net.lesion("teach: h1 -> delta_h1")
    net.present(X, Y, learn=True)
    np.testing.assert_array_equal(net.weight("x -> h1"), first["x -> h1"])
    b = "delta_output -> delta_h1"
    np.testing.assert_allclose(net.weight(b), 0.9 ** len(X) * first[b], rtol=1e-12)


def test_cells_that_mimic_are_silent_once_they_hear_nobody():
    net = SpikingNetwork(parse_rule("wm").wire(mlp((4, 5, 3))))
    net.lesion("mimic: h1 -> delta_h1", at=0.5 * second)
    spikes = net.run_spontaneous(1.0).spikes
    times = spikes["delta_h1"].times_s
    assert len(times) > 20 and times.max() <= 0.5 + 0.001  # a step later than who is mimicked
    assert spikes["h1"].times_s.max() > 0.9 and spikes["delta_output"].times_s.max() > 0.9


def test_baseline_spikes_that_no_longer_come_are_no_longer_taken_off():
    """Else cells that are cut off would hear the opposite of a baseline."""
    p = SpikingParameters.about_baseline(
        noise=0 * mV, present_time=400 * ms, read_from=200 * ms, tau_mem=5 * ms
    )
    net = SpikingNetwork(mlp((4, 3)), p, weights={"x -> output": np.full((3, 4), 0.5)})
    net.lesion("x -> output")
    np.testing.assert_allclose(net.present(np.ones((1, 4))).outputs, 0, atol=0.2)  # else -4


def test_the_program_that_is_shown_has_the_lesion(tmp_path, monkeypatch):
    net = SpikingNetwork(SMALL)
    net.lesion("teach: h1 -> delta_h1", at=0.15 * second)
    net.lesion("gate: h1 -> delta_h1", at=0.25 * second)
    text, arrays = net.script(X, Y)
    np.savez(tmp_path / "circuit.npz", **arrays)
    monkeypatch.chdir(tmp_path)
    shown = net.present(X, Y, learn=True, record=list(SMALL.populations))
    program = {"__name__": "shown"}
    exec(text, program)
    for name, train in shown.spikes.items():
        times = program["spikes"][f"cells_{name}"].t_
        np.testing.assert_allclose(np.sort(times[times < 0.4 - 1e-9]), np.sort(train.times_s))
    for name in ("h1 -> output", "delta_output -> delta_h1"):
        pre, post = name.split(" -> ")
        w = net.weight(name).ravel()
        np.testing.assert_allclose(np.sort(program[f"drive_{pre}_to_{post}"].w_), np.sort(w))


@pytest.mark.slow
def test_a_compiled_program_cuts_within_any_of_its_chunks(monkeypatch):
    """Two samples a run: the moment lies in the second of three, and the program is one."""
    monkeypatch.setitem(prefs, "codegen.cpp.extra_compile_args_gcc", ["-w", "-O0", "-std=c++11"])
    circuit, results = parse_rule("kp").wire(mlp((4, 3))), []
    for target in ("numpy", "cpp_standalone"):
        net = SpikingNetwork(circuit, target=target, chunk=2)
        net.lesion("teach: delta_output -> output", at=0.25 * second)
        parts = [net.present(X[:2], Y[:2], learn=True, record=["output"]) for _ in range(3)]
        results.append((parts, net))
    (numpy, net), (compiled, other) = results
    for a, c in zip(numpy, compiled, strict=True):
        np.testing.assert_array_equal(a.spikes["output"].cells, c.spikes["output"].cells)
    np.testing.assert_allclose(other.weight("x -> output"), net.weight("x -> output"), atol=1e-9)
    (running,) = other._engine._running.values()
    assert len(running.run._programs) == 1


# -- complaints ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "at", "message"),
    [
        (
            "teach: delta_h1 -> h2",
            None,
            r"not a projection of.*did you mean 'teach: delta_h1 -> h1', ",
        ),
        ("?", None, r"there are 'x -> h1', 'h1 -> output', "),
        ("x -> h1", 3, r"at = 3, expected a time such as 300 \* second"),
        ("x -> h1", 3 * mV, "at = 3. mV, expected a time"),
        ("x -> h1", -1 * second, "at = -1. s lies before the 0.1 s that are simulated"),
        ("x -> h1", float("nan") * second, "lies before"),
    ],
)
def test_lesions_that_cannot_be(name, at, message):
    net = SpikingNetwork(SMALL)
    net._engine.simulated_s = 0.1
    with pytest.raises(ValueError, match=message):
        net.lesion(name, at=at)
    assert net.lesions == {}


def test_what_brings_nothing_cannot_be_cut_nor_what_is_whole_heal():
    net = Wiring(SMALL)
    net.gate("output", "delta_output", "linear")
    with pytest.raises(WiringError, match=r"'gate: output -> delta_output'.*brings no spikes"):
        SpikingNetwork(net.build()).lesion("gate: output -> delta_output")
    with pytest.raises(WiringError, match=r"'x -> h1' .* not among those that are cut: none"):
        SpikingNetwork(SMALL).heal("x -> h1")
