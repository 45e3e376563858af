"""What synapses and cells hold of a circuit's weights and biases.

Usually just these. Without sharing, each synapse of a convolution holds a weight of its own and
each cell a bias; the circuit's weights are then their means over the positions. Under Dale's law
each weight is held as what excites less what inhibits. With pairs apart each synapse between two
cells holds a weight, each cell a bias, and the circuit's are again their means.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from oneway.circuits import PHI, Projection, WiringError, set_point

from ..brian.model import EXCITATORY, INHIBITORY, WHOLE, Key
from ..weights import Arrays
from .connectors import Pairs, list_pairs
from .halves import spread

Parts = Mapping[str, np.ndarray]


@dataclass
class Holding:
    """Weights and biases as synapses and cells hold them, flat; see `SpikingNetwork`."""

    arrays: Arrays
    shared: bool = True
    dale: bool = False
    apart: bool = False  # pairs are two cells each, which share nothing
    told: bool = False  # and whose synapses learn from what the partner fires, too
    _held: dict[Key, tuple[np.ndarray, Parts]] = field(default_factory=dict, init=False)
    _pairs: dict[str, Pairs] = field(default_factory=dict, init=False)

    # -- synapses --------------------------------------------------------------------------

    @property
    def in_common(self) -> bool:
        """Whether synapses of a convolution share weights."""
        return self.shared and not self.apart

    def halves(self, population: str) -> int:
        """Of how many cells each unit of a population is, that share nothing."""
        signed = PHI[self.arrays.circuit.populations[population].activation].signed
        return 2 if self.apart and signed else 1

    def cells(self, population: str) -> int:
        """How many cells a population has; two that share a membrane count as one."""
        return self.arrays.circuit.populations[population].size * self.halves(population)

    def pairs(self, p: Projection, alike: bool = False) -> Pairs:
        """The synapses of a projection, and whether they share weights here.

        Parameters
        ----------
        alike : bool
            Where pairs are apart, join cells of the same sign only.
        """
        pairs, halves = self._listed(p), (self.halves(p.pre), self.halves(p.post))
        if halves != (1, 1):
            populations = self.arrays.circuit.populations
            units = populations[p.pre].size, populations[p.post].size
            return spread(pairs, units, halves, alike)
        return replace(pairs, shared=pairs.shared and self.in_common)

    def _listed(self, p: Projection) -> Pairs:
        if p.name not in self._pairs:
            populations = self.arrays.circuit.populations
            ends = populations[p.pre].shape, populations[p.post].shape
            self._pairs[p.name] = list_pairs(p.connector, *ends)
        return self._pairs[p.name]

    def synapses(self, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """See `SpikingNetwork.synapses`."""
        p = self._owner(name)
        pairs, w = self.pairs(p), _difference(self.parts(("weights", name)))
        return pairs.i, pairs.j, self._signs(p, pairs) * (w[pairs.weight] if pairs.shared else w)

    def set_synapses(self, name: str, weights: np.ndarray) -> None:
        """See `SpikingNetwork.set_synapses`."""
        p = self._owner(name)
        pairs = self.pairs(p)
        if self.dale or pairs.shared:
            why = "weights have two parts" if self.dale else "synapses share weights"
            raise WiringError(f"{p.label}: {why}, so that none can be given one. Use set_weights")
        if weights.shape != (len(pairs),):
            raise WiringError(
                f"{p.label}: synapses are given weights of shape {weights.shape}, expected "
                f"({len(pairs)},), one for each as synapses({name!r}) lists them"
            )
        self.put(("weights", name), {WHOLE: self._signs(p, pairs) * weights})

    def _owner(self, name: str) -> Projection:
        if name not in self.arrays.weights:
            self.arrays.weight(name)  # raises, unless its weights are tied to others
            raise WiringError(
                f"drive {name!r} owns no weights, since they are tied to another's. There are: "
                f"{', '.join(self.arrays.weights)}"
            )
        return self.arrays.circuit.projections[name]

    def _signs(self, p: Projection, pairs: Pairs) -> np.ndarray:
        """What the sign of each copy is between its two cells."""
        return self._side(p.pre, pairs.i) * self._side(p.post, pairs.j)

    def _side(self, population: str, cells: np.ndarray) -> np.ndarray:
        size = self.arrays.circuit.populations[population].size
        return np.where(cells < size, 1.0, -1.0)

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
        flat = _difference(parts)
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
        if self.in_common:
            return None
        if kind == "weights":
            p = self.arrays.circuit.projections[name]
            several = self._listed(p).shared or 2 in (self.halves(p.pre), self.halves(p.post))
            return self.pairs(p).weight if several else None
        population = self.arrays.circuit.populations[name]
        size, channels = population.size, population.shape[0]
        cells = np.arange(self.cells(name)) % size
        return None if len(cells) == channels else cells // (size // channels)


def _difference(parts: Parts) -> np.ndarray:
    return parts[EXCITATORY] - parts[INHIBITORY] if EXCITATORY in parts else parts[WHOLE]
