"""Which populations of a deep net are drawn as one block.

Where every way from input to output leads through one population, the net can be cut. What lies
between two cuts, with the upper one, is a block: a residual block with its sum, say. A chain, which
can be cut everywhere, is folded where layers of one shape follow each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from ..assembly import Assembly

# As many rows as are read without scrolling.
MOST_ROWS = 12


def blocks(circuit: Assembly) -> list[tuple[str, ...]]:
    """Forward populations from the input up, those of a block together.

    A circuit of at most 12 forward populations has no blocks: each is alone.

    Examples
    --------
    >>> from oneway.circuits import resnet18
    >>> from oneway.circuits.drawing.folding import blocks
    >>> blocks(resnet18((3, 8, 8), 10, width=4))[:4]
    [('x',), ('stem',), ('block1_a', 'block1'), ('block2_a', 'block2')]
    """
    order = circuit.order("forward")
    if len(order) <= MOST_ROWS:
        return [(name,) for name in order]
    parts = _cut(circuit, order)
    return parts if any(len(part) > 1 for part in parts) else _chained(circuit, order)


def _cut(circuit: Assembly, order: Sequence[str]) -> list[tuple[str, ...]]:
    """Cut after each population that no drive jumps over."""
    at = {name: i for i, name in enumerate(order)}
    reach = [0] * len(order)
    for p in circuit.select(role="drive", path="forward"):
        if p.pre in at:
            reach[at[p.pre]] = max(reach[at[p.pre]], at[p.post])
    parts: list[tuple[str, ...]] = []
    start = furthest = 0
    for i in range(len(order)):
        if furthest <= i:
            parts.append(tuple(order[start : i + 1]))
            start = i + 1
        furthest = max(furthest, reach[i])
    return [*parts, tuple(order[start:])] if start < len(order) else parts


def _chained(circuit: Assembly, order: Sequence[str]) -> list[tuple[str, ...]]:
    """Runs of three layers or more that have one shape."""
    first, *inner, last = order
    parts: list[tuple[str, ...]] = [(first,)]
    for _, run in groupby(inner, key=lambda name: circuit.populations[name].shape):
        names = tuple(run)
        parts += [names] if len(names) > 2 else [(name,) for name in names]
    return [*parts, (last,)]
