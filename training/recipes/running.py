"""A recipe as runs: its parts, and one run for each seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from oneway.circuits import Circuit
from oneway.rules import Rule

from ..checkpoint import CHECKPOINT
from ..data.dataset import Data
from ..distributed import Processes
from ..fitting import fit
from ..loop import floor_accuracy, train
from ..progress import keep_quiet
from ..records import Published, RunFolder, RunResult
from .recipe import Recipe, check_module, check_recipe

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
) -> RunResult:
    """One run of a recipe, in a folder; what that holds of it already is not done again."""
    processes = processes or Processes()
    config = replace(recipe.config, seed=seed)
    resume, knows_floor = processes.from_lead(partial(_kept, folder))
    start = recipe.make_start(data, rule, seed)
    floor = None
    if recipe.floor and not knows_floor:
        floor = floor_accuracy(wired, data, config, processes=processes, start=start)
    return train(
        wired,
        data,
        config,
        rule=rule,
        out=folder,
        floor=floor,
        published=published,
        notify=notify,
        resume=resume,
        processes=processes,
        tensorboard=recipe.tensorboard,
        start=start,
    )


def _kept(folder: Path) -> tuple[bool, bool]:
    """Whether a folder holds a run, and a checkpoint, which has the floor."""
    return RunFolder.holds_run(folder), (folder / CHECKPOINT).exists()
