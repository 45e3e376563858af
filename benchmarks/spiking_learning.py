"""Whether spiking circuits learn the 8×8 digits: rules side by side, and each beside its rates.

For every rule and seed one run of leaky integrate-and-fire cells (C++ standalone; the program of a
rule is built once), and one of the same circuit trained as rates for as many epochs, with nearly
the same change for each sample. A table, also as markdown, has for each rule: accuracy on the test
samples after the last epoch (mean, standard deviation, each seed), that as rates, pairs of
cells joined both ways as `oneway check` counts them (in brackets with gates), weight transport, and
the angle of each feedback drive to its partner.

Every finished run is a file in the folder; those that are there are not run again, so that an
interrupted benchmark goes on where it was. With --quick a few samples and the numpy target.

Several time steps make a row each: a finer one should change nothing.

    python benchmarks/spiking_learning.py [FOLDER] [--rules fa kp wm asap,k=2,gate=local]
        [--seeds 0 1 2] [--dt 1 0.5 0.25] [--epochs 10] [--circuit mlp:64-48-48-10] [--quick]
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from brian2 import ms

from oneway.analysis import check_wiring
from oneway.backends.spiking import SpikingParameters
from oneway.circuits import Circuit, parse_circuit
from oneway.rules import parse_rule
from oneway.training import TrainingError, load_data
from oneway.training.config import TrainConfig
from oneway.training.data.dataset import DataSet
from oneway.training.hardware import hardware_line
from oneway.training.loop import train
from oneway.training.spiking.config import SpikingConfig
from oneway.training.spiking.run import SpikingRun

RULES = ("fa", "kp", "wm,bias_blocking=yes", "asap,k=2,gate=local")
# A sample changes weights by lr / (1 - momentum) / batch_size = 0.0125 of its gradient.
AS_RATES: dict[str, Any] = {"batch_size": 16, "lr": 0.02, "momentum": 0.9, "schedule": "cosine"}
TITLES = (
    "rule",
    "dt (ms)",
    "test %",
    "each seed",
    "as rates %",
    "joined",
    "transport",
    "angles (°)",
)

Result = dict[str, Any]


def learn(
    rule_name: str,
    circuit: Circuit,
    data: DataSet,
    configs: Sequence[SpikingConfig],
    folder: Path,
    dt_ms: float,
) -> list[Result]:
    """One result for each seed, from its file or from a run."""
    rule, network, results = parse_rule(rule_name), None, []
    wired = rule.wire(circuit)
    for config in configs:
        name = re.sub("[^a-z0-9]+", "_", rule_name)
        file = folder / f"{name}_dt{dt_ms:g}_seed{config.seed}.json"
        if file.exists():
            results.append(json.loads(file.read_text()))
            continue
        label = f"{rule_name}, dt {dt_ms:g} ms, seed {config.seed}"
        parameters = SpikingParameters(dt=dt_ms * ms)
        run = SpikingRun(
            wired,
            data,
            config,
            parameters=parameters,
            network=network,
            notify=lambda text: print(text, flush=True),
            label=label,
        )
        network = run.network
        result = run.run().as_dict(rule=rule_name)
        as_rates = TrainConfig(epochs=config.epochs, seed=config.seed, **AS_RATES)
        result["rates_accuracy"] = train(wired, data, as_rates, rule=rule).test_accuracy
        result["joined"] = pairs(wired)
        file.write_text(json.dumps(result))
        print(
            f"{label}: {per_cent(result['accuracy'])} %, {result['simulated_s']:.0f} s simulated "
            f"in {result['wall_s']:.0f} s",
            flush=True,
        )
        results.append(result)
    return results


def pairs(wired: Circuit) -> str:
    verdict = check_wiring(wired)
    return f"{verdict.papers} ({verdict.all})"


def per_cent(accuracy: float) -> str:
    return f"{100 * accuracy:.1f}"


def row(rule: str, dt_ms: float, results: Sequence[Result]) -> tuple[str, ...]:
    """What the table says of a rule at a time step."""
    spikes = [100 * result["accuracy"] for result in results]
    rates = [100 * result["rates_accuracy"] for result in results]
    angles = {
        drive: np.mean([result["angles_deg"][drive] for result in results])
        for drive in results[0]["angles_deg"]
    }
    return (
        f"`{rule}`",
        f"{dt_ms:g}",
        mean_and_deviation(spikes),
        " ".join(f"{accuracy:.1f}" for accuracy in spikes),
        mean_and_deviation(rates),
        results[0]["joined"],
        results[0]["weight_transport"],
        ", ".join(f"{drive.split(' -> ')[1]} {angle:.0f}" for drive, angle in angles.items()),
    )


def mean_and_deviation(values: Sequence[float]) -> str:
    deviation = f" ± {np.std(values, ddof=1):.1f}" if len(values) > 1 else ""
    return f"{np.mean(values):.1f}{deviation}"


def markdown(rows: Sequence[Sequence[str]]) -> str:
    lines = [TITLES, ["---"] * len(TITLES), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main(given: argparse.Namespace) -> str:
    given.folder.mkdir(parents=True, exist_ok=True)
    circuit = parse_circuit(given.circuit)
    limit = (60, 20) if given.quick else None
    data = load_data("digits", shape=circuit.inputs[0].shape, limit=limit)
    quick = {"epochs": 1, "seconds": 1.5, "interlude": 1.5, "measurements": 1, "target": "numpy"}
    settings: dict[str, Any] = {"epochs": given.epochs, "target": "cpp_standalone"}
    settings |= quick if given.quick else {}
    configs = [SpikingConfig(seed=seed, **settings) for seed in given.seeds]
    rows = []
    for rule, dt_ms in itertools.product(given.rules, given.dt):
        rows.append(row(rule, dt_ms, learn(rule, circuit, data, configs, given.folder, dt_ms)))
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
    parser.add_argument("folder", nargs="?", type=Path, default=Path("out/spiking_learning"))
    parser.add_argument("--rules", nargs="+", default=RULES, metavar="RULE")
    parser.add_argument("--seeds", nargs="+", type=int, default=(0, 1, 2), metavar="N")
    parser.add_argument("--dt", nargs="+", type=float, default=(1.0,), metavar="MS")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--circuit", default="mlp:64-48-48-10")
    parser.add_argument("--quick", action="store_true", help="few samples, to see that it runs")
    try:
        main(parser.parse_args())
    except (ValueError, TrainingError) as error:
        parser.error(str(error))
