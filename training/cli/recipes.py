"""`oneway recipes`: the recipes that come with the package, and whether recipes are in order."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from textwrap import wrap
from typing import Any

from rich.markup import escape
from rich.table import Table

from oneway.circuits import WiringError

from ..data.catalogue import check_official_fit
from ..errors import ConfigError, DataError
from ..progress import ProgressBar
from ..recipes.code import check_code
from ..recipes.recipe import check_recipe
from ..recipes.tables import Entry, find, read_entries, shipped
from ..records import jsonable
from ..terminal import say
from .shared import BAD_INPUT, WIDE, print_json, table_console, tell


def run(arguments: argparse.Namespace) -> int:
    return {"list": _list, "show": _show, "check": _check}[arguments.action](arguments)


# -- list ----------------------------------------------------------------------------------------


def _list(arguments: argparse.Namespace) -> int:
    words = [word.lower() for word in arguments.names]
    found = _matching(list(shipped().values()), words)
    if not found:
        raise ConfigError(
            f"no recipe has {' and '.join(words)} in its name; 'oneway recipes' lists them all"
        )
    if arguments.json:
        print_json(jsonable({"recipes": [_summary(entry) for entry in found]}))
        return 0
    console, table = table_console(), Table(box=None)
    for name in ("recipe", "data", "network", "rule", "epochs", "published (%)"):
        table.add_column(name, overflow="fold")
    for entry in found:
        about = _summary(entry)
        cells = [about[key] for key in ("name", "data", "circuit", "rule", "epochs")]
        figure = "–" if entry.published is None else f"{100 * entry.published:.2f}"
        table.add_row(*(escape(str(cell)) for cell in cells), figure)
    wanted = console.measure(table, options=console.options.update(width=WIDE)).maximum
    if wanted <= console.width:
        console.print(table)
    else:  # names that are broken could not be copied
        say("\n".join(_folded(entry, console.width) for entry in found))
    print(f"{len(found)} recipes; train one with: oneway train {found[0].name} [--smoke]")
    return 0


def _folded(entry: Entry, width: int) -> str:
    """A recipe where there is no room for a table: its name, and below it all else."""
    about = _summary(entry)
    parts = [f"{about[key]}" for key in ("data", "circuit", "rule")] + [f"{about['epochs']} epochs"]
    if entry.published is not None:
        parts.append(f"published {100 * entry.published:.2f} %")
    space = " " * 4
    return "\n".join(
        [entry.name, *wrap("; ".join(parts), width, initial_indent=space, subsequent_indent=space)]
    )


def _matching(entries: list[Entry], words: Sequence[str]) -> list[Entry]:
    """Recipes that every word names.

    A word that is the data set, the network, the rule, or the table, row or column of some recipe
    means just that, so that `asap` is the rule and not all of a paper's table. Any other is looked
    for within names.
    """
    terms = {entry.name: _terms(entry) for entry in entries}
    for word in words:
        exact = any(word in terms[entry.name] for entry in entries)
        entries = [e for e in entries if word in (terms[e.name] if exact else e.name)]
    return entries


def _terms(entry: Entry) -> set[str]:
    """What a recipe is called by, whole: `cifar10`, `resnet18`, `asap,k=4` and `asap`, ..."""
    settings = [str(entry.settings.get(key) or "").lower() for key in ("data", "circuit", "rule")]
    bases = [setting.partition(":")[0].partition(",")[0] for setting in settings]
    return {*settings, *bases, *entry.name.split("/")} - {""}


def _summary(entry: Entry) -> dict[str, Any]:
    settings = entry.settings
    return {
        "name": entry.name,
        **{key: settings.get(key) for key in ("data", "circuit", "rule", "epochs")},
        "published": entry.published,
        "source": entry.source,
    }


# -- show ----------------------------------------------------------------------------------------


def _show(arguments: argparse.Namespace) -> int:
    if len(arguments.names) != 1:
        raise ConfigError(f"show: expected the name of one recipe, got {len(arguments.names)}")
    entry = find(arguments.names[0])
    if arguments.json:
        about = {"published": entry.published, "source": entry.source, "notes": entry.notes}
        print_json(jsonable({"name": entry.name, "settings": entry.settings, **about}))
        return 0
    say(f"# {entry.sentence()}")
    for note in entry.notes:
        say(f"# {note}")
    for key, value in entry.settings.items():
        say(f"{key} = {_toml(value)}")
    return 0


def _toml(value: Any) -> str:
    if isinstance(value, tuple):
        return json.dumps(list(value))
    return repr(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


# -- check ---------------------------------------------------------------------------------------


def _check(arguments: argparse.Namespace) -> int:
    entries = [e for name in arguments.names for e in _named(name)] or list(shipped().values())
    complaints = {}
    with ProgressBar("recipes", len(entries)) as progress:
        for entry in entries:
            complaint = _complaint(entry, arguments.allow_code)
            if complaint:
                complaints[entry.name] = complaint
            progress.advance(entry.name)
    if arguments.json:
        print_json({"checked": len(entries), "complaints": complaints, "ok": not complaints})
    elif not complaints:
        print(f"{len(entries)} {'recipes are' if len(entries) > 1 else 'recipe is'} in order")
    for name, complaint in complaints.items():
        tell(f"oneway: error: {name}: {' '.join(complaint.split())}")
    return BAD_INPUT if complaints else 0


def _named(name: str) -> Sequence[Entry]:
    path = Path(name)
    return read_entries(path) if path.suffix == ".toml" and path.is_file() else [find(name)]


def _complaint(entry: Entry, allow_code: bool) -> str | None:
    try:
        with redirect_stdout(sys.stderr):  # a rule file may print what it likes
            check_code(f"recipe {entry.name!r}", entry.settings, allow_code, tell)
            recipe = entry.recipe()
            _, circuit = check_recipe(recipe)
        if entry.name in shipped():
            check_official_fit(recipe.data, circuit)
    except (ConfigError, DataError, WiringError) as error:
        return str(error)
    return None
