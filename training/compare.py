"""Runs read back from their folders, and what can be said of them together.

Runs of one network on the same samples form a group. In it, runs that differ in their seed only are
repeats of one case: its accuracy has a mean and a spread.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from oneway.circuits.json_text import parse_json
from oneway.rules import RULES, SPIKE_RULES

from .checkpoint import CHECKPOINT
from .config import SPEED
from .errors import ConfigError, DataError
from .records import CONFIG, METRICS, RESULT, without_form

# The recipes' floor on image nets, and `--floor` elsewhere.
FLOORS = ("bp,frozen=conv", "bp,frozen=hidden")
# What to do about a damaged run, in `oneway compare` and in `oneway reproduce --resume`.
WITHOUT_IT = "Leave its folder out, or remove it and run it anew"
_USUAL = {"gate": "exact", "norm": "full"}
# What may differ between repeats of one case.
_NOT_THE_CASE = ("seed", "device", *SPEED)


@dataclass(frozen=True)
class SavedRun:
    """A run as its folder has it."""

    folder: Path
    # As in ``result.json``; of an unfinished run, what is known after its last epoch.
    about: Mapping[str, Any]
    history: tuple[Mapping[str, Any], ...]
    samples: tuple[int, int]  # training and test
    finished: bool
    notes: tuple[str, ...] = ()  # of its circuit

    @property
    def group(self) -> tuple[str, str, tuple[int, int]]:
        return self.about["data"], self.about["circuit"], self.samples

    @property
    def label(self) -> str:
        """The rule with gate and norm, where they are not the papers'."""
        own = {key: self.about.get(key) for key in _USUAL}
        extra = [f"{k}={v}" for k, v in own.items() if v not in (None, _USUAL[k])]
        return ",".join([self.about["rule"] or "wired by hand", *extra])

    @property
    def settings(self) -> dict[str, Any]:
        config = self.about.get("config") or {}
        settings = {key: value for key, value in config.items() if key not in _NOT_THE_CASE}
        if settings.get("decay_warmup_epochs") == 0:  # a decay that no epoch has
            settings.pop("warmup_weight_decay", None)
        # A rate that came later does not make it a run that had it all along.
        changes = [
            f"{c['setting']} {c['before']} to {c['now']} after epoch {c['after_epoch']}"
            for c in self.about.get("changes") or ()
        ]
        settings |= {"changed": "; ".join(changes)} if changes else {}
        # Nor does a start with another run's weights, whatever they are, make it one with its own.
        return settings | ({"weights": "taken"} if self.about.get("weights") else {})

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        samples = dict(zip(("train_samples", "test_samples"), self.samples, strict=True))
        done = {"epochs_done": len(self.history), "finished": self.finished}
        return {**self.about, **done, **samples, "folder": str(self.folder)}


@dataclass(frozen=True)
class Case:
    """Repeats of one rule at the same settings; `label` tells it from the others in its group."""

    label: str
    runs: tuple[SavedRun, ...]

    @property
    def finished(self) -> tuple[SavedRun, ...]:
        return tuple(run for run in self.runs if run.finished)

    @property
    def notes(self) -> tuple[str, ...]:
        """What there is to know of its circuit, layers that learn by another rule for instance."""
        return self.runs[0].notes

    def values(self, key: str) -> list[Any]:
        """What its finished runs have under a key."""
        return _known(run.about.get(key) for run in self.finished)

    @property
    def angles_deg(self) -> list[float]:
        """Of each finished run, the mean over its feedback weights."""
        return _known(_mean_angle(run.about) for run in self.finished)

    @property
    def selected(self) -> list[float]:
        """Test accuracies after the epochs that a validation split selects."""
        return [s["test_accuracy"] for s in self.values("selected")]

    @property
    def published(self) -> float | None:
        return next(iter(self.values("published")), None)

    @property
    def unlike_published(self) -> list[str]:
        """Settings in which its runs are not the published one."""
        return next(iter(self.values("unlike_published")), [])


