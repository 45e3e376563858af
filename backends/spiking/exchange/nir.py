"""The forward net of a spiking circuit as NIR, the exchange format of neuromorphic tools.

NIR describes cells and what joins them, and knows no learning. So the forward path becomes nodes
that other simulators and chips run, and the whole wired circuit, with feedback weights and
plasticity, travels in the metadata, from which `from_nir` takes it back.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from oneway.circuits import (
    AllToAllConnector,
    AveragePoolConnector,
    Circuit,
    Conv2dConnector,
    OneToOneConnector,
    Population,
    Projection,
    TransposeConnector,
    WiringError,
    both,
    from_json,
    to_json,
)

from ..translation.connectors import list_pairs

if TYPE_CHECKING:
    from ..parameters import SpikingParameters

FORMAT, VERSION = "oneway-nir", "1"
ABOUT, OTHER_WEIGHTS = "oneway", "weights of "

Arrays = Mapping[str, np.ndarray]


def to_nir(
    circuit: Circuit,
    weights: Arrays,
    biases: Arrays,
    parameters: SpikingParameters,
    rule: str | None = None,
) -> Any:
    """The forward path as a ``nir.NIRGraph``; ``nir.write(path, graph)`` saves it.

    ===========================  =================================================================
    input                        `Input`, in spikes: an activity of 1 is `parameters.unit`
    relu cells                   `CubaLIF` on a current at threshold, so that they rectify there
    linear cells in between      `Scale` by 1, since NIR has no cells that fire for both signs
    output                       `CubaLI`, whose voltage is the activity
    all-to-all, sparse           `Linear`, or `Affine` where it brings the target's bias
    convolution, average pool    `Conv2d`, `AvgPool2d`; `Flatten` before dense cells
    ===========================  =================================================================

    Voltages are in units of the threshold, weights in units of activity: a spike of weight w leaves
    w / unit of activity, as in the spiking backend. NIR's cells are set back to 0 and not by the
    threshold, and the backend's current for a rate is not quite linear, so that rates differ
    somewhat from the backend's.

    Parameters
    ----------
    circuit : Circuit
        Forward or wired.
    weights, biases : mappings
        As `SpikingNetwork.weights` and `SpikingNetwork.biases` give them, (post, pre, ...).
    parameters : SpikingParameters
    rule : str, optional
        Name of the rule, for readers; learning is told by the circuit.

    Raises
    ------
    WiringError
        The forward path has something that NIR has no word for.
    ModuleNotFoundError
        NIR is not installed.
    """
    return _Export(circuit, weights, biases, parameters).graph(rule)


@dataclass
class _Export:
    """Nodes and edges of one circuit's forward path."""

    circuit: Circuit
    weights: Arrays
    biases: Arrays
    parameters: SpikingParameters
    nodes: dict[str, Any] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.nir, self.unit = _nir(), float(self.parameters.unit)

    def graph(self, rule: str | None) -> Any:
        for name in self.circuit.order("forward"):
            self._population(self.circuit.populations[name])
        for p in self._drives():
            self._drive(p)
        self.nodes["out"] = self.nir.Output({"output": np.array(self.circuit.output.shape)})
        self.edges.append((self.circuit.output.name, "out"))
        return self.nir.NIRGraph(self.nodes, self.edges, metadata=self._metadata(rule))

    def _drives(self) -> Iterator[Projection]:
        return self.circuit.select(role="drive", path="forward")

    def _metadata(self, rule: str | None) -> dict[str, Any]:
        about = {
            "format": FORMAT,
            "version": VERSION,
            "rule": rule,
            "biases": list(self.biases),
            "unit_hz": self.unit,
            "circuit": json.loads(to_json(self.circuit)),
        }
        forward = {p.name for p in self._drives()}
        others = {
            OTHER_WEIGHTS + name: np.asarray(w)
            for name, w in self.weights.items()
            if name not in forward
        }
        return {ABOUT: json.dumps(about), **others}

    # -- cells -----------------------------------------------------------------------------

    def _population(self, population: Population) -> None:
        if population.norm is not None:
            raise WiringError(f"population {population.name!r}: {_NO_NORM}")
        kinds = {"linear": self._linear, "relu": self._relu}
        if population.activation not in kinds:
            raise WiringError(
                f"population {population.name!r}: NIR has no cells with activation "
                f"{population.activation!r}. Build the circuit with relu"
            )
        self.nodes[population.name] = kinds[population.activation](population)

    def _linear(self, population: Population) -> Any:
        if population in self.circuit.inputs:
            return self.nir.Input({"input": np.array(population.shape)})
        if population.name != self.circuit.output.name:
            return self.nir.Scale(np.ones(population.shape))
        tau = float(self.parameters.tau_mem)
        return self.nir.CubaLI(v_leak=np.zeros(population.shape), **self._cuba(population, tau, 1))

    def _relu(self, population: Population) -> Any:
        tau, ones = float(self.parameters.tau_mem), np.ones(population.shape)
        return self.nir.CubaLIF(
            v_leak=ones, v_threshold=ones, **self._cuba(population, tau, self.unit * tau)
        )

    def _cuba(self, population: Population, tau: float, r: float) -> dict[str, Any]:
        constants = {
            "tau_syn": float(self.parameters.tau_syn),
            "tau_mem": tau,
            "r": r,
            "w_in": 1 / self.unit,
        }
        return {key: np.full(population.shape, value) for key, value in constants.items()}

    # -- what joins them -------------------------------------------------------------------

    def _drive(self, p: Projection) -> None:
        if p.norm is not None:
            raise WiringError(f"{p.label}: {_NO_NORM}")
        pre, post = (self.circuit.populations[end] for end in (p.pre, p.post))
        nodes = list(self._nodes(p, pre, post))
        names = [p.name if i == len(nodes) - 1 else f"{p.name} {i}" for i in range(len(nodes))]
        self.nodes |= dict(zip(names, nodes, strict=True))
        path = [p.pre, *names, p.post]
        self.edges += pairwise(path)

    def _nodes(self, p: Projection, pre: Population, post: Population) -> Iterator[Any]:
        """What lies between two populations, from one to the other; nothing where one to one."""
        bias, c = self._bias(p), p.connector
        if isinstance(c, AveragePoolConnector):
            yield self.nir.AvgPool2d(*(np.array(both(n)) for n in (c.kernel, c.stride, c.padding)))
        elif isinstance(c, Conv2dConnector):
            w = np.asarray(self.weights[p.name], float)
            bias = np.zeros(post.shape[0]) if bias is None else bias
            window = (c.stride, c.padding, c.dilation, c.groups)
            yield self.nir.Conv2d(pre.shape[1:], w, *window, bias=bias)
        elif p.weights is not None:
            if len(pre.shape) > 1:
                yield self.nir.Flatten({"input": np.array(pre.shape)}, 0, -1)
            w_JI = self._dense(p, pre, post)
            yield self.nir.Linear(w_JI) if bias is None else self.nir.Affine(w_JI, bias)
        elif not isinstance(c, OneToOneConnector):
            raise WiringError(
                f"{p.label}: NIR has no node for {type(c).__name__}. Use average-pools"
            )

    def _dense(self, p: Projection, pre: Population, post: Population) -> np.ndarray:
        if len(post.shape) > 1:
            raise WiringError(
                f"{p.label}: NIR's Linear ends in dense cells, but {post.name!r} has shape "
                f"{post.shape}. Use a convolution, or a dense population"
            )
        if isinstance(p.connector, AllToAllConnector):
            return np.asarray(self.weights[p.name], float)
        pairs = list_pairs(p.connector, pre.shape, post.shape)
        w_JI = np.zeros((post.size, pre.size))
        w_JI[pairs.j, pairs.i] = np.asarray(self.weights[p.name])[pairs.weight]
        return w_JI

    def _bias(self, p: Projection) -> np.ndarray | None:
        """The bias of the target, in spikes per second, if this drive is the one to bring it."""
        if p.post not in self.biases:
            return None
        bringer = _bringer(self.circuit, p.post)
        return np.asarray(self.biases[p.post], float) * self.unit if p.name == bringer else None


