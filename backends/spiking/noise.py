"""Phases that noise drives, taking turns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .parameters import SpikingParameters
from .record import PhaseInterval, Spikes, SpontaneousRecord
from .schedule import Schedule, Stretch
from .turns import Turns


@dataclass(frozen=True)
class NoisyTurns:
    """Noisy phases in turn, equally long, each for about `phase_time` at a time.

    Parameters
    ----------
    turns : Turns
    order : list of (phase, ticks)
    adapting : int
        Ticks at the beginning of a turn in which running means settle and nothing is learned.
    tick_s : float
    learn : float
        Part of a batch that one tick counts.
    """

    turns: Turns
    order: list[tuple[str, int]]
    adapting: int
    tick_s: float
    learn: float

    @classmethod
    def of(cls, turns: Turns, p: SpikingParameters, duration_s: float) -> NoisyTurns:
        """Turns that fill a duration."""
        tick_s = float(p.plasticity_dt)
        rounds = max(1, round(duration_s / (len(turns.names) * float(p.phase_time))))
        n = 1 if len(turns.names) == 1 else rounds * len(turns.names)
        lengths = np.diff(np.round(np.arange(n + 1) * duration_s / (n * tick_s))).astype(int)
        order = [(turns.names[i % len(turns.names)], int(k)) for i, k in enumerate(lengths) if k]
        adapting = round(float(p.adapt_time) / tick_s)
        return cls(turns, order, adapting, tick_s, tick_s / float(p.batch_time))

    def schedule(self) -> Schedule:
        """When which phase runs, and when its synapses learn."""
        stretches: list[Stretch] = []
        before = None
        for phase, ticks in self.order:
            number = self.turns.numbers[phase]
            waiting = min(self.adapting, ticks) if phase != before else 0
            stretches += [
                Stretch(number, 0, waiting),
                Stretch(number, 0, ticks - waiting, learn=self.learn),
            ]
            before = phase
        return Schedule(stretches).closed()

    def record(
        self,
        spikes: Mapping[str, Spikes],
        weights: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]],
        sizes: Mapping[str, int],
        start_s: float,
        wall_s: float,
    ) -> SpontaneousRecord:
        """What a run left behind; `weights` are (first, times, those recorded, last)."""
        ends = np.cumsum([ticks for _, ticks in self.order]) * self.tick_s + start_s
        starts = np.concatenate([[start_s], ends[:-1]])
        intervals = tuple(
            PhaseInterval(phase, float(begin), float(end))
            for (phase, _), begin, end in zip(self.order, starts, ends, strict=True)
        )
        end_s = float(ends[-1])
        times = next((start_s + at for _, at, _, _ in weights.values()), np.array([]))
        between = (times > start_s + 1e-9) & (times < end_s - 1e-9)
        spikes = {name: train.before(end_s - 1e-9) for name, train in spikes.items()}
        return SpontaneousRecord(
            spikes=spikes,
            times_s=np.concatenate([[start_s], times[between], [end_s]]),
            weights={
                name: np.concatenate([first[None], values[between], last[None]])
                for name, (first, _, values, last) in weights.items()
            },
            intervals=intervals,
            mean_rates_hz={
                name: len(train) / (sizes[name] * self._awake_s(name))
                for name, train in spikes.items()
            },
            simulated_s=end_s - start_s,
            wall_s=wall_s,
        )

    def _awake_s(self, population: str) -> float:
        awake = self.turns.awake(population)
        return sum(ticks for phase, ticks in self.order if phase in awake) * self.tick_s
