"""Push-pull pairs as two cells, each with a membrane and synapses of its own.

A unit of both signs is cell i, which fires for positive activity, and cell i + N, which fires for
negative activity. All is written in the sign of the unit: a cell of `side` s = ±1 adds s to traces
and currents, so that what a synapse of weight w does to its target cell is s_pre s_post w, and the
law by which it learns is the same for all. Between two pairs a weight has four synapses, between a
pair and a cell of one sign two. They start alike, and then each knows its own two cells alone.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .connectors import Pairs


def spread(pairs: Pairs, units: tuple[int, int], halves: tuple[int, int], alike: bool) -> Pairs:
    """The synapses between units as those between their cells.

    Parameters
    ----------
    units, halves : (int, int)
        Of the presynaptic and of the postsynaptic population: how many, and of how many cells each.
    alike : bool
        Between cells of the same sign only.
    """
    joined = [(i, j) for j in range(halves[1]) for i in range(halves[0]) if not alike or i == j]
    copies = len(joined)
    return replace(
        pairs,
        i=np.concatenate([pairs.i + i * units[0] for i, _ in joined]),
        j=np.concatenate([pairs.j + j * units[1] for _, j in joined]),
        weight=_repeated(pairs.weight, copies),
        branch=_repeated(pairs.branch, copies),
        shared=False,
    )


def _repeated(index: np.ndarray | None, copies: int) -> np.ndarray | None:
    return None if index is None else np.tile(index, copies)


def sides(size: int) -> np.ndarray:
    """The sign of each cell of so many units."""
    return np.repeat([1.0, -1.0], size)
