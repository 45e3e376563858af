"""The table of a reproduction, from what lies in its folder: ours beside the paper's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

from ..compare import SavedRun, mean_and_spread, mean_of, read_runs, spread
from ..files import remove_unfinished
from ..layers import in_order
from ..locking import Taken, locked
from ..progress import keep_quiet
from ..records import jsonable, write_json, write_text
from .cells import BP, FLOOR, Cell
from .planning import Job, all_jobs
from .state import ABOUT, PLAN, Reproduction

TABLE_JSON, TABLE_MD = "table.json", "table.md"
DONE, BEGUN, PLANNED, LEFT = "done", "begun", "planned", "left out"
FAILED, LACKING = "failed", "no data"


def write_table(state: Reproduction, tell: Callable[[str], object] = keep_quiet) -> dict[str, Any]:
    """Replace the table's files, unless they are only looked at; gives what is for machines."""
    if state.looked_at:
        return table(state)
    with locked(state.out, tell):  # else an older table could come after a newer one
        content = table(state)
        write_json(state.out / TABLE_JSON, content)
        write_text(state.out / TABLE_MD, as_markdown(content))
    return content


def tidy(state: Reproduction) -> None:
    """Remove what was left half written by a process that was killed; the folder is locked."""
    remove_unfinished(state.out, (PLAN, TABLE_JSON, TABLE_MD))
    for folder in filter(Path.is_dir, map(state.folder, state.jobs or ())):
        with suppress(Taken), locked(folder):  # another call may be at it
            remove_unfinished(folder, (ABOUT,))


def table(state: Reproduction) -> dict[str, Any]:
    """All that there is to say, for JSON. Accuracies are fractions, differences are in points."""
    runs = _runs(state)
    lines = [_line(state, cell, epochs, jobs, runs) for cell, epochs, jobs in _groups(state)]
    for line in lines:
        _beside(line, lines)
    hardware = {state.about(job).get("hardware") for job in state.jobs or []} - {None}
    return jsonable(
        {
            "table": state.table,
            "source": state.cells[0].source,
            "command": state.command,
            "versions": state.versions,
            "hardware": sorted(hardware) or [state.hardware],
            "out": str(state.out),
            "memory": _MEMORY,
            "runs": [_run(state, job) for job in state.jobs or []],
            "cells": lines,
        }
    )


_MEMORY = (
    "peak: on a GPU the allocator's over the whole run, data included; on a CPU the most that a "
    "step makes beside weights and data, counted tensor by tensor (not in compiled code)"
)


def _run(state: Reproduction, job: Job) -> dict[str, Any]:
    return {
        "cell": state.label(job),
        "row": job.row,
        "column": job.column,
        "epochs": job.epochs,
        "seed": job.seed,
        "finished": state.finished(job),
        "epochs_done": state.epochs_done(job),
        "left_s": state.left_s(job),
    }


def _runs(state: Reproduction) -> dict[Path, SavedRun]:
    folders = [state.folder(job) for job in state.jobs or [] if state.finished(job)]
    return {run.folder: run for run in read_runs(folders)} if folders else {}


def _groups(state: Reproduction) -> list[tuple[Cell, int, list[Job]]]:
    """Cells at each of their lengths, the full one first, with their planned runs."""
    jobs = list(state.jobs or [])
    full = [(cell.name, state.length(cell)) for cell in state.cells]
    short = dict.fromkeys((job.name, job.epochs) for job in jobs)
    lengths = dict.fromkeys([*full, *short])
    order = {cell.name: i for i, cell in enumerate(state.cells)}
    rows = list(dict.fromkeys(cell.row for cell in state.cells))
    of_row = {cell.name: rows.index(cell.row) for cell in state.cells}
    ordered = sorted(lengths, key=lambda key: (of_row[key[0]], -key[1], order[key[0]]))
    return [
        (state.cell[name], epochs, [j for j in jobs if (j.name, j.epochs) == (name, epochs)])
        for name, epochs in ordered
    ]


