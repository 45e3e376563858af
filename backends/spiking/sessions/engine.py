"""Runs of a circuit's phases: each starts from the present weights and leaves the next ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from types import MappingProxyType
from typing import Any

import numpy as np
from brian2 import ms

from oneway.circuits import Circuit

from ..brian.model import SCHEDULE, Model, Place
from ..brian.runs import Job, Recorded, Recording, Report, RuntimeSimulation, Simulation
from ..brian.standalone import StandaloneSimulation
from ..dynamics import Dynamics
from ..heterogeneous import Varied
from ..parameters import SpikingParameters
from ..translation.context import HELD, Context, When, cells_of
from ..translation.dynamics import LIMITED
from ..translation.holding import Holding
from ..translation.translate import Translation, translate
from ..translation.turns import Turns
from ..weights import oriented
from .record import Changes, of_units
from .timetable import Timetable
from .trials import Trials, data_rows

NEVER_S = 1e12  # longer than any run


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

    def start_over(self) -> None:
        """Forget all runs."""
        self.runs = 0
        self.run.restart()

    def go_on_from(self, before: Running) -> None:
        """Take over cells and synapses of a run of the same phases, cut elsewhere."""
        self.runs = before.runs
        self.run.go_on_from(before.run, self.translation.moved_from(before.translation))


@dataclass
class Engine:
    """Everything that runs of a circuit share; see `SpikingNetwork` for the parameters."""

    circuit: Circuit
    parameters: SpikingParameters
    holding: Holding  # where runs begin, and what they leave
    seed: int
    dynamics: str | Dynamics
    target: str
    loss: str
    in_turn: bool
    threads: int
    input: str = "current"
    cached: bool = True
    varied: Varied = field(default_factory=dict)
    rates: Rates = field(default_factory=Rates)
    simulated_s: float = 0.0  # of all runs so far
    latest: Running | None = None
    lesions: dict[str, float] = field(default_factory=dict)  # projection → when, or inf: whole
    _running: dict[tuple, Running] = field(default_factory=dict)
    _last: dict[tuple, Running] = field(default_factory=dict)  # of some phases

    def trials(self, x: np.ndarray, y: np.ndarray | None, batch: bool = False) -> Trials:
        """Samples as trials of all phases that data drives."""
        rows = data_rows(self.circuit, x, y)
        return self.trials_of(rows, len(rows["data"]), batch)

    def trials_of(
        self, rows: Mapping[str, np.ndarray], samples: int, batch: bool = False
    ) -> Trials:
        """Trials of so many samples, with what they look up."""
        when = When(
            Turns(self.circuit, self.circuit.reading.data_phases, together=not self.in_turn)
        )
        settling = self.settling_steps + 2 if self.dynamics == "settled" else None
        return Trials.of(when, self.parameters, settling, rows, samples, batch)

    @property
    def settling_steps(self) -> int:
        """How many steps activity takes through a settled circuit."""
        return settling_steps(self.circuit, self.parameters, self.holding.dale)

    # -- running ---------------------------------------------------------------------------

    @property
    def compiling_s(self) -> float:
        """Wall time that compiling programs has taken so far."""
        return sum(running.run.compiling_s for running in self._running.values())

    def prepare(
        self, phases: tuple[str, ...], tallying: bool = False, given: str = HELD
    ) -> Running:
        """The translation of some phases as a run, made once for each set of lesions.

        See `Given` for the last.
        """
        same = (phases, tallying, given)
        key = (*same, frozenset(self.lesions))
        if key not in self._running:
            translation = self.translated(phases, tallying, given)
            self._running[key] = Running(translation, self._simulation(translation.model))
        running, last = self._running[key], self._last.get(same)
        if last is not None and last is not running:
            running.go_on_from(last)
        self._last[same] = running
        return running

    def translated(
        self, phases: tuple[str, ...], tallying: bool = False, given: str = HELD
    ) -> Translation:
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
            input=self.input,
            given=given,
            varied=self.varied,
            lesions=frozenset(self.lesions),
        )
        return translate(context)

    def _simulation(self, model: Model) -> Simulation:
        if self.target == "cpp_standalone":
            return StandaloneSimulation(model, self.threads, self.cached)
        return RuntimeSimulation(model, self.target)

    def go(
        self,
        running: Running,
        timetable: Timetable,
        recording: Recording,
        report: Report | None = None,
        sets: Mapping[Place, Any] = MappingProxyType({}),
    ) -> Recorded:
        """Run a timetable from the present weights on, and keep those that it leaves.

        `sets` are variables that begin with given values.
        """
        run, model = running.run, running.run.model
        for place, value in running.translation.homes_filled():
            run.set(place, value)
        running.last_s = timetable.ticks * float(model.tick)
        duration_s = running.last_s - float(model.tick)  # the closing one aside
        for name, number in self.scheduled(running, duration_s).items():
            run.set((SCHEDULE, name), number)
        for place in limited(model).values():
            run.set(place, 0.0)
        for place, value in sets.items():
            run.set(place, value)
        # One random stream for all: each run starts it where only the seed and the number of
        # earlier runs say.
        seed = self.seed + 7919 * running.runs
        running.runs += 1
        self.latest = running
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

    def scheduled(self, running: Running, duration_s: float) -> dict[str, float]:
        """What a run of a duration is told at its beginning: η, λ, and when it cuts what."""
        # Halfway between two steps, so that no rounding of times moves it to another one.
        half_s = float(running.run.model.dt) / 2
        cut = {}
        for name, variable in running.translation.moments.items():
            at_s = self.lesions[name] - self.simulated_s - half_s
            # The closing tick is no part of the duration.
            cut[variable] = at_s if at_s < duration_s - 2 * half_s else NEVER_S
        return {**vars(self.rates), **cut}

    def restart(self, seed: int) -> None:
        """Forget all runs: the next ones begin as the first did, with the noise of a seed."""
        self.seed, self.simulated_s = seed, 0.0
        self.lesions = dict.fromkeys(self.lesions, inf)  # whole again; programs can still cut
        self._last.clear()
        for running in self._running.values():
            running.start_over()

    # -- as it is ---------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """All that runs go on from, as arrays and plain data."""
        return {
            "seed": self.seed,
            "simulated_s": self.simulated_s,
            "rates": vars(self.rates),
            "holding": self.holding.state(),
            "lesions": self.lesions,
            "running": [
                {"of": same, "runs": running.runs, "state": running.run.state()}
                for same, running in self._last.items()
            ],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Be as an engine of the same circuit and options was when it gave its `state`."""
        self.seed, self.simulated_s = state["seed"], state["simulated_s"]
        vars(self.rates).update(state["rates"])
        self.holding.restore(state["holding"])
        self.lesions = dict(state["lesions"])
        self._last.clear()
        for running in self._running.values():
            running.start_over()
        for one in state["running"]:
            running = self.prepare(*one["of"])
            running.runs = one["runs"]
            running.run.restore(one["state"])

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
    """Population → where its cells count spikes while they are to fire faster than they can."""
    return {
        group.name.removeprefix(cells_of("")): (group.name, LIMITED)
        for group in model.cells
        if any(equation.name == LIMITED for equation in group.equations)
    }


def settling_steps(circuit: Circuit, parameters: SpikingParameters, dale: bool) -> int:
    """How many steps activity takes through a settled circuit, delays included."""
    hops = 2 if dale else 1
    arriving = ((p.delay for p in circuit.select(post=name)) for name in circuit.populations)
    delay = sum(max(delays, default=0.0) for delays in arriving) * ms
    return hops * len(circuit.populations) + 2 + round(delay / parameters.dt)


def _in_seconds(report: Report, duration_s: float) -> Report:
    def on_report(elapsed: Any, completed: Any, start: Any, duration: Any) -> None:
        report(float(elapsed), float(completed), 0.0, duration_s)

    return on_report
