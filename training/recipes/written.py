"""`recipe.toml` in the folder of a run: all that ``oneway train --resume DIR`` needs to go on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from oneway.circuits import WiringError

from ..checkpoint import CHECKPOINT
from ..config import TrainConfig
from ..data.catalogue import ARRAYS, DATA_DIR_VARIABLE
from ..errors import ConfigError, DataError
from ..files import remove_unfinished, write_text
from ..records import RECIPE, RunFolder
from .recipe import Recipe, read_recipe

_HEAD = "# Written by oneway train: 'oneway train --resume FOLDER' goes on with it.\n"


def write_recipe(folder: Path, recipe: Recipe) -> None:
    """Write every setting of a recipe, those at their defaults too, as a recipe file.

    Defaults may be others in a later version, and who goes on may stand in another folder. In one
    order, wherever a setting came from, so that the file of a run that went on is the same.
    """
    settings = anchored(settings_of(recipe))
    names = [f.name for f in (*fields(Recipe), *fields(TrainConfig))]
    lines = [f"{key} = {_toml(settings[key])}\n" for key in names if key in settings]
    write_text(folder / RECIPE, _HEAD + "".join(lines))


@contextmanager
def accepted(folder: Path, recipe: Recipe) -> Iterator[None]:
    """The recipe stands in the folder, which is locked; where it is refused, what stood there."""
    path = folder / RECIPE
    remove_unfinished(folder, [RECIPE])
    before = path.read_text(encoding="utf-8") if path.exists() else None
    write_recipe(folder, recipe)
    try:
        yield
    except (ConfigError, DataError, WiringError):
        if before is not None:
            write_text(path, before)
        elif not (folder / CHECKPOINT).exists():
            path.unlink()
        raise


def recipe_settings(folder: Path) -> dict[str, Any]:
    """What `write_recipe` wrote.

    Raises
    ------
    ConfigError
        There is no such file, or it is no recipe.
    """
    if (folder / RECIPE).exists():
        RunFolder.to_read(folder).settings()  # of a later version, the recipe would be misread
        return read_recipe(folder / RECIPE)
    if not RunFolder.holds_run(folder):
        raise ConfigError(
            f"folder {str(folder)!r} holds no run to resume. Name that of a run, or start one "
            "without --resume"
        )
    raise ConfigError(
        f"the run in {str(folder)!r} has no {RECIPE}: an earlier version wrote it, or Python did. "
        f"Go on with the command that started it, 'oneway train ... --out {folder} --resume', or "
        "with train(..., resume=True)"
    )


def settings_of(recipe: Recipe) -> dict[str, Any]:
    """A recipe as settings by name, without those that say nothing."""
    own = {f.name: getattr(recipe, f.name) for f in fields(Recipe) if f.name != "config"}
    own |= {f.name: getattr(recipe.config, f.name) for f in fields(TrainConfig)}
    return {key: value for key, value in own.items() if value is not None}


def anchored(settings: Mapping[str, Any]) -> dict[str, Any]:
    """With paths from the root: who goes on with the runs may stand in another folder."""
    anchored = dict(settings)
    folder = settings.get("data_dir") or os.environ.get(DATA_DIR_VARIABLE)
    if folder:
        anchored["data_dir"] = _from_root(folder)
    if settings.get("weights"):
        anchored["weights"] = _from_root(settings["weights"])
    for key, ending in (("data", ARRAYS), ("rule", ".py"), ("module", ".py")):
        path, is_file, rest = str(settings.get(key)).partition(ending)
        if is_file:
            anchored[key] = _from_root(path + ending) + rest
    circuit = settings.get("circuit")
    if circuit and Path(circuit).expanduser().is_file():
        anchored["circuit"] = _from_root(circuit)
    return anchored


def _from_root(path: str) -> str:
    return str(Path(path).expanduser().resolve())


def _toml(value: Any) -> str:
    """Text, numbers, truth values and lists look the same in TOML as in JSON."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