_NO_NORM = "NIR has no batch norm. Build the circuit with norm='none' (builder strings: norm=none)"


def _bringer(circuit: Circuit, post: str) -> str:
    """The forward drive whose node holds the bias of a population."""
    drives = circuit.select(role="drive", path="forward", post=post)
    named = [p.name for p in drives if p.weights is not None]
    if not named:
        raise WiringError(
            f"population {post!r} has a bias, but no drive with weights whose NIR node could hold "
            "it. Leave out the bias"
        )
    return named[0]


# -- and back --------------------------------------------------------------------------------


def from_nir(graph: Any) -> tuple[Circuit, dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Circuit, weights and biases of a graph that `to_nir` made, as ``nir.read`` returns it.

    Weights come from the nodes, so that what another tool has learned since is there.

    Raises
    ------
    ValueError
        The graph has no metadata of ours: NIR alone does not say which rule wired it.
    """
    text = graph.metadata.get(ABOUT)
    about = json.loads(text.decode() if isinstance(text, bytes) else text) if text else {}
    if (about.get("format"), about.get("version")) != (FORMAT, VERSION):
        raise ValueError(
            f"the NIR graph has metadata {sorted(graph.metadata)}, expected {ABOUT!r} of version "
            f"{VERSION}: only graphs that to_nir made can be read"
        )
    circuit = from_json(json.dumps(about["circuit"]))
    weights = {
        name.removeprefix(OTHER_WEIGHTS): np.asarray(w)
        for name, w in graph.metadata.items()
        if name.startswith(OTHER_WEIGHTS)
    }
    for p in circuit.select(role="drive", path="forward"):
        if p.weights is not None:
            weights[p.name] = _stored(circuit, p, graph.nodes[p.name].weight)
    biases = {
        name: np.asarray(graph.nodes[_bringer(circuit, name)].bias) / about["unit_hz"]
        for name in about["biases"]
    }
    return circuit, weights, biases


def _stored(circuit: Circuit, p: Projection, w: np.ndarray) -> np.ndarray:
    if isinstance(p.connector, AllToAllConnector | Conv2dConnector | TransposeConnector):
        return np.asarray(w)
    shapes = (circuit.populations[end].shape for end in (p.pre, p.post))
    pairs = list_pairs(p.connector, *shapes)
    assert pairs.weight is not None
    listed = np.zeros(int(pairs.weight.max(initial=-1)) + 1)
    listed[pairs.weight] = np.asarray(w)[pairs.j, pairs.i]
    return listed


def _nir() -> Any:
    try:
        return import_module("nir")
    except ModuleNotFoundError as error:
        if error.name != "nir":
            raise
        raise ModuleNotFoundError(
            'NIR is not installed: pip install "oneway[nir]"', name="nir"
        ) from error
