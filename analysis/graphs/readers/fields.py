"""The columns of a piece of text as numbered values, by whole arrays: ten million lines are many.

A column is held as `Factor`: the distinct values, and for each row the number of its value. What
has to be done to a value (stripping, parsing, comparing) is done once for each distinct one.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .layout import BLANKS, COMMENTS, Layout, is_blank, split

Ints = NDArray[np.int64]
WORD = 8
# Fields longer than this are rare; they take the slower way.
LONGEST = 64
# Keeps the first 0, 1, ... 8 bytes of a word.
KEPT = np.array([(1 << 8 * n) - 1 for n in range(WORD + 1)], np.uint64)
NEWLINE, QUOTE = ord("\n"), ord('"')
COMMENT_BYTES = np.array([ord(mark) for mark in COMMENTS if len(mark) == 1], np.uint8)
ODD = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Factor:
    """A column: ``values[codes[r]]`` stands in row r."""

    codes: Ints
    values: Sequence[Any]

    def map(self, values: Iterable[Any], dtype: Any) -> NDArray[Any]:
        """One value for each row, given one for each distinct value."""
        return np.fromiter(values, dtype, len(self.values))[self.codes]

    def rows(self, kept: NDArray[np.bool_]) -> Factor:
        """Some of the rows, and the values that they have."""
        used, codes = np.unique(self.codes[kept], return_inverse=True)
        return Factor(codes, [self.values[i] for i in used.tolist()])


def factor(column: Iterable[Hashable]) -> Factor:
    """Number the distinct values of any column."""
    numbers: defaultdict[Hashable, int] = defaultdict()
    numbers.default_factory = numbers.__len__
    codes = np.fromiter(map(numbers.__getitem__, column), np.int64)
    return Factor(codes, list(numbers))


class Ragged(Exception):
    """A line has another number of fields; carries lines, numbers and fields."""

    def __init__(self, rows: list[list[str]], numbers: list[int], lines: list[str]) -> None:
        super().__init__()
        self.rows, self.numbers, self.lines = rows, numbers, lines


def read_columns(
    chunk: bytes, start: int, layout: Layout, wanted: Sequence[int]
) -> tuple[int, dict[int, Factor]]:
    """Rows, and the wanted columns, of whole lines of text.

    Parameters
    ----------
    chunk : bytes
        UTF-8, ended by a newline.
    start : int
        Number of its first line, for complaints.

    Raises
    ------
    Ragged
    """
    bounds = _bounds(chunk, layout)
    if bounds is None:
        return _one_by_one(chunk, start, layout, wanted)
    starts, ends = bounds
    data = np.frombuffer(chunk + bytes(WORD), np.uint8)
    factors = {i: _factor_bytes(chunk, data, starts[:, i], ends[:, i]) for i in wanted}
    return len(starts), factors


def numbered_rows(
    chunk: bytes, start: int, layout: Layout
) -> tuple[list[list[str]], list[int], list[str]]:
    """Fields, line numbers and text of the lines that hold data."""
    lines = chunk.decode("utf-8").split("\n")[:-1]
    kept = [
        (number, line)
        for number, line in enumerate(lines, start)
        if not is_blank(line, layout.delimiter) and not line.startswith(COMMENTS)
    ]
    texts = [line for _, line in kept]
    try:
        rows = split(texts, layout.delimiter)
    except csv.Error:
        rows = [line.split(layout.delimiter) for line in texts]
    return rows, [number for number, _ in kept], texts


def _one_by_one(
    chunk: bytes, start: int, layout: Layout, wanted: Sequence[int]
) -> tuple[int, dict[int, Factor]]:
    rows, numbers, lines = numbered_rows(chunk, start, layout)
    if any(len(row) != layout.width for row in rows):
        raise Ragged(rows, numbers, lines)
    return len(rows), {i: factor([row[i] for row in rows]) for i in wanted}


def _bounds(chunk: bytes, layout: Layout) -> tuple[Ints, Ints] | None:
    """Where each field starts and ends, shape (rows, width).

    None where lines differ, one is a comment or empty, or quotes hold more than a field.
    """
    data = np.frombuffer(chunk, np.uint8)
    if chunk.startswith(b"sep="):
        return None
    if layout.delimiter == BLANKS:
        bounds = _bounds_between_blanks(data, layout.width)
    else:
        bounds = _bounds_between(data, layout.delimiter, layout.width, chunk.count(b"\n"))
    if bounds is None or np.isin(data[bounds[0][:, 0]], COMMENT_BYTES).any():
        return None
    if (bounds[0] == bounds[1]).all(axis=1).any():
        return None
    return _without_quotes(data, *bounds, chunk.count(b'"'))


def _without_quotes(
    data: NDArray[np.uint8], starts: Ints, ends: Ints, quotes: int
) -> tuple[Ints, Ints] | None:
    """Inside the quotes, if each of them stands at an end of a field."""
    if not quotes:
        return starts, ends
    opened = (data[starts] == QUOTE) & (ends - starts > 1)
    closed = (data[ends - 1] == QUOTE) & (ends - starts > 1)
    if not np.array_equal(opened, closed) or quotes != 2 * opened.sum():
        return None
    return starts + opened, ends - closed


def _bounds_between(
    data: NDArray[np.uint8], delimiter: str, width: int, lines: int
) -> tuple[Ints, Ints] | None:
    marks = np.flatnonzero((data == ord(delimiter)) | (data == NEWLINE))
    if len(marks) != lines * width:
        return None
    ends = marks.reshape(-1, width)
    if not (data[ends[:, -1]] == NEWLINE).all():
        return None
    starts = np.empty_like(marks)
    starts[0], starts[1:] = 0, marks[:-1] + 1
    return starts.reshape(ends.shape), ends


def _bounds_between_blanks(data: NDArray[np.uint8], width: int) -> tuple[Ints, Ints] | None:
    newline = data == NEWLINE
    blank = (data == ord(" ")) | (data == ord("\t")) | newline
    turns = np.flatnonzero(np.diff(blank, prepend=True))
    starts, ends = turns[0::2], turns[1::2]
    line_ends = np.flatnonzero(newline)
    if len(starts) != len(line_ends) * width:
        return None
    starts, ends = starts.reshape(-1, width), ends.reshape(-1, width)
    within = (ends[:, -1] <= line_ends).all() and (starts[1:, 0] > line_ends[:-1]).all()
    return (starts, ends) if within else None


def _factor_bytes(chunk: bytes, data: NDArray[np.uint8], starts: Ints, ends: Ints) -> Factor:
    """Number fields by their bytes, eight at a time."""
    lengths = ends - starts
    if not len(starts) or lengths.max() > LONGEST:
        pairs = zip(starts.tolist(), ends.tolist(), strict=True)
        return _decoded(factor([chunk[s:e] for s, e in pairs]))
    words = _words(data, starts, lengths)
    mixed = words[0].copy()
    for word in words[1:]:
        mixed = (mixed ^ (mixed >> np.uint64(29))) * ODD ^ word
    order = np.argsort(mixed)
    is_new = np.diff(mixed[order], prepend=~mixed[order[:1]]) != 0
    codes = np.empty(len(order), np.int64)
    codes[order] = np.cumsum(is_new) - 1
    first = order[is_new]
    if not all(np.array_equal(word[first][codes], word) for word in words):  # mixed up
        pairs = zip(starts.tolist(), ends.tolist(), strict=True)
        return _decoded(factor([chunk[s:e] for s, e in pairs]))
    pairs = zip(starts[first].tolist(), ends[first].tolist(), strict=True)
    return _decoded(Factor(codes, [chunk[s:e] for s, e in pairs]))


def _words(data: NDArray[np.uint8], starts: Ints, lengths: Ints) -> list[NDArray[np.uint64]]:
    """The bytes of each field, in words of eight, zeros behind its end."""
    last = len(data) - WORD
    any_word = np.ndarray((last + 1,), "<u8", data, strides=(1,))
    longest = max(int(lengths.max()), 1)
    return [
        any_word[np.minimum(starts + i, last)] & KEPT[np.clip(lengths - i, 0, WORD)]
        for i in range(0, longest, WORD)
    ]


def _decoded(found: Factor) -> Factor:
    return Factor(found.codes, [value.decode("utf-8") for value in found.values])
