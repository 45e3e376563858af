"""Readers of the official files: idx (MNIST), CIFAR's Python batches, SVHN's cropped digits.

A damaged file raises `DataError` with what was expected and found, before any pixel is used.
"""

from __future__ import annotations

import gzip
import io
import pickle
import pickletools
import struct
import zlib
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError

Bytes = NDArray[np.uint8]
Labels = NDArray[np.int64]

_AGAIN = "Download or unpack the file again"
_UNSIGNED_BYTE = 0x08
# No gzip packs better than 1 to 1032.
PACKED_AT_MOST = 1100


def read_idx(path: Path, dimensions: int) -> Bytes:
    """An idx file of unsigned bytes, plain or ``.gz``: images (N, rows, columns) or labels (N,)."""
    expected = (_UNSIGNED_BYTE << 8) | dimensions
    header = 4 * (1 + dimensions)
    start = _content(path, header)
    if len(start) < header:
        raise DataError(f"{path}: {len(start)} bytes, expected a header of {header}. {_AGAIN}")
    magic, *sizes = struct.unpack(f">{1 + dimensions}I", start)
    if magic != expected:
        raise DataError(
            f"{path}: magic number {magic:#010x}, expected {expected:#010x} (idx, unsigned bytes, "
            f"dimensions: {dimensions}). Is it the right file under this name?"
        )
    if sizes[0] == 0:
        raise DataError(f"{path}: is empty, sizes {tuple(sizes)}. {_AGAIN}")
    if prod(sizes) > PACKED_AT_MOST * path.stat().st_size:
        raise DataError(
            f"{path}: sizes {tuple(sizes)} are {prod(sizes):,} bytes, in a file of "
            f"{path.stat().st_size:,}. {_AGAIN}"
        )
    content = _content(path, header + prod(sizes) + 1)
    if len(content) - header != prod(sizes):
        there = len(content) - header
        raise DataError(
            f"{path}: {'at least ' * (there > prod(sizes))}{there} bytes after the header, "
            f"expected {prod(sizes)} for sizes {tuple(sizes)}. {_AGAIN}"
        )
    return np.frombuffer(content, dtype=np.uint8, offset=header).reshape(sizes)


def _content(path: Path, most: int) -> bytes:
    """The file's first bytes, unpacked: a small gzip can hold more than there is memory."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            return file.read(most)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: the gzip archive is damaged ({error}). {_AGAIN}") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error


def read_idx_pair(images: Path, labels: Path, pixels: tuple[int, int]) -> tuple[Bytes, Labels]:
    """Images (N, 1, H, W) and their labels, checked against each other."""
    x, y = read_idx(images, 3), read_idx(labels, 1)
    if x.shape[1:] != pixels:
        raise DataError(f"{images}: images of {x.shape[1:]} pixels, expected {pixels}")
    if len(x) != len(y):
        raise DataError(
            f"{images} holds {len(x)} images, but {labels} {len(y)} labels. Are they from the same "
            "data set?"
        )
    return x[:, None], check_labels(labels, y, 10)


def read_cifar_batch(
    path: Path, labelled: str = "labels", classes: int = 10
) -> tuple[Bytes, Labels]:
    """One batch of CIFAR's Python version: images (N, 3, 32, 32) and labels.

    The key of the labels is ``labels`` in CIFAR-10, ``fine_labels`` or ``coarse_labels`` in
    CIFAR-100.
    """
    batch = _unpickle(path)
    if not isinstance(batch, dict) or not {"data", labelled} <= batch.keys():
        found = sorted(map(str, batch)) if isinstance(batch, dict) else type(batch).__name__
        raise DataError(f"{path}: holds {found}, expected a batch with 'data' and {labelled!r}")
    stated, labels = batch["data"], batch[labelled]
    data = stated.pixels() if isinstance(stated, _Stated) else None
    if data is None or data.shape[1:] != (3072,):
        kind = stated if isinstance(stated, _Stated) else type(stated)
        raise DataError(f"{path}: 'data' is {kind}, expected uint8 (N, 3072)")
    if not isinstance(labels, list) or len(labels) != len(data):
        n = len(labels) if isinstance(labels, list) else type(labels).__name__
        raise DataError(
            f"{path}: {labelled!r} has {n}, expected a list of {len(data)}, one an image"
        )
    return data.reshape(-1, 3, 32, 32), check_labels(path, labels, classes)


def check_labels(path: Path, labels: Sequence[int] | Bytes, classes: int) -> Labels:
    """Labels as int64, all of them a class."""
    try:
        y = np.asarray(labels).astype(np.int64, casting="safe")
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: labels are not whole numbers ({error})") from error
    if y.ndim != 1:
        raise DataError(f"{path}: labels have shape {y.shape}, expected one whole number an image")
    if y.size and (y.min() < 0 or y.max() >= classes):
        raise DataError(f"{path}: labels from {y.min()} to {y.max()}, expected 0 to {classes - 1}")
    return y


class _Stated:
    """Stands for an array or a dtype in a pickle: keeps what it would be made of, and runs nothing.

    numpy's own crash the interpreter on some states.
    """

    def __init__(self, *given: Any) -> None:
        self.given = given
        self.state: Any = ()

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __str__(self) -> str:
        match self.state:
            case (_, tuple(shape), _Stated(given=(str(kind), *_)), *_):
                return f"{_DTYPES.get(kind, kind)} {shape}"
        return "an array"

    def pixels(self) -> Bytes | None:
        """The array, if it is one of bytes in rows."""
        match self.state:
            case (_, (int(rows), int(columns)), _Stated(given=("u1" | "|u1", *_)), False, content):
                raw = content.encode("latin1") if isinstance(content, str) else content
                if isinstance(raw, bytes) and rows >= 0 and len(raw) == rows * columns:
                    return np.frombuffer(raw, np.uint8).reshape(rows, columns)
        return None


_DTYPES = {np.dtype(kind).str[1:]: np.dtype(kind).name for kind in np.sctypeDict.values()}


def _latin1(text: str, encoding: str) -> bytes:
    """Python 3 writes the bytes of protocol 2 so."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it holds bytes in {encoding!r}")
    return text.encode("latin1")


