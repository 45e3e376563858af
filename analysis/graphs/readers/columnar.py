"""Tables in binary columns: SONATA's edges in HDF5, Parquet and Feather."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneway.circuits import WiringError

from ..graph import Graph
from ..reading import ReadOptions
from .collect import Collector, Missing
from .columns import Columns
from .fields import Factor
from .headers import words
from .stream import unpacked

ROWS = 1 << 20


def needed(module: str, path: Path, format: str) -> ModuleType:
    """An optional library, or one sentence that says how to get it."""
    try:
        return import_module(module)
    except ImportError as error:
        library = module.partition(".")[0]
        raise WiringError(
            f"graph file {path}: {format} is read with {library}, which is not installed: "
            "pip install 'oneway[graphs]'"
        ) from error


# -- Parquet and Feather -----------------------------------------------------------------------


def read_parquet(path: Path, options: ReadOptions) -> Graph:
    parquet = needed("pyarrow.parquet", path, "Parquet")
    return _read_arrow(path, "Parquet table", lambda: parquet.ParquetFile(unpacked(path)), options)


def read_feather(path: Path, options: ReadOptions) -> Graph:
    feather = needed("pyarrow.feather", path, "Feather")
    return _read_arrow(path, "Feather table", lambda: feather.read_table(unpacked(path)), options)


def _read_arrow(path: Path, format: str, load: Any, options: ReadOptions) -> Graph:
    arrow = needed("pyarrow", path, format)
    try:
        table = load()
        names = list(getattr(table, "schema_arrow", None) or table.schema.names)
        names = [getattr(name, "name", name) for name in names]
        kinds = [i for i, name in enumerate(names) if {"type", "kind"} & set(words(name))]
        chosen = Columns.chosen(path, names, len(names), options, kinds=kinds)
        collector = Collector(path, chosen, options)
        wanted = [names[i] for i in chosen.wanted]
        batches = (
            table.iter_batches(ROWS, columns=wanted)
            if hasattr(table, "iter_batches")
            else table.select(wanted).to_batches(ROWS)
        )
        for batch in batches:
            batch.validate(full=True)  # or damaged offsets crash the interpreter
            columns = zip(chosen.wanted, batch.columns, strict=True)
            _add(collector, batch.num_rows, {i: _from_arrow(c) for i, c in columns})
    except arrow.ArrowException as error:
        raise WiringError(f"graph file {path}: not a {format}: {error}") from error
    return collector.graph(format)


def _from_arrow(column: Any) -> Factor:
    plain = column.dictionary_decode() if hasattr(column, "dictionary") else column
    encoded = plain.dictionary_encode("encode")  # so that what is missing has a code too
    return Factor(encoded.indices.to_numpy().astype(np.int64), encoded.dictionary.to_pylist())


def _add(collector: Collector, rows: int, factors: dict[int, Factor]) -> None:
    try:
        collector.add(rows, factors)
    except Missing as error:
        names, path = collector.columns.names, collector.path
        raise WiringError(
            f"graph file {path}: row {collector.rows + error.row + 1} lacks {error.wanted} in "
            f"column {names[error.place]!r}"
        ) from error


# -- SONATA ------------------------------------------------------------------------------------


def read_sonata(path: Path, options: ReadOptions) -> Graph:
    """Edge populations of a SONATA file; cells are numbered within their populations."""
    h5py = needed("h5py", path, "HDF5")
    try:
        file = h5py.File(unpacked(path), "r")
    except OSError as error:
        raise WiringError(f"graph file {path}: not an HDF5 file: {error}") from error
    with file:
        found = dict(file.get("edges", {}))
        if options.part:
            found = {name: group for name, group in found.items() if name == options.part}
        if not found or not all(_is_edges(group) for group in found.values()):
            named = ", ".join(file.get("edges", {})) or "none"
            raise WiringError(
                f"graph file {path}: no SONATA edges, which are /edges/POPULATION with "
                f"source_node_id and target_node_id (populations in it: {named})"
            )
        return _read_populations(path, found, options)


def _is_edges(group: Any) -> bool:
    return hasattr(group, "keys") and {"source_node_id", "target_node_id"} <= set(group)


def _read_populations(path: Path, groups: dict[str, Any], options: ReadOptions) -> Graph:
    spaces = {_space(group[f"{end}_node_id"]) for group in groups.values() for end in ENDS}
    shared = _common([list(_attributes(group)) for group in groups.values()])
    header = ["source_node_id", "target_node_id", *shared]
    chosen = Columns.chosen(path, header, len(header), options)
    collector = Collector(path, chosen, options)
    for group in groups.values():
        values = _attributes(group)
        rows = len(group["source_node_id"])
        for start in range(0, rows, ROWS):
            part = slice(start, start + ROWS)
            factors = {}
            for i in chosen.wanted:
                column = group[header[i]] if i < 2 else values[header[i]]
                factors[i] = _from_array(column[part], _prefix(column, i, len(spaces) > 1))
            _add(collector, len(factors[chosen.roles.pre].codes), factors)
    names = ", ".join(groups)
    return collector.graph(f"SONATA edges of {names}")


ENDS = ("source", "target")


def _space(ids: Any) -> str:
    """The population of cells that ids count in."""
    name = ids.attrs.get("node_population", "")
    return name.decode() if isinstance(name, bytes) else str(name)


def _prefix(column: Any, place: int, needed: bool) -> str:
    return f"{_space(column)}:" if needed and place < 2 else ""


def _attributes(group: Any) -> dict[str, Any]:
    """Values of edges where all are in one group, in order."""
    inner = group.get("0")
    size = len(group["source_node_id"])
    in_one = inner is not None and "1" not in group and hasattr(inner, "keys")
    index = group.get("edge_group_index")
    if not in_one or (index is not None and not np.array_equal(index[:], np.arange(size))):
        return {}
    return {name: data for name, data in inner.items() if getattr(data, "shape", ()) == (size,)}


def _common(names: Sequence[Sequence[str]]) -> list[str]:
    return [name for name in names[0] if all(name in other for other in names)]


def _from_array(values: NDArray[Any], prefix: str) -> Factor:
    distinct, codes = np.unique(values, return_inverse=True)
    texts = [v.decode() if isinstance(v, bytes) else v for v in distinct.tolist()]
    return Factor(codes, [f"{prefix}{v}" for v in texts] if prefix else texts)
