"""Synapses listed by presynaptic cell, so that what a spike reaches lies in one row of memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .model import Joined, Model, Start

_OF_CELLS = ("_presynaptic_idx", "_postsynaptic_idx", "_idx", None)


@dataclass(frozen=True)
class Rows:
    """A model whose synapses are listed in rows, and how they were listed at first."""

    model: Model
    orders: Mapping[str, np.ndarray] = field(default_factory=dict)  # group → our first is their ...
    grids: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # all to all: pre, post

    @classmethod
    def of(cls, model: Model) -> Rows:
        """Sort the synapses of a model that hold what is theirs."""
        orders = {
            s.name: np.argsort(s.i, kind="stable")
            for s in model.synapses
            if _independent(s) and np.any(np.diff(s.i) < 0)
        }
        back = {name: np.argsort(order) for name, order in orders.items()}
        cells = [_pointing(group, back) for group in model.cells]
        synapses = [
            _listed(_pointing(group, back), orders.get(group.name)) for group in model.synapses
        ]
        sizes = {group.name: group.size for group in cells}
        grids = {
            s.name: (sizes[s.pre], sizes[s.post])
            for s in synapses
            if s.pre in sizes and s.post in sizes and _is_grid(s, sizes[s.pre], sizes[s.post])
        }
        return cls(replace(model, cells=cells, synapses=synapses), orders, grids)

    def into(self, group: str, values: Any) -> np.ndarray:
        """Values of a group's elements as they are listed in rows."""
        order, listed = self.orders.get(group), np.asarray(values)
        return listed if order is None or listed.shape != order.shape else listed[order]

    def back(self, group: str, values: np.ndarray) -> np.ndarray:
        """Values of a group's elements, (..., elements), as they were listed at first."""
        order = self.orders.get(group)
        if order is None or values.shape[-1:] != order.shape:
            return values
        listed = np.empty_like(values)
        listed[..., order] = values
        return listed


def _independent(synapses: Joined) -> bool:
    """Whether they look nothing up by an index of their own: weights that they share."""
    return all(reference.index in _OF_CELLS for reference in synapses.references)


def _pointing(group: Any, back: Mapping[str, np.ndarray]) -> Any:
    """A group whose indices of synapses are those of the rows."""
    # Where one index points into two groups, both list the same synapses.
    into = {r.index: r.group for r in group.references if r.index and r.group in back}
    starts: dict[str, Start] = dict(group.starts)
    for index, synapses in into.items():
        if index in starts:
            starts[index] = back[synapses][np.asarray(starts[index])]
    return replace(group, starts=starts)


def _listed(synapses: Joined, order: np.ndarray | None) -> Joined:
    if order is None:
        return synapses
    starts = {
        name: np.asarray(value)[order] if np.shape(value) == order.shape else value
        for name, value in synapses.starts.items()
    }
    return replace(synapses, i=synapses.i[order], j=synapses.j[order], starts=starts)


def _is_grid(synapses: Joined, n_pre: int, n_post: int) -> bool:
    whole = len(synapses.i) == n_pre * n_post > 0
    rows, columns = np.arange(n_pre), np.arange(n_post)
    return bool(
        whole
        and np.array_equal(synapses.i, np.repeat(rows, n_post))
        and np.array_equal(synapses.j, np.tile(columns, n_pre))
    )
