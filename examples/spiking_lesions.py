"""What each connection is for: cut it while the network learns, and look at what stops.

A lesion is a gate on projections: from a stated moment on nothing passes through them. Digits of
8×8 pixels are learned in spikes, under Kolen-Pollack (KP), feedback alignment (FA) and weight
mirror (WM); at every hidden layer one kind of connection is cut:

- teach δ → h: what tells forward cells of their errors; forward synapses of the layer only decay.
- teach h → δ (KP): what tells error cells of the activity of their partners; B only decays.
- gate h → δ: error cells of the layer fall silent, for they hear nobody who is active.
- mimic h → δ (WM): what lets error cells repeat their partners asleep; B stops to follow W.

Prints for each run the accuracy, the angles of B to Wᵀ, and how far W of the first layer and B have
moved from their first draws, as a part of how far they do with nothing cut; draws online accuracy
and angles over simulated time. Every finished run is a file in the folder and not run again.

One seed, 3 epochs, C++ standalone, cut after 100 s. With --quick KP on a small net of settled
cells, without spikes, cut after a third of the run.

Usage: python spiking_lesions.py [FOLDER] [--quick] [--at SECONDS]     (FOLDER: by default ./out)
"""

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from oneway.analysis.plots import plot_lesions
from oneway.circuits import Circuit, mlp
from oneway.rules import parse_rule
from oneway.training import load_data
from oneway.training.data.dataset import DataSet
from oneway.training.spiking.config import Lesion, SpikingConfig
from oneway.training.spiking.result import SpikingResult
from oneway.training.spiking.run import SpikingRun

RULES = {
    "kp": "Kolen-Pollack",
    "fa": "feedback alignment",
    "wm,bias_blocking=yes": "weight mirror",
}
NOTHING = "nothing"
CUTS = {
    "teach δ → h": "teach",
    "teach h → δ": "teach",
    "gate h → δ": "gate",
    "mimic h → δ": "mimic",
}

Content = dict[str, Any]


def projections(wired: Circuit, cut: str) -> list[str]:
    """The projections of a kind, at every hidden layer."""
    if cut == NOTHING:
        return []
    source = "feedback" if cut.startswith("teach δ") else "forward"
    hidden = {p.partner: p.name for p in wired.populations.values() if p.partner}
    hidden.pop(wired.output.name)
    ends = {(b, h) if source == "feedback" else (h, b) for h, b in hidden.items()}
    found = wired.select(role=CUTS[cut])
    return [p.name for p in found if (p.pre, p.post) in ends]


def learn(
    wired: Circuit, data: DataSet, settings: Content, at_s: float, folder: Path, rule: str
) -> dict[str, Content]:
    """What each lesion leaves; one program does for all, since each run says when it cuts what."""
    results: dict[str, Content] = {}
    everything = {cut: projections(wired, cut) for cut in (NOTHING, *CUTS)}
    some = [Lesion(name, at_s) for names in everything.values() for name in names]
    network = None
    for cut, names in everything.items():
        if not names and cut != NOTHING:
            continue
        file = (
            folder / f"lesions_{rule.split(',')[0]}_{'_'.join(names and cut.split()) or cut}.json"
        )
        if not file.exists():
            if network is None:
                config = SpikingConfig(**settings, lesions=tuple(some))
                network = SpikingRun(wired, data, config).network
            config = SpikingConfig(**settings, lesions=tuple(Lesion(n, at_s) for n in names))
            label = f"{rule}, {cut} cut"
            run = SpikingRun(wired, data, config, network=network, notify=print, label=label)
            result = run.run()
            file.write_text(json.dumps(result.as_dict(moved=moved(result))))
        results[cut] = json.loads(file.read_text())
    return results


def moved(result: SpikingResult) -> dict[str, float]:
    """How far the weights of each drive have come."""
    first = result.first_weights
    return {name: float(np.linalg.norm(w - first[name])) for name, w in result.weights.items()}


def report(rule: str, results: dict[str, Content]) -> None:
    whole = results[NOTHING]["moved"]
    print(f"{RULES[rule]}: cut, test accuracy, angles of B to Wᵀ, how far weights have moved")
    for cut, content in results.items():
        angles = " ".join(f"{angle:.0f}°" for angle in content["angles_deg"].values())
        parts = (
            f"{drive} {content['moved'][drive] / distance:.2f}"
            for drive, distance in whole.items()
            if distance
        )
        accuracy = 100 * content["accuracy"]
        print(f"  {cut:12} {accuracy:5.1f} %   {angles}   {', '.join(parts)}")


def draw(results: dict[str, dict[str, Content]], at_s: float, path: Path) -> None:
    columns = len(results)
    drives = len(next(iter(results.values()))[NOTHING]["angles_deg"])
    figure, axes = plt.subplots(
        1 + drives,
        columns,
        figsize=(1.2 + 3.6 * columns, 1.1 + 1.9 * (1 + drives)),
        layout="constrained",
        squeeze=False,
        sharex="col",
    )
    for (rule, runs), column in zip(results.items(), axes.T, strict=True):
        curves = {cut: content["curve"] for cut, content in runs.items()}
        plot_lesions(curves, at_s, column, (NOTHING, *CUTS))
        column[0].set_title(RULES[rule], fontsize=10, pad=16)
    for ax in axes[:, 1:].flat:
        ax.set_ylabel("")
    lines = {line.get_label(): line for ax in axes[0] for line in ax.get_lines()}
    named = {cut: lines[cut] for cut in (NOTHING, *CUTS) if cut in lines}
    figure.legend(
        named.values(), named, title="what is cut", loc="outside lower center", ncol=5,
        frameon=False, fontsize=9, title_fontsize=9, handlelength=3,
    )  # fmt: skip
    figure.savefig(path, dpi=130)
    plt.close(figure)


def main(folder: Path, quick: bool, at_s: float = 100.0) -> dict[str, dict[str, Content]]:
    folder.mkdir(parents=True, exist_ok=True)
    sizes = (64, 12, 10) if quick else (64, 48, 48, 10)
    data = load_data("digits", shape=sizes[:1], limit=(64, 20) if quick else None)
    settings: Content = {"epochs": 3, "measurements": 24, "target": "cpp_standalone"}
    if quick:
        settings = {"epochs": 1, "measurements": 4, "target": "numpy", "dynamics": "settled"}
        settings["rate"] = 0.1
    results: dict[str, dict[str, Content]] = {}
    for rule in list(RULES)[: 1 if quick else None]:
        wired = parse_rule(rule).wire(mlp(sizes))
        if quick:
            at_s = SpikingRun(wired, data, SpikingConfig(**settings)).duration_s() / 3
        results[rule] = learn(wired, data, settings, at_s, folder, rule)
        report(rule, results[rule])
    path = folder / "spiking_lesions.png"
    draw(results, at_s, path)
    print("saved", path)
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("out"))
    parser.add_argument("--quick", action="store_true", help="KP, a small net, settled cells")
    parser.add_argument("--at", type=float, default=100.0, help="when the cut is made")
    given = parser.parse_args()
    main(given.folder, given.quick, given.at)
