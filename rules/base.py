"""What all rules have in common: options, a name, and one method, `wire`."""

from __future__ import annotations

import importlib.util
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args, get_origin, get_type_hints

from oneway.circuits import Circuit, Draw, WiringError

RULES: dict[str, type[Rule]] = {}

Gate = Literal["exact", "shared", "local"]
Norm = Literal["full", "scale", "own"]
Init = Literal["independent", "aligned", Draw]


@dataclass(frozen=True)
class Rule(ABC):
    """A learning rule: it wires a feedback path beside a forward circuit.

    A subclass names itself in its class statement, ``class MyRule(Rule, name="mine")``, and is
    known from then on to the command line, the backends and the report.

    Parameters
    ----------
    gate : {"exact", "shared", "local"}
        How φ′ enters. `exact`: the error cell gets φ′ of its partner, a connection h_l → δ_l that
        papers leave out of their figures. `shared`: it takes φ′ of the shared activation that
        reaches it anyway (rules that share activations only). `local`: as `shared` where there is
        one, nothing elsewhere, and the forward cell multiplies what it is taught by its own φ′.
    norm : {"full", "scale", "own"}
        How errors pass batch norm in the feedback path. `full`: its exact derivative, which needs
        connections h_l → δ_l. `scale`: only γ/σ, a slow scalar per channel. `own`: the error cells
        normalise their own activity, and take one gain per layer.
    forward_norm : {"full", "scale", "own"}
        The same for a forward cell and its own synapses; `full` costs no connection there. With
        the others the cell forgets its normalised input, and its gain stays as it is.
    init : {"independent", "aligned"} or scheme
        How feedback weights of their own start. `independent`: from their own draw, by the scheme
        of the forward weights that they run against (direct ones, which run against none, by
        `kaiming_uniform`). `aligned`: as a copy of those. Or from their own draw by the scheme that
        is named, ``kaiming_normal`` for instance; `Weights` has the list.
    last_layer : {"same", "bp"}
        Whether the output layer's feedback is tied to its forward weights whatever the rule.
    frozen : {"none", "first", "conv", "hidden"} or tuple of projection names
        Forward weights that stay as drawn: the input's, all convolutions, all but the output's.
    frozen_norm : bool
        Whether biases and normalisation of cells whose weights are frozen stay too.
    """

    name: ClassVar[str]

    gate: Gate = "exact"
    norm: Norm = "full"
    forward_norm: Norm = "full"
    init: Init = "independent"
    last_layer: Literal["same", "bp"] = "same"
    frozen: Literal["none", "first", "conv", "hidden"] | tuple[str, ...] = "none"
    frozen_norm: bool = True

    def __init_subclass__(cls, name: str | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if name is not None:
            cls.name = name
            RULES[name] = cls

    def __post_init__(self) -> None:
        for key, kind in _option_types(type(self)).items():
            _check_option(self.name, key, kind, getattr(self, key))

    @abstractmethod
    def wire(self, forward: Circuit) -> Circuit:
        """Wire the rule on a forward circuit.

        Raises
        ------
        WiringError
            The rule cannot be wired there; the message says why and on which projection.
        """


def _option_types(rule: type[Rule]) -> dict[str, Any]:
    hints = get_type_hints(rule)
    return {f.name: hints[f.name] for f in fields(rule)}


def _choices(kind: Any) -> tuple[Any, ...]:
    """The words an option can be, for one that is a choice (possibly among other things)."""
    if get_origin(kind) is Literal:
        return get_args(kind)
    return tuple(c for part in get_args(kind) for c in _choices(part))


def _check_option(rule: str, key: str, kind: Any, value: Any) -> None:
    choices = _choices(kind)
    if isinstance(value, str) and choices and value not in choices:
        raise WiringError(f"rule {rule}: {key}={value!r}, expected one of {', '.join(choices)}")


def parse_rule(text: str, **overrides: Any) -> Rule:
    """The rule that a string names, with its options.

    Parameters
    ----------
    text : str
        ``asap``, ``asap,k=4,gate=local``, or the path of a Python file that defines one rule.
    **overrides
        Options that win over those in `text`; None is ignored.

    Raises
    ------
    WiringError
        No such rule or option, or a value that the option cannot take.

    Examples
    --------
    >>> from oneway.rules import parse_rule
    >>> parse_rule("asap,k=4,gate=local").k
    4
    """
    name, *pairs = text.split(",")
    rule = _load(Path(name)) if name.endswith(".py") else RULES.get(name)
    if rule is None:
        raise WiringError(f"no rule {name!r}; there are {', '.join(RULES)}")
    options: dict[str, Any] = {}
    for pair in pairs:
        key, value = _parse_option(rule, pair)
        if key in options:
            raise WiringError(f"rule {rule.name}: option {key}= is given twice in {text!r}")
        options[key] = value
    options |= {key: value for key, value in overrides.items() if value is not None}
    return rule(**options)


def _parse_option(rule: type[Rule], pair: str) -> tuple[str, Any]:
    key, equals, value = pair.partition("=")
    kinds = _option_types(rule)
    if not equals or key not in kinds:
        near = get_close_matches(key, kinds, n=1)
        hint = f" Did you mean {near[0]}=?" if near else ""
        raise WiringError(
            f"rule {rule.name}: option {pair!r} is not understood; options are "
            f"{', '.join(f'{k}=' for k in kinds)}.{hint}"
        )
    return key, _convert(rule.name, key, kinds[key], value)


def _convert(rule: str, key: str, kind: Any, value: str) -> Any:
    words = {"yes": True, "true": True, "no": False, "false": False}
    try:
        if kind is bool:
            return words[value.lower()]
        if kind in (int, float):
            return kind(value)
    except (KeyError, ValueError) as error:
        wanted = "yes or no" if kind is bool else f"a number ({kind.__name__})"
        raise WiringError(f"rule {rule}: {key}={value!r}, expected {wanted}") from error
    numbers = [part for part in get_args(kind) if part is float]
    try:
        return float(value) if numbers else value
    except ValueError:
        return value


def _load(path: Path) -> type[Rule]:
    """The rule defined in a file of the user's."""
    if not path.is_file():
        raise WiringError(f"rule file {str(path)!r} does not exist")
    before = dict(RULES)
    spec = importlib.util.spec_from_file_location(f"oneway_rule_{path.stem}", path)
    assert spec is not None and spec.loader is not None  # a .py file always has both
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up there
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise WiringError(f"rule file {str(path)!r} does not load: {error!r}") from error
    new = [rule for name, rule in RULES.items() if before.get(name) is not rule]
    if len(new) != 1:
        raise WiringError(
            f"rule file {str(path)!r} defines {len(new)} rules, expected one "
            '(class MyRule(Rule, name="mine"))'
        )
    return new[0]
