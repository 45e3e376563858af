"""What the spiking backend costs: against a script by hand, with size, and in real time.

Shows, one subcommand each:

- pair: CPU time of a generated simulation over that of a Brian2 script written by hand for the
  same network (Kolen-Pollack learning, all to all), both built once, taking turns, on the same
  target. First both are checked to end with the same weights. Median and quartiles of the rounds.
  In C++ standalone both programs start anew in each turn, and their own time counts, without
  Python's; neither reports its progress. How long each took to build is said too.
- scale: seconds for each simulated second, and peak memory of the process, of networks of 10 to
  1,000 input and hidden cells: three decades and more of synapses. Each runs in a process of its
  own; with --out, a picture.
- realtime: how many times faster than real time the digits network learns in C++ standalone, in CPU
  time of the program, and how long it took to compile.

Run it on an idle machine. Nothing is drawn at random but weights and data, seed 0.

    python benchmarks/spiking.py pair [--target numpy] [--rounds 7] [--samples 30]
    python benchmarks/spiking.py pair --target cpp_standalone --samples 480
    python benchmarks/spiking.py scale [--target numpy] [--cells 10 32 100 ...] [--out scale.png]
    python benchmarks/spiking.py scale --target cpp_standalone --cells 1000 --samples 20 --threads 2
    python benchmarks/spiking.py realtime [--circuit mlp:64-48-48-10] [--rule kp] [--samples 360]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from brian2 import (
    Network,
    NeuronGroup,
    StateMonitor,
    Synapses,
    TimedArray,
    device,
    prefs,
    set_device,
)

from oneway.backends.spiking import SpikingNetwork, SpikingParameters
from oneway.circuits import Circuit, mlp, parse_circuit
from oneway.rules import parse_rule
from oneway.training.bench.timing import paired_ratio
from oneway.training.hardware import hardware_line

SIZES = (64, 48, 10)
RATE, DECAY = 0.015, 1e-4
STANDALONE = "cpp_standalone"
CELLS = (10, 32, 100, 316, 1000)
MIB = 2**20


# -- the same network, by hand -----------------------------------------------------------------

_TRACES = """
dactivity/dt = -activity / tau_trace : 1
dv/dt = (v_rest + (v_threshold - v_rest) * current - v) / {tau} : volt
"""
# Cells that fire for both signs: which of the two it was is known until the reset.
_SIGNED = "side = sign(v - v_rest) : 1"
_SIGNED_THRESHOLD = "abs(v - v_rest) > v_threshold - v_rest"
_RESET = "activity += {side}1 / ({unit} * tau_trace)\nv -= {side}(v_threshold - v_rest)"
_SHOWN = """
shown : 1
current = unit * tau_mem_signed * shown : 1
"""
_HIDDEN = """
ddrive/dt = -drive / tau_syn : 1
dtaught/dt = -taught / tau_trace : 1
bias : 1
rate = unit * (drive + bias) : Hz
intervals = clip(tau_mem * rate, 1e-3, inf) : 1
current = 1 / (1 - exp(-1 / intervals)) + clip(tau_mem * rate, -3, 0) : 1
"""
_OUTPUT = """
ddrive/dt = -drive / tau_syn : 1
dtaught/dt = -taught / tau_trace : 1
bias : 1
current = unit * tau_mem_signed * (drive + bias) : 1
"""
_ERROR_OUTPUT = """
ddrive/dt = -drive / tau_syn : 1
current = error_unit * tau_mem_signed * drive : 1
"""
_ERROR_HIDDEN = """
ddrive/dt = -drive / tau_syn : 1
dtaught/dt = -taught / tau_trace : 1
current = error_unit * tau_mem_signed * drive * int(taught > gate_threshold) : 1
"""


class ByHand:
    """Kolen-Pollack learning in one hidden layer, as one would write it for Brian2.

    Parameters
    ----------
    weights : dict
        Projection → (post, pre), to start from.
    p : SpikingParameters
    target : str
    """

    def __init__(self, weights: dict[str, np.ndarray], p: SpikingParameters, target: str) -> None:
        self.p, self.target = p, target
        self.w: dict[str, tuple[Synapses, tuple[int, int]]] = {}
        (hidden, inputs), outputs = weights["x -> h1"].shape, len(weights["h1 -> output"])
        if target != STANDALONE:
            prefs.codegen.target = target
        self.x = self._signed(inputs, _SHOWN, "unit")
        self.h = NeuronGroup(
            hidden,
            _HIDDEN + _TRACES.format(tau="tau_mem"),
            threshold="v > v_threshold",
            reset=_RESET.format(side="", unit="unit"),
            method="euler",
            dt=p.dt,
        )
        self.o = self._signed(outputs, _OUTPUT, "unit")
        self.target_cells = self._signed(outputs, _SHOWN, "unit")
        self.d_o = self._signed(outputs, _ERROR_OUTPUT, "error_unit")
        self.d_h = self._signed(hidden, _ERROR_HIDDEN, "error_unit")
        groups = [self.x, self.h, self.o, self.target_cells, self.d_o, self.d_h]
        for group in groups:
            group.v = p.v_rest
        low, high = float(p.v_rest), float(p.v_threshold)
        self.h.v_ = low + (high - low) * (np.arange(hidden) * 0.618034 % 1)
        learning = [
            self._learning(pre, post, name, weights[name], unit)
            for pre, post, name, unit in (
                (self.x, self.h, "x -> h1", "unit"),
                (self.h, self.o, "h1 -> output", "unit"),
                (self.d_o, self.d_h, "delta_output -> delta_h1", "error_unit"),
            )
        ]
        told = [
            self._told(self.o, self.d_o, "drive_post += {side}1 / (unit * tau_syn)"),
            self._told(self.target_cells, self.d_o, "drive_post -= {side}1 / (unit * tau_syn)"),
            self._told(self.h, self.d_h, "taught_post += {side}1 / (unit * tau_trace)"),
            self._told(self.d_h, self.h, "taught_post += {side}1 / (error_unit * tau_trace)"),
            self._told(self.d_o, self.o, "taught_post += {side}1 / (error_unit * tau_trace)"),
        ]
        for group, table in ((self.x, "data"), (self.target_cells, "targets")):
            group.run_regularly(f"shown = {table}(t - begin, i)", dt=p.present_time, when="start")
        change = "bias -= eta(t - begin) * (taught + lam * bias)"
        for group in (self.h, self.o):
            group.run_regularly(change, dt=p.present_time, when="start")
        self.network = Network(*groups, *learning, *told)

    def _signed(self, n: int, equations: str, unit: str) -> NeuronGroup:
        return NeuronGroup(
            n,
            equations + _TRACES.format(tau="tau_mem_signed") + _SIGNED,
            threshold=_SIGNED_THRESHOLD,
            reset=_RESET.format(side="side * ", unit=unit),
            method="euler",
            dt=self.p.dt,
        )

    def _side(self, pre: NeuronGroup) -> str:
        return "" if pre is self.h else "side_pre * "

    def _told(self, pre: NeuronGroup, post: NeuronGroup, code: str) -> Synapses:
        synapses = Synapses(pre, post, on_pre=code.format(side=self._side(pre)), dt=self.p.dt)
        synapses.connect(j="i")
        return synapses

    def _learning(
        self, pre: NeuronGroup, post: NeuronGroup, name: str, w_JI: np.ndarray, unit: str
    ) -> Synapses:
        arriving = f"drive_post += {self._side(pre)}w / ({unit} * tau_syn)"
        synapses = Synapses(pre, post, "w : 1", on_pre=arriving, dt=self.p.dt)
        synapses.connect()
        synapses.w = w_JI.T.ravel()
        change = "w -= eta(t - begin) * (taught_post * activity_pre + lam * w)"
        synapses.run_regularly(change, dt=self.p.present_time, when="start")
        self.w[name] = (synapses, w_JI.shape)
        return synapses

    def learn(self, x: np.ndarray, y: np.ndarray) -> None:
        """Every sample once; as ours does, the output is recorded to be read."""
        p, steps = self.p, len(x)
        if self.target != STANDALONE:
            prefs.codegen.target = self.target
        named = "tau_mem tau_mem_signed tau_syn tau_trace v_rest v_threshold gate_threshold".split()
        # What a sample teaches is learned at its end, where the next trial begins.
        eta = np.concatenate([[0.0], RATE * np.ones(steps)])
        # Named and as long in each turn, or compiled targets would compile anew.
        tables = {"data": x, "targets": np.eye(len(self.o))[y], "eta": eta}
        monitor = StateMonitor(self.o, "activity", record=True, dt=p.plasticity_dt, when="end")
        self.network.add(monitor)
        self.network.run(
            (steps + 1) * p.present_time,
            namespace={
                **{name: getattr(p, name) for name in named},
                "unit": p.unit,
                "error_unit": p.error_unit,
                "lam": DECAY / RATE,
                "begin": self.network.t,
                **{
                    name: TimedArray(values, dt=p.present_time, name=f"by_hand_{name}")
                    for name, values in tables.items()
                },
            },
        )
        self.network.remove(monitor)

    def weight(self, name: str) -> np.ndarray:
        """Present weights, (post, pre)."""
        synapses, (n_post, n_pre) = self.w[name]
        return np.array(synapses.w).reshape(n_pre, n_post).T


# -- pair --------------------------------------------------------------------------------------


def random_task(sizes: Sequence[int], samples: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(samples, sizes[0])), rng.integers(0, sizes[-1], samples)


def generated(circuit: Circuit, target: str, **how) -> SpikingNetwork:
    net = SpikingNetwork(circuit, target=target, seed=0, **how)
    net.rates.forward_rate = net.rates.feedback_rate = RATE
    net.rates.forward_decay = net.rates.feedback_decay = DECAY
    return net


def contenders(target: str, **how) -> tuple[SpikingNetwork, ByHand]:
    """Ours, and the one by hand with the same weights."""
    ours = generated(parse_rule("kp").wire(mlp(SIZES)), target, **how)
    return ours, ByHand(ours.weights(), ours.parameters, target)


def check_same_weights(ours: SpikingNetwork, by_hand: ByHand) -> None:
    """Both have learned the same; raises SystemExit if they have not."""
    for name in ours.weights():
        if not np.allclose(ours.weight(name), by_hand.weight(name), rtol=1e-7, atol=1e-9):
            gap = np.abs(ours.weight(name) - by_hand.weight(name)).max()
            raise SystemExit(f"{name}: ours and the one by hand differ by {gap:.2g}")


def cpu_s(who: int = resource.RUSAGE_SELF) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def pair(chosen: argparse.Namespace) -> None:
    x, y = random_task(SIZES, chosen.samples)
    compiled = chosen.target == STANDALONE
    who = resource.RUSAGE_CHILDREN if compiled else resource.RUSAGE_SELF
    turns = (_compiled_turns if compiled else _interpreted_turns)(chosen.target, x, y)
    seconds: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(chosen.rounds):
        for name, turn in turns.items():
            began = cpu_s(who)
            turn()
            seconds[name].append(cpu_s(who) - began)
    ratio = paired_ratio(seconds["ours"], seconds["by hand"])
    print(f"{'-'.join(map(str, SIZES))}, {chosen.samples} samples a turn, {chosen.rounds} rounds")
    print(f"{chosen.target}; CPU seconds; {hardware_line()}")
    for name, taken in seconds.items():
        print(f"{name:8} {np.median(taken):7.3f} s a turn")
    print(f"ratio    {ratio.median:7.3f}   quartiles {ratio.low:.3f}-{ratio.high:.3f}")


Turns = dict[str, Callable[[], object]]


def _interpreted_turns(target: str, x: np.ndarray, y: np.ndarray) -> Turns:
    """Both, built and checked to learn the same; each turn goes on from the last one."""
    ours, by_hand = contenders(target)
    turns: Turns = {
        "ours": lambda: ours.present(x, y, learn=True),
        "by hand": lambda: by_hand.learn(x, y),
    }
    for turn in turns.values():
        turn()
    check_same_weights(ours, by_hand)
    return turns


def _compiled_turns(target: str, x: np.ndarray, y: np.ndarray) -> Turns:
    """Both as programs, built and checked to end with the same weights; each turn begins anew."""
    began = _all_cpu_s()
    circuit = parse_rule("kp").wire(mlp(SIZES))
    ours = generated(circuit, target, chunk=len(x), cache=False)
    start = ours.weights()
    ours.present(x, y, learn=True)
    print(f"ours     {_all_cpu_s() - began:7.1f} s to build and run once", flush=True)
    began = _all_cpu_s()
    set_device(target, build_on_run=False)
    by_hand = ByHand(start, ours.parameters, target)
    by_hand.learn(x, y)
    device.build(directory=tempfile.mkdtemp(prefix="by_hand_"), with_output=False)
    print(f"by hand  {_all_cpu_s() - began:7.1f} s to build and run once", flush=True)
    check_same_weights(ours, by_hand)

    def anew() -> None:
        ours.restart(0)
        ours.present(x, y, learn=True)

    return {"ours": anew, "by hand": lambda: device.run(with_output=False)}


def _all_cpu_s() -> float:
    return cpu_s() + cpu_s(resource.RUSAGE_CHILDREN)


# -- scale -------------------------------------------------------------------------------------


def measure(cells: int, target: str, samples: int, threads: int = 0) -> dict[str, float]:
    """One size, in this process."""
    circuit = parse_rule("kp").wire(mlp((cells, cells, 10)))
    net = generated(circuit, target, chunk=samples, threads=threads)
    x, y = random_task((cells, 10), samples)
    first = net.present(x, y, learn=True)
    again = net.present(x, y, learn=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if _MAC else 1024)
    synapses = sum(w.size for w in net.weights().values())
    return {
        "cells": sum(c.size for c in circuit.populations.values()),
        "synapses": synapses,
        "seconds_per_second": again.wall_s / again.simulated_s,
        "build_s": first.wall_s - again.wall_s,
        "peak_mib": peak / MIB,
    }


_MAC = sys.platform == "darwin"  # where the peak is in bytes


def scale(chosen: argparse.Namespace) -> None:
    if chosen.one:
        one = measure(chosen.one, chosen.target, chosen.samples, chosen.threads)
        print(json.dumps(one))
        return
    print(f"{chosen.target}; {hardware_line()}")
    print(f"{'cells':>8}{'synapses':>11}{'s per s':>10}{'build s':>10}{'peak MiB':>10}")
    records = []
    for cells in chosen.cells:
        command = [sys.executable, __file__, "scale", "--one", str(cells)]
        command += ["--target", chosen.target, "--samples", str(chosen.samples)]
        command += ["--threads", str(chosen.threads)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{cells} cells: {done.stderr.strip().splitlines()[-1]}")
        record = json.loads(done.stdout.splitlines()[-1])
        records.append(record)
        print(
            f"{record['cells']:8,}{record['synapses']:11,}{record['seconds_per_second']:10.2f}"
            f"{record['build_s']:10.1f}{record['peak_mib']:10.0f}",
            flush=True,
        )
    if chosen.out:
        draw_scale(records, chosen.target, chosen.out)
        print("saved", chosen.out)


def draw_scale(records: Sequence[dict[str, float]], target: str, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.2), layout="constrained")
    figure.suptitle(f"Kolen-Pollack learning, target {target}; numbers count cells", fontsize=10)
    time_ax, memory_ax = figure.subplots(1, 2)
    synapses = [record["synapses"] for record in records]
    for ax, key, label in (
        (time_ax, "seconds_per_second", "wall time / simulated time"),
        (memory_ax, "peak_mib", "peak memory (MiB)"),
    ):
        ax.semilogx(synapses, [record[key] for record in records], "o-", color="#0072B2")
        ax.set_xlabel("synapses with weights")
        ax.set_ylabel(label)
        ax.grid(True, color="#E6E6E6", lw=0.6)
    time_ax.set_yscale("log")
    memory_ax.set_ylim(bottom=0)
    for record in records:
        at = record["synapses"], record["seconds_per_second"]
        time_ax.annotate(f"{record['cells']:,}", at, (-4, 6), **_BESIDE)
    time_ax.margins(x=0.12, y=0.12)
    figure.savefig(path, dpi=90)


_BESIDE = {"textcoords": "offset points", "ha": "right", "fontsize": 7.5}


# -- real time ---------------------------------------------------------------------------------


def realtime(chosen: argparse.Namespace) -> None:
    from oneway.training import load_data
    from oneway.training.spiking.run import samples

    circuit = parse_rule(chosen.rule).wire(parse_circuit(chosen.circuit))
    data = load_data("digits", shape=circuit.inputs[0].shape)
    x, y = (values[: chosen.samples] for values in samples(data, "train"))
    how = {"threads": chosen.threads, "chunk": len(y), "cache": False}
    net = generated(circuit, STANDALONE, **how)
    first = net.present(x, y, learn=True)
    factors = []
    for _ in range(chosen.rounds):
        began = cpu_s(resource.RUSAGE_CHILDREN)
        again = net.present(x, y, learn=True)
        factors.append(again.simulated_s / (cpu_s(resource.RUSAGE_CHILDREN) - began))
    print(f"{chosen.circuit}, {chosen.rule}, {len(y)} digits, C++ standalone; {hardware_line()}")
    print(f"compiled and run once in {first.wall_s:.0f} s")
    low, high = min(factors), max(factors)
    print(f"{np.median(factors):.1f} times real time, {low:.1f} to {high:.1f}")


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    commands = parser.add_subparsers(required=True)
    for name, run, shown in (("pair", pair, 30), ("scale", scale, 10), ("realtime", realtime, 360)):
        command = commands.add_parser(name)
        command.set_defaults(run=run)
        command.add_argument("--samples", type=int, default=shown, help="of 100 ms, in each turn")
        if name != "realtime":
            command.add_argument(
                "--target", default="numpy", help="numpy, cython or cpp_standalone"
            )
        if name != "scale":
            command.add_argument("--rounds", type=int, default=7)
    scaled, real = commands.choices["scale"], commands.choices["realtime"]
    scaled.add_argument("--cells", type=int, nargs="+", default=CELLS)
    scaled.add_argument("--out", type=Path, help="picture")
    scaled.add_argument("--one", type=int, help=argparse.SUPPRESS)
    real.add_argument("--circuit", default="mlp:64-48-48-10")
    real.add_argument("--rule", default="kp")
    for threaded in (scaled, real):
        threaded.add_argument("--threads", type=int, default=0, help="OpenMP threads")
    return parser.parse_args()


if __name__ == "__main__":
    chosen = options()
    chosen.run(chosen)
