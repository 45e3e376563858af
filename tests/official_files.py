"""Tiny data sets in the official file formats."""

import gzip
import pickle
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

from oneway.training.data.catalogue import KNOWN, Known
from oneway.training.data.download import md5_of


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


def cifar100_batch(n: int, seed: int) -> dict:
    batch = cifar_batch(n, seed)
    del batch["labels"]
    fine = [int(i) for i in (7 * np.arange(n) + 60) % 100]
    return {**batch, "fine_labels": fine, "coarse_labels": [label // 5 for label in fine]}


def write_cifar100(folder: Path, n_train: int = 6, n_test: int = 3) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (name, n) in enumerate((("train", n_train), ("test", n_test))):
        (folder / name).write_bytes(pickle.dumps(cifar100_batch(n, seed), protocol=2))


def svhn_arrays(n: int, seed: int) -> dict[str, np.ndarray]:
    """As in the .mat files: samples last, labels a column of 1 to 10."""
    x = np.random.default_rng(seed).integers(0, 256, (32, 32, 3, n), dtype=np.uint8)
    return {"X": x, "y": (np.arange(n)[:, None] % 10 + 1).astype(np.uint8)}


def write_svhn(folder: Path, n_train: int = 12, n_test: int = 10) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (part, n) in enumerate((("train", n_train), ("test", n_test))):
        savemat(folder / f"{part}_32x32.mat", svhn_arrays(n, seed), do_compression=True)


# WordNet id → colour of all its images; one class is grey and stored so.
TINY_COLOURS = {"n02": (200, 30, 40), "n01": (20, 180, 60), "n03": 128}


def write_tiny_imagenet(folder: Path, n_train: int = 3, n_val: int = 2) -> None:
    """The official layout; wnids.txt is not sorted, and validation images come in any order."""
    for wnid in TINY_COLOURS:
        for i in range(n_train):
            _save_image(folder / "train" / wnid / "images" / f"{wnid}_{i}.JPEG", wnid)
        (folder / "train" / wnid / f"{wnid}_boxes.txt").write_text("")
    (folder / "wnids.txt").write_text("\n".join(TINY_COLOURS) + "\n")
    lines = []
    for i, wnid in enumerate(list(TINY_COLOURS)[::-1] * n_val):
        _save_image(folder / "val" / "images" / f"val_{i}.JPEG", wnid)
        lines.append(f"val_{i}.JPEG\t{wnid}\t0\t1\t62\t63\n")
    (folder / "val" / "val_annotations.txt").write_text("".join(lines))


def _save_image(path: Path, wnid: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    colour = TINY_COLOURS[wnid]
    mode = "L" if isinstance(colour, int) else "RGB"
    Image.new(mode, (64, 64), colour).save(path, "JPEG", quality=95)


def as_official(name: str, folder: Path, archive: Path | None = None) -> Known:
    """A data set of which the small files in a folder (or a packed copy of it) are the official."""
    known = KNOWN[name]
    files = [
        replace(
            file,
            md5=file.md5 and md5_of(folder / file.name),
            packed_md5=file.packed_md5 and md5_of(folder / f"{file.name}.gz"),
        )
        for file in known.files
    ]
    downloads = [
        replace(each, md5=md5_of(archive or folder / each.name)) for each in known.downloads
    ]
    return replace(known, files=tuple(files), downloads=tuple(downloads))


def claim(name: str, folder: Path) -> None:
    """Let them be the official ones as long as this process lives."""
    KNOWN[name] = as_official(name, folder)
