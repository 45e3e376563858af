"""One kernel for several products that read the same signal.

Convolution's backward kernel takes an error back through a synapse and makes a change from it in
one reading. The weights that carry the error back and the activity in the product may be anybody's:
B and a shared activation, say. Drives from one population to many, direct feedback above all, are
one product with all of their weights.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..program import Kernel, Kind, Operation, Part, Program, Value


def fuse_products(program: Program, joint: Callable[[object], Kernel | None]) -> None:
    """Replace each such pair by one operation, where the pair's inputs are there in time.

    `joint` gives for a connector's key the kernel of (weights, post, pre) for both results, or
    None.
    """
    operations = program.operations
    made_at = {v: i for i, op in enumerate(operations) for v in op.outputs}
    replaced: dict[int, Operation | None] = {}
    for pair in _pairs(operations):
        correlate, adjoint = (operations[i] for i in pair)
        kernel = joint(correlate.detail)
        place, other = sorted(pair)
        named = {
            Part.WEIGHTS: adjoint.of(Part.WEIGHTS),
            Part.POST: correlate.of(Part.POST),
            Part.PRE: correlate.of(Part.PRE),
        }
        inputs = tuple(named.values())
        if kernel is not None and all(made_at.get(v, -1) < place for v in inputs):
            outputs = (*adjoint.outputs, *correlate.outputs)
            label = f"{adjoint.label}, {correlate.label}"
            replaced[place] = Operation(
                Kind.JOINT, kernel, inputs, outputs, label, correlate.detail, parts=tuple(named)
            )
            replaced[other] = None
    program.operations = [
        op for i, old in enumerate(operations) if (op := replaced.get(i, old)) is not None
    ]


def _pairs(operations: list[Operation]) -> list[tuple[int, int]]:
    """Where a product is, and the way back of the same error through the same connector."""
    products: dict[tuple[object, Value], int] = {}
    for i, op in enumerate(operations):
        if op.kind == Kind.CORRELATE:
            products.setdefault((op.detail, op.of(Part.POST)), i)
    pairs = []
    for i, op in enumerate(operations):
        if op.kind == Kind.ADJOINT and op.place(Part.WEIGHTS) is not None:
            match = products.pop((op.detail, op.of(Part.POST)), None)
            if match is not None:
                pairs.append((match, i))
    return pairs


def join_drives(program: Program, width: Callable[[Any], int | None]) -> None:
    """Replace drives that read the same activity by one operation, at the first one's place.

    `width` gives for a connector's key the postsynaptic cells of a drive that may be joined, or
    None. Drives to images may not: all of their results at once would take as much memory as all
    activations.
    """
    reading: dict[Value, list[Operation]] = {}
    for op in program.operations:
        if op.kind == Kind.APPLY and width(op.detail) is not None:
            reading.setdefault(op.of(Part.PRE), []).append(op)
    replaced: dict[tuple[Value, ...], list[Operation]] = {}
    for drives in reading.values():
        casts = _made_later(program, [op.of(Part.WEIGHTS) for op in drives], drives[0])
        if len(drives) > 1 and casts is not None:
            replaced |= {op.outputs: [] for op in (*drives, *casts)}
            cells = [width(op.detail) or 0 for op in drives]
            replaced[drives[0].outputs] = [*casts, _joined(drives, cells)]
    program.operations = [
        new for op in program.operations for new in replaced.get(op.outputs, [op])
    ]


def _made_later(program: Program, weights: list[Value], first: Operation) -> list[Operation] | None:
    """Operations that make weights only after `first`; None if one needs more than parameters."""
    sources = set(program.sources.values())
    later = program.operations[program.operations.index(first) :]
    makers = [op for op in later if set(op.outputs) & set(weights)]
    return makers if all(sources.issuperset(op.inputs) for op in makers) else None


def _joined(drives: list[Operation], cells: list[int]) -> Operation:
    weights = [op.of(Part.WEIGHTS) for op in drives]
    return Operation(
        Kind.APPLY,
        partial(_drive_all, cells),
        (*weights, drives[0].of(Part.PRE)),
        tuple(op.outputs[0] for op in drives),
        ", ".join(op.label for op in drives),
        tuple(op.detail for op in drives),
    )


def _drive_all(cells: list[int], *weights_and_pre: Tensor) -> tuple[Tensor, ...]:
    *weights, pre = weights_and_pre
    return F.linear(pre, torch.cat(weights)).split(cells, 1)
