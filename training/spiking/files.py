"""What `oneway spike` leaves in a folder: result, weights, spikes and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from oneway.analysis.plots import (
    mark_moment,
    plot_angles,
    plot_paths,
    plot_rates,
    plot_weights,
)
from oneway.circuits import Circuit

from ..errors import ConfigError
from ..files import whole
from ..records import RESULT, RunFolder, write_json
from .bridge import WEIGHTS, save_weights
from .result import SpikingResult

if TYPE_CHECKING:
    from oneway.backends.spiking import SpikeData

SPIKES = "spikes.npz"
COLUMNS = {"forward": "forward path", "auxiliary": "auxiliary path", "feedback": "feedback path"}


def check_free(folder: Path) -> None:
    """Make the folder; complain if it cannot be made or holds a run."""
    RunFolder.check_free(folder, goes_on=False)
    if (folder / WEIGHTS).exists():
        raise ConfigError(
            f"output folder {str(folder)!r} holds a run already ({WEIGHTS}). Choose another one "
            "with --out; nothing was changed"
        )


def write_files(folder: Path, result: SpikingResult, content: Mapping[str, Any]) -> list[Path]:
    """Write everything; the result comes last: where it is, the others are complete."""
    paths = [save_weights(folder / WEIGHTS, result.circuit, result.weights, result.biases)]
    if result.excerpt.data is not None:
        from oneway.backends.spiking import save_spikes

        paths.append(save_spikes(folder / SPIKES, result.excerpt.data))
    for name, figure in figures(result).items():
        paths.append(folder / f"{name}.png")
        with whole(paths[-1]) as unfinished:
            figure.savefig(unfinished, dpi=130)
    write_json(folder / RESULT, content)
    return [*paths, folder / RESULT]


def figures(result: SpikingResult) -> dict[str, Figure]:
    """Every picture that there is something to draw for."""
    data = result.excerpt.data
    drawn = {
        "raster": None if data is None else _raster(result.circuit, data),
        "rates": None if data is None else _rates(result.circuit, data),
        "alignment": _curve(result, "angles_deg"),
        "errors": _curve(result, "error_angles_deg"),
        "weights": _weights(result),
    }
    return {name: figure for name, figure in drawn.items() if figure is not None}


def _raster(circuit: Circuit, data: SpikeData) -> Figure:
    columns = path_columns(circuit)
    spikes = {name: (train.times_s, train.cells) for name, train in data.spikes.items()}
    shown = [heading for heading, names in columns.items() if any(n in spikes for n in names)]
    figure = Figure(figsize=(1.5 + 4.0 * len(shown), 4.6), layout="constrained")
    axes = figure.subplots(1, max(len(shown), 1), squeeze=False)[0]
    phases = [(part.phase, part.start_s, part.stop_s) for part in data.intervals]
    window = (data.start_s, data.stop_s)
    partners = {name: cells.partner for name, cells in circuit.populations.items()}
    plot_paths(spikes, columns, data.sizes, phases, window, axes=list(axes), partners=partners)
    for ax in axes:
        ax.set_xlabel("simulated time (s)")
    return figure


def path_columns(circuit: Circuit) -> dict[str, list[str]]:
    """Populations of each path from the output down; the target above the errors."""
    height = {name: i for i, name in enumerate(circuit.order("forward"))}

    def from_the_top(name: str) -> int:
        population = circuit.populations[name]
        return -height.get(population.partner or name, len(height))

    columns: dict[str, list[str]] = {heading: [] for heading in COLUMNS.values()}
    for name in sorted(circuit.populations, key=from_the_top):
        path = circuit.populations[name].path
        columns[COLUMNS["feedback" if path == "target" else path]].append(name)
    return columns


def _rates(circuit: Circuit, data: SpikeData) -> Figure:
    length_s = data.stop_s - data.start_s
    rates = {}
    order = [name for names in path_columns(circuit).values() for name in names]
    for name in (name for name in order if name in data.spikes):
        train, size = data.spikes[name], data.sizes[name]
        rates[name] = np.bincount(train.cells % size, minlength=size) / length_s
    figure = Figure(figsize=(5.8, 0.36 * max(len(rates), 3) + 1.0), layout="constrained")
    plot_rates(rates, figure.subplots())
    return figure


def _curve(result: SpikingResult, key: str) -> Figure | None:
    records = [record for record in result.curve if record.get(key)]
    if not records:
        return None
    names = list(records[-1][key])
    angles = {name: [record[key].get(name, np.nan) for record in records] for name in names}
    wording: dict[str, Any] = {"xlabel": "simulated time (s)"}
    if key == "error_angles_deg":
        wording["ylabel"] = "angle between δ and backpropagation's (°)"
        wording["legend"] = "error cells"
    figure = Figure(figsize=(6.8, 3.6), layout="constrained")
    times = [record["simulated_s"] for record in records]
    ax = plot_angles(times, angles, figure.subplots(), **wording)
    moments: dict[float, list[str]] = {}
    for lesion in result.config.lesions:
        moments.setdefault(lesion.at_s, []).append(lesion.projection)
    for at_s, names in moments.items():
        mark_moment(ax, at_s, "\n".join((*names, "cut")))
    return figure


def _weights(result: SpikingResult) -> Figure | None:
    """Feedback weights that learn, turned into the direction of their partners, and these."""
    before: dict[str, np.ndarray] = {}
    after: dict[str, np.ndarray] = {}
    for p in result.circuit.select(role="drive", path="feedback"):
        if p.partner is None or not {p.name, p.partner} <= result.weights.keys():
            continue
        if result.weights[p.name].ndim != 2:
            continue
        for side, weights in ((before, result.first_weights), (after, result.weights)):
            side[p.partner] = weights[p.partner]
            side[f"({p.name})ᵀ"] = weights[p.name].T
    if not after:
        return None
    figure = Figure(figsize=(7.6, 2.1 * len(after) + 0.4), layout="constrained")
    plot_weights(before, after, figure.subplots(len(after), 2, squeeze=False))
    return figure
