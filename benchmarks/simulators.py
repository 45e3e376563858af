"""The same plastic network in oneway, in plain Brian2 and in NEST: time of a simulated second.

Poisson trains of 10 Hz, the same for all, drive leaky integrate-and-fire cells through all-to-all
synapses that learn by pair-based STDP (additive, all pairs, τ = 20 ms on either side). Nothing but
what all three can express: currents that fade within 5 ms, membranes of 20 ms, refractory for 2 ms.

- oneway: a circuit, a `Dynamics` and a `SpikeWindow`; C++ standalone.
- brian2: the script that Brian2's documentation has for STDP, event-driven traces in each synapse,
  with the same constants; C++ standalone.
- nest: `iaf_psc_exp` and `stdp_synapse_hom`, where `import nest` works (`pip install
  nest-simulator`, in an environment of its own with --nest PYTHON).

Each is a process that builds once and then takes turns with the others; a turn starts from the
same weights. Its seconds are of the simulation alone, without building, wiring or reading out. All
have to fire at the same rate within 3 % and to learn the same: changes of all weights correlate by
0.85 or more; in NEST a spike takes a step more to arrive, and Brian2's script counts two spikes in
one step as a pair. Prints a table.

    python benchmarks/simulators.py [--cells 100 316 1000] [--dt 0.1] [--seconds 2] [--rounds 5]
        [--threads 1] [--nest PYTHON] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

# ms and mV; of a pair of spikes, the part of the mean weight by which it changes a synapse.
TAU_MEM, TAU_SYN, TAU_STDP, REFRACTORY = 20.0, 5.0, 20.0, 2.0
REST, THRESHOLD = -70.0, -50.0
RATE_HZ, MEAN_CURRENT_MV = 10.0, 24.0
UP, DOWN = 1e-3, -1.05e-3

Turn = Callable[[], None]
Result = dict[str, Any]


def task(cells: int, seconds: float, dt: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times (ms) and cells of the input's spikes, and weights (post, pre) in mV, seed 0."""
    rng = np.random.default_rng(0)
    steps = round(1000 * seconds / dt)
    fire = rng.random((steps - 2, cells)) < RATE_HZ * dt / 1000
    # In the end all fire, since NEST's synapses are up to date when a spike comes. In a first step
    # none do, as NEST takes no spike at time 0.
    step, cell = np.nonzero(np.vstack([fire, np.ones(cells, bool)]))
    jump = MEAN_CURRENT_MV / (cells * RATE_HZ * TAU_SYN / 1000)
    return (step + 1) * dt, cell, jump * rng.uniform(0.5, 1.5, (cells, cells))


class Ours:
    """The circuit; its cells integrate exactly."""

    who = resource.RUSAGE_CHILDREN

    def __init__(self, given: argparse.Namespace) -> None:
        from brian2 import ms, mV

        from oneway.backends.spiking import (
            Dynamics,
            SpikeData,
            SpikingNetwork,
            SpikingParameters,
        )
        from oneway.backends.spiking import Spikes as Train
        from oneway.circuits import ACTIVITY, AllToAllConnector, SpikeWindow, Wiring

        times, cell, weights = task(given.cells, given.seconds, given.dt)
        wiring = Wiring("stdp")
        x = wiring.population("x", (given.cells,))
        h = wiring.population("h", (given.cells,), activation="relu")
        drive = wiring.connect(x, h, AllToAllConnector(), name="drive")
        window = SpikeWindow.exponential(UP, DOWN, TAU_STDP, TAU_STDP)
        wiring.learn(drive, pre=ACTIVITY, post=ACTIVITY, window=window, rate=1.0, decay=0.0)
        # Euler's steps are the exact solution, as the others have it, with these constants.
        leak, fade = (1 - np.exp(-given.dt / tau) for tau in (TAU_MEM, TAU_SYN))
        felt = TAU_SYN / (TAU_MEM - TAU_SYN) * (fade - leak)
        parameters = SpikingParameters(
            dt=given.dt * ms,
            tau_syn=given.dt / fade * ms,
            v_rest=REST * mV,
            v_threshold=THRESHOLD * mV,
            present_time=given.seconds * 1000 * ms,
        )
        # A weight of 1, the mean one, adds 1 / (unit τ) to the input.
        self.mean = weights.mean()
        each = float(parameters.unit * parameters.tau_syn) * self.mean
        cells = Dynamics(
            "lif",
            "dv/dt = ((v_rest - v) * leak + own * felt) / dt : volt (unless refractory)",
            threshold="v > v_threshold",
            reset="v = v_rest",
            refractory=f"{REFRACTORY}*ms",
            start={"v": "v_rest"},
            constants={"leak": leak, "felt": felt * each * mV},
        )
        self.net = SpikingNetwork(
            wiring.build(),
            parameters,
            dynamics=cells,
            target="cpp_standalone",
            chunk=1,
            threads=given.threads if given.threads > 1 else 0,
        )
        self.net.rates.forward_decay = 0.0
        self.start = weights / self.mean
        self.given = SpikeData(
            {"x": Train(times / 1000 + given.dt / 4000, cell, paired=True)},
            {"x": given.cells},
            0.0,
            given.seconds,
        )

    def reset(self) -> None:
        self.net.restart(0)
        self.net.set_weights({"drive": self.start})

    def turn(self) -> None:
        self.shown = self.net.present(self.given, learn=True, record=["h.spikes"])

    def result(self) -> tuple[int, np.ndarray]:
        return len(self.shown.spikes["h"]), self.net.weight("drive") * self.mean


