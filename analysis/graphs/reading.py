"""What was asked of a graph file, and what was taken from it."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

from oneway.circuits import WiringError

Progress = Callable[[int, int], None]


def _unwatched(done: int, total: int) -> None:
    """Nobody waits for progress."""


@dataclass(frozen=True)
class ReadOptions:
    """What `read_graph` was told; see there."""

    columns: tuple[str, ...] = ()
    format: str | None = None
    encoding: str | None = None
    part: str | None = None
    min_weight: float | None = None
    where: Mapping[str, frozenset[str]] = field(default_factory=dict)
    by: str | None = None
    progress: Progress = _unwatched

    def __post_init__(self) -> None:
        if self.min_weight is not None and not isfinite(self.min_weight):
            raise WiringError(f"min_weight = {self.min_weight}, expected a finite number, as in 5")

    def refuse(self, names: Iterable[str], path: Path, reason: str) -> None:
        """One sentence for the first option that means nothing for this file."""
        for name in names:
            if getattr(self, name):
                raise WiringError(
                    f"graph file {path}: {reason}: leave out --{name.replace('_', '-')}"
                )


def split_columns(columns: str | Sequence[str] | None) -> tuple[str, ...]:
    """``PRE,POST[,WEIGHT]`` as names, with csv's quotes around names that hold commas."""
    if not columns:
        return ()
    names = next(csv.reader([columns])) if isinstance(columns, str) else list(columns)
    if len(names) not in (2, 3) or not all(names):
        raise WiringError(
            f"columns {columns!r}: expected PRE,POST or PRE,POST,WEIGHT, names of the header or "
            "numbers from 1 where there is none"
        )
    return tuple(name.strip() for name in names)


def split_where(conditions: str | Iterable[str]) -> dict[str, frozenset[str]]:
    """``COLUMN=VALUE`` conditions: any of the values of a column, all of the columns."""
    wanted: dict[str, set[str]] = {}
    for condition in [conditions] if isinstance(conditions, str) else conditions:
        column, equals, value = condition.partition("=")
        if not equals or not column.strip():
            raise WiringError(f"where {condition!r}: expected COLUMN=VALUE, as in type=chemical")
        wanted.setdefault(column.strip(), set()).add(value.strip())
    return {column: frozenset(values) for column, values in wanted.items()}


@dataclass(frozen=True)
class Reading:
    """What was taken from a file; no figure should stand without it.

    Parameters
    ----------
    file, format : str
        Format in words, with the delimiter of a table.
    columns : mapping of str to str
        ``pre``, ``post`` and, where weights were read, ``weight``: the names of their columns, or
        their numbers from 1 where the file names none.
    first : tuple (str, str, float)
        The first connection that was taken, with its weight (1 where there are none).
    rows, taken : int
        Connections in the file, and those of them that `where` leaves.
    unread : tuple of str
        Columns of which nothing was read.
    where : tuple of str
    min_weight : float, optional
        Cells joined by less, in sum over their parallel connections, count as not joined.
    below : int
        Ordered pairs of cells that `min_weight` left out.
    cells : str
        What was read of a table of cells, in words.
    notes : tuple of str
        What a user should know before believing the figures.
    """

    file: str
    format: str
    columns: Mapping[str, str]
    first: tuple[str, str, float]
    rows: int
    taken: int
    unread: tuple[str, ...] = ()
    where: tuple[str, ...] = ()
    min_weight: float | None = None
    below: int = 0
    cells: str = ""
    notes: tuple[str, ...] = ()

    @property
    def weights(self) -> str:
        """Where weights come from, in words."""
        return f"from {self.columns['weight']}" if "weight" in self.columns else "none: 1 each"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "file": self.file,
            "format": self.format,
            "columns": dict(self.columns),
            "first": list(self.first),
            "rows": self.rows,
            "taken": self.taken,
            "unread": list(self.unread),
            "where": list(self.where),
            "min_weight": self.min_weight,
            "below_min_weight": self.below,
            "cells": self.cells,
            "notes": list(self.notes),
        }
