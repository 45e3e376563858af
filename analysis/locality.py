"""What every synapse knows: weight transport, locality statements, Dale's law."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from oneway.circuits import Circuit, Projection, SignalAtHand, first_draw, sign_magnitude

from .arrays import as_numpy

TRANSPORT: dict[str, Literal["none", "signs", "full"]] = {
    "independent": "none",
    "sign-tied": "signs",
    "tied": "full",
}


@dataclass(frozen=True)
class Transport:
    """A projection whose weights are read from another projection's synapses.

    Parameters
    ----------
    projection : str
        The projection that cannot know its weights.
    to : str
        The projection whose weights it needs.
    kind : {"signs", "full"}
    """

    projection: str
    to: str
    kind: Literal["none", "signs", "full"]

    def __str__(self) -> str:
        what = "signs of the weights" if self.kind == "signs" else "weights"
        return f"{self.projection!r} needs the {what} of {self.to!r}"


def transport(circuit: Circuit) -> list[Transport]:
    """Projections that need weight transport (tied) or sign transport (sign-tied)."""
    return [
        Transport(p.name, p.weights.to or "", TRANSPORT[p.weights.kind])
        for p in circuit.select(role="drive")
        if p.weights is not None and p.weights.kind != "independent"
    ]


def weight_transport(circuit: Circuit) -> Literal["none", "signs", "full"]:
    """The strongest transport that any projection needs."""
    kinds = {item.kind for item in transport(circuit)}
    return "full" if "full" in kinds else "signs" if "signs" in kinds else "none"


@dataclass(frozen=True)
class LocalityStatement:
    """Which signal stands at either cell of a plastic synapse when it learns."""

    projection: str
    phase: str
    pre: SignalAtHand
    post: SignalAtHand
    hebbian: bool = False
    timed: bool = False

    def __str__(self) -> str:
        product = "Σ K(t_post − t_pre)" if self.timed else "post ⊗ pre"
        sign = "+" if self.hebbian or self.timed else "−"
        return (
            f"{self.projection!r} learns in phase {self.phase!r}, Δw = {sign}η · {product} − λw: "
            f"pre {self.pre}; post {self.post}"
        )


def locality(circuit: Circuit) -> list[LocalityStatement]:
    """One statement per plastic projection: what its synapses learn from, and whence.

    Locality needs no check here: a plasticity statement can only name signals at its own two
    cells, and a circuit is not built unless they arrive. This makes it readable.
    """
    return [
        LocalityStatement(
            p.name,
            p.plasticity.phase,
            *circuit.reading.ends(p),
            p.plasticity.hebbian,
            p.plasticity.window is not None,
        )
        for p in circuit.projections.values()
        if p.plasticity is not None
    ]


# -- Dale's law --------------------------------------------------------------------------------

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class DaleReport:
    """Cells whose outgoing weights have both signs.

    Parameters
    ----------
    cells : int
        Cells with at least one outgoing weight.
    mixed : int
        Those of them that excite some targets and inhibit others.
    by_population : tuple of (str, int, int)
        Population, mixed cells, cells with outgoing weights.
    """

    cells: int
    mixed: int
    by_population: tuple[tuple[str, int, int], ...]

    @property
    def fraction(self) -> float:
        """Mixed cells / cells; 0 where no cell has a weight."""
        return self.mixed / self.cells if self.cells else 0.0


def dale(circuit: Circuit, weights: Callable[[str], Any]) -> DaleReport:
    """How far a circuit is from Dale's law (a cell excites or inhibits, never both).

    Parameters
    ----------
    weights : callable
        From the name of a weighted projection to its weights, oriented (post, pre): an all-to-all
        drive (J, I), a conv (C', C/groups, k, k), a list or random draw either (J, I) or, as
        stored, (K,). What ``RateNetwork.weight`` returns.
    """
    rows = [
        (name, int((excites & inhibits).sum()), int((excites | inhibits).sum()))
        for name, excites, inhibits in signs_sent(circuit, weights)
    ]
    return DaleReport(sum(r[2] for r in rows), sum(r[1] for r in rows), tuple(rows))


def signs_sent(
    circuit: Circuit, weights: Callable[[str], Any]
) -> Iterator[tuple[str, BoolArray, BoolArray]]:
    """Populations that send through weights, and which cells excite and inhibit; (I,) each."""
    for name, population in circuit.populations.items():
        drives = [p for p in circuit.select(role="drive", pre=name) if p.weights is not None]
        if not drives:
            continue
        excites, inhibits = np.zeros((2, population.size), dtype=bool)
        for p in drives:
            w = as_numpy(weights(p.name))
            excites |= _sends(circuit, p, w > 0)
            inhibits |= _sends(circuit, p, w < 0)
        yield name, excites, inhibits


def drawn_weights(circuit: Circuit, seed: int = 0) -> Callable[[str], NDArray[np.float64]]:
    """From the name of a weighted projection to its first draw, oriented as `dale` wants it."""

    def weights(name: str) -> NDArray[np.float64]:
        p = circuit.projections[name]
        w = first_draw(circuit, circuit.reading.owner(p), seed)
        if p.weights is not None and p.weights.kind == "sign-tied":
            w = sign_magnitude(circuit, p) * np.sign(w)
        return w.swapaxes(0, 1) if p.connector.transposed and w.ndim > 1 else w

    return weights


def _sends(circuit: Circuit, p: Projection, chosen: BoolArray) -> BoolArray:
    """Presynaptic cells with at least one chosen weight on an outgoing synapse; (I,)."""
    if chosen.ndim == 2:
        return np.any(chosen, axis=0)
    pre, post = circuit.shapes(p)
    if p.connector.convolutional and p.connector.transposed:
        chosen = chosen.swapaxes(0, 1)  # as stored
    ends, taps = p.connector.weight_ends(pre, post), p.connector.taps(pre, post)
    assert ends is not None
    sender = ends[0][chosen]
    if taps is None:
        return np.isin(np.arange(np.prod(pre)), sender)
    # Cells at the rim of an image use only some taps of the kernel.
    used = np.zeros((pre[0], *chosen.shape[2:]))
    used[sender, *np.nonzero(chosen)[2:]] = 1
    row, column = (np.any(axis, axis=1).astype(float) for axis in taps[1:])
    return np.einsum("crs,hr,ws->chw", used, row, column).reshape(-1) > 0
