"""What the parameters of an imported network are called in the module that it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from ..parameters import CircuitParameters

WEIGHTS, BIAS, GAIN, SHIFT, MEAN, VAR = "weights", "bias", "gain", "shift", "mean", "var"


@dataclass(frozen=True)
class Names:
    """Names in a module's ``state_dict``, each with what it is in the circuit.

    Parameters
    ----------
    places : mapping
        Name → (kind, owner): ``("weights", projection)``, ``("bias", population)``, or ``"gain"``,
        ``"shift"``, ``"mean"`` and ``"var"`` of the normalisation of that owner.
    offsets : mapping
        Normalised projection → name of the bias that the module adds before the normalisation.
        The mean takes it away again, so that it has no part in the circuit: running means are kept
        without it.
    """

    places: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    offsets: Mapping[str, str] = field(default_factory=dict)

    def name(self, kind: str, owner: str) -> str | None:
        """The name of something of the circuit; None if it has none."""
        return next((k for k, place in self.places.items() if place == (kind, owner)), None)

    @torch.no_grad()
    def fill(self, net: CircuitParameters, state: Mapping[str, Tensor]) -> None:
        """Copy a module's ``state_dict`` into a network; what is no part of it is kept beside."""
        for name, (kind, owner) in self.places.items():
            _held(net, kind, owner).copy_(state[name] - self._offset(state, kind, owner))
        keep(net, {name: t for name, t in state.items() if name not in self.places})

    @torch.no_grad()
    def read(self, net: CircuitParameters) -> dict[str, Tensor]:
        """A network's ``state_dict`` under the names of the module; copies."""
        state = kept(net)
        for name, (kind, owner) in self.places.items():
            state[name] = _held(net, kind, owner).detach() + self._offset(state, kind, owner)
        return state

    def _offset(self, state: Mapping[str, Tensor], kind: str, owner: str) -> Tensor | float:
        bias = self.offsets.get(owner) if kind == MEAN else None
        return state[bias] if bias else 0.0

    def check(self, net: CircuitParameters) -> None:
        """Complain of names of what a network has not."""
        for kind, owner in self.places.values():
            _held(net, kind, owner)
        if unknown := set(self.offsets.values()) - _kept_names(net):
            raise LookupError(f"there is no {min(unknown)!r}")

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"places": {k: list(v) for k, v in self.places.items()}, "offsets": self.offsets}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Names:
        """What `as_dict` gave."""
        places = {name: (kind, owner) for name, (kind, owner) in content["places"].items()}
        return cls(places, dict(content["offsets"]))


def _held(net: CircuitParameters, kind: str, owner: str) -> Tensor:
    held = {WEIGHTS: net.weights, BIAS: net.biases}.get(kind)
    return getattr(net.norms[owner], kind) if held is None else held[owner]


def keep(net: CircuitParameters, tensors: Mapping[str, Tensor]) -> None:
    """Keep what a module has and a circuit has not, so that the module can be given back whole.

    As buffers, in which no name has a dot: checkpoints have them then.
    """
    device = next(net.parameters()).device
    net.kept = nn.Module()
    for name, tensor in tensors.items():
        net.kept.register_buffer(name.replace(".", "/"), tensor.detach().to(device, copy=True))


def kept(net: CircuitParameters) -> dict[str, Tensor]:
    """What `keep` was given; copies."""
    buffers = getattr(net, "kept", nn.Module()).named_buffers()
    return {name.replace("/", "."): tensor.clone() for name, tensor in buffers}


def _kept_names(net: CircuitParameters) -> set[str]:
    buffers = getattr(net, "kept", nn.Module()).named_buffers()
    return {name.replace("/", ".") for name, _ in buffers}


def keep_of(net: CircuitParameters, state: Mapping[str, Tensor]) -> None:
    """Keep what the ``state_dict`` of another network has kept, so that it can be loaded."""
    tensors = {k.removeprefix("kept."): t for k, t in state.items() if k.startswith("kept.")}
    if tensors:
        keep(net, tensors)
