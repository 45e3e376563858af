"""`StreamedData`: folders of images too large for memory, decoded while training goes on."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from math import exp, log, prod, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ..errors import DataError
from .batches import batch_rows
from .dataset import WHOLE, Batches, Data, Part, commonest
from .image_folder import Listing, list_parts
from .pixels import COLOUR, MEAN, STD, Pixels, look, measure, read_image
from .subsets import limits, set_aside

MOST_WORKERS = 8
# Of a test batch: several of them wait in memory that processes share, which is often small.
MOST_BYTES = 32 * 10**6


@dataclass(frozen=True, eq=False)
class StreamedData(Data):
    """Images in class folders, read anew in each epoch by processes that decode and cut them.

    Every image comes as a square of the circuit's input. For training (`view`), ``crop`` is a
    random part of the image, scaled, and ``flip`` mirrors half of them; a test sees the centre.
    What is drawn for an image depends on the run's seed, the epoch and the image alone, not on how
    many processes read. Grey images fit circuits with one channel, and with three alike.

    Parameters
    ----------
    train, test : Listing
    validation : Listing or None
        Set aside by `with_validation`.
    pixels : Pixels
        What the files hold.
    workers : int
        Processes that decode; 0 decodes in this one.
    device : str or torch.device
    """

    train: Listing
    test: Listing
    validation: Listing | None = None
    pixels: Pixels = COLOUR
    workers: int = 0
    device: str | torch.device = "cpu"

    def _size(self, part: str) -> int:
        listing = getattr(self, part)
        return 0 if listing is None else len(listing)

    @property
    def chance(self) -> float:
        return commonest(self.test.labels)

    def train_batches(
        self,
        size: int,
        order: torch.Generator,
        augmentation: torch.Generator,
        kind: str = "none",
        part: Part = WHOLE,
    ) -> Batches:
        # One number an epoch: what is drawn from it for an image does not wait for the others.
        where = augmentation.device
        epoch = int(torch.randint(2**62, (), generator=augmentation, device=where))
        views = _Views(self.train, self.shape, self.pixels, kind, epoch)
        return self._load(views, _rows(self.n_train, size, part, order))

    def test_batches(self, size: int, part: Part = WHOLE) -> Batches:
        return self._evaluation_batches(self.test, size, part)

    def validation_batches(self, size: int, part: Part = WHOLE) -> Batches:
        if self.validation is None:
            return iter(())
        return self._evaluation_batches(self.validation, size, part)

    def _evaluation_batches(self, listing: Listing, size: int, part: Part) -> Batches:
        most = MOST_BYTES // (prod(self.shape) * np.dtype(self.pixels.dtype).itemsize)
        fewer = max(part.world, min(size, most))
        views = _Views(listing, self.shape, self.pixels)
        return self._load(views, _rows(len(listing), fewer, part))

    def to(self, device: str | torch.device) -> StreamedData:
        mean, std = self.mean.to(device), self.std.to(device)
        return replace(self, mean=mean, std=std, device=device)

    def fitted(self, shape: tuple[int, ...] | None) -> StreamedData:
        if shape is None:
            return self
        channels = (1, 3) if self.pixels.grey else (3,)
        if len(shape) != 3 or shape[0] not in channels or shape[1] != shape[2]:
            fitting = " or ".join(f"({c}, S, S)" for c in channels)
            raise DataError(
                f"data set {self.name!r} has {'grey' if self.pixels.grey else 'colour'} images, "
                f"scaled to squares: they fit an input of {fitting}, but the circuit's input has "
                f"{tuple(shape)}. Start the circuit with {channels[0]}x224x224, or another size"
            )
        # Of grey images all channels are alike.
        mean, std = (
            m.expand(shape[0]) if len(m) < shape[0] else m[: shape[0]]
            for m in (self.mean, self.std)
        )
        return replace(self, shape=tuple(shape), mean=mean, std=std)

    def limited(self, n_train: int, n_test: int | None = None) -> StreamedData:
        train, test = limits(self.name, (self.n_train, self.n_test), n_train, n_test)
        return replace(self, train=self.train.take(train), test=self.test.take(test))

    def with_validation(self, fraction: float) -> StreamedData:
        kept, held = set_aside(self.n_train, fraction)
        return replace(self, train=self.train.take(kept), validation=self.train.take(held))

    def fingerprint(self) -> str:
        """Of names and classes: reading every image would take as long as an epoch."""
        digest = sha256(f"{self.shape}".encode())
        for listing in (self.train, self.test):
            digest.update(listing.names.tobytes() + listing.labels.numpy().tobytes())
        return digest.hexdigest()[:16]

    def _load(self, views: _Views, rows: Sequence[Tensor]) -> Batches:
        cuda = torch.device(self.device).type == "cuda"
        loader = DataLoader(
            views,
            batch_sampler=[r.tolist() for r in rows],
            num_workers=min(self.workers, len(rows)),
            collate_fn=_as_it_is,
            pin_memory=cuda,
            generator=torch.Generator(),  # or it would draw from torch's own
        )
        for r, x in zip(rows, _watched(loader), strict=True):
            y = views.listing.labels[r]
            yield x.to(self.device, non_blocking=cuda), y.to(self.device, non_blocking=cuda)


class _Views(Dataset[Tensor]):
    """Views of images as batches (B, C, S, S); whole batches, since each is one array."""

    def __init__(
        self,
        listing: Listing,
        shape: tuple[int, ...],
        pixels: Pixels,
        kind: str = "none",
        epoch: int | None = None,
    ) -> None:
        self.listing, self.shape, self.pixels = listing, shape, pixels
        self.kind, self.epoch = kind, epoch

    def __getitems__(self, rows: Sequence[int]) -> Tensor | DataError:
        x = np.empty((len(rows), *self.shape), dtype=self.pixels.dtype)
        channels, _, size = self.shape
        try:
            for i, row in enumerate(rows):
                path, draw = self.listing.path(row), self._draw(row)
                x[i] = view(path, size, self.kind, draw, self.pixels, channels)
        except DataError as error:
            return error  # raised in a worker, it would come with the worker's traceback
        return torch.from_numpy(x)

    def _draw(self, row: int) -> np.random.Generator | None:
        return None if self.epoch is None else np.random.default_rng([self.epoch, row])


def _as_it_is(batch: Any) -> Any:
    return batch


def _watched(loader: DataLoader) -> Iterator[Tensor]:
    """The loader's batches; what went wrong in a worker is one clear error here."""
    try:
        for batch in loader:
            if isinstance(batch, DataError):
                raise batch
            yield batch
    except RuntimeError as error:
        raise DataError(
            f"a process that decodes images ended early ({str(error).splitlines()[0]}). Where "
            "memory is short, use fewer with --workers, or 0"
        ) from error


