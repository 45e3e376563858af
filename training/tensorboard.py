"""Metrics as TensorBoard's event files, beside ``metrics.jsonl``; needs the extra ``tensorboard``.

tensorboardX writes them: it needs protobuf alone, not the servers that come with TensorBoard.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from math import isfinite
from pathlib import Path
from typing import Any

from .errors import ConfigError

FOLDER = "tensorboard"
_TAGS = {
    "train_loss": "loss/train",
    "train_accuracy": "accuracy/train",
    "test_accuracy": "accuracy/test",
    "validation_accuracy": "accuracy/validation",
    "test_top5": "accuracy/test_top5",
    "seconds": "seconds/epoch",
}
# A tag has letters, digits and a few signs, but no blanks and arrows.
_FOREIGN = re.compile(r"[^-/\w.]+")
_GROUPS = {
    "angles_deg": "angle",
    "error_angles_deg": "error_angle",
    "direct_angles_deg": "direct_angle",
    "norm_ratios": "norm_ratio",
    "lr": "rate",
}
# Several numbers of each drive, a chart each.
_TABLES = {"weights": "weights", "gap": "gap"}


def check_installed() -> None:
    if find_spec("tensorboardX") is None:
        raise ConfigError(
            "tensorboard = yes needs the package tensorboardX, which is not installed: pip install "
            "'oneway[tensorboard]', or leave it out; metrics.jsonl holds the same numbers"
        )


class Board:
    """The event file of one run, in a folder of its own in that of the run."""

    def __init__(self, folder: Path) -> None:
        check_installed()
        self._folder = folder / FOLDER
        self._open()

    def write(self, record: Mapping[str, Any]) -> None:
        """The record of one epoch, at once on disk; what is no finite number is left out."""
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.proto.summary_pb2 import Summary

        values = [Summary.Value(tag=tag, simple_value=value) for tag, value in scalars(record)]
        event = Event(wall_time=time.time(), step=record["epoch"], summary=Summary(value=values))
        self._writer.write_event(event)
        self._writer.flush()

    def rewrite(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Only these: files of an interrupted run may hold epochs that will come again."""
        self.close()
        for path in self._folder.glob("events.out.tfevents.*"):
            path.unlink()
        self._open()
        for record in records:
            self.write(record)

    def close(self) -> None:
        self._writer.close()

    def _open(self) -> None:
        from tensorboardX.event_file_writer import EventsWriter

        self._folder.mkdir(exist_ok=True)
        # Not its SummaryWriter, which leaves the writing to a thread that a kill would cut short.
        self._writer = EventsWriter(str(self._folder / "events"))


def scalars(record: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """What TensorBoard draws of a record: tag and value."""
    for key, tag in _TAGS.items():
        yield from _finite(tag, record.get(key))
    for key, group in _GROUPS.items():
        for name, value in record.get(key, {}).items():
            yield from _finite(f"{group}/{_FOREIGN.sub('_', name)}", value)
    for key, group in _TABLES.items():
        for name, row in record.get(key, {}).items():
            for column, value in row.items():
                yield from _finite(f"{group}_{column}/{_FOREIGN.sub('_', name)}", value)


def _finite(tag: str, value: float | None) -> Iterator[tuple[str, float]]:
    if value is not None and isfinite(value):
        yield tag, value
