"""Which neuron pairs a projection joins, as an algebra instead of a list.

A dense or convolutional projection of a deep net joins billions of pairs, but on the axes
channel, row and column it factorises: pre (c, h, w) and post (c', h', w') are joined when the
channel factor joins c and c', the row factor h and h', and the column factor w and w'. Products
of such factors can be intersected and counted without listing a single pair. Connectors without
structure (lists, random draws) carry their pairs explicitly.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

BoolMatrix = NDArray[np.bool_]
Pairs = NDArray[np.int64]


@dataclass(frozen=True)
class ProductRelation:
    """Pairs (pre, post) that all three axis factors join.

    Parameters
    ----------
    factors : three boolean arrays
        ``factors[a][i, j]``: do pre index i and post index j on axis a (channel, row, column)
        belong together? Shapes (C, C'), (H, H'), (W, W').
    """

    factors: tuple[BoolMatrix, BoolMatrix, BoolMatrix]

    @property
    def transposed(self) -> ProductRelation:
        channel, row, column = (factor.T for factor in self.factors)
        return ProductRelation((channel, row, column))

    def count(self) -> int:
        """Number of pairs; exact, as a Python integer (a deep net overflows 32 bits)."""
        return int(np.prod([int(factor.sum()) for factor in self.factors], dtype=object))

    def __and__(self, other: ProductRelation) -> ProductRelation:
        channel, row, column = (a & b for a, b in zip(self.factors, other.factors, strict=True))
        return ProductRelation((channel, row, column))

    def contains(self, pairs: Pairs) -> BoolMatrix:
        """Which of the listed (pre, post) pairs belong to the relation; shape (K,)."""
        pre_shape = tuple(factor.shape[0] for factor in self.factors)
        post_shape = tuple(factor.shape[1] for factor in self.factors)
        pre = np.unravel_index(pairs[:, 0], pre_shape)
        post = np.unravel_index(pairs[:, 1], post_shape)
        inside = np.ones(len(pairs), dtype=bool)
        for factor, i, j in zip(self.factors, pre, post, strict=True):
            inside &= factor[i, j]
        return inside

    def reach(self, active: BoolMatrix) -> BoolMatrix:
        """Post cells joined to at least one active pre cell; flat masks, (I,) -> (J,)."""
        channel, row, column = (factor.astype(np.float32) for factor in self.factors)
        cells = active.reshape(channel.shape[0], row.shape[0], column.shape[0])
        # One contraction an axis, so that conv receptive fields cost no pair list.
        cells = np.tensordot(channel.T, cells.astype(np.float32), axes=1) > 0
        cells = np.einsum("hk,chw->ckw", row, cells.astype(np.float32)) > 0
        cells = np.einsum("wk,chw->chk", column, cells.astype(np.float32)) > 0
        return cells.reshape(-1)

    def listed(self) -> Pairs:
        """Every pair, shape (K, 2): only for small populations."""
        channel, row, column = self.factors
        joined = np.kron(np.kron(channel, row), column)
        return np.argwhere(joined).astype(np.int64)


@dataclass(frozen=True)
class ListedRelation:
    """Pairs given one by one, for connectors without structure.

    Parameters
    ----------
    pairs : integer array, shape (K, 2)
        Rows (pre index, post index); a pair may be listed more than once (a multapse).
    n_pre, n_post : int
    """

    pairs: Pairs
    n_pre: int
    n_post: int

    @property
    def transposed(self) -> ListedRelation:
        return ListedRelation(self.pairs[:, ::-1], self.n_post, self.n_pre)

    def codes(self, pairs: Pairs) -> Pairs:
        return pairs[:, 0] * self.n_post + pairs[:, 1]

    def count(self) -> int:
        return len(np.unique(self.codes(self.pairs)))

    def contains(self, pairs: Pairs) -> BoolMatrix:
        return np.isin(self.codes(pairs), self.codes(self.pairs))

    def reach(self, active: BoolMatrix) -> BoolMatrix:
        reached = np.zeros(self.n_post, dtype=bool)
        reached[self.pairs[active[self.pairs[:, 0]], 1]] = True
        return reached

    def listed(self) -> Pairs:
        return np.unique(self.pairs, axis=0)


Relation = ProductRelation | ListedRelation


def in_turn(first: Relation, second: Relation, n_pre: int, n_post: int) -> Relation:
    """Pairs that a way of two steps joins."""
    if isinstance(first, ProductRelation) and isinstance(second, ProductRelation):
        channel, row, column = (
            a.astype(np.int64) @ b > 0 for a, b in zip(first.factors, second.factors, strict=True)
        )
        return ProductRelation((channel, row, column))
    steps, onward = first.listed(), second.listed()
    i, j = np.nonzero(steps[:, 1, None] == onward[None, :, 0])
    return ListedRelation(np.column_stack((steps[i, 0], onward[j, 1])), n_pre, n_post)


def count_common(first: Sequence[Relation], second: Sequence[Relation]) -> int:
    """Number of pairs that some relation of `first` and some relation of `second` both join.

    Parameters
    ----------
    first, second : sequences of relations over the same (pre, post) populations

    Returns
    -------
    int
        ``|(union of first) intersected with (union of second)|``, exact.
    """
    products = [
        a & b
        for a in first
        for b in second
        if isinstance(a, ProductRelation) and isinstance(b, ProductRelation)
    ]
    explicit = [r for r in (*first, *second) if isinstance(r, ListedRelation)]
    return _count_union(products) + _count_listed(explicit, first, second, products)


def _count_union(products: Sequence[ProductRelation]) -> int:
    """Inclusion and exclusion; the few projections between two populations keep it short."""
    distinct = _without_repeats(products)
    total = 0
    for size in range(1, len(distinct) + 1):
        sign = 1 if size % 2 else -1
        for chosen in combinations(distinct, size):
            total += sign * reduce(lambda a, b: a & b, chosen).count()
    return total


def _without_repeats(products: Iterable[ProductRelation]) -> list[ProductRelation]:
    kept: list[ProductRelation] = []
    for product in products:
        if not any(
            all(np.array_equal(a, b) for a, b in zip(product.factors, k.factors, strict=True))
            for k in kept
        ):
            kept.append(product)
    return kept


def _count_listed(
    explicit: Sequence[ListedRelation],
    first: Sequence[Relation],
    second: Sequence[Relation],
    counted: Sequence[ProductRelation],
) -> int:
    """Common pairs that involve a listed relation and were not counted among the products."""
    if not explicit:
        return 0
    candidates = np.unique(np.concatenate([relation.pairs for relation in explicit]), axis=0)

    def joined(relations: Sequence[Relation]) -> BoolMatrix:
        inside = np.zeros(len(candidates), dtype=bool)
        for relation in relations:
            inside |= relation.contains(candidates)
        return inside

    return int((joined(first) & joined(second) & ~joined(counted)).sum())
