"""`take_weights`: start where another network is, whatever rule wired it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch

from oneway.circuits import Circuit, Projection, WiringError

from ..network import RateNetwork
from .names import keep, kept

_PATHS = ("forward", "feedback")
_NAMED = 4  # of a list, before its rest is counted


@dataclass(frozen=True)
class Taken:
    """What a network took from another one, and what stays as it was drawn.

    Parameters
    ----------
    forward, feedback : tuple of str
        Drives whose weights were taken.
    beside : tuple of str
        Whose biases and normalisations were: populations, and drives with a norm.
    drawn : mapping
        Drives whose weights stay as drawn → why.
    """

    forward: tuple[str, ...]
    feedback: tuple[str, ...]
    beside: tuple[str, ...]
    drawn: Mapping[str, str]

    def __str__(self) -> str:
        taken = f"taken: forward weights of {_listed(self.forward)}"
        taken += f", with biases and norms of {_listed(self.beside)}" if self.beside else ""
        taken += f"; feedback weights of {_listed(self.feedback)}" if self.feedback else ""
        return f"{taken}. Not taken: {_reasons(self.drawn) or 'nothing'}"


@torch.no_grad()
def take_weights(net: RateNetwork, other: RateNetwork) -> Taken:
    """Give a network the weights of another one, wherever both have the same drive.

    Drives are the same if they have the same name, connector and number of weights. Forward drives
    come with the biases and normalisations of their cells. Feedback weights are taken where both
    have them as weights of their own; what is tied follows its forward weights by itself.

    Raises
    ------
    WiringError
        No forward drive is the same.

    Examples
    --------
    >>> from oneway.backends.rate import RateNetwork
    >>> from oneway.circuits import mlp
    >>> from oneway.rules import parse_rule
    >>> fa, bp = (RateNetwork(parse_rule(rule).wire(mlp((4, 8, 3)))) for rule in ("fa", "bp"))
    >>> take_weights(fa, bp).forward
    ('x -> h1', 'h1 -> output')
    """
    drives = [p for p in net.circuit.projections.values() if p.name in net.weights]
    reasons = {p.name: _why_not(p, net, other) for p in drives}
    drawn = {name: reason for name, reason in reasons.items() if reason is not None}
    taken = [p for p in drives if p.name not in drawn]
    of_path = {path: tuple(p.name for p in taken if _path(net, p) == path) for path in _PATHS}
    if not of_path["forward"]:
        raise WiringError(
            f"circuit {net.circuit.name!r} has no forward weights in common with "
            f"{other.circuit.name!r}: {_reasons(drawn)}"
        )
    for p in taken:
        net.weights[p.name].copy_(other.weights[p.name])
    _start_aligned(net, [p for p in drives if p.name in drawn])
    if _forward(net.circuit) == _forward(other.circuit):
        net.names = other.names
        if kept(other):
            keep(net, kept(other))
    return Taken(**of_path, beside=_beside(net, other, drawn), drawn=drawn)


def _path(net: RateNetwork, p: Projection) -> str:
    return net.circuit.populations[p.post].path


def _forward(circuit: Circuit) -> Circuit:
    return circuit if circuit.target is None else circuit.forward_circuit()


def _why_not(p: Projection, net: RateNetwork, other: RateNetwork) -> str | None:
    """Why another network's weights do not fit a drive; None where they do."""
    if p.name not in other.circuit.projections:
        return "no such drive there"
    if p.name not in other.weights:
        return "no weights of its own there"
    here, there = (tuple(n.weights[p.name].shape) for n in (net, other))
    if here != there:
        return f"{_shape(there)} weights there, {_shape(here)} here"
    same = p.connector == other.circuit.projections[p.name].connector
    return None if same else "it joins other cells there"


def _shape(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape))


def _start_aligned(net: RateNetwork, drives: Sequence[Projection]) -> None:
    """What starts as a copy of forward weights is one of those that were taken."""
    for p in drives:
        if p.weights is not None and p.weights.start == "aligned":
            net.weights[p.name].copy_(net.weights[p.weights.to or ""])


def _beside(net: RateNetwork, other: RateNetwork, drawn: Iterable[str]) -> tuple[str, ...]:
    """Copy biases and normalisations but for those of what stays as drawn; whose they are."""
    apart = {name for drive in drawn for name in (drive, net.circuit.projections[drive].post)}
    theirs, owners = other._held(), dict[str, None]()
    for key, tensor in net._held().items():
        there = theirs.get(key)
        if key[0] == "weights" or key[1] in apart or tensor is None or there is None:
            continue
        if there.shape == tensor.shape:
            tensor.copy_(there)
            owners[key[1]] = None
    return tuple(owners)


def _reasons(drawn: Mapping[str, str]) -> str:
    return _few([f"{name!r} ({reason})" for name, reason in drawn.items()])


def _listed(names: Sequence[str]) -> str:
    return _few(list(map(repr, names)))


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
