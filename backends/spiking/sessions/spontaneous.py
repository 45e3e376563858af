"""Noise drives the circuit, and its noisy phases take turns."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence

from oneway.circuits import WiringError

from ..brian.runs import Report
from .engine import Engine
from .limits import IdleWarning
from .noise import NoisyTurns
from .record import SpontaneousRecord
from .watch import Watch

WEIGHTS_EVERY_S = 1.0


def run_spontaneous(
    engine: Engine,
    duration_s: float,
    record_every_s: float | None,
    report: Report | None,
    slowing_s: float,
    record: Sequence[str] = (),
) -> SpontaneousRecord:
    """See `SpikingNetwork.run_spontaneous`."""
    every_s = WEIGHTS_EVERY_S if record_every_s is None else record_every_s
    _check(engine, duration_s, every_s, slowing_s)
    began = time.perf_counter()
    running = engine.prepare(engine.circuit.reading.noisy_phases)
    translation, when = running.translation, running.translation.context.when
    turns = NoisyTurns.of(when, engine.parameters, duration_s, slowing_s)
    learning = [p.name for p in when.turns.select() if p.plasticity]
    if learning and not turns.learns:
        text = (
            f"nothing is learned in {duration_s:g} s of noise: in each turn of a phase, running "
            f"means settle for adapt_time = {engine.parameters.adapt_time} first, and this is "
            f"{duration_s / len(when.turns.names):g} s a phase. Let it last longer, or lower "
            "SpikingParameters.adapt_time"
        )
        warnings.warn(text, IdleWarning, stacklevel=3)
    names = (*when.turns.populations, *learning)
    watch = Watch.of(engine, translation, names, every_s, activity=False)
    watch = watch.with_variables(translation, record, record_every_s)
    first = {name: engine.holding.arrays.weight(name) for name in learning}
    recorded = engine.go(running, turns.timetable(), watch.recording, report)
    return turns.record(
        spikes=watch.spikes(recorded),
        weights={
            name: (first[name], *watch.weights(recorded, name), engine.holding.arrays.weight(name))
            for name in learning
        },
        sizes={name: cells.size for name, cells in engine.circuit.populations.items()},
        start_s=watch.start_s,
        wall_s=time.perf_counter() - began,
        variables=watch.traces(recorded),
    )


def _check(engine: Engine, duration_s: float, record_every_s: float, slowing_s: float) -> None:
    if not (duration_s > 0 and record_every_s > 0 and slowing_s > 0):
        raise ValueError(
            f"duration_s = {duration_s}, record_every_s = {record_every_s}, "
            f"slowing_s = {slowing_s}, expected > 0"
        )
    if not engine.circuit.reading.noisy_phases:
        raise WiringError(
            f"circuit {engine.circuit.name!r} has no spontaneous phase: none of "
            f"{', '.join(engine.circuit.phases)} names noisy populations. Add one with "
            "Wiring.phase(name, noisy=...), or wire the circuit with a rule that has a mirror "
            "mode"
        )
    if engine.dynamics == "settled":
        raise ValueError(
            "run_spontaneous needs cells that spike, but dynamics = 'settled'. Use "
            "spontaneous_changes(noise), or dynamics 'spiking' or 'poisson'"
        )
