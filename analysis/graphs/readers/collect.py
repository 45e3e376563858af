"""Rows of connections, from whatever file, gathered into a graph and what was read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneway.circuits import WiringError

from ..graph import Graph
from ..reading import Reading, ReadOptions
from . import headers
from .columns import Columns
from .fields import Factor, Ints
from .finish import finished
from .values import as_text, counts, equal_to, listed, numbered, of_cells

DECIMAL_ID = re.compile(r"-?\d+(\.0*)?")
ROUNDED_ID = re.compile(r"-?\d+(\.\d+)?[eE]\+?\d+")
EXACT = 2**53


class Missing(Exception):
    """A row lacks something in a column: row and column by number, and what it should have."""

    def __init__(self, row: int, place: int, wanted: str) -> None:
        super().__init__(row, place, wanted)
        self.row, self.place, self.wanted = row, place, wanted


class Collector:
    """Takes rows in pieces, and makes a graph of them in the end."""

    def __init__(
        self, path: Path, columns: Columns, options: ReadOptions, decimal: str = "."
    ) -> None:
        self.path, self.columns, self.options, self.decimal = path, columns, options, decimal
        self.rows = 0
        self._cells: dict[str, int] = {}
        self._pre: list[Ints] = []
        self._post: list[Ints] = []
        self._weights: list[NDArray[np.float64]] = []
        self._classes: dict[str, list[tuple[Ints, Ints]]] = {name: [] for name in columns.classes}
        self._class_names: dict[str, int] = {}
        self._values: dict[int, Counter[str]] = {i: Counter() for i in self._counted}

    def add(self, rows: int, factors: Mapping[int, Factor]) -> None:
        """The wanted columns of some rows.

        Raises
        ------
        Missing
            A row lacks a cell or a weight.
        """
        roles = self.columns.roles
        kept = self._kept(rows, factors)
        for i, counter in self._values.items():
            chosen_by = i in self.columns.where
            counter.update(counts(factors[i] if chosen_by else factors[i].rows(kept)))
        self.rows += rows
        self._pre.append(self._numbered(factors[roles.pre], self._cells, kept, roles.pre))
        self._post.append(self._numbered(factors[roles.post], self._cells, kept, roles.post))
        if roles.weight is not None:
            self._weights.append(self._numbers(factors[roles.weight], kept, roles.weight))
        for name, pair in self.columns.classes.items():
            codes = [numbered(factors[i], self._class_names)[kept] for i in pair]
            self._classes[name].append((codes[0], codes[1]))

    def graph(
        self,
        format: str,
        cells: Iterable[str] = (),
        attributes: Mapping[str, Mapping[str, Any]] | None = None,
        notes: Sequence[str] = (),
    ) -> Graph:
        """All rows, with what was read of them.

        Parameters
        ----------
        format : str
            In words.
        cells : iterable of str
            Cells that are known to be there, with or without connections.
        attributes : mapping of str to mapping of str, optional
            What is known of the cells, by their names.
        """
        nothing = np.empty(0, np.int64)
        pre = np.concatenate([nothing, *self._pre])
        post = np.concatenate([nothing, *self._post])
        weights = np.concatenate(self._weights) if self._weights else None
        self._refuse_mixed_kinds()
        if not len(pre):
            raise self._refusal(self._nothing_left())
        self._refuse_second_header()
        for name in cells:
            self._cells.setdefault(name, len(self._cells))
        names, pre, post = self._canonical(pre, post)
        known = of_cells(names, attributes or {}) | self._cell_classes(names, pre, post)
        graph = Graph.from_edges(pre, post, weights, names, known)
        first = (str(names[pre[0]]), str(names[post[0]]), 1.0 if weights is None else weights[0])
        reading = self._reading(format, len(pre), (*first[:2], float(first[2])), notes)
        behind = None
        if self.options.min_weight is not None:
            behind = Graph.from_edges(pre, post, names=names).weights.data
        return finished(graph, reading, self.options, behind)

    # -- values --------------------------------------------------------------------------------

    @property
    def _counted(self) -> list[int]:
        return [*self.columns.where, *self.columns.kinds]

    def _kept(self, rows: int, factors: Mapping[int, Factor]) -> NDArray[np.bool_]:
        kept = np.ones(rows, bool)
        for i, allowed in self.columns.where.items():
            same = equal_to(allowed)
            kept &= factors[i].map((same(as_text(value)) for value in factors[i].values), bool)
        return kept

    def _numbered(
        self, column: Factor, known: dict[str, int], kept: NDArray[np.bool_], place: int
    ) -> Ints:
        if not kept.all():
            column = column.rows(kept)
        names = self._names(column.values)
        if "" in names:
            row = np.argmax(column.codes == names.index(""))
            raise Missing(int(np.flatnonzero(kept)[row]), place, "a cell")
        return column.map((known.setdefault(name, len(known)) for name in names), np.int64)

    def _names(self, values: Sequence[Any]) -> list[str]:
        try:
            return list(map(str.strip, values))
        except TypeError:  # not all are text
            return [self._name(value) for value in values]

    def _name(self, value: Any) -> str:
        if isinstance(value, float) and (not value.is_integer() or abs(value) > EXACT):
            if value != value:
                return ""
            raise self._refusal(
                f"a cell is named {value!r}, a number with a point, which can't hold a whole "
                "identifier of 64 bits: write identifiers as integers or text"
            )
        return as_text(int(value) if isinstance(value, float) else value)

    def _numbers(self, column: Factor, kept: NDArray[np.bool_], place: int) -> NDArray[np.float64]:
        texts = [as_text(value) for value in column.values]
        numbers = np.array([self._number(text) for text in texts], float)[column.codes]
        missing = np.flatnonzero(np.isnan(numbers) & kept)
        if len(missing):
            row = int(missing[0])
            found = texts[column.codes[row]]
            raise Missing(row, place, f"a number (it has {found!r})" if found else "a weight")
        return numbers[kept]

    def _number(self, text: str) -> float:
        try:
            return float(text.replace(",", ".") if self.decimal == "," else text)
        except ValueError:
            return float("nan")

    # -- cells ---------------------------------------------------------------------------------

    def _canonical(self, pre: Ints, post: Ints) -> tuple[NDArray[np.str_], Ints, Ints]:
        """Names, where ``29`` and ``29.0`` are one cell if all are numbers."""
        names = list(self._cells)
        if any(ROUNDED_ID.fullmatch(name) for name in names[:1000]):
            raise self._refusal(
                f"a cell is named {next(filter(ROUNDED_ID.fullmatch, names))!r}: a spreadsheet has "
                "rounded the identifiers: export them as text"
            )
        if not any("." in name for name in names) or not all(map(DECIMAL_ID.fullmatch, names)):
            return np.array(names, str), pre, post
        index: dict[str, int] = {}
        merged = np.array(
            [index.setdefault(name.partition(".")[0], len(index)) for name in names], np.int64
        )
        return np.array(list(index), str), merged[pre], merged[post]

    def _cell_classes(
        self, names: NDArray[np.str_], pre: Ints, post: Ints
    ) -> dict[str, NDArray[Any]]:
        """The class of each cell, which all its rows must agree on."""
        attributes = {}
        labels = np.array([*self._class_names, ""], str)
        for name, pieces in self._classes.items():
            codes = np.full(len(names), -1)
            ends = [(pre, np.concatenate([p for p, _ in pieces]))]
            ends.append((post, np.concatenate([q for _, q in pieces])))
            for cells, found in ends:
                codes[cells] = found
            for cells, found in ends:
                self._refuse_two_classes(names, labels, codes[cells], found, cells)
            attributes[name] = labels[codes]
        return attributes

    def _refuse_two_classes(
        self, names: NDArray, labels: NDArray, taken: Ints, found: Ints, cells: Ints
    ) -> None:
        other = np.flatnonzero(taken != found)
        if len(other):
            row = other[0]
            first, second = (str(labels[codes[row]]) for codes in (taken, found))
            raise self._refusal(
                f"cell {str(names[cells[row]])!r} is of two classes, {first!r} and {second!r}: "
                "give a table of cells with --nodes FILE, or another column"
            )

    # -- what was read -------------------------------------------------------------------------

    def _reading(
        self, format: str, taken: int, first: tuple[str, str, float], notes: Sequence[str]
    ) -> Reading:
        roles, names = self.columns.roles, self.columns.names
        columns = {"pre": names[roles.pre], "post": names[roles.post]}
        if roles.weight is not None:
            columns["weight"] = names[roles.weight]
        where = tuple(f"{c}={v}" for c, vs in self.options.where.items() for v in sorted(vs))
        return Reading(
            file=str(self.path),
            format=format,
            columns=columns,
            first=first,
            rows=self.rows,
            taken=taken,
            unread=tuple(n for i, n in enumerate(names) if i not in self.columns.used),
            where=where,
            notes=tuple(notes),
        )

    def _nothing_left(self) -> str:
        if not self.columns.where:
            return "no edge in it"
        seen = [
            f"{self.columns.names[i]} has {listed(self._values[i])}" for i in self.columns.where
        ]
        return f"no row is left of {self.rows:,}: {'; '.join(seen)}"

    def _refuse_second_header(self) -> None:
        """Files that were joined end to end."""
        roles, names = self.columns.roles, self.columns.names
        ends = {names[roles.pre], names[roles.post]}
        if not any(name.isdigit() for name in ends) and ends <= set(self._cells):
            raise self._refusal(
                f"the header {' and '.join(map(repr, sorted(ends)))} comes again below: take out "
                "the lines where files were joined"
            )

    def _refuse_mixed_kinds(self) -> None:
        """Gap junctions and `received` rows beside others make nearly every pair reciprocal."""
        for i in self.columns.kinds:
            values = {value.casefold() for value in self._values[i]}
            name = self.columns.names[i]
            undirected = values & headers.NO_DIRECTION
            if values == {"undirected"}:
                raise self._refusal(
                    f"column {name!r} says that edges are undirected, but reciprocity asks for "
                    "directions: give a directed graph"
                )
            of_worm = values <= headers.FROM_WORM
            both_ways = of_worm and values & headers.SENT and values & headers.RECEIVED
            if (undirected and values - undirected) or both_ways:
                reason = "received" if both_ways else "without direction"
                apart = headers.NO_DIRECTION | headers.RECEIVED
                directed = [v for v in self._values[i] if v.casefold() not in apart]
                chosen = (directed or list(self._values[i]))[0]
                raise self._refusal(
                    f"column {name!r} mixes rows {reason} with others, "
                    f"{listed(self._values[i])}: take some with --where {name}={chosen}, once for "
                    "each value wanted"
                )

    def _refusal(self, sentence: str) -> WiringError:
        return WiringError(f"graph file {self.path}: {sentence}")
