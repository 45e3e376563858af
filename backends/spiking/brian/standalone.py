"""C++ standalone: one program, built once, run for one chunk of trials after another."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from brian2 import get_device, prefs, set_device
from brian2.core.variables import ArrayVariable
from brian2.devices.device import reset_device

from .build import Objects
from .cache import ProgramCache, cache_folder, key_of
from .compiling import PROGRAM, compile_program
from .model import Cells, Joined, Model, Place, Start
from .rows import Rows
from .runs import Job, Kept, Monitors, Recorded, Recording, Simulation, read
from .templating import own_templates
from .working import working_folder

# Seeds and progress, which Brian2 builds into a program, are asked for when it runs.
_SEED = """
if (const char* seed = std::getenv("ONEWAY_SEED"))
    for (size_t n = 0; n < brian::_random_generators.size(); n++)
        brian::_random_generators[n].seed(std::strtoul(seed, NULL, 10) + n);
"""
_PROGRESS = 'std::cout << "progress " << elapsed << " " << completed << std::endl;'


class StandaloneSimulation(Simulation):
    """With Brian2's C++ standalone mode."""

    def __init__(self, model: Model, threads: int = 0, cached: bool = True) -> None:
        self.rows = Rows.of(model)
        super().__init__(self.rows.model)
        self.threads, self.cached = threads, cached
        self._state: dict[Place, np.ndarray] = {}
        self._programs: dict[tuple, Executable] = {}
        self._folder = working_folder()

    def set(self, place: Place, value: Any) -> None:
        self._state[place] = self.rows.into(place[0], value)

    def get(self, place: Place) -> np.ndarray:
        return self.rows.back(place[0], self._state[place]).copy()

    def go_on_from(self, before: StandaloneSimulation, moved: Mapping[Place, Place]) -> None:
        # What a model with fewer lesions does not know it does not read.
        self._state = before._state | {
            place: before._state[home] for place, home in moved.items() if home in before._state
        }

    def restart(self) -> None:
        self._state.clear()  # programs start from what they were built with

    def state(self) -> dict[str, Any]:
        return {group: self._of(group) for group, _ in self._state}

    def _of(self, group: str) -> dict[str, np.ndarray]:
        return {name: value for (owner, name), value in self._state.items() if owner == group}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._state = {
            (group, name): np.asarray(value)
            for group, variables in state.items()
            for name, value in variables.items()
        }

    def run(self, job: Job) -> Recorded:
        shapes = tuple((name, values.shape) for name, values in job.tables.items())
        key = (job.ticks, shapes, job.recording.key())
        if key not in self._programs:
            folder = Path(self._folder.name) / f"program_{len(self._programs)}"
            began = time.perf_counter()
            self._programs[key] = self._program(job, folder, key)
            self.compiling_s += time.perf_counter() - began
        program = self._programs[key]
        program.execute(self._state, job)
        self._state |= program.states()
        recorded = program.recorded(job.recording)
        for (group, variable), (times, values) in recorded.states.items():
            recorded.states[group, variable] = times, self.rows.back(group, values)
        return recorded

    def _program(self, job: Job, folder: Path, for_jobs: tuple) -> Executable:
        """The program for such jobs, from the cache if it is there."""
        try:
            cache = ProgramCache(cache_folder()) if self.cached else None
        except RuntimeError:  # the user has no home
            cache = None
        if cache is None:
            return build(self.rows, job, folder, self.threads)
        key = key_of(_without_held(self.rows), for_jobs, self.threads)
        about = cache.fetch(key, folder)
        if about is not None:
            return Executable.from_lists(self.model, folder, about)
        program = build(self.rows, job, folder, self.threads)
        arrays = sorted(f"static_arrays/{file.name}" for file in folder.glob("static_arrays/*"))
        cache.keep(key, folder, [PROGRAM, *arrays], program.as_lists())
        return program


def _without_held(rows: Rows) -> Rows:
    """What a program is made of, but for weights and biases: they are set before each run."""
    cells = [replace(group, starts=_not_held(group)) for group in rows.model.cells]
    synapses = [replace(group, starts=_not_held(group)) for group in rows.model.synapses]
    return replace(rows, model=replace(rows.model, cells=cells, synapses=synapses))


def _not_held(group: Cells | Joined) -> dict[str, Start]:
    return {name: value for name, value in group.starts.items() if name not in group.holds}


@dataclass(frozen=True)
class Stored:
    """Where a program leaves an array."""

    file: str
    dtype: np.dtype


