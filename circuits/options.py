"""Options: `key=value` as builders, rules and recipes take it, read and written by annotation.

The annotation of a parameter or field says what its option can be: ``bool``, ``int``, ``float``,
``str``, a ``Literal``, a tuple of those, a union of those. `convert` reads what `as_text` writes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin
from urllib.parse import unquote

from .errors import WiringError

_YES_NO = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}
_NUMBERS: dict[Any, type] = {int: Integral, float: Real}
_TURNS = (Literal, bool, int, float, tuple, str, NoneType)
_WANTED = {bool: "yes or no", int: "a whole number", float: "a number", str: "text"}
_SEVERAL = {int: "whole numbers, as in 30,60", float: "numbers, as in 0.1,0.2"}


@dataclass(frozen=True)
class Options:
    """The options that something takes.

    Parameters
    ----------
    owner : str
        Whose they are, as an error names it: ``rule asap``.
    kinds : mapping
        Annotation of each option.
    error : type
        Exception that is raised.

    Examples
    --------
    >>> from typing import Literal
    >>> from oneway.circuits.options import Options
    >>> options = Options("rule mine", {"k": int, "scale": Literal["initial"] | float})
    >>> options.parse(["k=4", "scale=0.5"])
    {'k': 4, 'scale': 0.5}
    >>> options.parse(["kk=4"])
    Traceback (most recent call last):
    oneway.circuits.errors.WiringError: rule mine: no option 'kk'; did you mean 'k'?
    """

    owner: str
    kinds: Mapping[str, Any]
    error: type[ValueError] = WiringError

    def parse(self, pairs: Iterable[str]) -> dict[str, Any]:
        """Values of ``key=value`` texts, by key."""
        parsed: dict[str, Any] = {}
        for pair in pairs:
            key, equals, text = pair.partition("=")
            key = self.key(key)
            if not equals:
                raise self.error(f"{self.owner}: {pair!r}, expected key=value, as in {key}=...")
            if key in parsed:
                raise self.error(f"{self.owner}: option {key!r} is given twice")
            parsed[key] = self.convert(key, text)
        return parsed

    def key(self, key: str) -> str:
        """The option as it is spelt here; hyphens may stand for underscores."""
        name = key.strip().replace("-", "_")
        if name in self.kinds:
            return name
        near = get_close_matches(name, self.kinds, n=1)
        there = f"there are {', '.join(self.kinds)}" if self.kinds else "there are none"
        hint = f"did you mean {near[0]!r}?" if near else there
        raise self.error(f"{self.owner}: no option {key!r}; {hint}")

    def convert(self, key: str, text: str) -> Any:
        """A value that was written as text."""
        try:
            return convert(text, self.kinds[key])
        except ValueError:
            raise self._unfit(key, text) from None

    def read(self, key: str, value: Any) -> Any:
        """A value as a file has it: lists for tuples, whole numbers for floats, or text."""
        key = self.key(key)
        value = tuple(value) if isinstance(value, list) else value
        if not (isinstance(value, str) or fits(value, self.kinds[key])):
            raise self._unfit(key, value)
        return self.convert(key, as_text(value)) if type(value) in (int, str) else value

    def check(self, values: Mapping[str, Any]) -> None:
        """Complain of the first value that its option cannot have."""
        for key, value in values.items():
            if not fits(value, self.kinds[key]):
                raise self._unfit(key, value)

    def _unfit(self, key: str, value: Any) -> ValueError:
        wanted = _wanted(self.kinds[key])
        return self.error(f"{self.owner}: {key} = {value!r}, expected {wanted}")


def fits(value: Any, kind: Any) -> bool:
    """Whether a value is of an annotated kind; a whole number is a float too, True no number."""
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return any(fits(value, part) for part in args)
    if origin is Literal:
        return any(type(value) is type(choice) and value == choice for choice in args)
    if origin is tuple:
        parts = _parts(args, value) if isinstance(value, tuple) else None
        return parts is not None and all(map(fits, value, parts))
    if kind in _NUMBERS:
        return isinstance(value, _NUMBERS[kind]) and not isinstance(value, bool)
    return isinstance(value, NoneType if kind is None else origin or kind)


def convert(text: str, kind: Any) -> Any:
    """The value of an annotated kind that a text stands for; ValueError if it stands for none."""
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        for part in sorted(args, key=_turn):
            try:
                return convert(text, part)
            except ValueError:
                continue
    elif origin is Literal:
        for choice in args:
            if as_text(choice) == text:
                return choice
    elif origin is tuple:
        texts = split(text.removesuffix("+"), "+,") if text else []
        parts = _parts(args, texts)
        if parts is not None:
            return tuple(map(convert, texts, parts))
    elif kind is bool and text.lower() in _YES_NO:
        return _YES_NO[text.lower()]
    elif kind is NoneType and text.lower() == "none":
        return None
    elif kind in (int, float, str):
        return kind(text)
    raise ValueError(text)


def as_text(value: Any) -> str:
    """A value as `convert` reads it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        # A mark at the end tells a single name from a word.
        return join(map(as_text, value), "+,") + "+" * (len(value) == 1)
    return "none" if value is None else str(value)


def join(parts: Iterable[str], marks: str = ",") -> str:
    """Parts with a mark between them; marks within a part are written as in web addresses."""
    written = str.maketrans({mark: f"%{ord(mark):02X}" for mark in f"%{marks}"})
    return marks[0].join(part.translate(written) for part in parts)


def split(text: str, marks: str = ",") -> list[str]:
    """The parts that `join` put together; any of the marks divides."""
    return [unquote(part) for part in re.split(f"[{re.escape(marks)}]", text)]


def _parts(args: tuple[Any, ...], values: Any) -> Iterable[Any] | None:
    """The kind of each value in a tuple, if there are as many as its annotation says."""
    if len(args) == 2 and args[1] is Ellipsis:
        return args[:1] * len(values)
    return args if len(args) == len(values) else None


def _turn(kind: Any) -> int:
    """When a kind of a union is tried: words first, and text, which anything is, late."""
    kind = get_origin(kind) or kind
    return _TURNS.index(kind) if kind in _TURNS else len(_TURNS)


def _wanted(kind: Any) -> str:
    """What a kind looks like, for an error message."""
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return " or ".join(_wanted(part) for part in args if part is not NoneType)
    if origin is Literal:
        return f"one of {', '.join(map(as_text, args))}"
    if origin is tuple:
        several = _SEVERAL.get(args[0], "names, as in a+b")
        return several if args[-1] is Ellipsis else f"{len(args)} {several}"
    return _WANTED.get(kind, getattr(kind, "__name__", str(kind)))
