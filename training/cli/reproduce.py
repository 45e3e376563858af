"""`oneway reproduce`: a published table run again, as far as a budget goes."""

from __future__ import annotations

import argparse
import re
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TextIO

from ..errors import ConfigError
from ..files import new_folder
from ..locking import locked
from ..recipes.code import check_code
from .shared import given, print_json, tell

if TYPE_CHECKING:
    from ..reproduction.state import Reproduction

# Some cell failed: the table has a hole, which is neither bad input nor nothing.
HOLES = 1
# Settings of all cells: those that stay, and those that --resume may change, as for a single run.
_FIXED, _LATER = ("dtype", "seeds"), ("device", "channels_last", "compile", "data_dir")
_SPEED = (*_FIXED, *_LATER)
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}


def run(arguments: argparse.Namespace) -> int:
    from ..launcher import several

    if several():
        raise ConfigError(
            "reproduce runs in one process, and a launcher started several. Start it by itself; "
            "'oneway train' trains one recipe in several processes"
        )
    started, output = time.monotonic(), sys.stdout
    _check(arguments)
    # A rule file may print what it likes; standard output is ours.
    with redirect_stdout(sys.stderr), _folder(arguments) as out:
        content = _go(arguments, out, sys.stderr if arguments.json else output, started)
    if arguments.json:
        print_json(content)
    return HOLES if any(cell.get("status") == "failed" for cell in content["cells"]) else 0


def _go(
    arguments: argparse.Namespace, out: Path | None, output: TextIO, started: float
) -> dict[str, Any]:
    """Plan while nobody else writes to the folder, then run beside other calls."""
    from ..reproduction.report import missing, tidy, write_table
    from ..reproduction.running import Shelf, add_the_rest, make_plan, measure_cells, run_jobs
    from .reproduction_shown import console_for, say, show_plan, show_table

    console, shelf = console_for(output), Shelf()
    with _opened(arguments, out) as state, _interrupted(arguments, state):
        tidy(state)
        state.save()
        # One that was cut short before it had a plan is still to make one for its own budget.
        budget_s = _budget(arguments) or (state.budget_s if state.jobs is None else None)
        deadline = None if budget_s is None else started + budget_s
        measure_cells(state, shelf, budget_s, tell)
        if state.jobs is not None:
            add_the_rest(state)
        else:
            make_plan(state, None if deadline is None else deadline - time.monotonic())
        show_plan(console, state)
        if arguments.plan:
            return write_table(state)
    elsewhere = []
    with _interrupted(arguments, state):
        try:
            elsewhere = run_jobs(state, shelf, deadline, tell, lambda: write_table(state, tell))
        finally:
            content = write_table(state, tell)
    show_table(console, content)
    left = missing(state)
    if left:
        n = f"{len(left)} run{'s are' if len(left) > 1 else ' is'} missing"
        if going := [job for job in elsewhere if job in left]:
            n += f" (another call is at {len(going)} of them)"
        say(console, f"{n}; go on with: {_go_on(state)}")
    say(console, f"table: {state.out / 'table.md'}, table.json; runs: {state.out / 'runs'}")
    return content


@contextmanager
def _opened(arguments: argparse.Namespace, out: Path | None) -> Iterator[Reproduction]:
    """A new one, or the one in a folder; nobody else writes to that meanwhile."""
    from ..reproduction.state import planned_in

    if arguments.resume:
        assert out is not None  # checked with the options
        planned_in(out)
        with locked(out, tell):
            yield _load(arguments, out)
        return
    state = _begin(arguments, out)
    with _given_back(state), locked(state.out):
        yield state


