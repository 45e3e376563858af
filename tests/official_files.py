"""Tiny data sets in the official file formats."""

import gzip
import pickle
import struct
from pathlib import Path

import numpy as np


def idx_bytes(array: np.ndarray, magic: int | None = None) -> bytes:
    magic = (0x08 << 8 | array.ndim) if magic is None else magic
    return struct.pack(f">{1 + array.ndim}I", magic, *array.shape) + array.tobytes()


def write_idx_set(folder: Path, n_train: int = 30, n_test: int = 20, packed: bool = False) -> None:
    """MNIST's four files."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(0)
    for part, n in (("train", n_train), ("t10k", n_test)):
        images = draw.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        labels = (np.arange(n) % 10).astype(np.uint8)
        for kind, array in (("images-idx3", images), ("labels-idx1", labels)):
            file = folder / f"{part}-{kind}-ubyte"
            if packed:
                file.with_name(file.name + ".gz").write_bytes(gzip.compress(idx_bytes(array)))
            else:
                file.write_bytes(idx_bytes(array))


def cifar_batch(n: int, seed: int) -> dict:
    draw = np.random.default_rng(seed)
    return {
        "batch_label": "a batch",
        "labels": [int(i) for i in np.arange(n) % 10],
        "data": draw.integers(0, 256, (n, 3072), dtype=np.uint8),
        "filenames": [f"{i}.png" for i in range(n)],
    }


def write_cifar10(folder: Path, n: int = 4) -> None:
    """The six batches, in the pickle protocol of the official files."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]):
        (folder / name).write_bytes(pickle.dumps(cifar_batch(n, seed), protocol=2))
