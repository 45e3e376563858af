"""Samples presented one after another: the schedule of their phases, and how answers are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from brian2 import Quantity

from oneway.circuits import Circuit, WiringError

from ..parameters import SpikingParameters
from ..translation.context import When
from .timetable import Stretch, Timetable, begun


@dataclass(frozen=True)
class Trials:
    """The trials of a data set."""

    phases: tuple[int, ...]  # their numbers, in order
    ticks: int  # of a phase
    learn_ticks: int  # its last ones, in which synapses learn
    tick: Quantity
    read_dt: Quantity
    read_from_s: float  # when after its onset
    rows: dict[str, np.ndarray]
    samples: int
    share: float  # what each sample counts of its batch

    @classmethod
    def of(
        cls,
        when: When,
        p: SpikingParameters,
        settling: int | None,
        rows: Mapping[str, np.ndarray],
        samples: int,
        batch: bool,
    ) -> Trials:
        """Trials of so many samples, with the tables that they look things up in.

        Parameters
        ----------
        settling : int or None
            How many steps settled cells take; None for cells that spike.
        """
        phases = when.data_numbers
        share = 1 / samples if batch else 1.0
        if settling is not None:
            last = (settling - 1) * float(p.dt)
            return cls(phases, settling, 1, p.dt, p.dt, last, dict(rows), samples, share)
        tick = p.tick
        ticks = round(float(p.present_time / tick))
        read_dt = min(p.plasticity_dt, p.present_time)
        read_from_s, learn_ticks = float(p.read_from), p.learn_ticks
        return cls(
            phases, ticks, learn_ticks, tick, read_dt, read_from_s, dict(rows), samples, share
        )

    def timetable(self, factors: np.ndarray | None = None) -> Timetable:
        """All trials, each with its part of the learning rates; all of it by default."""
        factors = np.ones(self.samples) if factors is None else factors
        stretches: list[Stretch] = []
        settling = self.ticks - self.learn_ticks
        for sample, factor in enumerate(factors):
            each = float(factor) / self.learn_ticks
            trial = []
            for phase in self.phases:
                trial += [
                    Stretch(phase, sample, settling, self.share),
                    Stretch(phase, sample, self.learn_ticks, self.share, each),
                ]
            stretches += begun(trial)
        return Timetable(stretches, self.rows).closed()

    # -- reading ---------------------------------------------------------------------------

    @property
    def trial_s(self) -> float:
        """Length of one trial."""
        return self.ticks * float(self.tick) * len(self.phases)

    @property
    def onsets_s(self) -> np.ndarray:
        """When each sample begins, from the beginning of the run."""
        return np.arange(self.samples) * self.trial_s

    @property
    def reading_ticks(self) -> np.ndarray:
        """The last tick of the first phase of each trial."""
        return np.arange(self.samples) * self.ticks * len(self.phases) + self.ticks - 1

    def read(self, times_s: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Mean of recorded values over each trial's reading time: (samples, cells)."""
        within = times_s / self.trial_s + 1e-9
        sample = within.astype(int)
        since = (within - sample) * self.trial_s
        phase_s = self.ticks * float(self.tick)
        used = (sample < self.samples) & (since > self.read_from_s - 1e-9) & (since < phase_s)
        sums = np.zeros((self.samples, values.shape[1]))
        np.add.at(sums, sample[used], values[used])
        counts = np.bincount(sample[used], minlength=self.samples)[: self.samples]
        return sums / np.maximum(counts, 1)[:, None]


def data_rows(circuit: Circuit, x: np.ndarray, y: np.ndarray | None) -> dict[str, np.ndarray]:
    """Inputs and targets as rows, checked."""
    (population,) = circuit.inputs
    x = np.asarray(x, dtype=float)
    if x.ndim < 2 or x.shape[1:] not in (population.shape, (population.size,)) or not len(x):
        raise ValueError(
            f"input population {population.name!r} has shape {population.shape}, but the samples "
            f"have {x.shape}, expected (samples, {', '.join(map(str, population.shape))})"
        )
    if not np.isfinite(x).all():
        raise ValueError("samples hold values that are not finite numbers")
    return {"data": x.reshape(len(x), -1), **target_rows(circuit, y, len(x))}


def target_rows(circuit: Circuit, y: np.ndarray | None, samples: int) -> dict[str, np.ndarray]:
    """Targets as rows, checked; none where the circuit has no place for any."""
    if y is None:
        return (
            {} if circuit.target is None else {"targets": np.zeros((samples, circuit.target.size))}
        )
    if circuit.target is None:
        raise WiringError(
            f"circuit {circuit.name!r} has no target population, so y has nowhere to go. Wire "
            "a rule on it, or leave y out"
        )
    return {"targets": one_hot(y, samples, circuit.target.size)}


def one_hot(y: np.ndarray, samples: int, classes: int) -> np.ndarray:
    """Class numbers as rows; rows stay as they are."""
    y = np.asarray(y)
    if y.shape == (samples, classes):
        return y.astype(float)
    if y.shape != (samples,):
        raise ValueError(
            f"y has shape {y.shape}, expected ({samples},) class numbers or ({samples}, {classes})"
        )
    if not np.issubdtype(y.dtype, np.integer) or y.min() < 0 or y.max() >= classes:
        raise ValueError(
            f"y holds {y.min()} to {y.max()}, expected class numbers 0 to {classes - 1}"
        )
    return np.eye(classes)[y]
