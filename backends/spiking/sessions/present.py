"""Presenting samples one after another, in one run or in several of one length."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..brian.model import Place
from ..brian.runs import Recorded, Report
from ..translation.context import HELD, cells_of
from .engine import Engine, Running
from .given import Given, Trains, given
from .record import PhaseInterval, Presentation, of_units
from .trials import Trials, target_rows
from .watch import Watch, parted


def present(
    engine: Engine,
    x: Any,
    y: np.ndarray | None,
    factors: tuple[float, float],
    record: Sequence[str],
    record_every_s: float | None,
    report: Report | None,
    chunk: int,
) -> Presentation:
    """See `SpikingNetwork.present`.

    `factors` are parts of the learning rates at the first and the last sample; `chunk` is how many
    samples a compiled program presents, which is built once.
    """
    began, x = time.perf_counter(), given(engine.circuit, engine.parameters, x)
    targets = target_rows(engine.circuit, y, len(x)).get("targets")
    samples = len(x)
    size = chunk if engine.target == "cpp_standalone" else samples
    learning = np.linspace(*factors, samples)
    output, (names, variables) = _output(engine), parted(engine, record)
    starts = range(0, max(1, samples), size)
    parts: list[Presentation] = []
    for start in starts:
        # A program that is built for so many samples gets so many: the last one is repeated.
        rows = np.minimum(np.arange(start, start + size), samples - 1)
        part = np.where(np.arange(start, start + size) < samples, learning[rows], 0.0)
        progress = report and _part(report, began, len(parts), len(starts))
        running, trials, sets = plan(
            engine, x.take(rows), None if targets is None else targets[rows]
        )
        watch = Watch.of(engine, running.translation, names, record_every_s)
        watch = watch.with_variables(running.translation, variables, record_every_s)
        recording = watch.also(output, trials.read_dt)
        recorded = engine.go(running, trials.timetable(part), recording, progress, sets)
        parts.append(_presentation(trials, running, recorded, watch).first(samples - start))
    return Presentation.of_parts(parts, time.perf_counter() - began)


def plan(
    engine: Engine, x: Given, targets: np.ndarray | None
) -> tuple[Running, Trials, dict[Place, Any]]:
    """The run that shows samples, its trials, and with what variables of input cells begin."""
    running = engine.prepare(engine.circuit.reading.data_phases, given=x.kind)
    _check_cells(running, x)
    shown = len(running.translation.context.when.data_numbers)
    rows = x.tables(shown) | ({} if targets is None else {"targets": targets})
    trials, group = engine.trials_of(rows, len(x)), cells_of(engine.circuit.inputs[0].name)
    return running, trials, {(group, name): value for name, value in x.sets(shown).items()}


def _check_cells(running: Running, x: Given) -> None:
    """Whether input cells can do what they are asked to."""
    context = running.translation.context
    population, p = context.circuit.inputs[0], context.parameters
    if not context.spikes and x.kind != HELD:
        raise ValueError(
            "input that changes in time, or that is spike trains, needs cells that spike, but "
            "dynamics = 'settled'. Use dynamics 'spiking' or 'poisson'"
        )
    if isinstance(x, Trains):
        if x.signed and not context.paired(population.name):
            raise ValueError(
                f"spike trains for input population {population.name!r} have cells of both signs, "
                f"but each of its units is one cell ({population.activation}, coding = "
                f"{p.coding!r}). Leave out those of sign -1"
            )
    elif context.input == "poisson" and (fastest := x.largest * p.unit * p.dt) > 1:
        raise ValueError(
            f"input up to {x.largest:g} means Poisson cells of {x.largest * p.unit}, but a cell "
            f"fires at most once in a step of {p.dt}: {float(fastest):.3g} spikes a step. Scale "
            "the input, or lower SpikingParameters(unit=...) or dt"
        )


def _presentation(
    trials: Trials, running: Running, recorded: Recorded, watch: Watch
) -> Presentation:
    engine, start_s = watch.engine, watch.start_s
    populations = engine.circuit.populations
    spikes = watch.spikes(recorded)
    duration = engine.simulated_s - start_s
    activity_times, times = np.array([]), np.array([])
    activity, weights = {}, {}
    for name, place in watch.populations.items():
        activity_times, of_cells = recorded.states[place]
        activity[name] = of_units(of_cells, populations[name].size)
    for name in watch.projections:
        times, weights[name] = watch.weights(recorded, name)
    times_read, outputs = recorded.states[_output(engine)]
    return Presentation(
        activities={name: trials.read(activity_times, of) for name, of in activity.items()},
        outputs=trials.read(times_read, of_units(outputs, engine.circuit.output.size)),
        spikes=spikes,
        times_s=times + start_s,
        weights=weights,
        activity=activity,
        activity_times_s=activity_times + start_s,
        onsets_s=start_s + trials.onsets_s,
        mean_rates_hz={
            name: len(train) / (populations[name].size * duration) for name, train in spikes.items()
        },
        at_limit=engine.at_limit(running),
        simulated_s=duration,
        wall_s=0.0,  # of all parts together
        variables=watch.traces(recorded),
        intervals=_intervals(trials, running, start_s),
    )


def _intervals(trials: Trials, running: Running, start_s: float) -> tuple[PhaseInterval, ...]:
    """When which phases ran: all the time the same ones, or one after another in each sample."""
    when = running.translation.context.when
    names = {
        number: " + ".join(name for name in when.turns.names if when.numbers[name] == number)
        for number in trials.phases
    }
    if len(names) == 1:
        end_s = start_s + trials.samples * trials.trial_s
        return (PhaseInterval(names[trials.phases[0]], start_s, end_s),)
    phase_s = trials.trial_s / len(trials.phases)
    return tuple(
        PhaseInterval(names[number], begin_s, begin_s + phase_s)
        for onset_s in start_s + trials.onsets_s
        for number, begin_s in zip(
            trials.phases, onset_s + phase_s * np.arange(len(trials.phases)), strict=True
        )
    )


def _output(engine: Engine) -> Place:
    return cells_of(engine.circuit.output.name), "activity"


def _part(report: Report, began: float, done: int, parts: int) -> Report:
    """What to report the progress of one run of several to, as progress of them all."""

    def on_report(elapsed: float, completed: float, start: float, duration: float) -> None:
        whole_s = float(duration) * parts
        report(time.perf_counter() - began, (done + float(completed)) / parts, 0.0, whole_s)

    return on_report
