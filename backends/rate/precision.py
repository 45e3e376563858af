"""Types of numbers in a step: weights are stored in one, activity and errors computed in another.

Mixed precision as is usual on GPUs: weights, normalisation, optimizer state and the loss keep 32
bits; drives, activity, errors and products of the two have 16. float16 has no small numbers (below
6e-8 there is nothing), so there errors are multiplied by a scale S, and changes divided by it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

STORED = (torch.float32, torch.float64)
COMPUTED = (torch.bfloat16, torch.float16)


@dataclass(frozen=True)
class Precision:
    """How a program computes."""

    # Of drives, activity and errors; None for that of the parameters.
    compute: torch.dtype | None = None
    # Images lie in memory pixel by pixel, as GPUs convolve them fastest.
    channels_last: bool = False

    def __post_init__(self) -> None:
        if self.compute is not None and self.compute not in COMPUTED:
            raise ValueError(
                f"compute_dtype {self.compute}, expected {_names(COMPUTED)} or None, which "
                "computes in the dtype of the weights: for float64 set dtype=torch.float64 alone"
            )

    @property
    def scales_errors(self) -> bool:
        """Whether errors need a scale, lest they vanish."""
        return self.compute == torch.float16

    @property
    def memory_format(self) -> torch.memory_format:
        return torch.channels_last if self.channels_last else torch.contiguous_format

    def given(self, tensor: Tensor) -> Tensor:
        """Data or noise from outside, as the program takes it."""
        last = self.channels_last and tensor.dim() == 4
        return tensor.to(
            dtype=self.compute or tensor.dtype,
            memory_format=torch.channels_last if last else torch.preserve_format,
        )


AS_GIVEN = Precision()


def check_stored(dtype: torch.dtype) -> None:
    """Complain about a type in which small changes of weights would be lost."""
    if dtype in COMPUTED:
        raise ValueError(
            f"dtype {dtype}: weights are stored in {_names(STORED)}, since small changes are lost "
            f"in 16 bits. Set compute_dtype={dtype} to compute in it"
        )
    if dtype not in STORED:
        raise ValueError(f"dtype {dtype}, expected {_names(STORED)}")


def computed(dtype: torch.dtype, parameter: Tensor) -> Tensor:
    """A stored parameter in the type of the activity."""
    return parameter.to(dtype)


def stored(change: Tensor, *scales_and_parameter: Tensor) -> Tensor:
    """A change in the type of its parameter, divided by the scales of the errors in it."""
    *scales, parameter = scales_and_parameter
    change = change.to(parameter.dtype)
    for scale in scales:
        change = change / scale
    return change


def at_least_float32(tensor: Tensor) -> Tensor:
    """For sums and statistics that 16 bits cannot hold; wider tensors as they are."""
    return tensor.float() if tensor.dtype in COMPUTED else tensor


def _names(dtypes: tuple[torch.dtype, ...]) -> str:
    return " or ".join(str(dtype) for dtype in dtypes)
