"""Batch normalisation over a batch of which several processes hold a part each.

`stack` gives a tensor of every process in one, (parts, *shape), the same in all of them. Errors
carry 1/B of their own part; times B those of all parts are on one scale.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from oneway.circuits import BatchNorm

from . import norms
from .norms import balanced, channel_factor, per_channel, within_channel
from .precision import at_least_float32

Stack = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class PooledNorms:
    """The kernels of `norms` with the statistics of all parts together."""

    stack: Stack

    def normalise(self, norm: BatchNorm, z: Tensor, *stored: Any) -> tuple[Tensor, Tensor, Tensor]:
        """As `norms.normalise`."""
        gain, shift, mean, var, training = stored
        if not training:
            return norms.normalise(norm, z, *stored)
        batch_mean, batch_var, n = self._moments(z)
        y = torch.native_batch_norm(z, gain, shift, batch_mean, batch_var, False, 0.0, norm.eps)[0]
        mean.lerp_(batch_mean, norm.momentum)
        var.lerp_(batch_var * n / (n - 1), norm.momentum)
        return y, batch_mean, torch.rsqrt(batch_var + norm.eps)

    def full_derivative(
        self, norm: BatchNorm, error: Tensor, z: Tensor, *stored: Any
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """As `norms.full_derivative`; gain and shift learn from this part alone."""
        gain, mean, scale, _, _, training = stored
        if not training:
            return norms.full_derivative(norm, error, z, *stored)
        wide = at_least_float32(error)
        x = (at_least_float32(z) - per_channel(mean, wide)) * per_channel(scale, wide)
        axes = within_channel(error)
        sums = torch.stack([wide.sum(axes), (wide * x).sum(axes)])
        B, n = len(error), torch.full_like(sums[:1], error.numel() / error.shape[1])
        pooled = self.stack(torch.cat([sums * B, n])).sum(0)
        mean_error, mean_product = (per_channel(pooled[i] / pooled[2] / B, wide) for i in (0, 1))
        factor = per_channel(channel_factor(gain, scale), wide)
        before = factor * (wide - mean_error - x * mean_product)
        learned = (None, None) if gain is None else (sums[1], sums[0])
        return before.to(error.dtype), *learned

    def own(self, error: Tensor, gain: Tensor | None, scale: Tensor) -> Tensor:
        """As `norms.own`."""
        comparable = at_least_float32(error) * len(error)
        mean, var, _ = self._moments(comparable)
        return (balanced(comparable, mean, var, gain, scale) / len(error)).to(error.dtype)

    def _moments(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean and variance of each channel, and how many values they are of."""
        var, mean = torch.var_mean(at_least_float32(z), dim=within_channel(z), correction=0)
        counts = torch.full_like(mean, z.numel() / z.shape[1])
        means, variances, counts = self.stack(torch.stack([mean, var, counts])).unbind(1)
        n = counts.sum(0)
        mean = (counts * means).sum(0) / n
        # Variances within the parts, and between their means.
        return mean, (counts * (variances + (means - mean) ** 2)).sum(0) / n, n
