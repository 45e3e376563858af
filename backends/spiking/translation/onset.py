"""Trials that begin at rest: what cells keep from moment to moment is put back at each onset."""

from __future__ import annotations

import re

import numpy as np

from ..brian.model import ONSET, Cells, Reference, Regular
from .naming import SCHEDULE

_INTEGRATED = re.compile(r"d(\w+)/dt = .* : (\w+)")
# A running mean remembers for longer than a trial, by its purpose.
_LASTING = ("mean_activity",)


def begin_at_rest(cells: Cells) -> None:
    """Let membranes, currents and traces of cells be at each onset what they are at first."""
    lines = []
    for name, unit in _kept(cells).items():
        first = cells.starts.get(name, 0.0)
        put_back = ""
        if np.any(first):
            cells.equations.append(f"{name}_at_rest : {unit} (constant)")
            cells.starts[f"{name}_at_rest"] = first
            put_back = f"onset * {name}_at_rest + "
        lines.append(f"{name} = {put_back}(1 - onset) * {name}")
    if lines:
        cells.references.append(Reference("onset", SCHEDULE, "onset"))
        cells.regular.append(Regular("\n".join(lines), order=ONSET))


def _kept(cells: Cells) -> dict[str, str]:
    """Variables that go on from step to step, with their units."""
    found = [_INTEGRATED.match(equation) for equation in cells.equations]
    kept = {match[1]: match[2] for match in found if match and match[1] not in _LASTING}
    if any(equation.startswith("heard :") for equation in cells.equations):
        kept["heard"] = "second"
    return kept
