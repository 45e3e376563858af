"""Spike trains as files and objects that other tools read: numpy's npz, and Neo.

Both list spikes unit by unit, as NWB's `Units` table does, with population, cell and sign of each
unit beside them, so that every unit is there, silent ones too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from ..sessions.record import PhaseInterval, Spikes

FORMAT, VERSION = "oneway-spikes", 1


@dataclass(frozen=True)
class SpikeData:
    """Spikes of some populations over one stretch of time.

    Parameters
    ----------
    spikes : mapping of population to Spikes
        Where a unit is a pair of cells, those for negative activity count from its size on.
    sizes : mapping of population to number of units
    start_s, stop_s : float
    intervals : tuple of PhaseInterval
        Which phase ran when.
    """

    spikes: Mapping[str, Spikes]
    sizes: Mapping[str, int]
    start_s: float
    stop_s: float
    intervals: tuple[PhaseInterval, ...] = ()

    def __post_init__(self) -> None:
        for name, spikes in self.spikes.items():
            if name not in self.sizes:
                raise ValueError(f"population {name!r} has spikes, but sizes= does not name it")
            _check(name, spikes, self.sizes[name], self.start_s, self.stop_s)

    def units(self) -> dict[str, np.ndarray]:
        """Population, cell and sign of every unit."""
        counts = {name: self.sizes[name] * self._halves(name) for name in self.spikes}
        cells = [np.arange(count) for count in counts.values()]
        sizes = np.repeat([self.sizes[name] for name in counts], list(counts.values()))
        cell = np.concatenate(cells) if cells else np.zeros(0, int)
        return {
            "unit_population": np.repeat(np.array(list(counts), str), list(counts.values())),
            "unit_cell": cell % sizes if len(cell) else cell,
            "unit_sign": np.where(cell < sizes, 1, -1),
        }

    def _halves(self, name: str) -> int:
        return 2 if self.spikes[name].cells.max(initial=0) >= self.sizes[name] else 1

    def trains(self) -> list[np.ndarray]:
        """Spike times of every unit, in the order of `units`."""
        trains = []
        for name, spikes in self.spikes.items():
            order = np.argsort(spikes.cells, kind="stable")
            counts = np.bincount(spikes.cells, minlength=self.sizes[name] * self._halves(name))
            trains += np.split(spikes.times_s[order], np.cumsum(counts)[:-1])
        return trains


def _check(name: str, spikes: Spikes, size: int, start_s: float, stop_s: float) -> None:
    if not len(spikes):
        return
    low, high = spikes.cells.min(), spikes.cells.max()
    if low < 0 or high >= 2 * size:
        raise ValueError(
            f"population {name!r}: spikes of cells {low} to {high}, expected 0 to {2 * size - 1}: "
            f"{size} units, each of one cell, or of two with a sign each"
        )
    first, last = spikes.times_s.min(), spikes.times_s.max()
    if first < start_s or last > stop_s:
        raise ValueError(
            f"population {name!r}: spikes from {first:g} to {last:g} s, which is not within "
            f"start_s = {start_s:g} and stop_s = {stop_s:g}"
        )


# -- npz ---------------------------------------------------------------------------------------


def save_spikes(path: str | Path, data: SpikeData) -> Path:
    """Write spikes as a compressed npz file.

    Its arrays are named as in NWB's `Units` and `epochs` tables:

    ===================  =======================================================================
    ``spike_times``      (K,) seconds; unit after unit, in order of time within each
    ``spike_times_index``  (U,) where in `spike_times` each unit ends
    ``unit_population``  (U,) name of its population
    ``unit_cell``        (U,) index within the population
    ``unit_sign``        (U,) 1, or -1 for cells that stand for negative activity
    ``populations``      (P,) names, and ``sizes`` (P,) numbers of units
    ``epoch_label``      (E,) phases, with ``epoch_start`` and ``epoch_stop`` in seconds
    ``start``, ``stop``  of the recording, in seconds
    ``format``           "oneway-spikes", and ``version``, a number
    ===================  =======================================================================

    Returns
    -------
    Path
        With the suffix ``.npz``.
    """
    path = Path(path)
    path = path if path.suffix == ".npz" else path.with_name(path.name + ".npz")
    trains = data.trains()
    arrays: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "spike_times": np.concatenate(trains) if trains else np.zeros(0),
        "spike_times_index": np.cumsum([len(train) for train in trains], dtype=np.int64),
        **data.units(),
        "populations": np.array(list(data.spikes), str),
        "sizes": np.array([data.sizes[name] for name in data.spikes], np.int64),
        "epoch_label": np.array([part.phase for part in data.intervals], str),
        "epoch_start": np.array([part.start_s for part in data.intervals]),
        "epoch_stop": np.array([part.stop_s for part in data.intervals]),
        "start": data.start_s,
        "stop": data.stop_s,
    }
    np.savez_compressed(path, **arrays)
    return path


def load_spikes(path: str | Path) -> SpikeData:
    """Read what `save_spikes` wrote.

    Raises
    ------
    ValueError
        The file is something else, or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except (ValueError, EOFError, AttributeError, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(f"{str(path)!r} is not an npz file of numbers and names") from error
    found = str(arrays.get("format")), arrays.get("version")
    if found[0] != FORMAT or found[1] != VERSION:
        raise ValueError(
            f"{str(path)!r} holds no spikes that this version reads: format and version are "
            f"{found}, expected {(FORMAT, VERSION)}"
        )
    trains = np.split(arrays["spike_times"], arrays["spike_times_index"][:-1])
    labels = (arrays["unit_population"], arrays["unit_cell"], arrays["unit_sign"])
    sizes = dict(zip(arrays["populations"].tolist(), arrays["sizes"].tolist(), strict=True))
    epochs = (arrays[f"epoch_{key}"].tolist() for key in ("label", "start", "stop"))
    return SpikeData(
        _gathered(sizes, zip(trains, *labels, strict=False)),
        sizes,
        float(arrays["start"]),
        float(arrays["stop"]),
        tuple(PhaseInterval(*part) for part in zip(*epochs, strict=True)),
    )


def _gathered(sizes: Mapping[str, int], units) -> dict[str, Spikes]:
    """Spikes of each population, in order of time, from (train, population, cell, sign)."""
    times: dict[str, list[np.ndarray]] = {name: [] for name in sizes}
    cells: dict[str, list[np.ndarray]] = {name: [] for name in sizes}
    for train, population, cell, sign in units:
        name = str(population)
        times[name].append(np.asarray(train, float))
        cells[name].append(np.full(len(train), cell + (sizes[name] if sign < 0 else 0), int))
    gathered = {}
    for name in sizes:
        t = np.concatenate(times[name]) if times[name] else np.zeros(0)
        cell = np.concatenate(cells[name]) if cells[name] else np.zeros(0, int)
        order = np.lexsort((cell, t))
        gathered[name] = Spikes(t[order], cell[order])
    return gathered


# -- Neo ---------------------------------------------------------------------------------------


def to_neo(data: SpikeData, name: str = "oneway") -> Any:
    """Spikes as a ``neo.Segment``: one `SpikeTrain` a unit, phases as an `Epoch`.

    Each train is annotated with population, size, cell and sign. Neo writes them on, as NWB too.

    Raises
    ------
    ModuleNotFoundError
        Neo is not installed.
    """
    neo, pq = _neo(), import_module("quantities")
    segment = neo.Segment(name=name, format=FORMAT, version=VERSION)
    columns = data.units().values()
    for train, population, cell, sign in zip(data.trains(), *columns, strict=True):
        segment.spiketrains.append(
            neo.SpikeTrain(
                train * pq.s,
                t_start=data.start_s * pq.s,
                t_stop=data.stop_s * pq.s,
                name=f"{population}[{cell}]{'' if sign > 0 else ' minus'}",
                population=str(population),
                size=int(data.sizes[str(population)]),
                cell=int(cell),
                sign=int(sign),
            )
        )
    starts = np.array([part.start_s for part in data.intervals])
    lengths = np.array([part.duration_s for part in data.intervals])
    labels = np.array([part.phase for part in data.intervals], str)
    segment.epochs.append(neo.Epoch(starts * pq.s, lengths * pq.s, labels, name="phases"))
    return segment


def from_neo(segment: Any) -> SpikeData:
    """Spikes of a ``neo.Segment``.

    Trains without the annotations of `to_neo` become one population, `units`, in their order.
    """
    trains = list(segment.spiketrains)
    if not trains:
        raise ValueError(f"segment {segment.name!r} holds no spike trains, expected at least one")
    sizes: dict[str, int] = {}
    units = []
    for number, train in enumerate(trains):
        about: dict[str, Any] = {"population": "units", "size": len(trains), "cell": number}
        about["sign"] = 1
        if "population" in train.annotations and "cell" in train.annotations:
            about |= train.annotations
        sizes[about["population"]] = about["size"]
        times = train.rescale("s").magnitude
        units.append((times, about["population"], about["cell"], about["sign"]))
    epochs = [epoch for epoch in segment.epochs if epoch.name == "phases"]
    return SpikeData(
        _gathered(sizes, units),
        sizes,
        min(float(train.t_start.rescale("s")) for train in trains),
        max(float(train.t_stop.rescale("s")) for train in trains),
        tuple(part for epoch in epochs for part in _intervals(epoch)),
    )


def _intervals(epoch: Any) -> list[PhaseInterval]:
    starts, lengths = (q.rescale("s").magnitude for q in (epoch.times, epoch.durations))
    return [
        PhaseInterval(str(label), float(start), float(start + length))
        for label, start, length in zip(epoch.labels, starts, lengths, strict=True)
    ]


def _neo() -> Any:
    try:
        return import_module("neo")
    except ModuleNotFoundError as error:
        if error.name != "neo":
            raise
        raise ModuleNotFoundError(
            'Neo is not installed: pip install "oneway[neo]". Without it, save_spikes writes plain '
            "numpy arrays",
            name="neo",
        ) from error
