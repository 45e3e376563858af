"""Spike trains as files and objects that other tools read: numpy's npz, NWB and Neo.

All list spikes unit by unit, as NWB's `Units` table does, with population, cell and sign of each
unit beside them, so that every unit is there, silent ones too.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from ..sessions.record import PhaseInterval, SpikeData, gathered
from .archive import read_arrays, write_arrays
from .nwb import read_nwb, write_nwb

FORMAT, VERSION = "oneway-spikes", 1


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
        With the suffix ``.npz``; or ``.nwb`` where it has that, which makes it an NWB file with
        the same columns (`pip install "oneway[nwb]"`).
    """
    if Path(path).suffix == ".nwb":
        return write_nwb(Path(path), data)
    trains = data.trains()
    arrays: dict[str, Any] = {
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
    return write_arrays(path, arrays, FORMAT, VERSION)


def load_spikes(path: str | Path) -> SpikeData:
    """Read what `save_spikes` wrote, or the units of any NWB file.

    Raises
    ------
    ValueError
        The file is something else, or damaged.
    """
    if Path(path).suffix == ".nwb":
        return read_nwb(Path(path))
    arrays = read_arrays(path, FORMAT, VERSION, "spikes")
    try:
        return _of_arrays(arrays)
    # Arrays of other types and shapes can fail anywhere, with whatever is raised there.
    except Exception as error:
        raise ValueError(
            f"{str(path)!r} is damaged: its arrays are not those of spikes ({error!r})"
        ) from error


def _of_arrays(arrays: dict[str, np.ndarray]) -> SpikeData:
    trains = np.split(arrays["spike_times"], arrays["spike_times_index"][:-1])
    labels = (arrays["unit_population"], arrays["unit_cell"], arrays["unit_sign"])
    sizes = dict(zip(arrays["populations"].tolist(), arrays["sizes"].tolist(), strict=True))
    epochs = (arrays[f"epoch_{key}"].tolist() for key in ("label", "start", "stop"))
    return SpikeData(
        gathered(sizes, zip(trains, *labels, strict=False)),
        sizes,
        float(arrays["start"]),
        float(arrays["stop"]),
        tuple(PhaseInterval(*part) for part in zip(*epochs, strict=True)),
    )


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
        gathered(sizes, units),
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
