"""What to record of named populations and projections, and how to read it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from brian2 import second

from oneway.circuits import WiringError

from ..brian.model import Place
from ..brian.runs import Recorded, Recording
from ..translation.context import cells_of
from ..translation.translate import Translation
from ..weights import oriented
from .engine import Engine
from .record import Spikes


@dataclass(frozen=True)
class Watch:
    """Populations and projections that a run is recorded of, and in which variables they are."""

    engine: Engine
    recording: Recording
    populations: dict[str, Place]
    projections: dict[str, dict[str, Place]]  # of each part of its weights
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
        _check_known(engine, names)
        cells = {n: cells_of(n) for n in names if n in engine.circuit.populations}
        holds = translation.model.homes("holds")
        homes = {n: holds["weights", n] for n in names if n not in cells}
        states = {(group, "activity"): often for group in cells.values() if activity}
        states |= {place: every for places in homes.values() for place in places.values()}
        spikes = tuple(cells.values()) if translation.context.spikes else ()
        populations = {name: (group, "activity") for name, group in cells.items()}
        return cls(engine, Recording(spikes, states), populations, homes, engine.simulated_s)

    def also(self, place: Place, every) -> Recording:
        """The recording, with one more variable."""
        return Recording(self.recording.spikes, {**self.recording.states, place: every})

    # -- reading ---------------------------------------------------------------------------

    def spikes(self, recorded: Recorded) -> dict[str, Spikes]:
        """Those of each population, before the closing tick."""
        end_s = self.engine.simulated_s - 1e-9
        return {
            name: Spikes(recorded.spikes[group][0] + self.start_s, recorded.spikes[group][1])
            .before(end_s)
            for name, (group, _) in self.populations.items()
            if group in recorded.spikes
        }  # fmt: skip

    def weights(self, recorded: Recorded, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Times since the run began, and weights then, (T, post, pre, ...)."""
        held = {part: recorded.states[place] for part, place in self.projections[name].items()}
        times = next(iter(held.values()))[0]
        p, key = self.engine.circuit.projections[name], ("weights", name)
        others = self.engine.holding.arrays.weights[name]
        at_each = ({part: w[i] for part, (_, w) in held.items()} for i in range(len(times)))
        merged = [self.engine.holding.merged(key, parts, others) for parts in at_each]
        return times, np.stack([oriented(p, w) for w in merged])


def _check_known(engine: Engine, names: list[str]) -> None:
    known = (*engine.circuit.populations, *engine.holding.arrays.weights)
    for name in names:
        if name not in known:
            raise WiringError(
                f"record names {name!r}, which is neither a population nor a drive with "
                f"weights of its own. There are: {', '.join(known)}"
            )
