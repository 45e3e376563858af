"""Kolen-Pollack learning aligns while it learns, in spikes (Akrout et al. 2019, section 5.1).

Shows that feedback weights turn towards their forward partners during learning itself, because
both get the same change: each of the two cells is told what the other one does. Digits of 8×8
pixels are shown for 100 ms each to leaky integrate-and-fire cells; a synapse changes once at the
end of each, from what is at hand in its own two cells. With --all also a control, feedback
alignment: the same circuit with feedback weights that do not learn.

Prints accuracy and angles; draws B's angle to W and that of the error cells to backpropagation's
error over simulated time.

One seed, 5 epochs, C++ standalone: 828 s simulated. Here 95.6 % of 360 test digits, angles of 66°
and 41°; five minutes on two busy cores of an Intel Xeon, most of them the compiler's.

Usage: python spiking_kolen_pollack.py [FOLDER] [--quick] [--all]     (FOLDER: by default ./out)
"""

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from oneway.analysis.plots import plot_angles
from oneway.circuits import mlp
from oneway.rules import parse_rule
from oneway.training import load_data
from oneway.training.spiking.config import SpikingConfig
from oneway.training.spiking.result import SpikingResult
from oneway.training.spiking.run import SpikingRun

RULES = {"kp": "Kolen-Pollack", "fa": "feedback alignment"}
SIZES = (64, 48, 48, 10)
EPOCHS = 10


def learn(rule: str, samples: tuple[int, int], config: SpikingConfig) -> SpikingResult:
    data = load_data("digits", shape=SIZES[:1], limit=samples)
    run = SpikingRun(parse_rule(rule).wire(mlp(SIZES)), data, config, notify=print, label=rule)
    return run.run()


def report(name: str, result: SpikingResult) -> None:
    angles = ", ".join(f"{drive} {angle:.0f}°" for drive, angle in result.angles_deg.items())
    print(f"{name}: {100 * result.accuracy:.1f} % of the test digits; {angles}")
    print(f"  {result.simulated_s:.0f} s simulated in {result.wall_s:.0f} s on {result.target}")


def draw(results: dict[str, SpikingResult], path: Path) -> None:
    figure, axes = plt.subplots(
        len(results), 2, figsize=(12, 3.4 * len(results)), layout="constrained", squeeze=False
    )
    words = (
        ("angles_deg", "angle between W and Bᵀ (°)", "feedback weights"),
        ("error_angles_deg", "angle between δ and backpropagation's (°)", "error cells"),
    )
    for (rule, result), row in zip(results.items(), axes, strict=True):
        for ax, (key, ylabel, legend) in zip(row, words, strict=True):
            records = [record for record in result.curve if key in record]
            times = [record["simulated_s"] for record in records]
            angles = {name: [r[key][name] for r in records] for name in records[0][key]}
            plot_angles(times, angles, ax, "simulated time (s)", ylabel, legend)
            ax.set_title(RULES[rule], fontsize=10)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def main(folder: Path, quick: bool, control: bool = True) -> dict[str, SpikingResult]:
    folder.mkdir(parents=True, exist_ok=True)
    samples = (4, 2) if quick else (1437, 360)
    config = SpikingConfig(epochs=1 if quick else EPOCHS, measurements=2 if quick else 10)
    results = {}
    for rule, name in list(RULES.items())[: 2 if control else 1]:
        results[rule] = learn(rule, samples, config)
        report(name, results[rule])
    path = folder / "spiking_kolen_pollack.png"
    draw(results, path)
    print("saved", path)
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("out"))
    parser.add_argument("--quick", action="store_true", help="4 digits once, to see that it runs")
    parser.add_argument("--all", action="store_true", help="feedback alignment too")
    given = parser.parse_args()
    main(given.folder, given.quick, given.all)
