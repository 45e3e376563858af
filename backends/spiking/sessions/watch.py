"""What to record of named populations and projections, and how to read it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from brian2 import Quantity, second

from oneway.circuits import WiringError

from ..brian.model import Cells, Model, Place
from ..brian.runs import Recorded, Recording
from ..translation.context import cells_of, interneurons_of
from ..translation.translate import Translation
from ..weights import oriented
from .engine import Engine
from .record import Spikes, Trace
from .variables import SPIKES, find


@dataclass(frozen=True)
class Watch:
    """Populations and projections that a run is recorded of, and in which variables they are."""

    engine: Engine
    model: Model
    recording: Recording
    populations: dict[str, Place]
    projections: dict[str, dict[str, Place]]  # of each part of its weights
    firing: dict[str, str]  # populations whose spikes are kept, and their groups
    variables: dict[str, Place]
    start_s: float  # since the network was built

    @classmethod
    def of(
        cls,
        engine: Engine,
        translation: Translation,
        names: Iterable[str],
        every_s: float | None,
        activity: bool = True,
    ) -> Watch:
        """Watch the named ones at an interval, by default once a sample."""
        every = engine.parameters.present_time if every_s is None else every_s * second
        often = min(every, translation.model.tick, engine.parameters.plasticity_dt)
        names = list(names)
        cells = {n: cells_of(n) for n in names if n in engine.circuit.populations}
        holds = translation.model.homes("holds")
        homes = {n: holds["weights", n] for n in names if n not in cells}
        states = {(group, "activity"): often for group in cells.values() if activity}
        states |= {place: every for places in homes.values() for place in places.values()}
        spikes = tuple(cells.values()) if translation.context.spikes else ()
        populations = {name: (group, "activity") for name, group in cells.items()}
        recording, model = Recording(spikes, states), translation.model
        firing = cells if spikes else {}
        return cls(engine, model, recording, populations, homes, firing, {}, engine.simulated_s)

    def with_variables(
        self, translation: Translation, names: Iterable[str], every_s: float | None
    ) -> Watch:
        """Variables such as `h1.v` too; those of cells by default in every step.

        `h1.spikes` are its spikes, without its activity.
        """
        places = {name: find(translation, name) for name in names}
        variables = {name: place for name, place in places.items() if place[1] != SPIKES}
        firing = {n.removesuffix(f".{SPIKES}"): p[0] for n, p in places.items() if p[1] == SPIKES}
        firing = self.firing | firing
        traces = {place: self._interval(place, every_s) for place in variables.values()}
        recording = replace(self.recording, spikes=tuple(firing.values()), traces=traces)
        return replace(self, recording=recording, firing=firing, variables=variables)

    def _interval(self, place: Place, every_s: float | None) -> Quantity:
        """How often a variable is kept: of cells in every step, unless told otherwise."""
        p, names = self.engine.parameters, self.engine.circuit.populations
        if every_s is None:
            firing = {group(name) for name in names for group in (cells_of, interneurons_of)}
            return p.dt if place[0] in firing else p.present_time
        steps = every_s / float(p.dt)
        if steps < 1 - 1e-6 or abs(steps - round(steps)) > 1e-6:
            raise ValueError(
                f"record_every_s = {every_s:g}, expected a multiple of dt = {p.dt}: variables are "
                "read at the ends of steps"
            )
        return every_s * second

    def also(self, place: Place, every) -> Recording:
        """The recording, with one more variable."""
        return replace(self.recording, states={**self.recording.states, place: every})

    # -- reading ---------------------------------------------------------------------------

    def spikes(self, recorded: Recorded) -> dict[str, Spikes]:
        """Those of each population, before the closing tick."""
        end_s = self.engine.simulated_s - 1e-9
        return {
            name: self._spikes(recorded, group).before(end_s) for name, group in self.firing.items()
        }

    def _spikes(self, recorded: Recorded, group: str) -> Spikes:
        (times_s, cells), spec = recorded.spikes[group], self.model.groups[group]
        return Spikes(times_s + self.start_s, cells, isinstance(spec, Cells) and spec.paired)

    def traces(self, recorded: Recorded) -> dict[str, Trace]:
        """Each variable that was named, before the closing tick."""
        end_s = self.engine.simulated_s - 1e-9
        return {
            name: Trace(times_s + self.start_s, values).before(end_s)
            for name, (times_s, values) in (
                (name, recorded.traces[place]) for name, place in self.variables.items()
            )
        }

    def weights(self, recorded: Recorded, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Times since the run began, and weights then, (T, post, pre, ...)."""
        held = {part: recorded.states[place] for part, place in self.projections[name].items()}
        times = next(iter(held.values()))[0]
        p, key = self.engine.circuit.projections[name], ("weights", name)
        others = self.engine.holding.arrays.weights[name]
        at_each = ({part: w[i] for part, (_, w) in held.items()} for i in range(len(times)))
        merged = [self.engine.holding.merged(key, parts, others) for parts in at_each]
        shape = (len(times), *oriented(p, others).shape)  # a short run may have none
        return times, np.array([oriented(p, w) for w in merged]).reshape(shape)


def parted(engine: Engine, names: Iterable[str]) -> tuple[list[str], list[str]]:
    """Populations and projections whose weights are meant, and variables such as `h1.v`."""
    known = (*engine.circuit.populations, *engine.holding.arrays.weights)
    names = list(names)
    for name in names:
        if name not in known and "." not in name:
            raise WiringError(
                f"record names {name!r}, which is neither a population nor a drive with "
                f"weights of its own. There are: {', '.join(known)}; and variables of any of "
                "them, such as 'h1.v'"
            )
    return [n for n in names if n in known], [n for n in names if n not in known]
