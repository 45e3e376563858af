"""`Data`: what the training loop asks of a data set; `DataSet`: one that lies on the device."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor

from ..checkpoint import fingerprint
from ..errors import DataError
from .arrays import Split, checked
from .batches import augmented, batches
from .subsets import limits, set_aside

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

    @property
    @abstractmethod
    def chance(self) -> float:
        """Part of the test samples that has the commonest class: what naming it always gets."""

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

    def prepared(self, validation: float, device: str | torch.device) -> Self:
        """On the device, with that part set aside: made once for all runs on these data.

        It is kept as long as the data are, which do not change.
        """
        made = self.__dict__.setdefault("_prepared", {})
        key = validation, str(device)
        if key not in made:
            whole = self.with_validation(validation) if validation else self
            made[key] = whole.to(device)
        return made[key]

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
    def from_arrays(
        cls, name: str, train: Split, test: Split | float, classes: int | None = None
    ) -> DataSet:
        """From numpy arrays, tensors or lists, checked before anything is computed.

        Parameters
        ----------
        name : str
        train : (x, y)
            Samples, images (N, C, H, W) or feature vectors (N, D), and their classes (N,), whole
            numbers from 0 on. Values are taken as they are, whatever their range: a run normalises
            them by mean and deviation of the training part.
        test : (x, y) or float
            The same, or the part of the training samples of each class to test on instead.
        classes : int, optional
            By default as many as `train` has.

        Raises
        ------
        DataError
            Lengths, shapes or kinds of numbers do not fit, there are no samples, some hold NaN or
            infinite values, or labels are no class numbers. One sentence says what, and the fix.

        Examples
        --------
        >>> import numpy as np
        >>> from oneway.training import DataSet
        >>> x, y = np.random.default_rng(0).normal(size=(50, 4)), np.arange(50) % 2
        >>> data = DataSet.from_arrays("mine", (x, y), 0.2)
        >>> data.n_train, data.n_test, data.classes
        (40, 10, 2)
        """
        (train_x, train_y), (test_x, test_y), classes = checked(
            f"data set {name!r}", train, test, classes
        )
        shape = tuple(train_x.shape[1:])
        train_x, test_x = _images(train_x), _images(test_x)
        mean, std = _channel_moments(train_x)
        return cls(name, shape, classes, mean, std, train_x, train_y, test_x, test_y)

    def _size(self, part: str) -> int:
        y = getattr(self, f"{part}_y")
        return 0 if y is None else len(y)

    @property
    def chance(self) -> float:
        return commonest(self.test_y)

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
        train, test = limits(self.name, (self.n_train, self.n_test), n_train, n_test)
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


def commonest(y: Tensor) -> float:
    """Part of the labels that is the commonest of them."""
    return float(y.unique(return_counts=True)[1].max()) / len(y)


def _images(x: Tensor) -> Tensor:
    return x[:, None, None, :] if x.ndim == 2 else x


def _channel_moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel, one at a time to save memory."""
    pairs = [torch.std_mean(x[:, c].float(), correction=0) for c in range(x.shape[1])]
    std = torch.stack([pair[0] for pair in pairs])
    return torch.stack([pair[1] for pair in pairs]), torch.where(std > 0, std, 1.0)
