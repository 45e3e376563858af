"""Out of the simulation: weights to and from rate networks, and the Brian2 program."""

from __future__ import annotations

from typing import Any

import numpy as np

from oneway.circuits import WiringError

from ..brian.model import SCHEDULE, Place
from ..brian.script import script
from ..sessions.engine import Engine, Running
from ..sessions.given import given
from ..sessions.noise import NoisyTurns
from ..sessions.present import plan
from ..sessions.timetable import Timetable
from ..sessions.trials import target_rows
from ..weights import Arrays

NOISE_S = 10.0


def load(arrays: Arrays, rate_network: Any) -> None:
    """Take over weights and biases of a rate network."""
    arrays.set_weights({n: _array(rate_network.weight(n)) for n in rate_network.weights})
    arrays.set_biases({n: _array(bias) for n, bias in rate_network.biases.items()})


def store(arrays: Arrays, rate_network: Any) -> None:
    """Put weights and biases into a rate network."""
    import torch

    for kind, home, mine in (
        ("drive", rate_network.weights, arrays.weights),
        ("population", rate_network.biases, arrays.biases),
    ):
        for name, value in mine.items():
            if name not in home:
                raise WiringError(
                    f"the rate network has no {kind} {name!r}, which is {kind} of this one. "
                    f"It has {', '.join(home)}"
                )
            with torch.no_grad():
                home[name].copy_(torch.from_numpy(np.ascontiguousarray(value)))


def _array(value: Any) -> np.ndarray:
    """A tensor of any device and precision as an array."""
    return np.asarray(value.detach().cpu().double().numpy())


# -- as a program ------------------------------------------------------------------------------


def program(
    engine: Engine, x: Any, y: np.ndarray | None, file: str, inline: bool = False
) -> tuple[str, dict[str, np.ndarray]]:
    """See `SpikingNetwork.script`."""
    running, timetable, sets = _planned(engine, x, y)
    model = running.run.model
    for (group, variable), value in (*running.translation.homes_filled(), *sets.items()):
        model.groups[group].starts[variable] = value
    duration_s = timetable.ticks * float(model.tick)
    for name, number in engine.scheduled(running, duration_s).items():
        model.groups[SCHEDULE].starts[name] = number
    target = "numpy" if engine.target == "cpp_standalone" else engine.target
    return script(model, timetable.tables(model.tables), timetable.ticks, target, file, inline)


def _planned(
    engine: Engine, x: Any, y: np.ndarray | None
) -> tuple[Running, Timetable, dict[Place, Any]]:
    """What the program does: noise where there are no samples, and one random sample else."""
    if x is None and engine.circuit.reading.noisy_phases:
        running = engine.prepare(engine.circuit.reading.noisy_phases)
        turns = NoisyTurns.of(running.translation.context.when, engine.parameters, NOISE_S)
        return running, turns.timetable(), {}
    if x is None:
        shape = (1, *engine.circuit.inputs[0].shape)
        x = np.random.default_rng(engine.seed).normal(size=shape)
    samples = given(engine.circuit, engine.parameters, x)
    targets = target_rows(engine.circuit, y, len(samples)).get("targets")
    running, trials, sets = plan(engine, samples, targets)
    factors = np.full(trials.samples, 0.0 if y is None else 1.0)
    return running, trials.timetable(factors), sets
