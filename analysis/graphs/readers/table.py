"""Tables of text: one connection a line."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from oneway.circuits import WiringError

from ..graph import Graph
from ..reading import ReadOptions
from .collect import Collector, Missing
from .columns import FEW_KINDS, Columns
from .fields import Ragged, factor, numbered_rows, read_columns
from .layout import COMMENTS, DELIMITERS, Head, Layout, is_blank, is_number, ragged, split
from .stream import TextFile


def read_table(file: TextFile, head: Head, layout: Layout, options: ReadOptions) -> Graph:
    """The graph of a table whose layout is decided."""
    rows = split(head.lines[layout.skipped :], layout.delimiter)
    chosen = Columns.chosen(
        file.path,
        layout.header,
        layout.width,
        options,
        weighted=_is_weight(rows, layout),
        kinds=_kinds(rows, layout),
    )
    collector = Collector(file.path, chosen, options, layout.decimal)
    for start, chunk in _pieces(file, layout):
        try:
            collector.add(*read_columns(chunk, start, layout, chosen.wanted))
        except Ragged as error:
            details = (error.rows, error.numbers, error.lines)
            raise ragged(file.path, *details, layout.delimiter, layout.width) from error
        except Missing as error:
            raise _missing(file.path, chunk, start, layout, chosen, error) from error
    encoding = file.encoding.removesuffix("-sig")
    packed = "" if encoding == "utf-8" else f", {encoding}"
    header = "" if layout.header else ", no header"
    return collector.graph(f"{layout}{header}{packed}")


def read_cells(path: Path, options: ReadOptions) -> dict[str, list[str]]:
    """A table of cells, a column each."""
    file = TextFile(path, ReadOptions(encoding=options.encoding))
    head = Head.of(file)
    for delimiter in DELIMITERS:
        try:
            rows = split(head.lines[:2], delimiter)
        except csv.Error:
            continue
        if len(rows) == 2 and len(rows[0]) > 1 and len(rows[0]) == len(rows[1]):
            break
    else:
        raise WiringError(
            f"table of cells {path}: expected a header and a line for each cell, as in `id,class`"
        )
    header = [n if n not in rows[0][:i] else f"{n}.{i + 1}" for i, n in enumerate(rows[0])]
    layout = Layout("edges", delimiter, len(header), tuple(header), 1)
    found: dict[str, list[str]] = {name: [] for name in header}
    for start, chunk in _pieces(file, layout):
        try:
            _, factors = read_columns(chunk, start, layout, range(layout.width))
        except Ragged as error:
            details = (error.rows, error.numbers, error.lines)
            raise ragged(path, *details, delimiter, layout.width) from error
        for name, column in zip(found, factors.values(), strict=True):
            values = [value.strip() for value in column.values]
            found[name] += [values[code] for code in column.codes.tolist()]
    return found


def _pieces(file: TextFile, layout: Layout) -> Iterator[tuple[int, bytes]]:
    """Pieces of the file without the line of names."""
    to_skip = layout.skipped
    for number, lines in file.chunks():
        piece = (number, lines, 0)
        if to_skip:
            piece = _without_first(number, lines)
            to_skip = piece[2]
        if piece[1]:
            yield piece[:2]


def _without_first(start: int, chunk: bytes) -> tuple[int, bytes, int]:
    """Comments and blank lines may stand above the first line; 1 if it is still to come."""
    comments = tuple(mark.encode() for mark in COMMENTS)
    at = 0
    while at < len(chunk):
        end = chunk.index(b"\n", at) + 1
        line, at, start = chunk[at:end], end, start + 1
        if not is_blank(line.decode().rstrip("\n")) and not line.startswith(comments):
            return start, chunk[at:], 0
    return start, b"", 1


def _is_weight(rows: list[list[str]], layout: Layout) -> bool:
    """Whether a third column without a name holds numbers alone."""
    texts = (row[2] for row in rows if len(row) > 2)
    return all(is_number(t.replace(",", ".") if layout.decimal == "," else t) for t in texts)


def _kinds(rows: list[list[str]], layout: Layout) -> tuple[int, ...]:
    """Columns of few different words."""
    found = []
    for i in range(layout.width):
        values = set(factor(row[i] for row in rows).values)
        if len(values) <= FEW_KINDS and not any(map(is_number, values)):
            found.append(i)
    return tuple(found)


def _missing(
    path: Path, chunk: bytes, start: int, layout: Layout, chosen: Columns, error: Missing
) -> WiringError:
    _, numbers, lines = numbered_rows(chunk, start, layout)
    return WiringError(
        f"graph file {path}, line {numbers[error.row]}: {lines[error.row].strip()[:60]!r} lacks "
        f"{error.wanted} in column {chosen.names[error.place]!r}"
    )
