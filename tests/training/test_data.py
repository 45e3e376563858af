"""Data sets as a circuit receives them: shapes, normalisation, subsets, batches, augmentation."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from oneway.training import DataError, DataSet, load_data
from oneway.training.data.batches import augmented, batches, n_batches


@pytest.fixture(scope="module")
def digits():
    return load_data("digits")


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_digits_are_split_the_same_way_every_time_and_by_class(digits):
    again = load_data("digits")
    assert torch.equal(digits.train_x, again.train_x)
    share = digits.test_y.bincount() / (digits.test_y.bincount() + digits.train_y.bincount())
    assert ((share - 0.2).abs() < 0.01).all()
    both = torch.cat([digits.train_x, digits.test_x]).flatten(1)
    assert len(both.unique(dim=0)) == 1797  # no image twice, none in both parts


@pytest.mark.parametrize("shape", [(64,), (1, 8, 8)])
def test_samples_come_in_the_shape_of_the_input(digits, shape):
    assert digits.fitted(shape).normalise(digits.train_x[:3]).shape == (3, *shape)


def test_misfit_names_both_shapes(digits):
    with pytest.raises(DataError, match=r"\(1, 8, 8\) or \(64,\), but .* has \(65,\)"):
        digits.fitted((65,))


def test_normalised_training_data_have_zero_mean_and_unit_variance_per_channel():
    draw = np.random.default_rng(0)
    x = draw.integers(0, 256, (50, 3, 4, 4), dtype=np.uint8) // np.array([1, 2, 4])[:, None, None]
    x = x.astype(np.uint8)
    data = DataSet.from_arrays("noise", (x, np.zeros(50)), (x, np.zeros(50)), classes=2)
    assert data.train_x.dtype == torch.uint8
    z = data.normalise(data.train_x, torch.float64)
    torch.testing.assert_close(z.mean((0, 2, 3)), torch.zeros(3, dtype=z.dtype), atol=1e-5, rtol=0)
    torch.testing.assert_close(z.var((0, 2, 3), correction=0), torch.ones(3, dtype=z.dtype))


def test_constant_channel_stays_finite():
    x = np.full((5, 7), 3.0)
    data = DataSet.from_arrays("flat", (x, np.arange(5)), (x, np.arange(5)))
    assert data.shape == (7,) and data.classes == 5
    assert torch.equal(data.normalise(data.train_x), torch.zeros(5, 7))


def test_limit_is_a_fixed_draw_with_its_own_statistics():
    small = load_data("digits", limit=(100, 20))
    assert (len(small.train_y), len(small.test_y)) == (100, 20)
    assert torch.equal(small.train_x, load_data("digits", limit=(100, 20)).train_x)
    assert abs(float(small.normalise(small.train_x).mean())) < 1e-5
    assert len(load_data("digits", limit=1000).test_y) == 360


@pytest.mark.parametrize("limit", [0, -1, 5000, (10, 999)])
def test_limit_beyond_the_data_is_refused(limit):
    with pytest.raises(DataError, match=r"digits: a limit of -?\d+ \w+ samples, expected 1 to"):
        load_data("digits", limit=limit)


def test_validation_samples_are_not_trained_on(digits):
    data = digits.with_validation(0.1)
    assert data.n_validation == 144 and data.n_train == 1437 - 144 and digits.n_validation == 0
    every = torch.cat([data.train_x, *(x for x, _ in data.validation_batches(50))])
    assert len(every.flatten(1).unique(dim=0)) == 1437


def test_unknown_name_and_missing_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("ONEWAY_DATA_DIR", raising=False)
    with pytest.raises(DataError, match=r"no data set 'digit'; there are digits, mnist"):
        load_data("digit")
    with pytest.raises(DataError, match="name their folder with --data-dir"):
        load_data("mnist")
    with pytest.raises(DataError, match="cifar10: no file data_batch_1 in"):
        load_data("cifar10", tmp_path)


@given(st.integers(1, 70), st.integers(1, 20), st.integers(0, 3))
def test_batches_hold_every_sample_once(n, batch_size, seed):
    x = torch.arange(n)
    drawn = list(batches(x, x, batch_size, seeded(seed)))
    assert torch.cat([y for _, y in drawn]).sort().values.tolist() == list(range(n))
    assert len(drawn) == n_batches(n, batch_size)
    assert all(torch.equal(a, b) for a, b in drawn)
    if n > 1 and batch_size > 1:
        assert min(len(y) for _, y in drawn) > 1  # batch norm needs two


def test_order_is_that_of_the_seed():
    x = torch.arange(40)

    def order(seed):
        return torch.cat([y for _, y in batches(x, x, 7, seeded(seed))]).tolist()

    assert order(1) == order(1) != order(2)
    assert torch.cat([y for _, y in batches(x, x, 7)]).tolist() == list(range(40))


def test_crop_shifts_each_image_whole_and_by_its_own_offset():
    x = torch.zeros(200, 2, 9, 9, dtype=torch.uint8)
    x[:, :, 4, 4] = 200
    y = augmented(x, "crop", seeded())
    assert y.shape == x.shape and y.dtype == x.dtype
    assert (y[:, 0] == y[:, 1]).all()  # channels move together
    places = y[:, 0].flatten(1).argmax(1)
    assert (y.flatten(1) > 0).sum(1).eq(2).all()  # within 4 pixels the dot never leaves
    assert places.unique().numel() > 60  # of 81


def test_flip_mirrors_about_half():
    x = torch.arange(6, dtype=torch.uint8).expand(400, 1, 2, 6).contiguous()
    y = augmented(x, "flip", seeded())
    mirrored = (y == x.flip(-1)).flatten(1).all(1)
    assert ((y == x).flatten(1).all(1) ^ mirrored).all()
    assert 150 < int(mirrored.sum()) < 250


def test_augmentation_is_seeded():
    x = torch.randint(0, 255, (8, 3, 12, 12), generator=seeded(), dtype=torch.uint8)
    first, same, other = (augmented(x, "crop+flip", seeded(s)) for s in (1, 1, 2))
    assert torch.equal(first, same) and not torch.equal(first, other)
