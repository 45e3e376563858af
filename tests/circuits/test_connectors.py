"""Connectors against torch's geometry: shapes, weights, neuron pairs, misfits."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from scipy.stats import chisquare
from strategies import fits
from torch.nn import functional as F

from oneway.circuits import (
    AllToAllConnector,
    AveragePoolConnector,
    Conv2dConnector,
    DropoutConnector,
    FixedProbabilityConnector,
    FromListConnector,
    MatchConnector,
    MaxPoolConnector,
    OneToOneConnector,
    ReshapeConnector,
    TransposeConnector,
    WiringError,
    both,
)


def pass_through(fit, cells):
    """What arrives at the post cells when all weights are one; cells (B, *pre) -> (B, *post)."""
    pre, post, c = fit
    if isinstance(c, Conv2dConnector):
        kernel = torch.ones(c.channels, pre[0] // c.groups, *both(c.kernel))
        return F.conv2d(cells, kernel, None, c.stride, c.padding, c.dilation, c.groups)
    if isinstance(c, MaxPoolConnector):
        return F.max_pool2d(cells, c.kernel, c.stride, c.padding)
    if isinstance(c, AveragePoolConnector):
        return F.avg_pool2d(cells, c.kernel, c.stride, c.padding)
    if isinstance(c, OneToOneConnector):
        return cells
    if isinstance(c, MatchConnector):
        return match(cells, post)
    return (
        cells.sum(dim=tuple(range(1, cells.ndim))).reshape(-1, *[1] * len(post)).expand(-1, *post)
    )


def match(cells, post):
    """Woo et al. 2021: concatenate along channels, then max-pool in space."""
    if len(post) == 3:
        repeated = torch.cat([cells] * (post[0] // cells.shape[1]), dim=1)
        return F.max_pool2d(
            repeated, [i // j for i, j in zip(cells.shape[2:], post[1:], strict=True)]
        )
    if post[0] >= cells.shape[1]:
        return torch.cat([cells] * (post[0] // cells.shape[1]), dim=1)
    return F.max_pool1d(cells[:, None], cells.shape[1] // post[0])[:, 0]


def pairs_by_probing(fit):
    """(I, J): which post cells respond when one pre cell is active."""
    n_pre = int(np.prod(fit.pre))
    return pass_through(fit, torch.eye(n_pre).reshape(n_pre, *fit.pre)).flatten(1) > 0


@given(fits(kinds=("image",)))
def test_windows_have_torchs_output_shape(fit):
    assert tuple(pass_through(fit, torch.zeros(1, *fit.pre)).shape[1:]) == fit.post
    assert fit.connector.misfit(fit.pre, fit.post) is None


@given(fits(kinds=("dense", "image", "match")))
def test_pairs_equal_those_found_by_probing_each_cell(fit):
    relation = fit.connector.relation(fit.pre, fit.post)
    responding = pairs_by_probing(fit).numpy()
    np.testing.assert_array_equal(relation.listed(), np.argwhere(responding))
    assert relation.count() == responding.sum()


@given(fits())
def test_transpose_joins_the_same_pairs_the_other_way(fit):
    back = fit.connector.transpose
    assert back.misfit(fit.post, fit.pre) is None
    assert back.weight_shape(fit.post, fit.pre) == fit.connector.weight_shape(fit.pre, fit.post)
    assert back.fan_in(fit.post, fit.pre) == fit.connector.fan_in(fit.pre, fit.post)
    assert back.transpose == fit.connector
    forward = fit.connector.relation(fit.pre, fit.post).listed()
    backward = back.relation(fit.post, fit.pre).listed()
    assert {tuple(p) for p in forward} == {tuple(p[::-1]) for p in backward}


@given(fits(kinds=("sparse",)))
def test_sparse_pairs_have_one_weight_each(fit):
    pairs = fit.connector.pairs(fit.pre, fit.post)
    assert fit.connector.weight_shape(fit.pre, fit.post) == (len(pairs),)
    np.testing.assert_array_equal(pairs, fit.connector.pairs(fit.pre, fit.post))
    assert {tuple(p) for p in pairs} == {
        tuple(p) for p in fit.connector.relation(fit.pre, fit.post).listed()
    }
    assert fit.connector.misfit(fit.pre, fit.post) is None


@given(fits(kinds=("dense", "image", "sparse")))
def test_pairs_of_a_weight_are_counted(fit):
    """All cells at one: a weight's share in what arrives is the number of pairs it joins."""
    shape = fit.connector.weight_shape(fit.pre, fit.post)
    if shape is None:
        return
    pairs = np.broadcast_to(fit.connector.pairs_per_weight(fit.pre, fit.post), shape)
    expected = torch.ones(shape)
    if isinstance(c := fit.connector, Conv2dConnector):
        kernel, cells = torch.ones(shape, requires_grad=True), torch.ones(1, *fit.pre)
        arriving = F.conv2d(cells, kernel, None, c.stride, c.padding, c.dilation, c.groups)
        (expected,) = torch.autograd.grad(arriving.sum(), kernel)
    np.testing.assert_array_equal(pairs, expected)
    back = np.broadcast_to(c.transpose.pairs_per_weight(fit.post, fit.pre), shape)
    np.testing.assert_array_equal(back, expected)


