"""Which neuron pairs a projection joins, as an algebra instead of a list.

A dense or convolutional projection of a deep net joins billions of pairs, but on the axes
channel, row and column it factorises: pre (c, h, w) and post (c', h', w') are joined when the
channel factor joins c and c', the row factor h and h', and the column factor w and w'. Products
of such factors can be intersected and counted without listing a single pair. Connectors without
structure (lists, random draws) carry their pairs explicitly.

Nothing here takes memory for pairs of cells that are not joined, but for a projection that joins
most of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial, reduce
from itertools import combinations
from math import prod
from operator import and_
from typing import Any, TypeVar

import numpy as np
import scipy  # its parts are imported when they are used
from numpy.typing import NDArray

BoolMatrix = NDArray[np.bool_]
# A BoolMatrix, or a sparse csr_array of bool: a dense population is one axis, and with 10^5 cells
# one to one is a matrix of 10^10 entries.
Factor = Any
Pairs = NDArray[np.int64]
Codes = NDArray[np.int64]


@dataclass(frozen=True)
class ProductRelation:
    """Pairs (pre, post) that all three axis factors join.

    Parameters
    ----------
    factors : three boolean matrices
        ``factors[a][i, j]``: do pre index i and post index j on axis a (channel, row, column)
        belong together? Shapes (C, C'), (H, H'), (W, W'). That of channels may be sparse.
    """

    factors: tuple[Factor, ...]

    @property
    def pre_shape(self) -> tuple[int, ...]:
        return tuple(factor.shape[0] for factor in self.factors)

    @property
    def post_shape(self) -> tuple[int, ...]:
        return tuple(factor.shape[1] for factor in self.factors)

    @property
    def n_pre(self) -> int:
        return prod(self.pre_shape)

    @property
    def n_post(self) -> int:
        return prod(self.post_shape)

    @property
    def transposed(self) -> ProductRelation:
        return ProductRelation(tuple(factor.T for factor in self.factors))

    def count(self) -> int:
        """Number of pairs; exact, as a Python integer (a deep net overflows 32 bits)."""
        return int(np.prod([int(factor.sum()) for factor in self.factors], dtype=object))

    def __and__(self, other: ProductRelation) -> ProductRelation:
        both = zip(self.factors, other.factors, strict=True)
        return ProductRelation(tuple(_in_both(a, b) for a, b in both))

    def contains(self, pairs: Pairs) -> BoolMatrix:
        """Which of the listed (pre, post) pairs belong to the relation; shape (K,)."""
        pre = np.unravel_index(pairs[:, 0], self.pre_shape)
        post = np.unravel_index(pairs[:, 1], self.post_shape)
        axes = zip(self.factors, pre, post, strict=True)
        return np.all([_at(factor, i, j) for factor, i, j in axes], axis=0)

    def reach(self, active: BoolMatrix) -> BoolMatrix:
        """Post cells joined to at least one active pre cell; flat masks, (I,) -> (J,)."""
        channel, row, column = (factor.astype(np.float32) for factor in self.factors)
        cells = active.reshape(self.pre_shape)
        # One contraction an axis, so that conv receptive fields cost no pair list.
        cells = cells.reshape(len(cells), -1).astype(np.float32)
        cells = (channel.T @ cells).reshape(-1, *self.pre_shape[1:]) > 0
        cells = np.einsum("hk,chw->ckw", row, cells.astype(np.float32)) > 0
        cells = np.einsum("wk,chw->chk", column, cells.astype(np.float32)) > 0
        return cells.reshape(-1)

    @property
    def matrix(self) -> scipy.sparse.coo_array:
        """A one for every pair, (pre cells, post cells): only where there are few."""
        axes = [scipy.sparse.coo_array(factor.astype(np.int32)) for factor in self.factors]
        return reduce(partial(scipy.sparse.kron, format="coo"), axes)

    def listed(self) -> Pairs:
        """Every pair, shape (K, 2), in order: only where there are few."""
        joined = [np.nonzero(factor) for factor in self.factors]
        pre = np.ravel_multi_index(np.ix_(*(ends[0] for ends in joined)), self.pre_shape).ravel()
        post = np.ravel_multi_index(np.ix_(*(ends[1] for ends in joined)), self.post_shape).ravel()
        order = np.lexsort((post, pre))
        return np.column_stack([pre[order], post[order]])


def _in_both(a: Factor, b: Factor) -> Factor:
    if scipy.sparse.issparse(b):
        a, b = b, a
    if not scipy.sparse.issparse(a):
        return a & b
    both = scipy.sparse.csr_array(a.multiply(b))
    both.eliminate_zeros()
    return both


def _at(factor: Factor, i: NDArray[np.int64], j: NDArray[np.int64]) -> BoolMatrix:
    found = factor[i, j]
    return found.toarray() if scipy.sparse.issparse(found) else np.asarray(found)


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

    @cached_property
    def codes(self) -> Codes:
        """Each pair once, as one number, in order of pre and then post; (K,)."""
        return once(self.coded(self.pairs))

    def coded(self, pairs: Pairs) -> Codes:
        """Pairs as one number each."""
        return pairs[:, 0] * np.int64(self.n_post) + pairs[:, 1]

    def decoded(self, codes: Codes) -> Pairs:
        """The pairs that numbers stand for."""
        pre = codes // self.n_post
        return np.stack([pre, codes - pre * self.n_post]).T

    def count(self) -> int:
        return len(self.codes)

    def contains(self, pairs: Pairs) -> BoolMatrix:
        return among(self.coded(pairs), self.codes)

    def reach(self, active: BoolMatrix) -> BoolMatrix:
        reached = np.zeros(self.n_post, dtype=bool)
        reached[self.pairs[active[self.pairs[:, 0]], 1]] = True
        return reached

    @property
    def matrix(self) -> scipy.sparse.coo_array:
        """A one for every listing of a pair, so that multapses stand apart until added up."""
        ones = np.ones(len(self.pairs), np.int32)
        return scipy.sparse.coo_array((ones, tuple(self.pairs.T)), shape=(self.n_pre, self.n_post))

    def listed(self) -> Pairs:
        return self.decoded(self.codes)


def either(relations: Sequence[ListedRelation]) -> Pairs:
    """Every pair that any of the relations lists, once, in order; (K, 2)."""
    return relations[0].decoded(once(np.concatenate([relation.codes for relation in relations])))


def once(codes: Codes) -> Codes:
    """Each number once, in order. Unlike `numpy.unique`, as fast as sorting."""
    ordered = np.sort(codes)
    return ordered[np.diff(ordered, prepend=-1) != 0]


def among(codes: Codes, ordered: Codes) -> BoolMatrix:
    """Which of the numbers are among others, which are in order; (K,)."""
    if not len(ordered):
        return np.zeros(len(codes), dtype=bool)
    places = np.searchsorted(ordered, codes)
    return ordered[np.minimum(places, len(ordered) - 1)] == codes


Relation = ProductRelation | ListedRelation
R = TypeVar("R", bound=Relation)


def compose(first: Relation, second: Relation) -> Relation:
    """Pairs (i, k) such that `first` joins i to some j, and `second` that j to k.

    Products stay products, because a cell in between is found axis by axis; others are listed.
    """
    if isinstance(first, ProductRelation) and isinstance(second, ProductRelation):
        axes = zip(first.factors, second.factors, strict=True)
        return ProductRelation(tuple(_onward(a, b) for a, b in axes))
    first_csr, second_csr = first.matrix.tocsr(), second.matrix.tocsr()
    pairs = np.column_stack((first_csr @ second_csr).nonzero()).astype(np.int64)
    return ListedRelation(pairs, first.n_pre, second.n_post)


def _onward(a: Factor, b: Factor) -> Factor:
    product = scipy.sparse.csr_array(a) @ scipy.sparse.csr_array(b)
    listed = scipy.sparse.issparse(a) and scipy.sparse.issparse(b)
    return product if listed else product.toarray()


def count_common(first: Sequence[Relation], second: Sequence[Relation]) -> int:
    """Number of pairs that some relation of `first` and some relation of `second` both join.

    Exact; all relations are over the same (pre, post) populations.
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
    distinct = without_repeats(products)
    total = 0
    for size in range(1, len(distinct) + 1):
        common = (reduce(and_, chosen).count() for chosen in combinations(distinct, size))
        total += sum(common) if size % 2 else -sum(common)
    return total


def without_repeats(relations: Iterable[R]) -> list[R]:
    """Each of the relations once."""
    kept: list[R] = []
    for relation in relations:
        if not any(_equal(relation, k) for k in kept):
            kept.append(relation)
    return kept


def _equal(a: Relation, b: Relation) -> bool:
    if isinstance(a, ProductRelation) and isinstance(b, ProductRelation):
        return all(_same(i, j) for i, j in zip(a.factors, b.factors, strict=True))
    return a.count() == b.count() and np.array_equal(a.listed(), b.listed())


def _same(a: Factor, b: Factor) -> bool:
    if not (scipy.sparse.issparse(a) or scipy.sparse.issparse(b)):
        return np.array_equal(a, b)
    return a.shape == b.shape and (scipy.sparse.csr_array(a) != scipy.sparse.csr_array(b)).nnz == 0


def _count_listed(
    explicit: Sequence[ListedRelation],
    first: Sequence[Relation],
    second: Sequence[Relation],
    counted: Sequence[ProductRelation],
) -> int:
    """Common pairs that involve a listed relation and were not counted among the products."""
    if not explicit:
        return 0
    candidates = either(explicit)

    def joined(relations: Sequence[Relation]) -> BoolMatrix:
        inside = [relation.contains(candidates) for relation in relations]
        return np.any(inside, axis=0) if inside else np.zeros(len(candidates), dtype=bool)

    return int((joined(first) & joined(second) & ~joined(counted)).sum())
