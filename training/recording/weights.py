"""Of weights: angles and sizes of feedback weights beside forward ones, and moments.

All is computed where the weights are, in float64, and comes as tensors: nobody waits for a GPU
here. `oneway.analysis` computes the same of arrays.
"""

from __future__ import annotations

import torch
from torch import Tensor

from oneway.backends.rate import RateNetwork
from oneway.backends.rate.kernels import sample_angles
from oneway.circuits import Projection

from .products import product_dots

Tensors = dict[str, Tensor]


def pair(network: RateNetwork, feedback: Projection) -> tuple[Tensor, Tensor]:
    """W and Bᵀ of a feedback drive that has a partner."""
    w, b = network.weight(feedback.partner or ""), network.weight(feedback.name)
    # Weights of listed pairs are stored pair by pair, in the forward order on both sides.
    return w.double(), (b if b.dim() == 1 else b.transpose(0, 1)).double()


@torch.no_grad()
def feedback_weights(network: RateNetwork, most: int = 256) -> dict[str, Tensors]:
    """How feedback weights B lie to what they stand for: ``angles_deg`` and ``norm_ratios``.

    That is the forward weights W of their partner; and for direct feedback the product of the
    forward weights from that layer to the output, as `product_dots` says, of which `most` rows are
    worked out at a time. Of both the angle to Bᵀ in degrees, and |B| over their norm.
    """
    angles, ratios = {}, {}
    dots = product_dots(network, most)
    for p in network.circuit.select(role="drive", path="feedback"):
        if p.weights is not None and p.partner is not None:
            w, b = pair(network, p)
            angles[p.name], ratios[p.name] = sample_angles(w[None], b[None])[0], b.norm() / w.norm()
        elif p.name in dots:
            angles[p.name], ratios[p.name] = _of_dots(dots[p.name])
    return {"angles_deg": angles, "norm_ratios": ratios}


def _of_dots(dots: Tensor) -> tuple[Tensor, Tensor]:
    """Angle and ratio of norms from P·Bᵀ, P·P and B·B."""
    together, product, own = dots
    across = (product * own - together.square()).clamp(min=0).sqrt()
    angle = torch.rad2deg(torch.atan2(across, together))
    return torch.where(product * own > 0, angle, torch.nan), (own / product).sqrt()


@torch.no_grad()
def forward_weights(network: RateNetwork) -> dict[str, dict[str, Tensors]]:
    """Of each forward drive's weights: ``mean``, ``std``, ``kurtosis`` and ``norm``.

    Kurtosis is the sign-symmetry paper's, the fourth central moment over the squared variance: 3
    for a Gaussian, where `oneway.analysis.moments` has the excess, 0. nan if all are equal.
    """
    drives = network.circuit.select(role="drive", path="forward")
    return {"weights": {p.name: _moments(network.weight(p.name)) for p in drives if p.weights}}


def _moments(w: Tensor) -> Tensors:
    w = w.double()
    squares = (w - w.mean()).square_()
    variance = squares.mean()
    return {
        "mean": w.mean(),
        "std": variance.sqrt(),
        "kurtosis": squares.square_().mean() / variance.square(),
        "norm": w.norm(),
    }
