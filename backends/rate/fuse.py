"""One kernel where an error goes back through a synapse and its change are due together.

Convolution's backward kernel makes both from one reading of the error. The weights that carry the
error back and the activity in the product may be anybody's: B and a shared activation, say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .program import Kernel, Operation, Program, Value


@dataclass(frozen=True)
class _Pair:
    """Positions of a product and of the way back of the same error through the same connector."""

    correlate: int
    adjoint: int


def fuse_products(program: Program, joint: Callable[[object], Kernel | None]) -> None:
    """Replace each such pair by one operation, where the pair's inputs are there in time.

    Parameters
    ----------
    program : Program
    joint : callable
        Connector key → kernel of (weights, post, pre) for both results, or None.
    """
    operations = program.operations
    made_at = {v: i for i, op in enumerate(operations) for v in op.outputs}
    replaced: dict[int, Operation | None] = {}
    for pair in _pairs(operations):
        correlate, adjoint = operations[pair.correlate], operations[pair.adjoint]
        kernel = joint(correlate.detail)
        place, other = sorted((pair.correlate, pair.adjoint))
        inputs = (adjoint.inputs[0], *correlate.inputs[:2])
        if kernel is not None and all(made_at.get(v, -1) < place for v in inputs):
            outputs = (*adjoint.outputs, *correlate.outputs)
            label = f"{adjoint.label}, {correlate.label}"
            replaced[place] = Operation("joint", kernel, inputs, outputs, label, correlate.detail)
            replaced[other] = None
    program.operations = [
        op for i, old in enumerate(operations) if (op := replaced.get(i, old)) is not None
    ]


def _pairs(operations: list[Operation]) -> list[_Pair]:
    products: dict[tuple[object, Value], int] = {}
    for i, op in enumerate(operations):
        if op.kind == "correlate":
            products.setdefault((op.detail, op.inputs[0]), i)
    pairs = []
    for i, op in enumerate(operations):
        if op.kind == "adjoint":
            match = products.pop((op.detail, op.inputs[-1]), None)
            if match is not None:
                pairs.append(_Pair(match, i))
    return pairs
