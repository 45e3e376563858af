"""Batch-Manhattan updates: every synapse changes by the same amount, and learns only which way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.optim import SGD


class BatchManhattan(SGD):
    """Gradient descent on the sign of a batch's gradient.

    Δw = −η · (sign(∂E/∂w) + λ w), with momentum over both terms as in `SGD`

    The variant of Liao et al. (2016) that the sign-symmetry paper discusses at the end of its
    section 3.1: the sign is taken of the sum over the batch, and momentum and decay act on signs.
    Steps have the size of the learning rate, so it must be smaller than SGD's by far.

    Examples
    --------
    >>> import torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0, 1.0, 1.0]))
    >>> w.grad = torch.tensor([3.0, -0.01, 0.0])
    >>> BatchManhattan([w], lr=0.5).step()
    >>> w.tolist()
    [0.5, 1.5, 1.0]
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One update; gradients stay as they are."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        parameters = [p for group in self.param_groups for p in group["params"]]
        gradients = [p.grad for p in parameters]
        for p in parameters:
            p.grad = None if p.grad is None else p.grad.sign()
        super().step()
        for p, gradient in zip(parameters, gradients, strict=True):
            p.grad = gradient
        return loss
