"""The output error: the gradient of any torch loss at the output population, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from .precision import at_least_float32


class OutputError:
    """Compares output and target, in at least 32 bits.

    Autograd differentiates the loss with respect to the output, a (B, classes) tensor; no
    derivative of anything before the output is ever taken. ``loss(output, y)`` gives a scalar, as
    torch's losses do.
    """

    def __init__(self, loss: Callable[[Tensor, Tensor], Tensor]) -> None:
        self.loss = loss

    def __call__(
        self, output: Tensor, y: Tensor, scale: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The loss and δ_L, its gradient at the output, times `scale` and in the output's type."""
        loss, error = self._compare(at_least_float32(output), y)
        return loss, _scaled(error, scale).to(output.dtype)

    def _compare(self, output: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        if torch.compiler.is_compiling():
            # The same derivative in a form that can be part of a graph.
            error, loss = torch.func.grad_and_value(self.loss)(output, y)
            return loss, error
        with torch.enable_grad():
            leaf = output.detach().requires_grad_()
            loss = self.loss(leaf, y)
            (error,) = torch.autograd.grad(loss, leaf)
        return loss.detach(), error

    def target(self, classes: int, x: Tensor, y: Tensor, scale: Tensor | None = None) -> Tensor:
        """What the target population fires: y, one-hot for class numbers, scaled like the error.

        In the type of the data x. Errors carry the 1/batch of a mean loss, so that plasticity can
        sum over the batch.
        """
        code = y if y.is_floating_point() else F.one_hot(y, classes)
        mean = getattr(self.loss, "reduction", "mean") == "mean"
        code = code.to(at_least_float32(x).dtype) / (len(x) if mean else 1)
        return _scaled(code, scale).to(x.dtype)


def _scaled(error: Tensor, scale: Tensor | None) -> Tensor:
    return error if scale is None else error * scale
