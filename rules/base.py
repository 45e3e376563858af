"""What all rules have in common: options, a name, and one method, `wire`."""

from __future__ import annotations

import functools
import importlib.util
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from traceback import extract_tb
from typing import Any, ClassVar, Literal, get_type_hints

from oneway.circuits import Circuit, Draw, WiringError
from oneway.circuits.options import Options, as_text, join, split

RULES: dict[str, type[Rule]] = {}
# Rules whose synapses learn from what only spikes have; all others run in both backends.
SPIKE_RULES: dict[str, type[Rule]] = {}

Gate = Literal["exact", "shared", "local"]
Norm = Literal["full", "scale", "own"]
Attach = Literal["all", "blocks", "pools"]  # where direct feedback reaches a circuit
Init = Literal["independent", "aligned", "aligned_conv", Draw]


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
        Then ΔW has a factor that ΔB has not, and weights that should change alike (Kolen-Pollack,
        ASAP) need not converge.
    norm : {"full", "scale", "own"}
        How errors pass batch norm in the feedback path. `full`: its exact derivative, which needs
        connections h_l → δ_l. `scale`: only γ/σ, a slow scalar per channel. `own`: the error cells
        normalise their own activity, and take one gain per layer.
    forward_norm : {"full", "scale", "own"}
        The same for a forward cell and its own synapses; `full` costs no connection there. With
        the others the cell forgets its normalised input, and its gain stays as it is.
    init : {"independent", "aligned", "aligned_conv"} or scheme
        How feedback weights of their own start. `independent`: from their own draw, by the scheme
        of the forward weights that they run against (direct ones, which run against none, by
        `kaiming_uniform`). `aligned`: as a copy of those; `aligned_conv`: so do convolutions, and
        others as with `independent`. Or from their own draw by the scheme that is named,
        ``kaiming_normal`` for instance.
    last_layer : {"same", "bp"}
        Whether the output layer's feedback is tied to its forward weights whatever the rule.
    frozen : {"none", "first", "conv", "hidden"} or tuple of projection names
        Forward weights that stay as drawn: the input's, all convolutions, all but the output's.
    frozen_norm : bool
        Whether biases and normalisation of cells whose weights are frozen stay too.
    """

    name: ClassVar[str]
    needs_spikes: ClassVar[bool] = False

    gate: Gate = "exact"
    norm: Norm = "full"
    forward_norm: Norm = "full"
    init: Init = "independent"
    last_layer: Literal["same", "bp"] = "same"
    frozen: Literal["none", "first", "conv", "hidden"] | tuple[str, ...] = "none"
    frozen_norm: bool = True

    def __init_subclass__(cls, name: str | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "wire" in vars(cls):
            cls.wire = _telling_where(cls.wire)  # type: ignore[assignment, method-assign]
        if name is not None:
            cls.name = name
            (SPIKE_RULES if cls.needs_spikes else RULES)[name] = cls

    def __post_init__(self) -> None:
        self.options().check({f.name: getattr(self, f.name) for f in fields(self)})

    @abstractmethod
    def wire(self, forward: Circuit) -> Circuit:
        """Wire the rule on a forward circuit.

        Raises
        ------
        WiringError
            The rule cannot be wired there; the message says why and on which projection.
        """

    @classmethod
    def options(cls) -> Options:
        """What the rule can be told, by the annotations of its fields."""
        kinds = get_type_hints(cls)
        return Options(f"rule {cls.name}", {f.name: kinds[f.name] for f in fields(cls)})

    def label(self, *without: str) -> str:
        """The rule as on the command line: its name and the options that differ from the default.

        `parse_rule` reads it back. Options named in `without`, which a reader finds elsewhere, are
        left out.

        Examples
        --------
        >>> from oneway.rules import ASAP
        >>> ASAP(k=4, gate="local").label()
        'asap,gate=local,k=4'
        """
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in without}
        usual = {f.name: f.default for f in fields(self)}
        changed = [f"{k}={as_text(v)}" for k, v in values.items() if v != usual[k]]
        return join([self.name, *changed])


def _telling_where(wire: Callable[[Any, Circuit], Circuit]) -> Callable[[Any, Circuit], Circuit]:
    """`wire`, whose slips end in a `WiringError` that names rule, file and line."""

    @functools.wraps(wire)
    def told(self: Rule, forward: Circuit) -> Circuit:
        try:
            return wire(self, forward)
        except WiringError:
            raise
        except Exception as error:
            place = _place(error, wire.__code__.co_filename)
            raise WiringError(f"rule {self.name}: wire() fails in {place}: {error!r}") from error

    return told


def _place(error: Exception, file: str) -> str:
    """File and line of an error: the last line of that file on the way to it."""
    lines = [frame.lineno for frame in extract_tb(error.__traceback__) if frame.filename == file]
    if isinstance(error, SyntaxError) and error.filename == file:
        lines = [error.lineno]
    return f"{file!r}, line {lines[-1]}" if lines else repr(file)


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
    name, *pairs = split(text)
    known = RULES | SPIKE_RULES
    rule = _load(Path(name)) if name.endswith(".py") else known.get(name)
    if rule is None:
        raise WiringError(f"no rule {name!r}; {_near(name, known)}there are {', '.join(known)}")
    given = {key: value for key, value in overrides.items() if value is not None}
    return rule(**rule.options().parse(pairs) | given)


def _near(name: str, known: Mapping[str, type[Rule]]) -> str:
    """Rules that may have been meant, by their names or by their files'."""
    by_word = {rule.__module__.rpartition(".")[2]: each for each, rule in known.items()}
    words = by_word | {each: each for each in known}
    near = get_close_matches(name.lower().replace("-", "_"), words, n=2, cutoff=0.5)
    meant = dict.fromkeys(repr(words[word]) for word in near)
    return f"did you mean {' or '.join(meant)}? " if meant else ""


def _load(path: Path) -> type[Rule]:
    """The rule defined in a file of the user's."""
    if not path.is_file():
        raise WiringError(f"rule file {str(path)!r} does not exist")
    before = RULES | SPIKE_RULES
    spec = importlib.util.spec_from_file_location(f"oneway_rule_{path.stem}", path)
    assert spec is not None and spec.loader is not None  # a .py file always has both
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up there
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        _know(before)
        place = _place(error, str(path))
        raise WiringError(f"rule file {place} does not load: {error!r}") from error
    known = RULES | SPIKE_RULES
    new = [rule for name, rule in known.items() if before.get(name) is not rule]
    if len(new) != 1:
        raise WiringError(
            f"rule file {str(path)!r} defines {len(new)} rules, expected one "
            '(class MyRule(Rule, name="mine"))'
        )
    there = before.get(new[0].name, new[0])
    if there.__module__ != new[0].__module__:
        _know(before)
        raise WiringError(
            f"rule file {str(path)!r}: there is already a rule {there.name!r}, {there.__name__}. "
            "Choose another name="
        )
    return new[0]


def _know(rules: dict[str, type[Rule]]) -> None:
    """Know these rules and no others."""
    for home, spikes in ((RULES, False), (SPIKE_RULES, True)):
        home.clear()
        home.update({name: rule for name, rule in rules.items() if rule.needs_spikes == spikes})
