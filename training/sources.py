"""What CIRCUIT on the command line can be: a builder string or a file."""

from __future__ import annotations

from pathlib import Path

from oneway.analysis import Graph, read_graph
from oneway.circuits import BUILDERS, Circuit, WiringError, load_circuit, parse_circuit
from oneway.circuits.io import GRAPHML_ATTRIBUTE

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


def read_source(text: str) -> Circuit | Graph:
    """A circuit, or any directed graph from a GraphML file or edge list."""
    if text.split(":")[0].split(",")[0] in BUILDERS:
        return parse_circuit(text)
    path = Path(text).expanduser()
    if not path.is_file():
        raise WiringError(
            f"{text!r} is neither a file nor a builder string; builders are {', '.join(BUILDERS)}, "
            "as in mlp:64-32-32-10"
        )
    if path.suffix.lower() == ".json":
        return load_circuit(path)
    if path.suffix.lower() == ".graphml" and GRAPHML_ATTRIBUTE in path.read_text(
        "utf-8", "replace"
    ):
        return load_circuit(path)
    return read_graph(path)
