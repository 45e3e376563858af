"""Cells of a table: which are wanted, in which order, and at which length."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ..compare import FLOORS
from ..errors import ConfigError
from ..recipes.recipe import Recipe, make_recipe
from ..recipes.tables import Entry, entries_of, unlike
from ..recipes.written import anchored
from ..records import Published
from .lengths import at_length

BP, FLOOR = "bp", "floor"
_FIRST = {BP: 0, FLOOR: 1}


@dataclass(frozen=True)
class Cell:
    """A cell of a table; its settings are those of the full length."""

    table: str
    row: str
    column: str
    settings: Mapping[str, Any]
    published: float | None = None
    source: str = ""
    notes: tuple[str, ...] = ()
    part: str | None = field(default=None, compare=False)  # BP, FLOOR, or neither

    @property
    def name(self) -> str:
        return f"{self.row}/{self.column}"

    @property
    def full(self) -> int:
        """Epochs of the full length."""
        return self.recipe().config.epochs

    def label(self, epochs: int) -> str:
        """What it is called at a length: another length makes another cell."""
        return self.name if epochs == self.full else f"{self.name} @ {_counted(epochs)}"

    def folder(self, epochs: int, seed: int) -> Path:
        """Of a run, below that of all runs."""
        length = "" if epochs == self.full else f"@{epochs}"
        return Path(self.row) / f"{self.column}{length}" / f"seed{seed}"

    def recipe(self, epochs: int | None = None) -> Recipe:
        return make_recipe(self.settings if epochs is None else at_length(self.settings, epochs))

    def figure(self, epochs: int) -> Published | None:
        """The published figure, and in which settings a run of this length is not that."""
        if self.published is None:
            return None
        differs = unlike(self.recipe(epochs).config, self.recipe().config)
        return Published(self.published, f"{self.table}/{self.name}", differs)


def _counted(epochs: int) -> str:
    return f"{epochs} epoch{'s' if epochs > 1 else ''}"


def cells_of(
    table: str,
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    changes: Mapping[str, Any] | None = None,
) -> list[Cell]:
    """The wanted cells, row by row; in each backpropagation comes first, and then the floor.

    Parameters
    ----------
    table : str
        A shipped table or a TOML file, or a row or cell of it: ``asap-table1/cifar10-resnet18``.
    rows, columns : sequence of str
        Which of them; all where there is none.
    changes : mapping, optional
        Settings that all cells get in place of their own.

    Raises
    ------
    ConfigError
        There is no such table, row or column, or a cell's settings are none.

    Examples
    --------
    >>> from oneway.training.reproduction.cells import cells_of
    >>> [cell.column for cell in cells_of("direct-kp-table1/cifar10", columns=["dkp", "fc-only"])]
    ['fc-only', 'dkp']
    """
    cells = [_cell(entry, changes or {}) for entry in entries_of(table)]
    wanted_rows = _among(rows, [cell.row for cell in cells], "row", table)
    wanted_columns = _among(columns, [cell.column for cell in cells], "rule", table)
    wanted = [c for c in cells if c.row in wanted_rows and c.column in wanted_columns]
    if not wanted:
        raise ConfigError(
            f"table {table!r} has no cell of {', '.join(wanted_columns)} in row "
            f"{', '.join(wanted_rows)}"
        )
    return in_order(wanted)


def in_order(cells: Iterable[Cell]) -> list[Cell]:
    """Rows as they come; in each what all else is read beside comes first."""
    by_row: dict[str, list[Cell]] = {}
    for cell in cells:
        by_row.setdefault(cell.row, []).append(cell)
    last = len(_FIRST)
    return [
        cell
        for row in by_row.values()
        for cell in sorted(row, key=lambda cell: _FIRST.get(cell.part or "", last))
    ]


def _cell(entry: Entry, changes: Mapping[str, Any]) -> Cell:
    table, *rest = entry.name.split("/")
    if not rest:
        raise ConfigError(
            f"{entry.name!r} is a single recipe and no table, which has [rows.NAME] and "
            "[columns.NAME]: 'oneway train' runs it"
        )
    settings = anchored({**entry.settings, **changes})
    row, column = rest
    cell = Cell(table, row, column, settings, entry.published, entry.source, entry.notes)
    return replace(cell, part=_part(cell.recipe()))


def _part(recipe: Recipe) -> str | None:
    """Whether all else is read beside it. Gate and norm say nothing of what a rule is."""
    rule = recipe.make_rule()
    label = None if rule is None else rule.label("gate", "norm")
    return FLOOR if label in FLOORS else BP if label == "bp" else None


def _among(wanted: Sequence[str], there: Sequence[str], what: str, table: str) -> list[str]:
    known = list(dict.fromkeys(there))
    for name in wanted:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
            raise ConfigError(f"table {table!r} has no {what} {name!r}; {hint}")
    return list(wanted) or known
