"""`Data`: what the training loop asks of a data set; `DataSet`: one that lies on the device."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from ..checkpoint import fingerprint
from ..errors import DataError
from .batches import augmented, batches

Split = tuple[np.ndarray, np.ndarray]
Batches = Iterator[tuple[Tensor, Tensor]]


class Part(NamedTuple):
    """One process's share of each batch: every `world`-th sample, from the `rank`-th on."""

    rank: int = 0
    world: int = 1

    def of(self, samples: Tensor) -> Tensor:
        return samples[self.rank :: self.world]

    @property
    def least(self) -> int:
        """Samples in a batch of which every process gets two, as batch norm needs them."""
        return 2 * self.world


WHOLE = Part()


@dataclass(frozen=True, eq=False)
class Data(ABC):
    """Images or feature vectors with class labels, in a training, a test and a validation part.

    Parameters
    ----------
    name : str
    shape : tuple of int
        In which a circuit receives one sample: (C, H, W), or flat.
    classes : int
    mean, std : Tensor
        Per channel (C,), in the units of the samples.
    """

    name: str
    shape: tuple[int, ...]
    classes: int
    mean: Tensor
    std: Tensor

    @property
    def n_train(self) -> int:
        return self._size("train")

    @property
    def n_test(self) -> int:
        return self._size("test")

    @property
    def n_validation(self) -> int:
        """Zero, unless `with_validation` set some aside."""
        return self._size("validation")

    @abstractmethod
    def _size(self, part: str) -> int: ...

    @abstractmethod
    def train_batches(
        self,
        size: int,
        order: torch.Generator,
        augmentation: torch.Generator,
        kind: str = "none",
        part: Part = WHOLE,
    ) -> Batches:
        """Every training sample once, in a drawn order and augmented: x (B, C, H, W) and y (B,).

        A batch has `size` samples, those of all processes together, of which this one gets its
        `part`: none where a batch is too small. Generators are in the same state in every process,
        and `order` lives on the CPU; what is drawn for a sample does not depend on `part`, and the
        state after an epoch neither. `kind` is one of `AUGMENTATIONS`.
        """

    @abstractmethod
    def test_batches(self, size: int, part: Part = WHOLE) -> Batches:
        """Every test sample once, in the order of the files, at most `size` in a batch."""

    @abstractmethod
    def validation_batches(self, size: int, part: Part = WHOLE) -> Batches:
        """Every sample that was set aside once, in a fixed order, not augmented."""

    @abstractmethod
    def to(self, device: str | torch.device) -> Self:
        """The same data for another device: batches come there."""

    @abstractmethod
    def fitted(self, shape: tuple[int, ...] | None) -> Self:
        """The same data in the shape of a circuit's input."""

    @abstractmethod
    def limited(self, n_train: int, n_test: int | None = None) -> Self:
        """A subset, drawn once and for all: every run with the same limit sees the same samples.

        `n_test` defaults to `n_train`, or to all test samples where there are fewer.
        """

    @abstractmethod
    def with_validation(self, fraction: float) -> Self:
        """The same data with a fixed fraction of the training samples set aside."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Changes with the samples, and so tells one data set from another of the same name."""

    def normalise(self, x: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Samples as a circuit receives them: zero mean and unit variance per channel."""
        mean, std = (m.to(dtype)[:, None, None] for m in (self.mean, self.std))
        return ((x.to(dtype) - mean) / std).reshape(len(x), *self.shape)


@dataclass(frozen=True, eq=False)
class DataSet(Data):
    """Samples held as bytes on the device, augmented there a batch at a time.

    Parameters
    ----------
    train_x, test_x : Tensor
        (N, C, H, W), uint8 as in the files or floating point. Feature vectors are (N, 1, 1, D).
    train_y, test_y : Tensor
        Classes (N,), int64.
    validation_x, validation_y : Tensor
        Set aside by `with_validation`.
    """

    train_x: Tensor
    train_y: Tensor
    test_x: Tensor
    test_y: Tensor
    validation_x: Tensor | None = None
    validation_y: Tensor | None = None

    @classmethod
    def from_arrays(cls, name: str, train: Split, test: Split, classes: int | None = None):
        """From numpy arrays or tensors (x, y), each x an array of images or of feature vectors."""
        train_x, test_x = _images(train[0]), _images(test[0])
        train_y, test_y = (torch.as_tensor(y, dtype=torch.int64) for y in (train[1], test[1]))
        shape = tuple(train[0].shape[1:])
        mean, std = _channel_moments(train_x)
        classes = classes or int(train_y.max()) + 1
        return cls(name, shape, classes, mean, std, train_x, train_y, test_x, test_y)

    def _size(self, part: str) -> int:
        y = getattr(self, f"{part}_y")
        return 0 if y is None else len(y)

    def train_batches(
        self,
        size: int,
        order: torch.Generator,
        augmentation: torch.Generator,
        kind: str = "none",
        part: Part = WHOLE,
    ) -> Batches:
        for x, y in batches(self.train_x, self.train_y, size, order, part.least):
            # The whole batch in every process: bytes are cheap, and each draws the same.
            yield part.of(augmented(x, kind, augmentation)), part.of(y)

    def test_batches(self, size: int, part: Part = WHOLE) -> Batches:
        for x, y in batches(self.test_x, self.test_y, size):
            yield part.of(x), part.of(y)

    def validation_batches(self, size: int, part: Part = WHOLE) -> Batches:
        if self.validation_x is not None and self.validation_y is not None:
            for x, y in batches(self.validation_x, self.validation_y, size):
                yield part.of(x), part.of(y)

    def fingerprint(self) -> str:
        return fingerprint(self.train_x, self.train_y, self.test_x, self.test_y)

    def to(self, device: str | torch.device) -> DataSet:
        tensors: dict[str, Any] = {
            name: value.to(device)
            for name, value in vars(self).items()
            if isinstance(value, Tensor)
        }
        return replace(self, **tensors)

    def fitted(self, shape: tuple[int, ...] | None) -> DataSet:
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
        train, test = limits(self, n_train, n_test)
        subset = self._training_on(train)
        return replace(subset, test_x=self.test_x[test], test_y=self.test_y[test])

    def with_validation(self, fraction: float) -> DataSet:
        kept, held = set_aside(self.n_train, fraction)
        return replace(
            self._training_on(kept),
            validation_x=self.train_x[held],
            validation_y=self.train_y[held],
        )

    def _training_on(self, rows: Tensor) -> DataSet:
        train_x = self.train_x[rows]
        mean, std = _channel_moments(train_x)
        return replace(self, train_x=train_x, train_y=self.train_y[rows], mean=mean, std=std)


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


def limits(data: Data, n_train: int, n_test: int | None) -> tuple[Tensor, Tensor]:
    """Rows of the training and of the test part that a limit leaves, in rising order."""
    n_test = min(n_train, data.n_test) if n_test is None else n_test
    return (
        _fixed_draw(data.name, "training", data.n_train, n_train),
        _fixed_draw(data.name, "test", data.n_test, n_test),
    )


def set_aside(n_train: int, fraction: float) -> tuple[Tensor, Tensor]:
    """Rows to train on, and rows to validate on."""
    n = round(fraction * n_train)
    if not 0 < n < n_train:
        raise DataError(
            f"a validation fraction of {fraction} leaves {n_train - n} of {n_train} samples to "
            f"train and {n} to validate on"
        )
    order = _fixed_order(n_train)
    return order[n:], order[:n]


def _fixed_order(n: int) -> Tensor:
    return torch.randperm(n, generator=torch.Generator().manual_seed(0))


def _fixed_draw(name: str, part: str, available: int, n: int) -> Tensor:
    if not 0 < n <= available:
        raise DataError(
            f"{name}: a limit of {n} {part} samples, expected 1 to {available}, which is all "
            "there are"
        )
    return _fixed_order(available)[:n].sort().values
