"""What a table of cells says of the cells of a graph: their class, side, position."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from oneway.circuits import WiringError

from ..graph import Graph
from ..reading import ReadOptions
from .columnar import needed
from .table import read_cells
from .values import of_cells


def with_cells(graph: Graph, path: Path, options: ReadOptions) -> Graph:
    """The graph with a column of attributes for each column of the table.

    The column of names is the one that has most of the graph's cells, and none of them twice.

    Raises
    ------
    WiringError
        No column names a cell of the graph, or one names a cell twice.
    """
    table = _table(path, options)
    names = set(graph.names.tolist())
    hits = {column: len(names.intersection(values)) for column, values in table.items()}
    key = max(table, key=lambda column: (hits[column] > 0, _distinct(table[column]), hits[column]))
    if not hits[key]:
        raise WiringError(
            f"table of cells {path}: no column names a cell of the graph, as in "
            f"{str(graph.names[0])!r}; its columns are {', '.join(map(repr, table))}"
        )
    cells = table[key]
    twice = [name for name, lines in Counter(cells).items() if lines > 1 and name in names]
    if twice:
        raise WiringError(f"table of cells {path}: cell {twice[0]!r} has several lines in it")
    attributes = {
        column: dict(zip(cells, values, strict=True))
        for column, values in table.items()
        if column != key
    }
    words = (
        f"{path}: {hits[key]:,} of {len(graph):,} cells, named by {key or 'its first column'!r}; "
        f"{len(set(cells) - names):,} more have no connection"
    )
    reading = graph.reading and replace(graph.reading, cells=words)
    known = {**graph.attributes, **of_cells(graph.names, attributes)}
    return replace(graph, attributes=known, reading=reading)


def _distinct(values: Sequence[str]) -> bool:
    """Numbers may be those of cells by accident, but then they come again."""
    return len(set(values)) == len(values)


def _table(path: Path, options: ReadOptions) -> Mapping[str, Sequence[str]]:
    if path.suffix.lower() == ".parquet":
        return _texts(needed("pyarrow.parquet", path, "Parquet").read_table(path).to_pydict())
    if path.suffix.lower() in (".feather", ".arrow"):
        return _texts(needed("pyarrow.feather", path, "Feather").read_table(path).to_pydict())
    return read_cells(path, options)


def _texts(columns: Mapping[str, Sequence[Any]]) -> dict[str, list[str]]:
    return {
        name: ["" if value is None else str(value) for value in values]
        for name, values in columns.items()
    }
