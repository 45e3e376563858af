"""Cells that repeat others: which of their spikes are copies, one step after the original."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from oneway.circuits import Circuit

if TYPE_CHECKING:
    from oneway.backends.spiking import SpikeData, Spikes


@dataclass(frozen=True)
class Repeat:
    """What a mimicking population fired in a phase, and how much of it was a copy."""

    source: str
    follower: str
    phase: str
    spikes: int
    copies: int
    later_ms: float

    def __str__(self) -> str:
        return (
            f"{self.follower} repeats {self.source} in phase {self.phase}: "
            f"{self.copies:,} of {self.spikes:,} spikes, {self.later_ms:g} ms later"
        )


def repeats(circuit: Circuit, data: SpikeData, dt_s: float) -> Iterator[Repeat]:
    """One for each mimicking population of equal size and each of its phases that fired."""
    for p in circuit.select(role="mimic"):
        if not {p.pre, p.post} <= data.spikes.keys() or data.sizes[p.pre] != data.sizes[p.post]:
            continue
        later_s = dt_s + p.delay / 1000
        originals = _moments(data.spikes[p.pre], dt_s, later_s)
        for phase in p.phases:
            within = [part for part in data.intervals if part.phase == phase]
            # What is repeated in a phase's first step was fired before it.
            fired = [
                _moments(data.spikes[p.post].between(a.start_s + later_s, a.stop_s), dt_s)
                for a in within
            ]
            spikes = set().union(*fired)
            if spikes:
                copies = len(spikes & originals)
                yield Repeat(p.pre, p.post, phase, len(spikes), copies, 1000 * later_s)


def _moments(train: Spikes, dt_s: float, later_s: float = 0.0) -> set[tuple[int, int]]:
    """Step and cell of each spike."""
    steps = np.round((train.times_s + later_s) / dt_s).astype(int)
    return set(zip(steps.tolist(), train.cells.tolist(), strict=True))
