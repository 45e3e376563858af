"""The data sets: scikit-learn's digits, and others read from their official files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from .dataset import DataSet, Split
from .errors import DataError
from .formats import read_cifar_batch, read_idx_pair
from .svhn import read_svhn

DATA_DIR_VARIABLE = "ONEWAY_DATA_DIR"

# Training part, test part, number of classes.
Reader = Callable[[Path], tuple[Split, Split, int]]


def load_data(
    name: str,
    data_dir: str | Path | None = None,
    *,
    shape: tuple[int, ...] | None = None,
    limit: int | tuple[int, int] | None = None,
    device: str | torch.device = "cpu",
) -> DataSet:
    """Read a data set.

    Parameters
    ----------
    name : str
        One of `READERS`. `digits`, scikit-learn's 1,797 images of 8×8 pixels, needs no file;
        `mnist`, `fashion-mnist`, `svhn` (cropped digits), `cifar10`, `cifar100` (fine labels) and
        `tiny-imagenet` (tested on its validation images) are read from their official files.
    data_dir : path, optional
        Folder with the official files, plain or ``.gz``: directly in it or in torchvision's
        layout (``MNIST/raw``, ``FashionMNIST/raw``, ``cifar-10-batches-py``, ``cifar-100-python``,
        ``tiny-imagenet-200``). By default the environment variable ``ONEWAY_DATA_DIR``. Tiny
        ImageNet's images, once decoded, are kept there if the folder can be written.
    shape : tuple of int, optional
        Of the circuit's input; samples are images unless it is flat.
    limit : int or (int, int), optional
        Use only so many training (and test) samples.
    device : str

    Raises
    ------
    DataError
        The name is unknown, files are missing or damaged, or the shape does not fit.

    Examples
    --------
    >>> from oneway.training.data import load_data
    >>> digits = load_data("digits", shape=(64,))
    >>> len(digits.train_y), len(digits.test_y), digits.classes
    (1437, 360, 10)
    """
    reader = READERS.get(name)
    if reader is None:
        raise DataError(f"no data set {name!r}; there are {', '.join(READERS)}")
    train, test, classes = reader(_folder(name, data_dir))
    data = DataSet.from_arrays(name, train, test, classes).fitted(shape)
    if limit is not None:
        data = data.limited(*((limit,) if isinstance(limit, int) else limit))
    return data.to(device)


def _folder(name: str, data_dir: str | Path | None) -> Path:
    given = data_dir if data_dir is not None else os.environ.get(DATA_DIR_VARIABLE)
    if name == "digits":
        return Path()
    if not given:
        raise DataError(
            f"{name} is read from its official files: name their folder with --data-dir (data_dir= "
            f"in Python) or in the environment variable {DATA_DIR_VARIABLE}"
        )
    folder = Path(given).expanduser()
    if not folder.is_dir():
        raise DataError(f"data folder {str(folder)!r} is not there (for {name})")
    return folder


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


def _idx_reader(name: str, subfolder: str) -> Reader:
    def read(folder: Path) -> tuple[Split, Split, int]:
        places = (folder / subfolder / "raw", folder / subfolder, folder / "raw", folder)
        train, test = (
            read_idx_pair(
                _find(name, places, f"{part}-images-idx3-ubyte"),
                _find(name, places, f"{part}-labels-idx1-ubyte"),
                pixels=(28, 28),
            )
            for part in ("train", "t10k")
        )
        return train, test, 10

    return read


def _cifar10(folder: Path) -> tuple[Split, Split, int]:
    places = (folder / "cifar-10-batches-py", folder)
    batches = [
        read_cifar_batch(_find("cifar10", places, f"data_batch_{i}", packed=False))
        for i in range(1, 6)
    ]
    x, y = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    return (x, y), read_cifar_batch(_find("cifar10", places, "test_batch", packed=False)), 10


def _cifar100(folder: Path) -> tuple[Split, Split, int]:
    places = (folder / "cifar-100-python", folder)
    train, test = (
        read_cifar_batch(_find("cifar100", places, part, packed=False), "fine_labels", 100)
        for part in ("train", "test")
    )
    return train, test, 100


def _svhn(folder: Path) -> tuple[Split, Split, int]:
    places = (folder / "SVHN", folder / "svhn", folder)
    train, test = (
        read_svhn(_find("svhn", places, f"{part}_32x32.mat", packed=False))
        for part in ("train", "test")
    )
    return train, test, 10


def _tiny_imagenet(folder: Path) -> tuple[Split, Split, int]:
    from .tiny_imagenet import read_tiny_imagenet  # only this data set needs Pillow

    places = (folder / "tiny-imagenet-200", folder)
    return read_tiny_imagenet(_find("tiny-imagenet", places, "wnids.txt", packed=False).parent)


def _find(name: str, places: tuple[Path, ...], file: str, packed: bool = True) -> Path:
    names = (file, f"{file}.gz") if packed else (file,)
    for place in places:
        for candidate in names:
            if (place / candidate).is_file():
                return place / candidate
    raise DataError(
        f"{name}: no file {' or '.join(names)} in {', '.join(map(str, places))}. Put the official "
        "files there, or name another folder with --data-dir"
    )


READERS: dict[str, Reader] = {
    "digits": _digits,
    "mnist": _idx_reader("mnist", "MNIST"),
    "fashion-mnist": _idx_reader("fashion-mnist", "FashionMNIST"),
    "svhn": _svhn,
    "cifar10": _cifar10,
    "cifar100": _cifar100,
    "tiny-imagenet": _tiny_imagenet,
}
