"""A weight mirror aligns from noise alone, in spiking cells (Akrout et al. 2019, section 4).

Shows that the feedback weights B of a circuit turn towards the transpose of the forward weights W
without any data, any error and any look at W: hidden cells fire noise, what follows from it is
mimicked by the error cells, and every feedback synapse learns from the spikes of its own two
cells. As a control the same circuit runs with its forward weights cut to zero.

Prints the angle between B and Wᵀ and the rates; draws a raster and the falling angle. One seed,
20 s simulated; a run takes about 7 s on one idle core (numpy target), the whole script twice that.

Usage: python spiking_weight_mirror.py [FOLDER]     (FOLDER: where to save, by default ./out)
"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from oneway.analysis import angle_deg
from oneway.analysis.plots import plot_angles, plot_raster
from oneway.backends.spiking import SpikingNetwork, SpontaneousRecord
from oneway.circuits import Circuit, mlp
from oneway.rules import parse_rule

SECONDS = 20.0
W, B = "h1 -> output", "delta_output -> delta_h1"


def angles_over_time(record: SpontaneousRecord, w_JI: np.ndarray) -> list[float]:
    return [angle_deg(b_IJ.T, w_JI) for b_IJ in record.weights[B]]


def draw_raster(record: SpontaneousRecord, ax: plt.Axes, start_s: float, stop_s: float) -> None:
    """A few cells of each population, error cells below the forward cells that they mimic."""
    times, cells, groups, first = [], [], {}, 0
    for name in ("delta_output", "delta_h1", "output", "h1"):
        spikes = record.spikes[name]
        shown = (spikes.times_s >= start_s) & (spikes.times_s < stop_s) & (spikes.cells < 10)
        times.append(spikes.times_s[shown])
        cells.append(spikes.cells[shown] + first)
        groups[name] = (first, first + 10)
        first += 12
    plot_raster(np.concatenate(times), np.concatenate(cells), groups, ax=ax)


def draw(record: SpontaneousRecord, angles: dict[str, list[float]], path: Path) -> None:
    figure, (top, bottom) = plt.subplots(2, 1, figsize=(7, 7), height_ratios=(3, 2))
    draw_raster(record, top, SECONDS - 0.2, SECONDS)
    top.set_title("noise in h1, its consequence in output, and their mimics (10 cells of each)")
    plot_angles(record.times_s, angles, ax=bottom, xlabel="simulated time (s)")
    figure.tight_layout()
    figure.savefig(path, dpi=130)
    plt.close(figure)


def report(name: str, record: SpontaneousRecord, angles: list[float]) -> None:
    shown = ", ".join(
        f"{angle:.0f}° at {time:.0f} s"
        for time, angle in zip(record.times_s[::5], angles[::5], strict=True)
    )
    print(f"{name}: {shown}")
    rates = ", ".join(f"{cells} {hz:.0f}" for cells, hz in record.mean_rates_hz.items())
    print(f"  mean rates in Hz: {rates}")
    print(f"  {record.simulated_s:.0f} s simulated in {record.wall_s:.1f} s")


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    circuit: Circuit = parse_rule("wm").wire(mlp((64, 48, 10)))
    mirror = SpikingNetwork(circuit, seed=0)
    w_JI = mirror.weight(W)
    control = SpikingNetwork(circuit, seed=0, weights={W: np.zeros_like(w_JI)})

    angles = {}
    records = {}
    for name, net in (("mirror", mirror), ("control: W cut", control)):
        records[name] = net.run_spontaneous(SECONDS)
        angles[name] = angles_over_time(records[name], w_JI)
        report(name, records[name], angles[name])
    draw(records["mirror"], angles, folder / "spiking_weight_mirror.png")
    print("saved", folder / "spiking_weight_mirror.png")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "out"))