def test_a_connector_says_what_it_is_seen_through_a_transpose():
    conv, pool, dense = Conv2dConnector(2, 3), MaxPoolConnector(2), AllToAllConnector()
    assert DropoutConnector(0.5).random and TransposeConnector(DropoutConnector(0.5)).random
    assert not conv.random and not TransposeConnector(pool).random
    for c, *expected in (
        (DropoutConnector(0.5), False, False, True),
        (conv, True, True, False),
        (pool, False, False, True),
        (AveragePoolConnector(2), False, False, False),
        (dense, True, False, False),
        (FromListConnector([(0, 0)]), True, False, False),
        (FixedProbabilityConnector(0.5), True, False, False),
        (OneToOneConnector(), False, False, False),
        (MatchConnector(), False, False, False),
    ):
        for seen in (c, TransposeConnector(c)):
            assert [seen.weighted, seen.convolutional, seen.routed] == expected
            assert seen.transposed == (seen is not c)


@pytest.mark.parametrize(
    ("connector", "pre", "post", "shape", "fan_in"),
    [
        (AllToAllConnector(), (3,), (5,), (5, 3), 3),
        (AllToAllConnector(), (2, 3, 3), (4,), (4, 18), 18),
        (Conv2dConnector(8, 3, groups=2), (4, 5, 5), (8, 3, 3), (8, 2, 3, 3), 18),
        (Conv2dConnector(4, 3, groups=4), (4, 5, 5), (4, 3, 3), (4, 1, 3, 3), 9),
        (Conv2dConnector(2, 3, dilation=2), (1, 5, 6), (2, 1, 2), (2, 1, 3, 3), 9),
        (FixedProbabilityConnector(1.0), (3,), (2,), (6,), 3),
        (FromListConnector([(0, 0), (1, 0), (2, 0), (0, 1)]), (3,), (2,), (4,), 2),
        (OneToOneConnector(), (3,), (3,), None, 1),
        (MaxPoolConnector(2), (1, 4, 4), (1, 2, 2), None, 4),
    ],
)
def test_weight_shapes_and_fan_in(connector, pre, post, shape, fan_in):
    assert connector.misfit(pre, post) is None
    assert connector.weight_shape(pre, post) == shape
    assert connector.fan_in(pre, post) == fan_in


@pytest.mark.parametrize(
    ("connector", "pre", "post", "fan_in", "fan_out"),
    [
        (AllToAllConnector(), (3,), (5,), 3, 5),
        (FromListConnector([(0, 0), (0, 1), (0, 2), (1, 0)]), (2,), (3,), 1, 2),
        (AveragePoolConnector(2), (1, 4, 4), (1, 2, 2), 4, 1),
        (OneToOneConnector(), (7,), (7,), 1, 1),
        (MatchConnector(), (2,), (8,), 1, 4),
        (Conv2dConnector(6, 3), (2, 9, 9), (6, 7, 7), 18, 54),
    ],
)
def test_synapses_that_a_cell_receives_and_sends(connector, pre, post, fan_in, fan_out):
    assert (connector.fan_in(pre, post), connector.fan_out(pre, post)) == (fan_in, fan_out)
    back = TransposeConnector(connector)  # drawn like what it stands for
    assert (back.fan_in(post, pre), back.fan_out(post, pre)) == (fan_in, fan_out)


