"""What a spontaneous run leaves behind; plain arrays, SI units in the names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Spikes:
    """Spikes of one population, in order of time.

    Where each unit is a pair of cells, the one that fires for negative activity counts as cell
    i + N, with N the size of the population.
    """

    times_s: np.ndarray
    cells: np.ndarray

    def __len__(self) -> int:
        return len(self.times_s)

    def before(self, end_s: float) -> Spikes:
        """Those before a moment."""
        early = self.times_s < end_s
        return Spikes(self.times_s[early], self.cells[early])


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
    """

    spikes: Mapping[str, Spikes]
    times_s: np.ndarray
    weights: Mapping[str, np.ndarray]
    intervals: tuple[PhaseInterval, ...]
    mean_rates_hz: Mapping[str, float]
    simulated_s: float
    wall_s: float


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
            onsets_s=self.onsets_s[:samples],
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
    """Arrays, spikes or mappings to these, one after another as one."""
    first = values[0]
    if isinstance(first, Mapping):
        return {name: _joined([value[name] for value in values]) for name in first}
    if isinstance(first, Spikes):
        return Spikes(*(_joined([getattr(v, n) for v in values]) for n in ("times_s", "cells")))
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
