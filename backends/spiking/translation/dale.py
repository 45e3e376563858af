"""Dale's law: each cell excites, and an interneuron that repeats its spikes inhibits.

A drive becomes two sets of synapses with weights that are never negative, w = w₊ − w₋. The two
cells of a push-pull pair are one another's mirror image: what one excites the other inhibits, so
that the pair's cell for negative activity excites by w₋, and its interneuron inhibits by w₊.
"""

from __future__ import annotations

import numpy as np

from oneway.circuits import Population, Projection

from ..brian.model import Cells, Joined
from .cells import note_signals, receive
from .context import Context, cells_of, interneurons_of
from .dynamics import signalling_of
from .plasticity import carrier


def translate_interneurons(context: Context, population: Population) -> list[Cells | Joined]:
    """An interneuron for each cell of a population, if it has inhibitory synapses."""
    if not _split_drives(context, population.name):
        return []
    name, each = population.name, np.arange(population.size)
    comment = f"{name}: inhibitory interneurons"
    cells = Cells(interneurons_of(name), population.size, comment=comment)
    context.when.tell(cells)
    comment = f"each cell of {name} makes an interneuron of its own fire"
    relay = Joined(f"relay_of_{name}", cells_of(name), cells.name, each, each, comment=comment)
    signalling_of(context).repeat(cells, relay, name)
    for heard in overheard(context, name):
        receive(context, heard, cells)
    note_signals(context, population, cells)
    for p in _split_drives(context, name):
        signalling_of(context).remember(cells, context.sent(p), context.delay_steps(p))
    return [cells, relay]


def overheard(context: Context, population: str) -> list[Projection]:
    """What interneurons of a population are told too, since their synapses learn from it."""
    brought: dict[str, Projection] = {}
    for p in _split_drives(context, population):
        if p.plasticity is not None and context.turns.learns(p):
            bringing = carrier(context, p.plasticity.pre, p.pre, p.plasticity.phase)
            brought |= {} if bringing is None else {bringing.name: bringing}
    return list(brought.values())


def _split_drives(context: Context, population: str) -> list[Projection]:
    return [p for p in context.turns.select(pre=population) if context.splits(p)]