@pytest.mark.parametrize(
    ("connector", "pre", "post", "message"),
    [
        (ReshapeConnector(), (2, 3, 3), (17,), r"equally many cells, got 18 of pre .* and 17 of"),
        (OneToOneConnector(), (3,), (4,), r"equal shapes, got pre \(3,\) and post \(4,\)"),
        (
            Conv2dConnector(8, 3),
            (3, 9, 9),
            (8, 9, 9),
            r"into \(8, 7, 7\), but post has \(8, 9, 9\)",
        ),
        (Conv2dConnector(8, 5), (3, 4, 4), (8, 1, 1), r"kernel 5 is larger than .*\(4, 4\)"),
        (
            Conv2dConnector(8, 3, dilation=2),
            (3, 4, 4),
            (8, 1, 1),
            r"kernel 3 with dilation 2 spans 5 pixels, and is larger than the padded .*\(4, 4\)",
        ),
        (
            Conv2dConnector(8, 3, dilation=2),
            (3, 9, 9),
            (8, 7, 7),
            r"into \(8, 5, 5\), but post has \(8, 7, 7\)",
        ),
        (Conv2dConnector(8, 3, groups=2), (3, 9, 9), (8, 7, 7), "groups = 2 must divide the 3 pre"),
        (Conv2dConnector(8, 3), (9,), (8, 7, 7), r"needs an image .* got pre \(9,\)"),
        (Conv2dConnector(8, 3, groups=2), (9,), (8, 7, 7), r"needs an image .* got pre \(9,\)"),
        (MaxPoolConnector(2), (3, 9, 9), (3, 5, 5), r"into \(3, 4, 4\), but post has \(3, 5, 5\)"),
        (MaxPoolConnector(2).transpose, (3, 5, 5), (3, 9, 9), r"change places.*into \(3, 4, 4\)"),
        (MatchConnector(), (4,), (6,), r"integer ratios .* got pre \(4,\) and post \(6,\)"),
        (MatchConnector(), (4, 8, 8), (2, 4, 4), r"integer ratios .*pre \(4, 8, 8\)"),
        (MatchConnector(), (4, 8, 8), (4, 3, 4), r"integer ratios .*post \(4, 3, 4\)"),
        (MatchConnector(), (4,), (4, 1, 1), r"dense with an image population: \(4,\), \(4, 1, 1\)"),
        (FromListConnector([(0, 5)]), (6,), (5,), r"post indices 5 to 5, expected at most 5 and 4"),
        (FromListConnector([(-1, 0)]), (6,), (5,), "pre indices -1 to -1"),
    ],
)
def test_misfit_says_what_was_expected_and_got(connector, pre, post, message):
    with pytest.raises(WiringError, match=message):
        raise WiringError(connector.misfit(pre, post))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FixedProbabilityConnector(0), "p_connect = 0, expected a probability"),
        (lambda: FixedProbabilityConnector(1.5), "p_connect = 1.5"),
        (lambda: FromListConnector([]), "non-empty list"),
        (lambda: FromListConnector([(0, 1), (0, 1, 0.5)]), r"rows of length \[2, 3\]"),
        (lambda: FromListConnector([(0.5, 1)]), r"row \(0.5, 1\) has an index .* no whole number"),
        (lambda: Conv2dConnector(0, 3), "channels = 0, expected at least 1"),
        (lambda: Conv2dConnector(4, 3, stride=0), "stride = 0, expected at least 1"),
        (lambda: Conv2dConnector(4, 3, padding=-1), "padding = -1, expected at least 0"),
        (lambda: Conv2dConnector(4, 3, dilation=0), "dilation = 0, expected at least 1"),
        (lambda: Conv2dConnector(4, 3, groups=0), "groups = 0, expected at least 1"),
        (lambda: MaxPoolConnector(0), "kernel = 0, expected at least 1"),
        (lambda: AveragePoolConnector(3, 1, 2), "padding 2 is more than half of kernel 3"),
    ],
)
def test_connectors_that_cannot_be(make, message):
    with pytest.raises(WiringError, match=message):
        make()


