"""What the pixels of image files are, colour or grey, of 8 bits or more, and how they are read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..errors import DataError
from ..progress import ProgressBar
from .image_folder import Listing
from .subsets import sample

_GREY = ("1", "L", "LA", "La")
# Of ImageNet, in units of a byte.
MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)
MEASURED = 500


@dataclass(frozen=True)
class Pixels:
    """What all images of a folder have in common.

    Parameters
    ----------
    grey : bool
        They fit circuits with one channel. Colour does not, which would lose its hue.
    deep : bool
        Of more than 8 bits: values are kept as they are in the file.
    """

    grey: bool = False
    deep: bool = False

    @property
    def dtype(self) -> type[np.generic]:
        return np.float32 if self.deep else np.uint8

    def __str__(self) -> str:
        return f"{'grey' if self.grey else 'colour'} of {'more than 8' if self.deep else '8'} bits"


COLOUR = Pixels()


def look(listing: Listing) -> Pixels:
    """What the files of a listing hold, by the headers of its first and, if it is grey, of others.

    So a colour set of which some images are grey is one of colour.
    """
    first = _header(listing.path(0))
    if not first.grey:
        return first
    rows = sample(len(listing), MEASURED).tolist()
    return Pixels(all(_header(listing.path(row)).grey for row in rows), first.deep)


def _header(path: Path) -> Pixels:
    return _opened(path, lambda image: _pixels(image.mode))


def read_image(path: Path, pixels: Pixels = COLOUR, channels: int = 3) -> Image.Image:
    """An image in a mode that can be scaled: ``RGB``, ``L``, or ``F`` where it is deep.

    Raises
    ------
    DataError
        It cannot be read, or is not like the folder's first one: of another depth, or in colour
        where one channel is asked for.
    """
    return _opened(path, lambda image: _converted(path, image, pixels, channels))


def _opened(path, use):
    try:
        with Image.open(path) as image:
            return use(image)
    except DataError:
        raise
    # Pillow's readers raise what they like on a damaged file.
    except Exception as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: is no image that can be read ({reason}). Replace it") from error


def _pixels(mode: str) -> Pixels:
    deep = mode in ("I", "F") or mode.startswith("I;16")
    return Pixels(deep or mode in _GREY, deep)


def _converted(path: Path, image: Image.Image, pixels: Pixels, channels: int) -> Image.Image:
    found = _pixels(image.mode)
    if found.deep != pixels.deep or (channels == 1 and not found.grey):
        raise DataError(
            f"{path}: is {found}, but the first training image is {pixels}. Save all images alike"
        )
    if not pixels.deep:
        return image.convert("L" if channels == 1 else "RGB")  # of colour, some are grey or CMYK
    values = np.asarray(image, dtype=np.float32)
    if not np.isfinite(values).all():
        raise DataError(f"{path}: has pixels that are NaN or infinite. Replace it")
    return Image.fromarray(values)


def measure(name: str, listing: Listing, pixels: Pixels) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of grey images, (1,), over up to `MEASURED` training images."""
    rows = sample(len(listing), MEASURED).tolist()
    moments = np.zeros(3)
    with ProgressBar(f"measuring {name}", len(rows)) as progress:
        for row in rows:
            values = np.asarray(read_image(listing.path(row), pixels, 1), dtype=float)
            moments += values.size, values.sum(), np.square(values).sum()
            progress.advance()
    mean = moments[1] / moments[0]
    std = np.sqrt(max(moments[2] / moments[0] - mean**2, 0.0))
    return torch.tensor([mean]).float(), torch.tensor([std or 1.0]).float()
