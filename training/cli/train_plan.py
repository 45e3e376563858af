"""Which runs ``oneway train`` is to do, and in which folders: new ones, or those that go on."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..config import RATES, SPEED
from ..errors import ConfigError
from ..files import new_folder
from ..locking import LOCK, locked
from ..recipes.code import check_code
from ..recipes.recipe import Recipe, check_settings, make_recipe, options_of, recipe_keys
from ..recipes.smoke import shrunk
from ..recipes.tables import find
from ..recipes.written import accepted, recipe_settings
from ..records import RESULT, RunFolder
from .shared import given, tell

# What a run may go on with that it did not have; the other settings are what it is.
_MAY_CHANGE = (*RATES, "epochs", *SPEED, "device", "tensorboard", "workers", "data_dir")


@dataclass(frozen=True)
class Plan:
    """Runs, each with its folder.

    Parameters
    ----------
    out : Path
        Folder of the run, or of the folders of several.
    recipe : Recipe
        Of all of them.
    runs : mapping
        Folder → recipe of the run there.
    goes_on : bool
        It is what stood in `out`.
    """

    out: Path
    recipe: Recipe
    runs: Mapping[Path, Recipe]
    goes_on: bool = False

    @property
    def smoke(self) -> bool:
        """Whether some run has synthetic images in place of its data set."""
        names = (RunFolder.to_read(folder).settings().get("data") for folder in self.runs)
        return f"synthetic {self.recipe.data}" in names

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nobody else does these runs, and their folder says what they are."""
        several = accepted(self.out, self.recipe) if len(self.runs) > 1 else nullcontext()
        with locked(self.out), several:
            yield


# -- as the command line has it ------------------------------------------------------------------


def asked(arguments: argparse.Namespace) -> Recipe:
    """Recipe, then --smoke, then --set, then options: the later ones win."""
    settings = _recipe_settings(arguments.recipe) if arguments.recipe else {}
    settings = shrunk(settings) if arguments.smoke else settings
    later = _later(arguments)
    if "module" in later:  # in place of the recipe's circuit
        settings.pop("circuit", None)
    own = {key: value for key, value in settings.items() if key not in later}
    check_code(f"recipe {arguments.recipe!r}", own, arguments.allow_code, tell)
    return make_recipe(settings | later)


def _later(arguments: argparse.Namespace) -> dict[str, Any]:
    later = options_of("--set").parse(arguments.set)
    return later | check_settings("train", given(arguments, recipe_keys()))


def _recipe_settings(name: str) -> dict[str, Any]:
    entry = find(name)
    if entry.source:
        tell(entry.sentence())
    return dict(entry.settings)


def plan(recipe: Recipe, out: Path | None, resume: bool) -> Plan:
    """The runs of a recipe in `out`, or in a new folder, which is made."""
    if resume and out is None:
        raise ConfigError(
            "--resume needs the folder of the run: name it, as in oneway train --resume runs/kp"
        )
    out = out or new_folder(_name(recipe))
    runs = dict(_apart(out, recipe))
    _check_folders(out, list(runs), resume)
    return Plan(out, recipe, runs)


def _name(recipe: Recipe) -> str:
    rule = Path(recipe.rule or "wired").stem.split(",")[0]
    return f"{Path(recipe.data).stem}-{rule}"


def _apart(out: Path, recipe: Recipe) -> Iterator[tuple[Path, Recipe]]:
    """One run a seed."""
    if recipe.seeds == 1:
        yield out, recipe
        return
    for seed in range(recipe.config.seed, recipe.config.seed + recipe.seeds):
        config = replace(recipe.config, seed=seed)
        yield out / f"seed{seed}", replace(recipe, seeds=1, config=config)


def _check_folders(out: Path, folders: list[Path], resume: bool) -> None:
    """Each is made now, so that one that cannot be used is known before training.

    When several seeds are resumed, some may be finished and others not have begun.
    """
    begun = [folder for folder in folders if RunFolder.holds_run(folder)]
    if resume and not begun and not (out / LOCK).exists():  # or it was killed in its first moment
        RunFolder.check_resumable(folders[0])
    for folder in folders:
        RunFolder.check(folder, resume and folder in begun)


# -- as a folder has it --------------------------------------------------------------------------


def plan_of(arguments: argparse.Namespace) -> Plan:
    """The runs in the folder that ``--resume`` names, with what the command line changes."""
    out, changes = Path(arguments.resume).expanduser(), _changes(arguments)
    recipe = _with(_kept(out, arguments.allow_code), changes)
    runs = dict(_apart(out, recipe))
    if len(runs) > 1:
        code = arguments.allow_code
        runs = {folder: _own(folder, usual, changes, code) for folder, usual in runs.items()}
    for folder in runs:
        RunFolder.check(folder, RunFolder.holds_run(folder))
    return Plan(out, recipe, runs, goes_on=True)


def _changes(arguments: argparse.Namespace) -> dict[str, Any]:
    resume, out = arguments.resume, arguments.out
    if out is not None:
        raise ConfigError(
            f"--resume {resume} and --out {out} name two folders. Go on with 'oneway train "
            "--resume DIR' alone, or put --resume behind the whole command"
        )
    changes = _later(arguments)
    others = ["RECIPE"] * (arguments.recipe is not None)
    others += [f"--{key.replace('_', '-')}" for key in changes if key not in _MAY_CHANGE]
    if others:
        raise ConfigError(
            f"--resume {resume} goes on with what the folder holds and takes no "
            f"{', '.join(others)}. Leave that out (what may change is "
            f"{', '.join(_MAY_CHANGE)}), or start anew in another folder"
        )
    return changes


def _with(settings: Mapping[str, Any], changes: Mapping[str, Any]) -> Recipe:
    return make_recipe({**settings, **changes})


def _kept(folder: Path, allow_code: bool) -> dict[str, Any]:
    """Settings that stand in a folder: who wrote them there need not be who goes on with them."""
    settings = recipe_settings(folder)
    check_code(f"the run in {str(folder)!r}", settings, allow_code, tell)
    return settings


def _own(folder: Path, usual: Recipe, changes: Mapping[str, Any], allow_code: bool) -> Recipe:
    """The recipe of one run: as it stands in its folder, changed where there is more to do."""
    if not RunFolder.holds_run(folder):
        return usual
    settings = _kept(folder, allow_code)
    if "epochs" not in changes and set(changes) & set(RATES) and (folder / RESULT).exists():
        tell(f"{folder} is finished, and stays as it is")
        changes = {key: value for key, value in changes.items() if key not in RATES}
    return _with(settings, changes)
