"""Formats that networkx reads, with what it would leave out in silence counted or refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import networkx as nx

from oneway.circuits import WiringError
from oneway.circuits.json_text import parse_json
from oneway.circuits.xml_text import check_xml

from ..graph import Graph
from ..reading import ReadOptions
from .collect import Collector, Missing
from .columns import FEW_KINDS, Columns
from .fields import factor
from .stream import TextFile, content

COMPLAINTS = (
    *(nx.NetworkXError, KeyError, ValueError, TypeError, AttributeError, IndexError),
    *(RecursionError, OverflowError, MemoryError),
)
SECTION = re.compile(r"^\s*\*(\w+)", re.MULTILINE)


def read_graphml(path: Path, options: ReadOptions) -> Graph:
    data = content(path)
    root = _root(path, data, "GraphML", "graphml")
    graphs = _elements(root, "graph")
    if len(graphs) != 1:
        raise WiringError(
            f"graph file {path}: GraphML with {len(graphs)} <graph> elements, nested or one after "
            "the other: keep one, with all nodes and edges in it"
        )
    if _elements(root, "hyperedge"):
        raise WiringError(f"graph file {path}: GraphML with hyperedges: write them as edges")
    ends = ("source", "target")
    edges = _checked_edges(path, root, "node", "edge", ends)
    graph = _by_networkx(
        path, "GraphML", lambda: nx.read_graphml(BytesIO(data), force_multigraph=True)
    )
    _all_there(path, graph, edges)
    return _graph(path, graph, "GraphML", options, 'edgedefault="directed"')


def read_gexf(path: Path, options: ReadOptions) -> Graph:
    data = content(path)
    root = _root(path, data, "GEXF", "gexf")
    edges = _checked_edges(path, root, "node", "edge", ("source", "target"))
    mutual = sum(edge.get("type") == "mutual" for edge in _elements(root, "edge"))
    graph = _by_networkx(path, "GEXF", lambda: nx.read_gexf(BytesIO(data)))
    if graph.number_of_edges() < edges and not graph.is_multigraph():
        edges = graph.number_of_edges()  # parallel edges were merged, and stay joined
    _all_there(path, graph, edges + mutual)
    return _graph(path, graph, "GEXF", options, 'defaultedgetype="directed"')


def read_gml(file: TextFile, options: ReadOptions) -> Graph:
    """By label where each has one of its own, else by id."""
    # networkx takes nothing but ASCII, with all else as character references.
    text = file.text().encode("ascii", "xmlcharrefreplace").decode()

    def read() -> nx.Graph:
        try:
            return nx.parse_gml(text)
        except nx.NetworkXError as error:
            if "label" not in str(error):
                raise
            return nx.parse_gml(text, label="id")

    graph = _by_networkx(file.path, "GML", read)
    return _graph(file.path, graph, "GML", options, "directed 1")


def read_pajek(file: TextFile, options: ReadOptions) -> Graph:
    lines = [line for line in file.text().split("\n") if not line.startswith("%")]
    sections = [name.lower() for name in SECTION.findall("\n".join(lines))]
    edges = [name for name in sections if name not in ("network", "vertices")]
    if edges not in (["arcs"], ["edges"], ["matrix"]):
        raise WiringError(
            f"graph file {file.path}: Pajek with {', '.join('*' + s for s in edges) or 'no arcs'}: "
            "expected one section, *Arcs (or *Matrix), after the vertices"
        )
    graph = _by_networkx(file.path, "Pajek", lambda: nx.parse_pajek("\n".join(lines)))
    vertices = re.search(r"^\s*\*vertices\s+(\d+)", "\n".join(lines), re.I | re.M)
    if vertices and int(vertices[1]) != len(graph):
        raise WiringError(
            f"graph file {file.path}: Pajek with {vertices[1]} vertices, of which {len(graph)} "
            "have a name of their own: give each a name that no other has"
        )
    return _graph(file.path, graph, "Pajek", options, "*Arcs in place of *Edges")


def read_json(file: TextFile, options: ReadOptions) -> Graph:
    """Node-link data, as networkx and D3 write it."""
    path = file.path
    try:
        data = parse_json(file.text())
    except json.JSONDecodeError as error:
        raise WiringError(
            f"graph file {path}, line {error.lineno}: not JSON: {error.msg}"
        ) from error
    except ValueError as error:
        raise WiringError(f"graph file {path}: not JSON: {error}") from error
    key = next((k for k in ("links", "edges") if isinstance(data, dict) and k in data), None)
    if key is None or not isinstance(data.get("nodes"), list):
        raise WiringError(
            f'graph file {path}: no node-link JSON, which has lists "nodes" and "links" (or '
            '"edges"): write it with networkx.node_link_data'
        )
    if "directed" not in data:
        raise WiringError(
            f'graph file {path}: node-link JSON without "directed": add "directed": true if its '
            "links have directions"
        )
    graph = _by_networkx(
        path, "node-link JSON", lambda: nx.node_link_graph({**data, "multigraph": True}, edges=key)
    )
    if len(graph) != len(data["nodes"]):
        raise WiringError(
            f"graph file {path}: {len(data['nodes'])} nodes, but links and nodes name "
            f"{len(graph)} different ones"
        )
    return _graph(path, graph, "node-link JSON", options, '"directed": true')


def read_dict_edges(file: TextFile, options: ReadOptions) -> Graph:
    """Edge lists of networkx with a Python dict of attributes at the end of each line."""
    lines = [line for line in file.text().split("\n") if line.strip() and line[0] not in "#%"]
    comma = all(line.split("{")[0].count(",") >= 2 for line in lines)
    tab = all(line.split("{")[0].count("\t") >= 2 for line in lines)
    delimiter = "," if comma else "\t" if tab else None
    for number, line in enumerate(lines, 1):
        ends = [part for part in line.split("{")[0].split(delimiter) if part.strip()]
        if len(ends) != 2 or not line.rstrip().endswith("}"):
            raise WiringError(
                f"graph file {file.path}, edge {number}: {line[:60]!r} is no edge; expected "
                "`u v {attributes}`, with two cells"
            )
    graph = _by_networkx(
        file.path,
        "an edge list of networkx",
        lambda: nx.parse_edgelist(lines, delimiter=delimiter, create_using=nx.MultiDiGraph),
    )
    return _graph(file.path, graph, "edge list of networkx with attributes", options, "")


def read_neighbours(file: TextFile, options: ReadOptions) -> Graph:
    """Adjacency lists: a cell, then those that it projects to."""
    lines = [line for line in file.text().split("\n") if not line.startswith("%")]
    multiline = any(line.rstrip().endswith("}") for line in lines)
    if multiline:
        raise WiringError(
            f"graph file {file.path}: a multiline adjacency list: write it with "
            "networkx.write_edgelist"
        )
    delimiter = next((d for d in ("\t", ",", ";") if any(d in line for line in lines)), None)
    graph = _by_networkx(
        file.path,
        "an adjacency list",
        lambda: nx.parse_adjlist(lines, delimiter=delimiter, create_using=nx.MultiDiGraph),
    )
    return _graph(file.path, graph, "adjacency list, a cell and those it projects to", options, "")


# -- checks ------------------------------------------------------------------------------------


def _root(path: Path, data: bytes, format: str, tag: str) -> ElementTree.Element:
    try:
        check_xml(data)
        root = ElementTree.fromstring(data)  # nosec B314: looked through before
    except ValueError as error:
        raise WiringError(f"graph file {path}: not {format}: {error}") from error
    if _tag(root) != tag:
        raise WiringError(f"graph file {path}: not {format}: it is <{_tag(root)}>")
    return root


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2].lower()


def _elements(root: ElementTree.Element, tag: str) -> list[ElementTree.Element]:
    return [element for element in root.iter() if _tag(element) == tag]


def _checked_edges(
    path: Path, root: ElementTree.Element, node: str, edge: str, ends: Iterable[str]
) -> int:
    """How many edges there are; each end must be a node of the file."""
    nodes = {element.get("id") for element in _elements(root, node)}
    edges = _elements(root, edge)
    for number, element in enumerate(edges, 1):
        for end in ends:
            if element.get(end) is None:
                raise WiringError(f"graph file {path}: edge {number} has no {end}")
            if element.get(end) not in nodes:
                raise WiringError(
                    f"graph file {path}: edge {number} has {end} {element.get(end)!r}, which no "
                    "node is"
                )
    return len(edges)


def _by_networkx(path: Path, format: str, read: Callable[[], nx.Graph]) -> nx.Graph:
    try:
        return read()
    except SyntaxError as error:  # what XML parsers raise
        raise WiringError(
            f"graph file {path}, line {error.lineno}: not {format}: {error}"
        ) from error
    except COMPLAINTS as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise WiringError(f"graph file {path}: not {format}: {reason}") from error


def _all_there(path: Path, graph: nx.Graph, edges: int) -> None:
    if graph.number_of_edges() != edges:
        raise WiringError(
            f"graph file {path}: {edges} edges are listed, {graph.number_of_edges()} could be "
            "read: give each an id of its own"
        )


def _graph(path: Path, graph: nx.Graph, format: str, options: ReadOptions, fix: str) -> Graph:
    options.refuse(("columns",), path, f"{format} names its edges itself")
    if not graph.is_directed():
        raise WiringError(
            f"graph file {path}: the graph is undirected, but reciprocity asks for directions: "
            f"expected {fix}"
        )
    edges = list(graph.edges(data=True))
    keys = list(dict.fromkeys(key for _, _, data in edges for key in data))
    header = ["source", "target", *(key for key in keys if key not in ("source", "target"))]
    columns: list[list[Any]] = [[str(u) for u, _, _ in edges], [str(v) for _, v, _ in edges]]
    columns += [[data.get(key) for _, _, data in edges] for key in header[2:]]
    chosen = Columns.chosen(path, header, len(header), options, kinds=_words(columns))
    collector = Collector(path, chosen, options)
    weight = chosen.roles.weight
    if weight is not None:  # networkx takes 1 where an edge has none
        columns[weight] = [1 if value is None else value for value in columns[weight]]
    try:
        collector.add(len(edges), {i: factor(map(str, columns[i])) for i in chosen.wanted})
    except Missing as error:
        raise WiringError(
            f"graph file {path}: edge {error.row + 1} lacks {error.wanted} in "
            f"{header[error.place]!r}"
        ) from error
    cells = {str(node): data for node, data in graph.nodes(data=True)}
    traits = dict.fromkeys(key for data in cells.values() for key in data)
    known = {key: {name: data.get(key) for name, data in cells.items()} for key in traits}
    return collector.graph(format, cells, known)


def _words(columns: list[list[Any]]) -> tuple[int, ...]:
    """Columns of few different words, which may be the kinds of edges."""
    texts = [{value for value in column if isinstance(value, str)} for column in columns]
    return tuple(i for i, values in enumerate(texts) if i > 1 and 0 < len(values) <= FEW_KINDS)
