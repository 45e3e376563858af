"""Whether lines of fields are edges or a matrix, and what their header is; or neither for sure."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from oneway.circuits import WiringError

from ..reading import ReadOptions
from . import headers
from .layout import BLANKS, COLUMNS, DELIMITERS, Head, Layout, is_number, split

WEIGHTED = re.compile(r".+:[-+.\d]+")


class Classification:
    """Whether rows of fields are edges or a matrix, and what their header is."""

    def __init__(
        self,
        path: Path,
        head: Head,
        options: ReadOptions,
        delimiter: str,
        rows: list[list[str]],
        decimal: str,
    ) -> None:
        self.path, self.head, self.options = path, head, options
        self.delimiter, self.decimal, self.width = delimiter, decimal, len(rows[-1])
        if len(rows[0]) < self.width:
            rows = [["", *rows[0]], *rows[1:]]
        self.rows = rows
        self.numeric = [[self._is_number(field) for field in row] for row in islice(rows, 2000)]

    def layout(self) -> Layout:
        if self.options.format == "matrix":
            return self._matrix() or self._refuse_matrix()
        self._refuse_lost_names()
        named = self._named_header()
        if named is not None:
            return named
        if self.options.format != "table" and not self.options.columns:
            matrix = self._matrix()
            if matrix is not None and self._told_apart(matrix):
                return matrix
        self._refuse_weighted_names()
        self._refuse_unknown_header()
        self._refuse_unclear_columns()
        return self._edges()

    def _edges(self, header: Sequence[str] = (), skipped: int = 0) -> Layout:
        return Layout(
            "edges", self.delimiter, self.width, tuple(header), skipped, decimal=self.decimal
        )

    # -- edges ---------------------------------------------------------------------------------

    def _named_header(self) -> Layout | None:
        """A header that the options name, that says pre and post, or that numbers stand under."""
        first, commented = self.rows[0], self._commented_header()
        asked = self.options.columns
        if asked and not all(name.isdigit() for name in asked):
            return (
                self._edges(commented, 0) if set(asked) <= set(commented) else self._edges(first, 1)
            )
        if headers.cells(first) is not None or self._weak_header(first):
            return self._edges(first, 1)
        if asked:
            return self._edges(first, 1) if self._over_numbers() else self._edges()
        if headers.cells(commented) is not None:
            return self._edges(commented, 0)
        return None

    def _weak_header(self, first: list[str]) -> bool:
        """`Neuron 1, Neuron 2, Type`, where no cell below is called so."""
        ends = headers.cells(first, weak=True)
        if ends is None or not (headers.telling(first) or self._over_numbers()):
            return False
        names = {first[i] for i in ends}
        return not any(names.intersection(row) for row in self.rows[1:])

    def _commented_header(self) -> list[str]:
        """The last comment, as numpy.savetxt and SNAP write the names of columns."""
        if not self.head.comments:
            return []
        line = self.head.comments[-1].lstrip("#% ")
        for delimiter in (self.delimiter, *DELIMITERS):
            try:
                row = split([line], delimiter)
            except csv.Error:  # a quotation mark in prose
                continue
            if row and len(row[0]) == self.width:
                return row[0]
        return []

    def _over_numbers(self) -> bool:
        """A column of numbers whose first field is a word."""
        rest = self.numeric[1:]
        return bool(rest) and any(
            not self.numeric[0][i] and all(row[i] for row in rest) for i in range(self.width)
        )

    def _lonely_first(self) -> bool:
        """Two names that never come again, above rows that are all joined to others."""
        uses: dict[str, int] = {}
        for row in self.rows:
            for name in row[:2]:
                uses[name] = uses.get(name, 0) + 1
        alone = [max(uses[row[0]], uses[row[1]]) == 1 for row in self.rows]
        return alone[0] and len(alone) > 2 and not any(alone[1:])

    def _refuse_unknown_header(self) -> None:
        first = self.rows[0]
        if not (headers.telling(first) or self._over_numbers() or self._lonely_first()):
            return
        if self.options.format == "table" and self.options.columns:
            return
        raise self._refusal(
            f"its first line names columns {', '.join(map(repr, first))}, and none says which "
            f"cell is pre and which is post: say {COLUMNS}"
        )

    def _refuse_lost_names(self) -> None:
        """A line that begins with the cell `#1` is no comment."""
        cells = {name for row in self.rows for name in row[:2]}
        for comment in self.head.comments:
            row = split([comment], self.delimiter)[0]
            if len(row) == self.width and row[0] in cells:
                raise self._refusal(
                    f"the line {comment[:60]!r} is a comment, but there is a cell {row[0]!r}: put "
                    "its name in quotes"
                )

    def _refuse_weighted_names(self) -> None:
        """`A B:3`."""
        weighted = [[bool(WEIGHTED.fullmatch(name)) for name in row[:2]] for row in self.rows]
        if all(second and not first for first, second in weighted):
            raise self._refusal(
                f"{self.head.like()} has a weight in the name of a cell: give it a field of its own"
            )

    def _refuse_unclear_columns(self) -> None:
        """What might as well be a list of neighbours, or a matrix with a part missing."""
        if self.options.format == "table" or self.options.columns or self.width == 2:
            return
        cells = {name for row in self.rows for name in row[:2]}
        if self.width > 3 and all(map(all, self.numeric)):
            raise self._refusal(
                f"{self.width} columns of numbers in {self._lines()}: neither an edge list nor a "
                f"square matrix: say {COLUMNS}"
            )
        words = [i for i in range(2, self.width) if not all(row[i] for row in self.numeric)]
        lists = "a cell with its neighbours: say"
        third = 2 in words and (self.delimiter == BLANKS or self._distinct(2) > self._distinct(1))
        if third or any(row[i] in cells for i in words for row in self.rows):
            raise self._refusal(
                f"{self.head.like()} may be an edge with its kind, or {lists} {COLUMNS}, or "
                "--format adjlist"
            )
        if self.width == 3 and not words and self._may_be_neighbours(cells):
            raise self._refusal(
                f"{self.head.like()} may be an edge with its weight, or {lists} --format table "
                "or --format adjlist"
            )

    def _distinct(self, place: int) -> int:
        """More different words in the third column than in the second: `A excites B`."""
        return len({row[place] for row in self.rows})

    def _may_be_neighbours(self, cells: set[str]) -> bool:
        """Every cell has one line, and its third field is a cell other than the first two."""
        firsts = [row[0] for row in self.rows]
        return (
            len(firsts) > 1
            and len(set(firsts)) == len(firsts)
            and all(row[2] in cells and row[2] not in row[:2] for row in self.rows)
        )

    # -- matrices ------------------------------------------------------------------------------

    def _matrix(self) -> Layout | None:
        """Numbers only and square, with names above, beside, both or none."""
        for named in ("both", "columns", "rows", ""):
            above, beside = int(named in ("both", "columns")), int(named in ("both", "rows"))
            if self._square(above, beside) and self._names_fit(named):
                header = tuple(self.rows[0][beside:]) if above else ()
                return Layout(
                    "matrix", self.delimiter, self.width, header, above, self.decimal, named
                )
        return None

    def _square(self, above: int, beside: int) -> bool:
        rows, columns = len(self.rows) - above, self.width - beside
        size_fits = rows == columns if self.head.complete else columns > rows
        inside = self.numeric[above:]
        if not size_fits or columns < 2 or not inside:
            return False
        empty = beside or above  # an empty field between names is no synapse
        return all(
            number or (empty and not field)
            for row, fields in zip(inside, self.rows[above:], strict=False)
            for number, field in zip(row[beside:], fields[beside:], strict=True)
        )

    def _names_fit(self, named: str) -> bool:
        above, beside = self.rows[0], [row[0] for row in self.rows]
        if named == "both":
            same = sorted(above[1:]) == sorted(beside[1:]) or not self.head.complete
            return same and not self.numeric[0][0]
        if named == "columns":
            words = self.width > 3 or not any(self.numeric[0])
            return words and len(set(above)) == len(above) and not headers.telling(above)
        if named == "rows":
            words = not any(row[0] for row in self.numeric)
            return words and len(set(beside)) == len(beside) and self.width > 3
        return True

    def _told_apart(self, matrix: Layout) -> bool:
        """A few lines of as many numbers may be edges too: two different cells, never again."""
        if matrix.named in ("both", "rows"):
            return True
        rows = self.rows[matrix.skipped :]
        ends = [tuple(row[:2]) for row in rows]
        edges = len(set(ends)) == len(ends) and all(u != v for u, v in ends)
        no_autapses = all(float(row[i].replace(",", ".") or 0) == 0 for i, row in enumerate(rows))
        if self.width > 3:  # a list of edges has seldom more numbers than one
            unclear = edges and not no_autapses
        else:
            unclear = edges == no_autapses and ends != [("0", "1"), ("1", "0")]  # the same graph
        if unclear:
            raise self._refusal(
                f"{len(rows)} lines of {self.width} numbers may be a matrix or a list of edges: "
                "say --format matrix or --format table"
            )
        return self.width > 3 or (no_autapses and not edges)

    def _refuse_matrix(self) -> Layout:
        raise self._refusal(
            f"{self._lines()} of {self.width} fields: expected a square matrix of numbers, with or "
            "without names in its first line and column"
        )

    # -- words ---------------------------------------------------------------------------------

    def _is_number(self, field: str) -> bool:
        return is_number(field.replace(",", ".") if self.decimal == "," else field)

    def _lines(self) -> str:
        more = "" if self.head.complete else "more than "
        return f"{more}{len(self.rows):,} lines"

    def _refusal(self, sentence: str) -> WiringError:
        return WiringError(f"graph file {self.path}: {sentence}")
