"""From a wired circuit to what Brian2 is told; one translator for each kind of element.

It knows populations, projections, phases and plasticity statements, and no rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from oneway.circuits import Projection, sign_magnitude

from ..brian.model import SCHEDULE, SCHEDULED, WHOLE, Cells, Key, Model, Place
from .activations import FUNCTIONS
from .cells import begin_at_rest, translate_population
from .checks import check_translatable
from .context import Context, cells_of, interneurons_of
from .dale import overheard, translate_interneurons
from .lesions import MOMENT, moment_of
from .synapses import translate_projection


@dataclass(frozen=True)
class Translation:
    """A model, and where in it the weights and biases of the circuit are."""

    context: Context
    model: Model

    def homes_filled(self) -> Iterator[tuple[Place, np.ndarray]]:
        """Every place of weights and biases, and of what follows from them, filled."""
        for key, places in self.model.homes("holds").items():
            for part, place in places.items():
                yield place, self._held(key, part)

    def _held(self, key: Key, part: str) -> np.ndarray:
        kind, name = key
        if kind != "rest":
            return self.context.holding.parts(key)[part]
        p = self.context.circuit.projections[name]
        size = self.context.holding.cells(p.post)
        strengths = _strengths(self.context, p, part)
        total = np.bincount(self.context.pairs(p).j, strengths, minlength=size)
        return total * self.context.parameters.rest(self.context.path(p.pre))

    def moved_from(self, before: Translation) -> dict[Place, Place]:
        """Where what has moved was in a translation with other lesions.

        A cell that is taught and gated by one trace has two once one of these is cut.
        """
        moved = {}
        for p in self.context.turns.select(role="gate"):
            now, then = self.context.bringing(p), before.context.bringing(p)
            if now is not then:
                cells = cells_of(p.post)
                home = (cells, before.context.input_of(then))
                moved[cells, self.context.input_of(now)] = home
        return moved

    @property
    def moments(self) -> dict[str, str]:
        """The variable of the schedule with the moment of each lesion, by projection."""
        there = {equation.name for equation in self.model.groups[SCHEDULE].equations}
        cut = map(self.context.circuit.projections.__getitem__, self.context.lesions)
        moments = {p.name: moment_of(self.context, p) for p in cut}
        return {name: moment for name, moment in moments.items() if moment in there}

    def take_home(self, get: Callable[[Place], np.ndarray]) -> None:
        """Weights and biases as a run left them."""
        for key, places in self.model.homes("holds").items():
            if key[0] != "rest":
                self.context.holding.put(key, {part: get(at) for part, at in places.items()})


def translate(context: Context) -> Translation:
    """Translate everything.

    What a group refers to comes before it; else the order does not matter, since no translator
    changes what another has made.
    """
    check_translatable(context)
    model, turns = Model(context.circuit.name, context.parameters.dt, context.tick), context.turns
    for population in turns.populations.values():
        model.add(translate_population(context, population))
        model.add(translate_interneurons(context, population))
    for p in turns.select():
        model.add(translate_projection(context, p))
    for name in turns.populations:
        for p in overheard(context, name):
            model.add(translate_projection(context, p, interneurons_of(name)))
    model.constants |= context.constants
    used = {cells.activation for cells in turns.populations.values()}
    used |= {gate.derivative or "" for gate in turns.select(role="gate")}
    model.functions = sorted({FUNCTIONS[name] for name in used & set(FUNCTIONS)})
    if context.starts_at_rest:
        for cells in model.cells:
            begin_at_rest(cells)
    model.cells.insert(0, _schedule_cells(model))
    return Translation(context, model)


def _strengths(context: Context, p: Projection, part: str = WHOLE) -> np.ndarray:
    """The weight of every synapse of a drive, or of a part of it."""
    assert p.weights is not None
    held = context.holding.parts(("weights", context.turns.reading.owner(p).name))[part]
    pairs = context.pairs(p)
    w = held[pairs.weight] if pairs.shared else held
    return w if p.weights.kind != "sign-tied" else sign_magnitude(context.circuit, p) * np.sign(w)


def _schedule_cells(model: Model) -> Cells:
    """One cell that everybody knows the time from: of phase, sample and so on what is read."""
    references = (one for group in model.groups.values() for one in group.references)
    read = {one.source for one in references if one.group == SCHEDULE}
    cells = Cells(SCHEDULE, 1, comment="when what happens")
    lines = []
    for name, unit, comment in (
        ("phase", "integer", "which phase of the circuit it is"),
        ("sample", "integer", "which row of the data is presented"),
        ("share", "1", "what one sample counts of its batch"),
        ("learn", "1", "which part of a sample's learning falls to this tick"),
        ("gather", "1", "the same for means"),
        ("onset", "1", "whether a trial begins"),
    ):
        if name in read:
            now = f"{cells.look_up(f'{name}_at')}(t - begin)"
            cells.add(name, unit=unit, flag="shared", comment=comment)
            lines.append(f"{name} = int({now} + 0.5)" if unit == "integer" else f"{name} = {now}")
    for path in ("forward", "feedback"):
        cells.add(f"{path}_rate", flag="shared", comment=f"η of the {path} path")
        cells.add(f"{path}_decay", flag="shared", comment=f"λ of the {path} path")
    for name in sorted(name for name in read if name.startswith(MOMENT)):
        cells.add(name, unit="second", flag="shared", comment="when it is cut")
    if lines:
        cells.at_tick(*lines, order=SCHEDULED)
    return cells
