"""A recipe as runs: its parts, and one run for each seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from oneway.circuits import Circuit
from oneway.rules import Rule

from ..callbacks import EpochEnd
from ..checkpoint import CHECKPOINT
from ..data.dataset import Data
from ..distributed import Processes
from ..fitting import fit
from ..locking import locked
from ..loop import floor_accuracy, train
from ..progress import keep_quiet
from ..records import Published, RunFolder, RunResult
from .recipe import Recipe, check_module, check_recipe
from .written import accepted

# Of samples in the shape of a circuit's input; None where that is not known yet.
Load = Callable[[tuple[int, ...] | None], Data]


def parts(recipe: Recipe, load: Load) -> tuple[Rule | None, Circuit, Data]:
    """Rule, wired circuit, and data that fit it."""
    if recipe.module:  # which is traced with samples like those of the data
        data = load(None)
        rule, wired = check_module(recipe, data)
    else:
        rule, wired = check_recipe(recipe)
        data = load(wired.inputs[0].shape)
    return rule, wired, fit(data, wired)


def train_seed(
    recipe: Recipe,
    rule: Rule | None,
    wired: Circuit,
    data: Data,
    seed: int,
    folder: Path,
    *,
    published: Published | None = None,
    notify: Callable[[str], None] = keep_quiet,
    processes: Processes | None = None,
    new_rates: bool = False,
    on_epoch: Callable[[EpochEnd], object] | None = None,
    quiet: bool = False,
) -> RunResult:
    """One run of a recipe, in a folder; what that holds of it already is not done again."""
    processes = processes or Processes()
    own = replace(recipe, seeds=1, config=replace(recipe.config, seed=seed))
    with _written(folder, own, processes):
        resume, begun, as_long = processes.from_lead(partial(_kept, folder, own))
        start = own.make_start(data, rule, seed)
        floor = None
        if own.floor and not (begun and as_long):
            how: dict[str, Any] = {"processes": processes, "start": start, "quiet": quiet}
            floor = floor_accuracy(wired, data, own.config, **how)
        return train(
            wired,
            data,
            own.config,
            rule=rule,
            out=folder,
            floor=floor,
            published=published,
            notify=notify,
            resume=resume,
            processes=processes,
            tensorboard=own.tensorboard,
            start=start,
            weights=None if begun else own.make_weights(),
            new_rates=new_rates,
            on_epoch=on_epoch,
            quiet=quiet,
        )


@contextmanager
def _written(folder: Path, recipe: Recipe, processes: Processes) -> Iterator[None]:
    """Nobody else writes to the folder, which holds the recipe while the run is let go on."""
    if not processes.leads:
        yield
        return
    with locked(folder), accepted(folder, recipe):
        yield


def _kept(folder: Path, recipe: Recipe) -> tuple[bool, bool, bool]:
    """Whether a folder holds a run, a checkpoint, which has all weights, and a floor as long."""
    config = RunFolder.to_read(folder).settings().get("config", {})
    as_long = config.get("epochs") == recipe.config.epochs
    return RunFolder.holds_run(folder), (folder / CHECKPOINT).exists(), as_long
