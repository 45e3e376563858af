"""The state of a run, as its checkpoint has it: the checksum says that it is what was written, and
the form, that a run can go on from it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from torch import Tensor

from .checkpoint import read_checkpoint
from .errors import DataError

# A type or several, [the form of each], {None: the form of each}, or {key: its form}.
Form = Any
_NUMBER = (int, float)
_MEMORY = {None: (Tensor, int, float, type(None))}
_NETWORK: Form = {"run": {"config": dict}, "step": int, "network": {None: Tensor}}
_WHOLE: Form = _NETWORK | {
    "history": [{"epoch": int, "test_accuracy": _NUMBER, "angles_deg": dict}],
    "floor": (*_NUMBER, type(None)),
    "seconds": _NUMBER,
    "optimizers": {"epoch": int, "remembered": {None: {None: _MEMORY}}},
    "generators": {None: Tensor},
}
_LATER: Form = {
    "loss_scale": (dict, type(None)),
    "gaps": (dict, list, type(None)),
    "noise_of_others": [Tensor],
    "watch": {"first": {None: _NUMBER}},
    "changes": [{"after_epoch": int, "setting": str}],
    "weights": (str, type(None)),
}


def read_run_state(path: Path, whole: bool = False) -> dict[str, Any]:
    """The network of a run, with `whole` all that going on needs too.

    Raises
    ------
    DataError
        The file is damaged, or its state is none of a run.
    """
    state = read_checkpoint(path)
    later = {key: form for key, form in _LATER.items() if key in state}
    wrong = _misfit(state, _WHOLE | later if whole else _NETWORK, "")
    wrong = wrong or _unsaid(state["run"], "run")
    if whole and not wrong:
        wrong = _history(state["history"])
    if wrong:
        raise DataError(
            f"checkpoint {str(path)!r} does not fit this version: no run can go on from it "
            f"({wrong}). Start the run again in another folder; nothing was changed"
        )
    return state


def _misfit(value: Any, form: Form, where: str) -> str | None:
    """The first place where a value has not the form; None if there is none."""
    if isinstance(form, Mapping):
        if not isinstance(value, Mapping):
            return f"{where or 'it'} is a {type(value).__name__}"
        of_each = {key: form[None] for key in value} if None in form else form
        missing = [key for key in of_each if key not in value]
        if missing:
            return f"{where}{missing[0]} is missing"
        parts = [(value[key], inner, f"{where}{key}/") for key, inner in of_each.items()]
    elif isinstance(form, list):
        if not isinstance(value, Sequence) or isinstance(value, str):
            return f"{where} is a {type(value).__name__}"
        parts = [(item, form[0], f"{where}{i}/") for i, item in enumerate(value)]
    else:
        fits = isinstance(value, form) and not isinstance(value, bool)
        infinite = isinstance(value, float) and not isfinite(value)
        return None if fits and not infinite else f"{where[:-1]} is {_shown(value)}"
    return next((wrong for part in parts if (wrong := _misfit(*part))), None)


def _history(history: Sequence[Mapping[str, Any]]) -> str | None:
    """Every epoch once, in order, and nothing but what JSON can say."""
    if [record["epoch"] for record in history] != list(range(1, len(history) + 1)):
        return "history has not every epoch once"
    return _unsaid(history, "history")


def _unsaid(value: Any, name: str) -> str | None:
    """What JSON has no word for, such as a tensor."""
    try:
        json.dumps(value)
    except TypeError as error:
        return f"{name}: {error}"
    return None


def _shown(value: Any) -> str:
    return f"a {type(value).__name__}" if isinstance(value, Tensor | dict | list) else repr(value)