def _line(
    state: Reproduction, cell: Cell, epochs: int, jobs: Sequence[Job], runs: Mapping[Path, SavedRun]
) -> dict[str, Any]:
    done = [runs[state.folder(job)] for job in jobs if state.folder(job) in runs]
    figure, measure = cell.figure(epochs), state.measures.get(cell.name)
    status, reason = _status(state, cell, jobs)
    return {
        "row": cell.row,
        "column": cell.column,
        "cell": cell.label(epochs),
        "part": cell.part,
        "epochs": epochs,
        "full_epochs": cell.full,
        "status": status,
        "reason": reason,
        "n": len(done),
        "planned": len(jobs),
        "test_accuracy": _summary(run.about["test_accuracy"] for run in done),
        "selected": _summary(
            (run.about.get("selected") or {}).get("test_accuracy") for run in done
        ),
        "published": figure and figure.accuracy,
        "unlike_published": list(figure.differs) if figure else [],
        "weight_angle_deg": _summary(
            mean_of([*_angles(run, "angles_deg").values()]) for run in done
        ),
        "error_angle_deg": _summary(_hidden_error_angle(run) for run in done),
        "step_s": measure and measure.step_s,
        "epoch_s": _typical_epoch(done),
        "seconds": _summary(run.about["seconds"] for run in done),
        "predicted_s": state.predict(cell, epochs),
        "peak_bytes": _peak(state, jobs) or (measure and measure.step_bytes),
        "runs": [str(run.folder.relative_to(state.out)) for run in done],
        "notes": list(cell.notes),
    }


def _status(state: Reproduction, cell: Cell, jobs: Sequence[Job]) -> tuple[str, str]:
    """Of all its runs together, the least good."""
    left = [job for job in jobs if not state.finished(job)]
    if jobs and not left:
        return DONE, ""
    if cell.name in state.lacking:
        return LACKING, state.lacking[cell.name]
    if cell.name in state.failing:
        return FAILED, state.failing[cell.name]
    for job in left:
        if reason := state.about(job).get("failed"):
            return FAILED, f"seed {job.seed}: {reason}"
    if not jobs:
        why = "not planned" if state.budget_s is None else "does not fit the budget"
        return LEFT, why if state.jobs is not None else ""
    for job in left:
        if done := state.epochs_done(job):
            return BEGUN, f"seed {job.seed} after epoch {done} of {job.epochs}"
    return PLANNED, ""


def _summary(values: Iterable[float | None]) -> dict[str, Any]:
    known = [value for value in values if value is not None]
    return {"mean": mean_of(known), "sd": spread(known), "values": known}


def _angles(run: SavedRun, key: str) -> dict[str, float]:
    """Of its layers, after the last epoch."""
    last = run.history[-1] if run.history else {}
    angles = run.about.get(key) or last.get(key) or {}
    return {name: angle for name, angle in angles.items() if angle is not None}


def _weight_angle(run: SavedRun) -> float | None:
    return mean_of([*_angles(run, "angles_deg").values()])


def _hidden_error_angle(run: SavedRun) -> float | None:
    """Over hidden layers: the output compares itself with the target under every rule."""
    angles = _angles(run, "error_angles_deg")
    return mean_of([angles[name] for name in in_order(angles, [run])[:-1]])


def _typical_epoch(runs: Iterable[SavedRun]) -> float | None:
    taken = [record["seconds"] for run in runs for record in run.history]
    return median(taken) if taken else None


def _peak(state: Reproduction, jobs: Iterable[Job]) -> int | None:
    return max((state.about(job).get("peak_bytes") or 0 for job in jobs), default=0) or None


# -- beside each other ---------------------------------------------------------------------------


def _beside(line: dict[str, Any], lines: Sequence[Mapping[str, Any]]) -> None:
    """What can be said of a line next to its row's backpropagation and floor of the same length."""
    row = [other for other in lines if other["row"] == line["row"]]
    alike = [o for o in row if _length(o) == _length(line)]
    ours = line["test_accuracy"]["mean"]
    for part in (BP, FLOOR):
        of_ours = (o["test_accuracy"]["mean"] for o in alike if o["part"] == part)
        of_paper = (o["published"] for o in row if o["part"] == part)
        line[f"{part}_accuracy"] = next(of_ours, None)
        line[f"{part}_published"] = next(of_paper, None)
    line["difference"] = _points(ours, line["published"])
    line["behind_bp"] = _points(ours, line["bp_accuracy"])
    line["behind_bp_published"] = _points(line["published"], line["bp_published"])


def _length(line: Mapping[str, Any]) -> int | None:
    """Full lengths may differ within a row and are alike all the same."""
    return None if line["epochs"] == line["full_epochs"] else line["epochs"]