def _rows(n: int, size: int, part: Part, order: torch.Generator | None = None) -> Sequence[Tensor]:
    least = 1 if order is None else part.least
    every = torch.arange(n)
    return [part.of(every[rows]) for rows in batch_rows(n, size, order, least)]


def read_folder(
    name: str, root: Path, workers: int | None = None, test_fraction: float | None = None
) -> StreamedData:
    """A folder with ``train/CLASS/*.JPEG`` and ``val/CLASS/*.JPEG``, for circuits of 3x224x224.

    Grey images are for circuits of 1x224x224 at first, and normalised by their own mean and
    deviation; colour ones by ImageNet's.
    """
    train, test, classes = list_parts(root, test_fraction)
    pixels = look(train)
    mean, std = (
        measure(name, train, pixels) if pixels.grey else (torch.tensor(MEAN), torch.tensor(STD))
    )
    workers = default_workers() if workers is None else workers
    return StreamedData(
        name, (len(mean), 224, 224), classes, mean, std, train, test,
        pixels=pixels, workers=workers,
    )  # fmt: skip


def default_workers() -> int:
    """One for each core that a process may use, up to `MOST_WORKERS`."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    # torchrun says how many processes share this machine.
    sharing = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return max(1, min(MOST_WORKERS, (cores or 1) // sharing))


# -- what is cut out of an image: at random for training, from the centre for a test ---------------

# Left, top, right, bottom, in pixels of the file.
Box = tuple[float, float, float, float]

# The usual ones for ImageNet: part of the area, width over height, and how often to try.
AREA = (0.08, 1.0)
RATIO = (3 / 4, 4 / 3)
TRIES = 10
# 224 of 256: of an image whose shorter side is scaled to 256, the centre.
CENTRE = 224 / 256


def view(
    path: Path,
    size: int,
    kind: str,
    draw: np.random.Generator | None,
    pixels: Pixels = COLOUR,
    channels: int = 3,
) -> np.ndarray:
    """One image as (channels, size, size): for a test, without a generator, its centre.

    A `kind` with "crop" in it is a random part of 8 to 100 % of the area and of width to height 3:4
    to 4:3, scaled to the square, else the centre; with "flip", mirrored at random.
    """
    image = read_image(path, pixels, channels)
    box, mirrored = centre_box(*image.size), False
    if draw is not None:
        box = random_box(*image.size, draw) if "crop" in kind else box
        mirrored = "flip" in kind and draw.random() < 0.5
    # The box is cut and scaled in one step, with antialiasing.
    image = image.resize((size, size), Image.Resampling.BILINEAR, box=box)
    array = np.atleast_3d(np.asarray(image))
    shown = (array[:, ::-1] if mirrored else array).transpose(2, 0, 1)
    return np.broadcast_to(shown, (channels, size, size))


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
