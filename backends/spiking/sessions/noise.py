"""Phases that noise drives, taking turns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf

import numpy as np

from ..parameters import SpikingParameters
from ..translation.context import When
from .record import PhaseInterval, Spikes, SpontaneousRecord, Trace
from .timetable import Stretch, Timetable

# Where learning slows down, it does so every so many ticks.
_SLOWING_TICKS = 50


@dataclass(frozen=True)
class NoisyTurns:
    """Noisy phases in turn, equally long, each for about `phase_time` at a time."""

    when: When
    order: list[tuple[str, int]]  # phases, and for how many ticks
    adapting: int  # ticks of a turn in which running means settle before anything is learned
    tick_s: float
    learn: float  # part of a batch that one tick counts
    slowing: float = inf  # ticks of a phase after which learning falls as one over time

    @classmethod
    def of(
        cls, when: When, p: SpikingParameters, duration_s: float, slowing_s: float = inf
    ) -> NoisyTurns:
        """Turns that fill a duration."""
        tick_s, names = float(p.plasticity_dt), when.turns.names
        rounds = max(1, round(duration_s / (len(names) * float(p.phase_time))))
        n = 1 if len(names) == 1 else rounds * len(names)
        lengths = np.diff(np.round(np.arange(n + 1) * duration_s / (n * tick_s))).astype(int)
        order = [(names[i % len(names)], int(k)) for i, k in enumerate(lengths) if k]
        adapting = round(float(p.adapt_time) / tick_s)
        learn = tick_s / float(p.batch_time)
        return cls(when, order, adapting, tick_s, learn, slowing_s / tick_s)

    @property
    def learns(self) -> bool:
        """Whether any turn is longer than it takes to settle."""
        return any(stretch.learn * stretch.ticks for stretch in self.timetable().stretches)

    def timetable(self) -> Timetable:
        """When which phase runs, and when its synapses learn."""
        stretches: list[Stretch] = []
        before, learned = None, Counter[str]()
        for phase, ticks in self.order:
            number = self.when.numbers[phase]
            waiting = min(self.adapting, ticks) if phase != before else 0
            learning = self._learning(number, learned[phase], ticks - waiting)
            stretches += [Stretch(number, 0, waiting), *learning]
            learned[phase] += ticks - waiting
            before = phase
        return Timetable(stretches).closed()

    def _learning(self, number: int, learned: int, ticks: int) -> Iterator[Stretch]:
        """Learning of a phase that has learned for some ticks already."""
        if learned + ticks <= self.slowing:
            yield Stretch(number, 0, ticks, learn=self.learn)
            return
        for begin in range(0, ticks, _SLOWING_TICKS):
            now = min(_SLOWING_TICKS, ticks - begin)
            part = min(1.0, self.slowing / (learned + begin + now / 2))
            yield Stretch(number, 0, now, learn=self.learn * part)

    def record(
        self,
        spikes: Mapping[str, Spikes],
        weights: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]],
        sizes: Mapping[str, int],
        start_s: float,
        wall_s: float,
        variables: Mapping[str, Trace],
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
            variables=variables,
        )

    def _awake_s(self, population: str) -> float:
        awake = self.when.turns.awake(population)
        return sum(ticks for phase, ticks in self.order if phase in awake) * self.tick_s
