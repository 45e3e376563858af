"""Batch normalisation forward, and the ways an error can pass it on its way back.

Everywhere `z` is the input of the normalisation, (B, C, ...) with statistics per channel.
"""

from __future__ import annotations

import torch
from torch import Tensor

from oneway.circuits import BatchNorm

from .precision import at_least_float32


def normalise(
    norm: BatchNorm,
    z: Tensor,
    gain: Tensor | None,
    shift: Tensor | None,
    mean: Tensor,
    var: Tensor,
    training: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalised `z`, and the mean and inverse deviation used; updates running statistics."""
    y, saved_mean, saved_scale = torch.native_batch_norm(
        z, gain, shift, mean, var, training, norm.momentum, norm.eps
    )
    if not training:
        saved_mean, saved_scale = mean, torch.rsqrt(var + norm.eps)
    return y, saved_mean, saved_scale


def full_derivative(
    norm: BatchNorm,
    error: Tensor,
    z: Tensor,
    gain: Tensor | None,
    mean: Tensor,
    scale: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    training: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Batch norm's exact derivative: the error at `z`, and the changes of gain and shift."""
    statistics, wanted = (running_mean, running_var, mean, scale), [True, *[gain is not None] * 2]
    return torch.ops.aten.native_batch_norm_backward(
        error, z, gain, *statistics, training, norm.eps, wanted
    )


def scale_only(error: Tensor, gain: Tensor | None, scale: Tensor) -> Tensor:
    """γ/σ per channel: one slow scalar that a channel's error cells need (Akrout et al., D.3)."""
    return error * per_channel(channel_factor(gain, scale), error)


def channel_factor(gain: Tensor | None, scale: Tensor) -> Tensor:
    """γ/σ, or 1/σ where nothing is learned."""
    return scale if gain is None else gain * scale


def own(error: Tensor, gain: Tensor | None, scale: Tensor) -> Tensor:
    """Error cells normalise their own activity: homeostasis, no connection needed.

    Every channel's error gets zero mean and the variance that channels have on average; its size
    is scaled by one gain for the whole layer, the mean of γ/σ.
    """
    wide = at_least_float32(error)
    var, mean = torch.var_mean(wide, dim=within_channel(wide), correction=0)
    return balanced(wide, mean, var, gain, scale).to(error.dtype)


def balanced(
    error: Tensor, mean: Tensor, var: Tensor, gain: Tensor | None, scale: Tensor
) -> Tensor:
    """The error of `own`, given mean and variance of each channel."""
    typical = var.mean()
    # Relative to the layer's typical variance, since errors shrink as learning goes on.
    size = torch.sqrt(typical / (var + 1e-5 * typical + 1e-30))
    layer_gain = channel_factor(gain, scale).mean()
    return layer_gain * ((error - per_channel(mean, error)) * per_channel(size, error))


def within_channel(z: Tensor) -> list[int]:
    """The dimensions that a channel's values lie along: batch and positions."""
    return [0, *range(2, z.dim())]


def per_channel(factor: Tensor, like: Tensor) -> Tensor:
    return factor.to(like.dtype).reshape(1, -1, *[1] * (like.dim() - 2))
