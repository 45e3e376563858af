"""`oneway train`: one run a seed, from a recipe, from options, or from both."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

from rich.columns import Columns
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from oneway.circuits import Circuit
from oneway.rules import Rule

from ..compare import mean_and_spread, mean_of, percent, spread
from ..data.catalogue import OFFICIAL
from ..data.dataset import Data
from ..distributed import Processes, joined
from ..errors import ConfigError, MissingData
from ..progress import keep_quiet
from ..recipes import recipe as recipes
from ..recipes.recipe import Recipe
from ..recipes.running import parts, train_seed
from ..recipes.smoke import shrunk, synthetic
from ..recipes.tables import find, published_figure
from ..records import RunFolder, RunResult, jsonable
from .shared import add_json, explained, given, print_json, tell


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "recipe",
        nargs="?",
        metavar="RECIPE",
        help="a recipe that 'oneway recipes' lists, or a TOML file with any of the options below "
        "as keys (lr = 0.1)",
    )
    parser.add_argument(
        "--smoke",
        action="store_true",
        help="the recipe at a size that takes seconds: few images, two epochs, a narrow network; "
        "on synthetic images where the data set is not at hand",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a key of the recipe; may be given several times",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder for metrics and result, without a run in it (default: a new one in runs/)",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on with the run in --out after its last finished epoch; settings as before",
    )
    add_json(parser)
    for key, described in recipes.recipe_keys().items():
        option, help = "--" + key.replace("_", "-"), explained(described)
        if recipes.is_switch(key):
            switch = argparse.BooleanOptionalAction
            parser.add_argument(option, action=switch, default=None, help=help)
        else:
            parser.add_argument(option, metavar=key.rpartition("_")[2].upper(), help=help)


def run(arguments: argparse.Namespace) -> int:
    with joined() as processes:
        with _chatter(processes.leads):
            results, out = _run(arguments, processes)
        if arguments.json and processes.leads:
            print_json(_as_dict(results, out))
        elif processes.leads:
            _show(results, out)
    return 0


@contextmanager
def _chatter(heard: bool) -> Iterator[None]:
    """What a rule file prints goes where messages do, and those of one process are enough."""
    with ExitStack() as stack:
        where = sys.stderr if heard else stack.enter_context(open(os.devnull, "w"))
        stack.enter_context(redirect_stdout(where))
        stack.enter_context(redirect_stderr(where))
        yield


def _run(arguments: argparse.Namespace, processes: Processes) -> tuple[list[RunResult], Path]:
    recipe = recipes.make_recipe(_settings(arguments))
    rule, wired, data = parts(recipe, partial(_load, recipe, smoke=arguments.smoke))
    if arguments.resume and arguments.out is None:
        raise ConfigError("--resume needs the folder of the run: name it with --out")
    folders = processes.from_lead(
        lambda: _folders(arguments.out or _new_folder(recipe), recipe, arguments.resume)
    )
    try:
        return _train_all(recipe, wired, rule, data, folders, processes), _common(folders)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"Metrics so far are in {_common(folders)}; go on with --resume"
        ) from None


def _settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """Recipe, then --smoke, then --set, then options: the later ones win."""
    settings = _recipe_settings(arguments.recipe) if arguments.recipe else {}
    settings = shrunk(settings) if arguments.smoke else settings
    later = recipes.options_of("--set").parse(arguments.set)
    later |= recipes.check_settings("train", given(arguments, recipes.recipe_keys()))
    if "module" in later:  # in place of the recipe's circuit
        settings.pop("circuit", None)
    return settings | later


def _recipe_settings(name: str) -> dict[str, Any]:
    entry = find(name)
    if entry.source:
        tell(entry.sentence())
    return dict(entry.settings)


def _load(recipe: Recipe, shape: tuple[int, ...] | None, *, smoke: bool) -> Data:
    """The data; of a smoke run, synthetic images where the files are missing."""
    try:
        return recipe.load_data(shape)
    except MissingData as error:
        if not smoke or recipe.data not in OFFICIAL:
            raise
        tell(f"SYNTHETIC IMAGES, shaped like {recipe.data}, which is not at hand: {error}")
        return synthetic(recipe.data)


def _train_all(
    recipe: Recipe,
    wired: Circuit,
    rule: Rule | None,
    data: Data,
    folders: Sequence[Path],
    processes: Processes,
) -> list[RunResult]:
    sizes = data.n_train, data.n_test
    published = published_figure(data.name, wired.name, rule, recipe.config, *sizes)
    return [
        # Without --resume no folder gets here that holds a run.
        train_seed(
            recipe,
            rule,
            wired,
            data,
            recipe.config.seed + i,
            folder,
            published=published,
            notify=tell if i == 0 else keep_quiet,  # it holds for the others too
            processes=processes,
        )
        for i, folder in enumerate(folders)
    ]


# -- folders -----------------------------------------------------------------------------------


def _new_folder(recipe: Recipe) -> Path:
    rule = Path(recipe.rule or "wired").stem.split(",")[0]
    return Path("runs") / f"{time.strftime('%Y%m%d-%H%M%S')}-{Path(recipe.data).stem}-{rule}"


def _folders(out: Path, recipe: Recipe, resume: bool) -> list[Path]:
    """One a seed; made now, so that a folder that cannot be used is known before training.

    When several seeds are resumed, some may be finished and others not have begun.
    """
    if recipe.seeds == 1:
        folders = [out]
    else:
        seeds = range(recipe.config.seed, recipe.config.seed + recipe.seeds)
        folders = [out / f"seed{seed}" for seed in seeds]
    begun = [folder for folder in folders if RunFolder.holds_run(folder)]
    if resume and not begun:
        RunFolder.check_resumable(folders[0])
    for folder in folders:
        if resume and folder in begun:
            RunFolder.check_resumable(folder)
        else:
            RunFolder.check_free(folder)
    return folders


def _common(folders: Sequence[Path]) -> Path:
    return folders[0] if len(folders) == 1 else folders[0].parent


# -- results -----------------------------------------------------------------------------------


def _as_dict(results: Sequence[RunResult], out: Path) -> dict[str, Any]:
    accuracies = [result.test_accuracy for result in results]
    return jsonable(
        {
            "runs": [result.as_dict() for result in results],
            "test_accuracy": {"mean": mean_of(accuracies), "spread": spread(accuracies)},
            "out": str(out),
        }
    )


def _show(results: Sequence[RunResult], out: Path) -> None:
    console = Console()
    first = results[0]
    title = f"{first.rule or 'wired by hand'} on {first.circuit}, {first.data}"
    console.print(f"[bold]{escape(title)}, {first.epochs} epochs[/]", soft_wrap=True)
    console.print(_accuracies(results))
    if first.published:
        console.print(escape(first.published.sentence()), soft_wrap=True, highlight=False)
    if first.angles_deg or first.error_angles_deg:
        console.print(_angles(results))
    console.print(f"metrics and results: {escape(str(out))}", soft_wrap=True, highlight=False)


def _accuracies(results: Sequence[RunResult]) -> Table:
    columns: dict[str, list[float | None]] = {
        "test": [r.test_accuracy for r in results],
        "selected": [r.selected["test_accuracy"] if r.selected else None for r in results],
        "floor": [r.floor_accuracy for r in results],
        "published": [r.published.accuracy if r.published else None for r in results],
    }
    known = {name: values for name, values in columns.items() if values[0] is not None}
    table = Table("seed", *(f"{name} (%)" for name in known), "seconds")
    for i, result in enumerate(results):
        cells = (percent([values[i]]) for values in known.values())
        table.add_row(str(result.seed), *cells, f"{result.seconds:.1f}")
    if len(results) > 1:
        table.add_section()
        table.add_row("mean", *map(percent, known.values()), "")
    return table


def _angles(results: Sequence[RunResult]) -> Columns:
    """Of feedback weights to forward ones W, and of errors to those of backpropagation (BP)."""
    weights, errors = (
        [getattr(r, f"{kind}angles_deg") for r in results] for kind in ("", "error_")
    )
    tables = [
        _one_row_each("feedback weights", "angle to W (°)", weights),
        _one_row_each("error cells", "angle to BP (°)", errors),
    ]
    return Columns([table for table in tables if table.row_count])


def _one_row_each(what: str, angle: str, angles: Sequence[Mapping[str, float]]) -> Table:
    table = Table(what, angle)
    for name in angles[0]:
        table.add_row(escape(name), mean_and_spread([mine.get(name) for mine in angles], 1))
    return table
