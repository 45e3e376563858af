"""What constraints ask of relations between cells: degrees, diagonals, a few examples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from itertools import combinations, islice, product
from operator import and_

import numpy as np
from numpy.typing import NDArray

from oneway.circuits import ListedRelation, ProductRelation, Relation
from oneway.circuits.relation import Factor, either, without_repeats

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]


def in_degrees(relations: Sequence[Relation]) -> IntArray:
    """Presynaptic cells that any of the relations joins to each postsynaptic cell; (J,).

    Of products by inclusion and exclusion, as `count_common` counts.
    """
    distinct = without_repeats(relations)
    products = [r for r in distinct if isinstance(r, ProductRelation)]
    listed = [r for r in distinct if isinstance(r, ListedRelation)]
    degrees = np.zeros(distinct[0].n_post, np.int64)
    for size in range(1, len(products) + 1):
        for chosen in combinations(products, size):
            degrees += (1 if size % 2 else -1) * _product_degrees(reduce(and_, chosen))
    if listed:
        pairs = either(listed)
        for counted in products:
            pairs = pairs[~counted.contains(pairs)]
        degrees += np.bincount(pairs[:, 1], minlength=len(degrees))
    return degrees


def _product_degrees(relation: ProductRelation) -> IntArray:
    channel, row, column = (factor.sum(axis=0, dtype=np.int64) for factor in relation.factors)
    return np.einsum("c,h,w->chw", channel, row, column).reshape(-1)


def diagonal(relation: Relation) -> BoolArray:
    """Cells that a relation joins to the one in the same place; (I,), both shapes being equal."""
    if isinstance(relation, ListedRelation):
        own = relation.pairs[relation.pairs[:, 0] == relation.pairs[:, 1], 0]
        return np.isin(np.arange(relation.n_pre), own)
    channel, row, column = (factor.diagonal() for factor in relation.factors)
    return np.einsum("c,h,w->chw", channel, row, column).reshape(-1)


def common_pairs(
    first: Sequence[Relation], second: Sequence[Relation], wanted: int, apart: bool = False
) -> list[tuple[int, int]]:
    """A few pairs that some relation of both sequences joins; `apart`: of different cells only."""
    found = (pair for a, b in product(first, second) for pair in _common(a, b, wanted))
    distinct = dict.fromkeys(pair for pair in found if not (apart and pair[0] == pair[1]))
    return list(islice(distinct, wanted))


def _common(a: Relation, b: Relation, wanted: int) -> Iterator[tuple[int, int]]:
    if isinstance(a, ProductRelation) and isinstance(b, ProductRelation):
        yield from _some_of(a & b, wanted)
        return
    listed, other = (a, b) if isinstance(a, ListedRelation) else (b, a)
    assert isinstance(listed, ListedRelation)
    for pre, post in listed.pairs[other.contains(listed.pairs)]:
        yield int(pre), int(post)


def _some_of(relation: ProductRelation, wanted: int) -> Iterator[tuple[int, int]]:
    """Some of the pairs; if any joins different cells, then such a one too."""
    axes = [_entries(factor, wanted + 1) for factor in relation.factors]
    for ends in product(*axes):
        pre, post = zip(*ends, strict=True)
        yield (
            int(np.ravel_multi_index(pre, relation.pre_shape)),
            int(np.ravel_multi_index(post, relation.post_shape)),
        )


def _entries(factor: Factor, wanted: int) -> list[tuple[int, int]]:
    """The first entries of an axis, on the diagonal and off it."""
    i, j = factor.nonzero()
    kept: Iterable[int] = sorted(
        k for on in (True, False) for k in np.flatnonzero((i == j) == on)[:wanted]
    )
    return [(int(i[k]), int(j[k])) for k in kept]
