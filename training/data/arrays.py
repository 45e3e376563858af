"""Arrays of one's own, given or read from an npz file: checked before anything is run on them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from oneway.circuits.unpacking import most_unpacked

from ..errors import DataError, MissingData, first_line
from .subsets import split_by_class

Split = tuple[Any, Any]
Part = tuple[Tensor, Tensor]

# What packs better than that is no data.
NAMES = ("train_x", "train_y", "test_x", "test_y")
LAYOUT = "train_x, train_y, test_x and test_y, or x and y with a test fraction"
# torch computes little with these.
_WIDER = {"uint16": np.int32, "uint32": np.int64, "uint64": np.float64, "bool": np.uint8}


def checked(
    name: str, train: Split, test: Split | float, classes: int | None
) -> tuple[Part, Part, int]:
    """Both parts as tensors, and the number of classes: `DataSet.from_arrays`."""
    x, y = _part(f"{name}: training", train)
    if isinstance(test, float | int):
        classes = _number_of_classes(name, [y], classes)
        kept, held = split_by_class(name, y, test)
        return (x[kept], y[kept]), (x[held], y[held]), classes
    test_x, test_y = _part(f"{name}: test", test)
    classes = _number_of_classes(name, [y, test_y], classes)
    _check_alike(name, x, test_x)
    return (x, y), (test_x, test_y), classes


def _part(what: str, given: Split) -> Part:
    x = _samples(what, given[0])
    return x, _classes(what, given[1], len(x))


def _samples(what: str, given: Any) -> Tensor:
    """Finite numbers, (N, C, H, W) or (N, D)."""
    x = _as_tensor(f"{what} samples", given)
    shape = tuple(x.shape)
    if x.ndim not in (2, 4):
        fix = ". Take x[:, None] if they are grey images" if x.ndim == 3 else ""
        raise DataError(
            f"{what} samples have shape {shape}, expected (N, D) for feature vectors or "
            f"(N, channels, rows, columns) for images{fix}"
        )
    if not x.numel():
        raise DataError(f"{what} samples have shape {shape}, expected at least one sample")
    if x.is_floating_point() and not (finite := x.isfinite().flatten(1).all(1)).all():
        first = int((~finite).int().argmax())
        raise DataError(
            f"{what} samples: {int((~finite).sum())} of {len(x)} hold NaN or infinite values, the "
            f"first is number {first}. Leave them out, or put numbers there (np.nan_to_num)"
        )
    return x


def _classes(what: str, given: Any, samples: int) -> Tensor:
    """One whole number for each sample, int64."""
    y = _as_tensor(f"{what} labels", given)
    if y.ndim != 1:
        fix = "y[:, 0]" if y.shape[1:] == (1,) else "y.argmax(1) where a column stands for a class"
        raise DataError(
            f"{what} labels have shape {tuple(y.shape)}, expected ({samples},), a class number for "
            f"each sample. Take {fix}"
        )
    if len(y) != samples:
        raise DataError(
            f"{what} part has {samples} samples, but {len(y)} labels: expected one for each sample"
        )
    if not (whole := y.isfinite() & (y == y.round())).all():
        raise DataError(
            f"{what} labels hold {float(y[~whole][0]):g}, expected whole numbers, the classes from "
            "0 on. np.unique(y, return_inverse=True)[1] numbers any kind of label"
        )
    return y.long()


def _number_of_classes(name: str, labels: Sequence[Tensor], given: int | None) -> int:
    """As given, or as many as the training part has, if all labels lie among them."""
    train = labels[0]
    classes = int(train.max()) + 1 if given is None else given
    for part, y in zip(("training", "test"), labels, strict=False):
        low, high = int(y.min()), int(y.max())
        if low >= 0 and high < classes:
            continue
        fix = "Number classes from 0 on (y - 1 where they begin at 1)"
        if low < 0:
            fix = "Leave out samples without a class (x[y >= 0], y[y >= 0])"
        raise DataError(
            f"{name}: {part} labels run from {low} to {high}, expected 0 to "
            f"{max(classes - 1, 0)}. {fix}"
        )
    if given is None and (low := int(train.min())) > 0:
        raise DataError(
            f"{name}: training labels run from {low} to {classes - 1}, expected a class 0. Take "
            f"y - {low}, or say classes={classes} if the first ones have no sample"
        )
    return classes


def _check_alike(name: str, train: Tensor, test: Tensor) -> None:
    """Complain where test samples are of another shape, or kind of number, than training ones."""
    if train.shape[1:] != test.shape[1:]:
        raise DataError(
            f"{name}: test samples have shape {tuple(test.shape[1:])}, but training samples "
            f"{tuple(train.shape[1:])}: expected both alike"
        )
    if train.is_floating_point() != test.is_floating_point():
        raise DataError(
            f"{name}: training samples are {_kind(train)} and test samples {_kind(test)}, which "
            "may be in different units. Convert one of them, as in x.astype(np.float32) / 255"
        )


def _kind(x: Tensor) -> str:
    return str(x.dtype).removeprefix("torch.")


def _as_tensor(what: str, given: Any) -> Tensor:
    if not isinstance(given, Tensor):
        given = _as_array(what, given)
        wider = _WIDER.get(given.dtype.name)
        given = given if wider is None else given.astype(wider)
        # torch shares memory, and the bytes of a file are read-only.
        given = torch.from_numpy(given if given.flags.writeable else given.copy())
    if given.is_complex():
        raise DataError(f"{what} are {_kind(given)}, expected real numbers. Take x.real or abs(x)")
    return given.to(torch.uint8) if given.dtype == torch.bool else given


def _as_array(what: str, given: Any) -> np.ndarray:
    try:
        array = np.asarray(given)
    except ValueError as error:  # rows of different lengths
        raise DataError(f"{what} are no array of numbers: {first_line(error)}") from error
    if array.dtype.kind not in "biufc":
        raise DataError(
            f"{what} are an array of {array.dtype}, expected numbers. "
            "np.unique(y, return_inverse=True)[1] numbers labels that are words"
        )
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        return array.astype(np.float64)
    # Of this machine's byte order, which torch asks for.
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))


# -- files -------------------------------------------------------------------------------------


def read_arrays(path: Path) -> tuple[Split, Split | None, int | None]:
    """Training part (x, y), test part or None, and number of classes or None, of an npz file.

    Raises
    ------
    DataError
        It is no npz file, holds pickled objects, or has other arrays than `LAYOUT`.
    """
    content = _content(path)
    classes = _stated_classes(path, content.pop("classes", None))
    if sorted(content) == ["x", "y"]:
        return (content["x"], content["y"]), None, classes
    if sorted(content) != sorted(NAMES):
        raise DataError(
            f"{path}: holds the arrays {', '.join(sorted(content)) or 'none'}, expected {LAYOUT} "
            "(and classes, if some have no sample). Write it with np.savez(file, train_x=..., ...)"
        )
    train_x, train_y, test_x, test_y = (content[name] for name in NAMES)
    return (train_x, train_y), (test_x, test_y), classes


def _content(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise MissingData(f"no file {str(path)!r}: expected an npz file with {LAYOUT}")
    try:
        file = np.load(path, allow_pickle=False)
        if not isinstance(file, np.lib.npyio.NpzFile):
            raise DataError(f"{path}: is a single array, expected an npz file with {LAYOUT}")
        with file:
            unpacked = sum(about.file_size for about in file.zip.infolist())
            if unpacked > most_unpacked(path.stat().st_size):
                raise DataError(
                    f"{path}: unpacks to {unpacked / 1e9:,.1f} GB from "
                    f"{path.stat().st_size / 1e6:,.1f} MB. If it should, write it with np.savez, "
                    "which does not pack"
                )
            return {name: file[name] for name in file.files}
    except DataError:
        raise
    # A damaged file can fail anywhere in the reader, with whatever is raised there.
    except Exception as error:
        reason = first_line(error)
        if "allow_pickle" in reason:
            reason = "Python objects, which may run code when they are read"
        raise DataError(
            f"{path}: expected an npz file of numbers, found {reason}. Write it with np.savez from "
            "arrays of numbers"
        ) from error


def _stated_classes(path: Path, given: np.ndarray | None) -> int | None:
    if given is None:
        return None
    if given.shape != () or given.dtype.kind not in "iu" or given < 1:
        raise DataError(f"{path}: classes is {given!r}, expected one whole number from 1 on")
    return int(given)
