"""What the folder of a reproduction holds: its plan, which is all that is needed to go on."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from oneway.circuits.elements import kinds_of
from oneway.circuits.format_version import misread
from oneway.circuits.json_text import parse_json
from oneway.circuits.options import fits

from ..errors import ConfigError, DataError
from ..locking import LOCK
from ..recipes.recipe import check_settings, make_recipe
from ..recipes.tables import AS_A_FOLDER
from ..records import RESULT, write_json
from .cells import Cell
from .measuring import Measure
from .planning import Job

PLAN, RUNS, ABOUT = "plan.json", "runs", "reproduction.json"
FORMAT, VERSION = "oneway-reproduction", 1


@dataclass
class Reproduction:
    """Cells of a table, what they take, and which runs of them are planned.

    Parameters
    ----------
    out : Path
    table : str
        As it was named.
    cells : list of Cell
    epochs : int or None
        Of all cells, in place of their full length.
    budget_s : float or None
    command, hardware : str
    versions : dict
    measures : dict
        By the name of a cell.
    lacking, failing : dict
        Cells without their data, and cells that failed when they were measured, with the reasons.
        They are found out anew in each call: what was missing may have come.
    jobs : list of Job or None
        What is planned; None before all is measured.
    looked_at : bool
        Whether this is a look at how it would go on otherwise: nothing in the folder changes.
    """

    out: Path
    table: str
    cells: list[Cell]
    epochs: int | None = None
    budget_s: float | None = None
    command: str = ""
    hardware: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    measures: dict[str, Measure] = field(default_factory=dict)
    lacking: dict[str, str] = field(default_factory=dict)
    failing: dict[str, str] = field(default_factory=dict)
    jobs: list[Job] | None = None
    looked_at: bool = field(default=False, init=False)
    cell: dict[str, Cell] = field(init=False, repr=False)  # by name

    def __post_init__(self) -> None:
        self.cell = {cell.name: cell for cell in self.cells}

    @property
    def fit(self) -> list[Cell]:
        """The cells that can be run here, as far as is known."""
        unfit = self.lacking | self.failing
        return [cell for cell in self.cells if cell.name not in unfit]

    def move_to(self, hardware: str) -> None:
        """Go on on a machine, as `hardware_line` has it: what another one took says nothing."""
        if self.is_of(hardware):
            return
        self.measures.clear()
        self.hardware = hardware

    def is_of(self, hardware: str) -> bool:
        """Whether that is the machine on which it was measured, however busy it is."""
        return _machine(hardware) == _machine(self.hardware)

    def change(self, changes: Mapping[str, Any]) -> None:
        """Change settings of all cells; unless data just lie elsewhere, measures say nothing then.

        Raises
        ------
        ConfigError
            A cell cannot have them.
        """
        self.cells = [replace(cell, settings={**cell.settings, **changes}) for cell in self.cells]
        self.__post_init__()
        for cell in self.cells:
            cell.recipe()
        if changes.keys() - {"data_dir"}:
            self.measures.clear()

    def length(self, cell: Cell) -> int:
        """Epochs of a cell that nothing shortened."""
        return self.epochs or cell.full

    def predict(self, cell: Cell, epochs: int) -> float | None:
        """Seconds of one of its runs; None where it was not measured."""
        measure = self.measures.get(cell.name)
        return None if measure is None else measure.predict(cell.recipe(epochs).config)

    # -- runs ------------------------------------------------------------------------------

    def folder(self, job: Job) -> Path:
        return self.out / RUNS / self.cell[job.name].folder(job.epochs, job.seed)

    def label(self, job: Job) -> str:
        return self.cell[job.name].label(job.epochs)

    def finished(self, job: Job) -> bool:
        return (self.folder(job) / RESULT).exists()

    def about(self, job: Job) -> dict[str, Any]:
        """What is known of a run beside its result: memory, and why it failed."""
        path = self.folder(job) / ABOUT
        try:
            return parse_json(path.read_text(encoding="utf-8")) if path.exists() else {}
        except ValueError as error:
            raise DataError(f"{str(path)!r} is damaged ({error}). Remove it and go on") from error

    def note(self, job: Job, **about: Any) -> None:
        write_json(self.folder(job) / ABOUT, about)

    def left_s(self, job: Job) -> float | None:
        """Predicted seconds that a run still takes; 0 where it is finished."""
        if self.finished(job):
            return 0.0
        whole = self.predict(self.cell[job.name], job.epochs)
        return None if whole is None else whole * (1 - self.epochs_done(job) / job.epochs)

    def epochs_done(self, job: Job) -> int:
        metrics = self.folder(job) / "metrics.jsonl"
        return metrics.read_bytes().count(b"\n") if metrics.exists() else 0

    # -- on disk ---------------------------------------------------------------------------

    def save(self) -> None:
        """Replace the plan in the folder, unless it is only looked at."""
        if self.looked_at:
            return
        content = {name: getattr(self, name) for name in _PLAIN}
        content["cells"] = [_cell_as_dict(cell) for cell in self.cells]
        content["measures"] = {name: asdict(measure) for name, measure in self.measures.items()}
        content["jobs"] = None if self.jobs is None else [asdict(job) for job in self.jobs]
        write_json(self.out / PLAN, {"format": FORMAT, "version": VERSION, **content})

    @classmethod
    def load(cls, out: Path) -> Reproduction:
        """What `save` left in a folder; whether its device is at hand here is not looked at."""
        path = planned_in(out)
        try:
            content = parse_json(path.read_text(encoding="utf-8"))
            if not isinstance(content, dict):
                raise TypeError("expected an object")
        except (ValueError, TypeError) as error:
            raise _damaged(path, error) from error
        if reason := misread(content, FORMAT, VERSION):
            raise ConfigError(f"plan {str(path)!r} cannot be read: {reason}")
        try:
            planned = cls(
                out,
                **{name: content[name] for name in _PLAIN},
                cells=[_read_cell(about) for about in content["cells"]],
                measures={name: Measure(**m) for name, m in content["measures"].items()},
                jobs=content["jobs"] and [Job(**job) for job in content["jobs"]],
            )
            planned._check()
            return planned
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _damaged(path, error) from error

    def _check(self) -> None:
        """Complain of what no `save` has written."""
        for part in (self, *self.cells, *self.measures.values(), *(self.jobs or ())):
            of: type = type(part)
            for name, kind in kinds_of(of).items():
                if not fits(value := getattr(part, name), kind):
                    raise ValueError(f"{name} of a {of.__name__} is {value!r}")
        for cell in self.cells:
            if not all(AS_A_FOLDER.fullmatch(name) for name in (cell.row, cell.column)):
                raise ValueError(f"{cell.name!r} is no name of a folder")
            # --device may name another one where this machine lacks that of the plan.
            make_recipe({**cell.settings, "device": "cpu"})
        jobs = [job for job in self.jobs or () if job.epochs < 1 or job.seed < 0]
        unknown = {*self.measures, *(job.name for job in self.jobs or ())} - self.cell.keys()
        if jobs or unknown or not self.cells:
            raise ValueError(f"it has {len(self.cells)} cells, and plans {[*jobs, *unknown]}")


_PLAIN = ("table", "epochs", "budget_s", "command", "hardware", "versions")


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(
        f"{str(path)!r} is damaged ({type(error).__name__}: {error}). Finished runs beside it are "
        "whole; start anew in another folder"
    )


def _machine(hardware: str) -> str:
    """Without how busy it was."""
    return hardware.partition("; load")[0]


def _cell_as_dict(cell: Cell) -> dict[str, Any]:
    return {name: getattr(cell, name) for name in Cell.__dataclass_fields__}


def _read_cell(about: Mapping[str, Any]) -> Cell:
    settings = check_settings("cell", about["settings"])
    return Cell(**{**about, "settings": settings, "notes": tuple(about["notes"])})


def planned_in(out: Path) -> Path:
    """The plan in a folder; complain if there is none."""
    if not (out / PLAN).exists():
        raise ConfigError(
            f"folder {str(out)!r} holds no reproduction to resume: it has no {PLAN}. Name the "
            "--out of one, or start one with the name of a table"
        )
    return out / PLAN


def free_folder(out: Path) -> None:
    """Make the folder; complain if it holds anything."""
    if (out / PLAN).exists():
        raise ConfigError(
            f"folder {str(out)!r} holds a reproduction already: go on with 'oneway reproduce "
            "--resume --out DIR', or choose another folder; nothing was changed"
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
        there = sorted(path.name for path in out.iterdir() if path.name != LOCK)
    except OSError as error:
        raise ConfigError(
            f"output folder {str(out)!r} cannot be used ({error.strerror}). Choose another one "
            "with --out"
        ) from error
    if there:
        raise ConfigError(
            f"output folder {str(out)!r} holds something else ({', '.join(there[:3])}). Choose an "
            "empty one with --out; nothing was changed"
        )


def give_back(out: Path) -> None:
    """Remove the folder of a reproduction in which nothing could be run."""
    if not (out / RUNS).exists():
        for path in (out / PLAN, out / LOCK):
            path.unlink(missing_ok=True)
        clear(out / ".measuring")
        with suppress(OSError):  # somebody else's files
            out.rmdir()


def clear(folder: Path) -> Path:
    """A folder of that name without anything in it."""
    shutil.rmtree(folder, ignore_errors=True)
    return folder
