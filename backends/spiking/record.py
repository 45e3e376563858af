"""What a spontaneous run leaves behind; plain arrays, SI units in the names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Spikes:
    """Spikes of one population, in order of time."""

    times_s: np.ndarray
    cells: np.ndarray

    def __len__(self) -> int:
        return len(self.times_s)


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
