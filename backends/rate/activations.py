"""φ in torch, and an error times φ′, from φ's value where `circuits.PHI` says that it follows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from oneway.circuits import LEAK

Phi = Callable[[Tensor], Tensor]
Gating = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class TorchPhi:
    """One φ, as a function and as the module that torch users write."""

    phi: Phi
    # (error, a) -> error · φ′, with a the value of φ, or u where φ′ does not follow from that;
    # torch's own backward kernels where there are any.
    times_derivative: Gating
    module: type[nn.Module]
    # The same on the memory of the first input, for the φ that deep nets use.
    phi_in_place: Phi | None = None
    times_derivative_in_place: Gating | None = None


def _relu_backward_in_place(error: Tensor, a: Tensor) -> Tensor:
    return torch.ops.aten.threshold_backward.grad_input(error, a, 0, grad_input=error)


TORCH_PHI: dict[str, TorchPhi] = {
    "linear": TorchPhi(lambda u: u, lambda error, a: error, nn.Identity),
    "relu": TorchPhi(
        torch.relu,
        lambda error, a: torch.ops.aten.threshold_backward(error, a, 0),
        nn.ReLU,
        torch.relu_,
        _relu_backward_in_place,
    ),
    "leaky_relu": TorchPhi(
        lambda u: F.leaky_relu(u, LEAK),
        lambda error, a: torch.where(a > 0, error, LEAK * error),
        nn.LeakyReLU,
    ),
    "elu": TorchPhi(F.elu, lambda error, a: torch.where(a > 0, error, error * (a + 1)), nn.ELU),
    "softplus": TorchPhi(F.softplus, lambda error, a: error * -torch.expm1(-a), nn.Softplus),
    "tanh": TorchPhi(torch.tanh, torch.ops.aten.tanh_backward, nn.Tanh),
    "sigmoid": TorchPhi(torch.sigmoid, torch.ops.aten.sigmoid_backward, nn.Sigmoid),
    "gelu": TorchPhi(F.gelu, torch.ops.aten.gelu_backward, nn.GELU),
    "silu": TorchPhi(F.silu, torch.ops.aten.silu_backward, nn.SiLU),
}
