"""Weights and biases of a circuit: first draws, given values, orientation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.sparse import issparse, sparray

from oneway.circuits import (
    Circuit,
    Projection,
    WiringError,
    first_draw,
    sign_magnitude,
    weights_from_adjacency,
)

WeightMap = Mapping[str, np.ndarray | sparray]


@dataclass
class Arrays:
    """What a circuit has learned so far."""

    circuit: Circuit
    weights: dict[str, np.ndarray]  # of each drive that owns some, as its connector stores them
    biases: dict[str, np.ndarray]  # of each population, one a cell, or a channel of images

    @classmethod
    def drawn(cls, circuit: Circuit, seed: int) -> Arrays:
        """First draws of a seed."""
        own = (p for p in circuit.select(role="drive") if _kind(p) == "independent")
        weights = {p.name: first_draw(circuit, p, seed) for p in own}
        cells = circuit.populations.values()
        return cls(circuit, weights, {c.name: np.zeros(c.shape[0]) for c in cells if c.bias})

    def set_weights(self, given: WeightMap) -> None:
        """Take over weights, (post, pre, ...) or as `adjacency`; tied ones are ignored."""
        for name, value in given.items():
            p = self._drive(name)
            if _kind(p) != "independent":
                continue  # they follow from the projection that they are tied to
            if issparse(value):
                self.weights[name] = weights_from_adjacency(self.circuit, name, value)
                continue
            stored = oriented(p, np.array(value, dtype=float))
            if stored.shape != self.weights[name].shape:
                raise WiringError(
                    f"{p.label}: weights have shape {np.shape(value)}, but (post, pre, ...) = "
                    f"{oriented(p, self.weights[name]).shape}. Did you pass the transpose?"
                )
            self.weights[name] = stored

    def set_biases(self, given: WeightMap) -> None:
        """Take over biases, one value a cell, or a channel of images."""
        for name, value in given.items():
            if name not in self.biases:
                raise WiringError(
                    f"biases= names {name!r}, which is not a population with a bias. There are: "
                    f"{', '.join(self.biases)}"
                )
            new = np.array(value, dtype=float)
            if new.shape != self.biases[name].shape:
                raise WiringError(
                    f"population {name!r}: biases have shape {new.shape}, expected "
                    f"{self.biases[name].shape}, one for each cell (or channel)"
                )
            self.biases[name] = new

    def weight(self, name: str) -> np.ndarray:
        """Weights of a drive as the circuit uses them, (post, pre, ...); tied ones resolved."""
        p = self._drive(name)
        return oriented(p, self._stored(p)).copy()

    def _stored(self, p: Projection) -> np.ndarray:
        w = self.weights[self.circuit.reading.owner(p).name]
        return sign_magnitude(self.circuit, p) * np.sign(w) if _kind(p) == "sign-tied" else w

    def _drive(self, name: str) -> Projection:
        p = self.circuit.projections.get(name)
        if p is None or p.weights is None:
            weighted = (p.name for p in self.circuit.select(role="drive") if p.weights)
            raise WiringError(
                f"no drive with weights is named {name!r}. There are: {', '.join(weighted)}"
            )
        return p


def oriented(p: Projection, w: np.ndarray) -> np.ndarray:
    """From the stored layout to (post, pre, ...), or back."""
    return w.swapaxes(0, 1) if p.connector.transposed and w.ndim > 1 else w


def _kind(p: Projection) -> str | None:
    return p.weights.kind if p.weights else None
