"""Constraints by name, as the command line takes them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any, get_args

from oneway.circuits import Role, WiringError

from ..wiring import ALL, PAPERS
from .counts import fan_in, no_autapse, no_multapse
from .language import Constraint, Constraints
from .pairing import one_to_one
from .reciprocity import Level, no_reciprocal_pairs
from .walks import return_path_at_least, skip_only
from .weights import dales_law, no_sign_transport, no_weight_transport

_WITHOUT_NUMBER: dict[str, Callable[[], Constraint]] = {
    "no-weight-transport": no_weight_transport,
    "no-sign-transport": no_sign_transport,
    "one-to-one": one_to_one,
    "dale": dales_law,
    "no-autapse": no_autapse,
    "no-multapse": no_multapse,
    "skip-only": skip_only,
    "skip-only@all": lambda: skip_only(ALL),
}
_ROLE_SETS: dict[str, Sequence[Role]] = {"papers": PAPERS, "all": ALL}
_LEVELS: tuple[Level, ...] = get_args(Level)
_PAIRS: dict[str, tuple[Sequence[Role], Level]] = {
    name if level == "cell" else f"{name}@{level}": (roles, level)
    for level in _LEVELS
    for name, roles in _ROLE_SETS.items()
}
_WITH_NUMBER: dict[str, tuple[str, Callable[..., Constraint], dict[str, Any]]] = {
    "fan-in": ("<=", fan_in, {}),
    "fan-in@all": ("<=", fan_in, {"roles": ALL}),
    "return-path": (">=", return_path_at_least, {}),
    "return-path@all": (">=", return_path_at_least, {"roles": (*ALL, "compare")}),
}

KNOWN: tuple[str, ...] = (
    *_PAIRS,
    *_WITHOUT_NUMBER,
    *(f"{name}{sign}N" for name, (sign, _, _) in _WITH_NUMBER.items()),
)


def parse_constraints(text: str) -> Constraints:
    """The constraints that a string names, by commas.

    Parameters
    ----------
    text : str
        ``papers,no-weight-transport,fan-in<=200``. In place of ``<=`` and ``>=``, which a shell
        wants quoted, ``=`` does.

    Raises
    ------
    WiringError
        No such constraint, or a number is missing; the message names those that there are.

    Examples
    --------
    >>> from oneway.analysis import parse_constraints
    >>> [c.name for c in parse_constraints("papers,fan-in=200")]
    ['papers', 'fan-in<=200']
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise WiringError(f"constraint {text!r} names none, expected one of {', '.join(KNOWN)}")
    return Constraints(tuple(dict.fromkeys(map(_parse, names))))


def _parse(text: str) -> Constraint:
    name, sign, number = _split(text)
    if name in _WITH_NUMBER:
        wanted, make, how = _WITH_NUMBER[name]
        if sign not in ("=", wanted) or not number.isdecimal():
            raise WiringError(f"constraint {text!r}: {name} wants a number, as in {name}{wanted}4")
        return make(int(number), **how)
    if not sign:
        if name in _WITHOUT_NUMBER:
            return _WITHOUT_NUMBER[name]()
        if name in _PAIRS:
            return no_reciprocal_pairs(*_PAIRS[name])
    near = get_close_matches(name, KNOWN, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise WiringError(f"constraint {text!r}; {hint}expected one of {', '.join(KNOWN)}")


def _split(text: str) -> tuple[str, str, str]:
    """Name, sign and number of ``fan-in<=200``; the last two empty where there is none."""
    found = re.fullmatch(r"(.*?)\s*(<=|>=|=)\s*(.*)", text)
    return (found[1], found[2], found[3]) if found else (text, "", "")