@contextmanager
def _interrupted(arguments: argparse.Namespace, state: Reproduction) -> Iterator[None]:
    """Ctrl-C says how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        kept = arguments.out or not arguments.plan
        raise KeyboardInterrupt(f"Go on with: {_go_on(state)}" if kept else "") from None


def _go_on(state: Reproduction) -> str:
    return shlex.join(["oneway", "reproduce", "--resume", "--out", str(state.out)])


# -- options -------------------------------------------------------------------------------------


def read_time(text: str) -> float:
    """Seconds of a time on the command line.

    Examples
    --------
    >>> read_time("25m"), read_time("1h30m"), read_time("1.5h")
    (1500.0, 5400.0, 5400.0)
    """
    parts = re.findall(r"(\d+(?:\.\d+)?)([hms])", text)
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if "".join(number + unit for number, unit in parts) != text or seconds <= 0:
        raise ConfigError(f"budget {text!r}, expected a time as in 25m, 90s or 1h30m")
    return seconds


def _budget(arguments: argparse.Namespace) -> float | None:
    return None if arguments.budget is None else read_time(arguments.budget)


def _check(arguments: argparse.Namespace) -> None:
    _budget(arguments)
    for name in ("epochs", "seeds"):
        value = getattr(arguments, name)
        if value is not None and value < 1:
            raise ConfigError(f"{name} = {value}, expected at least 1")
    fixed = given(arguments, ("table", "rows", "rules", "epochs", *_FIXED))
    if arguments.resume and fixed:
        names = ", ".join("TABLE" if n == "table" else _option(n) for n in fixed)
        raise ConfigError(
            f"--resume goes on with what the folder holds and takes no {names}. Leave that out "
            f"(what may change is {', '.join(map(_option, _LATER))}), or start anew in another "
            "folder"
        )
    if arguments.resume and arguments.out is None:
        raise ConfigError("--resume needs the folder of the reproduction: name it with --out")
    if not arguments.resume and arguments.table is None:
        raise ConfigError(
            "no table given: name one, as in 'oneway reproduce direct-kp-table1', or go on with "
            "--resume --out DIR"
        )


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


@contextmanager
def _folder(arguments: argparse.Namespace) -> Iterator[Path | None]:
    """Where to, None for a new one: a plan without a folder of its own leaves nothing behind."""
    if arguments.out is not None or not arguments.plan:
        yield arguments.out
        return
    with TemporaryDirectory() as folder:
        yield Path(folder) / "plan"


def _load(arguments: argparse.Namespace, out: Path) -> Reproduction:
    from ..hardware import hardware_line
    from ..recipes.written import anchored
    from ..reproduction.running import look_for_data
    from ..reproduction.state import Reproduction

    state, changes = Reproduction.load(out), _changes(arguments, _LATER)
    state.change(anchored(changes) if "data_dir" in changes else changes)
    for cell in state.cells:
        check_code(f"{str(out)!r}, cell {cell.name!r}", cell.settings, arguments.allow_code, tell)
    look_for_data(state)
    hardware = hardware_line(state.cells[0].recipe().config.device)
    if arguments.plan and (changes or not state.is_of(hardware)):
        state.looked_at = True
        tell(f"how it would go on so; nothing in {out} is changed (leave out --plan to go on)")
    state.move_to(hardware)
    return state


@contextmanager
def _given_back(state: Reproduction) -> Iterator[None]:
    """A new folder is free again where nothing of its table could be run."""
    from ..reproduction.state import give_back

    try:
        yield
    except ConfigError:
        give_back(state.out)
        raise


def _begin(arguments: argparse.Namespace, out: Path | None) -> Reproduction:
    """A new reproduction; its folder is made once all is in order."""
    from ..hardware import hardware_line
    from ..recipes.tables import entries_of
    from ..reproduction.cells import cells_of
    from ..reproduction.running import look_for_data, versions
    from ..reproduction.state import Reproduction, free_folder

    changes = _changes(arguments, _SPEED)
    rows, columns = _names(arguments.rows), _names(arguments.rules)
    for entry in entries_of(arguments.table):
        check_code(f"recipe {entry.name!r}", entry.settings, arguments.allow_code, tell)
    cells = cells_of(arguments.table, rows, columns, changes)
    state = Reproduction(
        out or Path(),
        arguments.table,
        cells,
        arguments.epochs,
        _budget(arguments),
        _command(arguments),
        hardware_line(cells[0].recipe().config.device),
        versions(),
    )
    look_for_data(state)
    state.out = out or new_folder(Path(arguments.table).stem)
    free_folder(state.out)
    return state


def _changes(arguments: argparse.Namespace, names: Sequence[str]) -> dict[str, Any]:
    """What the command line says of the settings of all cells."""
    from ..recipes.recipe import options_of

    options = options_of("reproduce")
    return {key: options.read(key, value) for key, value in given(arguments, names).items()}


def _names(given: Sequence[str] | None) -> list[str]:
    return [name for text in given or () for name in text.split(",") if name]


def _command(arguments: argparse.Namespace) -> str:
    """The command line that started it, as it would be typed again."""
    words = ["oneway", "reproduce", arguments.table]
    for name in ("rows", "rules", "budget", "epochs", *_SPEED, "out"):
        value = getattr(arguments, name)
        if value is True:
            words.append(_option(name))
        elif value is not None:
            values: list[str] = value if isinstance(value, list) else [str(value)]
            words += [_option(name), *values]
    words += ["--allow-code"] * arguments.allow_code
    return shlex.join(words)
