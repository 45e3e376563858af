"""A whole simulation as a file, so that it goes on from there to the last bit."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from oneway.circuits import WiringError, to_json
from oneway.circuits.json_text import parse_json

from ..dynamics import Dynamics
from ..heterogeneous import Varied
from ..sessions.engine import Engine
from .archive import read_arrays, write_arrays
from .form import check_form

FORMAT, VERSION = "oneway-simulation", 1
_CONTENT = "content"


def save_state(path: str | Path, engine: Engine, order: np.random.Generator) -> Path:
    """See `SpikingNetwork.save_state`."""
    arrays: dict[str, np.ndarray] = {}
    content = {
        "settings": _settings(engine),
        "order": order.bit_generator.state,
        "engine": engine.state(),
    }
    text = json.dumps(_pack(content, arrays))
    return write_arrays(path, {_CONTENT: text, **arrays}, FORMAT, VERSION, compress=False)


def load_state(path: str | Path, engine: Engine, order: np.random.Generator) -> None:
    """See `SpikingNetwork.load_state`."""
    arrays = read_arrays(path, FORMAT, VERSION, "state of a simulation")
    try:
        content = _unpack(parse_json(str(arrays[_CONTENT])), arrays)
        settings, state, bits = (content[key] for key in ("settings", "engine", "order"))
        different = [key for key, ours in _settings(engine).items() if settings.get(key) != ours]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{str(path)!r} is damaged: its content cannot be read") from error
    _check(str(path), settings, _settings(engine), different)
    before = deepcopy(engine.state())
    try:
        check_form(engine, state)
        engine.restore(state)
        order.bit_generator.state = bits
    # What is not of this form can fail anywhere in Brian2, with whatever is raised there.
    except Exception as error:
        engine.restore(before)
        raise ValueError(
            f"{str(path)!r} is damaged: no simulation goes on from it ({error}). Nothing changed"
        ) from error


# -- what must be the same -----------------------------------------------------------------------


def _settings(engine: Engine) -> dict[str, Any]:
    p = engine.parameters
    return {
        "circuit": engine.circuit.name,
        "wiring": to_json(engine.circuit, indent=None),
        "dynamics": str(engine.dynamics),
        "cells": _cells(engine.dynamics),
        "heterogeneous": _values(engine.varied),
        "target": engine.target,
        "loss": engine.loss,
        "in_turn": engine.in_turn,
        "shared": engine.holding.shared,
        "dale": engine.holding.dale,
        "apart": engine.holding.apart,
        "told": engine.holding.told,
        "input": engine.input,
        **{item.name: _plain(getattr(p, item.name)) for item in fields(p)},
    }


def _cells(dynamics: str | Dynamics) -> tuple[str, ...]:
    """The cell model as its equations say it, where that is not one of ours by its name."""
    if isinstance(dynamics, str):
        return ()
    pairs = [kind for kind in (dynamics.pairs, dynamics.halves) if kind]
    own = (dynamics.equations, dynamics.threshold, dynamics.reset, dynamics.refractory)
    constants = (f"{name} = {value!r}" for name, value in dynamics.constants.items())
    return (*own, *constants, *(text for kind in pairs for text in _cells(kind)))


def _values(varied: Varied) -> dict[str, dict[str, tuple[float, ...]]]:
    return {
        name: {constant: tuple(values.tolist()) for constant, values in own.items()}
        for name, own in varied.items()
    }


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | bool) or value is None else float(value)


def _check(
    path: str, theirs: Mapping[str, Any], ours: Mapping[str, Any], different: Sequence[str]
) -> None:
    if not different:
        return
    if different == ["wiring"]:
        raise WiringError(
            f"{path!r} is of another wiring of circuit {ours['circuit']!r}: build the network "
            "from the same circuit, rule and options"
        )
    told = (f"{key} = {theirs.get(key)!r} there and {ours[key]!r} here" for key in different)
    said = ", ".join(text for key, text in zip(different, told, strict=True) if key != "wiring")
    raise WiringError(
        f"{path!r} is of a simulation that this network cannot go on with: {said}. Build the "
        "network as that one was"
    )


# -- as JSON, with arrays beside it ----------------------------------------------------------------


def _pack(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    """What json can write; arrays are left out, and named."""
    if isinstance(value, np.ndarray):
        name = f"array_{len(arrays)}"
        arrays[name] = value
        return {"array": name}
    if isinstance(value, Mapping):
        return {"mapping": {key: _pack(one, arrays) for key, one in value.items()}}
    if isinstance(value, tuple | list):
        return [_pack(one, arrays) for one in value]
    return value.item() if isinstance(value, np.generic) else value


def _unpack(value: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    if isinstance(value, list):
        return tuple(_unpack(one, arrays) for one in value)
    if not isinstance(value, dict):
        return value
    if "array" in value:
        return arrays[value["array"]]
    return {key: _unpack(one, arrays) for key, one in value["mapping"].items()}