@dataclass(frozen=True)
class Group:
    """Cases on the same network and samples, the most accurate first, unfinished ones last."""

    data: str
    circuit: str
    samples: tuple[int, int]
    cases: tuple[Case, ...]

    @property
    def runs(self) -> list[SavedRun]:
        return [run for case in self.cases for run in case.runs]

    @property
    def floor(self) -> float | None:
        """What a rule has to beat: from runs of that recipe, or else from runs with ``--floor``.

        Of several (other settings, more layers that learn) the best.
        """
        own = [case.values("test_accuracy") for case in self.cases if case.runs[0].label in FLOORS]
        beside = [case.values("floor_accuracy") for case in self.cases]
        means = _known(map(mean_of, own)) or _known(map(mean_of, beside))
        return max(means, default=None)


def group_runs(runs: Iterable[SavedRun]) -> list[Group]:
    """Groups in order of appearance."""
    by_group: dict[Any, list[SavedRun]] = {}
    for run in runs:
        by_group.setdefault(run.group, []).append(run)
    return [
        Group(data, circuit, samples, tuple(_cases(mine)))
        for (data, circuit, samples), mine in by_group.items()
    ]


def _cases(runs: Sequence[SavedRun]) -> list[Case]:
    by_case: dict[tuple[str, str], list[SavedRun]] = {}
    for run in runs:
        settings = json.dumps(run.settings, sort_keys=True)
        by_case.setdefault((run.label, settings), []).append(run)
    cases = []
    longest = max(run.settings.get("epochs", 0) for run in runs)
    for (label, _), mine in by_case.items():
        rivals = [r.settings for r in runs if r.label == label]
        special = [
            f"{key}={_short(value)}"
            for key, value in mine[0].settings.items()
            if any(rival.get(key) != value for rival in rivals)
            or (key == "epochs" and value != longest)  # its schedule is another one, too
        ]
        cases.append(Case(" ".join([label, *special]), tuple(mine)))
    return sorted(cases, key=lambda case: -(mean_of(case.values("test_accuracy")) or -1.0))


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _known(values: Iterable[Any]) -> list[Any]:
    return [value for value in values if value is not None]


