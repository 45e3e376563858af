"""Batches in a seeded order, and augmentation of a whole batch at once on its device."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor


def batches(
    x: Tensor,
    y: Tensor,
    batch_size: int,
    generator: torch.Generator | None = None,
    least: int = 2,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Every sample once, in the batches of `batch_rows`."""
    for rows in batch_rows(len(y), batch_size, generator, least, y.device):
        yield x[rows], y[rows]


def batch_rows(
    n: int,
    batch_size: int,
    generator: torch.Generator | None = None,
    least: int = 2,
    device: str | torch.device = "cpu",
) -> Iterator[Tensor | slice]:
    """Which of `n` samples make each batch: in an order drawn from `generator`, or as stored.

    The last batch may be smaller. One of fewer than `least` samples joins the one before it, since
    batch norm has no variance to divide by in a batch of one.
    """
    # Drawn on the CPU: the order must not depend on where the data lies.
    order = None if generator is None else torch.randperm(n, generator=generator).to(device)
    for start, stop in _bounds(n, batch_size, least):
        rows = slice(start, stop)
        yield rows if order is None else order[rows]


def n_batches(n: int, batch_size: int, least: int = 2) -> int:
    """How many batches `batch_rows` yields for `n` samples."""
    return len(_bounds(n, batch_size, least))


def batch_sizes(n: int, batch_size: int, least: int = 2) -> list[int]:
    """How many samples each of them has."""
    return [stop - start for start, stop in _bounds(n, batch_size, least)]


def _bounds(n: int, batch_size: int, least: int) -> list[tuple[int, int]]:
    starts = list(range(0, n, batch_size))
    if len(starts) > 1 and n - starts[-1] < least:
        starts.pop()
    return list(zip(starts, [*starts[1:], n], strict=True))


def augmented(x: Tensor, kind: str, generator: torch.Generator, padding: int = 4) -> Tensor:
    """Images (B, C, H, W), each shifted by up to `padding` pixels and mirrored at random.

    Pixels that come in from outside are zero in the units of the file, as where the padding is
    done before normalisation.
    """
    if "crop" in kind:
        x = _shifted(x, padding, generator)
    if "flip" in kind:
        drawn = torch.rand(len(x), generator=generator, device=generator.device)
        mirrored = drawn.to(x.device) < 0.5
        x = torch.where(mirrored[:, None, None, None], x.flip(-1), x)
    return x


def _shifted(x: Tensor, padding: int, generator: torch.Generator) -> Tensor:
    B, C, H, W = x.shape
    padded = torch.nn.functional.pad(x, (padding,) * 4)
    # Drawn where the generator lives: beside the data, so that nobody waits for a transfer.
    corner = torch.randint(
        2 * padding + 1, (2, B, 1), generator=generator, device=generator.device
    ).to(x.device)
    rows = (corner[0] + torch.arange(H, device=x.device))[:, None, :, None]
    columns = (corner[1] + torch.arange(W, device=x.device))[:, None, None, :]
    image = torch.arange(B, device=x.device)[:, None, None, None]
    channel = torch.arange(C, device=x.device)[None, :, None, None]
    return padded[image, channel, rows, columns]
