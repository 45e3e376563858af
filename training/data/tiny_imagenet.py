"""Reader of Tiny ImageNet's folder: JPEG files, decoded once and kept beside it as bytes.

Classes are numbered in the order of their sorted WordNet ids, in both parts: ``wnids.txt`` is not
sorted, a listing of folders is, and mixing the two makes every validation label wrong.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from ..errors import DataError
from ..progress import ProgressBar
from .arrays import Split
from .formats import Bytes

CACHE = "oneway-decoded.npz"
PIXELS = (64, 64)
# Files handed to the decoding threads at a time: a hundred thousand would wait in memory.
DECODED_AT_ONCE = 2000


@dataclass(frozen=True)
class Labelled:
    """Which file is of which class."""

    files: Sequence[Path]
    classes: Sequence[int]


def read_tiny_imagenet(root: Path) -> tuple[Split, Split, int]:
    """Training part, validation part (which serves as the test) and number of classes."""
    wnids, listings = list_images(root)
    stamp = _stamp(listings)
    images = _cached(root / CACHE, stamp, [len(listing.files) for listing in listings])
    if images is None:
        images = _decoded(listings)
        _keep(root / CACHE, stamp, images)
    labels = [np.array(listing.classes, dtype=np.int64) for listing in listings]
    return (images[0], labels[0]), (images[1], labels[1]), len(wnids)


# -- which file is of which class --------------------------------------------------------------


def list_images(root: Path) -> tuple[list[str], tuple[Labelled, Labelled]]:
    """WordNet ids in the order of their class numbers; training and validation files."""
    wnids = _wnids(root)
    return wnids, (_training(root, wnids), _validation(root, wnids))


def _wnids(root: Path) -> list[str]:
    wnids = sorted(set(_text(root / "wnids.txt").split()))
    folders = sorted(path.name for path in (root / "train").glob("*") if path.is_dir())
    if wnids != folders:
        apart = sorted(set(wnids) ^ set(folders))
        raise DataError(
            f"{root}: wnids.txt names {len(wnids)} classes and train holds {len(folders)} folders; "
            f"they differ in {', '.join(apart[:3])}. Unpack the archive again"
        )
    if not wnids:
        raise DataError(f"{root}: wnids.txt names no class. Unpack the archive again")
    return wnids


def _training(root: Path, wnids: Sequence[str]) -> Labelled:
    files: list[Path] = []
    classes: list[int] = []
    for number, wnid in enumerate(wnids):
        found = sorted((root / "train" / wnid / "images").glob("*.JPEG"))
        if not found:
            raise DataError(f"{root}: train/{wnid}/images holds no .JPEG. Unpack the archive again")
        files += found
        classes += [number] * len(found)
    return Labelled(files, classes)


def _validation(root: Path, wnids: Sequence[str]) -> Labelled:
    """The labels are in ``val_annotations.txt``: name, WordNet id and box, separated by tabs."""
    path, numbers = root / "val" / "val_annotations.txt", {w: i for i, w in enumerate(wnids)}
    files: list[Path] = []
    classes: list[int] = []
    for n, line in enumerate(_text(path).splitlines(), 1):
        name, wnid = [*line.split("\t"), "", ""][:2]
        if wnid not in numbers or Path(name).name != name or not name.isprintable():
            raise DataError(
                f"{path}: line {n} is {line[:60]!r}, expected a file name, a tab and one of the "
                f"{len(wnids)} classes in wnids.txt"
            )
        files.append(path.parent / "images" / name)
        classes.append(numbers[wnid])
    if not files:
        raise DataError(f"{path}: names no image. Unpack the archive again")
    return Labelled(files, classes)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}). Name the folder that holds wnids.txt, "
            "train and val, or the one above it, with --data-dir"
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is no text file ({error}). Unpack the archive again") from error


# -- images ------------------------------------------------------------------------------------


def _decoded(listings: Sequence[Labelled]) -> list[Bytes]:
    total = sum(len(listing.files) for listing in listings)
    with ProgressBar("decoding Tiny ImageNet", total) as progress, ThreadPoolExecutor() as pool:
        parts = []
        for listing in listings:
            part = np.empty((len(listing.files), 3, *PIXELS), dtype=np.uint8)
            for i, image in enumerate(_images(pool, listing.files)):
                part[i] = image.transpose(2, 0, 1)
                progress.advance()
            parts.append(part)
    return parts


def _images(pool: ThreadPoolExecutor, files: Sequence[Path]) -> Iterator[Bytes]:
    for start in range(0, len(files), DECODED_AT_ONCE):
        yield from pool.map(_image, files[start : start + DECODED_AT_ONCE])


def _image(path: Path) -> Bytes:
    try:
        with Image.open(path) as image:
            if image.size[::-1] != PIXELS:  # known before anything is decoded
                raise DataError(f"{path}: {image.size[::-1]} pixels, expected {PIXELS}")
            return np.asarray(image.convert("RGB"))  # some are grey
    except DataError:
        raise
    except UnidentifiedImageError as error:
        raise DataError(f"{path}: is no image. Unpack the archive again") from error
    # Pillow's readers raise what they like on a damaged file, or on one of too many pixels.
    except Exception as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot be read ({reason}). Unpack the archive again") from error


# -- cache -------------------------------------------------------------------------------------


def _stamp(listings: Sequence[Labelled]) -> str:
    """Changes when a file is added, removed, renamed or of another size."""
    digest = hashlib.sha256()
    for listing in listings:
        for path in listing.files:
            try:
                size = path.stat().st_size
            except OSError as error:
                reason = error.strerror
                raise DataError(
                    f"{path}: cannot be read ({reason}). Unpack the archive again"
                ) from error
            digest.update(f"{path.parent.parent.name}/{path.name} {size}\n".encode())
    return digest.hexdigest()


def _cached(path: Path, stamp: str, counts: Sequence[int]) -> list[Bytes] | None:
    """What was decoded from the same files before; None if it was not, or cannot be used."""
    try:
        with np.load(path, allow_pickle=False) as content:
            large = max(about.file_size for about in content.zip.infolist()) > _most(counts)
            if large or str(content["stamp"]) != stamp:
                return None
            images = [content["train"], content["val"]]
    except Exception:  # a damaged file can fail anywhere in the reader
        return None
    expected = [(np.dtype(np.uint8), (count, 3, *PIXELS)) for count in counts]
    return images if [(x.dtype, x.shape) for x in images] == expected else None


def _most(counts: Sequence[int]) -> int:
    """Bytes that an array of so many images has in the cache, its header included."""
    return 3 * prod(PIXELS) * max(counts) + 10_000


def _keep(path: Path, stamp: str, images: Sequence[Bytes]) -> None:
    """Write the cache whole or not at all; where the folder is read-only, go without."""
    unfinished = path.with_name(f".{path.stem}.{os.getpid()}.npz")
    try:
        np.savez(unfinished, stamp=np.array(stamp), train=images[0], val=images[1])
        os.replace(unfinished, path)
    except OSError:
        unfinished.unlink(missing_ok=True)
