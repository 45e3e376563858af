"""Spikes: they converge to the rates, learn, move between backends, and are shown as a program."""

import ast
import subprocess
import sys
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest

pytest.importorskip("brian2")

from brian2 import Hz, ms, prefs

from oneway.backends.rate import RateNetwork
from oneway.backends.spiking import SpikingNetwork, SpikingParameters
from oneway.backends.spiking.brian.script import _literal
from oneway.circuits import Circuit, Wiring, WiringError, mlp, parse_circuit
from oneway.rules import parse_rule

pytestmark = pytest.mark.spiking


def samples(n=2, size=6, seed=0):
    return np.random.default_rng(seed).normal(size=(n, size))


# -- convergence ----------------------------------------------------------------------------


@pytest.mark.slow
def test_the_error_of_random_spikes_falls_with_the_root_of_the_averaging_time():
    """|activity − rate| ∝ T^(−1/2), in every population, with membranes that average over T."""
    forward, x = mlp((6, 20, 10)), samples(8)
    settled = SpikingNetwork(forward, dynamics="settled")
    expected = settled.signals(x)
    times, errors = np.array([20, 70, 250]), []
    for t in times:
        p = SpikingParameters(
            tau_mem=t * ms, tau_trace=t * ms, present_time=7 * t * ms, read_from=6.9 * t * ms
        )
        net = SpikingNetwork(forward, p, dynamics="poisson", weights=settled.weights())
        shown = net.present(x, record=list(forward.populations))
        errors.append(
            [np.sqrt(np.mean((shown.activities[n] - expected[n]) ** 2)) for n in expected]
        )
    slopes = np.polyfit(np.log(times), np.log(errors), 1)[0]
    np.testing.assert_allclose(slopes, -0.5, atol=0.2)
    assert np.mean(slopes) == pytest.approx(-0.5, abs=0.1)


def test_the_error_of_precise_cells_falls_with_the_averaging_time():
    """|spikes / T − rate| ∝ T^(−1), in every population: what is left is one spike or less."""
    forward, x = mlp((6, 20, 10)), samples(2)
    settled = SpikingNetwork(forward, dynamics="settled")
    expected = settled.signals(x)
    times, errors = np.array([60, 240, 960]), []
    for t in times:
        p = SpikingParameters.precise(present_time=(t + 800) * ms, read_from=800 * ms)
        net = SpikingNetwork(forward, p, weights=settled.weights())
        shown = net.present(x, record=list(forward.populations))
        counted = {n: counts(shown.spikes[n], rate.shape, t) for n, rate in expected.items()}
        errors.append(
            [np.sqrt(np.mean((counted[n] / (0.2 * t) - expected[n]) ** 2)) for n in expected]
        )
    slopes = np.polyfit(np.log(times), np.log(errors), 1)[0]
    np.testing.assert_allclose(slopes, -1, atol=0.25)
    assert np.max(errors[-1]) < 0.01


def counts(spikes, shape, t_ms, settling_s=0.8):
    """Spikes of each pair, those for negative activity less, in the last part of each sample."""
    size, length_s = shape[1], settling_s + t_ms / 1000
    sample = (spikes.times_s / length_s).astype(int)
    late = spikes.times_s - sample * length_s > settling_s
    counted = np.zeros(shape)
    sides = np.where(spikes.cells < size, 1, -1)
    np.add.at(counted, (sample[late], spikes.cells[late] % size), sides[late])
    return counted


@pytest.mark.parametrize("parameters", [SpikingParameters(), SpikingParameters.about_baseline()])
def test_integrate_and_fire_cells_code_their_input(parameters):
    """A cell's spikes, counted for long, are its activity: exactly its current's rate."""
    p = replace(
        parameters, tau_mem_signed=1000_000 * ms, present_time=1500 * ms, read_from=500 * ms
    )
    x = np.array([[-0.9, -0.3, 0.0, 0.2, 0.7, 1.0]])
    net = SpikingNetwork(mlp((6, 4)), replace(p, noise=0 * p.noise))
    shown = net.present(x, record=["x"])
    np.testing.assert_allclose(shown.activities["x"], x, atol=0.06)


