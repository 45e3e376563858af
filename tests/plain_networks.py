"""Chains of layers and their learning rules written straight from the papers' equations.

An independent second opinion: plain torch on lists of weights, no circuit, no program, one short
function per equation. `l` counts layers from 1 as the papers do; W[l] leads from h[l-1] to h[l].
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass
class Layer:
    """A dense layer, or a 3×3 convolution with padding 1 and the given stride."""

    conv: bool
    stride: int = 1

    def apply(self, w: Tensor, h: Tensor) -> Tensor:
        if self.conv:
            return F.conv2d(h, w, stride=self.stride, padding=1)
        return h.flatten(1) @ w.T

    def back(self, w: Tensor, delta: Tensor, shape) -> Tensor:
        if self.conv:
            return torch.nn.grad.conv2d_input(shape, w, delta, self.stride, 1)
        return (delta @ w).reshape(shape)

    def product(self, delta: Tensor, h: Tensor, shape) -> Tensor:
        if self.conv:
            return torch.nn.grad.conv2d_weight(h, shape, delta, self.stride, 1)
        return delta.T @ h.flatten(1)


class Chain:
    """ReLU layers and a linear output under cross entropy (mean over the batch).

    Parameters
    ----------
    layers : list of Layer
    W, b : dict layer number → tensor
    B : dict layer number → feedback weights, in the layout of W (direct ones: (cells, classes))
    """

    def __init__(self, layers, W, b, B):
        self.layers = dict(enumerate(layers, start=1))
        self.L = len(layers)
        self.W, self.b, self.B = W, b, B

    def forward(self, x, y):
        self.h = {0: x}
        for l, layer in self.layers.items():
            u = layer.apply(self.W[l], self.h[l - 1])
            u = u + self.b[l].reshape(-1, *[1] * (u.dim() - 2))
            self.h[l] = u if l == self.L else u.clamp(min=0)
        self.y = F.one_hot(y, u.shape[1]).to(u.dtype) / len(y)
        self.delta = {self.L: torch.softmax(u, 1) / len(y) - self.y}

    def chain_errors(self, weights):
        """δ_l = φ′(h_l) ⊙ B_{l+1} δ_{l+1}"""
        for l in range(self.L - 1, 0, -1):
            fed = self.layers[l + 1].back(weights[l + 1], self.delta[l + 1], self.h[l].shape)
            self.delta[l] = fed * (self.h[l] > 0)

    def direct_errors(self, source):
        """δ_l = φ′(h_l) ⊙ B_l source"""
        for l in range(1, self.L):
            fed = (source @ self.B[l].T).reshape(self.h[l].shape)
            self.delta[l] = fed * (self.h[l] > 0)

    def products(self, activity):
        """δ_l activity[l]ᵀ for every layer."""
        return {
            l: layer.product(self.delta[l], activity[l], self.W[l].shape)
            for l, layer in self.layers.items()
        }

    def own_activity(self):
        return {l: self.h[l - 1] for l in self.layers}

    def descend(self, weights, changes, lr, decay=0.0):
        for l, change in changes.items():
            weights[l] = weights[l] - lr * (change + decay * weights[l])

    def descend_forward(self, changes, lr, decay):
        self.descend(self.W, changes, lr, decay)
        sums = {l: d.sum([0, *range(2, d.dim())]) for l, d in self.delta.items()}
        self.descend(self.b, sums, lr, decay)


def random_path(chain: Chain, x: Tensor, C) -> dict[int, Tensor]:
    """h̃_l of forward alignment: what each layer reads in a second path with weights C."""
    h, read = x, {}
    for l, layer in chain.layers.items():
        read[l] = h
        if l in C:
            h = layer.apply(C[l], h).clamp(min=0)
    return read


def matched(shared: Tensor, shape) -> Tensor:
    """Repeat along channels, then max-pool in space; dense: along the one axis."""
    if shared.dim() == 2:
        if shape[1] < shared.shape[1]:
            return shared.reshape(len(shared), shape[1], -1).max(2).values
        return torch.cat([shared] * (shape[1] // shared.shape[1]), 1)
    shared = torch.cat([shared] * (shape[1] // shared.shape[1]), 1)
    return F.max_pool2d(shared, shared.shape[-1] // shape[-1])
