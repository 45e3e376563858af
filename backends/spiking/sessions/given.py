"""What input cells are given: a value for each sample, values that change in time, spike trains.

Axes: S samples, T rows of a sample, N cells.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from brian2 import TimedArray

from oneway.circuits import Circuit, Population

from ..parameters import SpikingParameters
from ..translation.context import CHANGING, HELD, TRAINS
from .record import SpikeData, Spikes
from .trials import data_rows

_NEVER = 1e9  # seconds; when cells fire that have no more spikes


class Given(ABC):
    """The input of some samples."""

    kind: str  # the translator's word for it

    @abstractmethod
    def __len__(self) -> int:
        """How many samples."""

    @abstractmethod
    def take(self, rows: np.ndarray) -> Given:
        """That of some of the samples."""

    @abstractmethod
    def tables(self, phases: int) -> dict[str, np.ndarray]:
        """What is looked up, for samples that are shown once in each of so many phases."""

    def sets(self, phases: int) -> dict[str, Any]:
        """Variables of input cells that begin with given values."""
        return {}

    @property
    def largest(self) -> float:
        """The largest activity that is asked for; 0 where none is."""
        return 0.0


@dataclass(frozen=True)
class Held(Given):
    """One value a cell for as long as a sample is presented."""

    values_SN: np.ndarray
    kind = HELD

    def __len__(self) -> int:
        return len(self.values_SN)

    def take(self, rows: np.ndarray) -> Held:
        return Held(self.values_SN[rows])

    def tables(self, phases: int) -> dict[str, np.ndarray]:
        return {"data": self.values_SN}

    @property
    def largest(self) -> float:
        return float(np.abs(self.values_SN).max())


@dataclass(frozen=True)
class Changing(Given):
    """Rows one after another, each for the same time."""

    values_STN: np.ndarray
    row_s: float
    kind = CHANGING

    def __len__(self) -> int:
        return len(self.values_STN)

    def take(self, rows: np.ndarray) -> Changing:
        return Changing(self.values_STN[rows], self.row_s)

    def tables(self, phases: int) -> dict[str, np.ndarray]:
        each = np.repeat(self.values_STN, phases, axis=0)
        return {"data": each.reshape(-1, each.shape[2])}

    def sets(self, phases: int) -> dict[str, Any]:
        return {"row_time": self.row_s}

    @property
    def largest(self) -> float:
        return float(np.abs(self.values_STN).max())


@dataclass(frozen=True)
class Trains(Given):
    """When units of the input fire, counted from the onset of each sample."""

    samples: tuple[Spikes, ...]
    size: int  # units
    length_s: float  # of a sample
    kind = TRAINS

    @property
    def signed(self) -> bool:
        """Whether some spikes stand for negative activity."""
        return any(s.cells.max(initial=0) >= self.size for s in self.samples)

    def __len__(self) -> int:
        return len(self.samples)

    def take(self, rows: np.ndarray) -> Trains:
        return Trains(tuple(self.samples[row] for row in rows), self.size, self.length_s)

    def tables(self, phases: int) -> dict[str, np.ndarray]:
        shown = [spikes for spikes in self.samples for _ in range(phases)]
        onsets = np.arange(len(shown)) * self.length_s
        times = [s.times_s + onset for s, onset in zip(shown, onsets, strict=True)]
        # One more entry for each unit, which never comes.
        ends = np.full(self.size, _NEVER)
        times_K = np.concatenate([*times, ends])
        cells_K = np.concatenate([*(s.cells for s in shown), np.arange(self.size)])
        order = np.lexsort((times_K, cells_K % self.size))
        signs_K = np.where(cells_K < self.size, 1.0, -1.0)
        # A compiled program takes tables of one length: few lengths, then, not one a chunk.
        room = (0, 2 ** int(np.ceil(np.log2(len(order)))) - len(order))
        return {
            "train_times": np.pad(times_K[order], room, constant_values=_NEVER)[:, None],
            "train_signs": np.pad(signs_K[order], room, constant_values=1.0)[:, None],
        }

    def sets(self, phases: int) -> dict[str, Any]:
        """Where in the list of all spikes those of each unit begin."""
        cells = np.concatenate([s.cells for s in self.samples]) % self.size
        counts = phases * np.bincount(cells, minlength=self.size) + 1
        return {"next_spike": np.cumsum(counts) - counts}


# -- from what a user has ------------------------------------------------------------------------


def given(circuit: Circuit, p: SpikingParameters, x: Any) -> Given:
    """Input as it is meant; see `SpikingNetwork.present`."""
    if isinstance(x, Given):
        return x
    population = circuit.inputs[0]
    if isinstance(x, SpikeData):
        return _trains(population, p, x)
    if isinstance(x, TimedArray):
        return _stream(population, p, x)
    if callable(x):
        return _sampled(population, p, x)
    x = np.asarray(x, dtype=float)
    dimensions = {len(population.shape), 1}  # (N,) is allowed for images as well
    if x.ndim - 2 in dimensions and x.shape[2:] in (population.shape, (population.size,)):
        return _changing(population, p, x)
    return Held(data_rows(circuit, x, None)["data"])


def _changing(population: Population, p: SpikingParameters, x: np.ndarray) -> Changing:
    """Rows that share a sample's time equally."""
    samples, rows = x.shape[:2]
    if not samples or not rows or not np.isfinite(x).all():
        raise ValueError(
            f"input that changes in time has shape {x.shape}, expected at least one sample of at "
            "least one row, and finite numbers"
        )
    steps = round(float(p.present_time / p.dt))
    if steps % rows:
        raise ValueError(
            f"each sample has {rows} rows to be presented in {p.present_time}, which is {steps} "
            f"steps of {p.dt}: not the same number of steps for each. Give as many rows as divide "
            "that, or set SpikingParameters(present_time=...)"
        )
    return Changing(x.reshape(samples, rows, population.size), float(p.present_time) / rows)


