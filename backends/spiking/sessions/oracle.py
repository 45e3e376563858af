"""Settled cells: activity, errors and changes of one step, as the rate backend has them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..brian.runs import Recording
from ..translation.context import cells_of
from .engine import Engine, Running
from .record import Changes, of_units
from .timetable import Stretch, Timetable


def signals(engine: Engine, x: np.ndarray, y: np.ndarray | None) -> dict[str, np.ndarray]:
    """See `SpikingNetwork.signals`."""
    _settled_only(engine, "signals")
    return settle(engine, x, y)[0]


def changes(engine: Engine, x: np.ndarray, y: np.ndarray) -> Changes:
    """See `SpikingNetwork.changes`."""
    trials = engine.trials(x, y, batch=True)
    return _tallied(
        engine,
        engine.prepare(engine.circuit.reading.data_phases, tallying=True),
        trials.timetable(),
    )


def settle(
    engine: Engine, x: np.ndarray, y: np.ndarray | None
) -> tuple[dict[str, np.ndarray], Changes]:
    """Activity of every population in the first phase, and what a step would change, of one run."""
    reading, phases = engine.circuit.reading, engine.circuit.reading.data_phases
    names = [name for name in engine.circuit.order() if reading.settles(name, phases[0])]
    places = {(cells_of(name), "activity"): engine.parameters.dt for name in names}
    trials = engine.trials(x, y, batch=True)
    running = engine.prepare(phases, tallying=True)
    engine.clear(running)
    recorded = engine.go(running, trials.timetable(), Recording((), places))
    ticks = trials.reading_ticks
    activities = {}
    for name in names:
        population, (_, cells) = (
            engine.circuit.populations[name],
            recorded.states[cells_of(name), "activity"],
        )
        units = of_units(cells[ticks], population.size)
        activities[name] = units.reshape(len(ticks), *population.shape)
    return activities, engine.tallied(running)


def spontaneous_changes(engine: Engine, noise: Mapping[str, np.ndarray]) -> Changes:
    """See `SpikingNetwork.spontaneous_changes`."""
    _settled_only(engine, "spontaneous_changes")
    running = engine.prepare(engine.circuit.reading.noisy_phases, tallying=True)
    batch = len(next(iter(noise.values())))
    rows = {f"noise_{name}": np.reshape(values, (batch, -1)) for name, values in noise.items()}
    settling, stretches = engine.settling_steps, []
    for number in running.translation.context.when.numbers.values():
        # Means first, then what deviates from them.
        for what in ("gather", "learn"):
            for sample in range(batch):
                part = 1.0 if what == "learn" else 1 / batch
                begins = float(what == "gather" and sample == 0)
                stretches += [
                    Stretch(number, sample, 1, 1 / batch, onset=begins),
                    Stretch(number, sample, settling, 1 / batch),
                    Stretch(number, sample, 1, 1 / batch, **{what: part}),
                ]
    return _tallied(engine, running, Timetable(stretches, rows).closed())


def _tallied(engine: Engine, running: Running, timetable: Timetable) -> Changes:
    engine.clear(running)
    engine.go(running, timetable, Recording())
    return engine.tallied(running)


def _settled_only(engine: Engine, method: str) -> None:
    if engine.dynamics != "settled":
        raise ValueError(
            f"{method} needs dynamics='settled', but these cells are {engine.dynamics}: a spike "
            "train has no value at one moment. Use present(...) and its recorded activity"
        )