class PlainBrian2:
    """As Brian2's documentation writes STDP."""

    who = resource.RUSAGE_CHILDREN

    def __init__(self, given: argparse.Namespace) -> None:
        import brian2 as b

        times, cell, weights = task(given.cells, given.seconds, given.dt)
        b.prefs.devices.cpp_standalone.openmp_threads = given.threads if given.threads > 1 else 0
        b.set_device("cpp_standalone", build_on_run=False)
        b.defaultclock.dt = given.dt * b.ms
        constants = {
            "tau_mem": TAU_MEM * b.ms,
            "tau_syn": TAU_SYN * b.ms,
            "tau_stdp": TAU_STDP * b.ms,
            "v_rest": REST * b.mV,
            "up": UP * weights.mean() * b.mV,
            "down": DOWN * weights.mean() * b.mV,
        }
        inputs = b.SpikeGeneratorGroup(given.cells, cell, times * b.ms)
        equations = """
        dv/dt = (v_rest - v + current) / tau_mem : volt (unless refractory)
        dcurrent/dt = -current / tau_syn : volt
        """
        group = b.NeuronGroup(
            given.cells,
            equations,
            threshold=f"v > {THRESHOLD}*mV",
            reset="v = v_rest",
            refractory=REFRACTORY * b.ms,
            method="exact",
            namespace=constants,
        )
        group.v = REST * b.mV
        self.synapses = b.Synapses(
            inputs,
            group,
            """
            w : volt
            dpre/dt = -pre / tau_stdp : 1 (event-driven)
            dpost/dt = -post / tau_stdp : 1 (event-driven)
            """,
            on_pre="current_post += w\npre += 1\nw += down * post",
            on_post="post += 1\nw += up * pre",
            namespace=constants,
        )
        self.synapses.connect()
        self.synapses.w = weights.T.ravel() * b.mV
        self.spikes = b.SpikeMonitor(group, record=False)
        self.shape = weights.shape
        b.Network(inputs, group, self.synapses, self.spikes).run(given.seconds * b.second)
        b.device.build(tempfile.mkdtemp(prefix="plain_brian2_"), run=False)
        self.device = b.device

    def reset(self) -> None:
        """A program begins anew whenever it runs."""

    def turn(self) -> None:
        self.device.run(with_output=False)

    def result(self) -> tuple[int, np.ndarray]:
        fired = int(self.spikes.num_spikes)
        return fired, 1000 * np.array(self.synapses.w).reshape(self.shape[::-1]).T