def _points(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else 100 * (one - other)


# -- what is missing -----------------------------------------------------------------------------


def missing(state: Reproduction) -> list[Job]:
    """Runs that would still make the table whole, planned ones first."""
    planned = [job for job in state.jobs or [] if not state.finished(job)]
    every = [job for of_seed in all_jobs(state.fit, state.epochs) for job in of_seed]
    there = set(state.jobs or [])
    return planned + [job for job in every if job not in there]


# -- for people ----------------------------------------------------------------------------------

COLUMNS = (
    "cell",
    "n",
    "last (%)",
    "selected (%)",
    "published (%)",
    "diff.",
    "to BP",
    "publ. to BP",
    "floor (%)",
    "publ. floor (%)",
    "W, Bᵀ (°)",
    "δ (°)",
    "ms/step",
    "s/epoch",
    "peak (MiB)",
)
LEGEND = (
    "n: seeds; mean ± standard deviation over them. last: after the last epoch. selected: "
    "after the epoch that held-out training samples select. *: other settings than the "
    "published run's, named below. diff.: ours - published, in points. to BP: the rule's "
    "distance from backpropagation of the same length, ours and published. floor: hidden "
    "layers stay as they were drawn. Angles are means over layers after the last epoch, of W to "
    "Bᵀ, and of hidden δ to backpropagation's. ms/step was measured before the runs, s/epoch while "
    "they went on."
)


def as_markdown(content: Mapping[str, Any]) -> str:
    """The table as a page."""
    versions = ", ".join(f"{name} {v}" for name, v in content["versions"].items())
    parts = [
        f"# {content['table']}, run again",
        content["source"],
        f"    {content['command']}",
        "\n".join(f"- {line}" for line in [versions, *content["hardware"]]),
        LEGEND,
        content["memory"][0].upper() + content["memory"][1:] + ".",
    ]
    for row in dict.fromkeys(line["row"] for line in content["cells"]):
        lines = [line for line in content["cells"] if line["row"] == row]
        shown = [cells_of_line(line) for line in lines]
        parts += [f"## {row}", _grid(shown), "\n".join(f"- {n}" for n in notes_of(lines))]
    return "\n\n".join(part for part in parts if part) + "\n"


def _grid(rows: Sequence[Mapping[str, str]]) -> str:
    heads = [name for name in COLUMNS if any(row[name] for row in rows)]
    lines = [heads, ["---"] * len(heads), *([row[name] for name in heads] for row in rows)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def cells_of_line(line: Mapping[str, Any]) -> dict[str, str]:
    """What stands under each of `COLUMNS`."""
    star = "*" if line["unlike_published"] and line["published"] is not None else ""
    short = "" if line["epochs"] == line["full_epochs"] else f" @ {line['epochs']}"
    values = (
        f"{line['column']}{short}",
        str(line["n"]) if line["status"] == DONE else f"{line['n']} ({line['status']})",
        mean_and_spread(line["test_accuracy"]["values"], 2, 100),
        mean_and_spread(line["selected"]["values"], 2, 100),
        _percent(line["published"]) + star,
        _signed(line["difference"]),
        _signed(line["behind_bp"]) if line["part"] != BP else "",
        _signed(line["behind_bp_published"]) if line["part"] != BP else "",
        _percent(line["floor_accuracy"]) if line["part"] != FLOOR else "",
        _percent(line["floor_published"]) if line["part"] != FLOOR else "",
        mean_and_spread(line["weight_angle_deg"]["values"], 1),
        mean_and_spread(line["error_angle_deg"]["values"], 1),
        amount(line["step_s"], 1000),
        amount(line["epoch_s"]),
        amount(line["peak_bytes"], 2**-20),
    )
    return dict(zip(COLUMNS, values, strict=True))


def notes_of(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a reader must know of these lines before comparing; what holds for several, once."""
    notes: dict[str, list[str]] = {}
    for line in lines:
        if line["reason"]:
            notes.setdefault(f"{line['status']}: {line['reason']}", []).append(line["cell"])
        if line["unlike_published"] and line["published"] is not None:
            other = f"* published with other {', '.join(line['unlike_published'])}"
            notes.setdefault(other, []).append(line["cell"])
    said = dict.fromkeys(note for line in lines for note in line["notes"])
    return [*(f"{', '.join(cells)}: {note}" for note, cells in notes.items()), *said]


def amount(value: float | None, factor: float = 1.0) -> str:
    """Three digits, and never a power of ten.

    Examples
    --------
    >>> amount(0.01234), amount(1.2345, 1000), amount(None)
    ('0.0123', '1,234', '')
    """
    if value is None:
        return ""
    value *= factor
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.2f}"


def _signed(points: float | None) -> str:
    return "" if points is None else f"{points:+.2f}"
