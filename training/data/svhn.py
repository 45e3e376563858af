"""Reader of SVHN's cropped digits: ``train_32x32.mat`` and ``test_32x32.mat``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..errors import DataError
from .formats import Bytes, Labels, check_labels


def read_svhn(path: Path) -> tuple[Bytes, Labels]:
    """Images (N, 3, 32, 32) and labels 0 to 9 of one file.

    The file holds ``X``, (row, column, channel, sample), and ``y``, in which 10 means the digit 0.
    """
    x, y = _arrays(path)
    if x.dtype != np.uint8 or x.ndim != 4 or x.shape[:3] != (32, 32, 3):
        raise DataError(f"{path}: 'X' is {x.dtype} {x.shape}, expected uint8 (32, 32, 3, N)")
    if y.size != x.shape[3]:
        raise DataError(f"{path}: 'y' has {y.size} labels, expected {x.shape[3]}, one an image")
    labels = check_labels(path, y.reshape(-1), 11)
    if labels.min() < 1:
        raise DataError(f"{path}: labels from 0, expected 1 to 10, where 10 means the digit 0")
    return np.ascontiguousarray(x.transpose(3, 2, 0, 1)), labels % 10


def _arrays(path: Path) -> tuple[np.ndarray, np.ndarray]:
    from scipy.io import loadmat  # slow to import, and only this data set needs it

    try:
        content = loadmat(path, variable_names=["X", "y"])
    # A damaged file can fail anywhere in the reader, with whatever is raised there.
    except Exception as error:
        raise DataError(
            f"{path}: not a readable .mat file ({error}). Download the file again"
        ) from error
    missing = [name for name in ("X", "y") if name not in content]
    if missing:
        raise DataError(
            f"{path}: holds no {' and no '.join(missing)}. Is it one of SVHN's cropped digits?"
        )
    return content["X"], content["y"]
