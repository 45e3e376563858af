"""The values of a module on their way to become populations and projections.

A value is either open, a sum of drives that nobody has put together yet, or the activity of a
population. What follows a sum (batch norm, a further summand, φ) goes into it as long as nobody
else reads it; else the sum becomes linear cells of its own, which is the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, NoReturn

from torch import fx, nn

from oneway.circuits import (
    BatchNorm,
    Connector,
    OneToOneConnector,
    ReshapeConnector,
    Shape,
    Wiring,
    WiringError,
)

from .names import BIAS
from .trace import Trace, module_of, operation, place, shape_of


@dataclass(frozen=True)
class Drive:
    """A projection to come: from a population, with the names of its parameters by kind."""

    pre: str
    connector: Connector
    names: dict[str, str] = field(default_factory=dict)
    norm: BatchNorm | None = None
    offset: str | None = None


@dataclass(frozen=True)
class Sum:
    """Drives that add up, and the name of the bias beside them."""

    drives: tuple[Drive, ...]
    shape: Shape
    name: str
    bias: str | None = None


@dataclass(frozen=True)
class Cells:
    """The activity of a population, in the shape that the module has it in."""

    population: str
    shape: Shape


class Values:
    """Wires the values of a trace.

    Parameters
    ----------
    trace : Trace
    name : str
        Of the circuit.
    """

    def __init__(self, trace: Trace, name: str) -> None:
        self.trace, self.wiring = trace, Wiring(name)
        self.places: dict[str, tuple[str, str]] = {}
        self.offsets: dict[str, str] = {}
        self.values: dict[fx.Node, Sum | Cells] = {}
        self._reshaped: dict[tuple[str, Shape], str] = {}
        self._used: dict[str, fx.Node] = {}
        shape = shape_of(trace.input)[1:]
        if len(shape) not in (1, 3):
            raise WiringError(
                f"{trace.owner} takes an example of shape {shape_of(trace.input)}, expected "
                "(B, N) or (B, C, H, W)"
            )
        self.wiring.population("x", shape)
        self.values[trace.input] = Cells("x", shape)

    def _refuse(self, node: fx.Node, why: str) -> NoReturn:
        raise WiringError(f"{self.trace.owner}: {place(node)}: {why}")

    # -- values --------------------------------------------------------------------------------

    def _value(self, node: fx.Node, given: Any) -> Sum | Cells:
        """What an operation is given, if that is activity."""
        if not isinstance(given, fx.Node) or given not in self.values:
            stored = isinstance(given, fx.Node) and self.trace.stored.get(given)
            what = stored or str(given)
            self._refuse(
                node,
                f"{operation(node)!r} takes {what!r}, which is no activity of the batch; a circuit "
                "has linear layers, convolutions, norms and sums of activities only",
            )
        return self.values[given]

    def _cells(self, node: fx.Node, given: Any) -> Cells:
        """A value as cells: an open sum becomes linear cells."""
        value = self._value(node, given)
        if isinstance(value, Sum):
            value = self.values[given] = self._close(value)
        return value

    def _population(self, node: fx.Node, given: Any) -> str:
        """A value as a population in the shape that the module has it in."""
        cells = self._cells(node, given)
        if self.wiring.populations[cells.population].shape == cells.shape:
            return cells.population
        if len(cells.shape) not in (1, 3):
            self._refuse(
                node,
                f"{operation(node)!r} of activity in the shape {cells.shape}, expected (N,) or "
                "(C, H, W) beside the batch",
            )
        key = (cells.population, cells.shape)
        if key not in self._reshaped:
            drive = Drive(cells.population, ReshapeConnector())
            kind = "flat" if len(cells.shape) == 1 else "folded"
            name = self._free(f"{cells.population}_{kind}")
            self._reshaped[key] = self._close(Sum((drive,), cells.shape, name)).population
        return self._reshaped[key]

    def _open(self, node: fx.Node, given: Any) -> Sum:
        """A value as a sum that this operation may go on with, since nobody else reads it."""
        value = self._value(node, given)
        if isinstance(value, Sum) and self.trace.is_read_once(given):
            return value
        pre = self._population(node, given)
        shape = self.wiring.populations[pre].shape
        return Sum((Drive(pre, OneToOneConnector()),), shape, self._name(node))

    def _image(self, node: fx.Node, given: Any) -> tuple[str, Shape]:
        """A value as a population (C, H, W), and its shape."""
        pre = self._population(node, given)
        shape = self.wiring.populations[pre].shape
        if len(shape) != 3:
            self._refuse(
                node, f"{operation(node)!r} of activity in the shape {shape}, expected (C, H, W)"
            )
        return pre, shape

    def _close(self, value: Sum, activation: str = "linear") -> Cells:
        """The population of a sum, with all that drives it."""
        name = self._free(value.name)
        self.wiring.population(
            name, value.shape, activation=activation, bias=value.bias is not None
        )
        if value.bias is not None:
            self.places[value.bias] = (BIAS, name)
        for drive in value.drives:
            self._connect(drive, name)
        return Cells(name, value.shape)

    def _connect(self, drive: Drive, post: str) -> None:
        name = f"{drive.pre} -> {post}"
        n = sum(p.pre == drive.pre and p.post == post for p in self.wiring.projections.values())
        name += f" ({n + 1})" if n else ""
        norm = "full" if drive.norm else "none"
        self.wiring.connect(
            drive.pre, post, drive.connector, name=name, norm=drive.norm, error_norm=norm
        )
        self.places |= {stored: (kind, name) for kind, stored in drive.names.items()}
        if drive.offset is not None:
            self.offsets[name] = drive.offset

    def _end(self, node: fx.Node) -> None:
        """Let the output be linear cells that nobody else hears, as the loss has no φ′ of it."""
        value = self._value(node, node)
        if isinstance(value, Sum) and len(value.shape) == 1 and self.trace.is_read_once(node):
            self._close(value)
            return
        pre = self._population(node, node)
        cells = self.wiring.populations[pre]
        heard = any(p.pre == pre for p in self.wiring.projections.values())
        if heard or cells.activation != "linear" or pre == "x":
            self._close(Sum((Drive(pre, OneToOneConnector()),), cells.shape, "output"))

    # -- names ---------------------------------------------------------------------------------

    def _name(self, node: fx.Node) -> str:
        """After the module that an operation is of; else after what it does there."""
        path, is_layer = module_of(node)
        if path and (is_layer or operation(node) == "add"):
            return path
        return f"{path}.{operation(node)}" if path else operation(node)

    def _free(self, name: str) -> str:
        """A name for a population: letters and digits, not taken and of no meaning elsewhere."""
        name = re.sub(r"\W", "_", name)
        if name in _TAKEN or not re.match("[A-Za-z_]", name) or name.startswith("delta_"):
            name = f"cells_{name}"
        number = 2
        free = name
        while free in self.wiring.populations:
            free, number = f"{name}_{number}", number + 1
        return free

    def _stored(self, node: fx.Node, given: Any, what: str) -> str | None:
        """The name of a parameter or buffer, which this operation is the only one to use."""
        if given is None:
            return None
        name = self.trace.stored.get(given)
        if name is None:
            self._refuse(
                node,
                f"the {what} of {operation(node)!r} is worked out from other values, expected a "
                "parameter of its own; remove the parametrization",
            )
        if name in self._used:
            self._refuse(
                node,
                f"{name!r} is used a second time, first by {place(self._used[name])}; a circuit "
                "has each synapse once. Make two modules of it",
            )
        self._used[name] = node
        return name

    def _stored_as(self, node: fx.Node, given: dict[str, Any]) -> dict[str, str]:
        named = {kind: self._stored(node, value, kind) for kind, value in given.items()}
        return {kind: name for kind, name in named.items() if name is not None}


# Attributes of the dictionaries that hold parameters cannot be names of parameters, and two names
# are those of populations that rules add or that are there.
_TAKEN = {*dir(nn.ParameterDict()), *dir(nn.ModuleDict()), "x", "target"}
