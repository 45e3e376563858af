"""Which cells are active, in one bit a cell."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

# Eight bytes of 0 or 1, read as one number and multiplied by GATHER, have their bits side by side
# in the topmost byte. SPREAD copies a byte eight times; PLACES leaves in copy i its bit i.
GATHER = 0x0102040810204080
SPREAD = 0x0101010101010101
PLACES = 0x8040201008040201 - 2**64  # as a signed number


def pack(a: Tensor) -> tuple[Tensor, bool]:
    """Bits that say where `a` is positive, and whether they lie in the order of channels last."""
    channels_last = a.dim() == 4 and not a.is_contiguous() and _is_channels_last(a)
    positive = (a.permute(0, 2, 3, 1) if channels_last else a).reshape(-1) > 0
    bytes_ = F.pad(positive.view(torch.uint8), (0, -a.numel() % 8))
    return ((bytes_.view(torch.int64) * GATHER) >> 56).to(torch.uint8), channels_last


def unpack(bits: Tensor, channels_last: bool, like: Tensor) -> Tensor:
    """Bytes, 1 where the cell was active and else 0, in the shape of `like`."""
    bytes_ = (bits.to(torch.int64) * SPREAD).bitwise_and_(PLACES).view(torch.uint8).clamp_(max=1)
    active = bytes_[: like.numel()]
    if not channels_last:
        return active.view(like.shape)
    n, c, h, w = like.shape
    return active.view(n, h, w, c).permute(0, 3, 1, 2)


def _is_channels_last(a: Tensor) -> bool:
    return a.is_contiguous(memory_format=torch.channels_last)
