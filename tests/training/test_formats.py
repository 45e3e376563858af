"""Readers of official files: what they read, and what they say of files that are damaged."""

import gzip
import os
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from official_files import (
    cifar100_batch,
    cifar_batch,
    idx_bytes,
    svhn_arrays,
    write_cifar10,
    write_cifar100,
    write_idx_set,
    write_svhn,
)
from scipy.io import savemat

from oneway.training.data.formats import read_cifar_batch, read_idx, read_svhn
from oneway.training.data.loading import load_data
from oneway.training.errors import DataError


@pytest.mark.parametrize("layout", ["MNIST/raw", "MNIST", "raw", "."])
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
def test_idx_files_are_found_in_every_layout(tmp_path, layout, packed):
    write_idx_set(tmp_path / layout, packed=packed)
    data = load_data("mnist", tmp_path)
    assert data.train_x.shape == (30, 1, 28, 28) and data.test_x.shape == (20, 1, 28, 28)
    assert data.train_y.tolist() == [i % 10 for i in range(30)]


def test_data_sets_of_one_format_do_not_mix(tmp_path):
    write_idx_set(tmp_path / "FashionMNIST" / "raw")
    assert load_data("fashion-mnist", tmp_path).name == "fashion-mnist"
    with pytest.raises(DataError, match=r"mnist: no file train-images-idx3-ubyte or .*\.gz in"):
        load_data("mnist", tmp_path)


@given(st.lists(st.integers(1, 5), min_size=3, max_size=3), st.randoms())
def test_idx_round_trip(tmp_path_factory, shape, random):
    array = np.array(
        [random.randrange(256) for _ in range(np.prod(shape))], dtype=np.uint8
    ).reshape(shape)
    path = tmp_path_factory.mktemp("idx") / "images"
    path.write_bytes(idx_bytes(array))
    np.testing.assert_array_equal(read_idx(path, 3), array)


