"""Keep nothing for the sake of its sign alone.

An activation that only a gate will read again, and a gate that only asks whether it is positive,
need not wait in memory for it. Where the input of the cell's normalisation is kept anyway, the
sign is worked out from that when the error arrives; elsewhere one byte a cell is kept in its place.
This is how activation sharing, which reads few activations when it learns, uses less memory.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from .activations import LEAK
from .program import Kernel, Operation, Program, Value

# φ whose derivative depends on the sign only: error times slope where the cell is silent.
SLOPE_BELOW = {"relu": 0.0, "leaky_relu": LEAK}


def keep_signs_only(program: Program) -> None:
    """Rewrite the gates of a learning program that read an activation for its sign alone."""
    operations = program.operations
    boundary = next((i for i, op in enumerate(operations) if op.kind == "loss"), None)
    if boundary is None:
        return
    readers = _late_readers(operations, boundary)
    producers = {v: op for op in operations for v in op.outputs}
    signs: dict[Value, Value] = {}
    rewritten: list[Operation] = []
    for op in operations:
        gate = op if _asks_for_sign(op) and _only_signs(readers.get(op.inputs[1], [])) else None
        if gate is None or operations.index(op) < boundary:
            rewritten.append(op)
            continue
        source = _normalised_input(gate.inputs[1], producers, readers)
        if source is not None:
            rewritten += _from_normalised_input(program, gate, source)
        else:
            signs.setdefault(gate.inputs[1], program.new_value())
            rewritten.append(_from_kept_sign(gate, signs[gate.inputs[1]]))
    program.operations = _with_signs(rewritten, signs)


def _asks_for_sign(op: Operation) -> bool:
    return op.kind == "derivative" and op.detail in SLOPE_BELOW


def _late_readers(operations: list[Operation], boundary: int) -> dict[Value, list[Operation]]:
    """Operations after the loss that read each value."""
    readers: dict[Value, list[Operation]] = {}
    for op in operations[boundary:]:
        for value in op.inputs:
            readers.setdefault(value, []).append(op)
    return readers


def _only_signs(readers: list[Operation]) -> bool:
    return bool(readers) and all(_asks_for_sign(op) for op in readers)


def _normalised_input(
    activity: Value, producers: dict[Value, Operation], readers: dict[Value, list[Operation]]
) -> Operation | None:
    """The normalisation right before φ, if what it takes in is kept for other reasons."""
    phi = producers.get(activity)
    normalisation = producers.get(phi.inputs[0]) if phi and phi.kind == "phi" else None
    if normalisation is None or normalisation.kind != "normalise":
        return None
    z = normalisation.inputs[0]
    return normalisation if any(not _asks_for_sign(op) for op in readers.get(z, [])) else None


def _from_normalised_input(
    program: Program, gate: Operation, normalisation: Operation
) -> list[Operation]:
    """Normalise again, with the statistics of the forward pass, and gate by that."""
    z, gain, shift = normalisation.inputs[:3]
    _, mean, scale = normalisation.outputs
    again = program.new_value()
    return [
        Operation("renormalise", _renormalise, (z, gain, shift, mean, scale), (again,), gate.label),
        replace(gate, inputs=(gate.inputs[0], again)),
    ]


def _from_kept_sign(gate: Operation, sign: Value) -> Operation:
    slope = SLOPE_BELOW[str(gate.detail)]
    kernel, over = _times_sign(slope)
    return replace(gate, kernel=kernel, inplace=over, inputs=(gate.inputs[0], sign))


def _times_sign(slope: float) -> tuple[Kernel, Kernel]:
    if slope == 0:
        return torch.mul, Tensor.mul_
    kernel = lambda error, positive: torch.where(positive.bool(), error, slope * error)  # noqa: E731
    return kernel, kernel


def _with_signs(operations: list[Operation], signs: dict[Value, Value]) -> list[Operation]:
    """Take each sign as soon as the activity is there."""
    complete: list[Operation] = []
    for op in operations:
        complete.append(op)
        for value in op.outputs:
            if value in signs:
                complete.append(Operation("sign", _positive, (value,), (signs[value],), op.label))
    return complete


def _positive(a: Tensor) -> Tensor:
    # The same byte as a bool, but torch multiplies floats by it twice as fast.
    return (a > 0).view(torch.uint8)


def _renormalise(
    z: Tensor, gain: Tensor | None, shift: Tensor | None, mean: Tensor, scale: Tensor
) -> Tensor:
    factor = scale if gain is None else gain * scale
    offset = -mean * factor if shift is None else shift - mean * factor
    shape = (1, -1, *[1] * (z.dim() - 2))
    return torch.addcmul(offset.reshape(shape), z, factor.reshape(shape))
