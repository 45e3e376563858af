"""`oneway train`: one run a seed, from a recipe, from options, or from both."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

from rich.columns import Columns
from rich.markup import escape
from rich.table import Table

from oneway.circuits import Circuit
from oneway.rules import Rule

from ..compare import mean_and_spread, mean_of, percent, spread
from ..console import Terminal
from ..data.catalogue import OFFICIAL
from ..data.dataset import Data
from ..distributed import Processes, joined
from ..errors import ConfigError, MissingData
from ..progress import keep_quiet
from ..recipes.recipe import Recipe
from ..recipes.running import parts, train_seed
from ..recipes.smoke import synthetic
from ..recipes.tables import published_figure
from ..records import RunResult, jsonable
from .run_figures import write_pictures
from .shared import print_json, tell
from .train_plan import Plan, asked, plan_of
from .train_plan import plan as plan_anew


def run(arguments: argparse.Namespace) -> int:
    if not arguments.patience > 0:
        raise ConfigError(f"patience = {arguments.patience:g}, expected seconds, more than 0")
    with joined(arguments.patience) as processes:
        with _chatter(processes.leads):
            results, out = _run(arguments, processes)
            for picture in write_pictures(out) if arguments.plot and processes.leads else ():
                (keep_quiet if arguments.quiet else tell)(f"picture: {picture}")
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
    if arguments.resume:
        plan = processes.from_lead(lambda: plan_of(arguments))
        recipe, smoke = plan.recipe, processes.from_lead(lambda: plan.smoke)
    else:
        recipe, smoke = asked(arguments), arguments.smoke
        recipe.check_weights()
    rule, wired, data = parts(recipe, partial(_load, recipe, smoke=smoke))
    if not arguments.resume:
        resume = arguments.resume is not None
        plan = processes.from_lead(lambda: plan_anew(recipe, arguments.out, resume))
    try:
        with plan.held() if processes.leads else nullcontext():
            return _train_all(plan, wired, rule, data, processes, arguments.quiet), plan.out
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"Metrics so far are in {plan.out}; go on with 'oneway train --resume "
            f"{shlex.quote(str(plan.out))}'"
        ) from None


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
    plan: Plan,
    wired: Circuit,
    rule: Rule | None,
    data: Data,
    processes: Processes,
    quiet: bool,
) -> list[RunResult]:
    sizes = data.n_train, data.n_test
    # A bar has it all; where there is none, a log gets its line.
    in_lines = not quiet and not sys.stderr.isatty()
    return [
        # Without --resume no folder gets here that holds a run.
        train_seed(
            recipe,
            rule,
            wired,
            data,
            recipe.config.seed,
            folder,
            published=published_figure(data.name, wired.name, rule, recipe.config, *sizes),
            notify=tell if i == 0 and not quiet else keep_quiet,  # it holds for the others too
            processes=processes,
            new_rates=plan.goes_on,
            on_epoch=(lambda end: tell(str(end))) if in_lines else None,
            quiet=quiet,
        )
        for i, (folder, recipe) in enumerate(plan.runs.items())
    ]


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
    console = Terminal()
    first = results[0]
    title = f"{first.rule or 'wired by hand'} on {first.circuit}, {first.data}"
    console.print(f"[bold]{escape(title)}, {first.epochs} epochs[/]", soft_wrap=True)
    console.print(_accuracies(results))
    if first.published:
        console.print(escape(first.published.sentence()), soft_wrap=True, highlight=False)
    if first.angles_deg or first.error_angles_deg:
        console.print(_angles(results))
    console.print(f"metrics and results: {escape(str(out))}", soft_wrap=True, highlight=False)
    for result in results:  # last of all: who reads one line reads this
        for warning in result.warnings:
            seed = f"seed {result.seed}: " if len(results) > 1 else ""
            console.print(f"note: {escape(seed + warning)}", soft_wrap=True, highlight=False)


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
