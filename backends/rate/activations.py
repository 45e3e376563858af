"""φ, and an error times φ′ from φ's value alone, as an error cell that hears h_l computes it."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

LEAK = 0.01  # torch's default slope of leaky_relu

PHI: dict[str, Callable[[Tensor], Tensor]] = {
    "linear": lambda u: u,
    "relu": torch.relu,
    "leaky_relu": lambda u: F.leaky_relu(u, LEAK),
    "elu": F.elu,
    "softplus": F.softplus,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
}

# error, activity -> error * φ′; torch's own backward kernels where they need only the activity
TIMES_DERIVATIVE: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "linear": lambda error, a: error,
    "relu": lambda error, a: torch.ops.aten.threshold_backward(error, a, 0),
    "leaky_relu": lambda error, a: torch.where(a > 0, error, LEAK * error),
    "elu": lambda error, a: torch.where(a > 0, error, error * (a + 1)),
    "softplus": lambda error, a: error * -torch.expm1(-a),
    "tanh": lambda error, a: torch.ops.aten.tanh_backward(error, a),
    "sigmoid": lambda error, a: torch.ops.aten.sigmoid_backward(error, a),
}

# The same on the memory of the first input, for the φ that deep nets use.
PHI_IN_PLACE: dict[str, Callable[[Tensor], Tensor]] = {"relu": torch.relu_}
TIMES_DERIVATIVE_IN_PLACE: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "relu": lambda error, a: torch.ops.aten.threshold_backward.grad_input(
        error, a, 0, grad_input=error
    ),
}
