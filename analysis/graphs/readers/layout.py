"""How a text file may lay out a table or a matrix, and its first lines."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from oneway.circuits import WiringError

from .stream import TextFile

HEAD_LINES, HEAD_LETTERS = 10_000, 1 << 21
COMMENTS = ("#", "%", "sep=")  # the last is a message to Excel
BLANKS = " "
DELIMITERS = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "bar", BLANKS: "blanks"}
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf)", re.IGNORECASE)
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
COLUMNS = "--columns PRE,POST[,WEIGHT], by name or by number from 1"


@dataclass(frozen=True)
class Layout:
    """What the lines of a text file are.

    Parameters
    ----------
    kind : str
        ``edges``, ``matrix``.
    delimiter : str
        One of `DELIMITERS`; ``" "`` stands for any number of blanks and tabs.
    width : int
        Fields in each line.
    header : tuple of str
        Names of the columns; empty where the file has none.
    skipped : int
        Lines of data that are names instead: 1 or 0.
    decimal : str
    named : str
        Of a matrix: ``rows``, ``columns``, ``both`` or ``""`` have names.
    """

    kind: str
    delimiter: str
    width: int
    header: tuple[str, ...] = ()
    skipped: int = 0
    decimal: str = "."
    named: str = ""

    def __str__(self) -> str:
        comma = ", decimal comma" if self.decimal == "," else ""
        name = {"edges": "table", "matrix": "adjacency matrix"}[self.kind]
        return f"{name}, fields separated by {DELIMITERS[self.delimiter]}{comma}"


@dataclass(frozen=True)
class Head:
    """The first lines of a file that are neither blank nor comments; often all of them."""

    lines: tuple[str, ...]
    numbers: tuple[int, ...]
    comments: tuple[str, ...]
    complete: bool

    @classmethod
    def of(cls, file: TextFile) -> Head:
        lines: list[str] = []
        numbers: list[int] = []
        comments: list[str] = []
        letters = 0
        for start, chunk in file.chunks(HEAD_LETTERS):
            text = chunk.decode("utf-8")
            for number, line in enumerate(text.split("\n")[:-1], start):
                if line.startswith(COMMENTS):
                    comments.append(line)
                elif not is_blank(line):
                    if len(lines) == HEAD_LINES or letters > HEAD_LETTERS:
                        return cls(tuple(lines), tuple(numbers), tuple(comments), False)
                    lines.append(line)
                    letters += len(line)
                    numbers.append(number)
        return cls(tuple(lines), tuple(numbers), tuple(comments), True)

    def like(self) -> str:
        """The first line, for a complaint."""
        return f"line {self.numbers[0]}, {self.lines[0].strip()[:60]!r},"


def split(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    """The fields of each line.

    Raises
    ------
    csv.Error
        Quotes do not fit the delimiter.
    """
    if delimiter == BLANKS and not any('"' in line for line in lines):
        return [line.split() for line in lines]
    if delimiter == BLANKS:  # the csv module skips blanks that follow its delimiter
        lines = [line.strip().replace("\t", " ") for line in lines]
    blanks = delimiter == BLANKS
    reader = csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=blanks)
    return [[field.strip() for field in row] for row in reader]


def is_blank(line: str, delimiter: str = "".join(DELIMITERS)) -> bool:
    """Nothing but separators, as spreadsheets write empty rows."""
    return not line.strip(" \t" + delimiter)


def is_number(text: str) -> bool:
    return NUMBER.fullmatch(text) is not None


def ragged(
    path: Path,
    rows: Sequence[Sequence[str]],
    numbers: Sequence[int],
    lines: Sequence[str],
    delimiter: str,
    expected: int | None = None,
) -> WiringError:
    """Names the first line that is unlike the first."""
    width = expected or max(2, len(rows[0]))
    at = next((i for i, row in enumerate(rows) if len(row) != width), 0)
    return WiringError(
        f"graph file {path}, line {numbers[at]}: {lines[at].strip()[:60]!r} is no edge like the "
        f"others: it has {len(rows[at])} fields separated by {DELIMITERS[delimiter]}, expected "
        f"{width} as in every line of a table; lists of neighbours are read with --format adjlist"
    )