# A pickle may call anything it can name. The official batches name only these.
_NAMED_IN_BATCHES = {
    ("numpy.core.multiarray", "_reconstruct"): _Stated,
    ("numpy._core.multiarray", "_reconstruct"): _Stated,
    ("numpy", "ndarray"): _Stated,
    ("numpy", "dtype"): _Stated,
    ("_codecs", "encode"): _latin1,
}


class _BatchUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _NAMED_IN_BATCHES:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no CIFAR batch needs")
        return _NAMED_IN_BATCHES[module, name]


def _unpickle(path: Path) -> Any:
    try:
        content = path.read_bytes()
        _check_places(content)
        return _BatchUnpickler(io.BytesIO(content), encoding="latin1").load()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    # A damaged pickle can fail in any of its instructions, with whatever that one raises.
    except Exception as error:
        raise DataError(f"{path}: not a readable CIFAR batch ({error}). {_AGAIN}") from error


def _check_places(content: bytes) -> None:
    """A pickle numbers what it remembers, and memory is taken for all numbers up to the largest."""
    for instruction, number, _ in pickletools.genops(content):
        puts = "PUT" in instruction.name
        if puts and not (isinstance(number, int) and 0 <= number < len(content)):
            raise pickle.UnpicklingError(f"it remembers something as number {number:,}")


# -- SVHN's cropped digits -------------------------------------------------------------------------


def read_svhn(path: Path) -> tuple[Bytes, Labels]:
    """Images (N, 3, 32, 32) and labels 0 to 9 of one file.

    The file holds ``X``, (row, column, channel, sample), and ``y``, in which 10 means the digit 0.
    """
    x, y = _svhn_arrays(path)
    if x.dtype != np.uint8 or x.ndim != 4 or x.shape[:3] != (32, 32, 3):
        raise DataError(f"{path}: 'X' is {x.dtype} {x.shape}, expected uint8 (32, 32, 3, N)")
    if y.size != x.shape[3]:
        raise DataError(f"{path}: 'y' has {y.size} labels, expected {x.shape[3]}, one an image")
    labels = check_labels(path, y.reshape(-1), 11)
    if labels.min() < 1:
        raise DataError(f"{path}: labels from 0, expected 1 to 10, where 10 means the digit 0")
    return np.ascontiguousarray(x.transpose(3, 2, 0, 1)), labels % 10


def _svhn_arrays(path: Path) -> tuple[np.ndarray, np.ndarray]:
    # Slow to import, and only this data set needs it.
    from oneway.analysis.graphs.readers.matlab import load_mat

    try:
        content = load_mat(path.read_bytes(), ["X", "y"])
    # A damaged file can fail anywhere in the reader, with whatever is raised there.
    except Exception as error:
        raise DataError(
            f"{path}: not a readable .mat file ({error}). Download the file again"
        ) from error
    missing = [n for n in ("X", "y") if not isinstance(content.get(n), np.ndarray)]
    if missing:
        raise DataError(
            f"{path}: holds no {' and no '.join(missing)}. Is it one of SVHN's cropped digits?"
        )
    return content["X"], content["y"]
