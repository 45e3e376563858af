"""Measuring the cells of a table and running what is planned, one after another."""

from __future__ import annotations

import gc
import platform
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from oneway.circuits import WiringError

from ..data.catalogue import ARRAYS, KNOWN, STREAMED, check_source, data_folder
from ..data.dataset import Data
from ..errors import ConfigError, DataError, MissingData, first_line
from ..hardware import hardware_line
from ..locking import Taken, locked
from ..progress import ProgressBar, keep_quiet, spell
from ..recipes.recipe import Recipe
from ..recipes.running import parts, train_seed
from .cells import Cell
from .measuring import Measure, measure
from .planning import RESERVE, Job, all_jobs, by_row, plan
from .report import amount
from .state import Reproduction, clear

Tell = Callable[[str], None]
# What may befall one run and not the next; a lack of memory is a RuntimeError.
FAILURES = (ConfigError, DataError, WiringError, RuntimeError, MemoryError)


class Shelf:
    """The data of the last recipe that asked: read and moved to its device once for all runs."""

    def __init__(self) -> None:
        self._key: object = None
        self._data: Data | None = None

    def load(self, recipe: Recipe, shape: tuple[int, ...] | None) -> Data:
        key = (
            recipe.data,
            recipe.data_dir,
            recipe.limit,
            recipe.test_fraction,
            recipe.workers,
            shape,
        )
        if self._data is None or key != self._key:
            self._data = None  # before the next is read: there may not be room for two
            self._key, self._data = key, recipe.load_data(shape)
        return self._data


# -- before anything starts ----------------------------------------------------------------------


def look_for_data(state: Reproduction) -> None:
    """Note which cells lack their data, without reading any; all of them is an error."""
    found: dict[tuple[str, str | None], str | None] = {}
    for cell in state.fit:
        recipe = cell.recipe()
        key = recipe.data, recipe.data_dir
        if key not in found:
            found[key] = _lack(*key)
        if found[key]:
            state.lacking[cell.name] = found[key] or ""
    _check_any(state)


def _check_any(state: Reproduction) -> None:
    if not state.fit and not (state.jobs and all(map(state.finished, state.jobs))):
        name, reason = next(iter((state.lacking | state.failing).items()))
        raise ConfigError(f"nothing of {state.table} can be run here: {name}: {reason}")


def _lack(name: str, data_dir: str | None) -> str | None:
    """Why a data set is not at hand; None where it is, as far as names of files tell."""
    try:
        check_source(name)
        if name.endswith(ARRAYS):
            return None if Path(name).is_file() else f"{name} is not there"
        folder = data_folder(name, data_dir)
        if name not in STREAMED:
            for file in KNOWN[name].files:
                KNOWN[name].require(folder, file.name)
    except MissingData as error:
        return str(error)
    return None


def measure_cells(
    state: Reproduction, shelf: Shelf, budget_s: float | None, tell: Tell = keep_quiet
) -> None:
    """Measure row by row, as far as whole rows can fit the budget; each finding is kept at once."""
    spent = 0.0
    new = [cell for cell in state.fit if cell.name not in state.measures]
    with ProgressBar("measuring", len(new)) as progress:
        firsts = [job for of_seed in all_jobs(state.fit, state.epochs)[:1] for job in of_seed]
        for row in by_row(firsts):
            for job in row:
                cell = state.cell[job.name]
                if cell in new:
                    _measure(state, cell, shelf, tell)
                    progress.advance(cell.name)
                spent += (cell.name in state.measures and state.left_s(job)) or 0.0
            if budget_s is not None and spent > (1 - RESERVE) * budget_s:
                return


def _measure(state: Reproduction, cell: Cell, shelf: Shelf, tell: Tell) -> None:
    folder = clear(state.out / ".measuring")
    try:
        recipe = cell.recipe()
        rule, wired, data = parts(recipe, partial(shelf.load, recipe))
        measured = measure(recipe, rule, wired, data, folder)
    except FAILURES as error:
        state.failing[cell.name] = first_line(error)
        tell(f"{cell.name}: failed: {first_line(error)}")
    else:
        state.measures[cell.name] = measured
        tell(f"{cell.name}: {_said(measured)}")
    finally:
        clear(folder)
        _tidy(cell.recipe().config.device)
    state.save()


def _said(measured: Measure) -> str:
    said = f"{amount(measured.step_s, 1000)} ms a step, {measured.steps} steps an epoch"
    if measured.start_s:
        said += f"; compiled in {measured.first_s:.0f} s, and in {measured.start_s:.0f} s again"
    return said


