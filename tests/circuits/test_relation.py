"""The algebra of neuron pairs against sets of pairs."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from strategies import fits

from oneway.circuits import Conv2dConnector, ListedRelation, ProductRelation, compose, count_common

axes = st.integers(1, 3)


@st.composite
def relations(draw, pre, post):
    """A product or a listed relation between two image populations."""
    n_pre, n_post = int(np.prod(pre)), int(np.prod(post))
    if draw(st.booleans()):
        factors = (draw(arrays(bool, (i, j))) for i, j in zip(pre, post, strict=True))
        return ProductRelation(tuple(factors))
    pair = st.tuples(st.integers(0, n_pre - 1), st.integers(0, n_post - 1))
    pairs = draw(st.lists(pair, max_size=10))
    return ListedRelation(np.array(pairs, dtype=np.int64).reshape(-1, 2), n_pre, n_post)


@st.composite
def families(draw, count=1, max_size=3):
    """`count` lists of relations over the same two populations."""
    pre, post = draw(st.tuples(axes, axes, axes)), draw(st.tuples(axes, axes, axes))
    family = st.lists(relations(pre, post), max_size=max_size)
    return [draw(family) for _ in range(count)]


def as_set(*relations):
    return {tuple(map(int, pair)) for relation in relations for pair in relation.listed()}


@settings(max_examples=150)
@given(families(count=2))
def test_common_pairs_equal_the_intersection_of_sets(two):
    first, second = two
    assert count_common(first, second) == len(as_set(*first) & as_set(*second))


@given(families())
def test_a_family_shares_all_its_pairs_with_itself(one):
    (family,) = one
    assert count_common(family, family) == len(as_set(*family))


@given(families())
def test_count_contains_and_transpose(one):
    for relation in one[0]:
        pairs = as_set(relation)
        assert relation.count() == len(pairs)
        assert as_set(relation.transposed) == {(j, i) for i, j in pairs}
        n_pre, n_post = _sizes(relation)
        every = np.argwhere(np.ones((n_pre, n_post), dtype=bool))
        inside = {tuple(map(int, pair)) for pair in every[relation.contains(every)]}
        assert inside == pairs


@settings(max_examples=150)
@given(st.data())
def test_composed_pairs_go_through_a_cell_in_between(data):
    a, b, c = (data.draw(st.tuples(axes, axes, axes)) for _ in range(3))
    first, second = data.draw(relations(a, b)), data.draw(relations(b, c))
    composed = compose(first, second)
    listed = {(i, k) for i, j in as_set(first) for m, k in as_set(second) if j == m}
    assert as_set(composed) == listed
    assert _sizes(composed) == (np.prod(a), np.prod(c))


@given(families(), st.data())
def test_reach_follows_every_pair(one, data):
    for relation in one[0]:
        n_pre, n_post = _sizes(relation)
        active = data.draw(arrays(bool, (n_pre,)))
        reached = relation.reach(active)
        assert reached.shape == (n_post,)
        assert set(np.flatnonzero(reached)) == {j for i, j in as_set(relation) if active[i]}


@given(fits(), st.data())
def test_connectors_reach_what_their_pairs_say(fit, data):
    relation = fit.connector.relation(fit.pre, fit.post)
    active = data.draw(arrays(bool, (int(np.prod(fit.pre)),)))
    reached = set(np.flatnonzero(relation.reach(active)))
    assert reached == {j for i, j in as_set(relation) if active[i]}


def _sizes(relation):
    return relation.n_pre, relation.n_post


def test_counts_of_a_deep_layer_are_exact():
    """More pairs than 32 bits hold, without listing one."""
    image = (512, 56, 56)
    relation = Conv2dConnector(512, 3, padding=1).relation(image, image)
    along_an_axis = 56 * 3 - 2  # the padding takes one neighbour at either edge
    assert relation.count() == 512 * 512 * along_an_axis**2 > 2**32
    assert count_common([relation], [relation.transposed.transposed]) == relation.count()