class Nest:
    """With a capacity of τ, `iaf_psc_exp` has the membrane of the others: τ V' = −V + I."""

    who = resource.RUSAGE_SELF

    def __init__(self, given: argparse.Namespace) -> None:
        self.given, self.task = given, task(given.cells, given.seconds, given.dt)

    def reset(self) -> None:
        import nest

        given, (times, cell, weights) = self.given, self.task
        nest.ResetKernel()
        nest.verbosity = nest.VerbosityLevel.ERROR
        nest.SetKernelStatus({"resolution": given.dt, "local_num_threads": given.threads})
        trains = [{"spike_times": times[cell == i]} for i in range(given.cells)]
        inputs = nest.Create("spike_generator", given.cells, params=trains)
        self.pre = nest.Create("parrot_neuron", given.cells)
        # Brian2 holds a membrane for a step less than t_ref says here.
        how = {"C_m": TAU_MEM, "tau_m": TAU_MEM, "E_L": REST, "V_reset": REST, "V_m": REST}
        how |= {"V_th": THRESHOLD, "t_ref": REFRACTORY - given.dt, "tau_minus": TAU_STDP}
        how |= {"tau_syn_ex": TAU_SYN, "tau_syn_in": TAU_SYN}
        self.post = nest.Create("iaf_psc_exp", given.cells, params=how)
        # Additive: Δw = λ w_max K₊ after, −α λ w_max K₋ before. No weight comes near w_max.
        most = 1000 * weights.mean()
        rule = {"Wmax": most, "lambda": UP * weights.mean() / most, "alpha": -DOWN / UP}
        rule |= {"mu_plus": 0.0, "mu_minus": 0.0, "tau_plus": TAU_STDP}
        nest.SetDefaults("stdp_synapse_hom", rule)
        nest.Connect(inputs, self.pre, "one_to_one", {"delay": given.dt})
        synapse = {"synapse_model": "stdp_synapse_hom", "weight": weights, "delay": given.dt}
        nest.Connect(self.pre, self.post, "all_to_all", synapse)
        self.fired = nest.Create("spike_recorder")
        nest.Connect(self.post, self.fired)
        nest.Prepare()
        self.nest = nest

    def turn(self) -> None:
        self.nest.Run(1000 * self.given.seconds)

    def result(self) -> tuple[int, np.ndarray]:
        self.nest.Cleanup()
        found = self.nest.GetConnections(self.pre, self.post).get(["source", "target", "weight"])
        i, j = np.array(found["source"]), np.array(found["target"])
        w = np.zeros((self.given.cells, self.given.cells))
        w[j - j.min(), i - i.min()] = found["weight"]
        return int(self.fired.n_events), w


CONTENDERS = {"oneway": Ours, "brian2": PlainBrian2, "nest": Nest}


# -- one process a contender -------------------------------------------------------------------


def work(given: argparse.Namespace) -> None:
    """Build, then answer each line that comes in with what a turn took."""
    began = time.perf_counter()
    contender = CONTENDERS[given.one](given)
    contender.reset()
    contender.turn()
    fired, weights = contender.result()
    np.save(given.to, weights)
    built = {"build_s": time.perf_counter() - began, "fired": fired}
    print("RESULT", json.dumps(built), flush=True)
    for _ in sys.stdin:
        contender.reset()
        wall, cpu = time.perf_counter(), cpu_s(contender.who)
        contender.turn()
        taken = {"wall_s": time.perf_counter() - wall, "cpu_s": cpu_s(contender.who) - cpu}
        taken["peak_mib"] = resource.getrusage(contender.who).ru_maxrss / 1024
        print("RESULT", json.dumps(taken), flush=True)


def cpu_s(who: int) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


class Worker:
    """A contender in a process of its own."""

    def __init__(self, name: str, python: str, given: argparse.Namespace, cells: int) -> None:
        self.name, self.to = name, Path(given.folder) / f"{name}.npy"
        command = [python, __file__, "--one", name, "--to", str(self.to), "--cells", str(cells)]
        command += ["--dt", str(given.dt), "--seconds", str(given.seconds)]
        command += ["--threads", str(given.threads)]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.built = self._answer()

    def turn(self) -> Result:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> Result:
        assert self.process.stdout is not None and self.process.stderr is not None
        for line in self.process.stdout:
            if line.startswith("RESULT "):
                return json.loads(line.removeprefix("RESULT "))
        said = self.process.stderr.read().strip().splitlines() or ["it ended without a word"]
        raise SystemExit(f"{self.name}: {said[-1]}")

    def end(self) -> None:
        self.process.communicate("")


