"""Runs of a circuit's phases: each starts from the present weights and leaves the next ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from oneway.circuits import Circuit

from ..brian.model import SCHEDULE, Model, Place
from ..brian.runs import Job, Recorded, Recording, Report, RuntimeSimulation, Simulation
from ..brian.standalone import StandaloneSimulation
from ..parameters import SpikingParameters
from ..translation.context import Context, When, cells_of
from ..translation.dynamics import LIMITED
from ..translation.holding import Holding
from ..translation.translate import Translation, translate
from ..translation.turns import Turns
from ..weights import oriented
from .record import Changes, of_units
from .timetable import Timetable
from .trials import Trials


@dataclass
class Rates:
    """η and λ of the two paths: Δw = −η · post ⊗ pre − λ w, for each sample.

    Synapses whose plasticity states its own rate and decay follow those.
    """

    forward_rate: float = 0.01
    forward_decay: float = 0.0
    feedback_rate: float = 0.01
    feedback_decay: float = 0.0


@dataclass
class Running:
    """A translation, and the run that it became."""

    translation: Translation
    run: Simulation
    runs: int = 0
    last_s: float = 0.0  # length of the last one


@dataclass
class Engine:
    """Everything that runs of a circuit share; see `SpikingNetwork` for the parameters."""

    circuit: Circuit
    parameters: SpikingParameters
    holding: Holding  # where runs begin, and what they leave
    seed: int
    dynamics: str
    target: str
    loss: str
    in_turn: bool
    threads: int
    rates: Rates = field(default_factory=Rates)
    simulated_s: float = 0.0  # of all runs so far
    _running: dict[tuple, Running] = field(default_factory=dict)

    def trials(self, x: np.ndarray, y: np.ndarray | None, batch: bool = False) -> Trials:
        """Samples as trials of all phases that data drives."""
        when = When(
            Turns(self.circuit, self.circuit.reading.data_phases, together=not self.in_turn)
        )
        settling = self.settling_steps + 2 if self.dynamics == "settled" else None
        return Trials.of(self.circuit, when, self.parameters, settling, x, y, batch)

    @property
    def settling_steps(self) -> int:
        """How many steps activity takes through a settled circuit."""
        hops = 2 if self.holding.dale else 1
        return hops * len(self.circuit.populations) + 2

    # -- running ---------------------------------------------------------------------------

    @property
    def compiling_s(self) -> float:
        """Wall time that compiling programs has taken so far."""
        return sum(running.run.compiling_s for running in self._running.values())

    def prepare(self, phases: tuple[str, ...], tallying: bool = False) -> Running:
        """The translation of some phases as a run, made once."""
        key = (phases, tallying)
        if key not in self._running:
            translation = self.translated(phases, tallying)
            self._running[key] = Running(translation, self._simulation(translation.model))
        return self._running[key]

    def translated(self, phases: tuple[str, ...], tallying: bool = False) -> Translation:
        """The translation of some phases, of which nothing is built yet."""
        context = Context(
            self.circuit,
            phases,
            self.parameters,
            self.dynamics,
            self.holding,
            self.loss,
            together=not self.in_turn,
            tallying=tallying,
        )
        return translate(context)

    def _simulation(self, model: Model) -> Simulation:
        if self.target == "cpp_standalone":
            return StandaloneSimulation(model, self.threads)
        return RuntimeSimulation(model, self.target)

    def go(
        self,
        running: Running,
        timetable: Timetable,
        recording: Recording,
        report: Report | None = None,
    ) -> Recorded:
        """Run a timetable from the present weights on, and keep those that it leaves."""
        run, model = running.run, running.run.model
        for place, value in running.translation.homes_filled():
            run.set(place, value)
        for name, value in vars(self.rates).items():
            run.set((SCHEDULE, name), value)
        for place in limited(model).values():
            run.set(place, 0.0)
        # One random stream for all: each run starts it where only the seed and the number of
        # earlier runs say.
        seed = self.seed + 7919 * running.runs
        running.runs += 1
        running.last_s = timetable.ticks * float(model.tick)
        duration_s = running.last_s - float(model.tick)  # the closing one aside
        tables = timetable.tables(model.tables)
        progress = report and _in_seconds(report, duration_s)
        recorded = run.run(Job(tables, timetable.ticks, seed, recording, progress))
        running.translation.take_home(run.get)
        self.simulated_s += duration_s
        return recorded

    def at_limit(self, running: Running) -> dict[str, np.ndarray]:
        """The part of the last run that each unit of a population spent at its greatest rate."""
        possible = running.last_s * float(self.parameters.max_rate)
        places = limited(running.run.model)
        units = {name: self.circuit.populations[name].size for name in places}
        return {
            name: of_units(running.run.get(place), units[name]) / possible
            for name, place in places.items()
        }

    def restart(self, seed: int) -> None:
        """Forget all runs: the next ones begin as the first did, with the noise of a seed."""
        self.seed, self.simulated_s = seed, 0.0
        for running in self._running.values():
            running.runs = 0
            running.run.restart()

    # -- tallies ---------------------------------------------------------------------------

    def clear(self, running: Running) -> None:
        """Forget what synapses would have changed."""
        for places in running.run.model.homes("tallies").values():
            for place in places.values():
                running.run.set(place, 0.0)

    def tallied(self, running: Running) -> Changes:
        """What synapses would have changed since."""
        weights: dict[str, np.ndarray] = {}
        biases: dict[str, np.ndarray] = {}
        for key, places in running.run.model.homes("tallies").items():
            parts = {part: running.run.get(place) for part, place in places.items()}
            kind, name = key
            change = self.holding.merged(key, parts)
            if kind == "bias":
                biases[name] = change
            else:
                weights[name] = oriented(self.circuit.projections[name], change)
        return Changes(weights, biases)


def limited(model: Model) -> dict[str, Place]:
    """Population → where its cells count the spikes that they fire near their greatest rate."""
    return {
        group.name.removeprefix(cells_of("")): (group.name, LIMITED)
        for group in model.cells
        if any(equation.name == LIMITED for equation in group.equations)
    }


def _in_seconds(report: Report, duration_s: float) -> Report:
    def on_report(elapsed: Any, completed: Any, start: Any, duration: Any) -> None:
        report(float(elapsed), float(completed), 0.0, duration_s)

    return on_report
