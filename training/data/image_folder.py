"""Folders of images, one a class: which file is of which class, without opening any of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..errors import DataError, MissingData
from ..progress import ProgressBar
from .subsets import split_by_class

SUFFIXES = (".jpeg", ".jpg", ".png", ".webp", ".bmp", ".ppm", ".pgm", ".tif", ".tiff")
LAYOUT = "train/CLASS/*.JPEG and val/CLASS/*.JPEG, with the same classes in both"
UNSPLIT = "train/CLASS/*.JPEG or CLASS/*.JPEG with --test-fraction 0.2"


@dataclass(frozen=True, eq=False)
class Listing:
    """Files of one part, and their classes."""

    root: Path
    names: np.ndarray  # below `root`, as bytes (N,): one block of memory that processes can share
    labels: Tensor

    def __len__(self) -> int:
        return len(self.names)

    def path(self, row: int) -> Path:
        return self.root / os.fsdecode(self.names[row])

    def take(self, rows: Tensor) -> Listing:
        return replace(self, names=self.names[rows.numpy()], labels=self.labels[rows])


def list_parts(root: Path, test_fraction: float | None = None) -> tuple[Listing, Listing, int]:
    """Training part, validation part (which serves as the test) and number of classes.

    Classes are numbered in the order of their sorted folder names. A class's images may lie in
    folders below its own. With a `test_fraction`, so many of each class are the test: of ``train``,
    or of the class folders that lie in `root` itself.
    """
    if test_fraction is not None:
        return _split(root, test_fraction)
    classes = _class_folders(root / "train")
    test_classes = _class_folders(root / "val")
    if classes != test_classes:
        apart = sorted(set(classes) ^ set(test_classes))
        raise DataError(
            f"{root}: train has {len(classes)} class folders and val {len(test_classes)}; they "
            f"differ in {', '.join(apart[:3])}. Expected {LAYOUT}"
        )
    train, test = (_listing(root / part, classes) for part in ("train", "val"))
    return train, test, len(classes)


def _split(root: Path, fraction: float) -> tuple[Listing, Listing, int]:
    if (root / "val").is_dir():
        raise DataError(f"{root}: has a test part of its own, val. Leave out the test fraction")
    part = root / "train" if (root / "train").is_dir() else root
    classes = _class_folders(part)
    whole = _listing(part, classes)
    train, test = split_by_class(str(part), whole.labels, fraction)
    return whole.take(train), whole.take(test), len(classes)


def _class_folders(part: Path) -> list[str]:
    try:
        with os.scandir(part) as entries:
            found = [(entry.name, entry.is_dir()) for entry in entries if entry.name[0] != "."]
    except OSError as error:
        raise MissingData(
            f"{part}: cannot be read ({error.strerror}). In the folder that --data-dir names, "
            f"there should be {LAYOUT}; or {UNSPLIT}"
        ) from error
    folders = sorted(name for name, is_folder in found if is_folder)
    if folders:
        return folders
    images = sum(name.lower().endswith(SUFFIXES) for name, _ in found)
    raise DataError(
        f"{part}: holds {images} images and no class folder, so nothing says what they show. "
        f"Move each image into the folder of its class: {LAYOUT}"
    )


def _listing(part: Path, classes: list[str]) -> Listing:
    names: list[bytes] = []
    counts = []
    with ProgressBar(f"listing {part.name}", len(classes)) as progress:
        for name in classes:
            found = sorted(_images_below(part, name))
            if not found:
                raise DataError(
                    f"{part / name}: holds no image ({', '.join(SUFFIXES)}). Expected {LAYOUT}; "
                    "a folder without images is no class"
                )
            names += found
            counts.append(len(found))
            progress.advance()
    labels = torch.arange(len(classes)).repeat_interleave(torch.tensor(counts))
    return Listing(part, np.array(names, dtype=np.bytes_), labels)


def _images_below(part: Path, folder: str) -> Iterator[bytes]:
    def complain(error: OSError) -> None:
        raise DataError(f"{error.filename}: cannot be read ({error.strerror})") from error

    start = (part / folder).resolve()
    # Of each folder those above it, which a link in it may lead back to.
    above = {str(part / folder): frozenset(map(_identity, start.parents))}
    for place, folders, files in os.walk(part / folder, onerror=complain, followlinks=True):
        seen = above.pop(place)
        if _identity(place) in seen:
            folders.clear()
            continue
        folders.sort()
        above |= {os.path.join(place, inner): seen | {_identity(place)} for inner in folders}
        below = os.path.relpath(place, part)
        for file in files:
            if file.lower().endswith(SUFFIXES) and file[0] != ".":
                yield os.fsencode(os.path.join(below, file))


def _identity(folder: str | Path) -> tuple[int, int]:
    about = os.stat(folder)
    return about.st_dev, about.st_ino
