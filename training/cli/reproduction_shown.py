"""What `oneway reproduce` shows people: the plan before, the table after."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TextIO

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..compare import mean_and_spread
from ..console import Terminal
from ..reproduction.report import cells_of_line, missing, notes_of
from ..reproduction.running import spell
from ..reproduction.state import Reproduction
from .shared import WIDE


def console_for(file: TextIO) -> Console:
    console = Terminal(file=file)
    if not console.is_terminal:  # nothing there is narrow
        console.width = WIDE
    return console


def say(console: Console, sentence: str) -> None:
    console.print(escape(sentence), soft_wrap=True, highlight=False)


def show_plan(console: Console, state: Reproduction) -> None:
    """What will be run, at which length, and for how long; then what will not, and why."""
    jobs = state.jobs or []
    seconds = [state.left_s(job) for job in jobs]
    todo = [job for job in jobs if not state.finished(job)]
    total = spell(sum(s for s in seconds if s))
    runs = f"{len(todo)} run{'' if len(todo) == 1 else 's'}"
    console.print(f"[bold]{escape(state.table)}[/]: {runs} to do, about {total}")
    say(console, state.hardware)
    grid = Table(box=SIMPLE, padding=(0, 1, 0, 0))
    for name, side in (
        ("cell", "left"),
        ("seed", "right"),
        ("epochs", "right"),
        ("takes", "right"),
    ):
        grid.add_column(name, justify=side, overflow="fold")  # type: ignore[arg-type]
    for job, left in zip(jobs, seconds, strict=True):
        done = state.epochs_done(job)
        epochs = f"{done} of {job.epochs}" if 0 < done < job.epochs else str(job.epochs)
        takes = "done" if state.finished(job) else "not known" if left is None else spell(left)
        grid.add_row(escape(state.label(job)), str(job.seed), epochs, takes)
    console.print(grid)
    for what, why in (("no data for", state.lacking), ("failed", state.failing)):
        for reason in dict.fromkeys(why.values()):
            names = [name for name in why if why[name] == reason]
            say(console, f"{what} {', '.join(names)}: {reason}")
    left_out = [job for job in missing(state) if job not in jobs]
    if left_out:
        known = [s for job in left_out if (s := state.left_s(job))]
        about = f", {len(known)} of them measured: {spell(sum(known))}" if known else ""
        first = ", ".join(f"{state.label(job)} (seed {job.seed})" for job in left_out[:8])
        more = f" and {len(left_out) - 8} more" if len(left_out) > 8 else ""
        say(console, f"left out for the budget: {first}{more}{about}")


# Of the table's columns those that fit a terminal, and what they are called there.
_NARROW = {
    "cell": "cell",
    "n": "n",
    "last (%)": "last (%)",
    "selected (%)": "sel. (%)",
    "published (%)": "publ.",
    "diff.": "diff.",
    "to BP": "to BP",
    "publ. to BP": "publ. to BP",
    "W, Bᵀ (°)": "W,Bᵀ",
    "δ (°)": "δ (°)",
}


def show_table(console: Console, content: Mapping[str, Any]) -> None:
    """What fits a terminal; all of it is in the files."""
    lines = [line for line in content["cells"] if line["planned"] or line["reason"]]
    for row in dict.fromkeys(line["row"] for line in lines):
        mine = [line for line in lines if line["row"] == row]
        shown = [_narrow(line) for line in mine]
        console.print(f"[bold]{escape(row)}[/]")
        heads = [name for name in _NARROW if any(cells[name] for cells in shown)]
        grid = Table(box=SIMPLE, padding=(0, 1, 0, 0))
        for name in heads:
            side: Any = "left" if name == "cell" else "right"
            grid.add_column(_NARROW[name], justify=side, overflow="fold")
        for cells in shown:
            grid.add_row(*(escape(cells[name]) for name in heads))
        console.print(grid)
        for note in notes_of(mine):
            say(console, note)
        console.print()


def _narrow(line: Mapping[str, Any]) -> dict[str, str]:
    """Angles without their spread."""
    angles = {"W, Bᵀ (°)": line["weight_angle_deg"], "δ (°)": line["error_angle_deg"]}
    means = {name: mean_and_spread([summary["mean"]], 1) for name, summary in angles.items()}
    return cells_of_line(line) | means
