"""Connectors as lists of synapses: which cell, which cell, which weight."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from oneway.circuits import (
    AllToAllConnector,
    AveragePoolConnector,
    Connector,
    Conv2dConnector,
    DropoutConnector,
    FixedProbabilityConnector,
    FromListConnector,
    MatchConnector,
    MaxPoolConnector,
    OneToOneConnector,
    ReshapeConnector,
    Shape,
    TransposeConnector,
    WiringError,
    list_synapses,
    list_taps,
)


@dataclass(frozen=True)
class Pairs:
    """The synapses of a projection: which presynaptic cell `i`, which postsynaptic cell `j`, (K,).

    Weights are looked up where they are `shared`: several synapses may have one, and some weights
    none, as those of a kernel that reach past the edges of a small image. Else each synapse has its
    own, in their order.
    """

    i: np.ndarray
    j: np.ndarray
    weight: np.ndarray | None = None  # which stored weight each has
    factor: float = 1.0  # fixed strength of synapses without weights
    # Where the strongest of several counts: on which branch of the cell, one for each member of its
    # window, a synapse lies. On its way back, the branch that it belongs to.
    branch: np.ndarray | None = None
    branches: int = 1
    shared: bool = False

    def __len__(self) -> int:
        return len(self.i)

    def on_branch(self, number: int) -> Pairs:
        """The synapses of one branch."""
        assert self.branch is not None
        own = self.branch == number
        return Pairs(self.i[own], self.j[own], None, self.factor)


def list_pairs(connector: Connector, pre: Shape, post: Shape) -> Pairs:
    """The synapses that a connector makes between populations of the given shapes."""
    if isinstance(connector, TransposeConnector):
        inner = list_pairs(connector.inner, post, pre)
        return replace(inner, i=inner.j, j=inner.i)
    for kind, translation in _TRANSLATIONS.items():
        if isinstance(connector, kind):
            return translation(connector, pre, post)
    raise WiringError(
        f"the spiking backend has no translation of {type(connector).__name__}; there are "
        f"{', '.join(kind.__name__ for kind in _TRANSLATIONS)} and their transposes"
    )


def _weighted(connector: Connector, pre: Shape, post: Shape) -> Pairs:
    i, j, weight = list_synapses(connector, pre, post)
    return Pairs(i, j, weight, shared=connector.convolutional)


def _one_to_one(_: OneToOneConnector, pre: Shape, post: Shape) -> Pairs:
    cells = np.arange(prod(pre))
    return Pairs(cells, cells)


def _dropout(connector: DropoutConnector, pre: Shape, post: Shape) -> Pairs:
    raise WiringError(
        f"{connector} has no spiking translation: it draws anew for each sample of a batch. Leave "
        "dropout out of the circuit, or run it as rates: backends.rate.RateNetwork"
    )


def _windows(connector: Connector, pre: Shape, post: Shape) -> tuple[np.ndarray, ...]:
    """Every synapse of a connector with windows: pre cell, post cell, tap of the window; (K,)."""
    taps = connector.taps(pre, post)
    assert taps is not None
    return list_taps(taps)


def _average(connector: AveragePoolConnector, pre: Shape, post: Shape) -> Pairs:
    i, j, _ = _windows(connector, pre, post)
    # Cells of the padding count as silent members of the window.
    return Pairs(i, j, factor=1 / connector.window_size)


def _strongest(connector: MaxPoolConnector | MatchConnector, pre: Shape, post: Shape) -> Pairs:
    i, j, tap = _windows(connector, pre, post)
    cells, branches, nobody = prod(post), tap.max() + 1, prod(pre)
    table = np.full((cells, branches), nobody)
    table[j, tap] = i
    # A branch in the padding repeats the window's first member, which changes no maximum.
    table = np.where(table == nobody, table.min(axis=1, keepdims=True), table)
    j, branch = np.divmod(np.arange(table.size), branches)
    return Pairs(table.ravel(), j, None, 1.0, branch, branches)


def _match(connector: MatchConnector, pre: Shape, post: Shape) -> Pairs:
    pairs = _strongest(connector, pre, post)
    return pairs if pairs.branches > 1 else Pairs(pairs.i, pairs.j)


_TRANSLATIONS: dict[type[Connector], Callable[..., Pairs]] = {
    AllToAllConnector: _weighted,
    OneToOneConnector: _one_to_one,
    ReshapeConnector: _one_to_one,
    DropoutConnector: _dropout,
    FixedProbabilityConnector: _weighted,
    FromListConnector: _weighted,
    Conv2dConnector: _weighted,
    AveragePoolConnector: _average,
    MaxPoolConnector: _strongest,
    MatchConnector: _match,
}
