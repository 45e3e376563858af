"""How a text file lays out a table or a matrix: decided for the whole file, or refused."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from oneway.circuits import WiringError

from ..reading import ReadOptions
from . import headers
from .stream import TextFile

HEAD_LINES, HEAD_BYTES = 10_000, 1 << 23
COMMENTS = ("#", "%")
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
    notes : tuple of str
    """

    kind: str
    delimiter: str
    width: int
    header: tuple[str, ...] = ()
    skipped: int = 0
    decimal: str = "."
    named: str = ""
    notes: tuple[str, ...] = ()

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
        for start, chunk in file.chunks(HEAD_BYTES):
            text = chunk.decode("utf-8")
            for number, line in enumerate(text.split("\n")[:-1], start):
                if line.startswith(COMMENTS):
                    comments.append(line)
                elif line and not line.isspace():
                    if len(lines) == HEAD_LINES:
                        return cls(tuple(lines), tuple(numbers), tuple(comments), False)
                    lines.append(line)
                    numbers.append(number)
        return cls(tuple(lines), tuple(numbers), tuple(comments), True)


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


def is_number(text: str) -> bool:
    return NUMBER.fullmatch(text) is not None


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
        return _Classified(self, delimiter, rows, decimal).layout()

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
            f"{self.like()} may be separated by {named}: put names that hold a separator in "
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

    def like(self) -> str:
        return f"line {self.head.numbers[0]}, {self.head.lines[0].strip()[:60]!r},"

    def refusal(self, sentence: str) -> WiringError:
        return WiringError(f"graph file {self.path}: {sentence}")


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


class _Classified:
    """Whether rows of fields are edges or a matrix, and what their header is."""

    def __init__(
        self, decision: Decision, delimiter: str, rows: list[list[str]], decimal: str
    ) -> None:
        self.decision, self.options, self.head = decision, decision.options, decision.head
        self.delimiter, self.decimal, self.width = delimiter, decimal, len(rows[-1])
        if len(rows[0]) < self.width:
            rows = [["", *rows[0]], *rows[1:]]
        self.rows = rows
        self.numeric = [[self._is_number(field) for field in row] for row in islice(rows, 2000)]

    def layout(self) -> Layout:
        if self.options.format == "matrix":
            return self._matrix() or self._refuse_matrix()
        named = self._named_header()
        if named is not None:
            return named
        if self.options.format != "table" and not self.options.columns:
            matrix = self._matrix()
            if matrix is not None and self._told_apart(matrix):
                return matrix
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
        if headers.cells(first) is not None:
            return self._edges(first, 1)
        if asked:
            return self._edges(first, 1) if self._over_numbers() else self._edges()
        if headers.cells(commented) is not None:
            return self._edges(commented, 0)
        return None

    def _commented_header(self) -> list[str]:
        """The last comment, as numpy.savetxt and SNAP write the names of columns."""
        if not self.head.comments:
            return []
        line = self.head.comments[-1].lstrip("#% ")
        for delimiter in (self.delimiter, *DELIMITERS):
            row = split([line], delimiter)
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
        if any(row[i] in cells for i in words for row in self.rows) or (
            2 in words and self.delimiter == BLANKS
        ):
            raise self._refusal(
                f"{self.decision.like()} may be an edge with its kind, or {lists} {COLUMNS}, or "
                "--format adjlist"
            )
        if self.width == 3 and not words and self._may_be_neighbours(cells):
            raise self._refusal(
                f"{self.decision.like()} may be an edge with its weight, or {lists} --format table "
                "or --format adjlist"
            )

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
        """Two or three lines of as many numbers may be edges too."""
        if matrix.named in ("both", "rows") or self.width > 3:
            return True
        rows = self.rows[matrix.skipped :]
        ends = [tuple(row[:2]) for row in rows]
        edges = len(set(ends)) == len(ends) and all(u != v for u, v in ends)
        zero = [float(row[i].replace(",", ".") or 0) == 0 for i, row in enumerate(rows)]
        if edges and all(zero):
            raise self._refusal(
                f"{self.width} lines of {self.width} numbers may be a matrix or a list of edges: "
                "say --format matrix or --format table"
            )
        return all(zero) or not edges

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
        return self.decision.refusal(sentence)
