"""Circuits as JSON and GraphML; what is read back equals what was written.

JSON holds every field of every part, under the name of its class. GraphML holds the same text in
one graph attribute, beside plain attributes on nodes and edges for Gephi, networkx or igraph.
"""

from __future__ import annotations

import json
import re
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Any, BinaryIO

import networkx as nx

from . import connectors
from .circuit import Circuit
from .elements import (
    BatchNorm,
    Phase,
    Plasticity,
    Population,
    Projection,
    Signal,
    Weights,
    kinds_of,
)
from .errors import WiringError
from .format_version import misread
from .json_text import parse_json
from .options import fits
from .summary import connector_text, plasticity_text, shape_text, weights_text
from .timing import SpikeWindow
from .xml_text import check_xml

FORMAT = "oneway-circuit"
VERSION = 1
GRAPHML_ATTRIBUTE = "oneway_circuit"

_PARTS: tuple[type, ...] = (
    *(Population, Projection, Phase, Weights, Plasticity, Signal, SpikeWindow, BatchNorm),
)
_CONNECTORS = (
    cls
    for name, cls in sorted(vars(connectors).items())
    if re.fullmatch(r"[A-Z]\w+Connector", name)
)
_TYPES: dict[str, type] = {cls.__name__: cls for cls in (*_PARTS, *_CONNECTORS)}
# Fields that came later, each with the one that then said the same.
_LATER = {"norm_blocked": "bias_blocked"}
# Written only where they say something, so that earlier versions read all other circuits.
_SELDOM = ("delay",)
_LISTS = {"populations": Population, "projections": Projection, "phases": Phase, "notes": str}


# -- JSON ----------------------------------------------------------------------------------


def to_json(circuit: Circuit, indent: int | None = 1) -> str:
    """The circuit as JSON text.

    Examples
    --------
    >>> from oneway.circuits import from_json, mlp, to_json
    >>> from_json(to_json(mlp((4, 3, 2)))) == mlp((4, 3, 2))
    True
    """
    # ASCII with \\u escapes: the text then passes unchanged through XML and any locale.
    return json.dumps(
        {
            "format": FORMAT,
            "version": VERSION,
            "name": circuit.name,
            "populations": [_encode(p) for p in circuit.populations.values()],
            "projections": [_encode(p) for p in circuit.projections.values()],
            "phases": [_encode(p) for p in circuit.phases.values()],
            "notes": list(circuit.notes),
        },
        indent=indent,
    )


def from_json(text: str) -> Circuit:
    """The circuit that `to_json` wrote.

    Raises
    ------
    WiringError
        The text is not JSON, not a circuit, of another version, or something in it is missing or
        unknown; the message says where. A circuit that is not well wired raises as usual.
    """
    try:
        content = parse_json(text)
    except ValueError as error:
        raise WiringError(f"this is not JSON: {error}") from error
    _check_header(content)
    try:
        parts = {key: _decode_list(content[key], key, cls) for key, cls in _LISTS.items()}
    except RecursionError:
        raise WiringError("lists lie in each other too deeply for a circuit") from None
    if not isinstance(content["name"], str):
        raise WiringError(f"name: {content['name']!r}, expected text")
    return Circuit(content["name"], **parts)


def _check_header(content: Any) -> None:
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise WiringError(
            f'this JSON is not a circuit: expected an object with "format": "{FORMAT}"'
        )
    if reason := misread(content, FORMAT, VERSION):
        raise WiringError(f"the circuit cannot be read: {reason}")
    missing = [key for key in ("name", *_LISTS) if key not in content]
    if missing:
        raise WiringError(f"the circuit lacks {', '.join(missing)}")


def _encode(value: Any) -> Any:
    """Any part of a description: its class and all its fields."""
    if isinstance(value, tuple):
        return [_encode(item) for item in value]
    if not is_dataclass(value):
        return value
    name = type(value).__name__
    if _TYPES.get(name) is not type(value):
        raise WiringError(f"{name} cannot be saved; there are {', '.join(_TYPES)}")
    said = ((f, getattr(value, f.name)) for f in fields(value))
    said = ((f, held) for f, held in said if f.name not in _SELDOM or held != f.default)
    return {"type": name} | {f.name: _encode(held) for f, held in said}


def _decode_list(items: Any, where: str, cls: type) -> list:
    if not isinstance(items, list):
        raise WiringError(f"{where}: {_shown(items)}, expected a list")
    decoded = []
    for i, item in enumerate(items):
        value = _decode(item, f"{where}[{i}]")
        if not isinstance(value, cls):
            raise WiringError(f"{where}[{i}]: {_shown(item)}, expected a {cls.__name__}")
        decoded.append(value)
    return decoded


def _decode(value: Any, where: str) -> Any:
    if isinstance(value, list):
        return tuple(_decode(item, f"{where}[{i}]") for i, item in enumerate(value))
    if not isinstance(value, dict):
        return value
    tag = value.get("type")
    if not isinstance(tag, str) or tag not in _TYPES:
        raise WiringError(f"{where}: unknown type {tag!r}, expected one of {', '.join(_TYPES)}")
    cls = _TYPES[tag]
    value = {new: value[old] for new, old in _LATER.items() if old in value} | value
    _check_keys(cls, value, where)
    arguments = {k: _decode(v, f"{where}.{k}") for k, v in value.items() if k != "type"}
    for name, argument in arguments.items():
        kind = kinds_of(cls)[name]
        if not fits(argument, kind):
            raise WiringError(f"{where}.{name}: {_shown(value[name])}, expected {_wanted(kind)}")
    try:
        return cls(**arguments)
    except (TypeError, ValueError) as error:
        raise WiringError(f"{where}: {error}") from error


