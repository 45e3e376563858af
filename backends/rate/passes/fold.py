"""A factor per channel on an error, γ/σ say, meets it in the synapses rather than before them.

B (s δ) = (B s) δ and (s δ) ⊗ h = s (δ ⊗ h): weights have fewer elements than the activity of a
batch, and no scaled copy of the error waits in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from torch import Tensor

from ..norms import channel_factor, scale_only
from ..program import Kernel, Kind, Operation, Part, Program, Value, readers_of


def fold_scales(program: Program, rows_are_channels: Callable[[Any], bool]) -> None:
    """Let the operations that read a scaled error scale it themselves, where all of them can.

    Products are fused already. `rows_are_channels` says of a connector's key whether each row of
    the weights belongs to one channel of the error.
    """
    readers = readers_of(program.operations)
    folded = {
        op.outputs[0]: op
        for op in program.operations
        if op.kind == Kind.SCALE
        and all(_folds(r, op, rows_are_channels) for r in readers[op.outputs[0]])
    }
    program.operations = [
        _scaling(op, folded)
        for op in program.operations
        if not (op.kind == Kind.SCALE and op.outputs[0] in folded)
    ]


def _folds(op: Operation, scale: Operation, rows_are_channels: Callable[[Any], bool]) -> bool:
    if op.kind not in _KERNELS or not rows_are_channels(op.detail):
        return False
    return [i for i, v in enumerate(op.inputs) if v == scale.outputs[0]] == [op.place(Part.POST)]


def _scaling(op: Operation, folded: dict[Value, Operation]) -> Operation:
    if op.kind not in _KERNELS or op.of(Part.POST) not in folded:
        return op
    error, *factor = folded[op.of(Part.POST)].inputs
    scaled = op.given(Part.POST, error)
    kernel = partial(_KERNELS[op.kind], op.kernel)
    return replace(scaled, kernel=kernel, inputs=(*scaled.inputs, *factor))


def _correlate(kernel: Kernel, error: Tensor, pre: Tensor, like: Tensor, *factor: Any) -> Tensor:
    change = kernel(error, pre, like)
    return change.mul_(_rows(change, *factor))


def _adjoint(kernel: Kernel, w: Tensor, error: Tensor, *factor: Any) -> Tensor:
    if w.numel() < error.numel():
        return kernel(w * _rows(w, *factor), error)
    return kernel(w, scale_only(error, *factor))


def _joint(kernel: Kernel, w: Tensor, error: Tensor, pre: Tensor, *factor: Any) -> Any:
    if w.numel() >= error.numel():
        return kernel(w, scale_only(error, *factor), pre)
    back, change = kernel(w * _rows(w, *factor), error, pre)
    return back, change.mul_(_rows(change, *factor))


_KERNELS: dict[Kind, Kernel] = {
    Kind.CORRELATE: _correlate,
    Kind.ADJOINT: _adjoint,
    Kind.JOINT: _joint,
}


def _rows(weights: Tensor, gain: Tensor | None, scale: Tensor) -> Tensor:
    factor = channel_factor(gain, scale).to(weights.dtype)
    return factor.reshape(-1, *[1] * (weights.dim() - 1))
