"""Keep nothing for the sake of its sign alone.

An activation that only a gate will read again, and a gate that only asks whether it is positive,
need not wait in memory for it. Where the input of the cell's normalisation is kept anyway, the
sign is worked out from that when the error arrives; elsewhere one bit a cell is kept in its place.
A circuit whose synapses read few activations when they learn thus takes less memory.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from oneway.circuits import PHI

from ..norms import channel_factor
from ..program import Kind, Operation, Part, Program, Value, readers_of


def keep_signs_only(program: Program) -> None:
    """Rewrite the gates of a learning program that read an activation for its sign alone."""
    operations = program.operations
    boundary = next((i for i, op in enumerate(operations) if op.kind == Kind.LOSS), None)
    if boundary is None:
        return
    again = _Again(program, boundary)
    signs: dict[Value, tuple[Value, Value]] = {}
    rewritten = operations[:boundary]
    for gate in operations[boundary:]:
        if not (_asks_for_sign(gate) and _only_signs(again.readers.get(gate.of(Part.TOLD), []))):
            rewritten.append(gate)
            continue
        remade = again.make(again.before_phi(gate.of(Part.TOLD)))
        if remade is None:
            told = gate.of(Part.TOLD)
            if told not in signs:
                signs[told] = program.new_value(), program.new_value()
            rewritten.append(_from_kept_sign(gate, signs[told]))
        else:
            steps, u = remade
            rewritten += [*steps, gate.given(Part.TOLD, u)]
    program.operations = _with_signs(rewritten, signs)


def _asks_for_sign(op: Operation) -> bool:
    return op.kind == Kind.DERIVATIVE and PHI[str(op.detail)].slope_below is not None


def _only_signs(readers: list[Operation]) -> bool:
    return bool(readers) and all(_asks_for_sign(op) for op in readers)


class _Again:
    """Works out a value of the forward pass once more, from what is kept for other reasons."""

    def __init__(self, program: Program, boundary: int) -> None:
        self.program = program
        self.readers = readers_of(program.operations[boundary:])  # after the loss
        self.producers = {v: op for op in program.operations for v in op.outputs}

    def before_phi(self, activity: Value) -> Value:
        """The input of φ, whose sign is that of φ's value."""
        producer = self.producers.get(activity)
        return producer.inputs[0] if producer and producer.kind == Kind.PHI else activity

    def make(self, value: Value) -> tuple[list[Operation], Value] | None:
        """Operations that end in the value, and its new number; None if something is missing."""
        if self._kept(value):
            return [], value
        producer = self.producers.get(value)
        if producer is None:
            return None
        if producer.kind == Kind.NORMALISE and self._kept(producer.of(Part.INPUT)):
            return self._normalised(producer)
        return self._added(producer) if producer.kind == Kind.ADD else None

    def _kept(self, value: Value) -> bool:
        return any(not _asks_for_sign(op) for op in self.readers.get(value, []))

    def _normalised(self, normalisation: Operation) -> tuple[list[Operation], Value]:
        """Normalise again, with the statistics of the forward pass."""
        z, gain, shift = map(normalisation.of, (Part.INPUT, Part.GAIN, Part.SHIFT))
        _, mean, scale = normalisation.outputs
        made = self.program.new_value()
        inputs = (z, gain, shift, mean, scale)
        return [Operation(Kind.AGAIN, _renormalise, inputs, (made,), normalisation.label)], made

    def _added(self, addition: Operation) -> tuple[list[Operation], Value] | None:
        parts = [self.make(value) for value in addition.inputs]
        if None in parts:
            return None
        (first, a), (second, b) = (part for part in parts if part is not None)
        made = self.program.new_value()
        return [*first, *second, replace(addition, inputs=(a, b), outputs=(made,))], made


def _from_kept_sign(gate: Operation, sign: tuple[Value, Value]) -> Operation:
    slope = PHI[str(gate.detail)].slope_below or 0.0
    kernel = partial(_times_sign, slope)
    over = partial(_times_sign_in_place, slope)
    return replace(gate, kernel=kernel, inplace=over, inputs=(gate.of(Part.ERROR), *sign))


def _times_sign(slope: float, error: Tensor, bits: Tensor, channels_last: bool) -> Tensor:
    active = unpack(bits, channels_last, error)
    # torch multiplies floats by bytes faster than it chooses between two tensors.
    return error * active if slope == 0 else torch.where(active.bool(), error, slope * error)


def _times_sign_in_place(slope: float, error: Tensor, bits: Tensor, channels_last: bool) -> Tensor:
    if slope != 0:
        return _times_sign(slope, error, bits, channels_last)
    return error.mul_(unpack(bits, channels_last, error))


def _with_signs(
    operations: list[Operation], signs: dict[Value, tuple[Value, Value]]
) -> list[Operation]:
    """Take each sign as soon as the activity is there."""
    complete: list[Operation] = []
    for op in operations:
        complete.append(op)
        for value in op.outputs:
            if value in signs:
                complete.append(Operation(Kind.KEEP_SIGN, pack, (value,), signs[value], op.label))
    return complete


def _renormalise(
    z: Tensor, gain: Tensor | None, shift: Tensor | None, mean: Tensor, scale: Tensor
) -> Tensor:
    factor = channel_factor(gain, scale)
    offset = -mean * factor if shift is None else shift - mean * factor
    shape = (1, -1, *[1] * (z.dim() - 2))
    # Not (z * factor) + offset, which is faster on a CPU: in bfloat16 it was seen to turn signs.
    return torch.addcmul(offset.reshape(shape), z, factor.reshape(shape)).to(z.dtype)


# -- which cells are active, in one bit a cell ------------------------------------------------

# Eight bytes of 0 or 1, read as one number and multiplied by GATHER, have their bits side by side
# in the topmost byte. SPREAD copies a byte eight times; PLACES leaves in copy i its bit i.
GATHER = 0x0102040810204080
SPREAD = 0x0101010101010101
PLACES = 0x8040201008040201 - 2**64  # as a signed number


def pack(a: Tensor) -> tuple[Tensor, bool]:
    """Bits that say where `a` is positive, and whether they lie in the order of channels last."""
    by_pixel = a.is_contiguous(memory_format=torch.channels_last) if a.dim() == 4 else False
    channels_last = by_pixel and not a.is_contiguous()
    positive = (a.permute(0, 2, 3, 1) if channels_last else a).reshape(-1) > 0
    bytes_ = F.pad(positive.view(torch.uint8), (0, -a.numel() % 8))
    return ((bytes_.view(torch.int64) * GATHER) >> 56).to(torch.uint8), channels_last


def unpack(bits: Tensor, channels_last: bool, like: Tensor) -> Tensor:
    """Bytes, 1 where the cell was active and else 0, in the shape of `like`."""
    bytes_ = (bits.to(torch.int64) * SPREAD).bitwise_and_(PLACES).view(torch.uint8).clamp_(max=1)
    active = bytes_[: like.numel()]
    if not channels_last:
        return active.view(like.shape)
    n, c, h, w = like.shape
    return active.view(n, h, w, c).permute(0, 3, 1, 2)
