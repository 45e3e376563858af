"""A NIR graph that other tools wrote, as a forward circuit with its weights and biases."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import networkx as nx
import numpy as np

from oneway.circuits import (
    AllToAllConnector,
    AveragePoolConnector,
    Circuit,
    Connector,
    Conv2dConnector,
    OneToOneConnector,
    Pixels,
    Shape,
    Wiring,
    WiringError,
    both,
)

SPIKING, LEAKY = ("IF", "LIF", "CubaLIF"), ("LI", "CubaLI", "I")
READ = ("Input", "Output", "Linear", "Affine", "Conv2d", "AvgPool2d", "Flatten", "Scale")

Drive = tuple[str, str, Connector, str]  # pre, post, connector, name


def read_foreign(graph: Any) -> tuple[Circuit, dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Circuit, weights and biases of a graph without metadata of ours; see `from_nir`."""
    reading = _Foreign(graph)
    circuit = reading.circuit()
    if reading.cells:
        warnings.warn(
            f"NIR graph: {', '.join(reading.cells)}: time constants, thresholds, leaks and resets "
            "are not taken over, only that the cells rectify or are linear",
            stacklevel=4,
        )
    return circuit, reading.weights, reading.biases


@dataclass
class _Foreign:
    """Populations and drives, found node by node from the input on."""

    graph: Any
    shapes: dict[str, Shape] = field(default_factory=dict)  # of each population
    activations: dict[str, str] = field(default_factory=dict)
    drives: list[Drive] = field(default_factory=list)
    weights: dict[str, np.ndarray] = field(default_factory=dict)
    biases: dict[str, np.ndarray] = field(default_factory=dict)
    cells: list[str] = field(default_factory=list)  # nodes with constants that are not taken over
    ends: dict[str, str] = field(default_factory=dict)  # node -> population that has what it sends

    def circuit(self) -> Circuit:
        self._check_kinds()
        self.names = _names(self.graph.nodes)
        for node in self._order():
            kind = _kind(self.graph.nodes[node])
            self.ends[node] = self._read(node, kind, self.graph.nodes[node])
        return self._wired()

    def _wired(self) -> Circuit:
        wiring = Wiring("nir")
        for name, shape in self.shapes.items():
            activation = self.activations.get(name, "linear")
            wiring.population(name, shape, activation=activation, bias=name in self.biases)
        for pre, post, connector, name in self.drives:
            wiring.connect(pre, post, connector, name=name)
        return wiring.build()

    def _check_kinds(self) -> None:
        known = (*READ, *SPIKING, *LEAKY)
        unknown = [
            f"{name!r} ({_kind(node)})"
            for name, node in self.graph.nodes.items()
            if _kind(node) not in known
        ]
        if unknown:
            raise WiringError(
                f"NIR graph: no circuit has what {', '.join(unknown)} would be, expected nodes of "
                f"the types {', '.join(known)}. Replace these nodes"
            )
        for kind in ("Input", "Output"):
            found = [name for name, node in self.graph.nodes.items() if _kind(node) == kind]
            if len(found) != 1:
                raise WiringError(f"NIR graph: {kind} nodes {found}, expected exactly one")

    def _order(self) -> list[str]:
        order = nx.DiGraph(self.graph.edges)
        order.add_nodes_from(self.graph.nodes)
        try:
            return list(nx.topological_sort(order))
        except nx.NetworkXUnfeasible:
            cycle = " -> ".join(repr(a) for a, _ in nx.find_cycle(order))
            raise WiringError(
                f"NIR graph: the nodes {cycle} form a cycle, and drives of a circuit form none. "
                "Cut the recurrent edge"
            ) from None

    # -- nodes -----------------------------------------------------------------------------

    def _read(self, node: str, kind: str, of: Any) -> str:
        if kind == "Input":
            shape = tuple(int(n) for n in of.input_type["input"])
            # Norse writes the batch axis of its sample too.
            shape = shape[1:] if len(shape) in (2, 4) and shape[0] == 1 else shape
            return self._population(self.names[node], shape)
        arriving = self._arriving(node)
        if kind == "Flatten" or (kind == "Output" and len(arriving) == 1):
            return arriving[0]
        if kind in SPIKING or kind in LEAKY or kind in ("Scale", "Output"):
            return self._cells(node, kind, of, arriving)
        return self._weighted(node, kind, of, self._summed(node, arriving))

    def _arriving(self, node: str) -> list[str]:
        found = [self.ends[a] for a, b in self.graph.edges if b == node]
        if not found:
            raise WiringError(f"NIR graph: nothing reaches {node!r}. Join it, or leave it out")
        return list(dict.fromkeys(found))

    def _cells(self, node: str, kind: str, of: Any, arriving: list[str]) -> str:
        if kind == "Scale" and not np.allclose(of.scale, 1):
            raise WiringError(
                f"NIR graph: node {node!r} (Scale) multiplies by other numbers than 1, which no "
                "drive does cell by cell. Put the factor into the weights before it"
            )
        # Cells that a node with weights reaches are there already, under the name of this one.
        name = self.names[node]
        self._population(name, self.shapes[arriving[0]])
        for pre in arriving:
            if pre != name:
                self._join(pre, name, OneToOneConnector(), f"{pre} to {name}")
        if kind in SPIKING:
            self.activations[name] = "relu"
        if kind in SPIKING or kind in LEAKY:
            self.cells.append(f"{node!r} ({kind})")
        return name

    def _summed(self, node: str, arriving: list[str]) -> str:
        """The population that holds what reaches a node."""
        if len(arriving) == 1:
            return arriving[0]
        name = self._population(f"into_{self.names[node]}", self.shapes[arriving[0]])
        for pre in arriving:
            self._join(pre, name, OneToOneConnector(), f"{pre} to {name}")
        return name

    def _weighted(self, node: str, kind: str, of: Any, pre: str) -> str:
        connector = self._connector(node, kind, of)
        shape = _shape_after(node, kind, connector, self.shapes[pre], of)
        post = self._population(self._target(node), shape)
        name = self._join(pre, post, connector, node)
        if kind != "AvgPool2d":
            self.weights[name] = np.asarray(of.weight, float)
            expected = connector.weight_shape(self.shapes[pre], shape)
            if self.weights[name].shape != expected:
                raise WiringError(
                    f"NIR graph: node {node!r} ({kind}) has weights of shape {of.weight.shape}, "
                    f"but cells of shape {self.shapes[pre]} reach it: expected {expected}. Flatten "
                    "before it, or check the edges that end there"
                )
        if getattr(of, "bias", None) is not None:
            self.biases[post] = self.biases.get(post, 0.0) + np.asarray(of.bias, float)
        return post

    def _target(self, node: str) -> str:
        """Where a node's result goes: into the cells behind it, or into some of its own."""
        onward = [b for a, b in self.graph.edges if a == node]
        if len(onward) == 1 and _kind(self.graph.nodes[onward[0]]) in (*SPIKING, *LEAKY, "Scale"):
            return self.names[onward[0]]
        return self.names[node]

    def _connector(self, node: str, kind: str, of: Any) -> Connector:
        if kind == "AvgPool2d":
            sizes = (of.kernel_size, of.stride, of.padding)
            return AveragePoolConnector(*map(_pixels, sizes))
        if kind != "Conv2d":
            return AllToAllConnector()
        channels, _, *kernel = of.weight.shape
        size, stride, dilation = map(_pixels, (kernel, of.stride, of.dilation))
        padding = _padding(node, of.padding, size, stride, dilation)
        return Conv2dConnector(channels, size, stride, padding, int(of.groups), dilation)

    def _join(self, pre: str, post: str, connector: Connector, second: str) -> str:
        """Add a drive; the `second` between two populations needs a name of its own."""
        name = f"{pre} -> {post}"
        name = second if any(name == drive[3] for drive in self.drives) else name
        self.drives.append((pre, post, connector, name))
        return name

    def _population(self, name: str, shape: Shape) -> str:
        if self.shapes.setdefault(name, shape) != shape:
            raise WiringError(
                f"NIR graph: {name!r} is reached by {shape} and by {self.shapes[name]} cells, "
                "expected one shape. Check the edges that end there"
            )
        return name


