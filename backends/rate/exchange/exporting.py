"""`to_torch`: the forward path of a network as a plain torch module."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from oneway.circuits import (
    LEAK,
    AllToAllConnector,
    Conv2dConnector,
    Population,
    Projection,
    WiringError,
    both,
)

from ..network import RateNetwork
from .layers import plain_batch_norm, plain_layers
from .names import BIAS, MEAN, WEIGHTS, Names
from .usual import usual_names

_COUNT = "num_batches_tracked"
_PHI: dict[str, tuple[Callable[..., Tensor], tuple[Any, ...]]] = {
    "relu": (F.relu, ()),
    "leaky_relu": (F.leaky_relu, (LEAK,)),
    "elu": (F.elu, ()),
    "softplus": (F.softplus, ()),
    "tanh": (torch.tanh, ()),
    "sigmoid": (torch.sigmoid, ()),
    "gelu": (F.gelu, ()),
    "silu": (F.silu, ()),
}


def to_torch(net: RateNetwork) -> nn.Module:
    """The forward path of a network as a plain module, with its weights.

    Parameters
    ----------
    net : RateNetwork
        Imported by `from_torch`, or of any forward circuit whose connectors torch has layers for.

    Returns
    -------
    nn.Module
        A `torch.fx.GraphModule` of ``nn.Linear``, ``nn.Conv2d``, ``nn.BatchNorm2d`` and so on, in
        the mode of the network. Its ``state_dict`` has the names of the module that the network
        came from and loads into that class; for circuits of ours those of `usual_names`, which for
        residual nets are torchvision's. Nothing is shared with the network.

    Raises
    ------
    WiringError
        Torch has no layer for a connector, or cells convey their deviation from a baseline.

    Examples
    --------
    >>> import torch
    >>> from oneway.circuits import mlp
    >>> net = RateNetwork(mlp((4, 8, 3), norm="before"))
    >>> module = to_torch(net)
    >>> [name for name, _ in module.named_parameters()]
    ['h1.linear.weight', 'h1.norm.weight', 'h1.norm.bias', 'output.weight', 'output.bias']
    >>> x = torch.ones(2, 4)
    >>> torch.allclose(module.eval()(x), net.eval()(x))
    True
    """
    _check_baseline(net)
    names = net.names or usual_names(net.circuit)
    state = names.read(net)
    module = _Writer(net, names, state).write()
    like = next(net.parameters())
    module = module.to(like.device, like.dtype)
    for name, tensor in module.state_dict().items():
        if name.endswith(_COUNT):
            state.setdefault(name, tensor)
    for name in state.keys() - module.state_dict().keys():
        home, last = _home(module, name)
        home.register_buffer(last, torch.empty_like(state[name]))
    module.load_state_dict(state)
    return module.train(net.training)


def _check_baseline(net: RateNetwork) -> None:
    reading = net.circuit.reading
    for p in net.circuit.select(role="drive", path="forward"):
        beta = reading.baseline(p, reading.data_phases[0])
        if beta:
            raise WiringError(
                f"{p.label} conveys the deviation of its cells from a baseline of {beta:g}, for "
                "which torch has no layer. Wire the rule without noise_mean"
            )


def _home(module: nn.Module, name: str) -> tuple[nn.Module, str]:
    """The part of a module that a name is in, made where there is none, and the name there."""
    *path, last = name.split(".")
    for part in path:
        if not hasattr(module, part):
            module.add_module(part, nn.Module())
        module = getattr(module, part)
    if hasattr(module, last):
        raise WiringError(f"{name!r} is the name of two parts of the module; name one anew")
    return module, last


class _Writer:
    """Writes the graph of a network's forward path."""

    def __init__(self, net: RateNetwork, names: Names, state: dict[str, Tensor]) -> None:
        self.circuit, self.names, self.state = net.circuit, names, state
        self.graph = fx.Graph()
        self.parts: dict[str, Any] = {}
        self.activity: dict[str, fx.Node] = {}

    def write(self) -> fx.GraphModule:
        (x,) = self.circuit.inputs
        self.activity[x.name] = self.graph.placeholder("x")
        for name in self.circuit.order("forward"):
            if name != x.name:
                self.activity[name] = self._cells(self.circuit.populations[name])
        self.graph.output(self.activity[self.circuit.output.name])
        root = nn.Module()  # not a mapping, of which parts come in another order
        for name, part in self.parts.items():
            home, last = _home(root, name)
            setattr(home, last, part)
        return fx.GraphModule(root, self.graph)

    def _cells(self, cell: Population) -> fx.Node:
        phase = self.circuit.reading.data_phases[0]
        bias = self.names.name(BIAS, cell.name) if cell.bias else None
        u: fx.Node | None = None
        for p in self.circuit.reading.drives(cell.name, phase):
            z, bias = self._drive(p, bias)
            u = z if u is None else self._call(operator.add, u, z)
        assert u is not None  # only the input is driven by nobody
        if bias is not None:
            shape = (1, -1, *[1] * (len(cell.shape) - 1))
            u = self._call(operator.add, u, self._call(torch.reshape, self._stored(bias), shape))
        if cell.activation != "linear":
            function, options = _PHI[cell.activation]
            u = self._call(function, u, *options)
        return u if cell.norm is None else self._norm(cell, u, cell)

    def _drive(self, p: Projection, bias: str | None) -> tuple[fx.Node, str | None]:
        """What a drive brings, and the bias if no layer has added it yet."""
        z, post = self.activity[p.pre], self.circuit.populations[p.post]
        if p.weights is None:
            for i, layer in enumerate(plain_layers(self.circuit, p, bias=False)):
                z = self._layer(self._free(p.post, i), layer, z)
        else:
            z, bias = self._weighted(p, z, bias)
        return (z if p.norm is None else self._norm(p, z, post)), bias

    def _weighted(self, p: Projection, z: fx.Node, bias: str | None) -> tuple[fx.Node, str | None]:
        weight = self.names.name(WEIGHTS, self.circuit.reading.owner(p).name)
        path = (weight or "").removesuffix(".weight")
        if weight is None or path == weight:
            return self._by_function(p, z), bias
        own = f"{path}.bias"
        added = bias == own and p.norm is None
        has_bias = added or self.names.offsets.get(p.name) == own
        for layer in plain_layers(self.circuit, p, has_bias):
            place = path if list(layer.parameters()) else self._free(p.post, 0)
            z = self._layer(place, layer, z)
        return z, None if added else bias

    def _by_function(self, p: Projection, z: fx.Node) -> fx.Node:
        """A drive whose weights no layer of torch's would name so."""
        w = self._stored(self.names.name(WEIGHTS, p.name) or "")
        c, (_, post) = p.connector, self.circuit.shapes(p)
        if isinstance(c, Conv2dConnector):
            window = (both(c.stride), both(c.padding), both(c.dilation), c.groups)
            z = self._call(F.conv2d, z, w, None, *window)
        elif isinstance(c, AllToAllConnector):
            flat = self._call(torch.flatten, z, 1)
            z = self._call(torch.reshape, self._call(F.linear, flat, w), (-1, *post))
        offset = self.names.offsets.get(p.name)
        if offset is None:
            return z
        shape = (1, -1, *[1] * (len(post) - 1))
        return self._call(operator.add, z, self._call(torch.reshape, self._stored(offset), shape))

    def _norm(self, owner: Projection | Population, z: fx.Node, cell: Population) -> fx.Node:
        mean = self.names.name(MEAN, owner.name) or ""
        path = mean.removesuffix(".running_mean")
        if path == mean or owner.norm is None:
            raise WiringError(
                f"batch norm of {owner.name!r} has its running mean under the name {mean!r}, "
                "expected 'PATH.running_mean', as in torch's layers. Use nn.BatchNorm1d or 2d"
            )
        return self._layer(path, plain_batch_norm(cell.shape, owner.norm), z)

    # -- nodes ---------------------------------------------------------------------------------

    def _call(self, function: Callable[..., Any], *arguments: Any) -> fx.Node:
        return self.graph.call_function(function, arguments)

    def _layer(self, path: str, layer: nn.Module, z: fx.Node) -> fx.Node:
        self.parts[path] = layer
        return self.graph.call_module(path, (z,))

    def _stored(self, name: str) -> fx.Node:
        self.parts[name] = nn.Parameter(self.state[name].clone())
        return self.graph.get_attr(name)

    def _free(self, name: str, number: int) -> str:
        """A path for a layer without parameters, where no parameter lies."""
        taken = {part for key in (*self.state, *self.parts) for part in _prefixes(key)}
        free = name if number == 0 else f"{name}_{number}"
        while free in taken:
            free += "_"
        return free


def _prefixes(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[: i + 1]) for i in range(len(parts))]
