"""Adjacency matrices, of text and of the binary formats that hold them. Rows are presynaptic."""

from __future__ import annotations

import re
import zipfile
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
from numpy.typing import NDArray
from scipy import sparse

from oneway.circuits import WiringError

from ..graph import Graph
from ..reading import Reading, ReadOptions
from .fields import numbered_rows
from .finish import finished
from .layout import Head, Layout, ragged
from .matlab import load_mat
from .stream import TextFile, content

COLUMNS = {"pre": "row", "post": "column", "weight": "entry"}
Matrix = Any
# A square matrix of more rows is a mistake in its header: they take memory even without entries.
MOST_CELLS = 10_000_000
BEFORE_SIZES = re.compile(rb"(%.*\n|[ \t\r]*\n)*")


def read_matrix(file: TextFile, head: Head, layout: Layout, options: ReadOptions) -> Graph:
    """A matrix of text whose layout is decided."""
    refuse_table_options(file.path, options)
    beside = int(layout.named in ("rows", "both"))
    names: list[str] = []
    rows: list[sparse.coo_array] = []
    skip = layout.skipped
    for start, chunk in file.chunks():
        fields, numbers, lines = numbered_rows(chunk, start, layout)
        fields, numbers, lines = fields[skip:], numbers[skip:], lines[skip:]
        skip = 0
        if any(len(row) != layout.width for row in fields):
            raise ragged(file.path, fields, numbers, lines, layout.delimiter, layout.width)
        names += [row[0] for row in fields] if beside else []
        rows += [
            _numbers(file.path, row[beside:], layout, n)
            for row, n in zip(fields, numbers, strict=True)
        ]
    matrix = sparse.vstack(rows, format="csr")
    return _graph(file.path, matrix, str(layout), options, *_in_order(names, layout, file.path))


def _numbers(path: Path, fields: list[str], layout: Layout, number: int) -> sparse.coo_array:
    texts = [field or "0" for field in fields]
    if layout.decimal == ",":
        texts = [text.replace(",", ".") for text in texts]
    try:
        return sparse.coo_array(np.array(texts, float)[None, :])
    except ValueError as error:
        raise WiringError(
            f"graph file {path}, line {number}: a matrix holds numbers alone: {error}"
        ) from error


def _in_order(
    beside: list[str], layout: Layout, path: Path
) -> tuple[list[str] | None, list[int] | None]:
    """Names of the rows, and for each the column with the same name."""
    above = list(layout.header)
    if not above or not beside:
        return (above or beside or None), None
    if sorted(above) != sorted(beside) or len(set(above)) < len(above):
        raise WiringError(
            f"graph file {path}: names above and beside the matrix differ, or come twice: "
            f"{above[:3]} above, {beside[:3]} beside"
        )
    place = {name: i for i, name in enumerate(above)}
    return beside, [place[name] for name in beside]


def read_matrix_market(path: Path, options: ReadOptions) -> Graph:
    """MatrixMarket; `symmetric` stands for both directions of every entry."""
    refuse_table_options(path, options)
    data = content(path)
    banner = data.split(b"\n", 1)[0].decode("latin-1").lower().split()
    data = _checked(path, data)
    try:
        matrix = scipy.io.mmread(BytesIO(data), spmatrix=False)
    except (ValueError, TypeError, OverflowError, MemoryError) as error:
        raise WiringError(f"graph file {path}: not MatrixMarket: {error}") from error
    kind = banner[-1] if banner[-1] != "general" else ""
    notes = [f"{kind}: every entry off the diagonal counts in both directions"] if kind else []
    return _graph(path, matrix, " ".join(["MatrixMarket", *banner[2:]]), options, notes=notes)


def _checked(path: Path, data: bytes) -> bytes:
    """Lines that scipy's reader can have: on other characters it may crash, and it makes room for
    the entries that the sizes state before it looks for them."""
    begin = BEFORE_SIZES.match(data).end()  # type: ignore[union-attr]  # it matches anything
    sizes, _, entries = data[begin:].partition(b"\n")
    stated = [int(n) for n in sizes.split() if n.isdigit()]
    stray = re.search(rb"[^-+.0-9eEinfatyINFATY \t\r\n]", sizes + entries)
    count = stated[2] if len(stated) > 2 else prod(stated)
    if stray or count > len(data) or max(stated, default=0) > MOST_CELLS:
        raise WiringError(
            f"graph file {path}: not MatrixMarket: {sizes[:60]!r} should state rows, columns and "
            f"entries, and numbers follow; it has {len(data):,} bytes, with "
            f"{stray[0] if stray else b''!r} among them"
        )
    return data.rstrip() + b"\n"


def read_npy(path: Path, options: ReadOptions) -> Graph:
    refuse_table_options(path, options)
    return _graph(path, _loaded(path, np.load), "numpy array", options)


def read_npz(path: Path, options: ReadOptions) -> Graph:
    """One matrix of scipy.sparse.save_npz, or one of numpy.savez's arrays."""
    refuse_table_options(path, options)
    try:
        names = zipfile.ZipFile(BytesIO(content(path))).namelist()
    except zipfile.BadZipFile as error:
        raise WiringError(f"graph file {path}: not an npz file: {error}") from error
    if not any(name.endswith(".npy") for name in names):
        sheet = any(name.startswith("xl/") for name in names)
        what = "an Excel workbook: save its sheet as CSV" if sheet else "no npz file: unpack it"
        raise WiringError(f"graph file {path}: {what}")
    if {"format.npy", "shape.npy", "data.npy"} <= set(names):
        return _graph(path, _loaded(path, _load_sparse), "scipy sparse matrix", options)
    arrays = dict(_loaded(path, lambda file, **how: dict(np.load(file, **how))))
    return _one_of(path, arrays, "numpy archive", options)


