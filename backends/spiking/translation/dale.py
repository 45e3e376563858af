"""Dale's law: each cell excites, and an interneuron that repeats its spikes inhibits.

A drive becomes two sets of synapses with weights that are never negative, w = w₊ − w₋. The two
cells of a push-pull pair are one another's mirror image: what one excites the other inhibits, so
that the pair's cell for negative activity excites by w₋, and its interneuron inhibits by w₊.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from oneway.circuits import Population, Projection, WiringError

from ..brian.model import Cells, Joined, Reference
from .cells import know_schedule, note_signals, receive, send_deviation, sends_deviation
from .holding import EXCITATORY, INHIBITORY
from .naming import cells_of, interneurons_of, path_of
from .plasticity import carrier

if TYPE_CHECKING:
    from .translate import Translation

OTHER = {EXCITATORY: INHIBITORY, INHIBITORY: EXCITATORY}


def check_splits(translation: Translation, p: Projection) -> None:
    """Raise `WiringError` where a projection has no translation under Dale's law."""
    pairs, kind = translation.pairs(p), type(p.connector).__name__
    if pairs.shared:
        raise WiringError(
            f"{p.label}: under Dale's law each synapse needs a weight of its own, and those of "
            f"{kind} are shared. Use shared=False (--unshared) with it"
        )
    if p.weights is not None and p.weights.kind == "sign-tied":
        raise WiringError(
            f"{p.label}: its weights are signs of {p.weights.to!r} times a constant, which have no "
            "translation under Dale's law. Use independent weights, or leave dale out"
        )
    if pairs.branch is not None:
        raise WiringError(
            f"{p.label}: {kind} lets only the strongest of several cells count, which has no "
            "translation under Dale's law where cells stand for both signs. Use an "
            "AveragePoolConnector, or leave dale out"
        )


def strength_of(
    translation: Translation, p: Projection, joined: Joined, part: str, strength: str | None
) -> str | None:
    """What a spike of either cell of a pair brings: never anything negative."""
    if not translation.paired(p):
        return strength
    if p.weights is None:
        fixed = "" if strength is None else f" * {strength}"
        return f"int(side_pre {'>' if part == EXCITATORY else '<'} 0){fixed}"
    w = next((one for one in joined.references if one.variable == "w"), None)
    if w is None:
        other = joined.name.removesuffix(part) + OTHER[part]
        joined.references.append(Reference("opposite", other, "w", "_idx"))
    else:  # borrowed, and so is the other
        other = w.group.removesuffix(part) + OTHER[part]
        joined.references.append(Reference("opposite", other, "w", w.index))
    return "(int(side_pre > 0) * w + int(side_pre < 0) * opposite)"


def translate_interneurons(translation: Translation, population: Population) -> None:
    """An interneuron for each cell of a population, if it has inhibitory synapses."""
    drives = [p for p in translation.turns.select(pre=population.name) if translation.splits(p)]
    if not drives:
        return
    name, each = population.name, np.arange(population.size)
    cells = Cells(interneurons_of(name), population.size, f"{name}: inhibitory interneurons")
    know_schedule(cells)
    relay = Joined(f"relay_of_{name}", cells_of(name), cells.name, each, each)
    relay.comment = f"each cell of {name} makes an interneuron of its own fire"
    translation.how.repeat(cells, relay, population, path_of(population))
    translation.model.synapses.append(relay)
    for p in drives:
        check_splits(translation, p)
    if sends_deviation(translation, name):
        send_deviation(translation, population, cells)
    for heard in _read_by(translation, drives):
        receive(translation, heard, cells)
        translation.overheard.append((heard, cells.name))
    note_signals(translation, population, cells)
    translation.model.cells.append(cells)


def _read_by(translation: Translation, drives: list[Projection]) -> list[Projection]:
    """What brings presynaptic cells signals that their synapses learn from, each once."""
    brought: dict[str, Projection] = {}
    for p in drives:
        if p.plasticity is not None and translation.turns.learns(p):
            bringing = carrier(translation.turns, p.plasticity.pre, p.pre, p.plasticity.phase)
            brought |= {} if bringing is None else {bringing.name: bringing}
    return list(brought.values())
