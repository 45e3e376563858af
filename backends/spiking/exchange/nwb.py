"""Spike trains as NWB files, with population, cell and sign of every unit."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from ..sessions.record import PhaseInterval, SpikeData, gathered

_COLUMNS = {
    "population": "name of its population in the circuit",
    "size": "number of units in that",
    "cell": "index within the population",
    "sign": "1, or -1 for the cell of a pair that stands for negative activity",
}


def write_nwb(path: Path, data: SpikeData) -> Path:
    """Write `Units` with columns for population, size, cell and sign, and phases as epochs."""
    pynwb = _pynwb()
    about = "spikes of a circuit that oneway has simulated"
    file = pynwb.NWBFile(about, str(uuid4()), datetime.now(UTC))
    for name, meaning in _COLUMNS.items():
        file.add_unit_column(name, meaning)
    seen = np.array([[data.start_s, data.stop_s]])
    units = data.units().values()
    for train, population, cell, sign in zip(data.trains(), *units, strict=True):
        file.add_unit(
            spike_times=train,
            obs_intervals=seen,
            population=str(population),
            size=int(data.sizes[str(population)]),
            cell=int(cell),
            sign=int(sign),
        )
    for part in data.intervals:
        file.add_epoch(part.start_s, part.stop_s, tags=[part.phase])
    with pynwb.NWBHDF5IO(str(path), "w") as out:
        out.write(file)
    return path


def read_nwb(path: Path) -> SpikeData:
    """Spikes of an NWB file.

    Units without the columns of `write_nwb` become one population, `units`, in their order.

    Raises
    ------
    ValueError
        The file is no NWB file, is damaged, or lists no units.
    """
    pynwb = _pynwb()
    if not path.exists():
        raise FileNotFoundError(f"no file {str(path)!r}")
    try:
        with pynwb.NWBHDF5IO(str(path), "r") as opened:
            return _read(opened.read(), path)
    except _NoUnits as error:
        raise ValueError(str(error)) from None
    except Exception as error:  # whatever HDF5, its schema or a foreign writer brings up
        raise ValueError(
            f"{str(path)!r} cannot be read as NWB ({type(error).__name__}: {error}). Expected a "
            "file with a Units table"
        ) from error


class _NoUnits(Exception):
    """The file is fine, but has nothing for us."""


def _read(file: Any, path: Path) -> SpikeData:
    units = file.units
    if units is None or not len(units) or "spike_times" not in units.colnames:
        raise _NoUnits(f"{str(path)!r} holds no units with spike times, expected at least one")
    ours = set(_COLUMNS) <= set(units.colnames)
    trains = [np.asarray(units.get_unit_spike_times(i), float) for i in range(len(units))]
    sizes: dict[str, int] = {}
    labelled = []
    for number, train in enumerate(trains):
        about: list[Any] = ["units", len(trains), number, 1]
        if ours:
            about = [units[name][number] for name in _COLUMNS]
        population, size, cell, sign = about
        sizes[str(population)] = int(size)
        labelled.append((train, str(population), int(cell), int(sign)))
    start_s, stop_s = _observed(units, trains)
    return SpikeData(gathered(sizes, labelled), sizes, start_s, stop_s, tuple(_phases(file.epochs)))


def _observed(units: Any, trains: list[np.ndarray]) -> tuple[float, float]:
    """When units were looked at; where nobody says so, from 0 to the last spike."""
    if "obs_intervals" in units.colnames:
        seen = np.concatenate([units.get_unit_obs_intervals(i) for i in range(len(units))])
        if len(seen):
            return float(seen.min()), float(seen.max())
    spikes = np.concatenate(trains)
    return min(0.0, float(spikes.min(initial=0.0))), float(spikes.max(initial=0.0))


def _phases(epochs: Any) -> Iterator[PhaseInterval]:
    if epochs is None:
        return
    for i in range(len(epochs)):
        tags = epochs["tags"][i] if "tags" in epochs.colnames else []
        start_s, stop_s = (float(epochs[name][i]) for name in ("start_time", "stop_time"))
        yield PhaseInterval(" + ".join(map(str, tags)), start_s, stop_s)


def _pynwb() -> Any:
    try:
        return import_module("pynwb")
    except ModuleNotFoundError as error:
        if error.name != "pynwb":
            raise
        raise ModuleNotFoundError(
            'pynwb is not installed: pip install "oneway[nwb]". Without it, save_spikes writes '
            "plain numpy arrays to a file that ends in .npz",
            name="pynwb",
        ) from error