@pytest.mark.parametrize("dale", [False, True])
def test_cells_about_a_baseline_are_not_heard_while_they_rest(dale):
    """What their spikes bring at rest is taken off, from the first sample on."""
    p = SpikingParameters.about_baseline(present_time=1000 * ms, read_from=300 * ms)
    weights = {"x -> output": np.full((3, 6), 0.1)}
    shown = SpikingNetwork(mlp((6, 3)), p, weights=weights, dale=dale).present(np.zeros((1, 6)))
    np.testing.assert_allclose(shown.outputs, 0, atol=0.15)  # 1.2 if it were not


# -- learning -------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["kp", "asap,gate=local", "dfa"])
def test_output_moves_to_its_target(rule):
    """One sample again and again: the distance of the output from its target shrinks."""
    x, y = np.tile(samples(1), (15, 1)), np.full(15, 2)
    net = SpikingNetwork(parse_rule(rule).wire(mlp((6, 12, 12, 3))), seed=1)
    net.rates.forward_rate = net.rates.feedback_rate = 0.05
    distance = np.linalg.norm(net.present(x, y, learn=True).outputs - np.eye(3)[2], axis=1)
    assert distance[-3:].mean() < 0.85 * distance[0]


def test_errors_are_silent_when_the_target_is_met():
    """Error cells compare: an output at its target leaves them nothing to fire for."""
    net = SpikingNetwork(
        parse_rule("kp").wire(mlp((4, 3))), weights={"x -> output": np.zeros((3, 4))}
    )
    right = net.present(np.zeros((1, 4)), np.zeros((1, 3)), record=["delta_output"])
    wrong = net.present(np.zeros((1, 4)), np.array([1]), record=["delta_output"])
    assert len(right.spikes["delta_output"]) == 0
    cells = wrong.spikes["delta_output"].cells
    # The output is too small: the cell for negative errors fires, of the target's unit alone.
    assert set(cells.tolist()) == {1 + 3}


# -- weights --------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["kp", "bp", "asap"])
def test_weights_move_both_ways_by_name(rule):
    circuit = parse_rule(rule).wire(mlp((4, 6, 6, 3)))
    rate, spiking = RateNetwork(circuit, seed=3), SpikingNetwork(circuit)
    for bias in rate.biases.values():
        bias.data.uniform_(-1, 1)
    spiking.load(rate)
    for name in rate.weights:
        np.testing.assert_array_equal(spiking.weight(name), rate.weight(name).double().numpy())
    other = RateNetwork(circuit, seed=4)
    spiking.store(other)
    for name in rate.weights:
        np.testing.assert_array_equal(other.weight(name), rate.weight(name))
    for name, bias in rate.biases.items():
        np.testing.assert_array_equal(other.biases[name].detach(), bias.detach())


def test_weights_of_another_circuit_are_refused():
    rate = RateNetwork(parse_rule("kp").wire(mlp((4, 6, 3))))
    with pytest.raises(WiringError, match=r"named 'x -> h1'.*There are: x -> output"):
        SpikingNetwork(mlp((4, 3))).load(rate)


# -- the program ----------------------------------------------------------------------------


def scaling(circuit: Circuit) -> Circuit:
    """The circuit with synaptic scaling of its last drive."""
    net = Wiring(circuit)
    p = circuit.projections["h1 -> output"]
    net.update(p, plasticity=replace(p.plasticity, rate=0.05, decay=0.0, scaling=0.5))
    return net.build()


DENSE = parse_rule("kp").wire(mlp((6, 8, 4)))
CONV = parse_rule("kp").wire(parse_circuit("conv2:1x6x6-3,norm=none,width=2,hidden=5"))
SHOWN = {
    "default": (DENSE, {}),
    "trials": (DENSE, {"parameters": SpikingParameters(presentation="trials")}),
    "continuous": (DENSE, {"parameters": SpikingParameters(presentation="continuous")}),
    "scaling": (scaling(DENSE), {}),
    "unshared": (CONV, {"shared": False}),
    "dale": (DENSE, {"dale": True}),
    "cells": (DENSE.with_delays({"x -> h1": 3.0}), {"dynamics": "conductance"}),
}


