"""A weight mirror aligns from noise alone, in spiking cells (Akrout et al. 2019, section 4).

Shows that the feedback weights B of a circuit turn towards the transpose of the forward weights W
without any data, any error and any look at W: hidden cells fire noise, what follows from it is
mimicked by the error cells, and every feedback synapse learns from the spikes of its own two
cells. They learn fast at first and then ever more slowly, as 1/t, so that all that has happened
counts alike. As a control the same circuit runs with its forward weights cut to zero.

Prints the angle between B and Wᵀ and the rates; draws a raster and the falling angle. One seed,
20 s simulated twice (numpy target): from 91° to 14°, and the control stays at 91°; 137 s on a
two-core Intel Xeon that was busy with other work.

Usage: python spiking_weight_mirror.py [FOLDER] [--quick]     (FOLDER: by default ./out)
"""

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from brian2 import second

from oneway.analysis import angle_deg
from oneway.analysis.plots import plot_angles, plot_paths
from oneway.backends.spiking import SpikingNetwork, SpikingParameters, SpontaneousRecord
from oneway.circuits import Circuit, mlp
from oneway.rules import parse_rule

SECONDS, QUICK_SECONDS = 20.0, 2.0
# The decay of 0.5 in each of these: an average over two seconds, from which on rates fall.
BATCH, SLOWING_S = 1 * second, 2.0
SHOWN_S = 0.3
W, B = "h1 -> output", "delta_output -> delta_h1"
PATHS = {
    "forward: noise, and what follows": ("output", "h1"),
    "feedback: mimics": ("delta_output", "delta_h1"),
}


def angles_over_time(record: SpontaneousRecord, w_JI: np.ndarray) -> list[float]:
    return [angle_deg(b_IJ.T, w_JI) for b_IJ in record.weights[B]]


def draw(
    circuit: Circuit, record: SpontaneousRecord, angles: dict[str, list[float]], path: Path
) -> None:
    """Ten cells of each population, and under them the angle."""
    figure = plt.figure(figsize=(9, 7), layout="constrained")
    axes = figure.subplot_mosaic([["left", "right"], ["angle", "angle"]], height_ratios=(3, 2))
    spikes = {name: (train.times_s, train.cells) for name, train in record.spikes.items()}
    sizes = {name: circuit.populations[name].size for name in spikes}
    stop = record.times_s[-1]
    window = (stop - SHOWN_S, stop)
    plot_paths(spikes, PATHS, sizes, window_s=window, axes=[axes["left"], axes["right"]])
    plot_angles(record.times_s, angles, ax=axes["angle"], xlabel="simulated time (s)")
    figure.savefig(path, dpi=130)
    plt.close(figure)


def report(name: str, record: SpontaneousRecord, angles: list[float]) -> None:
    step = max(len(angles) // 4, 1)
    shown = ", ".join(
        f"{angle:.0f}° at {time:.3g} s"
        for time, angle in zip(record.times_s[::step], angles[::step], strict=True)
    )
    print(f"{name}: {shown}")
    rates = ", ".join(f"{cells} {hz:.0f}" for cells, hz in record.mean_rates_hz.items())
    print(f"  mean rates in Hz: {rates}")
    print(f"  {record.simulated_s:.0f} s simulated in {record.wall_s:.1f} s")


def main(folder: Path, seconds: float) -> dict[str, list[float]]:
    folder.mkdir(parents=True, exist_ok=True)
    circuit: Circuit = parse_rule("wm").wire(mlp((64, 48, 10)))
    parameters = SpikingParameters(batch_time=BATCH)
    mirror = SpikingNetwork(circuit, parameters, seed=0)
    w_JI = mirror.weight(W)
    cut = {W: np.zeros_like(w_JI)}
    control = SpikingNetwork(circuit, parameters, seed=0, weights=cut)

    angles, records = {}, {}
    for name, net in (("mirror", mirror), ("control: W cut", control)):
        records[name] = net.run_spontaneous(seconds, seconds / 20, slowing_s=SLOWING_S)
        angles[name] = angles_over_time(records[name], w_JI)
        report(name, records[name], angles[name])
    path = folder / "spiking_weight_mirror.png"
    draw(circuit, records["mirror"], angles, path)
    print("saved", path)
    return angles


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("out"))
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_SECONDS:g} s simulated")
    given = parser.parse_args()
    main(given.folder, QUICK_SECONDS if given.quick else SECONDS)
