"""ASAP with mimicry learns digits in spikes, and no two hidden cells are joined both ways.

Shows the claim of the ASAP paper (Woo et al. 2021) in leaky integrate-and-fire cells, and taken
further: with one-way gates not even φ′ goes from a hidden cell to its error cell. A layer learns
from what an earlier layer shares, which its cells mimic; the feedback weights get the same changes
and turn towards their partners. The wiring verdict, counted neuron by neuron, is printed beside the
accuracy, and so is what stays joined both ways, as under any supervised rule: each output cell with
the error cell that compares it and teaches it. With --all also Kolen-Pollack learning, which joins
every hidden pair both ways, and the floor: the same circuit with its hidden layers as drawn, where
only the output learns.

One seed, 5 epochs, C++ standalone: 820 s simulated. Here 93.3 % of 360 test digits without a single
hidden pair joined both ways; five minutes on two busy cores of an Intel Xeon, most of them the
compiler's.
With --quick the numpy target, which needs no compiler.

Usage: python spiking_asap_one_way.py [FOLDER] [--quick] [--all]     (FOLDER: by default ./out)
"""

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from oneway.analysis import check_wiring
from oneway.circuits import mlp
from oneway.rules import parse_rule
from oneway.training import load_data
from oneway.training.spiking.config import SpikingConfig
from oneway.training.spiking.files import figures
from oneway.training.spiking.result import SpikingResult
from oneway.training.spiking.run import SpikingRun

SIZES = (64, 48, 48, 10)
RULES = {
    "ASAP, one-way gates": "asap,k=2,gate=local",
    "Kolen-Pollack": "kp",
    "floor: only the output learns": "fa,frozen=hidden",
}
EPOCHS = 10


def learn(rule: str, samples: tuple[int, int], config: SpikingConfig) -> SpikingResult:
    data = load_data("digits", shape=SIZES[:1], limit=samples)
    run = SpikingRun(parse_rule(rule).wire(mlp(SIZES)), data, config, notify=print, label=rule)
    return run.run()


def row(name: str, result: SpikingResult) -> str:
    verdict = check_wiring(result.circuit, "all")
    return (
        f"{name:30} {100 * result.accuracy:7.1f} {verdict.papers:10} {verdict.all:12} "
        f"{verdict.weight_transport:>10}"
    )


def main(folder: Path, quick: bool, compare: bool = True) -> dict[str, SpikingResult]:
    folder.mkdir(parents=True, exist_ok=True)
    samples = (4, 2) if quick else (1437, 360)
    config = SpikingConfig(epochs=1 if quick else EPOCHS, measurements=2 if quick else 10)
    chosen = list(RULES.items())[: None if compare else 1]
    results = {name: learn(rule, samples, config) for name, rule in chosen}
    print(f"{'':30} {'test %':>7} {'joined':>10} {'with gates':>12} {'transport':>10}")
    for name, result in results.items():
        print(row(name, result))
    one_way = results["ASAP, one-way gates"]
    pairs = check_wiring(one_way.circuit).output
    print(f"and {pairs} output cells with their error cells, as under any supervised rule")
    for name, figure in figures(one_way).items():
        path = folder / f"spiking_asap_{name}.png"
        figure.savefig(path, dpi=130)
        print("saved", path)
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("out"))
    parser.add_argument("--quick", action="store_true", help="4 digits once, to see that it runs")
    parser.add_argument("--all", action="store_true", help="Kolen-Pollack and the floor too")
    given = parser.parse_args()
    main(given.folder, given.quick, given.all)
