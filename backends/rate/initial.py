"""First draws of weights."""

from __future__ import annotations

from math import sqrt

import torch
from torch import Tensor


def first_draw(kind: str, shape, fan_in: int, generator: torch.Generator) -> Tensor:
    """Initial weights in float64, so that a seed means the same network in every dtype.

    ``kaiming_uniform`` is uniform in ±1/√fan_in (a = √5, as torch's layers draw),
    ``kaiming_normal`` normal with variance 2/fan_in (He et al. 2015).
    """
    if kind == "kaiming_normal":
        draw = torch.randn(shape, generator=generator, dtype=torch.float64)
        return sqrt(2 / fan_in) * draw
    draw = torch.rand(shape, generator=generator, dtype=torch.float64)
    return (2 * draw - 1) / sqrt(fan_in)


def initial_std(kind: str, fan_in: int) -> float:
    """Standard deviation of `first_draw`."""
    return sqrt(2 / fan_in) if kind == "kaiming_normal" else sqrt(1 / (3 * fan_in))