def _check_keys(cls: type, value: dict, where: str) -> None:
    known = {f.name: f for f in fields(cls)}
    unknown = sorted(set(value) - set(known) - {"type"})
    missing = [name for name, f in known.items() if _required(f) and name not in value]
    if unknown or missing:
        complaint = f"unknown key {unknown[0]!r}" if unknown else f"missing key {missing[0]!r}"
        raise WiringError(f"{where}: {complaint}; {cls.__name__} has {', '.join(known)}")


def _required(field: Field) -> bool:
    return field.default is field.default_factory is MISSING


def _wanted(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


# -- GraphML -------------------------------------------------------------------------------


def to_graphml(circuit: Circuit, path_or_buffer: str | Path | BinaryIO) -> None:
    """Write the circuit as GraphML, one node a population and one edge a projection."""
    graph = nx.MultiDiGraph(name=_printable(circuit.name))
    graph.graph[GRAPHML_ATTRIBUTE] = to_json(circuit, indent=None)
    for population in circuit.populations.values():
        graph.add_node(population.name, **_node_attributes(population))
    for i, projection in enumerate(circuit.projections.values()):
        attributes = _edge_attributes(projection)
        # Edge ids of GraphML are single tokens, our names have blanks.
        graph.add_edge(projection.pre, projection.post, key=f"e{i}", **attributes)
    nx.write_graphml(graph, path_or_buffer)


def from_graphml(path_or_buffer: str | Path | BinaryIO) -> Circuit:
    """The circuit that `to_graphml` wrote.

    It is read from the exact description that the file carries; changes that another tool made
    to nodes and edges are not read.
    """
    try:
        graph = nx.read_graphml(path_or_buffer, force_multigraph=True)
    except OSError:
        raise
    # A damaged file can fail anywhere in the reader, with whatever is raised there.
    except Exception as error:
        raise WiringError(
            f"{path_or_buffer} is not GraphML: {str(error) or repr(error)}"
        ) from error
    text = graph.graph.get(GRAPHML_ATTRIBUTE)
    if text is None:
        raise WiringError(
            f"{path_or_buffer} is GraphML ({len(graph)} nodes) but no circuit of ours: it has no "
            f"graph attribute {GRAPHML_ATTRIBUTE!r}. Read other graphs with networkx.read_graphml"
        )
    try:
        return from_json(text)
    except WiringError as error:
        raise WiringError(f"{path_or_buffer}: {error}") from error


def _node_attributes(population: Population) -> dict[str, Any]:
    attributes = {
        "path": population.path,
        "shape": shape_text(population.shape),
        "size": population.size,
        "activation": population.activation,
        "bias": population.bias,
        "normalised": population.norm is not None,
    }
    return attributes | ({"partner": population.partner} if population.partner else {})


def _edge_attributes(projection: Projection) -> dict[str, Any]:
    attributes = {
        "name": projection.name,
        "role": projection.role,
        "connector": connector_text(projection.connector),
        "phases": ", ".join(projection.phases),
        "normalised": projection.norm is not None,
    }
    if projection.weights is not None:
        attributes["weights"] = weights_text(projection.weights)
    if projection.plasticity is not None:
        attributes["learns_from"] = plasticity_text(projection.plasticity)
    if projection.delay:
        attributes["delay"] = projection.delay
    return {k: _printable(v) if isinstance(v, str) else v for k, v in attributes.items()}


def _printable(text: str) -> str:
    """XML has no way to write a control character."""
    return "".join(c if c.isprintable() else "?" for c in text)


# -- files ---------------------------------------------------------------------------------


def save_circuit(circuit: Circuit, path: str | Path) -> Path:
    """Write `circuit` to `path`, as its suffix says: ``.json`` or ``.graphml``."""
    path = Path(path)
    if _suffix(path) == ".json":
        path.write_text(to_json(circuit) + "\n", encoding="utf-8")
    else:
        to_graphml(circuit, path)
    return path


def load_circuit(path: str | Path) -> Circuit:
    """Read the circuit in `path`, as its suffix says: ``.json`` or ``.graphml``.

    Raises
    ------
    WiringError
        The suffix or the content is not understood; the message names the file.
    """
    path = Path(path)
    if _suffix(path) == ".graphml":
        return _load_graphml(path)
    try:
        return from_json(path.read_text(encoding="utf-8"))
    except ValueError as error:  # WiringError, or bytes that are not text
        raise WiringError(f"{path}: {error}") from error


def _load_graphml(path: Path) -> Circuit:
    try:
        check_xml(path.read_bytes())
    except (ValueError, LookupError) as error:
        raise WiringError(f"{path} is not GraphML: {error}") from error
    return from_graphml(path)


def _suffix(path: Path) -> str:
    if path.suffix.lower() not in (".json", ".graphml"):
        raise WiringError(f"{path}: suffix {path.suffix!r}, expected one of .json, .graphml")
    return path.suffix.lower()
