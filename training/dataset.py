"""`DataSet`: samples held as bytes on the device, normalised per batch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

import numpy as np
import torch
from torch import Tensor

from .errors import DataError

Split = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class DataSet:
    """Images or feature vectors with class labels, split into training and test.

    Parameters
    ----------
    name : str
    train_x, test_x : Tensor
        (N, C, H, W), uint8 as in the files or floating point. Feature vectors are (N, 1, 1, D).
    train_y, test_y : Tensor
        Classes (N,), int64.
    shape : tuple of int
        In which a circuit receives one sample: (C, H, W), or flat.
    classes : int
    mean, std : Tensor
        Per channel, of the training part.
    """

    name: str
    train_x: Tensor
    train_y: Tensor
    test_x: Tensor
    test_y: Tensor
    shape: tuple[int, ...]
    classes: int
    mean: Tensor
    std: Tensor

    @classmethod
    def from_arrays(cls, name: str, train: Split, test: Split, classes: int | None = None):
        """From numpy arrays or tensors (x, y), each x an array of images or of feature vectors."""
        train_x, test_x = _images(train[0]), _images(test[0])
        train_y, test_y = (torch.as_tensor(y, dtype=torch.int64) for y in (train[1], test[1]))
        shape = tuple(train[0].shape[1:])
        mean, std = _channel_moments(train_x)
        classes = classes or int(train_y.max()) + 1
        return cls(name, train_x, train_y, test_x, test_y, shape, classes, mean, std)

    def to(self, device: str | torch.device) -> DataSet:
        """The same data on another device."""
        tensors = ("train_x", "train_y", "test_x", "test_y", "mean", "std")
        return replace(self, **{name: getattr(self, name).to(device) for name in tensors})

    def fitted(self, shape: tuple[int, ...] | None) -> DataSet:
        """The same data in the shape of a circuit's input: as images, or flat."""
        images = tuple(self.train_x.shape[1:])
        if shape is None or tuple(shape) == self.shape:
            return self
        if tuple(shape) not in (images, (prod(images),)):
            raise DataError(
                f"data set {self.name!r} has samples of shape {images}, which fit an input of "
                f"{images} or ({prod(images)},), but the circuit's input has {tuple(shape)}. "
                f"Start the circuit with one of these"
            )
        return replace(self, shape=tuple(shape))

    def limited(self, n_train: int, n_test: int | None = None) -> DataSet:
        """A subset, drawn once and for all: every run with the same limit sees the same samples.

        `n_test` defaults to `n_train`, or to all test samples where there are fewer.
        """
        n_test = min(n_train, len(self.test_y)) if n_test is None else n_test
        train, test = (
            _fixed_draw(self.name, part, y, n)
            for part, y, n in (("training", self.train_y, n_train), ("test", self.test_y, n_test))
        )
        subset = self._training_on(train)
        return replace(subset, test_x=self.test_x[test], test_y=self.test_y[test])

    def hold_out(self, fraction: float) -> tuple[DataSet, tuple[Tensor, Tensor]]:
        """The data without a fixed fraction of the training samples, and those samples."""
        n = round(fraction * len(self.train_y))
        if not 0 < n < len(self.train_y):
            raise DataError(
                f"a validation fraction of {fraction} leaves {len(self.train_y) - n} of "
                f"{len(self.train_y)} samples to train and {n} to validate on"
            )
        order = _fixed_order(len(self.train_y)).to(self.train_y.device)
        held, kept = order[:n], order[n:]
        return self._training_on(kept), (self.train_x[held], self.train_y[held])

    def _training_on(self, rows: Tensor) -> DataSet:
        train_x = self.train_x[rows]
        mean, std = _channel_moments(train_x)
        return replace(self, train_x=train_x, train_y=self.train_y[rows], mean=mean, std=std)

    def normalise(self, x: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Samples as a circuit receives them: zero mean and unit variance per channel."""
        mean, std = (m.to(dtype)[:, None, None] for m in (self.mean, self.std))
        return ((x.to(dtype) - mean) / std).reshape(len(x), *self.shape)


def _images(x) -> Tensor:
    if isinstance(x, np.ndarray) and not x.flags.writeable:
        x = x.copy()  # torch shares memory, and the bytes of a file are read-only
    x = torch.as_tensor(x)
    return x[:, None, None, :] if x.ndim == 2 else x


def _channel_moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel, one at a time to save memory."""
    pairs = [torch.std_mean(x[:, c].float(), correction=0) for c in range(x.shape[1])]
    std = torch.stack([pair[0] for pair in pairs])
    return torch.stack([pair[1] for pair in pairs]), torch.where(std > 0, std, 1.0)


def _fixed_order(n: int) -> Tensor:
    return torch.randperm(n, generator=torch.Generator().manual_seed(0))


def _fixed_draw(name: str, part: str, y: Tensor, n: int) -> Tensor:
    if not 0 < n <= len(y):
        raise DataError(
            f"{name}: a limit of {n} {part} samples, expected 1 to {len(y)}, which is all there are"
        )
    return _fixed_order(len(y))[:n].sort().values.to(y.device)
