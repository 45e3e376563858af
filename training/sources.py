"""What CIRCUIT on the command line can be: a builder string or a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from oneway.analysis import Graph, read_graph
from oneway.circuits import BUILDERS, Circuit, WiringError, load_circuit, parse_circuit
from oneway.circuits.io import GRAPHML_ATTRIBUTE
from oneway.circuits.json_text import parse_json

from .errors import ConfigError


def read_circuit(text: str) -> Circuit:
    """A circuit from a builder string, or from a file that `save_circuit` wrote."""
    source = read_source(text)
    if isinstance(source, Circuit):
        return source
    raise ConfigError(
        f"{text!r} holds a plain graph, not a circuit: it has no shapes and connectors to train "
        "with. Save a circuit with oneway.circuits.save_circuit"
    )


def read_source(text: str, **reading: Any) -> Circuit | Graph:
    """A circuit, or any directed graph from a file.

    Parameters
    ----------
    **reading
        How `read_graph` reads a file that holds no circuit.
    """
    if text.split(":")[0].split(",")[0] in BUILDERS:
        return parse_circuit(text)
    path = Path(text).expanduser()
    if not path.is_file():
        raise WiringError(
            f"{text!r} is neither a file nor a builder string; builders are {', '.join(BUILDERS)}, "
            "as in mlp:64-32-32-10"
        )
    if _holds_circuit(path) and not reading.get("format"):
        return load_circuit(path)
    return read_graph(path, **reading)


def _holds_circuit(path: Path) -> bool:
    """Whether `save_circuit` wrote it; other JSON and GraphML are graphs."""
    if path.suffix.lower() == ".json":
        return not _is_node_link(path)
    if path.suffix.lower() == ".graphml":
        return GRAPHML_ATTRIBUTE in path.read_text("utf-8", "replace")
    return False


def _is_node_link(path: Path) -> bool:
    try:
        content = parse_json(path.read_bytes())
    except ValueError:
        return False
    return isinstance(content, dict) and "nodes" in content
