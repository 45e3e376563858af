"""A timetable: which phase and sample when, and when to learn, tick by tick."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np


@dataclass(frozen=True)
class Stretch:
    """Ticks in a row in which nothing changes."""

    phase: int
    sample: int  # row of the data
    ticks: int
    share: float = 1.0  # of its batch: errors are scaled by it, as a mean loss does
    learn: float = 0.0  # part of a sample's learning that falls to each tick; 0 while cells settle
    gather: float = 0.0  # the same of a mean of activity
    onset: float = 0.0  # 1 where a trial begins


@dataclass
class Timetable:
    """Stretches one after another, and the rows of inputs, targets and noise that they refer to."""

    stretches: list[Stretch] = field(default_factory=list)
    rows: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def ticks(self) -> int:
        """Its length."""
        return sum(stretch.ticks for stretch in self.stretches)

    def closed(self) -> Timetable:
        """With one more tick, at whose beginning what was learned in the last one is applied."""
        last = self.stretches[-1]
        closing = replace(last, ticks=1, learn=0.0, gather=0.0, onset=0.0)
        return Timetable([*self.stretches, closing], self.rows)

    def tables(self, wanted: Mapping[str, int]) -> dict[str, np.ndarray]:
        """Every table that a model asks for: one value a tick, or one row a sample."""
        counts = [stretch.ticks for stretch in self.stretches]
        tables = {}
        for name, columns in wanted.items():
            if columns:
                rows = self.rows.get(name)
                tables[name] = np.zeros((1, columns)) if rows is None else rows
            else:
                values = [getattr(stretch, name.removesuffix("_at")) for stretch in self.stretches]
                tables[name] = np.repeat(np.array(values, dtype=float), counts)
        return tables


def begun(stretches: Sequence[Stretch]) -> list[Stretch]:
    """Stretches of one trial, of which the first tick is marked as its onset."""
    first, *others = (stretch for stretch in stretches if stretch.ticks)
    rest = replace(first, ticks=first.ticks - 1)
    return [replace(first, ticks=1, onset=1.0), rest, *others]
