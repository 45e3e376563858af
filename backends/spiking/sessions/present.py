"""Presenting samples one after another, in one run or in several of one length."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from ..brian.model import Place
from ..brian.runs import Recorded, Report
from ..translation.context import cells_of
from .engine import Engine, Running
from .record import Presentation, of_units
from .trials import Trials, data_rows
from .watch import Watch


def present(
    engine: Engine,
    x: np.ndarray,
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
    began, rows_of = time.perf_counter(), data_rows(engine.circuit, x, y)
    x, y, samples = rows_of["data"], None if y is None else rows_of["targets"], len(x)
    size = chunk if engine.target == "cpp_standalone" else samples
    learning = np.linspace(*factors, samples)
    phases, output = engine.circuit.reading.data_phases, _output(engine)
    starts = range(0, max(1, samples), size)
    parts: list[Presentation] = []
    for start in starts:
        # A program that is built for so many samples gets so many: the last one is repeated.
        rows = np.minimum(np.arange(start, start + size), samples - 1)
        part = np.where(np.arange(start, start + size) < samples, learning[rows], 0.0)
        targets = None if y is None else y[rows]
        progress = report and _part(report, began, len(parts), len(starts))
        trials, running = engine.trials(x[rows], targets), engine.prepare(phases)
        watch = Watch.of(engine, running.translation, record, record_every_s)
        recording = watch.also(output, trials.read_dt)
        recorded = engine.go(running, trials.timetable(part), recording, progress)
        parts.append(_presentation(trials, running, recorded, watch).first(samples - start))
    return Presentation.of_parts(parts, time.perf_counter() - began)


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
    )


def _output(engine: Engine) -> Place:
    return cells_of(engine.circuit.output.name), "activity"


def _part(report: Report, began: float, done: int, parts: int) -> Report:
    """What to report the progress of one run of several to, as progress of them all."""

    def on_report(elapsed: float, completed: float, start: float, duration: float) -> None:
        whole_s = float(duration) * parts
        report(time.perf_counter() - began, (done + float(completed)) / parts, 0.0, whole_s)

    return on_report
