"""Which columns of a table are read for what, by the options or by the header."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from oneway.circuits import WiringError

from ..reading import ReadOptions
from . import headers
from .headers import Roles
from .layout import COLUMNS

# A column of at most so many different words may tell rows of different kinds apart.
FEW_KINDS = 20


@dataclass(frozen=True)
class Columns:
    """The columns of a table: their names, and which of them are read for what.

    Parameters
    ----------
    names : sequence of str
        Numbers from 1 where the file has no header.
    roles : Roles
    where : mapping of int to set of str
        Values of a column of which rows must have one.
    classes : mapping of str to (int, int)
        Columns that give a class to the presynaptic and to the postsynaptic cell.
    kinds : tuple of int
        Further columns of words: rows may be of kinds that should not be mixed.
    """

    names: Sequence[str]
    roles: Roles
    where: Mapping[int, frozenset[str]]
    classes: Mapping[str, tuple[int, int]]
    kinds: tuple[int, ...] = ()

    @classmethod
    def chosen(
        cls,
        path: Path,
        header: Sequence[str],
        width: int,
        options: ReadOptions,
        weighted: bool = True,
        kinds: Sequence[int] = (),
    ) -> Columns:
        """What the options ask for, else what the header says, else the first two."""
        names = tuple(header) or tuple(str(i + 1) for i in range(width))
        place = _Places(path, names)
        roles = _roles(path, header, options, place, weighted)
        where = {place.of(column): values for column, values in options.where.items()}
        classes = {options.by: place.pair(options.by)} if options.by else {}
        taken = {roles.pre, roles.post, roles.weight, *where}
        kinds = tuple(i for i in kinds if i not in taken)
        return cls(names, roles, where, {k: v for k, v in classes.items() if v}, kinds)

    @property
    def wanted(self) -> list[int]:
        """Every column that has to be read."""
        return sorted({*self.used, *self.kinds})

    @property
    def used(self) -> set[int]:
        """Those that the graph depends on."""
        ends = (self.roles.pre, self.roles.post, self.roles.weight)
        classes = [i for pair in self.classes.values() for i in pair]
        return {i for i in (*ends, *self.where, *classes) if i is not None}


@dataclass(frozen=True)
class _Places:
    path: Path
    names: Sequence[str]

    def find(self, name: str) -> int | None:
        """By name, whatever its case, or by number from 1."""
        if name in self.names:
            return list(self.names).index(name)
        folded = [known.casefold() for known in self.names]
        if name.casefold() in folded:
            return folded.index(name.casefold())
        if name.isdigit() and 1 <= int(name) <= len(self.names):
            return int(name) - 1
        return None

    def of(self, name: str) -> int:
        place = self.find(name)
        if place is None:
            raise WiringError(
                f"graph file {self.path}: no column {name!r}; its columns are "
                f"{', '.join(map(repr, self.names))}"
            )
        return place

    def pair(self, by: str) -> tuple[int, int] | None:
        """``pre_class,post_class`` by name, or the two columns that `class` completes."""
        if "," in by:
            pre, _, post = by.partition(",")
            return self.of(pre.strip()), self.of(post.strip())
        found = headers.pairs(self.names, ["".join(headers.words(by))])
        return found[0][1:] if found else None


def _roles(
    path: Path,
    header: Sequence[str],
    options: ReadOptions,
    place: _Places,
    weighted: bool,
) -> Roles:
    if options.columns:
        found = [place.of(name) for name in options.columns]
        if len(set(found)) < len(found):
            raise WiringError(f"graph file {path}: the same column twice: say {COLUMNS}")
        return Roles(*found)
    if not header:
        return Roles(0, 1, 2 if weighted and len(place.names) > 2 else None)
    ends = headers.cells(header) or headers.cells(header, weak=True)
    if ends is None:
        raise WiringError(
            f"graph file {path}: its columns are {', '.join(map(repr, header))}, and none says "
            f"which cell is pre and which is post: say {COLUMNS}"
        )
    return Roles(*ends, headers.weight(header))
