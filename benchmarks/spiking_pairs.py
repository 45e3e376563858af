"""What it costs that the two cells of a push-pull pair share neither a membrane nor a weight.

For every rule, seed and kind of pairs one run on the 8×8 digits (C++ standalone; a program is built
once for a rule). A table, also as markdown, has for each: accuracy on the test samples after the
last epoch (mean, standard deviation, each seed), membranes, weights, how far the copies of a weight
came apart (their deviation from its mean over the spread of the means, all drives), and CPU time of
a run whose program is there. The kind `unlike` is `told`, but with copies that start from a draw
each instead of alike.

Every finished run is a file in the folder; those that are there are not run again. With --quick a
few samples and the numpy target.

    python benchmarks/spiking_pairs.py [FOLDER] [--rules kp wm,bias_blocking=yes fa
        asap,k=2,gate=local] [--pairs shared told independent unlike] [--seeds 0 1 2] [--epochs 10]
        [--circuit mlp:64-48-48-10] [--rate 0.01] [--quick]
"""

from __future__ import annotations

import argparse
import json
import re
import resource
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from oneway.backends.spiking import SpikingNetwork
from oneway.circuits import PHI, Circuit, first_draw, parse_circuit
from oneway.rules import parse_rule
from oneway.training import TrainingError, load_data
from oneway.training.data.dataset import DataSet
from oneway.training.hardware import hardware_line
from oneway.training.spiking.config import SpikingConfig
from oneway.training.spiking.run import SpikingRun

RULES = ("kp", "wm,bias_blocking=yes", "fa", "asap,k=2,gate=local")
KINDS = ("shared", "told", "independent", "unlike")
TITLES = ("rule", "pairs", "test %", "each seed", "membranes", "weights", "apart", "CPU s")

Result = dict[str, Any]


def learn(
    rule: str,
    kind: str,
    circuit: Circuit,
    data: DataSet,
    configs: Sequence[SpikingConfig],
    to: Path,
) -> list[Result]:
    """One result for each seed, from its file or from a run."""
    wired, network, results = parse_rule(rule).wire(circuit), None, []
    for config in configs:
        file = to / f"{re.sub('[^a-z0-9]+', '_', rule)}_{kind}_seed{config.seed}.json"
        if not file.exists():
            label = f"{rule}, {kind} pairs, seed {config.seed}"
            built, began = network is not None, cpu_s()
            run = SpikingRun(wired, data, config, network=network, notify=print, label=label)
            network = run.network
            if kind == "unlike":
                draw_each(network, config.seed)
            found = {"accuracy": run.run().accuracy, **size(network)}
            found["cpu_s"] = cpu_s() - began if built else None
            file.write_text(json.dumps(found))
            print(f"{label}: {found}", flush=True)
        results.append(json.loads(file.read_text()))
    return results


def cpu_s() -> float:
    """Of this process and those that it has waited for."""
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(used.ru_utime + used.ru_stime for used in map(resource.getrusage, who))


def copies(network: SpikingNetwork, drive: str) -> np.ndarray:
    """The copies of each weight of a dense drive with the sign that it has: (copies, post, pre)."""
    p = network.circuit.projections[drive]
    post, pre = (network.circuit.populations[end].size for end in (p.post, p.pre))
    i, j, w = network.synapses(drive)
    sign = np.where(i < pre, 1, -1) * np.where(j < post, 1, -1)
    order = np.lexsort((i % pre, j % post, i // pre, j // post))
    return (sign * w)[order].reshape(-1, post, pre)


def draw_each(network: SpikingNetwork, seed: int) -> None:
    """Let every copy of a weight start from a first draw of its own."""
    for drive in network.weights():
        p = network.circuit.projections[drive]
        post, pre = (network.circuit.populations[end].size for end in (p.post, p.pre))
        i, j, _ = network.synapses(drive)
        sign = np.where(i < pre, 1, -1) * np.where(j < post, 1, -1)
        drawn = []
        for copy in range(4):
            first = first_draw(network.circuit, p, seed + 1000 * copy)
            drawn.append(first.T if p.connector.transposed else first)
        which = 2 * (j // post) + i // pre
        network.set_synapses(drive, sign * np.stack(drawn)[which, j % post, i % pre])


def size(network: SpikingNetwork) -> Result:
    """Membranes, weights, and how far copies are apart."""
    apart = network.pairs != "shared"
    units = network.circuit.populations.values()
    own = {drive: copies(network, drive) for drive in network.weights()}
    off = np.concatenate([(w - w.mean(axis=0)).ravel() for w in own.values()])
    means = np.concatenate([w.mean(axis=0).ravel() for w in own.values()])
    return {
        "membranes": sum(u.size * (2 if apart and PHI[u.activation].signed else 1) for u in units),
        "weights": sum(w.size for w in own.values()),
        "apart": float(off.std() / means.std()),
    }


def row(rule: str, kind: str, results: Sequence[Result]) -> tuple[str, ...]:
    """What the table says of a rule with one kind of pairs."""
    accuracies = [100 * result["accuracy"] for result in results]
    deviation = f" ± {np.std(accuracies, ddof=1):.1f}" if len(accuracies) > 1 else ""
    used = [result["cpu_s"] for result in results if result["cpu_s"] is not None]
    return (
        f"`{rule}`",
        kind,
        f"{np.mean(accuracies):.1f}{deviation}",
        " ".join(f"{accuracy:.1f}" for accuracy in accuracies),
        f"{results[0]['membranes']:,}",
        f"{results[0]['weights']:,}",
        f"{np.mean([result['apart'] for result in results]):.2f}",
        f"{min(used):.0f}" if used else "",
    )


def markdown(rows: Sequence[Sequence[str]]) -> str:
    lines = [TITLES, ["---"] * len(TITLES), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main(given: argparse.Namespace) -> str:
    given.folder.mkdir(parents=True, exist_ok=True)
    circuit = parse_circuit(given.circuit)
    limit = (60, 20) if given.quick else None
    data = load_data("digits", shape=circuit.inputs[0].shape, limit=limit)
    settings: dict[str, Any] = {"epochs": given.epochs, "target": "cpp_standalone"}
    settings |= {} if given.rate is None else {"rate": given.rate}
    if given.quick:
        settings |= {"epochs": 1, "seconds": 1.5, "interlude": 1.5, "target": "numpy"}
        settings |= {"measurements": 1}
    rows = []
    for rule in given.rules:
        for kind in given.pairs:
            pairs = "told" if kind == "unlike" else kind
            configs = [SpikingConfig(seed=seed, pairs=pairs, **settings) for seed in given.seeds]
            rows.append(row(rule, kind, learn(rule, kind, circuit, data, configs, given.folder)))
            (given.folder / "table.md").write_text(markdown(rows) + "\n")
    print(f"{circuit.name}, {configs[0].epochs} epochs, {data.n_test} test samples; seeds", end=" ")
    print(*given.seeds, sep=", ")
    print(hardware_line())
    print(markdown(rows))
    return markdown(rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path, default=Path("out/spiking_pairs"))
    parser.add_argument("--rules", nargs="+", default=RULES, metavar="RULE")
    parser.add_argument("--pairs", nargs="+", default=KINDS, choices=KINDS)
    parser.add_argument("--seeds", nargs="+", type=int, default=(0, 1, 2), metavar="N")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--rate", type=float, help="η; by default that of oneway spike")
    parser.add_argument("--circuit", default="mlp:64-48-48-10")
    parser.add_argument("--quick", action="store_true", help="few samples, to see that it runs")
    try:
        main(parser.parse_args())
    except (ValueError, TrainingError) as error:
        parser.error(str(error))
