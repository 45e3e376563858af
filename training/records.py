"""What a run leaves behind: `RunResult`, and a folder with its settings, metrics and result."""

from __future__ import annotations

import json
import os
import platform
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from oneway.backends.rate.exchange.names import Names
from oneway.circuits import Circuit, load_circuit, to_json
from oneway.circuits.format_version import misread
from oneway.circuits.json_text import parse_json

from .checkpoint import CHECKPOINT, write_checkpoint
from .config import TrainConfig
from .errors import ConfigError, DataError, TrainingError
from .files import jsonable, named, remove_unfinished, unwritable, write_json, write_text
from .run_state import read_run_state
from .tensorboard import Board, check_installed

CONFIG, METRICS, RESULT = "config.json", "metrics.jsonl", "result.json"
CIRCUIT, NAMES, RECIPE = "circuit.json", "names.json", "recipe.toml"
_FILES = (CONFIG, METRICS, RESULT, CHECKPOINT)
# Of all files of a run but for those that have their own: whoever reads one looks at `CONFIG` too.
FORMAT, VERSION = "oneway-run", 1
_FORM = {"format": FORMAT, "version": VERSION}


@dataclass(frozen=True)
class Published:
    """A paper's figure: the shipped recipe that has it, and settings in which a run is not that."""

    accuracy: float
    recipe: str
    differs: tuple[str, ...]

    def sentence(self) -> str:
        """Whose figure it is, and what is different here."""
        other = f"; this run has other {', '.join(self.differs)}" if self.differs else ""
        return f"published: {100 * self.accuracy:.2f} %, recipe {self.recipe}{other}"


@dataclass(frozen=True)
class RunResult:
    """A finished run. Accuracies are fractions between 0 and 1.

    Parameters
    ----------
    rule : str or None
        Name and options, without gate and norm; None for a circuit that was wired by hand.
    circuit, data : str
    config : TrainConfig
    test_accuracy : float
        After the last epoch, whichever epoch was best.
    angles_deg : dict
        Feedback drive → angle between its weights and those of its partner, at the end; of direct
        feedback, to the product of the forward weights that it jumps over.
    seconds : float
    gate, norm : str or None
        Of the rule.
    selected : dict or None
        With a validation split: ``epoch``, ``validation_accuracy`` and ``test_accuracy`` of the
        epoch with the best validation accuracy.
    history : tuple of dict
        One record an epoch, as in ``metrics.jsonl``.
    floor_accuracy : float or None
        What a rule has to beat, if that was run: see `floor_accuracy` in the loop.
    published : Published or None
        The paper's figure, where there is one for this data, circuit and rule.
    error_angles_deg : dict
        Error population → angle between its error and backpropagation's, at the end.
    changes : tuple of dict
        Rates, processes or device that the run went on with: ``after_epoch``, ``setting``,
        ``before`` and ``now``.
    weights : str or None
        What was taken of another run's network, and what was not; None where all was drawn.
    warnings : tuple of str
        What its numbers alone would not say: that they are those of chance, or of no weights.
    """

    rule: str | None
    circuit: str
    data: str
    config: TrainConfig
    test_accuracy: float
    angles_deg: Mapping[str, float]
    seconds: float
    gate: str | None = None
    norm: str | None = None
    selected: Mapping[str, float] | None = None
    history: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    floor_accuracy: float | None = None
    published: Published | None = None
    error_angles_deg: Mapping[str, float] = field(default_factory=dict)
    changes: tuple[Mapping[str, Any], ...] = ()
    weights: str | None = None
    warnings: tuple[str, ...] = ()

    @property
    def epochs(self) -> int:
        return self.config.epochs

    @property
    def seed(self) -> int:
        return self.config.seed

    def as_dict(self) -> dict[str, Any]:
        """For JSON: the keys that others rely on first, then the rest; nan becomes null."""
        return jsonable(
            {
                "rule": self.rule,
                "circuit": self.circuit,
                "data": self.data,
                "epochs": self.epochs,
                "seed": self.seed,
                "test_accuracy": self.test_accuracy,
                "floor_accuracy": self.floor_accuracy,
                "published": self.published and self.published.accuracy,
                "angles_deg": self.angles_deg,
                "error_angles_deg": self.error_angles_deg,
                "seconds": self.seconds,
                "gate": self.gate,
                "norm": self.norm,
                "selected": self.selected,
                "published_recipe": self.published and self.published.recipe,
                "unlike_published": self.published and self.published.differs,
                "config": asdict(self.config),
                "changes": self.changes,
                "weights": self.weights,
                "warnings": self.warnings,
                **_FORM,
            }
        )


