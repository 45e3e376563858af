"""Running a model: the one interface that all of Brian2's targets are used through."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from brian2 import Quantity, SpikeMonitor, StateMonitor
from brian2 import seed as set_seed
from brian2.core.variables import ArrayVariable

from .build import Objects, codegen
from .model import Cells, Model, Place

Report = Callable[[float, float, float, float], None]
Kept = tuple[str, str, str]  # what, of which group, and of which of its variables


@dataclass(frozen=True)
class Recording:
    """What to keep of a run: spikes of groups, and variables at an interval each."""

    spikes: tuple[str, ...] = ()
    states: Mapping[Place, Quantity] = field(default_factory=dict)
    # Variables that somebody wants to see, at intervals of their own: what is read from `states`
    # does not depend on it.
    traces: Mapping[Place, Quantity] = field(default_factory=dict)

    def key(self) -> tuple:
        """What two recordings must share to be the same."""
        intervals = tuple((place, float(dt)) for place, dt in self.states.items())
        traced = tuple((place, float(dt)) for place, dt in self.traces.items())
        return (self.spikes, intervals, traced)


@dataclass
class Recorded:
    """What was kept; times in seconds since the run began.

    Cells of the negative half of a pair are counted from N on.
    """

    spikes: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)  # times, cells
    states: dict[Place, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)  # t, (T, n)
    traces: dict[Place, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """What a run does: for how many ticks, with what tables of the schedule, and what it keeps."""

    tables: Mapping[str, np.ndarray]
    ticks: int
    seed: int
    recording: Recording
    report: Report | None = None


class Simulation(ABC):
    """A model that can be run again and again."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.compiling_s = 0.0  # wall time, of all programs so far

    @abstractmethod
    def set(self, place: Place, value: Any) -> None:
        """Set a variable before the next run."""

    @abstractmethod
    def get(self, place: Place) -> np.ndarray:
        """A variable after the last run."""

    @abstractmethod
    def go_on_from(self, before: Any, moved: Mapping[Place, Place]) -> None:
        """Take over what a simulation of the same kind has left.

        Parameters
        ----------
        before : Simulation
            Of another model of the same circuit.
        moved : mapping
            Places that had another name there → that name.
        """

    @abstractmethod
    def restart(self) -> None:
        """Forget all runs: cells start as at first."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """All that a next run goes on from: arrays and plain data by name."""

    @abstractmethod
    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` gave."""

    @abstractmethod
    def run(self, job: Job) -> Recorded:
        """Go on for the ticks of a job."""


class RuntimeSimulation(Simulation):
    """With Brian2's runtime targets, numpy and cython."""

    def __init__(self, model: Model, target: str) -> None:
        super().__init__(model)
        self.target = target
        self.restart()

    def restart(self) -> None:
        with codegen(self.target):
            self.objects = Objects(self.model)

    def go_on_from(self, before: RuntimeSimulation, moved: Mapping[Place, Place]) -> None:
        self.objects.network.t_ = before.objects.network.t_
        there = before.objects.changing
        for place, variable in self.objects.changing.items():
            home = moved.get(place, place)
            if home in there:
                variable.set_value(there[home].get_value())

    def set(self, place: Place, value: Any) -> None:
        group, variable = place
        setattr(self.objects.groups[group], variable + "_", value)

    def get(self, place: Place) -> np.ndarray:
        group, variable = place
        return np.array(getattr(self.objects.groups[group], variable + "_")[:])

    def state(self) -> dict[str, Any]:
        with codegen(self.target):
            return self.objects.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        with codegen(self.target):
            self.objects.restore(state)

    def run(self, job: Job) -> Recorded:
        network = self.objects.network
        began_s = float(network.t)
        with codegen(self.target):
            monitors = Monitors(self.objects, job.recording)
            network.add(*monitors.all)
            set_seed(job.seed)
            try:
                self.objects.run(job.tables, job.ticks, job.report)
                kept = {key: np.array(v.get_value()) for key, v in monitors.variables.items()}
                return read(kept, self.model, job.recording, began_s)
            finally:
                network.remove(*monitors.all)


class Monitors:
    """Brian2's monitors for a recording."""

    def __init__(self, objects: Objects, recording: Recording) -> None:
        self.spikes: dict[str, SpikeMonitor] = {}
        for group in recording.spikes:
            spec = objects.model.groups[group]
            assert isinstance(spec, Cells)
            self.spikes[group] = SpikeMonitor(
                objects.groups[group],
                variables="side" if spec.paired else None,
                name=f"spikes_of_{group}",
            )
        self.states = _monitors(objects, recording.states, "")
        self.traces = _monitors(objects, recording.traces, "trace_of_")

    @property
    def all(self) -> list:
        """Every monitor."""
        return [*self.spikes.values(), *self.states.values(), *self.traces.values()]

    @property
    def variables(self) -> dict[Kept, ArrayVariable]:
        """Where they keep what."""
        found = {}
        for group, monitor in self.spikes.items():
            for part in ("t", "i", "side"):
                if part in monitor.variables:
                    found[part, group, ""] = monitor.variables[part]
        for (group, variable), monitor in self.states.items():
            found["t", group, variable] = monitor.variables["t"]
            found["values", group, variable] = monitor.variables[variable]
        for (group, variable), monitor in self.traces.items():
            found["trace_t", group, variable] = monitor.variables["t"]
            found["trace_values", group, variable] = monitor.variables[variable]
        return found


def _monitors(
    objects: Objects, states: Mapping[Place, Quantity], prefix: str
) -> dict[Place, StateMonitor]:
    # At the end of a step, when everything in it has happened.
    return {
        (group, variable): StateMonitor(
            objects.groups[group],
            variable,
            record=True,
            dt=dt,
            when="end",
            name=f"{prefix}{variable}_of_{group}",
        )
        for (group, variable), dt in states.items()
    }


def read(
    kept: Mapping[Kept, np.ndarray], model: Model, recording: Recording, began_s: float = 0.0
) -> Recorded:
    """What monitors have kept, with times from the beginning of a run."""
    recorded = Recorded()
    for group in recording.spikes:
        spec, cells = model.groups[group], kept["i", group, ""]
        assert isinstance(spec, Cells)
        if ("side", group, "") in kept:
            cells = cells + spec.size * (kept["side", group, ""] < 0)
        recorded.spikes[group] = (kept["t", group, ""] - began_s, cells)
    for place in recording.states:
        recorded.states[place] = (kept["t", *place] - began_s, kept["values", *place])
    for place in recording.traces:
        recorded.traces[place] = (kept["trace_t", *place] - began_s, kept["trace_values", *place])
    return recorded
