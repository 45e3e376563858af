"""Progress for people, where there is something to wait for: a bar, or now and then a line."""

from __future__ import annotations

import sys
import time
from typing import Self

from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column

from .console import Terminal
from .terminal import harmless, say

PATIENCE_S = 2.0
LOG_EVERY_S = 10.0
STEPS_LOG_EVERY_S = 60.0


def keep_quiet(sentence: str) -> None:
    """For what tells a sentence at a time, where nobody listens."""


class ByteProgress:
    """Bytes read of a file: a bar on a terminal, a plain line now and then in a log."""

    def __init__(self, label: str) -> None:
        self.label = label
        self._since = time.monotonic()
        self._said = -LOG_EVERY_S
        self._bar: Progress | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._since < PATIENCE_S:
            return
        if not sys.stderr.isatty():
            self._say(done, total, now)
        else:
            self._bar = self._bar or self._start(total)
            self._bar.update(self._task, completed=done)

    def _say(self, done: int, total: int, now: float) -> None:
        if now - self._said >= LOG_EVERY_S or done >= total:
            self._said = now
            share = f"{done / total:.0%} of " if total else ""
            print(f"{self.label}: {share}{total / 1e6:,.0f} MB", file=sys.stderr, flush=True)

    def _start(self, total: int) -> Progress:
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
        bar = Progress(
            *columns, TimeRemainingColumn(), console=Terminal(stderr=True), transient=True
        )
        self._task = bar.add_task(self.label, total=total)
        bar.start()
        return bar


class ProgressBar:
    """Counts steps on standard error, if it is shown at all.

    A bar on a terminal, from `PATIENCE_S` seconds on; a plain line a minute in a log.
    """

    def __init__(self, label: str, total: int, shown: bool = True) -> None:
        self.label, self.total, self.done = label, total, 0
        self._shown, self._on_terminal = shown, sys.stderr.isatty()
        self._since = self._said = time.monotonic()
        self._bar: Progress | None = None
        self._note = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, note: str | None = None) -> None:
        """One step is done; `note` replaces what stands behind the label."""
        self.done += 1
        if note is not None:
            self._note = note
        if not self._shown or time.monotonic() - self._since < PATIENCE_S:
            return
        description = harmless(f"{self.label} {self._note}".rstrip())
        if not self._on_terminal:
            self._say(description)
            return
        if self._bar is None:
            self._bar = self._start()
        self._bar.update(self._task, completed=self.done, description=escape(description))

    def _say(self, description: str) -> None:
        now = time.monotonic()
        if now - self._said >= STEPS_LOG_EVERY_S:
            self._said = now
            say(f"{description}: {self.done:,} of {self.total:,}", sys.stderr)

    def _start(self) -> Progress:
        # Where a terminal is narrow, the bar gives way first, and what is counted never.
        bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(table_column=Column(no_wrap=True)),
            TimeRemainingColumn(table_column=Column(no_wrap=True)),
            console=Terminal(stderr=True),
            transient=True,
        )
        self._task = bar.add_task(escape(harmless(self.label)), total=self.total)
        bar.start()
        return bar


def spell(seconds: float) -> str:
    """A duration for people.

    Examples
    --------
    >>> spell(42), spell(150), spell(9000), spell(200_000)
    ('42 s', '2.5 min', '2.5 h', '2.3 days')
    """
    for least, size, unit in ((172_800, 86_400, "days"), (5400, 3600, "h"), (90, 60, "min")):
        if seconds >= least:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