def _stream(population: Population, p: SpikingParameters, x: TimedArray) -> Changing:
    """A Brian2 `TimedArray`: one long stretch, cut into samples."""
    values, row_s, length_s = np.asarray(x.values, float), float(x.dt), float(p.present_time)
    if values.shape[1:] != (population.size,):
        raise ValueError(
            f"a TimedArray of shape {values.shape} for input population {population.name!r}, "
            f"expected (rows, {population.size})"
        )
    rows, total = round(length_s / row_s), len(values) * row_s
    if abs(rows * row_s - length_s) > 1e-9 or rows == 0 or len(values) % rows:
        raise ValueError(
            f"a TimedArray of {len(values)} rows of {row_s:g} s lasts {total:g} s, which are no "
            f"samples of present_time = {p.present_time}, each of whole rows. Cut or pad it, or "
            "set SpikingParameters(present_time=...)"
        )
    return _changing(population, p, values.reshape(-1, rows, population.size))


def _sampled(population: Population, p: SpikingParameters, x: Callable) -> Changing:
    """A function of the time since a sample's onset, at the beginning of every step."""
    steps = round(float(p.present_time / p.dt))
    found = [np.asarray(x(step * float(p.dt)), float) for step in range(steps)]
    shapes = {values.shape for values in found}
    (shape, *others) = shapes
    if others or shape[1:] not in (population.shape, (population.size,)):
        raise ValueError(
            f"input x(t) gives arrays of shape {', '.join(map(str, sorted(shapes)))}, expected "
            f"(samples, {', '.join(map(str, population.shape))}) at every time t in seconds"
        )
    return _changing(population, p, np.stack(found, axis=1))


def _trains(population: Population, p: SpikingParameters, data: SpikeData) -> Trains:
    """Spikes of the population's namesake, or of the only one there is, cut into samples."""
    spikes, size = _of_input(population, data)
    step_s, length_s = float(p.dt), float(p.present_time)
    steps = round(length_s / step_s)
    total_s = data.stop_s - data.start_s
    samples = round(total_s / length_s)
    if not samples or abs(samples * length_s - total_s) > step_s / 2:
        raise ValueError(
            f"spike trains from {data.start_s:g} to {data.stop_s:g} s are no samples of "
            f"present_time = {p.present_time}. Set start_s and stop_s, or "
            "SpikingParameters(present_time=...)"
        )
    # The step that a spike falls into; recorded ones lie at its beginning, but for rounding.
    at = np.floor((spikes.times_s - data.start_s) / step_s + 1e-6).astype(int)
    at = np.clip(at, 0, samples * steps - 1)
    _check_apart(population, p, at, spikes)
    sample, step = np.divmod(at, steps)
    times_s = step * step_s
    cut = (Spikes(times_s[sample == k], spikes.cells[sample == k]) for k in range(samples))
    return Trains(tuple(cut), size, length_s)


def _of_input(population: Population, data: SpikeData) -> tuple[Spikes, int]:
    names = list(data.spikes)
    name = names[0] if len(names) == 1 else population.name
    if name not in data.spikes or data.sizes[name] != population.size:
        there = ", ".join(f"{name} ({data.sizes[name]} units)" for name in names) or "none"
        raise ValueError(
            f"spike trains for input population {population.name!r} of {population.size} units: "
            f"the data has {there}. Expected one of that name and size"
        )
    return data.spikes[name], population.size


def _check_apart(population: Population, p: SpikingParameters, at: np.ndarray, s: Spikes) -> None:
    """A unit fires once in a step, with one of its cells."""
    unit = s.cells % population.size
    order = np.lexsort((at, unit))
    again = (np.diff(at[order]) == 0) & (np.diff(unit[order]) == 0)
    if again.any():
        first = order[1:][again][0]
        raise ValueError(
            f"input population {population.name!r}: unit {unit[first]} fires twice within one "
            f"step of {p.dt}, near {s.times_s[first]:g} s, and so do {again.sum() - 1} more. "
            "Choose a smaller SpikingParameters(dt=...)"
        )
