"""From the operations of a module to a forward circuit, and to the names of its parameters.

A value of the module is either open, a sum of drives that nobody has put together yet, or the
activity of a population. What follows a sum (batch norm, a further summand, φ) goes into it as
long as nobody else reads it; else the sum becomes linear cells of its own, which is the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any, NoReturn

from torch import fx, nn

from oneway.circuits import (
    LEAK,
    AllToAllConnector,
    AveragePoolConnector,
    BatchNorm,
    Circuit,
    Connector,
    Conv2dConnector,
    DropoutConnector,
    MaxPoolConnector,
    OneToOneConnector,
    ReshapeConnector,
    Shape,
    Wiring,
    WiringError,
)

from .names import BIAS, GAIN, MEAN, SHIFT, VAR, WEIGHTS, Names
from .trace import Trace, arguments, module_of, operation, place, shape_of


@dataclass(frozen=True)
class _Drive:
    """A projection to come: from a population, with the names of its parameters by kind."""

    pre: str
    connector: Connector
    names: dict[str, str] = field(default_factory=dict)
    norm: BatchNorm | None = None
    offset: str | None = None


@dataclass(frozen=True)
class _Sum:
    """Drives that add up, and the name of the bias beside them."""

    drives: tuple[_Drive, ...]
    shape: Shape
    name: str
    bias: str | None = None


@dataclass(frozen=True)
class _Cells:
    """The activity of a population, in the shape that the module has it in."""

    population: str
    shape: Shape


class Reader:
    """Reads a trace into a wiring.

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
        self.values: dict[fx.Node, _Sum | _Cells] = {}
        self._reshaped: dict[tuple[str, Shape], str] = {}
        self._used: dict[str, fx.Node] = {}
        shape = shape_of(trace.input)[1:]
        if len(shape) not in (1, 3):
            raise WiringError(
                f"{trace.owner} takes an example of shape {shape_of(trace.input)}, expected "
                "(B, N) or (B, C, H, W)"
            )
        self.wiring.population("x", shape)
        self.values[trace.input] = _Cells("x", shape)

    def read(self) -> tuple[Circuit, Names]:
        """The circuit, and the names of its parameters in the module."""
        for node in self.trace.nodes:
            self._read(node)
        self._end(self.trace.output)
        return self.wiring.build(), Names(self.places, self.offsets)

    def _read(self, node: fx.Node) -> None:
        name = operation(node)
        if name in _IGNORED or self._counts(node):
            return
        handler = _HANDLERS.get(name)
        if handler is None:
            self._refuse(node, f"{name!r} {_INSTEAD.get(name, _KNOWN)}")
        self.values[node] = handler(self, node, arguments(node))

    def _counts(self, node: fx.Node) -> bool:
        """Whether a node counts batches, in a buffer of a batch norm."""
        first = node.args[0] if node.args else None
        stored = self.trace.stored.get(first, "") if isinstance(first, fx.Node) else ""
        return stored.endswith("num_batches_tracked")

    def _refuse(self, node: fx.Node, why: str) -> NoReturn:
        raise WiringError(f"{self.trace.owner}: {place(node)}: {why}")

    # -- values --------------------------------------------------------------------------------

    def _value(self, node: fx.Node, given: Any) -> _Sum | _Cells:
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

    def _cells(self, node: fx.Node, given: Any) -> _Cells:
        """A value as cells: an open sum becomes linear cells."""
        value = self._value(node, given)
        if isinstance(value, _Sum):
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
            drive = _Drive(cells.population, ReshapeConnector())
            kind = "flat" if len(cells.shape) == 1 else "folded"
            name = self._free(f"{cells.population}_{kind}")
            self._reshaped[key] = self._close(_Sum((drive,), cells.shape, name)).population
        return self._reshaped[key]

    def _open(self, node: fx.Node, given: Any) -> _Sum:
        """A value as a sum that this operation may go on with, since nobody else reads it."""
        value = self._value(node, given)
        if isinstance(value, _Sum) and self.trace.is_read_once(given):
            return value
        pre = self._population(node, given)
        shape = self.wiring.populations[pre].shape
        return _Sum((_Drive(pre, OneToOneConnector()),), shape, self._name(node))

    def _image(self, node: fx.Node, given: Any) -> tuple[str, Shape]:
        """A value as a population (C, H, W), and its shape."""
        pre = self._population(node, given)
        shape = self.wiring.populations[pre].shape
        if len(shape) != 3:
            self._refuse(
                node, f"{operation(node)!r} of activity in the shape {shape}, expected (C, H, W)"
            )
        return pre, shape

    def _close(self, value: _Sum, activation: str = "linear") -> _Cells:
        """The population of a sum, with all that drives it."""
        name = self._free(value.name)
        self.wiring.population(
            name, value.shape, activation=activation, bias=value.bias is not None
        )
        if value.bias is not None:
            self.places[value.bias] = (BIAS, name)
        for drive in value.drives:
            self._connect(drive, name)
        return _Cells(name, value.shape)

    def _connect(self, drive: _Drive, post: str) -> None:
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
        if isinstance(value, _Sum) and len(value.shape) == 1 and self.trace.is_read_once(node):
            self._close(value)
            return
        pre = self._population(node, node)
        cells = self.wiring.populations[pre]
        heard = any(p.pre == pre for p in self.wiring.projections.values())
        if heard or cells.activation != "linear" or pre == "x":
            self._close(_Sum((_Drive(pre, OneToOneConnector()),), cells.shape, "output"))

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

    # -- synapses ------------------------------------------------------------------------------

    def linear(self, node: fx.Node, given: dict[str, Any]) -> _Sum:
        cells = self._cells(node, given["input"])
        if len(cells.shape) != 1:
            self._refuse(
                node,
                f"a linear layer of activity in the shape {cells.shape}, expected (N,) beside the "
                "batch; flatten it before",
            )
        return self._weighted(node, given, cells.population, AllToAllConnector())

    def conv2d(self, node: fx.Node, given: dict[str, Any]) -> _Sum:
        pre, _ = self._image(node, given["input"])
        channels, _, *kernel = given["weight"].meta["val"].shape
        kernel, dilation = _pair(kernel), _pair(given["dilation"])
        padding = given["padding"]
        if isinstance(padding, str):
            padding = self._padding(node, padding, kernel, dilation)
        window = (_pair(given["stride"]), _pair(padding), int(given["groups"]), dilation)
        return self._weighted(node, given, pre, Conv2dConnector(int(channels), kernel, *window))

    def _padding(self, node: fx.Node, word: str, kernel, dilation) -> list[int]:
        total = [d * (k - 1) * (word == "same") for k, d in zip(kernel, dilation, strict=True)]
        if any(n % 2 for n in total):
            self._refuse(
                node,
                f"padding='same' with kernel {kernel} and dilation {dilation} pads one side more "
                "than the other, expected both alike; use a kernel of odd size",
            )
        return [n // 2 for n in total]

    def _weighted(
        self, node: fx.Node, given: dict[str, Any], pre: str, connector: Connector
    ) -> _Sum:
        names = self._stored_as(node, {WEIGHTS: given["weight"]})
        bias = self._stored(node, given["bias"], "bias")
        drive = _Drive(pre, connector, names)
        return _Sum((drive,), shape_of(node)[1:], self._name(node), bias)

    # -- cells ---------------------------------------------------------------------------------

    def batch_norm(self, node: fx.Node, given: dict[str, Any]) -> _Sum:
        if given["running_mean"] is None or given["momentum"] is None:
            self._refuse(
                node,
                "batch norm without running statistics or momentum, expected both; leave "
                "track_running_stats and momentum as they are by default",
            )
        if not given["training"]:
            self._refuse(
                node,
                "batch norm that uses its running statistics in training too, expected those of "
                "the batch; let it be in training mode with the rest",
            )
        value = self._open(node, given["input"])
        if not _can_be_normalised(value):
            pre = self._close(value).population
            value = _Sum((_Drive(pre, OneToOneConnector()),), value.shape, self._name(node))
        (drive,) = value.drives
        kinds = {GAIN: "weight", SHIFT: "bias", MEAN: "running_mean", VAR: "running_var"}
        names = self._stored_as(node, {kind: given[key] for kind, key in kinds.items()})
        if (GAIN in names) != (SHIFT in names):
            self._refuse(node, "batch norm with one of weight and bias, expected both or none")
        norm = BatchNorm(given["eps"], given["momentum"], affine=GAIN in names)
        drive = replace(drive, names=drive.names | names, norm=norm, offset=value.bias)
        return replace(value, drives=(drive,), bias=None)

    def activation(self, node: fx.Node, given: dict[str, Any]) -> _Cells:
        name = operation(node)
        for option, usual in _USUAL.get(name, {}).items():
            if given[option] != usual:
                self._refuse(
                    node, f"{name!r} with {option} = {given[option]!r}, expected {usual!r}"
                )
        first = next(iter(given.values()))
        return self._close(self._open(node, first), name)

    def dropout(self, node: fx.Node, given: dict[str, Any]) -> _Sum | _Cells:
        p, channels = float(given["p"]), operation(node) == "feature_dropout"
        if not given["train"] or p == 0:
            return self.same(node, given)
        if p >= 1:
            self._refuse(node, f"dropout with p = {p:g}, expected less than 1")
        pre = self._population(node, given["input"])
        shape = self.wiring.populations[pre].shape
        connector = DropoutConnector(p, channels and len(shape) == 3)
        return _Sum((_Drive(pre, connector),), shape, self._name(node))

    def add(self, node: fx.Node, given: dict[str, Any]) -> _Sum:
        if given["alpha"] != 1:
            self._refuse(node, f"a sum with alpha = {given['alpha']}, expected 1")
        nodes = given["self"], given["other"]
        shapes = [self._value(node, n).shape for n in nodes]
        if shapes[0] != shapes[1]:
            self._refuse(node, f"a sum of activities in the shapes {shapes[0]} and {shapes[1]}")
        if nodes[0] is nodes[1]:
            self._cells(node, nodes[0])
        one, other = (self._open(node, n) for n in nodes)
        if one.bias is not None and other.bias is not None:
            # Cells have one bias, and both summands learn theirs.
            pre = self._close(other).population
            other = _Sum((_Drive(pre, OneToOneConnector()),), other.shape, other.name)
        drives, bias = one.drives + other.drives, one.bias or other.bias
        return _Sum(drives, one.shape, self._name(node), bias)

    # -- pools ---------------------------------------------------------------------------------

    def pool(self, node: fx.Node, given: dict[str, Any]) -> _Sum:
        if _pair(given.get("dilation", 1)) != (1, 1):
            self._refuse(node, f"a max-pool with dilation = {given['dilation']}, expected 1")
        if given.get("divisor_override") is not None:
            self._refuse(node, "an average-pool with divisor_override, expected the mean")
        if any(_pair(given["padding"])) and not given.get("count_include_pad", True):
            self._refuse(node, "padding with count_include_pad=False, expected True or no padding")
        is_max = operation(node).startswith("max")
        kernel = _pair(given["kernel_size"])
        stride = _pair(given["stride"]) if given["stride"] else kernel
        kind = MaxPoolConnector if is_max else AveragePoolConnector
        return self._pooled(node, given, kind(kernel, stride, _pair(given["padding"])))

    def adaptive_pool(self, node: fx.Node, given: dict[str, Any]) -> _Sum | _Cells:
        _, (_, *there) = self._image(node, next(iter(given.values())))
        wanted = [n or m for n, m in zip(_pair(given["output_size"]), there, strict=True)]
        if any(n % m for n, m in zip(there, wanted, strict=True)):
            self._refuse(
                node,
                f"an adaptive pool from {tuple(there)} to {tuple(wanted)} pixels has windows of "
                "several sizes; let the output size divide the input size",
            )
        kernel = (there[0] // wanted[0], there[1] // wanted[1])
        if kernel == (1, 1):
            return self._value(node, next(iter(given.values())))
        is_max = operation(node).startswith("adaptive_max")
        kind = MaxPoolConnector if is_max else AveragePoolConnector
        return self._pooled(node, given, kind(kernel))

    def mean(self, node: fx.Node, given: dict[str, Any]) -> _Sum | _Cells:
        pre, (channels, rows, columns) = self._image(node, given["self"])
        dims = {d % 4 for d in given["dim"] or ()}
        if not dims or not dims <= {2, 3}:
            self._refuse(
                node, f"a mean over the dimensions {given['dim']}, expected those of an image, 2, 3"
            )
        connector = AveragePoolConnector((rows if 2 in dims else 1, columns if 3 in dims else 1))
        shape = connector.output_shape((channels, rows, columns))
        value = _Sum((_Drive(pre, connector),), shape, self._name(node))
        if given["keepdim"]:
            return value
        return replace(self._close(value), shape=shape_of(node)[1:])

    def _pooled(self, node: fx.Node, given: dict[str, Any], connector) -> _Sum:
        pre, shape = self._image(node, next(iter(given.values())))
        seen = node.meta["val"]
        wanted = tuple(int(n) for n in (seen[0] if isinstance(seen, tuple | list) else seen).shape)
        if connector.output_shape(shape) != wanted[1:]:
            self._refuse(
                node,
                f"a pool with ceil_mode that makes {wanted[1:]} of {shape}, with windows beyond "
                "the edge; leave ceil_mode out",
            )
        return _Sum((_Drive(pre, connector),), wanted[1:], self._name(node))

    def first(self, node: fx.Node, given: dict[Any, Any]) -> _Sum | _Cells:
        """The first result of a pool that also says where it found it."""
        if given[1] != 0:
            self._refuse(node, "the indices of a max-pool, expected its values only")
        return self._value(node, given[0])

    # -- shapes --------------------------------------------------------------------------------

    def same(self, node: fx.Node, given: dict[str, Any]) -> _Sum | _Cells:
        first = next(iter(given.values()))
        return (
            self._value(node, first) if self.trace.is_read_once(first) else self._cells(node, first)
        )

    def reshape(self, node: fx.Node, given: dict[str, Any]) -> _Cells:
        first = next(iter(given.values()))
        batch, *shape = shape_of(node)
        cells = self._cells(node, first)
        if batch != shape_of(first)[0] or prod(shape) != prod(cells.shape):
            self._refuse(
                node,
                f"{operation(node)!r} makes {shape_of(node)} of {shape_of(first)}, expected each "
                "sample to stay one; keep the first dimension",
            )
        return replace(cells, shape=tuple(shape))


def _can_be_normalised(value: _Sum) -> bool:
    """Whether batch norm can belong to the one drive of a sum."""
    kinds = (AllToAllConnector, Conv2dConnector, OneToOneConnector)
    if len(value.drives) != 1:
        return False
    (drive,) = value.drives
    return drive.norm is None and isinstance(drive.connector, kinds)


def _pair(numbers: Any) -> tuple[int, int]:
    """As torch means it: one number is for both axes."""
    if not isinstance(numbers, list | tuple):
        return (numbers, numbers)
    return (numbers[0], numbers[-1])


# Attributes of the dictionaries that hold parameters cannot be names of parameters, and two names
# are those of populations that rules add or that are there.
_TAKEN = {*dir(nn.ParameterDict()), *dir(nn.ModuleDict()), "x", "target"}
# torch's options at which an activation is the one that circuits know.
_USUAL: dict[str, dict[str, Any]] = {
    "leaky_relu": {"negative_slope": LEAK},
    "elu": {"alpha": 1, "scale": 1, "input_scale": 1},
    "softplus": {"beta": 1, "threshold": 20},
    "gelu": {"approximate": "none"},
}
_IGNORED = {"_assert_tensor_metadata", "_assert_scalar", "sym_constrain_range_for_size"}
_ACTIVATIONS = "relu leaky_relu elu softplus tanh sigmoid gelu silu".split()
_RESHAPES = "flatten view reshape _unsafe_view squeeze unsqueeze unflatten".split()
_HANDLERS: dict[str, Callable[[Reader, fx.Node, Any], _Sum | _Cells]] = {
    "linear": Reader.linear,
    "conv2d": Reader.conv2d,
    "batch_norm": Reader.batch_norm,
    **dict.fromkeys(_ACTIVATIONS, Reader.activation),
    "dropout": Reader.dropout,
    "feature_dropout": Reader.dropout,
    "add": Reader.add,
    **dict.fromkeys(("max_pool2d", "max_pool2d_with_indices", "avg_pool2d"), Reader.pool),
    **dict.fromkeys(("adaptive_avg_pool2d", "adaptive_max_pool2d"), Reader.adaptive_pool),
    "mean": Reader.mean,
    "getitem": Reader.first,
    **dict.fromkeys(("clone", "contiguous", "alias", "lift_fresh_copy"), Reader.same),
    **dict.fromkeys(_RESHAPES, Reader.reshape),
}
_KNOWN = (
    "has no counterpart in a circuit; there are linear layers, Conv2d, BatchNorm1d and 2d, "
    f"{', '.join(_ACTIVATIONS)}, max and average pools, dropout, sums, flatten and reshape"
)
_INSTEAD = {
    **dict.fromkeys(
        ("log_softmax", "softmax"), "is part of the loss here: leave it out, and let loss= have it"
    ),
    "detach": "has no counterpart in a circuit: its rule says what learns from what",
    "layer_norm": "has no counterpart in a circuit; use BatchNorm1d or BatchNorm2d",
    "group_norm": "has no counterpart in a circuit; use BatchNorm2d",
    "mul": "has no counterpart in a circuit, in which activities add up; use a sum",
    "cat": "has no counterpart in a circuit, in which activities add up; use a sum",
    "conv1d": "has no counterpart in a circuit; use Conv2d with a kernel of one row",
    "relu6": "is no φ that circuits know; use relu",
    "hardtanh": "is no φ that circuits know; use relu or tanh",
}
