"""What the lines of a drawing mean."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..elements import Projection
from .layout import kind_of
from .looks import ROLE_MEANINGS, THICK, THIN, TIED_DASHES, TIED_MEANINGS


@dataclass(frozen=True)
class KeyEntry:
    """A line as it is drawn, its colour by name, and its meaning."""

    colour: str
    width: float
    meaning: str
    dashes: tuple[float, ...] = ()


def key_of(projections: Iterable[Projection], shaded: bool) -> Iterator[KeyEntry]:
    """An entry for what occurs among the projections, and for shaded pairs."""
    drawn = list(projections)
    roles, kinds = {p.role for p in drawn}, {kind_of(p) for p in drawn}
    for role, meaning in ROLE_MEANINGS.items():
        if role in roles:
            yield KeyEntry(role, THIN, meaning)
    if any(p.plasticity for p in drawn):
        yield KeyEntry("drive", THICK, "thick: weights learn")
    for kind, meaning in TIED_MEANINGS.items():
        if kind in kinds:
            yield KeyEntry("tied", THICK, meaning, TIED_DASHES[kind])
    if shaded:
        yield KeyEntry("shade", 10.0, "cells joined both ways")
