"""What backpropagation would tell each population, for the same weights and the same batch."""

from __future__ import annotations

import torch
from torch import Tensor

from oneway.backends.rate import RateNetwork

from .recording.errors import Shadow


@torch.no_grad()
def backpropagation_angles(net: RateNetwork, x: Tensor, y: Tensor) -> dict[str, float]:
    """Angle between each population's error and the one that backpropagation gives, in degrees.

    Parameters
    ----------
    net : RateNetwork
        Wired by any rule.
    x : Tensor, shape ``(B, *input)``
    y : Tensor
        What the loss takes.

    Returns
    -------
    dict
        Error population → mean over the batch; 0 is backpropagation, 90 is chance. Errors are those
        that forward cells learn from, after φ′. Neither weights nor running statistics change.

    Examples
    --------
    >>> import torch
    >>> from oneway.circuits import mlp
    >>> from oneway.rules import Backpropagation
    >>> net = RateNetwork(Backpropagation().wire(mlp((4, 8, 3))))
    >>> angles = backpropagation_angles(net, torch.ones(2, 4), torch.tensor([0, 2]))
    >>> round(angles["delta_h1"], 3)
    0.0
    """
    angles = Shadow(net)(x, y)["error_angles_deg"]
    return {name: float(angle) for name, angle in angles.items()}
