"""An activity that repeats along channels meets the error of a product once, not every time.

δ ⊗ (a, a) = (δ ⊗ a, δ ⊗ a): a shared activation with fewer channels than the presynaptic cells is
repeated in the synapses, which are fewer than the activity of a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from oneway.circuits import Connector, Shape

from ..program import Kernel, Kind, Operation, Part, Program, Value, readers_of


def fold_repeats(
    program: Program,
    once: Callable[[Any], tuple[Kernel, int] | None],
    takes_fewer: Callable[[Any], bool],
) -> None:
    """Let products that alone read a repeated activity repeat their result in its place.

    `once` gives for a connector's key the kernel without the repeating, and how often that is done;
    `takes_fewer` says of a connector whether its product takes some of the presynaptic channels.
    """
    readers = readers_of(program.operations)
    matches = {
        op.outputs[0]: plain
        for op in program.operations
        if op.kind == Kind.APPLY
        and (plain := once(op.detail)) is not None
        and all(_folds(reader, op, takes_fewer) for reader in readers.get(op.outputs[0], []))
    }
    program.operations = [_folded(op, matches) for op in program.operations]


def _folded(op: Operation, matches: dict[Value, tuple[Kernel, int]]) -> Operation:
    if op.outputs[0] in matches:
        return replace(op, kernel=matches[op.outputs[0]][0])
    if op.kind == Kind.CORRELATE and op.of(Part.PRE) in matches:
        _, times = matches[op.of(Part.PRE)]
        detail = _with_fewer(times, *op.detail)  # type: ignore[misc]
        return replace(op, kernel=partial(_repeated, op.kernel, times), detail=detail)
    return op


def _with_fewer(times: int, connector: Connector, pre: Shape, post: Shape) -> Hashable:
    """A connector's key with fewer presynaptic channels."""
    return (connector, (pre[0] // times, *pre[1:]), post)


def _folds(op: Operation, match: Operation, takes_fewer: Callable[[Any], bool]) -> bool:
    if op.kind != Kind.CORRELATE or not takes_fewer(op.detail):
        return False
    return [i for i, v in enumerate(op.inputs) if v == match.outputs[0]] == [op.place(Part.PRE)]


def _repeated(kernel: Kernel, times: int, post: Tensor, pre: Tensor, *hints: Tensor) -> Tensor:
    # Without the hint, which has the shape of all weights.
    return torch.cat((kernel(post, pre),) * times, dim=1)
