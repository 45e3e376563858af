"""Synaptic scaling: a cell multiplies its synapses so that their strength stays at a set point."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from oneway.circuits import Projection, WiringError, postsynaptic, set_point

from ..brian.model import Cells, Joined, Reference, Regular
from .holding import WHOLE
from .naming import cells_of, input_of, synapses_of, weights_of
from .plasticity import at_tick, keep_up_with_rest

if TYPE_CHECKING:
    from .translate import Translation

# After learning and before the schedule goes on: forget the sum, add up, scale.
_FORGET, _ADD, _SCALE = 1, 2, 3


def scale_synapses(
    translation: Translation, p: Projection, joined: Joined, part: str = WHOLE
) -> None:
    """w ← w + λ_s w (1 − Σ|w| / Σ₀), with the sum over the synapses of a drive that a cell has."""
    how = p.plasticity
    assert how is not None
    if how.scaling is None:
        return
    learn = translation.turns.times_if([how.phase], "learn")
    shared = translation.pairs(p).shared
    if shared:
        owner, own, kept = _by_channel(translation, p)
    else:
        owner, own, kept = _by_cell(translation, p, joined, part)
    at_tick(owner)
    owner.regular.append(Regular(f"{own} += abs(w)", order=_ADD))
    change = f"{how.scaling!r} * w * (1 - {own} / {kept})"
    if translation.tallying:
        # As a gradient, which counts one batch once and is multiplied by −η.
        code = f"change -= {learn} * share / {how.rate!r} * {change}"
        owner.regular.append(Regular(code, order=_SCALE))
        return
    up = keep_up_with_rest(translation, p, "scaling", part)
    if up and shared:
        raise WiringError(
            f"{p.label}: synaptic scaling of shared weights has no translation for cells about a "
            "baseline. Use coding = 'push_pull', or shared=False"
        )
    lines = [f"scaling = {learn} * {change}", "w += scaling", *up]
    owner.regular.append(Regular("\n".join(lines), order=_SCALE))


def _by_cell(
    translation: Translation, p: Projection, joined: Joined, part: str
) -> tuple[Cells | Joined, str, str]:
    """Each postsynaptic cell adds up synapses of its own."""
    name = f"strength_{input_of(translation.circuit, p)}" + (f"_{part}" if part else "")
    size = translation.circuit.populations[p.post].size
    cells = translation.model.groups[cells_of(p.post)]
    assert isinstance(cells, Cells)
    _add_up(translation, p, cells, name, np.bincount(joined.j, minlength=size))
    return joined, f"{name}_post", f"{name}_kept_post"


def _by_channel(translation: Translation, p: Projection) -> tuple[Cells | Joined, str, str]:
    """All cells of a channel have the same synapses; they are added up once."""
    circuit = translation.circuit
    owner = translation.model.groups[weights_of(circuit, p)]
    assert isinstance(owner, Cells)
    channel = postsynaptic(circuit, p).ravel()
    name, counts = "strength", np.bincount(channel)
    group = f"strength_{synapses_of(circuit, p)}"
    cells = Cells(group, len(counts), f"strength of {p.name} by channel")
    _add_up(translation, p, cells, name, counts)
    translation.model.cells.insert(0, cells)  # before those that refer to it
    owner.equations.append("channel : integer (constant)")
    owner.starts["channel"] = channel
    owner.references += [
        Reference(each, cells.name, each, "channel") for each in (name, f"{name}_kept")
    ]
    return owner, name, f"{name}_kept"


def _add_up(
    translation: Translation, p: Projection, cells: Cells, name: str, counts: np.ndarray
) -> None:
    cells.equations += [f"{name} : 1  # Σ|w|", f"{name}_kept : 1 (constant)  # its set point"]
    cells.starts[f"{name}_kept"] = set_point(translation.circuit, p) * np.maximum(counts, 1)
    cells.regular.append(Regular(f"{name} = 0", order=_FORGET))
