"""What synapses and cells hold of a circuit's weights and biases.

Usually just these. Without sharing, each synapse of a convolution holds a weight of its own and
each cell a bias; the circuit's weights are then their means over the positions. Under Dale's law
each weight is held as what excites less what inhibits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from oneway.circuits import Projection, set_point

from ..brian.model import EXCITATORY, INHIBITORY, WHOLE, Key
from ..weights import Arrays
from .connectors import Pairs, list_pairs

Parts = Mapping[str, np.ndarray]


@dataclass
class Holding:
    """Weights and biases as synapses and cells hold them, flat; see `SpikingNetwork`."""

    arrays: Arrays
    shared: bool = True
    dale: bool = False
    _held: dict[Key, tuple[np.ndarray, Parts]] = field(default_factory=dict, init=False)
    _pairs: dict[str, Pairs] = field(default_factory=dict, init=False)

    # -- synapses --------------------------------------------------------------------------

    def pairs(self, p: Projection) -> Pairs:
        """The synapses of a projection, and whether they share weights here."""
        pairs = self._listed(p)
        return replace(pairs, shared=pairs.shared and self.shared)

    def _listed(self, p: Projection) -> Pairs:
        if p.name not in self._pairs:
            populations = self.arrays.circuit.populations
            ends = populations[p.pre].shape, populations[p.post].shape
            self._pairs[p.name] = list_pairs(p.connector, *ends)
        return self._pairs[p.name]

    # -- what they hold --------------------------------------------------------------------

    def parts(self, key: Key) -> Parts:
        """What is held of some weights or biases at present."""
        present = self._stored(key)
        before, parts = self._held.get(key, (None, {}))
        if before is not present:  # somebody has set them
            parts = self._split(key, present.ravel())
            self._held[key] = present, parts
        return parts

    def put(self, key: Key, parts: Parts) -> None:
        """Take over what a run has left."""
        merged = self.merged(key, parts, self._stored(key))
        kind, name = key
        (self.arrays.weights if kind == "weights" else self.arrays.biases)[name] = merged
        self._held[key] = merged, parts

    def state(self) -> dict[str, Any]:
        """Weights and biases, and what is held of them, which may say more."""
        held = [
            (key, dict(parts))
            for key, (before, parts) in self._held.items()
            if before is self._stored(key)
        ]
        return {"weights": self.arrays.weights, "biases": self.arrays.biases, "held": held}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Hold what `state` gave."""
        self.arrays.weights |= {n: np.array(w) for n, w in state["weights"].items()}
        self.arrays.biases |= {n: np.array(b) for n, b in state["biases"].items()}
        self._held = {
            tuple(key): (self._stored(tuple(key)), {n: np.array(v) for n, v in parts.items()})
            for key, parts in state["held"]
        }

    def merged(self, key: Key, parts: Parts, others: np.ndarray | float = 0.0) -> np.ndarray:
        """Weights or biases of the circuit, from what is held of them; `others` where none is."""
        shape = self._stored(key).shape
        flat = parts[EXCITATORY] - parts[INHIBITORY] if EXCITATORY in parts else parts[WHOLE]
        index = self._index(key)
        if index is None:
            return flat.reshape(shape)
        size = int(np.prod(shape))
        counts = np.bincount(index, minlength=size)
        means = np.bincount(index, flat, minlength=size) / np.maximum(counts, 1)
        return np.where(counts.reshape(shape) > 0, means.reshape(shape), others)

    def _split(self, key: Key, flat: np.ndarray) -> Parts:
        index = self._index(key)
        flat = flat if index is None else flat[index]
        kind, name = key
        if kind != "weights" or not self.dale:
            return {WHOLE: flat}
        # Both have room to fall from the start, so that at first nothing is cut off at zero.
        p = self.arrays.circuit.projections[name]
        room = max(np.abs(flat).max(initial=0.0), set_point(self.arrays.circuit, p))
        return {EXCITATORY: room + flat / 2, INHIBITORY: room - flat / 2}

    def _stored(self, key: Key) -> np.ndarray:
        kind, name = key
        return (self.arrays.weights if kind == "weights" else self.arrays.biases)[name]

    def _index(self, key: Key) -> np.ndarray | None:
        """Which weight or bias each synapse or cell has; None if there are as many."""
        kind, name = key
        if self.shared:
            return None
        if kind == "weights":
            pairs = self._listed(self.arrays.circuit.projections[name])
            return pairs.weight if pairs.shared else None
        population = self.arrays.circuit.populations[name]
        size, channels = population.size, population.shape[0]
        return None if size == channels else np.arange(size) // (size // channels)
