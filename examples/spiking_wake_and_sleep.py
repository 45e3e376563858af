"""Feedback cells that wake and sleep: a spiking weight mirror between periods of learning.

Shows a network with two modes (Akrout et al. 2019): awake ("engaged"), digits drive it, error cells
carry errors, and forward synapses learn; asleep ("mirror"), each hidden layer in turn fires noise,
error cells mimic their partners, and feedback synapses learn what the forward weights are. Sleep
comes first and then again and again after every round of digits, since the forward weights move.

Prints the angles after the first sleep and at the end, and the accuracy; draws a raster in which
sleep and waking are shaded, and the angle over all of it.

One seed. With --quick a small net with the numpy target, about 15 s.

Usage: python spiking_wake_and_sleep.py [FOLDER] [--quick]     (FOLDER: by default ./out)
"""

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from oneway.circuits import mlp
from oneway.rules import parse_rule
from oneway.training import load_data
from oneway.training.spiking.config import SpikingConfig
from oneway.training.spiking.files import figures
from oneway.training.spiking.result import SpikingResult
from oneway.training.spiking.run import SpikingRun

PICTURES = ("raster", "alignment", "errors")


def describe(angles: dict[str, float]) -> str:
    return ", ".join(f"{name} {angle:.0f}°" for name, angle in angles.items())


def main(folder: Path, quick: bool) -> SpikingResult:
    folder.mkdir(parents=True, exist_ok=True)
    sizes = (64, 16, 16, 10) if quick else (64, 48, 48, 10)
    data = load_data("digits", shape=sizes[:1], limit=(8, 4) if quick else None)
    config = SpikingConfig(
        epochs=1 if quick else 3,
        # The first second of each sleep teaches nothing: running means settle.
        seconds=3.0 if quick else 20.0,
        interlude=1.5 if quick else 5.0,
        measurements=2 if quick else 6,
    )
    wired = parse_rule("wm,bias_blocking=yes").wire(mlp(sizes))
    result = SpikingRun(wired, data, config, notify=print, label="wake and sleep").run()
    awake = next(record for record in result.curve if "online_accuracy" in record)
    print(f"before:            {describe(result.curve[0]['angles_deg'])}")
    print(f"after first sleep: {describe(awake['angles_deg'])}")
    print(f"at the end:        {describe(result.angles_deg)}")
    print(f"{100 * result.accuracy:.1f} % of {data.n_test} test digits")
    print(f"{result.simulated_s:.0f} s simulated in {result.wall_s:.0f} s on {result.target}")
    drawn = figures(result)
    for name in PICTURES:
        path = folder / f"spiking_wake_and_sleep_{name}.png"
        drawn[name].savefig(path, dpi=130)
        print("saved", path)
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("out"))
    parser.add_argument("--quick", action="store_true", help="a small net, few digits, short sleep")
    given = parser.parse_args()
    main(given.folder, given.quick)
