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
    FixedProbabilityConnector,
    FromListConnector,
    MatchConnector,
    MaxPoolConnector,
    OneToOneConnector,
    Shape,
    TransposeConnector,
    WiringError,
)


@dataclass(frozen=True)
class Pairs:
    """The synapses of a projection.

    Parameters
    ----------
    i, j : int arrays (K,)
        Presynaptic and postsynaptic cell.
    weight : int array (K,), optional
        Which stored weight each synapse has; None where synapses have no weights.
    factor : float
        Fixed strength of synapses without weights.
    branch : int array (K,), optional
        For a connector that takes the strongest of several: on which branch of the cell, one for
        each member of its window, a synapse lies. On its way back, the branch that it belongs to.
    branches : int
        How many there are.
    shared : bool
        Whether weights are looked up by `weight`: several synapses may have one, and some weights
        none, as those of a kernel that reach past the edges of a small image. Else each synapse
        has its own, in their order.
    """

    i: np.ndarray
    j: np.ndarray
    weight: np.ndarray | None = None
    factor: float = 1.0
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


def _all_to_all(_: AllToAllConnector, pre: Shape, post: Shape) -> Pairs:
    j, i = np.divmod(np.arange(prod(post) * prod(pre)), prod(pre))
    return Pairs(i, j, np.arange(len(i)))


def _one_to_one(_: OneToOneConnector, pre: Shape, post: Shape) -> Pairs:
    cells = np.arange(prod(pre))
    return Pairs(cells, cells)


def _listed(connector: FixedProbabilityConnector | FromListConnector, pre: Shape, post: Shape):
    pairs = connector.pairs(pre, post)
    return Pairs(pairs[:, 0], pairs[:, 1], np.arange(len(pairs)))


def _windows(connector, pre: Shape, post: Shape):
    """(window position, place in the window) → row and column of the pre cell, and if it is one.

    Arrays over (post row, post column, row in window, column in window).
    """
    row, column, down, right = np.ogrid[
        : post[1], : post[2], : connector.kernel, : connector.kernel
    ]
    pre_row = row * connector.stride - connector.padding + down
    pre_column = column * connector.stride - connector.padding + right
    inside = (pre_row >= 0) & (pre_row < pre[1]) & (pre_column >= 0) & (pre_column < pre[2])
    return np.broadcast_arrays(pre_row, pre_column, inside, row, column, down, right)


def _conv(connector: Conv2dConnector, pre: Shape, post: Shape) -> Pairs:
    pre_row, pre_column, inside, row, column, down, right = (
        part.ravel() for part in _windows(connector, pre, post)
    )
    place = np.flatnonzero(inside)
    ins, outs = pre[0] // connector.groups, post[0] // connector.groups
    out, within, place = (
        part.ravel()
        for part in np.meshgrid(np.arange(post[0]), np.arange(ins), place, indexing="ij")
    )
    channel = out // outs * ins + within
    weight_shape = connector.weight_shape(pre, post)
    return Pairs(
        np.ravel_multi_index((channel, pre_row[place], pre_column[place]), pre),
        np.ravel_multi_index((out, row[place], column[place]), post),
        np.ravel_multi_index((out, within, down[place], right[place]), weight_shape),
        shared=True,
    )


def _average(connector: AveragePoolConnector, pre: Shape, post: Shape) -> Pairs:
    i, j, _, inside = _window_members(connector, pre, post)
    # Cells of the padding count as silent members of the window.
    return Pairs(i[inside], j[inside], factor=1 / connector.kernel**2)


def _max(connector: MaxPoolConnector, pre: Shape, post: Shape) -> Pairs:
    i, j, branch, inside = _window_members(connector, pre, post)
    members = connector.kernel**2
    table = np.where(inside, i, -1)[np.lexsort((branch, j))].reshape(-1, members)
    # A branch in the padding repeats the window's first member, which changes no maximum.
    first = table[np.arange(len(table)), (table >= 0).argmax(axis=1)]
    return _branched(np.where(table < 0, first[:, None], table))


def _branched(table: np.ndarray) -> Pairs:
    """Pairs from a table (post cell, branch) of presynaptic cells."""
    members = table.shape[1]
    j = np.repeat(np.arange(len(table)), members)
    branch = np.tile(np.arange(members), len(table))
    return Pairs(table.ravel(), j, None, 1.0, branch, members)


def _window_members(connector, pre: Shape, post: Shape):
    pre_row, pre_column, inside, row, column, down, right = (
        part.ravel() for part in _windows(connector, pre, post)
    )
    channel = np.repeat(np.arange(post[0]), len(pre_row))
    again = (np.tile(part, post[0]) for part in (pre_row, pre_column, inside, row, column))
    pre_row, pre_column, inside, row, column = again
    i = np.where(inside, (channel * pre[1] + pre_row) * pre[2] + pre_column, 0)
    j = (channel * post[1] + row) * post[2] + column
    branch = np.tile(down * connector.kernel + right, post[0])
    return i, j, branch, inside


def _match(_: MatchConnector, pre: Shape, post: Shape) -> Pairs:
    cells = np.arange(prod(post))
    if len(pre) == 1:
        few, many = sorted((pre[0], post[0]))
        if pre[0] == few:
            return Pairs(cells % few, cells)
        return _branched(np.arange(many).reshape(few, -1))
    channel, row, column = np.unravel_index(cells, post)
    down, right = pre[1] // post[1], pre[2] // post[2]
    place = np.arange(down * right)
    rows = row[:, None] * down + place // right
    columns = column[:, None] * right + place % right
    table = ((channel % pre[0])[:, None] * pre[1] + rows) * pre[2] + columns
    return Pairs(table[:, 0], cells) if len(place) == 1 else _branched(table)


_TRANSLATIONS: dict[type[Connector], Callable[..., Pairs]] = {
    AllToAllConnector: _all_to_all,
    OneToOneConnector: _one_to_one,
    FixedProbabilityConnector: _listed,
    FromListConnector: _listed,
    Conv2dConnector: _conv,
    AveragePoolConnector: _average,
    MaxPoolConnector: _max,
    MatchConnector: _match,
}
