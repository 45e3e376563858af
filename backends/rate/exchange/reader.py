"""From the operations of a module to a forward circuit, and to the names of its parameters.

Each operation that circuits know has a handler here, which takes a node and its arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod
from typing import Any

from torch import fx

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
)

from .names import GAIN, MEAN, SHIFT, VAR, WEIGHTS, Names
from .sums import Cells, Drive, Sum, Values
from .trace import arguments, operation, shape_of


class Reader(Values):
    """Reads a trace into a circuit."""

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

    # -- synapses ------------------------------------------------------------------------------

    def linear(self, node: fx.Node, given: dict[str, Any]) -> Sum:
        cells = self._cells(node, given["input"])
        if len(cells.shape) != 1:
            self._refuse(
                node,
                f"a linear layer of activity in the shape {cells.shape}, expected (N,) beside the "
                "batch; flatten it before",
            )
        return self._weighted(node, given, cells.population, AllToAllConnector())

    def conv2d(self, node: fx.Node, given: dict[str, Any]) -> Sum:
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
    ) -> Sum:
        names = self._stored_as(node, {WEIGHTS: given["weight"]})
        bias = self._stored(node, given["bias"], "bias")
        drive = Drive(pre, connector, names)
        return Sum((drive,), shape_of(node)[1:], self._name(node), bias)

    # -- cells ---------------------------------------------------------------------------------

    def batch_norm(self, node: fx.Node, given: dict[str, Any]) -> Sum:
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
            value = Sum((Drive(pre, OneToOneConnector()),), value.shape, self._name(node))
        (drive,) = value.drives
        kinds = {GAIN: "weight", SHIFT: "bias", MEAN: "running_mean", VAR: "running_var"}
        names = self._stored_as(node, {kind: given[key] for kind, key in kinds.items()})
        if (GAIN in names) != (SHIFT in names):
            self._refuse(node, "batch norm with one of weight and bias, expected both or none")
        norm = BatchNorm(given["eps"], given["momentum"], affine=GAIN in names)
        drive = replace(drive, names=drive.names | names, norm=norm, offset=value.bias)
        return replace(value, drives=(drive,), bias=None)

    def activation(self, node: fx.Node, given: dict[str, Any]) -> Cells:
        name = operation(node)
        for option, usual in _USUAL.get(name, {}).items():
            if given[option] != usual:
                self._refuse(
                    node, f"{name!r} with {option} = {given[option]!r}, expected {usual!r}"
                )
        first = next(iter(given.values()))
        return self._close(self._open(node, first), name)

    def dropout(self, node: fx.Node, given: dict[str, Any]) -> Sum | Cells:
        p, channels = float(given["p"]), operation(node) == "feature_dropout"
        if not given["train"] or p == 0:
            return self.same(node, given)
        if p >= 1:
            self._refuse(node, f"dropout with p = {p:g}, expected less than 1")
        pre = self._population(node, given["input"])
        shape = self.wiring.populations[pre].shape
        connector = DropoutConnector(p, channels and len(shape) == 3)
        return Sum((Drive(pre, connector),), shape, self._name(node))

    def add(self, node: fx.Node, given: dict[str, Any]) -> Sum:
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
            other = Sum((Drive(pre, OneToOneConnector()),), other.shape, other.name)
        drives, bias = one.drives + other.drives, one.bias or other.bias
        return Sum(drives, one.shape, self._name(node), bias)

    # -- pools ---------------------------------------------------------------------------------

    def pool(self, node: fx.Node, given: dict[str, Any]) -> Sum:
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

    def adaptive_pool(self, node: fx.Node, given: dict[str, Any]) -> Sum | Cells:
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

    def mean(self, node: fx.Node, given: dict[str, Any]) -> Sum | Cells:
        pre, (channels, rows, columns) = self._image(node, given["self"])
        dims = {d % 4 for d in given["dim"] or ()}
        if not dims or not dims <= {2, 3}:
            self._refuse(
                node, f"a mean over the dimensions {given['dim']}, expected those of an image, 2, 3"
            )
        connector = AveragePoolConnector((rows if 2 in dims else 1, columns if 3 in dims else 1))
        shape = connector.output_shape((channels, rows, columns))
        value = Sum((Drive(pre, connector),), shape, self._name(node))
        if given["keepdim"]:
            return value
        return replace(self._close(value), shape=shape_of(node)[1:])

    def _pooled(self, node: fx.Node, given: dict[str, Any], connector) -> Sum:
        pre, shape = self._image(node, next(iter(given.values())))
        seen = node.meta["val"]
        wanted = tuple(int(n) for n in (seen[0] if isinstance(seen, tuple | list) else seen).shape)
        if connector.output_shape(shape) != wanted[1:]:
            self._refuse(
                node,
                f"a pool with ceil_mode that makes {wanted[1:]} of {shape}, with windows beyond "
                "the edge; leave ceil_mode out",
            )
        return Sum((Drive(pre, connector),), wanted[1:], self._name(node))

    def first(self, node: fx.Node, given: dict[Any, Any]) -> Sum | Cells:
        """The first result of a pool that also says where it found it."""
        if given[1] != 0:
            self._refuse(node, "the indices of a max-pool, expected its values only")
        return self._value(node, given[0])

    # -- shapes --------------------------------------------------------------------------------

    def same(self, node: fx.Node, given: dict[str, Any]) -> Sum | Cells:
        first = next(iter(given.values()))
        return (
            self._value(node, first) if self.trace.is_read_once(first) else self._cells(node, first)
        )

    def reshape(self, node: fx.Node, given: dict[str, Any]) -> Cells:
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


def _can_be_normalised(value: Sum) -> bool:
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
_HANDLERS: dict[str, Callable[[Reader, fx.Node, Any], Sum | Cells]] = {
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
