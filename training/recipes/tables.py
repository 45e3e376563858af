"""Tables of recipes: the rows and columns of a paper's table, each cell a recipe with its figure.

A table is a TOML file. ``[common]`` has the settings of all cells; ``[rows.NAME]`` and
``[columns.NAME]`` what is special to them, the column's winning over the row's, and a row's
``columns.NAME`` what is special to one cell. The row's ``published`` has the figures in per cent by
column. A cell is there where it has a figure, and where the column says ``always = true``; a column
may point to another one's ``figure``. The tables in the folder ``published_tables`` come with the
package.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from oneway.rules import RULES, SPIKE_RULES, Rule

from ..config import SPEED, TrainConfig
from ..data.catalogue import is_complete
from ..errors import ConfigError
from ..records import Published
from .recipe import Recipe, check_settings, make_recipe, read_recipe, read_toml

_TABLE_KEYS = {"source": str, "note": str, "common": dict, "rows": dict, "columns": dict}
_ROW_KEYS = {"note": str, "published": dict, "columns": dict}
_COLUMN_KEYS = {"note": str, "figure": str, "always": bool}
_CELL_KEYS = {"note": str}
# Rows and columns name the folders of runs.
AS_A_FOLDER = re.compile(r"[\w+-][\w.+-]*")
_WANTED = {str: "text", bool: "true or false", dict: "a table in brackets or braces"}


@dataclass(frozen=True)
class Entry:
    """A recipe in a table."""

    name: str  # table/row/column, as `find` takes it
    settings: Mapping[str, Any]
    source: str = ""  # paper and table
    published: float | None = None  # test accuracy there, as a fraction
    notes: tuple[str, ...] = ()  # what to know before comparing

    def recipe(self) -> Recipe:
        return make_recipe(self.settings)

    def sentence(self) -> str:
        """Its name, and what figure was published where."""
        figure = "no figure" if self.published is None else f"{100 * self.published:.2f} %"
        return f"{self.name}: {figure} in {self.source}" if self.source else self.name


@cache
def shipped() -> Mapping[str, Entry]:
    """The recipes that come with the package, by name."""
    folder = Path(str(files(__package__).joinpath("published_tables")))
    return {
        entry.name: entry for path in sorted(folder.glob("*.toml")) for entry in read_entries(path)
    }


def find(text: str) -> Entry:
    """The recipe that `text` names: a shipped one, a file, or a cell of a table in a file.

    Examples
    --------
    >>> from oneway.training.recipes.tables import find
    >>> find("asap-table1/cifar10-resnet18/asap").settings["circuit"]
    'resnet18:3x32x32-10,output_norm=yes'
    """
    return _pick(_entries_beside(text), text)


def entries_of(text: str) -> list[Entry]:
    """The recipes of a whole table, of a row (``table/row``) or of one cell, shipped or in a file.

    Examples
    --------
    >>> from oneway.training.recipes.tables import entries_of
    >>> [entry.name for entry in entries_of("sign-symmetry-table1/alexnet")][0]
    'sign-symmetry-table1/alexnet/bp'
    """
    entries = _entries_beside(text)
    within = [entry for name, entry in entries.items() if f"{name}/".startswith(f"{text}/")]
    return within or [_pick(entries, text)]


def _entries_beside(text: str) -> Mapping[str, Entry]:
    """The recipes among which `text` names some, by what they are called."""
    file, is_within, _ = text.partition(".toml/")
    if not is_within and not text.endswith(".toml") and not Path(text).is_file():
        return shipped()
    path = f"{file}.toml" if is_within else text
    return {_called(path, entry): entry for entry in read_entries(Path(path))}


def _called(path: str, entry: Entry) -> str:
    """How a recipe in a file is named: by the file, and by row and column in a table."""
    _, slash, cell = entry.name.partition("/")
    return f"{path}{slash}{cell}"


def _pick(entries: Mapping[str, Entry], text: str) -> Entry:
    if text in entries:
        return entries[text]
    within = [name for name in entries if name.startswith(f"{text}/")]
    if within:
        raise ConfigError(
            f"recipe {text!r} is a table of {len(within)}: name one of its cells, as in {within[0]}"
        )
    if text.partition(",")[0] in RULES | SPIKE_RULES:
        raise ConfigError(f"{text!r} is a rule, not a recipe: {_how_to_use(text)}")
    near = get_close_matches(text, entries, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]!r}? " if near else ""
    raise ConfigError(
        f"recipe {text!r} cannot be read: it is neither a file nor a recipe that comes with "
        f"oneway. {hint}'oneway recipes' lists them"
    )


def _how_to_use(rule: str) -> str:
    """The command that runs a rule by itself."""
    if rule.partition(",")[0] in SPIKE_RULES:
        return f"oneway spike mlp:64-48-10 --rule {rule}"
    return f"oneway train --circuit mlp:64-32-32-10 --rule {rule} --data digits"


# -- files ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Part:
    """Settings that a row, a column, a cell or the whole table has, and what is said about them."""

    settings: Mapping[str, Any]
    about: Mapping[str, Any]


def read_entries(path: Path) -> list[Entry]:
    """Every recipe in a file: one, or the cells of a table."""
    content = read_toml(path)
    if "rows" not in content and "columns" not in content:
        return [Entry(path.stem, read_recipe(path))]
    where = f"recipe table {str(path)!r}"
    _check_keys(where, content, _TABLE_KEYS)
    _check_kinds(where, content, _TABLE_KEYS)
    entries = list(_cells(where, path.stem, content))
    if not entries:
        raise ConfigError(
            f"{where} has no cell: give a row published = {{...}}, or a column always = true"
        )
    return entries


def _cells(where: str, table: str, content: Mapping[str, Any]) -> Iterator[Entry]:
    for name in (*content.get("rows", {}), *content.get("columns", {})):
        if not AS_A_FOLDER.fullmatch(name):
            raise ConfigError(
                f"{where}: rows and columns name folders, and {name!r} cannot be one. Expected "
                "letters, digits and any of _ . + -, without a dot in front"
            )
    common = _Part(check_settings(f"{where}, common", content.get("common", {})), content)
    columns = {
        name: _part(f"{where}, column {name!r}", inside, _COLUMN_KEYS)
        for name, inside in content.get("columns", {}).items()
    }
    figures_of = [column.about.get("figure", name) for name, column in columns.items()]
    _check_keys(f"{where}, figure", figures_of, columns)
    for row_name, inside in content.get("rows", {}).items():
        place = f"{where}, row {row_name!r}"
        row = _part(place, inside, _ROW_KEYS)
        figures = _figures(place, row.about.get("published", {}), columns)
        cells = row.about.get("columns", {})
        _check_keys(place, cells, columns)
        for name, column in columns.items():
            cell = _part(f"{place}, column {name!r}", cells.get(name, {}), _CELL_KEYS)
            figure = figures.get(column.about.get("figure", name))
            if figure is not None or column.about.get("always"):
                parts = (common, row, column, cell)
                settings = {key: value for part in parts for key, value in part.settings.items()}
                notes = [part.about["note"] for part in reversed(parts) if "note" in part.about]
                yield Entry(
                    f"{table}/{row_name}/{name}",
                    settings,
                    content.get("source", ""),
                    figure,
                    tuple(" ".join(note.split()) for note in notes),
                )


def _part(where: str, content: Any, kinds: Mapping[str, type]) -> _Part:
    if not isinstance(content, dict):
        raise ConfigError(f"{where}: expected settings, got {content!r}")
    _check_kinds(where, content, kinds)
    rest = {key: value for key, value in content.items() if key not in kinds}
    return _Part(check_settings(where, rest), {k: v for k, v in content.items() if k in kinds})


def _figures(where: str, content: Mapping[str, Any], columns: Any) -> dict[str, float]:
    _check_keys(f"{where}, published", content, columns)
    for column, percent in content.items():
        if type(percent) not in (int, float) or not 0 <= percent <= 100:
            raise ConfigError(
                f"{where}: published {column} = {percent!r}, expected per cent, from 0 to 100"
            )
    return {column: round(percent / 100, 6) for column, percent in content.items()}


def _check_kinds(where: str, content: Mapping[str, Any], kinds: Mapping[str, type]) -> None:
    for key, kind in kinds.items():
        if key in content and type(content[key]) is not kind:
            raise ConfigError(f"{where}: {key} = {content[key]!r}, expected {_WANTED[kind]}")


def _check_keys(where: str, content: Iterable[str], known: Iterable[str]) -> None:
    for key in content:
        if key not in known:
            near = get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
            raise ConfigError(f"{where}: no {key!r}; {hint}")


# What does not make it another experiment.
_OURS = ("seed", "device", "dtype", "validation", "sync_batch_norm", *SPEED)


# -- published figures beside runs ----------------------------------------------------------------


def published_figure(
    data: str, circuit: str, rule: Rule | None, config: TrainConfig, n_train: int, n_test: int
) -> Published | None:
    """The figure of the shipped recipe that is most like a run; None where there is no such one.

    Gates and norms of the rule count too; samples held out for validation are training samples.

    Examples
    --------
    >>> from oneway.training.recipes.tables import published_figure
    >>> from oneway.training.recipes.tables import find
    >>> dkp = find("direct-kp-table1/fashion-mnist/dkp").recipe()
    >>> settings = (dkp.data, dkp.circuit, dkp.make_rule(), dkp.config)
    >>> published_figure(*settings, 60_000, 10_000)
    Published(accuracy=0.9166, recipe='direct-kp-table1/fashion-mnist/dkp', differs=())
    >>> published_figure(*settings, 20_000, 10_000)
    """
    if rule is None or not is_complete(data, n_train, n_test):
        return None
    same = [entry for entry in shipped().values() if _is_of(entry, data, circuit, rule)]
    found = [
        Published(entry.published, entry.name, unlike(config, entry.recipe().config))
        for entry in same
        if entry.published is not None
    ]
    return min(found, key=lambda figure: len(figure.differs), default=None)


def _is_of(entry: Entry, data: str, circuit: str, rule: Rule) -> bool:
    if (entry.settings["data"], entry.settings["circuit"]) != (data, circuit):
        return False
    return entry.recipe().make_rule() == rule


def unlike(one: TrainConfig, other: TrainConfig) -> tuple[str, ...]:
    """The settings in which two runs are not the same experiment."""
    names = [field.name for field in fields(TrainConfig) if field.name not in _OURS]
    return tuple(name for name in names if getattr(one, name) != getattr(other, name))
