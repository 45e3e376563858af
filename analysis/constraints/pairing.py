"""One forward cell, one feedback cell: who is taught by whom."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from oneway.circuits import Circuit, Population, Projection

from .algebra import in_degrees
from .language import EXAMPLES, Constraint, Found, Violation, named


def one_to_one() -> Constraint:
    """Forward and feedback cells are paired one to one.

    A feedback cell has one forward partner and teaches no other forward cell; a forward cell that
    learns is taught by one feedback cell. Populations between, as interneurons of a feedback path,
    are cells without a partner.
    """
    return Constraint(
        "one-to-one", "each feedback cell is paired with one forward cell", _find_unpaired
    )


_ALONE = "a partner for them, or one teacher, is another network"


def _find_unpaired(circuit: Circuit) -> Found:
    return Found((*_without_partner(circuit), *_taught_by_many(circuit), *_teaching_many(circuit)))


def _without_partner(circuit: Circuit) -> Iterator[Violation]:
    """Feedback cells that have no forward partner, or share one."""
    taken: dict[str, str] = {}
    for cells in _on(circuit, "feedback"):
        partner = circuit.populations.get(cells.partner or "")
        if partner is None or partner.path != "forward":
            yield _violation(cells, f"{cells.name} has no forward partner")
        elif partner.name in taken:
            yield _violation(
                cells, f"{cells.name} shares {partner.name} with {taken[partner.name]}"
            )
        else:
            taken[partner.name] = cells.name


def _taught_by_many(circuit: Circuit) -> Iterator[Violation]:
    for cells in _on(circuit, "forward"):
        teachers = _teaching(circuit, post=cells.name)
        if teachers:
            counts = [in_degrees([p.connector.relation(*circuit.shapes(p))]) for p in teachers]
            many = np.flatnonzero(np.sum(counts, axis=0) > 1)
            if many.size:
                who = ", ".join(p.pre for p in teachers)
                yield _violation(cells, f"{cells.name} is taught by several cells of {who}", many)


def _teaching_many(circuit: Circuit) -> Iterator[Violation]:
    for cells in _on(circuit, "feedback"):
        taught = _teaching(circuit, pre=cells.name)
        if taught:
            counts = [
                in_degrees([p.connector.relation(*circuit.shapes(p)).transposed]) for p in taught
            ]
            many = np.flatnonzero(np.sum(counts, axis=0) > 1)
            strange = [p.post for p in taught if p.post != cells.partner]
            if many.size:
                who = ", ".join(p.post for p in taught)
                yield _violation(cells, f"{cells.name} teaches several cells of {who}", many)
            elif strange:
                yield _violation(cells, f"{cells.name} teaches {strange[0]}, not its partner")


def _teaching(
    circuit: Circuit, pre: str | None = None, post: str | None = None
) -> list[Projection]:
    """Projections by which feedback cells teach forward cells."""
    paths = ("feedback", "forward")
    return [
        p
        for p in circuit.select(role="teach", pre=pre, post=post)
        if tuple(circuit.populations[end].path for end in (p.pre, p.post)) == paths
    ]


def _on(circuit: Circuit, path: str) -> list[Population]:
    return [cells for cells in circuit.populations.values() if cells.path == path]


def _violation(cells: Population, why: str, which: np.ndarray | None = None) -> Violation:
    which = np.arange(cells.size) if which is None else which
    examples = tuple((cell,) for cell in named(cells.name, which[:EXAMPLES]))
    return Violation((cells.name,), which.size, "cells", why, examples, no_fix=_ALONE)
