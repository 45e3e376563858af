"""The form of a simulation's state. Compiled code writes where an index says, so a state that may
have been put together elsewhere is held against the one that it is to replace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ..sessions.engine import Engine

_QUEUE, _SPIKED = "_spikequeue", "_spikespace"
_ROOM = 1 << 28  # steps times spikes in each, for all delays
_PLAIN = ("seed", "simulated_s", "rates")


def check_form(engine: Engine, state: Mapping[str, Any]) -> None:
    """Complain of a state that has not the form of the engine's own.

    A compiled program's variables are not known before it has run, and not looked at.

    Raises
    ------
    ValueError
        It says where the two differ.
    """
    wrong = next(_misfits(engine, state), None)
    if wrong:
        raise ValueError(wrong)


def _misfits(engine: Engine, state: Mapping[str, Any]) -> Iterator[str]:
    ours, held = engine.state(), state["holding"]
    ours["rates"] = {name: float(rate) for name, rate in ours["rates"].items()}
    for key in _PLAIN:
        yield from _unlike(state[key], ours[key], key)
    for kind in ("weights", "biases"):
        yield from _unlike(held[kind], ours["holding"][kind], kind)
    if not engine.circuit.projections.keys() >= state["lesions"].keys():
        yield f"lesions of {', '.join(state['lesions'])}"
    for key, parts in held["held"]:
        yield from _unlike(parts, engine.holding.parts(tuple(key)), f"held/{key}")
    lesions, engine.lesions = engine.lesions, dict(state["lesions"])
    try:
        for one in state["running"]:
            run = engine.prepare(*one["of"]).run
            yield from _unlike(one["runs"], 0, "runs")
            yield from _unlike(one["state"], run.state() or one["state"], "state")
            for name, group in one["state"].get("groups", {}).items():
                joined = run.model.groups.get(name.removesuffix("_pre"))
                yield from _beyond(group, len(getattr(joined, "i", ())), name)
    finally:
        engine.lesions = lesions


def _unlike(theirs: Any, ours: Any, where: str) -> Iterator[str]:
    """Where two values have not the same parts, types and shapes."""
    if isinstance(ours, Mapping):
        if not isinstance(theirs, Mapping) or theirs.keys() != ours.keys():
            yield f"{where} has other parts"
            return
        for key in ours:
            if key != _QUEUE:
                yield from _unlike(theirs[key], ours[key], f"{where}/{key}")
    elif isinstance(ours, np.ndarray):
        if not isinstance(theirs, np.ndarray) or _form(theirs) != _form(ours):
            yield f"{where} is no array of {ours.dtype} {ours.shape}"
    elif isinstance(ours, tuple | list):
        if not isinstance(theirs, tuple | list) or len(theirs) != len(ours):
            yield f"{where} is no list of {len(ours)}"
            return
        for one, other in zip(theirs, ours, strict=True):
            yield from _unlike(one, other, where)
    elif isinstance(ours, int):
        if type(theirs) is not int or theirs < 0:
            yield f"{where} is {theirs!r}, expected a whole number"
    elif type(theirs) not in (int, float) or theirs != theirs:
        yield f"{where} is {theirs!r}, expected a number"


def _form(array: np.ndarray) -> tuple[Any, ...]:
    return array.dtype, array.shape


def _beyond(group: Mapping[str, Any], synapses: int, name: str) -> Iterator[str]:
    """Spikes of cells and at synapses that there are not."""
    if _SPIKED in group:
        cells = group[_SPIKED][0]  # numbers of cells, and how many they are
        if cells.min() < 0 or cells.max() > len(cells) - 1:
            yield f"{name} has spikes of cells that there are not"
    spikes = _waiting(group.get(_QUEUE))
    if spikes.min(initial=0) < 0 or spikes.max(initial=-1) >= synapses:
        yield f"{name} has spikes at synapses that there are not"


def _waiting(queue: Any) -> np.ndarray:
    """Synapses at which spikes will arrive, of either of Brian2's queues."""
    if queue is None:
        return np.zeros(0, int)
    if len(queue) == 2:  # the compiled one: where it is now, and a list for each step from there
        now, later = queue
        if type(now) is not int or not 0 <= now < len(later):
            raise ValueError("a queue begins nowhere")
        return np.array([number for at_once in later for number in at_once], int)
    _, spikes, (steps, most) = queue  # Python's: step and synapse of each, and its room
    if not 0 < steps * most <= _ROOM or not 0 <= spikes[:, 0].max(initial=0) < steps:
        raise ValueError("a queue has no room, or too much")
    return np.asarray(spikes[:, 1])