@dataclass(frozen=True)
class Executable:
    """A built simulation, and where it leaves what may change and what it records."""

    model: Model
    folder: Path
    variables: dict[Place, Stored]
    monitors: dict[Kept, Stored]
    duration_s: float

    def as_lists(self) -> list:
        """All but model and folder, as JSON has it."""
        variables, monitors = (
            [[*place, stored.file, stored.dtype.str] for place, stored in kept.items()]
            for kept in (self.variables, self.monitors)
        )
        return [variables, monitors, self.duration_s]

    @classmethod
    def from_lists(cls, model: Model, folder: Path, lists: list) -> Executable:
        """From what `as_lists` gave."""
        variables, monitors = (
            {tuple(place): Stored(file, np.dtype(dtype)) for *place, file, dtype in kept}
            for kept in lists[:2]
        )
        return cls(model, folder, variables, monitors, lists[2])

    def execute(self, state: Mapping[Place, np.ndarray], job: Job) -> None:
        """Run with the given variables."""
        (self.folder / "results").mkdir(exist_ok=True)
        arguments = ["--results_dir", str(self.folder / "results") + os.sep]
        for (group, variable), value in state.items():
            stored = self.variables[group, variable]
            arguments.append(self._argument(f"{group}.{variable}", value, stored.dtype))
        for name, values in job.tables.items():
            arguments.append(self._argument(f"table_{name}.values", values, np.dtype(float)))
        environment = os.environ | {"ONEWAY_SEED": str(job.seed % 2**31)}
        running = subprocess.Popen(
            [f"./{PROGRAM}", *arguments],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        said = []
        assert running.stdout is not None
        try:
            for line in running.stdout:
                kind, *numbers = line.split()
                if kind == "progress" and job.report is not None:
                    job.report(float(numbers[0]), float(numbers[1]), 0.0, self.duration_s)
                elif kind != "progress":
                    said.append(line)
            code = running.wait()
        except BaseException:  # it must not go on without us
            running.kill()
            running.wait()
            raise
        if code == -signal.SIGINT:
            raise KeyboardInterrupt
        if code != 0:
            raise RuntimeError(
                f"the simulation in {self.folder} ended with code {code}: "
                f"{''.join(said[-5:]) or 'it said nothing'}"
            )

    def _argument(self, name: str, value: np.ndarray, dtype: np.dtype) -> str:
        if np.ndim(value) == 0:
            return f"{name}={float(value)!r}"
        file = self.folder / f"{name}.start"
        np.ascontiguousarray(value, dtype=dtype).tofile(file)
        return f"{name}={file}"

    def states(self) -> dict[Place, np.ndarray]:
        """Every variable after the run."""
        return {place: self._load(stored) for place, stored in self.variables.items()}

    def recorded(self, recording: Recording) -> Recorded:
        """What the monitors saw."""
        kept = {key: self._load(stored) for key, stored in self.monitors.items()}
        for what, places in (("", recording.states), ("trace_", recording.traces)):
            for place in places:
                times, values = kept[f"{what}t", *place], kept[f"{what}values", *place]
                kept[f"{what}values", *place] = values.reshape(len(times), -1)
        return read(kept, self.model, recording)

    def _load(self, stored: Stored) -> np.ndarray:
        return np.fromfile(self.folder / "results" / stored.file, dtype=stored.dtype)


def build(rows: Rows, job: Job, folder: Path, threads: int) -> Executable:
    """Generate and compile the program of a model for jobs like this one."""
    model = rows.model
    if get_device().__class__.__name__ != "RuntimeDevice":
        raise RuntimeError(
            "Brian2's standalone mode is switched on already. Call brian2.reset_device() first: a "
            "SpikingNetwork switches it on for itself"
        )
    set_device("cpp_standalone", build_on_run=False)
    settings = prefs.devices.cpp_standalone
    before = settings.openmp_threads, prefs.core.stop_on_keyboard_interrupt
    try:
        settings.openmp_threads = threads
        # A program that ends early at Ctrl-C would leave what it has as if it were done.
        prefs.core.stop_on_keyboard_interrupt = False
        objects = Objects(model)
        monitors = Monitors(objects, job.recording)
        objects.network.add(*monitors.all)
        get_device().insert_code("before_network_run", _SEED)
        with own_templates(rows.grids, objects.prompt):
            objects.run(job.tables, job.ticks, _PROGRESS)
            get_device().build(directory=str(folder), compile=False, run=False, with_output=False)
        compile_program(folder)
        return Executable(
            model,
            folder,
            _variables(objects),
            {key: _stored(variable) for key, variable in monitors.variables.items()},
            job.ticks * float(model.tick),
        )
    finally:
        settings.openmp_threads, prefs.core.stop_on_keyboard_interrupt = before
        get_device().reinit()
        reset_device()


def _variables(objects: Objects) -> dict[Place, Stored]:
    """What may change, but for times of last spikes: each run begins at zero."""
    return {
        place: _stored(variable)
        for place, variable in objects.changing.items()
        if not variable.read_only and place[1] not in ("lastspike", "not_refractory")
    }


def _stored(variable: ArrayVariable) -> Stored:
    file = os.path.basename(get_device().get_array_filename(variable))
    return Stored(file, np.dtype(variable.dtype))