def make_plan(state: Reproduction, budget_s: float | None) -> None:
    """Decide which runs to do; nothing that fits is an error."""
    _check_any(state)
    jobs = plan(state.fit, state.predict, budget_s, state.epochs)
    if not jobs:
        raise ConfigError(
            f"nothing of {state.table} fits what is left of the budget after measuring, "
            f"{spell(max(0.0, budget_s or 0.0))}: {_least(state)}. Raise --budget "
            "(with --resume, what was measured counts no more), or name fewer --rules"
        )
    state.jobs = jobs
    state.save()


def _least(state: Reproduction) -> str:
    """What a budget must hold for anything to be done."""
    if state.epochs is not None:
        known = [s for cell in state.fit if (s := state.predict(cell, state.epochs))]
        return f"its quickest cell takes {spell(min(known))} here"
    row = [cell for cell in state.fit if cell.row == state.fit[0].row]
    seconds = sum(state.predict(cell, 1) or 0.0 for cell in row)
    return f"a single epoch of all in {row[0].row} takes {spell(seconds)} here"


def add_the_rest(state: Reproduction) -> None:
    """Plan what the budget had left out, at full length, behind what is planned."""
    planned = state.jobs or []
    rest = [job for of_seed in all_jobs(state.fit, state.epochs) for job in of_seed]
    state.jobs = planned + [job for job in rest if job not in planned]
    state.save()


# -- runs ----------------------------------------------------------------------------------------


def run_jobs(
    state: Reproduction,
    shelf: Shelf,
    deadline: float | None = None,
    tell: Tell = keep_quiet,
    after_each: Callable[[], object] = lambda: None,
) -> list[Job]:
    """Do what is planned and not done; a run that would go past the deadline is not begun.

    Other calls may be at the same: what one of them is doing or has done is left to it.

    Returns
    -------
    list of Job
        What another call was at.
    """
    fit = {cell.name for cell in state.fit}
    jobs = [job for job in state.jobs or [] if job.name in fit and not state.finished(job)]
    before = {job: state.about(job) for job in jobs}
    told: set[str] = set()
    elsewhere = []
    for i, job in enumerate(jobs, 1):
        left = state.left_s(job)
        where = f"[{i}/{len(jobs)}] {state.label(job)}, seed {job.seed}"
        if deadline is not None and (left is None or time.monotonic() + left > deadline):
            tell(f"{where}: not begun, it would go past the budget")
            continue
        folder = state.folder(job)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with locked(folder):
                if state.finished(job) or state.about(job) != before[job]:  # it may have failed
                    tell(f"{where}: another call has done it")
                    continue
                tell(where if left is None else f"{where}, about {spell(left)}")
                tell(_run(state, job, shelf, keep_quiet if job.name in told else tell))
        except Taken:
            tell(f"{where}: another call is at it")
            elsewhere.append(job)
            continue
        told.add(job.name)
        after_each()
    return elsewhere


def _run(state: Reproduction, job: Job, shelf: Shelf, notify: Tell) -> str:
    """One run; what came of it, as a sentence."""
    cell, folder = state.cell[job.name], state.folder(job)
    started = time.monotonic()
    device = cell.recipe().config.device
    hardware = hardware_line(device).partition("; load")[0]  # that is another one for each run
    try:
        recipe = cell.recipe(job.epochs)
        rule, wired, data = parts(recipe, partial(shelf.load, recipe))
        figure = cell.figure(job.epochs)
        _begin_peak(device)
        result = train_seed(
            recipe, rule, wired, data, job.seed, folder, published=figure, notify=notify
        )
    except FAILURES as error:
        state.note(job, hardware=hardware, failed=first_line(error))
        anew = f" To run it anew, remove {folder}." if isinstance(error, DataError) else ""
        return f"    failed: {first_line(error)}{anew}"
    finally:
        _tidy(device)
    state.note(job, hardware=hardware, peak_bytes=_peak(device))
    taken = spell(time.monotonic() - started)
    published = "" if figure is None else f", published {100 * figure.accuracy:.2f} %"
    star = "*" if figure and figure.differs else ""
    return f"    test {100 * result.test_accuracy:.2f} %{published}{star}; took {taken}"


def _on_gpu(device: str) -> bool:
    return torch.device(device).type == "cuda"


def _begin_peak(device: str) -> None:
    if _on_gpu(device):
        torch.cuda.reset_peak_memory_stats(device)


def _peak(device: str) -> int | None:
    """Of the allocator, data included; a process on a CPU knows only its own, which never falls."""
    return torch.cuda.max_memory_allocated(device) if _on_gpu(device) else None


def _tidy(device: str) -> None:
    """Give back what the last network held, where another one may need the room."""
    if _on_gpu(device):
        gc.collect()
        torch.cuda.empty_cache()


def versions() -> dict[str, str]:
    """Of all that numbers depend on."""
    found = {}
    for name in ("oneway", "torch", "numpy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "(not installed)"
    return {**found, "python": platform.python_version()}
