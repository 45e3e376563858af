"""What runs leave behind; plain arrays, SI units in the names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

_ROUNDING_S = 1e-9


@dataclass(frozen=True)
class Spikes:
    """Spikes of one population, in order of time.

    Where each unit is a pair of cells, the one that fires for negative activity counts as cell
    i + N, with N the size of the population; `paired` says so even where that never fires.
    """

    times_s: np.ndarray
    cells: np.ndarray
    paired: bool = False

    def __len__(self) -> int:
        return len(self.times_s)

    def before(self, end_s: float) -> Spikes:
        """Those before a moment."""
        return self._those(self.times_s < end_s)

    def between(self, start_s: float, stop_s: float) -> Spikes:
        """Those from a moment on and before another, but for rounding."""
        times_s = self.times_s + _ROUNDING_S
        return self._those((times_s >= start_s) & (times_s < stop_s))

    def since(self, start_s: float) -> Spikes:
        """The same, with times counted from a moment."""
        return replace(self, times_s=self.times_s - start_s)

    @classmethod
    def joined(cls, parts: Sequence[Spikes]) -> Spikes:
        """Spikes of several stretches of time, one after another."""
        times_s, cells = (
            np.concatenate([getattr(p, n) for p in parts]) for n in ("times_s", "cells")
        )
        return cls(times_s, cells, any(part.paired for part in parts))

    def _those(self, chosen: np.ndarray) -> Spikes:
        return replace(self, times_s=self.times_s[chosen], cells=self.cells[chosen])


@dataclass(frozen=True)
class Trace:
    """A variable as it was recorded.

    Parameters
    ----------
    times_s : array (T,)
        Beginnings of the steps at whose ends it was read, since the network was built.
    values : array (T, cells) or (T, synapses)
        In SI units; synapses as Brian2 numbers them.
    """

    times_s: np.ndarray
    values: np.ndarray

    def before(self, end_s: float) -> Trace:
        """What was read before a moment."""
        early = self.times_s < end_s
        return Trace(self.times_s[early], self.values[early])

    @classmethod
    def joined(cls, parts: Sequence[Trace]) -> Trace:
        """Several stretches of time, one after another."""
        return cls(*(np.concatenate([getattr(p, n) for p in parts]) for n in ("times_s", "values")))


def of_units(activity: np.ndarray, units: int) -> np.ndarray:
    """Activity (..., units) from that of cells: two of a unit bring theirs with its sign."""
    return activity.reshape(*activity.shape[:-1], -1, units).sum(axis=-2)


@dataclass(frozen=True)
class PhaseInterval:
    """When a phase ran."""

    phase: str
    start_s: float
    stop_s: float

    @property
    def duration_s(self) -> float:
        return self.stop_s - self.start_s


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
            _check_spikes(name, spikes, self.sizes[name], self.start_s, self.stop_s)

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
        train = self.spikes[name]
        return 2 if train.paired or train.cells.max(initial=0) >= self.sizes[name] else 1

    def trains(self) -> list[np.ndarray]:
        """Spike times of every unit, in the order of `units`."""
        trains = []
        for name, spikes in self.spikes.items():
            order = np.argsort(spikes.cells, kind="stable")
            counts = np.bincount(spikes.cells, minlength=self.sizes[name] * self._halves(name))
            trains += np.split(spikes.times_s[order], np.cumsum(counts)[:-1])
        return trains


def _check_spikes(name: str, spikes: Spikes, size: int, start_s: float, stop_s: float) -> None:
    if not len(spikes):
        return
    low, high = spikes.cells.min(), spikes.cells.max()
    if low < 0 or high >= 2 * size:
        raise ValueError(
            f"population {name!r}: spikes of cells {low} to {high}, expected 0 to {2 * size - 1}: "
            f"{size} units, each of one cell, or of two with a sign each"
        )
    first, last = spikes.times_s.min(), spikes.times_s.max()
    if first < start_s - _ROUNDING_S or last > stop_s + _ROUNDING_S:
        raise ValueError(
            f"population {name!r}: spikes from {first:g} to {last:g} s, which is not within "
            f"start_s = {start_s:g} and stop_s = {stop_s:g}"
        )


def gathered(
    sizes: Mapping[str, int], units: Iterable[tuple[np.ndarray, str, int, int]]
) -> dict[str, Spikes]:
    """Spikes of each population, in order of time, from (train, population, cell, sign)."""
    times: dict[str, list[np.ndarray]] = {name: [] for name in sizes}
    cells: dict[str, list[np.ndarray]] = {name: [] for name in sizes}
    paired = dict.fromkeys(sizes, False)
    for train, population, cell, sign in units:
        name = str(population)
        times[name].append(np.asarray(train, float))
        cells[name].append(np.full(len(train), cell + (sizes[name] if sign < 0 else 0), int))
        paired[name] |= bool(sign < 0)
    found = {}
    for name in sizes:
        t = np.concatenate(times[name]) if times[name] else np.zeros(0)
        cell_K = np.concatenate(cells[name]) if cells[name] else np.zeros(0, int)
        order = np.lexsort((cell_K, t))
        found[name] = Spikes(t[order], cell_K[order], paired[name])
    return found


@dataclass(frozen=True)
class SpontaneousRecord:
    """A spontaneous run.

    Parameters
    ----------
    spikes : mapping
        Population name → its spikes. Populations that took no part are missing.
    times_s : array (T,)
        When weights were recorded, since the network was built; first and last moment included.
    weights : mapping
        Name of each plastic drive → array (T, post, pre).
    intervals : tuple of PhaseInterval
        Which phase ran when.
    mean_rates_hz : mapping
        Population name → its mean rate while it took part.
    simulated_s, wall_s : float
        Simulated time, and the time that took.
    variables : mapping
        Recorded variable, such as "h1.v" → its `Trace`.
    """

    spikes: Mapping[str, Spikes]
    times_s: np.ndarray
    weights: Mapping[str, np.ndarray]
    intervals: tuple[PhaseInterval, ...]
    mean_rates_hz: Mapping[str, float]
    simulated_s: float
    wall_s: float
    variables: Mapping[str, Trace] = field(default_factory=dict)


@dataclass(frozen=True)
class Presentation:
    """What came of presenting samples one after another.

    Parameters
    ----------
    outputs : array (samples, classes)
        Mean activity of the output cells while they were read.
    activities : mapping
        Recorded population → the same for its cells, (samples, N).
    spikes : mapping
        Recorded population → its spikes.
    times_s : array (T,)
        When weights were recorded.
    weights : mapping
        Recorded projection → array (T, post, pre, ...).
    activity : mapping
        Population whose rate was recorded → array (T', N), at `activity_times_s`.
    activity_times_s : array (T',)
    onsets_s : array (samples,)
        When each sample began.
    mean_rates_hz : mapping
        Recorded population → mean rate of its cells.
    at_limit : mapping
        Population → array (N,): the part of the time in which a unit fired about as fast as its
        cells can, so that a larger activity would have changed nothing.
    simulated_s, wall_s : float
    intervals : tuple of PhaseInterval
        When which phases ran: one interval, where they run together.
    variables : mapping
        Recorded variable, such as "h1.v" → its `Trace`.
    """

    outputs: np.ndarray
    activities: Mapping[str, np.ndarray]
    spikes: Mapping[str, Spikes]
    times_s: np.ndarray
    weights: Mapping[str, np.ndarray]
    activity: Mapping[str, np.ndarray]
    activity_times_s: np.ndarray
    onsets_s: np.ndarray
    mean_rates_hz: Mapping[str, float]
    at_limit: Mapping[str, np.ndarray]
    simulated_s: float
    wall_s: float
    variables: Mapping[str, Trace] = field(default_factory=dict)
    intervals: tuple[PhaseInterval, ...] = ()

    @property
    def answers(self) -> np.ndarray:
        """The class of which the output cell was most active, for each sample."""
        return self.outputs.argmax(axis=1)

    @classmethod
    def of_parts(cls, parts: Sequence[Presentation], wall_s: float) -> Presentation:
        """Presentations one after another as one."""
        total = sum(part.simulated_s for part in parts)

        def mean(values: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
            lengths = [part.simulated_s / total for part in parts]
            return {
                name: sum(one[name] * length for one, length in zip(values, lengths, strict=True))
                for name in values[0]
            }

        whole: dict[str, Any] = {
            "mean_rates_hz": mean([part.mean_rates_hz for part in parts]),
            "at_limit": mean([part.at_limit for part in parts]),
            "simulated_s": total,
            "wall_s": wall_s,
        }
        names = [item.name for item in fields(cls) if item.name not in whole]
        return cls(**whole, **{n: _joined([getattr(part, n) for part in parts]) for n in names})

    def first(self, samples: int) -> Presentation:
        """What came of the first samples alone."""
        if samples >= len(self.outputs):
            return self
        end_s = float(self.onsets_s[samples])
        part = (end_s - self.onsets_s[0]) / self.simulated_s
        times, activity_times = self.times_s <= end_s, self.activity_times_s < end_s
        return replace(
            self,
            outputs=self.outputs[:samples],
            activities={name: values[:samples] for name, values in self.activities.items()},
            spikes={name: train.before(end_s) for name, train in self.spikes.items()},
            times_s=self.times_s[times],
            weights={name: w[times] for name, w in self.weights.items()},
            activity={name: a[activity_times] for name, a in self.activity.items()},
            activity_times_s=self.activity_times_s[activity_times],
            variables={name: trace.before(end_s) for name, trace in self.variables.items()},
            onsets_s=self.onsets_s[:samples],
            intervals=tuple(
                replace(one, stop_s=min(one.stop_s, end_s))
                for one in self.intervals
                if one.start_s < end_s - 1e-9
            ),
            mean_rates_hz={
                name: rate
                * len(self.spikes[name].before(end_s))
                / max(1, len(self.spikes[name]))
                / part
                for name, rate in self.mean_rates_hz.items()
            },
            simulated_s=end_s - float(self.onsets_s[0]),
        )


def _joined(values: Sequence[Any]) -> Any:
    """Arrays, spikes, tuples or mappings to these, one after another as one."""
    first = values[0]
    if isinstance(first, tuple):
        return tuple(one for value in values for one in value)
    if isinstance(first, Mapping):
        return {name: _joined([value[name] for value in values]) for name in first}
    if isinstance(first, Spikes | Trace):
        return type(first).joined(values)
    return np.concatenate(values)


@dataclass(frozen=True)
class Changes:
    """What all that learns would change by, as a gradient: Δw = −η · change.

    Parameters
    ----------
    weights : mapping
        Plastic projection → array (post, pre, ...).
    biases : mapping
        Population → array, one value a cell, or a channel of images.
    """

    weights: Mapping[str, np.ndarray]
    biases: Mapping[str, np.ndarray]