IMAGES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
DAMAGED = {
    "magic": (idx_bytes(IMAGES, magic=0x00000801), r"0x00000801, expected 0x00000803"),
    "truncated": (idx_bytes(IMAGES)[:-5], r"19 bytes after the header, expected 24 .*\(2, 3, 4\)"),
    "too long": (idx_bytes(IMAGES) + b"x", r"25 bytes after the header, expected 24"),
    "no header": (b"\0\0\x08", r"3 bytes, expected a header of 16"),
    "empty": (idx_bytes(IMAGES[:0]), r"is empty, sizes \(0, 3, 4\)"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_idx_file_is_named_with_expected_and_found(tmp_path, case):
    content, complaint = DAMAGED[case]
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"train-images-idx3-ubyte: .*{complaint}"):
        read_idx(path, 3)


@pytest.mark.parametrize("damage", [lambda b: b[:-9], lambda b: b"no gzip at all", lambda b: b[:3]])
def test_truncated_archive_is_refused(tmp_path, damage):
    path = tmp_path / "images.gz"
    path.write_bytes(damage(gzip.compress(idx_bytes(IMAGES))))
    with pytest.raises(DataError, match=r"images\.gz: the gzip archive is damaged"):
        read_idx(path, 3)


def test_images_and_labels_must_agree_in_number(tmp_path):
    write_idx_set(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx_bytes(np.zeros(29, dtype=np.uint8)))
    with pytest.raises(DataError, match=r"holds 30 images, but .* 29 labels"):
        load_data("mnist", tmp_path)


def test_label_out_of_range_is_refused(tmp_path):
    write_idx_set(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx_bytes(np.full(20, 10, dtype=np.uint8)))
    with pytest.raises(DataError, match=r"labels from 10 to 10, expected 0 to 9"):
        load_data("mnist", tmp_path)


@pytest.mark.parametrize("layout", ["cifar-10-batches-py", "."])
def test_cifar_batches_in_order_and_channel_first(tmp_path, layout):
    write_cifar10(tmp_path / layout)
    data = load_data("cifar10", tmp_path)
    assert data.train_x.shape == (20, 3, 32, 32) and data.test_x.shape == (4, 3, 32, 32)
    second = cifar_batch(4, 1)["data"]
    assert data.train_x[4, 1, 0].tolist() == second[0, 1024 : 1024 + 32].tolist()


class _Caller:
    """Pickles into a call of `os.mkdir`."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_pickle_that_calls_something_is_refused_before_it_does(tmp_path):
    path, trap = tmp_path / "data_batch_1", tmp_path / "trap"
    path.write_bytes(pickle.dumps({"data": _Caller(trap), "labels": []}, protocol=2))
    with pytest.raises(DataError, match=r"data_batch_1: .* asks for \w+\.mkdir"):
        read_cifar_batch(path)
    assert not trap.exists()


BATCH = cifar_batch(3, 0)
WRONG_BATCHES = {
    "truncated": (pickle.dumps(BATCH, protocol=2)[:-30], "not a readable CIFAR batch"),
    "no pickle": (b"hello", "not a readable CIFAR batch"),
    "keys": (pickle.dumps({"fine_labels": []}), r"holds \['fine_labels'\], expected"),
    "type": (pickle.dumps([1]), "holds list, expected"),
    "columns": (
        pickle.dumps({**BATCH, "data": BATCH["data"][:, :99]}),
        r"'data' is uint8 \(3, 99\), expected uint8 \(N, 3072\)",
    ),
    "labels": (pickle.dumps({**BATCH, "labels": [1, 2]}), "'labels' has 2, expected a list of 3"),
    "fractions": (pickle.dumps({**BATCH, "labels": [0.5, 1, 2]}), "labels are not whole numbers"),
    "class": (
        pickle.dumps({**BATCH, "labels": [0, 1, 99]}),
        "labels from 0 to 99, expected 0 to 9",
    ),
}


@pytest.mark.parametrize("case", WRONG_BATCHES)
def test_wrong_cifar_batch_is_refused(tmp_path, case):
    content, complaint = WRONG_BATCHES[case]
    path = tmp_path / "data_batch_3"
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"data_batch_3: .*{complaint}"):
        read_cifar_batch(path)


@pytest.mark.parametrize("layout", ["cifar-100-python", "."])
def test_cifar100_has_its_fine_labels(tmp_path, layout):
    write_cifar100(tmp_path / layout)
    data = load_data("cifar100", tmp_path)
    assert (data.train_x.shape, data.test_x.shape) == ((6, 3, 32, 32), (3, 3, 32, 32))
    assert data.classes == 100 and data.train_y.tolist() == [60, 67, 74, 81, 88, 95]
    third = cifar100_batch(6, 0)["data"][2]
    assert data.train_x[2, 2, 31].tolist() == third[-32:].tolist()


def test_cifar10_is_no_cifar100(tmp_path):
    (tmp_path / "train").write_bytes(pickle.dumps(BATCH, protocol=2))
    (tmp_path / "test").write_bytes(pickle.dumps(BATCH, protocol=2))
    with pytest.raises(DataError, match="expected a batch with 'data' and 'fine_labels'"):
        load_data("cifar100", tmp_path)


@pytest.mark.parametrize("layout", ["SVHN", "."])
def test_svhn_images_stand_upright_and_ten_means_zero(tmp_path, layout):
    write_svhn(tmp_path / layout)
    data = load_data("svhn", tmp_path)
    assert (data.train_x.shape, data.test_x.shape) == ((12, 3, 32, 32), (10, 3, 32, 32))
    assert data.train_y.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2]
    assert data.classes == 10
    x = svhn_arrays(12, 0)["X"]
    assert data.train_x[4, 1, 3].tolist() == x[3, :, 1, 4].tolist()


SVHN = svhn_arrays(3, 0)
WRONG_SVHN = {
    "not a mat": (b"hello", "not a readable .mat file"),
    "cut": ("cut", "not a readable .mat file"),
    "other arrays": ({"Z": SVHN["X"]}, "holds no X and no y. Is it one of SVHN's cropped"),
    "samples first": (
        {**SVHN, "X": SVHN["X"].transpose(3, 0, 1, 2)},
        r"'X' is uint8 \(3, 32, 32, 3\), expected uint8 \(32, 32, 3, N\)",
    ),
    "floating": ({**SVHN, "X": SVHN["X"] / 255}, r"'X' is float64 \(32"),
    "number": ({**SVHN, "y": SVHN["y"][:2]}, "'y' has 2 labels, expected 3"),
    "zero": ({**SVHN, "y": SVHN["y"] - 1}, "labels from 0, expected 1 to 10"),
    "eleven": ({**SVHN, "y": SVHN["y"] + 8}, "labels from 9 to 11, expected 0 to 10"),
}


@pytest.mark.parametrize("case", WRONG_SVHN)
def test_wrong_svhn_file_is_refused(tmp_path, case):
    content, complaint = WRONG_SVHN[case]
    path = tmp_path / "train_32x32.mat"
    savemat(path, content if isinstance(content, dict) else SVHN)
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content == "cut":
        path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(DataError, match=f"train_32x32.mat: .*{complaint}"):
        read_svhn(path)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "n_train", "n_test", "mean"),
    [
        ("mnist", 60_000, 10_000, [33.3184]),
        ("fashion-mnist", 60_000, 10_000, [72.9404]),
        ("cifar10", 50_000, 10_000, [125.3069, 122.9504, 113.8654]),
    ],
)
def test_real_files(data_dir, name, n_train, n_test, mean):
    data = load_data(name, data_dir)
    assert (len(data.train_y), len(data.test_y)) == (n_train, n_test)
    assert data.test_y.bincount(minlength=10).min() >= 890
    np.testing.assert_allclose(data.mean, mean, atol=1e-3)
