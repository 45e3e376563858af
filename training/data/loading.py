"""The data sets: scikit-learn's digits, others read from their official files, image folders."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch

from ..errors import DataError
from .arrays import Split, read_arrays
from .catalogue import ARRAYS, KNOWN, STREAMED, check_source, data_folder, image_root
from .dataset import Data, DataSet
from .formats import read_cifar_batch, read_idx_pair, read_svhn

# Training part, test part, number of classes.
Reader = Callable[[Path], tuple[Split, Split, int]]


def load_data(
    name: str,
    data_dir: str | Path | None = None,
    *,
    shape: tuple[int, ...] | None = None,
    limit: int | tuple[int, int] | None = None,
    test_fraction: float | None = None,
    device: str | torch.device = "cpu",
    workers: int | None = None,
) -> Data:
    """Read a data set.

    Parameters
    ----------
    name : str
        One of `KNOWN`. `digits`, scikit-learn's 1,797 images of 8×8 pixels, needs no file;
        `mnist`, `fashion-mnist`, `svhn` (cropped digits), `cifar10`, `cifar100` (fine labels) and
        `tiny-imagenet` (tested on its validation images) are read from their official files.
        `imagenet` and any other `folder` of ``train/CLASS/*.JPEG`` and ``val/CLASS/*.JPEG`` are
        streamed: images are decoded while training goes on (`StreamedData`). A path that ends in
        ``.npz`` is read from there: arrays ``train_x``, ``train_y``, ``test_x``, ``test_y``, as
        `DataSet.from_arrays` takes them, or ``x`` and ``y``.
    data_dir : path, optional
        Folder with the official files, plain or ``.gz``: directly in it or in torchvision's
        layout (``MNIST/raw``, ``FashionMNIST/raw``, ``cifar-10-batches-py``, ``cifar-100-python``,
        ``tiny-imagenet-200``). By default the environment variable ``ONEWAY_DATA_DIR``. Tiny
        ImageNet's images, once decoded, are kept there if the folder can be written.
    shape : tuple of int, optional
        Of the circuit's input; samples are images unless it is flat. Streamed images are scaled
        to it, by default to (3, 224, 224).
    limit : int or (int, int), optional
        Use only so many training (and test) samples.
    test_fraction : float, optional
        For data without a test part, a folder without ``val`` or a file with ``x`` and ``y``: which
        part of the samples of each class to test on.
    device : str
    workers : int, optional
        Processes that decode streamed images; 0 decodes in this one. By default one a core, at
        most 8. The samples do not depend on it.

    Raises
    ------
    DataError
        The name is unknown, files are missing or damaged, the shape does not fit, or there are two
        test parts or none.

    Examples
    --------
    >>> from oneway.training.data.loading import load_data
    >>> digits = load_data("digits", shape=(64,))
    >>> len(digits.train_y), len(digits.test_y), digits.classes
    (1437, 360, 10)
    """
    check_source(name)
    data = _read(name, data_dir, test_fraction, workers).fitted(shape)
    if limit is not None:
        data = data.limited(*((limit,) if isinstance(limit, int) else limit))
    return data.to(device)


def _read(
    name: str, data_dir: str | Path | None, test_fraction: float | None, workers: int | None
) -> Data:
    if name.endswith(ARRAYS):
        return _own_arrays(Path(name).expanduser(), test_fraction)
    folder = data_folder(name, data_dir)
    if name not in STREAMED:
        if test_fraction is not None:
            raise DataError(f"{name}: has a test part of its own. Leave out the test fraction")
        train, test, classes = READERS[name](folder)
        return DataSet.from_arrays(name, train, test, classes)
    from .streaming import read_folder  # only such data need torch's loader

    return read_folder(name, image_root(name, folder), workers, test_fraction)


def _own_arrays(path: Path, test_fraction: float | None) -> DataSet:
    train, test, classes = read_arrays(path)
    if test is not None and test_fraction is not None:
        raise DataError(f"{path}: has a test part of its own. Leave out the test fraction")
    part = test_fraction if test is None else test
    if part is None:
        raise DataError(
            f"{path}: holds x and y and no test part. Say which part of them to test on, as in "
            "--test-fraction 0.2 (test_fraction= in Python)"
        )
    return DataSet.from_arrays(path.name, train, part, classes)


def _digits(_: Path) -> tuple[Split, Split, int]:
    # Slow to import, and only this data set needs it.
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    x, y = load_digits(return_X_y=True)
    images = x.astype(np.uint8).reshape(-1, 1, 8, 8)
    train_x, test_x, train_y, test_y = train_test_split(
        images, y, test_size=360, stratify=y, random_state=0
    )
    return (train_x, train_y), (test_x, test_y), 10


def _files(name: str, folder: Path) -> Iterator[Path]:
    return (KNOWN[name].require(folder, file.name) for file in KNOWN[name].files)


def _idx(name: str, folder: Path) -> tuple[Split, Split, int]:
    x, y, test_x, test_y = _files(name, folder)
    return read_idx_pair(x, y, (28, 28)), read_idx_pair(test_x, test_y, (28, 28)), 10


def _cifar10(folder: Path) -> tuple[Split, Split, int]:
    *batches, test = (read_cifar_batch(path) for path in _files("cifar10", folder))
    x, y = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    return (x, y), test, 10


def _cifar100(folder: Path) -> tuple[Split, Split, int]:
    paths = _files("cifar100", folder)
    train, test = (read_cifar_batch(path, "fine_labels", 100) for path in paths)
    return train, test, 100


def _svhn(folder: Path) -> tuple[Split, Split, int]:
    train, test = (read_svhn(path) for path in _files("svhn", folder))
    return train, test, 10


def _tiny_imagenet(folder: Path) -> tuple[Split, Split, int]:
    from .tiny_imagenet import read_tiny_imagenet  # only this data set needs Pillow

    return read_tiny_imagenet(KNOWN["tiny-imagenet"].require(folder, "wnids.txt").parent)


READERS: dict[str, Reader] = {
    "digits": _digits,
    "mnist": partial(_idx, "mnist"),
    "fashion-mnist": partial(_idx, "fashion-mnist"),
    "svhn": _svhn,
    "cifar10": _cifar10,
    "cifar100": _cifar100,
    "tiny-imagenet": _tiny_imagenet,
}
