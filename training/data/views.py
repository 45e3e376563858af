"""What is cut out of an image of any size: at random for training, from the centre for a test."""

from __future__ import annotations

from math import exp, log, sqrt
from pathlib import Path

import numpy as np
from PIL import Image

from ..errors import DataError
from .formats import Bytes

# Left, top, right, bottom, in pixels of the file.
Box = tuple[float, float, float, float]

# The usual ones for ImageNet: part of the area, width over height, and how often to try.
AREA = (0.08, 1.0)
RATIO = (3 / 4, 4 / 3)
TRIES = 10
# 224 of 256: of an image whose shorter side is scaled to 256, the centre.
CENTRE = 224 / 256


def view(path: Path, pixels: int, kind: str, draw: np.random.Generator | None) -> Bytes:
    """One image as (3, pixels, pixels).

    Parameters
    ----------
    path : Path
    pixels : int
    kind : str
        With "crop" in it, a random part of 8 to 100 % of the area and of width to height 3:4 to
        4:3, scaled to the square; else the centre. With "flip", mirrored at random.
    draw : Generator or None
        None for a test: the centre, not mirrored.
    """
    image = _opened(path)
    box, mirrored = centre_box(*image.size), False
    if draw is not None:
        box = random_box(*image.size, draw) if "crop" in kind else box
        mirrored = "flip" in kind and draw.random() < 0.5
    # The box is cut and scaled in one step, with antialiasing.
    image = image.resize((pixels, pixels), Image.Resampling.BILINEAR, box=box)
    array = np.asarray(image)
    return (array[:, ::-1] if mirrored else array).transpose(2, 0, 1)


def random_box(width: int, height: int, draw: np.random.Generator) -> Box:
    """A part of random area and shape; the largest of allowed shape where none of them fits."""
    for _ in range(TRIES):
        area = width * height * draw.uniform(*AREA)
        ratio = exp(draw.uniform(log(RATIO[0]), log(RATIO[1])))
        w, h = round(sqrt(area * ratio)), round(sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            left, top = draw.integers(width - w + 1), draw.integers(height - h + 1)
            return float(left), float(top), float(left + w), float(top + h)
    return _centred(width, height, min(width, height * RATIO[1]), min(height, width / RATIO[0]))


def centre_box(width: int, height: int) -> Box:
    side = CENTRE * min(width, height)
    return _centred(width, height, side, side)


def _centred(width: int, height: int, w: float, h: float) -> Box:
    left, top = (width - w) / 2, (height - h) / 2
    return left, top, left + w, top + h


def _opened(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            return image.convert("RGB")  # some are grey, and a few CMYK
    # Pillow's readers raise what they like on a damaged file.
    except Exception as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: is no image that can be read ({reason}). Replace it") from error
