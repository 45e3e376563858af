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
from ..program import Kernel, Operation, Program, Value


def fold_scales(program: Program, rows_are_channels: Callable[[Any], bool]) -> None:
    """Let the operations that read a scaled error scale it themselves, where all of them can.

    Parameters
    ----------
    program : Program
        Its products are fused already.
    rows_are_channels : callable
        Connector key → whether each row of the weights belongs to one channel of the error.
    """
    readers: dict[Value, list[Operation]] = {}
    for op in program.operations:
        for value in op.inputs:
            readers.setdefault(value, []).append(op)
    folded = {
        op.outputs[0]: op
        for op in program.operations
        if op.kind == "scale"
        and all(_folds(r, op, rows_are_channels) for r in readers[op.outputs[0]])
    }
    program.operations = [
        _scaling(op, folded)
        for op in program.operations
        if not (op.kind == "scale" and op.outputs[0] in folded)
    ]


# Where an operation on synapses takes the postsynaptic signal, and how it is done with a factor.
_POST = {"correlate": 0, "adjoint": 1, "joint": 1}


def _folds(op: Operation, scale: Operation, rows_are_channels: Callable[[Any], bool]) -> bool:
    place = _POST.get(op.kind)
    if place is None or not rows_are_channels(op.detail):
        return False
    return [i for i, v in enumerate(op.inputs) if v == scale.outputs[0]] == [place]


def _scaling(op: Operation, folded: dict[Value, Operation]) -> Operation:
    place = _POST.get(op.kind)
    # A pool's way back has no weights and so one input only.
    if place is None or len(op.inputs) <= place or op.inputs[place] not in folded:
        return op
    error, *factor = folded[op.inputs[place]].inputs
    inputs = (*op.inputs[:place], error, *op.inputs[place + 1 :], *factor)
    return replace(op, kernel=partial(_KERNELS[op.kind], op.kernel), inputs=inputs)


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


_KERNELS: dict[str, Kernel] = {"correlate": _correlate, "adjoint": _adjoint, "joint": _joint}


def _rows(weights: Tensor, gain: Tensor | None, scale: Tensor) -> Tensor:
    factor = channel_factor(gain, scale).to(weights.dtype)
    return factor.reshape(-1, *[1] * (weights.dim() - 1))
