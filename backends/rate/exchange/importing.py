"""`from_torch`: a torch module as a circuit with its weights."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor, nn

from oneway.circuits import Circuit, WiringError

from ..network import RateNetwork
from .names import WEIGHTS, Names
from .reader import Reader
from .trace import Trace, in_mode
from .usual import usual_names

# By how much of its size an output may differ from the module's, by rounding alone.
_TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-9}


class Wires(Protocol):
    """What wires a circuit; any `oneway.rules.Rule` does."""

    def wire(self, forward: Circuit) -> Circuit: ...


def from_torch(
    module: nn.Module,
    example: Tensor,
    rule: Wires | None = None,
    *,
    name: str | None = None,
    **options: Any,
) -> RateNetwork:
    """A torch module as a circuit with its weights.

    Parameters
    ----------
    module : nn.Module
        Linear layers, convolutions, batch norm, activations that circuits know, pools, dropout,
        sums, flatten and reshape, in any order and with any branches, as layers or as functions.
    example : Tensor, shape (B, N) or (B, C, H, W)
        An input; its shape counts.
    rule : Rule, optional
        Wires the circuit; without it the network is a forward circuit, which answers and learns
        nothing. ``parse_rule`` makes one of a text.
    name : str, optional
        Of the circuit; by default the class of the module.
    **options
        Of `RateNetwork`: seed (of the feedback weights), loss, compute_dtype, ... Type and device
        are those of the module's parameters.

    Returns
    -------
    RateNetwork
        In the module's mode (training or not). Populations are named after the modules that drive
        them: ``layer1.0.conv1`` gives ``layer1_0_conv1``. The names of all parameters are in
        ``.names``; `to_torch` gives them back.

    Raises
    ------
    WiringError
        Something in the module has no counterpart, parameters are used twice, or the rule does not
        learn as the module's ``requires_grad`` says. Names module and source line.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from oneway.rules import parse_rule
    >>> module = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.1), nn.Linear(8, 3))
    >>> net = from_torch(module, torch.ones(1, 4), parse_rule("kp"))
    >>> list(net.circuit.forward_circuit().populations)
    ['x', 'cells_0', 'cells_2', 'cells_3']
    >>> torch.equal(net.weights["x -> cells_0"], module[0].weight)
    True
    """
    if rule is not None and not hasattr(rule, "wire"):
        raise WiringError(
            f"rule {rule!r} wires nothing, expected a rule: make one of its text with "
            "oneway.rules.parse_rule"
        )
    if not isinstance(example, Tensor) or example.dim() < 2 or not len(example):
        raise WiringError(
            f"example {_shown(example)}, expected a tensor (B, N) or (B, C, H, W) with one sample "
            "or more"
        )
    _check_unshared(module)
    like = _like(module)
    forward, names = Reader(Trace(module, example), name or type(module).__name__).read()
    same: dict[str, Any] = {"dtype": like.dtype, "device": like.device}
    plain = RateNetwork(forward, **same)
    names.fill(plain, module.state_dict())
    plain.names = names
    _check_same(module, plain, example)
    if rule is None and not options:
        net = plain
    else:
        wired = forward if rule is None else rule.wire(forward)
        net = RateNetwork(wired, **{**same, **options})
        start_from(net, plain)
    if rule is not None:
        _check_frozen(module, net)
    return net.train(module.training)


@torch.no_grad()
def start_from(net: RateNetwork, other: RateNetwork) -> None:
    """Give a network the weights, biases, norms and names of another one's forward path.

    Feedback weights stay as drawn, but for those that start as a copy of forward weights.
    """
    names = other.names or usual_names(other.circuit)
    try:
        names.fill(net, names.read(other))
    except (KeyError, RuntimeError) as error:
        raise WiringError(
            f"circuit {net.circuit.name!r} cannot start from {other.circuit.name!r}, whose forward "
            f"path is another one ({error}). Wire both on the same forward circuit"
        ) from error
    for p in net.circuit.projections.values():
        if p.weights is not None and p.weights.start == "aligned":
            net.weights[p.name].copy_(net.weights[p.weights.to or ""])
    net.names = other.names


def _shown(example: object) -> str:
    shape = getattr(example, "shape", None)
    return f"of type {type(example).__name__}" if shape is None else f"of shape {tuple(shape)}"


def _like(module: nn.Module) -> Tensor:
    """A parameter that has the type and device of all."""
    parameters = list(module.parameters())
    kinds = {(p.dtype, p.device) for p in parameters}
    if len(kinds) != 1 or parameters[0].dtype not in _TOLERANCE:
        there = ", ".join(sorted(f"{dtype} on {device}" for dtype, device in kinds)) or "none"
        raise WiringError(
            f"{type(module).__name__} has parameters {there}, expected all of one type, float32 or "
            "float64, on one device"
        )
    return parameters[0]


def _check_unshared(module: nn.Module) -> None:
    seen: dict[int, str] = {}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        first = seen.setdefault(id(parameter), name)
        if first != name:
            raise WiringError(
                f"{type(module).__name__}: {name!r} and {first!r} are one parameter, but in a "
                "circuit each synapse has its own weight. Give each module its own"
            )


@torch.no_grad()
def _check_same(module: nn.Module, net: RateNetwork, example: Tensor) -> None:
    """The last word: what was read gives what the module gives."""
    with in_mode(module, training=False):
        expected = module(example)
    got = net.eval()(example)
    tolerance = _TOLERANCE[got.dtype] * max(1.0, float(expected.abs().max()))
    difference = float((expected.reshape(got.shape) - got).abs().max())
    if not difference <= tolerance:
        raise WiringError(
            f"{type(module).__name__}: outside of training its output differs by {difference:.2g} "
            "from what was read of it in training, batch norm and dropout apart. Let forward do "
            "the same in both modes, and nothing in place on a view"
        )


def _check_frozen(module: nn.Module, net: RateNetwork) -> None:
    """What the module says is fixed must not learn."""
    names: Names = net.names or Names()
    learning = _learning(net)
    for name in (name for name, p in module.named_parameters() if not p.requires_grad):
        kind, owner = names.places.get(name, ("", ""))
        if (kind, owner) in learning:
            fix = f"frozen=({owner!r},)" if kind == WEIGHTS else "frozen= for the weights beside it"
            raise WiringError(
                f"{type(module).__name__}: {name!r} has requires_grad=False, but the rule lets it "
                f"learn. Say so to the rule, with {fix}, or set requires_grad_(True)"
            )


def _learning(net: RateNetwork) -> set[tuple[str, str]]:
    learning = {(WEIGHTS, name) for name, w in net.weights.items() if w.requires_grad}
    learning |= {("bias", name) for name, b in net.biases.items() if b.requires_grad}
    for name, norm in net.norms.items():
        learning |= {(part, name) for part, p in norm.named_parameters() if p.requires_grad}
    return learning
