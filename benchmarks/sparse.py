"""Memory and time of sparse circuits in spikes: from the description to the end of a short run.

Cells x -> h1 -> h2 -> output, h1 to h2 by `FixedProbabilityConnector`, wired by a rule: built,
checked, listed as an adjacency matrix, made into Brian2 objects, and shown one sample from which it
learns. Each size runs in a process of its own, whose peak memory it is.

    python benchmarks/sparse.py                                # 1e3, 1e4, 1e5 cells a layer
    python benchmarks/sparse.py --cells 10000 --synapses 1000000 --rule fa
"""

from __future__ import annotations

import argparse
import json
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


def stages(cells: int, synapses: int, rule: str) -> Iterator[tuple[str, Callable[[], Any]]]:
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
    """Seconds of each stage, and the peak of this process's memory."""
    seconds = {}
    for name, stage in stages(cells, synapses, rule):
        began = time.perf_counter()
        stage()
        seconds[name] = round(time.perf_counter() - began, 2)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
        print(f"{name} {seconds[name]} s, {peak:.2f} GiB", file=sys.stderr)
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
        done = subprocess.run([sys.executable, __file__, "--one", *size], stdout=subprocess.PIPE)
        found = done.stdout.decode() if done.returncode == 0 else f"failed ({done.returncode})"
        print(f"{cells:,} cells a layer, {synapses:,} synapses: {found.strip()}", flush=True)


if __name__ == "__main__":
    main()
