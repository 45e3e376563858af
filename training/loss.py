"""What output and target are compared by; the network takes the gradient there as δ_L."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .config import TrainConfig


class SquaredError(torch.nn.Module):
    """½ Σ (y − t)² over the outputs, a mean over the batch, so that δ_L = (y − t) / B.

    Its error is output less target, as the weight-mirror paper's Algorithm 1 and direct random
    target projection have it, and as error cells that spike compare the two.

    Examples
    --------
    >>> float(SquaredError()(torch.tensor([[1.0, 3.0]]), torch.tensor([0])))
    4.5
    """

    reduction = "mean"  # as torch's losses say it

    def forward(self, output: Tensor, y: Tensor) -> Tensor:
        """Of outputs (B, classes) and class numbers (B,), or targets shaped like the output."""
        target = y if y.is_floating_point() else F.one_hot(y, output.shape[1])
        return 0.5 * (output - target).square().sum(1).mean()


def make_loss(config: TrainConfig) -> torch.nn.Module:
    """The loss that a config names."""
    if config.loss == "squared":
        return SquaredError()
    return torch.nn.CrossEntropyLoss(label_smoothing=config.label_smoothing)
