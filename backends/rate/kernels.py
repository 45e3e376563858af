"""The small kernels that no other file has: biases, means, signs."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .norms import within_channel
from .precision import at_least_float32


def add_bias(u: Tensor, bias: Tensor) -> Tensor:
    return u + bias.reshape(1, -1, *[1] * (u.dim() - 2))


def add_bias_in_place(u: Tensor, bias: Tensor) -> Tensor:
    return u.add_(bias.reshape(1, -1, *[1] * (u.dim() - 2)))


def sum_cells(error: Tensor) -> Tensor:
    """Sum over batch and positions: cells of one channel share their bias."""
    return error.sum(dim=within_channel(error))


def centre(value: Tensor) -> Tensor:
    return value - value.mean(dim=0, keepdim=True)


def centre_in_place(value: Tensor) -> Tensor:
    return value.sub_(value.mean(dim=0, keepdim=True))


def mean_change(sign: int, change: Tensor, post: Tensor, pairs: Tensor) -> Tensor:
    """Sum to mean, over the batch and the pairs of cells that each weight joins."""
    return change / (sign * len(post) * pairs)


def mean_change_in_place(sign: int, change: Tensor, post: Tensor, pairs: Tensor) -> Tensor:
    return change.div_(sign * len(post) * pairs)


def scaled(
    change: Tensor, w: Tensor, cells: NDArray[np.int64], set_point: float, strength: float
) -> Tensor:
    """A gradient with synaptic scaling: cells keep the mean |w| that they receive at a set point.

    `cells` is the postsynaptic cell of each weight, `strength` is λ_s / η.
    """
    index = torch.as_tensor(cells, device=w.device).flatten()
    counts = torch.bincount(index)
    sums = torch.zeros(len(counts), dtype=w.dtype, device=w.device)
    means = sums.index_add(0, index, w.abs().flatten()) / counts.clamp(min=1)
    return change - strength * w * (1 - means[index].reshape(w.shape) / set_point)


def signs(w: Tensor, scale: Tensor) -> Tensor:
    return scale * torch.sign(w)


def sample_angles(a: Tensor, b: Tensor) -> Tensor:
    """Angle of each sample of `a` to that of `b`, both (B, ...): (B,) degrees in float64.

    nan where either is zero. `oneway.analysis.angle_deg` says why no arccos is taken.
    """
    a, b = at_least_float32(a), at_least_float32(b)
    length = _lengths(a)
    ratio = torch.where(length > 0, length / _lengths(b), torch.nan)
    alike = b * ratio.to(b.dtype).reshape(-1, *[1] * (b.dim() - 1))
    apart, together = _lengths(a - alike), _lengths(alike.add_(a))
    return torch.rad2deg(2 * torch.atan2(apart, together))


def _lengths(rows: Tensor) -> Tensor:
    """Of each sample: summed by channel in the type that it has, and over channels in float64."""
    if rows.dim() > 2:  # one long sum in float32 may be wrong in the fourth digit
        rows = torch.linalg.vector_norm(rows, dim=tuple(range(2, rows.dim())))
    return torch.linalg.vector_norm(rows, dim=1, dtype=torch.float64)
