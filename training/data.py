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

DATA_DIR_VARIABLE = "ONEWAY_DATA_DIR"


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
    name : {"digits", "mnist", "fashion-mnist", "cifar10"}
        `digits`, scikit-learn's 1,797 images of 8×8 pixels, needs no file.
    data_dir : path, optional
        Folder with the official files, plain or ``.gz``: directly in it or in torchvision's
        layout (``MNIST/raw``, ``FashionMNIST/raw``, ``cifar-10-batches-py``). By default the
        environment variable ``ONEWAY_DATA_DIR``.
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
    train, test = reader(_folder(name, data_dir))
    data = DataSet.from_arrays(name, train, test, classes=10).fitted(shape)
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


def _digits(_: Path) -> tuple[Split, Split]:
    # Slow to import, and only this data set needs it.
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    x, y = load_digits(return_X_y=True)
    images = x.astype(np.uint8).reshape(-1, 1, 8, 8)
    train_x, test_x, train_y, test_y = train_test_split(
        images, y, test_size=360, stratify=y, random_state=0
    )
    return (train_x, train_y), (test_x, test_y)


def _idx_reader(name: str, subfolder: str) -> Callable[[Path], tuple[Split, Split]]:
    def read(folder: Path) -> tuple[Split, Split]:
        places = (folder / subfolder / "raw", folder / subfolder, folder / "raw", folder)
        return tuple(  # type: ignore[return-value]
            read_idx_pair(
                _find(name, places, f"{part}-images-idx3-ubyte"),
                _find(name, places, f"{part}-labels-idx1-ubyte"),
                pixels=(28, 28),
            )
            for part in ("train", "t10k")
        )

    return read


def _cifar10(folder: Path) -> tuple[Split, Split]:
    places = (folder / "cifar-10-batches-py", folder)
    batches = [
        read_cifar_batch(_find("cifar10", places, f"data_batch_{i}", packed=False))
        for i in range(1, 6)
    ]
    train = tuple(np.concatenate(parts) for parts in zip(*batches, strict=True))
    return train, read_cifar_batch(_find("cifar10", places, "test_batch", packed=False))


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


READERS: dict[str, Callable[[Path], tuple[Split, Split]]] = {
    "digits": _digits,
    "mnist": _idx_reader("mnist", "MNIST"),
    "fashion-mnist": _idx_reader("fashion-mnist", "FashionMNIST"),
    "cifar10": _cifar10,
}