def _kind(node: Any) -> str:
    return type(node).__name__


def _names(nodes: Mapping[str, Any]) -> dict[str, str]:
    """Each node's name as a population may have it, told apart where two fall together."""
    names: dict[str, str] = {}
    for node in nodes:
        plain = re.sub(r"\W", "_", node)
        plain = plain if re.match(r"[A-Za-z_]", plain) else f"n{plain}"
        while plain in names.values():
            plain += "_"
        names[node] = plain
    return names


def _shape_after(node: str, kind: str, connector: Connector, pre: Shape, of: Any) -> Shape:
    if kind in ("Linear", "Affine"):
        return (int(of.weight.shape[0]),)
    if len(pre) != 3:
        raise WiringError(
            f"NIR graph: node {node!r} ({kind}) is reached by cells of shape {pre}, expected "
            "images (channels, rows, columns)"
        )
    return connector.output_shape(pre)  # type: ignore[attr-defined]


def _pixels(given: Any) -> Pixels:
    """One number where both directions have the same."""
    rows, columns = (int(n) for n in np.broadcast_to(np.ravel(given), 2))
    return rows if rows == columns else (rows, columns)


def _padding(node: str, given: Any, kernel: Pixels, stride: Pixels, dilation: Pixels) -> Pixels:
    if isinstance(given, bytes):
        given = given.decode()
    if not isinstance(given, str):
        return _pixels(given)
    around = [d * (k - 1) for d, k in zip(both(dilation), both(kernel), strict=True)]
    if given == "same" and (max(both(stride)) > 1 or any(n % 2 for n in around)):
        raise WiringError(
            f"NIR graph: node {node!r} (Conv2d) has padding 'same' with kernel {kernel} and stride "
            f"{stride}, which is not the same on both sides. Write the padding as a number"
        )
    return _pixels([n // 2 for n in around]) if given == "same" else 0