def test_a_window_is_written_in_one_way():
    """So that equal ones are equal, and can be told apart by their hash."""
    assert Conv2dConnector(4, (3, 3), stride=[2, 2]) == Conv2dConnector(4, 3, stride=2)
    oblong = Conv2dConnector(4, [3, 1], padding=[1, 0])
    assert (oblong.kernel, oblong.padding) == ((3, 1), (1, 0))
    assert hash(oblong) == hash(Conv2dConnector(4, (3, 1), padding=(1, 0)))


def test_pools_do_not_overlap_by_default():
    assert MaxPoolConnector(3) == MaxPoolConnector(3, stride=3)
    assert AveragePoolConnector(2).output_shape((4, 6, 7)) == (4, 3, 3)


@given(st.integers(1, 4), st.integers(1, 4), st.data())
def test_adjacency_matrix_goes_from_row_to_column(n_pre, n_post, data):
    entry = st.sampled_from((0.0, 1.5, -0.5))
    row = st.lists(entry, min_size=n_post, max_size=n_post)
    adjacency = np.array(data.draw(st.lists(row, min_size=n_pre, max_size=n_pre)))
    if not adjacency.any():
        return
    connector = FromListConnector.from_adjacency(adjacency)
    rebuilt = np.zeros_like(adjacency)
    for (i, j), weight in zip(
        connector.pairs((n_pre,), (n_post,)), connector.initial_weights, strict=True
    ):
        rebuilt[i, j] = weight
    np.testing.assert_array_equal(rebuilt, adjacency)


@pytest.mark.parametrize("kind", [bool, np.int8])
def test_repeated_entries_of_a_sparse_matrix_add_up_whatever_their_type(kind):
    entries = np.full(200, 1, dtype=kind)
    repeated = sparse.coo_array((entries, ([0] * 200, [1] * 200)), shape=(2, 2))
    connector = FromListConnector.from_adjacency(repeated)
    assert connector.conn_list == ((0, 1, 200.0),)


def test_lists_hold_plain_numbers():
    from_array = FromListConnector(np.array([[0, 1], [2, 0]]))
    assert from_array == FromListConnector([(0, 1), (2, 0)])
    assert {type(n) for row in from_array.conn_list for n in row} == {int}
    assert FromListConnector([(0, 1)]).initial_weights is None


def test_random_pairs_depend_on_seed_and_probability():
    few, many = (FixedProbabilityConnector(p, seed=1).pairs((50,), (40,)) for p in (0.1, 0.9))
    other = FixedProbabilityConnector(0.1, seed=2).pairs((50,), (40,))
    assert len(few) / 2000 == pytest.approx(0.1, abs=0.03)
    assert len(many) / 2000 == pytest.approx(0.9, abs=0.03)
    assert not np.array_equal(few, other)


@pytest.mark.parametrize("p", [0.05, 0.35, 0.8])
def test_each_pair_is_drawn_alone_with_the_stated_probability(p):
    """How often each of the 64 sets of pairs comes up, which says all: law and independence."""
    seeds, bits = 3000, 2 ** np.arange(6).reshape(2, 3)
    drawn = (FixedProbabilityConnector(p, seed).pairs((2,), (3,)) for seed in range(seeds))
    counts = np.bincount([bits[tuple(pairs.T)].sum() for pairs in drawn], minlength=64)
    size = np.array([number.bit_count() for number in range(64)])
    expected = seeds * p**size * (1 - p) ** (6 - size)
    order = np.argsort(-expected)  # and those that hardly come up as one
    often = np.flatnonzero(np.cumsum(expected[order][::-1])[::-1] > 10)
    counts, expected = (np.add.reduceat(n[order], often) for n in (counts, expected))
    assert chisquare(counts, expected).pvalue > 1e-3


def test_pairs_of_a_random_draw_are_in_order_and_each_there_once():
    pairs = FixedProbabilityConnector(0.001, seed=3).pairs((2000,), (1000,))
    codes = pairs[:, 1] * 2000 + pairs[:, 0]
    assert (np.diff(codes) > 0).all()
    assert codes[0] >= 0
    assert codes[-1] < 2_000_000
    assert abs(len(pairs) - 2000) < 4 * 2000**0.5


def test_transposes_unwrap():
    conv = Conv2dConnector(4, 3)
    assert conv.transpose == TransposeConnector(conv)
    assert OneToOneConnector().transpose == OneToOneConnector()