def mean_of(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None


def spread(values: Sequence[float]) -> float | None:
    """Standard deviation over seeds."""
    return stdev(values) if len(values) > 1 else None


def mean_and_spread(values: Sequence[float | None], digits: int, factor: float = 1.0) -> str:
    """For tables; nothing where no value is known."""
    known = [factor * value for value in _known(values)]
    if not known:
        return ""
    deviation = spread(known)
    text = f"{mean_of(known):.{digits}f}"
    return text if deviation is None else f"{text} ± {deviation:.{digits}f}"


def percent(values: Sequence[float | None]) -> str:
    return mean_and_spread(values, 2, 100)


def _mean_angle(record: Mapping[str, Any]) -> float | None:
    return mean_of(_known((record.get("angles_deg") or {}).values()))


def curves(group: Group) -> list[dict[str, Any]]:
    """A record an epoch and run: ``case``, what ``metrics.jsonl`` has, and what follows from it.

    That is ``test_error`` and ``top5_error``, and the means over layers ``angle_deg``,
    ``weight_mean``, ``weight_std`` and ``weight_kurtosis``; None where it was not recorded.
    """
    return [
        {**record, "case": case.label, **_errors(record), **_means_over_layers(record)}
        for case in group.cases
        for run in case.runs
        for record in run.history
    ]


def _errors(record: Mapping[str, Any]) -> dict[str, float | None]:
    correct = {"test_error": "test_accuracy", "top5_error": "test_top5"}
    known = {error: record.get(key) for error, key in correct.items()}
    return {error: None if value is None else 1 - value for error, value in known.items()}


def _means_over_layers(record: Mapping[str, Any]) -> dict[str, float | None]:
    moments = list((record.get("weights") or {}).values())
    means = {
        f"weight_{part}": mean_of(_known(layer.get(part) for layer in moments))
        for part in ("mean", "std", "kurtosis")
    }
    return {"angle_deg": _mean_angle(record), **means}


# -- folders -------------------------------------------------------------------------------------


def read_runs(folders: Iterable[str | Path]) -> list[SavedRun]:
    """Every run in these folders, or below them; each once."""
    places = [place for folder in folders for place in _runs_below(Path(folder))]
    return [_read_run(place) for place in dict.fromkeys(places)]


def _runs_below(folder: Path) -> list[Path]:
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "is not there"
        raise ConfigError(f"run folder {str(folder)!r} {what}")
    found = sorted({path.parent for name in (CONFIG, RESULT) for path in folder.rglob(name)})
    if found:
        return found
    begun = any(next(folder.rglob(name), None) for name in (METRICS, CHECKPOINT))
    reason = "a run that was cut short before it began" if begun else "no run"
    raise ConfigError(
        f"folder {str(folder)!r} holds {reason}: 'oneway train' leaves {CONFIG}, {METRICS} and "
        f"{RESULT} in its --out. Name such a folder, or one above"
    )


def _read_run(folder: Path) -> SavedRun:
    config = _json(folder / CONFIG) if (folder / CONFIG).exists() else {}
    history = _history(folder / METRICS)
    finished = (folder / RESULT).exists()
    result = _json(folder / RESULT) if finished else {}
    try:
        about = result if finished else _unfinished(config, history)
        run = SavedRun(
            folder,
            about,
            history,
            (int(config.get("train_samples", 0)), int(config.get("test_samples", 0))),
            finished,
            tuple(config.get("notes", ())),
        )
        _look_through(run)
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise DataError(
            f"run in {str(folder)!r} is damaged: {RESULT if finished else CONFIG} or {METRICS} has "
            f"not what a run leaves there ({error!r}). {WITHOUT_IT}"
        ) from error
    return run


def _look_through(run: SavedRun) -> None:
    """Ask whatever a table or picture will ask of a run."""
    _ = run.about["test_accuracy"], run.about["seed"] + 0, run.about["epochs"] + 0
    for group in group_runs([run]):
        _ = group.floor, ", ".join(map(str.strip, (group.data, group.circuit, *run.notes)))
        for case in group.cases:
            for known in (case.selected, case.angles_deg, *map(case.values, _NUMBERS)):
                percent(known)
            _ = case.published, ", ".join(case.unlike_published)
        for record in curves(group):
            percent([record["epoch"], record["test_accuracy"], *map(record.get, _CURVES)])
    json.dumps(run.as_dict())


_NUMBERS = ("test_accuracy", "floor_accuracy", "seconds", "published")
_CURVES = ("test_error", "top5_error", "angle_deg", "weight_mean", "weight_std", "weight_kurtosis")


def _unfinished(config: Any, history: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What would stand in the result, as far as it is known."""
    rule = config.get("rule") or {}
    last = history[-1] if history else {}
    seconds = sum(record.get("seconds", 0.0) for record in history)
    return {
        "rule": _label(rule),
        "circuit": config["circuit"],
        "data": config["data"],
        "epochs": config["config"]["epochs"],
        "seed": config["config"]["seed"],
        "test_accuracy": last.get("test_accuracy"),
        "floor_accuracy": None,
        "published": None,
        "angles_deg": last.get("angles_deg", {}),
        "seconds": seconds,
        "gate": rule.get("gate"),
        "norm": rule.get("norm"),
        "config": config["config"],
        "changes": config.get("changes", []),
        "weights": config.get("weights"),
    }


def _label(rule: dict[str, Any]) -> str | None:
    """The rule's label, from what ``config.json`` says of a rule."""
    lists = {k: tuple(v) for k, v in rule.items() if isinstance(v, list)}
    options: dict[str, Any] = {k: v for k, v in (rule | lists).items() if k != "name"}
    name = rule.get("name")
    # A rule of the user's own is not known here, nor is what is usual for it.
    known = RULES | SPIKE_RULES
    return known[name](**options).label("gate", "norm") if name in known else name


def _json(path: Path) -> dict[str, Any]:
    try:
        content = parse_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise _damaged(path, error) from error
    if not isinstance(content, dict):
        raise _damaged(path, "not an object")
    return without_form(path, content)


def _history(path: Path) -> tuple[Mapping[str, Any], ...]:
    if not path.exists():
        return ()
    try:
        # What stands behind the last line's end was cut short, or is being written now.
        whole = path.read_text(encoding="utf-8").rpartition("\n")[0]
        records = tuple(parse_json(line) for line in whole.splitlines())
    except ValueError as error:
        raise _damaged(path, error) from error
    if not all(isinstance(record, dict) for record in records):
        raise _damaged(path, "a line is not an object")
    return records


def _damaged(path: Path, reason: object) -> DataError:
    return DataError(f"{str(path)!r} is damaged ({reason}). {WITHOUT_IT}")
