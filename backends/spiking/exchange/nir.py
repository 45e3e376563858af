"""The forward net of a spiking circuit as NIR, the exchange format of neuromorphic tools.

NIR describes cells and what joins them, and knows no learning. So the forward path becomes nodes
that other simulators and chips run, and the whole wired circuit, with feedback weights and
plasticity, travels in the metadata, from which `from_nir` takes it back.
"""

from __future__ import annotations

import json
import warnings
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
    check_whole,
    from_json,
    to_json,
)
from oneway.circuits.format_version import misread
from oneway.circuits.json_text import parse_json

from ..translation.connectors import list_pairs
from .foreign_nir import read_foreign

if TYPE_CHECKING:
    from ..parameters import SpikingParameters

FORMAT, VERSION = "oneway-nir", 2
ABOUT, OTHER_WEIGHTS = "oneway", "weights of "
# The time step for which spikes are counted: a spike is 1 in one step, as other tools have it.
# snnTorch knows no other; Norse's importer is told (`dt=1e-4`).
STEP_S = 1e-4

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
    input                        `Input`: spikes in one step of 0.1 ms; `parameters.unit` a second
                                 are an activity of 1
    relu cells                   `CubaLIF` without leak voltage; the bias before them also holds a
                                 current at threshold, so that they rectify there
    linear cells                 none: what drives them is what they send on (`Scale` by 1 where two
                                 edges would fall together)
    output                       `Output`, of weighted spikes in one step. Their mean, divided by
                                 ``unit * 1e-4``, is the activity
    all-to-all, sparse           `Linear`, or `Affine` where it brings the target's bias
    convolution, average pool    `Conv2d`; `Flatten` before dense cells
    ===========================  =================================================================

    Voltages are in units of the threshold, weights in units of activity. A cell has the parameters
    that snnTorch's importer asks for (no leak voltage, ``r = tau_mem / 1e-4``) and Norse's computes
    with. NIR's cells are set back to 0 and not by the threshold, and the backend's current for a
    rate is not quite linear, so that rates differ somewhat from the backend's.

    Parameters
    ----------
    circuit : Circuit
        Forward or wired.
    weights, biases : mappings
        As `SpikingNetwork.weights` and `SpikingNetwork.biases` give them, (post, pre, ...).
    parameters : SpikingParameters
    rule : str, optional
        Name of the rule, for readers; learning is told by the circuit.

    Warns
    -----
    UserWarning
        What of the circuit other tools will not run: the sentences of `nir_losses`.

    Raises
    ------
    WiringError
        The forward path has something that NIR has no word for.
    ModuleNotFoundError
        NIR is not installed.
    """
    graph = _Export(circuit, weights, biases, parameters).graph(rule)
    if losses := nir_losses(circuit):
        warnings.warn(f"NIR export of {circuit.name!r}: {'; '.join(losses)}", stacklevel=2)
    return graph


def nir_losses(circuit: Circuit) -> list[str]:
    """What of a circuit is no node of its NIR graph and stands in the metadata only, in sentences.

    Examples
    --------
    >>> from oneway.backends.spiking import nir_losses
    >>> from oneway.circuits import mlp
    >>> from oneway.rules import parse_rule
    >>> nir_losses(parse_rule("kp").wire(mlp((4, 3, 2))))[0]
    'feedback: 2 populations (delta_output, delta_h1) and what joins them are left out'
    """
    losses = []
    for path in ("feedback", "auxiliary", "target"):
        cells = [p.name for p in circuit.populations.values() if p.path == path]
        if cells:
            named = f"{len(cells)} population{'s' * (len(cells) > 1)} ({', '.join(cells)})"
            losses.append(f"{path}: {named} and what joins them are left out")
    learning = [p.name for p in circuit.projections.values() if p.plasticity is not None]
    if learning:
        losses.append(f"learning: {len(learning)} plastic projections have fixed weights")
    delayed = [p.name for p in circuit.select(role="drive", path="forward") if p.delay]
    if delayed:
        losses.append(f"delays: {', '.join(delayed)} act at once")
    if len(circuit.phases) > 1 or any(phase.noisy for phase in circuit.phases.values()):
        losses.append(f"phases: {', '.join(circuit.phases)} do not take turns")
    for phase in circuit.phases.values():
        if not phase.noisy and phase.noise_mean:
            losses.append(
                f"baseline: drives convey all activity, not what exceeds {phase.noise_mean:g}"
            )
    return losses


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
        self.nir = _nir()
        self.unit_steps = _unit_steps(self.parameters)

    def graph(self, rule: str | None) -> Any:
        for name in self.circuit.order("forward"):
            self._population(self.circuit.populations[name])
        for p in self._drives():
            self._drive(p)
        output = self.circuit.output
        self.nodes["out"] = self.nir.Output({"output": np.array(output.shape)})
        self.edges.append((output.name, "out"))
        self._leave_out_relays()
        return self.nir.NIRGraph(self.nodes, self.edges, metadata=self._metadata(rule))

    def _leave_out_relays(self) -> None:
        """Tie what comes into a node that changes nothing to what it goes to."""
        for name in [n for n, node in self.nodes.items() if isinstance(node, self.nir.Scale)]:
            into = [a for a, b in self.edges if b == name]
            onward = [b for a, b in self.edges if a == name]
            short = [(a, b) for a in into for b in onward]
            if into and not set(short) & set(self.edges):
                self.edges = [edge for edge in self.edges if name not in edge] + short
                del self.nodes[name]

    def _drives(self) -> Iterator[Projection]:
        return self.circuit.select(role="drive", path="forward")

    def _metadata(self, rule: str | None) -> dict[str, Any]:
        about = {
            "format": FORMAT,
            "version": str(VERSION),
            "rule": rule,
            "biases": list(self.biases),
            "unit_hz": float(self.parameters.unit),
            "step_s": STEP_S,
            "unit_steps": self.unit_steps,
            "at_threshold": _at_threshold(self.parameters),
            "losses": nir_losses(self.circuit),
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
        return self.nir.Scale(np.ones(population.shape))

    def _relu(self, population: Population) -> Any:
        tau_mem, tau_syn = float(self.parameters.tau_mem), float(self.parameters.tau_syn)
        constants = {
            "tau_syn": tau_syn,
            "tau_mem": tau_mem,
            "r": tau_mem / STEP_S,
            "v_leak": 0.0,
            "v_threshold": 1.0,
            "w_in": 1.0,
        }
        each = {key: np.full(population.shape, value) for key, value in constants.items()}
        return self.nir.CubaLIF(**each)

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
            # Norse's importer drops an AvgPool2d; a convolution is the same, and every tool has it.
            channels = np.arange(pre.shape[0])
            w = np.zeros((len(channels), len(channels), *both(c.kernel)))
            w[channels, channels] = 1 / c.window_size
            nothing = np.zeros(len(channels))
            yield self.nir.Conv2d(pre.shape[1:], w, c.stride, c.padding, 1, 1, nothing)
        elif isinstance(c, Conv2dConnector):
            if c.groups > 1:
                raise WiringError(
                    f"{p.label}: a convolution in {c.groups} groups has no valid NIR node, since "
                    "NIR and the tools that read it take the number of its input channels from "
                    "the weights, which have one group's only. Build the circuit with groups=1"
                )
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
        check_whole(p.label, pre.shape, post.shape, "NIR has no sparse node; take fewer cells")
        pairs = list_pairs(p.connector, pre.shape, post.shape)
        w_JI = np.zeros((post.size, pre.size))
        w_JI[pairs.j, pairs.i] = np.asarray(self.weights[p.name])[pairs.weight]
        return w_JI

    def _bias(self, p: Projection) -> np.ndarray | None:
        """What this drive adds in one step, if it is the one to bring its target's bias.

        Cells that spike get a current besides that holds them at their threshold.
        """
        post = self.circuit.populations[p.post]
        spikes = post.activation == "relu"
        if p.post not in self.biases and not spikes:
            return None
        if p.name != _bringer(self.circuit, p.post):
            return None
        bias = np.asarray(self.biases.get(p.post, np.zeros(post.shape[0])), float)
        held = _at_threshold(self.parameters) if spikes else 0.0
        return bias * self.unit_steps + held


_NO_NORM = "NIR has no batch norm. Build the circuit with norm='none' (builder strings: norm=none)"


def _unit_steps(parameters: SpikingParameters) -> float:
    """Spikes in one step that are an activity of 1."""
    return float(parameters.unit) * STEP_S


def _at_threshold(parameters: SpikingParameters) -> float:
    """Current that brings a cell's voltage to its threshold and no further, in spikes a step."""
    return STEP_S / float(parameters.tau_mem)


