"""Memory and time of sparse circuits in spikes: from the description to the end of a short run.

Cells x -> h1 -> h2 -> output, h1 to h2 by `FixedProbabilityConnector`, wired by a rule: built,
checked, listed as a sparse matrix, made into Brian2 objects, and shown one sample from which it
learns. Shows the CPU seconds of each step and the peak memory of the process; each size runs in one
of its own. First draws of weights are not in the seconds. Seed 0, numpy, one thread.

    python benchmarks/sparse.py                    # 1e3, 1e4, 1e5 cells a layer; up to 1e7 synapses
    python benchmarks/sparse.py --cells 10000 --synapses 1000000 --rule fa
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from oneway.analysis import check_wiring
from oneway.backends.spiking import SpikingNetwork
from oneway.circuits import AllToAllConnector, Circuit, FixedProbabilityConnector, Wiring
from oneway.rules import parse_rule

SIZES = ((1_000, 10_000), (10_000, 1_000_000), (100_000, 10_000_000))


def sparse_circuit(cells: int, synapses: int, rule: str) -> Circuit:
    """Two hidden layers, joined by about so many synapses one way."""
    net = Wiring(f"sparse:{cells}")
    x = net.population("x", (10,))
    h1 = net.population("h1", (cells,), activation="relu", bias=True)
    h2 = net.population("h2", (cells,), activation="relu", bias=True)
    output = net.population("output", (10,), bias=True)
    net.connect(x, h1, AllToAllConnector())
    net.connect(h1, h2, FixedProbabilityConnector(synapses / cells**2))
    net.connect(h2, output, AllToAllConnector())
    return parse_rule(rule).wire(net.build())


def steps(cells: int, synapses: int, rule: str) -> Iterator[tuple[str, Callable[[], Any]]]:
    """What is timed, in order; each goes on from what came before."""
    x, y = np.ones((1, 10)), np.array([0])
    yield "circuit", lambda: sparse_circuit(cells, synapses, rule)
    circuit = sparse_circuit(cells, synapses, rule)
    yield "check", lambda: check_wiring(circuit)
    net = SpikingNetwork(circuit)
    yield "adjacency", lambda: net.adjacency("h1 -> h2")
    yield "objects", lambda: net._engine.prepare(circuit.reading.data_phases)
    yield "run", lambda: net.present(x, y, learn=True)


def measure(cells: int, synapses: int, rule: str) -> dict[str, float]:
    """CPU seconds of each step, and the peak of this process's memory."""
    seconds = {}
    for name, step in steps(cells, synapses, rule):
        began = time.process_time()
        step()
        seconds[name] = round(time.process_time() - began, 2)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 2**30
    return {**seconds, "peak_gib": round(peak, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int)
    parser.add_argument("--synapses", type=int, default=10_000_000)
    parser.add_argument("--rule", default="kp")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measure(given.cells, given.synapses, given.rule)))
        return
    sizes = SIZES if given.cells is None else ((given.cells, given.synapses),)
    for cells, synapses in sizes:
        size = ("--cells", str(cells), "--synapses", str(synapses), "--rule", given.rule)
        command, one = [sys.executable, __file__, "--one", *size], {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, stdout=subprocess.PIPE, env={**os.environ, **one})
        found = done.stdout.decode() if done.returncode == 0 else f"failed ({done.returncode})"
        print(f"{cells:,} cells a layer, {synapses:,} synapses: {found.strip()}", flush=True)


if __name__ == "__main__":
    main()
