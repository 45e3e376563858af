"""A circuit's forward path written straight in torch, for autograd to differentiate.

Deliberately naive: one pass over the populations, torch's public layers' functions, no schedule.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from oneway.backends.rate import RateNetwork
from oneway.circuits import (
    AllToAllConnector,
    AveragePoolConnector,
    Conv2dConnector,
    FixedProbabilityConnector,
    FromListConnector,
    MaxPoolConnector,
    OneToOneConnector,
    Projection,
    ReshapeConnector,
)

PHI = {
    "linear": lambda u: u,
    "relu": F.relu,
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "softplus": F.softplus,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "gelu": F.gelu,
    "silu": F.silu,
}


def leaves(net: RateNetwork) -> dict[str, Tensor]:
    """Detached copies of every parameter, for autograd."""
    return {name: p.detach().clone().requires_grad_() for name, p in net.named_parameters()}


def forward(net: RateNetwork, parameters: dict[str, Tensor], x: Tensor) -> Tensor:
    """The output of the net's circuit, through autograd."""
    circuit = net.circuit
    h: dict[str, Tensor] = {}
    for name in circuit.order("forward"):
        cell = circuit.populations[name]
        drives = list(circuit.select(role="drive", post=name, phase="engaged"))
        if not drives:
            h[name] = x
            continue
        u = sum(_drive(net, parameters, p, h[p.pre]) for p in drives)
        if cell.bias:
            u = u + parameters[f"biases.{name}"].reshape(-1, *[1] * (len(cell.shape) - 1))
        h[name] = PHI[cell.activation](u)
        if cell.norm is not None:
            h[name] = _norm(net, parameters, name, cell.norm, h[name])
    return h[circuit.output.name]


def gradients(net: RateNetwork, x: Tensor, y: Tensor) -> dict[str, Tensor]:
    """Loss gradients of all forward parameters by autograd."""
    parameters = leaves(net)
    loss = net.loss(forward(net, parameters, x), y)
    grads = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
    return dict(zip(parameters, grads, strict=True))


def _drive(net: RateNetwork, parameters: dict[str, Tensor], p: Projection, pre: Tensor) -> Tensor:
    c, post = p.connector, net.circuit.populations[p.post]
    w = parameters.get(f"weights.{p.name}")
    match c:
        case OneToOneConnector():
            z = pre
        case ReshapeConnector():
            z = pre.reshape(-1, *post.shape)
        case AllToAllConnector():
            z = (pre.flatten(1) @ w.T).reshape(-1, *post.shape)
        case Conv2dConnector():
            z = F.conv2d(pre, w, None, c.stride, c.padding, c.dilation, c.groups)
        case MaxPoolConnector():
            z = F.max_pool2d(pre, c.kernel, c.stride, c.padding)
        case AveragePoolConnector():
            z = F.avg_pool2d(pre, c.kernel, c.stride, c.padding)
        case FixedProbabilityConnector() | FromListConnector():
            z = pre.new_zeros(len(pre), post.size)
            for weight, (i, j) in zip(w, c.pairs(pre.shape[1:], post.shape), strict=True):
                z = z + F.one_hot(torch.tensor(j), post.size) * (weight * pre[:, i : i + 1])
    return z if p.norm is None else _norm(net, parameters, p.name, p.norm, z)


def _norm(net: RateNetwork, parameters, owner: str, norm, z: Tensor) -> Tensor:
    running = net.norms[owner]
    return F.batch_norm(
        z,
        running.mean.clone(),
        running.var.clone(),
        parameters.get(f"norms.{owner}.gain"),
        parameters.get(f"norms.{owner}.shift"),
        net.training,
        norm.momentum,
        norm.eps,
    )
