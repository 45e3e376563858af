"""`oneway compare`: runs side by side, next to the floor and the published figure."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..compare import (
    Case,
    Group,
    group_runs,
    mean_and_spread,
    mean_of,
    percent,
    read_runs,
    spread,
)
from ..records import jsonable
from ..terminal import say
from . import run_figures
from .shared import print_json, table_console


def run(arguments: argparse.Namespace) -> int:
    run_figures.check_options(arguments.plot, arguments.figure)
    groups = group_runs(read_runs(arguments.folders))
    pictures = run_figures.draw(groups, arguments.plot, arguments.figure)
    if arguments.json:
        print_json(_as_dict(groups))
        return 0
    console = table_console()
    for group in groups:
        _show(console, group)
    for picture in pictures:
        say(f"picture: {picture}")
    return 0


def _as_dict(groups: Sequence[Group]) -> dict[str, Any]:
    runs = []
    for group in groups:
        for saved in group.runs:
            about = saved.as_dict()
            floor = about.get("floor_accuracy")
            runs.append(about | {"floor_accuracy": group.floor if floor is None else floor})
    return jsonable({"runs": runs, "groups": [_summary(group) for group in groups]})


def _summary(group: Group) -> dict[str, Any]:
    return {
        "data": group.data,
        "circuit": group.circuit,
        "train_samples": group.samples[0],
        "test_samples": group.samples[1],
        "floor_accuracy": group.floor,
        "cases": [_case(case) for case in group.cases],
    }


def _case(case: Case) -> dict[str, Any]:
    accuracies = case.values("test_accuracy")
    return {
        "case": case.label,
        "finished": len(case.finished),
        "unfinished": len(case.runs) - len(case.finished),
        "test_accuracy": {"mean": mean_of(accuracies), "spread": spread(accuracies)},
        "published": case.published,
        "unlike_published": case.unlike_published,
        "mean_angle_deg": mean_of(case.angles_deg),
        "notes": case.notes,
    }


# -- table ---------------------------------------------------------------------------------------


def _show(console: Console, group: Group) -> None:
    train, test = group.samples
    title = f"{group.data}, {group.circuit}, {train:,} training and {test:,} test samples"
    console.print(f"[bold]{escape(title)}[/]", soft_wrap=True, highlight=False)
    columns = {
        "rule": [escape(case.label) for case in group.cases],
        "runs": [str(len(case.finished)) for case in group.cases],
        "test (%)": [percent(case.values("test_accuracy")) for case in group.cases],
        "selected (%)": [percent(case.selected) for case in group.cases],
        "floor (%)": ["" if group.floor is None else percent([group.floor])] * len(group.cases),
        "published (%)": [_published(case) for case in group.cases],
        "angle (°)": [mean_and_spread(case.angles_deg, 1) for case in group.cases],
        "seconds": [mean_and_spread(case.values("seconds"), 1) for case in group.cases],
    }
    shown = {name: cells for name, cells in columns.items() if any(cells)}
    table = Table()
    for name in shown:
        table.add_column(name, overflow="fold")
    for cells in zip(*shown.values(), strict=True):
        table.add_row(*cells)
    console.print(table)
    for note in _notes(group):
        console.print(escape(note), soft_wrap=True, highlight=False)
    console.print()


def _published(case: Case) -> str:
    if case.published is None:
        return ""
    return f"{100 * case.published:.2f}{'*' if case.unlike_published else ''}"


def _notes(group: Group) -> list[str]:
    notes = [
        f"* {case.label}: the published run had other {', '.join(case.unlike_published)}"
        for case in group.cases
        if case.published is not None and case.unlike_published
    ]
    said: dict[str, list[str]] = {}
    for case in group.cases:
        for note in case.notes:
            said.setdefault(note, []).append(case.label)
    notes += [f"{', '.join(labels)}: {note}" for note, labels in said.items()]
    for run in group.runs:
        if not run.finished:
            done, epochs = len(run.history), run.about["epochs"]
            last = run.about["test_accuracy"]
            so_far = "" if last is None else f", test {100 * last:.2f} %"
            notes.append(
                f"not finished: {run.label}, seed {run.about['seed']}, after epoch {done} of "
                f"{epochs}{so_far} ({run.folder})"
            )
    return notes