@pytest.mark.parametrize(
    ("values", "form"),
    [
        (np.tile(np.arange(7), 5), "np.tile(np.array([0, 1"),
        (np.repeat(np.arange(5), 9), "np.repeat("),
        (np.tile(np.repeat([0.0, 0.5], 30), 4), "np.repeat("),
        (np.random.default_rng(0).normal(size=(3, 4)), "np.array("),
        (np.full(2000, -0.07), "np."),
        (np.zeros((0, 3)), "np.empty"),
        (np.array([1, 2, 1, 2, 1]), "np.array("),
    ],
)
def test_arrays_in_a_program_are_what_they_were(values, form):
    text = _literal(values)
    read = eval(text, {"np": np, "array": np.array})
    assert text.startswith(form) and len(text) <= max(100, 30 * values.size)
    np.testing.assert_array_equal(read, values)
    assert read.shape == values.shape and read.dtype == values.dtype


# Runs every folder's program, one after another: each knows only its own names.
RUNNER = """
import os, runpy, sys
from contextlib import redirect_stdout
for folder in sys.argv[1:]:
    os.chdir(folder)
    with open("printed", "w") as file, redirect_stdout(file):
        runpy.run_path("shown.py")
assert "oneway" not in sys.modules
"""


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """For each case the network, what it is shown, its program, and what the program counts."""
    cases = {}
    for name, (circuit, options) in SHOWN.items():
        folder = tmp_path_factory.mktemp(name)
        size = circuit.inputs[0].shape
        x, y = np.random.default_rng(0).normal(size=(2, *size)), np.array([1, 2])
        net = SpikingNetwork(circuit, **options)
        net.set_weights({name: 2 * w for name, w in net.weights().items()})
        # With its arrays beside it, and where there are no options to show, in itself.
        text, arrays = net.script(x, y, file="shown.py", inline=not options)
        # The program goes on through the closing tick, which the network does not count.
        counting = "print({name: int((m.t_ < 0.2 - 1e-9).sum()) for name, m in spikes.items()})"
        (folder / "shown.py").write_text(text + counting)
        if options:
            np.savez(folder / "shown.npz", **arrays)
        cases[name] = net, x, y, text, folder
    folders = [str(folder) for *_, folder in cases.values()]
    command = [sys.executable, "-c", RUNNER, *folders]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return cases


@pytest.mark.parametrize("name", SHOWN)
def test_the_program_that_is_shown_does_what_the_network_does(shown, name):
    net, x, y, text, folder = shown[name]
    counts = ast.literal_eval((folder / "printed").read_text().splitlines()[-1])
    result = net.present(x, y, learn=True, record=list(net.circuit.populations))
    for population, spikes in result.spikes.items():
        assert len(spikes) == counts[f"cells_{population}"]
    assert len(result.spikes["output"]) > 0 and len(result.spikes["delta_h1"]) > 0
    if name == "default":
        assert "drive_x_post += side_pre * w / (forward_unit * tau_syn)" in text


# -- input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((2, 5)), None, r"'x' has shape \(4,\), but the samples have \(2, 5\)"),
        (np.zeros((0, 4)), None, r"have \(0, 4\)"),
        (np.full((1, 4), np.nan), None, "not finite"),
        (np.zeros((2, 4)), np.array([0, 3]), "0 to 3, expected class numbers 0 to 2"),
        (np.zeros((2, 4)), np.array([0.5, 1]), "expected class numbers"),
        (np.zeros((2, 4)), np.array([0]), r"shape \(1,\), expected \(2,\)"),
    ],
)
def test_bad_samples_are_refused(x, y, message):
    net = SpikingNetwork(parse_rule("kp").wire(mlp((4, 3))))
    with pytest.raises(ValueError, match=message):
        net.present(x, y)