def read_mat(path: Path, options: ReadOptions) -> Graph:
    """MATLAB's files up to version 7.2."""
    refuse_table_options(path, options)
    try:
        found = load_mat(content(path))
    except NotImplementedError as error:
        raise WiringError(
            f"graph file {path}: MATLAB 7.3: save it with `save(..., '-v7')`"
        ) from error
    except Exception as error:  # a damaged file can fail anywhere in the reader
        raise WiringError(f"graph file {path}: not a MATLAB file: {error}") from error
    arrays = {name: value for name, value in found.items() if not name.startswith("__")}
    return _one_of(path, arrays, "MATLAB file", options)


def refuse_table_options(path: Path, options: ReadOptions) -> None:
    options.refuse(("columns", "where"), path, "a matrix has no columns to choose")


def _load_sparse(file: BytesIO, allow_pickle: bool) -> Matrix:
    return scipy.sparse.load_npz(file)


def _loaded(path: Path, load: Any) -> Matrix:
    try:
        return load(BytesIO(content(path)), allow_pickle=False)
    # A damaged file can fail anywhere in the reader, with whatever is raised there.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise WiringError(f"graph file {path}: cannot be read: {reason}") from error


def _one_of(path: Path, arrays: dict[str, Any], format: str, options: ReadOptions) -> Graph:
    """The square matrix among a file's arrays, with the names beside it."""
    square = [n for n, a in arrays.items() if a.ndim == 2 and a.shape[0] == a.shape[1] > 1]
    square = [n for n in square if sparse.issparse(arrays[n]) or arrays[n].dtype.kind in "biuf"]
    chosen = [options.part] if options.part else square
    if len(chosen) != 1 or chosen[0] not in arrays:
        shapes = ", ".join(f"{n} {tuple(a.shape)}" for n, a in arrays.items())
        raise WiringError(
            f"graph file {path}: {len(square)} square matrices in it ({shapes}): say which with "
            "--part NAME"
        )
    matrix = arrays[chosen[0]]
    labels = [_words(a) for a in arrays.values() if a.size == matrix.shape[0]]
    names = [words for words in labels if words and len(set(words)) == len(words)]
    return _graph(
        path, matrix, f"{format}, {chosen[0]}", options, names[0] if len(names) == 1 else None
    )


def _words(array: NDArray[Any]) -> list[str] | None:
    """Text of a vector of text; MATLAB wraps each in an array of its own."""
    if sparse.issparse(array) or array.dtype.kind not in "UO":
        return None
    values = [v.item() if isinstance(v, np.ndarray) and v.size == 1 else v for v in array.ravel()]
    return [v.strip() for v in values] if all(isinstance(v, str) for v in values) else None


def _graph(
    path: Path,
    matrix: Matrix,
    format: str,
    options: ReadOptions,
    names: list[str] | None = None,
    order: list[int] | None = None,
    notes: list[str] | None = None,
) -> Graph:
    shape = tuple(getattr(matrix, "shape", ()))
    if len(shape) != 2 or shape[0] != shape[1]:
        raise WiringError(
            f"graph file {path}: shape {shape}, expected a square matrix of one row and one column "
            "for each cell"
        )
    if shape[0] > MOST_CELLS:
        raise WiringError(
            f"graph file {path}: a matrix of {shape[0]:,} cells, expected at most {MOST_CELLS:,}"
        )
    _check_sparse(path, matrix)
    entries = sparse.coo_array(matrix)
    if entries.dtype.kind not in "biuf" or not np.isfinite(entries.data.astype(float)).all():
        raise WiringError(
            f"graph file {path}: a matrix of {entries.dtype} with entries that are no finite "
            "numbers: write 0 where there is no connection"
        )
    if order is not None:
        entries = sparse.coo_array(entries.tocsr()[:, order])
    weights = entries.tocsr().astype(float)
    weights.eliminate_zeros()
    graph = Graph(weights, int(weights.nnz), np.array(names or [], str))
    return _read(path, graph, format, options, notes or [])


def _check_sparse(path: Path, matrix: Matrix) -> None:
    """scipy believes where rows begin, and writes there; its own check forgives an end before."""
    if not hasattr(matrix, "indptr"):
        return
    try:
        if np.diff(matrix.indptr).min(initial=0) < 0:
            raise ValueError("a row or column ends before it begins")
        matrix.check_format(full_check=True)
    except ValueError as error:
        raise WiringError(f"graph file {path}: a damaged sparse matrix: {error}") from error


def _read(path: Path, graph: Graph, format: str, options: ReadOptions, notes: list[str]) -> Graph:
    entries, names = graph.weights.tocoo(), graph.names
    if not entries.nnz:
        raise WiringError(f"graph file {path}: no edge in it, a matrix of zeros")
    pre, post = int(entries.row[0]), int(entries.col[0])
    first = (str(names[pre]), str(names[post]), float(entries.data[0]))
    reading = Reading(
        str(path), format, COLUMNS, first, entries.nnz, entries.nnz, notes=tuple(notes)
    )
    return finished(graph, reading, options)
