"""Which samples are for training, test and validation: drawn once and for all, not by a seed."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import DataError


def limits(
    name: str, available: tuple[int, int], n_train: int, n_test: int | None
) -> tuple[Tensor, Tensor]:
    """Rows of the training and of the test part that a limit leaves, in rising order."""
    n_test = min(n_train, available[1]) if n_test is None else n_test
    return (
        _fixed_draw(name, "training", available[0], n_train),
        _fixed_draw(name, "test", available[1], n_test),
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


def split_by_class(name: str, y: Tensor, fraction: float) -> tuple[Tensor, Tensor]:
    """Rows to train on and rows to test on, the same part of every class, in rising order."""
    # By their turn: a number that a file states can be larger than there is memory for all before.
    classes, y, counts = y.cpu().unique(return_inverse=True, return_counts=True)
    to_test = (fraction * counts).round().long()
    short = (to_test < 1) | (to_test >= counts)
    if not 0 < fraction < 1 or short.any():
        c = int(short.int().argmax())
        raise DataError(
            f"{name}: a test fraction of {fraction:g} takes {int(to_test[c])} of the "
            f"{int(counts[c])} samples of class {int(classes[c])}, expected at least one to train "
            "and one to test on. Choose another fraction, or give a test part"
        )
    order = _fixed_order(len(y))
    by_class = order[y[order].argsort(stable=True)]
    place = torch.arange(len(y)) - (counts.cumsum(0) - counts)[y[by_class]]
    tested = place < to_test[y[by_class]]
    return by_class[~tested].sort().values, by_class[tested].sort().values


def sample(available: int, most: int) -> Tensor:
    """Up to so many rows, in rising order."""
    return _fixed_order(available)[:most].sort().values


def _fixed_order(n: int) -> Tensor:
    return torch.randperm(n, generator=torch.Generator().manual_seed(0))


def _fixed_draw(name: str, part: str, available: int, n: int) -> Tensor:
    if not 0 < n <= available:
        raise DataError(
            f"{name}: a limit of {n} {part} samples, expected 1 to {available}, which is all "
            "there are"
        )
    return sample(available, n)