def test_methods_say_which_dynamics_they_need():
    circuit = parse_rule("kp").wire(mlp((4, 3)))
    with pytest.raises(ValueError, match=r"signals needs dynamics='settled'.*spiking"):
        SpikingNetwork(circuit).signals(np.zeros((1, 4)))
    with pytest.raises(ValueError, match="learn=True needs y"):
        SpikingNetwork(circuit).present(np.zeros((1, 4)), learn=True)
    with pytest.raises(WiringError, match="no target population"):
        SpikingNetwork(mlp((4, 3))).present(np.zeros((1, 4)), np.array([1]))
    with pytest.raises(WiringError, match=r"record names 'h7'.*There are: x, output"):
        SpikingNetwork(mlp((4, 3))).present(np.zeros((1, 4)), record=["h7"])


# -- compiled targets -----------------------------------------------------------------------


@pytest.fixture
def quick_compiler(monkeypatch):
    """Optimised, three samples run as fast, and the compiler takes twice the time."""
    monkeypatch.setitem(prefs, "codegen.cpp.extra_compile_args_gcc", ["-w", "-O0", "-std=c++11"])


@pytest.mark.slow
def test_cython_does_the_same(quick_compiler):
    """It compiles every object on its own, two seconds each: hence cells that only answer."""
    x = samples(3)
    a, c = (
        SpikingNetwork(mlp((6, 4)), target=target, chunk=3).present(x, record=["output"])
        for target in ("numpy", "cython")
    )
    assert len(a.spikes["output"].cells) > 20
    np.testing.assert_array_equal(a.spikes["output"].cells, c.spikes["output"].cells)
    np.testing.assert_allclose(a.outputs, c.outputs, atol=1e-9)


@pytest.mark.slow
def test_a_compiled_program_does_the_same(quick_compiler, tmp_path, monkeypatch):
    """No cell is random here, so that every spike and every weight must agree."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    circuit, x, y = parse_rule("kp").wire(mlp((6, 8, 4))), samples(3), np.array([1, 3, 0])
    results = []
    for target in ("numpy", "cpp_standalone"):
        net = SpikingNetwork(circuit, target=target, chunk=3)
        shown = net.present(x, y, learn=True, record=["delta_output"])
        again = net.present(x, y, record=["delta_output"])  # the program that is built already
        results.append((shown, again, net))
    (a, b, first), (c, d, other) = results
    assert first.compiling_s == 0 < other.compiling_s
    np.testing.assert_array_equal(a.spikes["delta_output"].cells, c.spikes["delta_output"].cells)
    np.testing.assert_allclose(a.outputs, c.outputs, atol=1e-9)
    np.testing.assert_allclose(b.outputs, d.outputs, atol=0.3)  # its membranes start afresh or not
    for name, w in first.weights().items():
        np.testing.assert_allclose(w, other.weight(name), atol=1e-9, err_msg=name)
    other.restart(0)
    anew = other.present(x, y, learn=True, record=["delta_output"])
    np.testing.assert_array_equal(anew.outputs, c.outputs)

    def build(*_):
        pytest.fail("it is in the cache")

    monkeypatch.setattr(import_module("oneway.backends.spiking.brian.standalone"), "build", build)
    kept = SpikingNetwork(circuit, target="cpp_standalone", chunk=3, seed=1)
    kept.set_weights(SpikingNetwork(circuit).weights())
    same = kept.present(x, y, learn=True, record=["delta_output"])
    np.testing.assert_array_equal(same.outputs, c.outputs)


def test_rates_are_in_hertz():
    p = SpikingParameters(unit=100 * Hz, present_time=500 * ms, tau_mem_signed=1000_000 * ms)
    shown = SpikingNetwork(mlp((2, 2)), p).present(np.array([[1.0, 0.0]]), record=["x"])
    assert shown.mean_rates_hz["x"] == pytest.approx(50, rel=0.05)
