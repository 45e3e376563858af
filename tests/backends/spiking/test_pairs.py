"""Connectors as lists of synapses: the relation of the description, the numbers of the rates."""

import numpy as np
import pytest
import torch
from hypothesis import given

pytest.importorskip("brian2")

from strategies import Fit, fits

from oneway.backends.rate.connectors import rate_connector
from oneway.backends.spiking.translation.connectors import Pairs, list_pairs

pytestmark = pytest.mark.spiking


@given(fits())
def test_synapses_are_the_joined_pairs(fit: Fit):
    pairs = list_pairs(fit.connector, fit.pre, fit.post)
    listed = fit.connector.relation(fit.pre, fit.post).listed()
    assert set(zip(pairs.i.tolist(), pairs.j.tolist(), strict=True)) == set(
        map(tuple, np.asarray(listed).tolist())
    )


@given(fits())
def test_they_convey_what_rates_convey(fit: Fit):
    pairs = list_pairs(fit.connector, fit.pre, fit.post)
    shape = fit.connector.weight_shape(fit.pre, fit.post)
    rng = np.random.default_rng(0)
    pre, w = rng.normal(size=fit.pre), None if shape is None else rng.normal(size=shape)
    weights = () if w is None else (torch.from_numpy(w),)
    half = rate_connector(fit.connector, fit.pre, fit.post)
    expected = half.apply(*weights, torch.from_numpy(pre)[None])
    expected = (expected[0] if half.routed else expected).numpy().ravel()
    np.testing.assert_allclose(arriving(pairs, pre.ravel(), w, expected.size), expected, atol=1e-12)


@given(fits())
def test_products_of_the_synapses_of_one_weight_add_up(fit: Fit):
    shape = fit.connector.weight_shape(fit.pre, fit.post)
    if shape is None:
        return
    pairs = list_pairs(fit.connector, fit.pre, fit.post)
    rng = np.random.default_rng(0)
    pre, post = rng.normal(size=fit.pre), rng.normal(size=fit.post)
    change = np.zeros(int(np.prod(shape)))
    np.add.at(change, pairs.weight, post.ravel()[pairs.j] * pre.ravel()[pairs.i])
    half = rate_connector(fit.connector, fit.pre, fit.post)
    expected = half.correlate(torch.from_numpy(post)[None], torch.from_numpy(pre)[None])
    np.testing.assert_allclose(change, expected.numpy().ravel(), atol=1e-12)


def arriving(pairs: Pairs, pre: np.ndarray, w: np.ndarray | None, n_post: int) -> np.ndarray:
    """Sums over synapses, or the strongest of each cell's branches."""
    if pairs.branch is not None:
        branches = np.full((n_post, pairs.branches), np.nan)
        branches[pairs.j, pairs.branch] = pre[pairs.i]
        return branches.max(axis=1)
    strength = pairs.factor if w is None else w.ravel()[pairs.weight]
    total = np.zeros(n_post)
    np.add.at(total, pairs.j, strength * pre[pairs.i])
    return total


@given(fits())
def test_a_transpose_has_the_same_synapses_the_other_way(fit: Fit):
    there = list_pairs(fit.connector, fit.pre, fit.post)
    back = list_pairs(fit.connector.transpose, fit.post, fit.pre)
    np.testing.assert_array_equal(there.i, back.j)
    np.testing.assert_array_equal(there.j, back.i)
