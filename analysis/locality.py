"""What every synapse knows: weight transport, locality statements, Dale's law."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from oneway.circuits import (
    ENGAGED,
    Circuit,
    Conv2dConnector,
    FixedProbabilityConnector,
    FromListConnector,
    Projection,
    Signal,
    TransposeConnector,
)

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
class SignalAtHand:
    """One signal that a synapse reads, and how it comes to be at that cell.

    Parameters
    ----------
    cell : str
        The population that has it.
    kind : {"own", "noise", "mimicked", "taught", "synaptic"}
        Its own activity, the noise it fires in that phase, the activity that it takes over from
        `source`, what `source` teaches it, or what `source` brings to each of its synapses.
    source : str, optional
        The population that it comes from, if not the cell itself.
    through : str, optional
        The projection through which it arrives.
    gated : bool
        Multiplied by the cell's own φ′.
    centred : {"no", "batch", "baseline"}
        What the cell subtracts.
    """

    cell: str
    kind: Literal["own", "noise", "mimicked", "taught", "synaptic"]
    source: str | None = None
    through: str | None = None
    gated: bool = False
    centred: Literal["no", "batch", "baseline"] = "no"

    def __str__(self) -> str:
        what = {
            "own": "its own activity",
            "noise": "the noise that it fires",
            "mimicked": f"the activity of {self.source} that it mimics",
            "taught": f"what {self.source} teaches it",
            "synaptic": f"what {self.source} brings to each synapse",
        }[self.kind]
        if self.gated:
            what += ", times its own φ′"
        if self.centred != "no":
            what += ", less its batch mean" if self.centred == "batch" else ", less its baseline"
        return f"{self.cell} has {what}" + (f" (through {self.through!r})" if self.through else "")


@dataclass(frozen=True)
class LocalityStatement:
    """Which signal stands at either cell of a plastic synapse when it learns."""

    projection: str
    phase: str
    pre: SignalAtHand
    post: SignalAtHand
    hebbian: bool = False

    def __str__(self) -> str:
        sign = "+" if self.hebbian else "−"
        return (
            f"{self.projection!r} learns in phase {self.phase!r}, Δw = {sign}η · post ⊗ pre − λw: "
            f"pre {self.pre}; post {self.post}"
        )


def locality(circuit: Circuit) -> list[LocalityStatement]:
    """One statement per plastic projection: what its synapses learn from, and whence.

    Locality needs no check here: a plasticity statement can only name signals at its own two
    cells, and a circuit is not built unless they arrive. This makes it readable.
    """
    statements = []
    for p in circuit.projections.values():
        if p.plasticity is not None:
            pre, post = (_at_hand(circuit, cell, signal, p) for cell, signal in p.factors)
            how = p.plasticity
            statements.append(LocalityStatement(p.name, how.phase, pre, post, how.hebbian))
    return statements


def _at_hand(circuit: Circuit, cell: str, signal: Signal, p: Projection) -> SignalAtHand:
    phase = p.plasticity.phase if p.plasticity else ENGAGED
    if signal.kind != "activity":
        teach = circuit.carrier(signal, cell, phase, p)
        assert teach is not None  # a circuit is not built unless it arrives
        how = signal.kind, signal.source, teach.name, signal.gated, signal.centred
        return SignalAtHand(cell, *how)
    mimic = next(circuit.select(role="mimic", post=cell, phase=phase), None)
    if mimic is not None:
        return SignalAtHand(cell, "mimicked", mimic.pre, mimic.name, signal.gated, signal.centred)
    kind: Literal["own", "noise"] = "noise" if cell in circuit.phases[phase].noisy else "own"
    return SignalAtHand(cell, kind, gated=signal.gated, centred=signal.centred)


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
    rows = []
    for name, population in circuit.populations.items():
        drives = [p for p in circuit.select(role="drive", pre=name) if p.weights is not None]
        if not drives:
            continue
        excites, inhibits = np.zeros((2, population.size), dtype=bool)
        for p in drives:
            w = as_numpy(weights(p.name))
            excites |= _sends(circuit, p, w > 0)
            inhibits |= _sends(circuit, p, w < 0)
        rows.append((name, int((excites & inhibits).sum()), int((excites | inhibits).sum())))
    return DaleReport(sum(r[2] for r in rows), sum(r[1] for r in rows), tuple(rows))


def _sends(circuit: Circuit, p: Projection, chosen: BoolArray) -> BoolArray:
    """Presynaptic cells with at least one chosen weight on an outgoing synapse; (I,)."""
    pre, post = circuit.populations[p.pre].shape, circuit.populations[p.post].shape
    transposed = isinstance(p.connector, TransposeConnector)
    inner = p.connector.inner if isinstance(p.connector, TransposeConnector) else p.connector
    if chosen.ndim == 4 and isinstance(inner, Conv2dConnector):
        if transposed:
            return _sends_back(inner, chosen.swapaxes(0, 1), pre=post, post=pre)
        return _sends_forth(inner, chosen, pre, post)
    if chosen.ndim == 1 and isinstance(inner, FixedProbabilityConnector | FromListConnector):
        pairs = inner.pairs(post, pre) if transposed else inner.pairs(pre, post)
        sent = np.zeros(int(np.prod(pre)), dtype=bool)
        sent[pairs[chosen, 1 if transposed else 0]] = True
        return sent
    return np.any(chosen, axis=0)


def _sends_forth(conv: Conv2dConnector, chosen: BoolArray, pre: Any, post: Any) -> BoolArray:
    """Cells at the rim of an image use only some taps of the kernel."""
    per_group = chosen.reshape(conv.groups, -1, *chosen.shape[1:]).any(axis=1)
    taps = per_group.reshape(pre[0], conv.kernel, conv.kernel)
    row, column = (np.any(used, axis=1) for used in _taps(conv, pre, post))
    return _any_tap(taps, row, column)


def _sends_back(conv: Conv2dConnector, chosen: BoolArray, pre: Any, post: Any) -> BoolArray:
    """The same for the transpose, whose senders stand at the post side of `conv`."""
    taps = np.any(chosen, axis=1)
    row, column = (np.any(used, axis=0) for used in _taps(conv, pre, post))
    return _any_tap(taps, row, column)


def _taps(conv: Conv2dConnector, pre: Any, post: Any) -> Iterator[BoolArray]:
    """Per image axis: does pre position i meet post position j through tap t? (I, J, k)."""
    for n_pre, n_post in zip(pre[1:], post[1:], strict=True):
        i, j, tap = np.ogrid[:n_pre, :n_post, : conv.kernel]
        yield i + conv.padding - conv.stride * j == tap


def _any_tap(taps: BoolArray, row: BoolArray, column: BoolArray) -> BoolArray:
    used = np.einsum("crs,hr,ws->chw", *(a.astype(np.int64) for a in (taps, row, column)))
    return (used > 0).reshape(-1)