class RunFolder:
    """The folder of one run. It is never used for a second one, so nothing in it is lost."""

    def __init__(self, path: str | Path, resume: bool = False, tensorboard: bool = False) -> None:
        self.path = Path(path)
        self.check(self.path, resume, tensorboard)
        if resume:
            remove_unfinished(self.path, (*_FILES, CIRCUIT, NAMES, RECIPE))
        else:
            self._begin()
        self._board = Board(self.path) if tensorboard else None

    def go_on(self, setting: str | None = None) -> str:
        """How to go on here, with another value of a setting: the command, or the call."""
        if (self.path / RECIPE).exists():
            other = f" --set {setting}=..." if setting else ""
            return f"'oneway train --resume {shlex.quote(str(self.path))}{other}'"
        other = ", new_rates=True" if setting else ""
        return f"train(..., out={str(self.path)!r}, resume=True{other})"

    @classmethod
    def to_read(cls, path: Path) -> RunFolder:
        """A folder that nothing is written to, and that may be read-only."""
        folder = cls.__new__(cls)
        folder.path, folder._board = path, None
        return folder

    def _begin(self) -> None:
        try:
            (self.path / METRICS).touch()
        except OSError as error:
            raise unwritable(self.path, error) from error

    @staticmethod
    def holds_run(path: Path) -> bool:
        return any((path / name).exists() for name in _FILES)

    @staticmethod
    def worth_keeping(path: Path) -> bool:
        """Whether anything was computed in a folder."""
        metrics = path / METRICS
        kept = metrics.exists() and metrics.stat().st_size > 0
        return kept or any((path / name).exists() for name in (RESULT, CHECKPOINT))

    @staticmethod
    def check(path: Path, resume: bool, tensorboard: bool = False) -> None:
        """Complain if a run cannot go on in a folder, or cannot begin there."""
        if tensorboard:
            check_installed()
        (RunFolder.check_resumable if resume else RunFolder.check_free)(path)

    @staticmethod
    def check_resumable(path: Path) -> None:
        """Complain if the folder holds no run that can go on."""
        if not RunFolder.holds_run(path):
            raise ConfigError(
                f"folder {str(path)!r} holds no run to resume. Name that of the run with --out, or "
                "start a new run without --resume"
            )
        metrics = path / METRICS
        if not (path / CHECKPOINT).exists() and metrics.exists() and metrics.stat().st_size:
            raise ConfigError(
                f"folder {str(path)!r} holds metrics, but no {CHECKPOINT} to resume from. Choose "
                "another folder with --out; nothing was changed"
            )
        _check_writable(path)

    @staticmethod
    def check_free(path: Path, goes_on: bool = True) -> None:
        """Make the folder; complain if it cannot be made or holds a run, which may go on."""
        there = [name for name in _FILES if (path / name).exists()]
        if not RunFolder.worth_keeping(path):  # cut short before it began
            there = []
        there += sorted(seed.name for seed in path.glob("seed*") if (seed / METRICS).exists())
        if there:
            instead = ", or go on with --resume" if goes_on else ""
            raise ConfigError(
                f"output folder {str(path)!r} holds a run already ({', '.join(there)}). Choose "
                f"another one with --out{instead}; nothing was changed"
            )
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(path, error) from error
        _check_writable(path)

    def write_config(self, **settings: Any) -> None:
        versions = {"python": platform.python_version(), "torch": torch.__version__}
        write_json(self.path / CONFIG, {**_FORM, **settings, "versions": versions})

    def write_circuit(self, wired: Circuit, names: Names | None) -> None:
        """The circuit, and what its parameters are called in the module that it came from."""
        write_text(self.path / CIRCUIT, to_json(wired, indent=None) + "\n")
        if names is not None:
            write_json(self.path / NAMES, names.as_dict())

    def circuit(self) -> tuple[Circuit, Names | None]:
        """What `write_circuit` wrote."""
        names = self.path / NAMES
        held = parse_json(names.read_text(encoding="utf-8")) if names.exists() else None
        circuit = load_circuit(self.path / CIRCUIT)
        return circuit, None if held is None else Names.from_dict(held)

    def wiring(self) -> str:
        """The circuit as `wiring_digest` has it, by the words of the version that wrote it."""
        held = parse_json((self.path / CIRCUIT).read_text(encoding="utf-8"))
        return wiring_digest(json.dumps(held, indent=1))

    def settings(self) -> dict[str, Any]:
        """What `write_config` wrote; nothing where the run did not come so far."""
        path = self.path / CONFIG
        try:
            settings = parse_json(path.read_text(encoding="utf-8")) if path.exists() else {}
            if settings != {} and not isinstance(settings["config"], dict):
                raise TypeError("config is no object")
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{str(path)!r} is damaged ({error}). Choose another folder") from error
        return without_form(path, settings)

    def append_metrics(self, record: Mapping[str, Any]) -> None:
        """Add one line, and see to it that it is on disk before the next epoch starts."""
        path = self.path / METRICS
        with named(path), path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(jsonable(record), allow_nan=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        if self._board is not None:
            self._board.write(record)

    def rewrite_metrics(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Replace all lines: those of epochs after the checkpoint will come again."""
        lines = [json.dumps(jsonable(record), allow_nan=False) + "\n" for record in records]
        write_text(self.path / METRICS, "".join(lines))
        if self._board is not None:
            self._board.rewrite(records)

    @property
    def checkpoint(self) -> Path:
        return self.path / CHECKPOINT

    def save(self, state: Mapping[str, Any]) -> None:
        try:
            write_checkpoint(self.checkpoint, state)
        except OSError as error:
            raise TrainingError(
                f"the checkpoint in {str(self.path)!r} cannot be written ({error}). Make room, "
                f"then go on from the one before with {self.go_on()}"
            ) from error

    def saved(self, whole: bool = False) -> dict[str, Any] | None:
        """The state at the last checkpoint; None where the run was cut short before the first.

        With `whole`, all that a run goes on from; else at least its network.
        """
        return read_run_state(self.checkpoint, whole) if self.checkpoint.exists() else None

    def reopen(self) -> None:
        """A finished run gets more epochs: what stands in its result is no result any more."""
        (self.path / RESULT).unlink(missing_ok=True)

    def write_result(self, result: RunResult) -> None:
        write_json(self.path / RESULT, result.as_dict())
        if self._board is not None:
            self._board.close()


def wiring_digest(text: str) -> str:
    """What a run says of its circuit, as `to_json` writes that."""
    return sha256(text.encode()).hexdigest()[:16]


def without_form(path: Path, content: Mapping[str, Any]) -> dict[str, Any]:
    """What a file of a run says, if this version can read it; the first files stated no format."""
    about = {key: content[key] for key in _FORM if key in content}
    if about and (reason := misread(about, FORMAT, VERSION)):
        raise DataError(f"{str(path)!r} cannot be read: {reason}; nothing was changed")
    return {key: value for key, value in content.items() if key not in _FORM}


def _check_writable(path: Path) -> None:
    if not os.access(path, os.W_OK | os.X_OK):
        raise unwritable(path, PermissionError(13, "Permission denied"))
