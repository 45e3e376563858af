"""Directed graphs from files: which reader reads what."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from oneway.circuits import WiringError

from .graph import Graph
from .readers import columnar, matrix, networks
from .readers.cells import with_cells
from .readers.decision import Decision
from .readers.layout import Head
from .readers.stream import TextFile, first_bytes
from .readers.table import read_table
from .reading import Progress, ReadOptions, split_columns, split_where

Reader = Callable[[Path, ReadOptions], Graph]


def read_graph(
    path: str | Path,
    *,
    columns: str | Sequence[str] | None = None,
    format: str | None = None,
    encoding: str | None = None,
    part: str | None = None,
    min_weight: float | None = None,
    where: str | Iterable[str] = (),
    by: str | None = None,
    nodes: str | Path | None = None,
    progress: Progress | None = None,
) -> Graph:
    """A directed graph from a file, with what was taken from it in `Graph.reading`.

    Edge lists and tables (comma, semicolon, tab or blanks between fields, comments at line starts),
    adjacency matrices (text, npy, npz, mat, MatrixMarket), GraphML, GEXF, GML, Pajek, node-link
    JSON, SONATA edges (h5py), Parquet and Feather (pyarrow); text and binary alike may be gzipped.
    The format is told by the content of the whole file; what can be read in two ways is refused.

    Parameters
    ----------
    path : str or Path
    columns : str or sequence of str, optional
        ``PRE,POST[,WEIGHT]`` of a table: names of its header, or numbers from 1. By default the
        header says (``pre_root_id,post_root_id,syn_count``, ``source,target``, ...), and without
        one the first two columns are the cells, a third one of numbers the weight.
    format : str, optional
        One of `FORMATS`, where the content leaves it open.
    encoding : str, optional
        Of text. By default by its byte-order mark, else UTF-8.
    part : str, optional
        Which array of an npz or mat file, which edge population of a SONATA file.
    min_weight : float, optional
        Cells joined by less count as not joined; parallel connections count together.
    where : str or iterable of str
        ``COLUMN=VALUE``: rows that have one of the values of a column, for each column named.
    by : str, optional
        Attribute that cells shall have: a column of `nodes`, a node attribute of the file, or the
        ending of two columns of the table (``class`` for ``pre_class`` and ``post_class``; or both
        names, ``"from_type,to_type"``).
    nodes : str or Path, optional
        Table of cells; its columns become attributes.
    progress : callable, optional
        Called with bytes read and bytes in all.

    Raises
    ------
    WiringError
        The file is missing, damaged, undirected, empty, or can be read in two ways; the message
        says what was seen and what to say.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import mkdtemp
    >>> path = Path(mkdtemp(), "cells.csv")
    >>> _ = path.write_text("bodyId_pre,bodyId_post,weight\\nA,B,5\\nB,A,2\\nB,C,9\\n")
    >>> graph = read_graph(path, min_weight=3)
    >>> graph.edges, graph.reading.columns["pre"], graph.reading.below
    (2, 'bodyId_pre', 1)
    """
    path = Path(path)
    options = ReadOptions(
        split_columns(columns), format, encoding, part, min_weight, split_where(where), by
    )
    if progress is not None:
        options = replace(options, progress=progress)
    if format is not None and format not in FORMATS:
        raise WiringError(f"format {format!r} is unknown; formats are {', '.join(FORMATS)}")
    read = FORMATS[format or _format(path, options)]
    if nodes is None:
        return _with_attribute(read(path, options), by, path)
    graph = with_cells(read(path, replace(options, by=None)), Path(nodes), options)
    return _with_attribute(graph, by, Path(nodes))


def _with_attribute(graph: Graph, by: str | None, path: Path) -> Graph:
    if by is not None and by not in graph.attributes:
        known = ", ".join(map(repr, graph.attributes)) or "none"
        raise WiringError(
            f"graph file {path}: nothing gives cells a {by!r} (attributes of cells: {known}): name "
            f"two columns, as in pre_{by},post_{by}, or a table of cells with --nodes FILE"
        )
    return graph


# -- formats -----------------------------------------------------------------------------------


def _read_text(path: Path, options: ReadOptions) -> Graph:
    """A table, a matrix, or lines with dicts, whichever the lines are."""
    options.refuse(("part",), path, "a text file has no parts")
    file = TextFile(path, options)
    head = Head.of(file)
    if options.format is None and head.lines and WITH_DICT.search(head.lines[-1]):
        return networks.read_dict_edges(file, options)
    layout = Decision(path, head, options).layout()
    read = {"edges": read_table, "matrix": matrix.read_matrix}[layout.kind]
    return read(file, head, layout, options)


def _of_text(read: Callable[[TextFile, ReadOptions], Graph]) -> Reader:
    return lambda path, options: read(TextFile(path, options), options)


WITH_DICT = re.compile(r"\{.*\}\s*$")


def _of_others(read: Reader) -> Reader:
    """A reader that is another library's: whatever it raises on a damaged file, as one sentence."""

    def reading(path: Path, options: ReadOptions) -> Graph:
        try:
            return read(path, options)
        except WiringError:
            raise
        except Exception as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise WiringError(f"graph file {path}: cannot be read: {reason}") from error

    return reading