def has_nest(python: str) -> bool:
    return subprocess.run([python, "-c", "import nest"], capture_output=True).returncode == 0


# -- all of them -------------------------------------------------------------------------------


def compete(given: argparse.Namespace, cells: int, pythons: dict[str, str]) -> dict[str, Result]:
    workers = [Worker(name, python, given, cells) for name, python in pythons.items()]
    weights = {worker.name: np.load(worker.to) for worker in workers}
    start = task(cells, given.seconds, given.dt)[2]
    turns: dict[str, list[Result]] = {worker.name: [] for worker in workers}
    for _ in range(given.rounds):
        for worker in workers:
            turns[worker.name].append(worker.turn())
    results = {}
    ours = workers[0]
    for worker in workers:
        worker.end()
        taken = turns[worker.name]
        results[worker.name] = {
            **worker.built,
            "hz": worker.built["fired"] / cells / given.seconds,
            "alike": float(
                np.corrcoef(
                    (weights[worker.name] - start).ravel(), (weights[ours.name] - start).ravel()
                )[0, 1]
            ),
            "seconds": [turn[given.clock] / given.seconds for turn in taken],
            "ratio": [
                turn[given.clock] / own[given.clock]
                for turn, own in zip(taken, turns[ours.name], strict=True)
            ],
            "peak_mib": max(turn["peak_mib"] for turn in taken),
        }
    check(results)
    return results


def check(results: dict[str, Result]) -> None:
    """All did the same; raises SystemExit if they did not."""
    expected = results["oneway"]["hz"]
    for name, found in results.items():
        if not expected or abs(found["hz"] / expected - 1) > 0.03 or found["alike"] < 0.85:
            raise SystemExit(
                f"{name} fires at {found['hz']:.2f} Hz, oneway at {expected:.2f} Hz, and changes "
                f"of weights correlate by {found['alike']:.3f}: not the same network"
            )


def main(given: argparse.Namespace) -> None:
    from oneway.training.hardware import hardware_line

    pythons = {"oneway": sys.executable, "brian2": sys.executable}
    if has_nest(given.nest):
        pythons["nest"] = given.nest
    else:
        print("without NEST: `import nest` fails. pip install nest-simulator, or --nest PYTHON")
    clock = {"cpu_s": "CPU", "wall_s": "wall"}[given.clock]
    print(f"{hardware_line()}; dt {given.dt:g} ms, {given.seconds:g} s, {given.threads} thread(s)")
    print(f"{'synapses':>10}  {'':8}{'Hz':>6}{'alike':>7}{'build s':>9}{'MiB':>7}", end="")
    print(f"   {clock} s a simulated second (all turns)   of oneway's")
    everything = {}
    for cells in given.sizes:
        everything[cells] = compete(given, cells, pythons)
        for name, found in everything[cells].items():
            seconds, ratio = found["seconds"], found["ratio"]
            print(
                f"{cells**2:10,}  {name:8}{found['hz']:6.1f}{found['alike']:7.3f}"
                f"{found['build_s']:9.1f}{found['peak_mib']:7.0f}   {np.median(seconds):7.3f} "
                f"({min(seconds):.3f} to {max(seconds):.3f})   {np.median(ratio):6.2f} "
                f"({min(ratio):.2f} to {max(ratio):.2f})",
                flush=True,
            )
    if given.json:
        given.json.write_text(json.dumps(everything, indent=1))


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cells", type=int, nargs="+", default=[100, 316, 1000], dest="sizes")
    parser.add_argument("--dt", type=float, default=0.1, help="ms")
    parser.add_argument("--seconds", type=float, default=2.0, help="simulated in a turn")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--nest", default=sys.executable, metavar="PYTHON", help="that has NEST")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--one", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--to", help=argparse.SUPPRESS)
    given = parser.parse_args()
    given.clock = "cpu_s" if given.threads == 1 else "wall_s"
    given.cells = given.sizes[0]
    return given


if __name__ == "__main__":
    chosen = options()
    if chosen.one:
        work(chosen)
    else:
        with tempfile.TemporaryDirectory() as chosen.folder:
            main(chosen)