def _bringer(circuit: Circuit, post: str) -> str:
    """The forward drive whose node holds the bias of a population."""
    drives = circuit.select(role="drive", path="forward", post=post)
    named = [p.name for p in drives if p.weights is not None]
    if not named:
        raise WiringError(
            f"population {post!r} has a bias or spikes at a threshold, but no drive with weights "
            "whose NIR node could hold the current for it. Leave out the bias, or make the cells "
            "linear"
        )
    return named[0]


# -- and back --------------------------------------------------------------------------------


def from_nir(graph: Any) -> tuple[Circuit, dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Circuit, weights and biases of a graph, as ``nir.read`` returns it.

    Of one that `to_nir` made, the wired circuit; weights come from the nodes, so that what another
    tool has learned since is there. Of any other, a forward circuit:

    =============================  ===============================================================
    `Input`, `Output`              the input and the output population
    `IF`, `LIF`, `CubaLIF`         relu cells
    `LI`, `CubaLI`, `I`, `Scale`   linear cells; a `Scale` by 1 only
    `Linear`, `Affine`, `Conv2d`   drives with weights, biases at the cells they reach
    `AvgPool2d`, `Flatten`         an average pool; nothing, since dense drives read images
    =============================  ===============================================================

    Returns
    -------
    circuit : Circuit
    weights, biases : dict
        Drive → (post, pre, ...) array, population → array, for `SpikingNetwork` and
        `RateNetwork`.

    Warns
    -----
    UserWarning
        What of a foreign graph a circuit has no word for: its cells' constants.

    Raises
    ------
    WiringError
        A node is of another type or has parameters that no connector has, or edges form a cycle.
        The message names the node and its type.
    """
    try:
        return _read(graph)
    except WiringError:
        raise
    # Nodes and metadata of other types and shapes can fail anywhere, with whatever is raised there.
    except Exception as error:
        raise WiringError(
            f"NIR graph: its nodes or metadata are not what NIR has there ({error!r}). Export it "
            "again"
        ) from error


def _read(graph: Any) -> tuple[Circuit, dict[str, np.ndarray], dict[str, np.ndarray]]:
    text = graph.metadata.get(ABOUT)
    if not text:
        return read_foreign(graph)
    about = parse_json(text)
    if reason := misread(about, FORMAT, VERSION):
        raise WiringError(
            f"the metadata of the NIR graph cannot be read: {reason}. Without metadata[{ABOUT!r}] "
            "its nodes are read alone"
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
    biases = {name: _read_bias(circuit, graph, about, name) for name in about["biases"]}
    return circuit, weights, biases


def _read_bias(circuit: Circuit, graph: Any, about: Mapping[str, Any], name: str) -> np.ndarray:
    held = about["at_threshold"] if circuit.populations[name].activation == "relu" else 0.0
    return (np.asarray(graph.nodes[_bringer(circuit, name)].bias) - held) / about["unit_steps"]


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