# By the word for --format. `text` decides among the three that follow.
FORMATS: Mapping[str, Reader] = {
    "text": _read_text,
    "table": _read_text,
    "matrix": _read_text,
    "dicts": _of_others(_of_text(networks.read_dict_edges)),
    "adjlist": _of_others(_of_text(networks.read_neighbours)),
    "matrixmarket": _of_others(matrix.read_matrix_market),
    "npy": _of_others(matrix.read_npy),
    "npz": _of_others(matrix.read_npz),
    "mat": _of_others(matrix.read_mat),
    "graphml": _of_others(networks.read_graphml),
    "gexf": _of_others(networks.read_gexf),
    "gml": _of_others(_of_text(networks.read_gml)),
    "pajek": _of_others(_of_text(networks.read_pajek)),
    "json": _of_others(_of_text(networks.read_json)),
    "sonata": _of_others(columnar.read_sonata),
    "parquet": _of_others(columnar.read_parquet),
    "feather": _of_others(columnar.read_feather),
}

# What a file of each format begins with.
BEGINNINGS = (
    (b"\x93NUMPY", "npy"),
    (b"PK\x03\x04", "npz"),
    (b"MATLAB", "mat"),
    (b"\x89HDF", "sonata"),
    (b"PAR1", "parquet"),
    (b"ARROW1", "feather"),
    (b"FEA1", "feather"),
    (b"%%MatrixMarket", "matrixmarket"),
)
TEXT_BEGINNINGS = (
    (r"<(?!.*<gexf)", "graphml"),
    (r"<", "gexf"),
    (r"[{\[]\s*(\"|[{\[])", "json"),
    (r"(#.*\n|\s|Creator.*\n|Version.*\n|comment.*\n)*graph\s*\[", "gml"),
    (r"(%.*\n|\s)*\*(network|vertices)", "pajek"),
)
# What a file should be whose beginning says nothing; MATLAB 4 has no mark.
SUFFIXES = {
    ".mat": "mat",
    ".json": "json",
    ".graphml": "graphml",
    ".gexf": "gexf",
    ".gml": "gml",
    ".mtx": "matrixmarket",
    ".npy": "npy",
    ".npz": "npz",
    ".parquet": "parquet",
    ".feather": "feather",
}


def _format(path: Path, options: ReadOptions) -> str:
    """By the first bytes, whatever the file is called."""
    start = first_bytes(path)
    for beginning, format in BEGINNINGS:
        if start.startswith(beginning):
            return format
    text = start.decode(TextFile(path, options).encoding, "replace").lstrip()
    for pattern, format in TEXT_BEGINNINGS:
        if re.match(pattern, text, re.IGNORECASE | re.DOTALL if "<" in pattern else re.IGNORECASE):
            return format
    return SUFFIXES.get(Path(path.name.removesuffix(".gz")).suffix.lower(), "text")
