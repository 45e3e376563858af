"""What separates the fields of a text file: decided for the whole file, or refused."""

from __future__ import annotations

import csv
from pathlib import Path

from oneway.circuits import WiringError

from ..reading import ReadOptions
from . import headers
from .classify import Classification
from .layout import BLANKS, DECIMAL_COMMA, DELIMITERS, Head, Layout, is_number, ragged, split


class Decision:
    """One decision over the head of one file; `layout` is its result."""

    def __init__(self, path: Path, head: Head, options: ReadOptions) -> None:
        self.path, self.head, self.options = path, head, options

    def layout(self) -> Layout:
        if not self.head.lines:
            raise self.refusal("no edge in it; expected lines `u v`")
        self._refuse_comments()
        candidates = self._candidates()
        delimiter = self._one_of(candidates)
        rows = candidates[delimiter]
        decimal = "," if self._decimal_comma(delimiter, rows) else "."
        return Classification(self.path, self.head, self.options, delimiter, rows, decimal).layout()

    # -- the delimiter -------------------------------------------------------------------------

    def _candidates(self) -> dict[str, list[list[str]]]:
        """Delimiters that give every line the same number of fields, at least two."""
        found = {}
        for delimiter in DELIMITERS:
            try:
                rows = split(self.head.lines, delimiter)
            except csv.Error:
                continue
            if self._fits(rows):
                found[delimiter] = rows
        if not found:
            raise self._ragged()
        return found

    def _fits(self, rows: list[list[str]]) -> bool:
        """R leaves out the name of the column of row names."""
        width = len(rows[-1])
        short = len(rows) > 1 and len(rows[0]) == width - 1 and self._names_columns(rows[0], rows)
        first_fits = len(rows[0]) == width or short
        return width > 1 and first_fits and all(len(row) == width for row in rows[1:])

    def _names_columns(self, first: list[str], rows: list[list[str]]) -> bool:
        labels = [row[0] for row in rows[1:]]
        return headers.cells(first) is not None or first == labels or set(first) == set(labels)

    def _one_of(self, candidates: dict[str, list[list[str]]]) -> str:
        if len(candidates) == 1:
            return next(iter(candidates))
        if "\t" in candidates:  # a name may hold what else might separate, but hardly a tab
            return "\t"
        with_header = [d for d, rows in candidates.items() if headers.cells(rows[0])]
        plausible = with_header or [d for d in candidates if self._plausible(d, candidates)]
        if BLANKS in plausible and not with_header:  # commas are decimal in each of its fields
            return BLANKS
        if len(plausible) == 1:
            return plausible[0]
        if self.path.suffix.lower() == ".csv" and "," in candidates and "," in plausible:
            return ","
        named = " or by ".join(DELIMITERS[d] for d in candidates)
        raise self.refusal(
            f"{self.head.like()} may be separated by {named}: put names that hold a separator in "
            "quotes, or separate fields by tabs"
        )

    def _plausible(self, delimiter: str, candidates: dict[str, list[list[str]]]) -> bool:
        """No field could be split further."""
        others = [d for d in candidates if d not in (delimiter, BLANKS)]
        for line, row in zip(self.head.lines, candidates[delimiter], strict=True):
            for place, field in enumerate(row):
                decimal = place > 1 and DECIMAL_COMMA.fullmatch(field)
                split_further = any(d in field for d in others) and '"' not in line
                numbers = " " in field and all(map(is_number, field.split()))
                if (split_further and not decimal) or numbers:
                    return False
        return True

    def _decimal_comma(self, delimiter: str, rows: list[list[str]]) -> bool:
        fields = [field for row in rows for field in row if "," in field]
        return delimiter != "," and bool(fields) and all(map(DECIMAL_COMMA.fullmatch, fields))

    # -- refusals ------------------------------------------------------------------------------

    def _refuse_comments(self) -> None:
        comments = self.head.comments
        if self.options.format is None and any(c.startswith("# GMT ") for c in comments):
            raise self.refusal(
                "an adjacency list as networkx writes it, one line a cell: say --format adjlist, "
                "or write it with networkx.write_edgelist"
            )
        first = comments[0].split() if comments else []
        if first[:2] == ["%", "sym"]:
            raise self.refusal(
                "the graph is undirected (KONECT's `% sym`), but reciprocity asks for directions: "
                "give a directed graph"
            )

    def _ragged(self) -> WiringError:
        """About the delimiter that fits most lines."""
        best, lines = BLANKS, self.head.lines
        for delimiter in DELIMITERS:
            if sum(delimiter in line for line in lines) > len(lines) / 2 and delimiter != BLANKS:
                best = delimiter
                break
        try:
            rows = split(lines, best)
        except csv.Error as error:
            return self.refusal(f"quotes do not match: {error}")
        return ragged(self.path, rows, self.head.numbers, lines, best)

    def refusal(self, sentence: str) -> WiringError:
        return WiringError(f"graph file {self.path}: {sentence}")
