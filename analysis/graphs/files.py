"""Directed graphs from files."""

from __future__ import annotations

from pathlib import Path

import networkx as nx

from oneway.circuits import WiringError

from .graph import Graph

# Column names that a first line of an edge list may have instead of two nodes.
_HEADER_NAMES = {
    *("source", "target", "pre", "post", "from", "to", "src", "dst"),
    *("source_id", "target_id", "pre_id", "post_id", "pre_root_id", "post_root_id"),
    *("source_node_id", "target_node_id"),
}


def read_graph(path: str | Path) -> Graph:
    """A directed graph from a GraphML file or an edge list.

    Parameters
    ----------
    path : str or Path
        GraphML (``.graphml``, ``.xml``), or lines ``u v`` separated by white space or a comma.
        Further columns are not read, lines that start with ``#`` are comments, and a first line
        of column names such as ``source,target`` is skipped.

    Raises
    ------
    WiringError
        The file is missing, is no such file, or holds a line that is no edge; names the line.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise WiringError(f"graph file {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise WiringError(
            f"graph file {path}: not a text file. Expected GraphML or an edge list of lines `u v`"
        ) from error
    if path.suffix.lower() in (".graphml", ".xml") or text.lstrip().startswith("<"):
        return Graph.from_networkx(_parse_graphml(path, text))
    return Graph.from_networkx(_parse_edges(path, text))


def _parse_graphml(path: Path, text: str) -> nx.DiGraph:
    try:
        graph = nx.parse_graphml(text)
    except SyntaxError as error:  # what an XML parser raises
        line = (getattr(error, "position", None) or (error.lineno,))[0]
        raise WiringError(f"graph file {path}, line {line}: not GraphML: {error}") from error
    except (nx.NetworkXError, KeyError, ValueError, TypeError) as error:
        raise WiringError(f"graph file {path}: not GraphML: {error}") from error
    if not graph.is_directed():
        raise WiringError(
            f'graph file {path}: the graph is undirected; expected edgedefault="directed"'
        )
    return graph


def _parse_edges(path: Path, text: str) -> nx.DiGraph:
    graph = nx.MultiDiGraph()
    for number, line in enumerate(text.splitlines(), start=1):
        content = line.split("#", 1)[0].strip()
        if not content:
            continue
        fields = [field.strip() for field in content.split(",")]
        fields = fields if len(fields) > 1 else content.split()
        if not graph and {field.lower() for field in fields[:2]} <= _HEADER_NAMES:
            continue
        if len(fields) < 2 or not all(fields[:2]):
            raise WiringError(
                f"graph file {path}, line {number}: {line.strip()!r} is no edge; expected two "
                "nodes `u v`, separated by white space or a comma"
            )
        graph.add_edge(fields[0], fields[1])
    if not graph:
        raise WiringError(f"graph file {path}: no edge in it; expected lines `u v`")
    return graph
