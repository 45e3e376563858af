"""`Dynamics`: how cells fire, in Brian2's language."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from brian2 import Equations, get_dimensions, get_unit, have_same_dimensions
from brian2.core.functions import DEFAULT_FUNCTIONS
from brian2.parsing.statements import parse_statement
from brian2.units.allunits import all_units
from brian2.utils.stringtools import get_identifiers

from .parameters import SpikingParameters

# What the translation gives cells that ask for it by name.
INPUTS = {
    "rate": "Hz",
    "drive": "",
    "taught": "1",
    "tone": "1",
}
_OURS = ("activity", "own", "input", "unit", "side", "excited", "bias", "heard", "sample", "phase")
_BRIANS = "t dt i N xi inf e pi True False lastspike not_refractory t_in_timesteps".split()
_UNITS = {unit.name for unit in all_units} | {unit.dispname for unit in all_units}
_DEFINES = re.compile(r"\s*(?:d(\w+)\s*/\s*dt|(\w+))\s*[=:][^#]*#\s*(.+)")

# Brian2 is untyped: a quantity or a number; and for a first value also the name of a constant.
Value: TypeAlias = Any
Start: TypeAlias = Any


@dataclass(frozen=True, eq=False)
class Dynamics:
    """A cell model: equations, threshold and reset, as Brian2 reads them.

    Equations may name their own variables and constants, the fields of `SpikingParameters` that
    are constants of cells (`tau_mem`, `v_rest`, `v_threshold` and so on), and these:

    ``rate``
        Hz. At which the cell should fire to stand for its activity; below zero where its input is.
    ``drive``
        What makes the cell fire at `rate` if it lasts, between the two ends that the field `drive`
        states and in their unit. The cells' own curve of rate against drive is measured for it,
        once, with the time step of the run.
    ``taught``
        The sum of what `teach` projections bring, as an activity: on a hidden cell the error.
    ``tone``
        `noise_tone` where noise drives the circuit, and 0 elsewhere.
    ``own``, ``unit``
        The activity that the cell should stand for, and the rate that means 1.

    Parameters
    ----------
    name : str
        In messages and results.
    equations, threshold, reset : str
        A reset that subtracts (``v -= v_threshold - v_rest``) keeps what a step overshoots the
        threshold by, and so rates that are no whole number of steps apart.
    refractory : str
        An expression in seconds; empty for cells that have no refractory period.
    constants : mapping
        Name → quantity or number. `SpikingNetwork(heterogeneous=...)` gives cells values of
        their own.
    start : mapping
        Variable → its first value: a quantity, the name of a constant, or two of them, between
        which cells are spread, so that they do not fire in step.
    drive : (quantity, quantity), optional
        The least and the largest drive, for equations that read it.
    apical : str, optional
        An expression that synapses onto the cell learn from in place of what it is taught.
    pairs : Dynamics, optional
        The membrane that the two cells of a push-pull pair share, for units that fire for both
        signs (linear or tanh: inputs, outputs, errors). None: that of the leaky pairs of
        ``"spiking"``. Cells about a baseline are none.
    halves : Dynamics, optional
        The membrane of each of the two cells where pairs are apart (``SpikingNetwork(pairs=...)``);
        it may read `side`, the sign that its cell stands for. None: that of leaky halves.
    partner : str, optional
        Of such a membrane: what a spike does to that of the pair's other cell.
    limit : str, optional
        True after a spike where the cell would fire more often than it can, so that units are
        named that say less than is meant. None: where its trace is near the greatest rate.
    side : str, optional
        Of a pair's membrane: above zero where a spike is that of the cell for positive activity.
    rectifies : bool
        Whether cells with relu get their input as it is, for the membrane to average it before it
        falls silent below zero.
    tau_input : str, optional
        A time constant with which the summed drives are averaged before φ.
    gain : bool
        Whether `noise_gain` acts on what the cell should fire.

    Raises
    ------
    ValueError
        The equations do not parse, name something unknown, or define what is ours.

    Examples
    --------
    >>> from brian2 import mV
    >>> from oneway.backends.spiking import Dynamics
    >>> quadratic = Dynamics(
    ...     "quadratic",
    ...     "dv/dt = ((v - v_rest) * (v - v_c) / (v_c - v_rest) + drive) / tau_mem : volt",
    ...     threshold="v > v_peak",
    ...     reset="v = v_rest",
    ...     constants={"v_c": -60 * mV, "v_peak": -30 * mV},
    ...     start={"v": "v_rest"},
    ...     drive=(-10 * mV, 200 * mV),
    ... )
    >>> sorted(quadratic.reads & {"drive", "rate", "tau_mem"})
    ['drive', 'tau_mem']
    """

    name: str
    equations: str = ""
    threshold: str = "v > v_threshold"
    reset: str = "v -= v_threshold - v_rest"
    refractory: str = "refractory"
    constants: Mapping[str, Value] = field(default_factory=dict)
    start: Mapping[str, Start] = field(default_factory=dict)
    drive: tuple[Value, Value] | None = None
    apical: str = ""
    pairs: Dynamics | None = None
    halves: Dynamics | None = None
    partner: str = ""
    limit: str = ""
    side: str = ""
    rectifies: bool = True
    tau_input: str = ""
    gain: bool = True

    def __post_init__(self) -> None:
        for complaint in self._complaints():
            raise ValueError(f"dynamics {self.name!r}: {complaint}")

    def __str__(self) -> str:
        return self.name

    def with_constants(self, **constants: Value) -> Dynamics:
        """The same model with other values of some of its constants."""
        for name in constants:
            if name not in self.constants:
                raise ValueError(
                    f"dynamics {self.name!r} has no constant {name!r}. There are: "
                    f"{', '.join(self.constants) or 'none'}"
                )
        return replace(self, constants={**self.constants, **constants})

    # -- what it says ----------------------------------------------------------------------

    @cached_property
    def parsed(self) -> Equations:
        """The equations, one variable each."""
        return Equations(self.equations)

    @cached_property
    def comments(self) -> dict[str, str]:
        """What stands behind a # in the line of each variable."""
        found = map(_DEFINES.match, self.equations.splitlines())
        return {one[1] or one[2]: one[3].strip() for one in found if one}

    @cached_property
    def reads(self) -> frozenset[str]:
        """Every name in equations, threshold and reset."""
        codes = (self.threshold, self.reset, self.partner, self.limit, self.side, self.apical)
        names = set(self.parsed.identifiers).union(
            *map(get_identifiers, (*codes, self.refractory, self.tau_input))
        )
        starts = (end for start in self.start.values() for end in _ends(start))
        return frozenset(names | {end for end in starts if isinstance(end, str)})

    def resets(self, condition: str | None) -> list[str]:
        """The lines of the reset, which do nothing where a condition is false."""
        lines = [line.strip() for line in self.reset.splitlines() if line.strip()]
        return lines if condition is None else [_only_if(condition, line) for line in lines]

    def first(self, variable: str, size: int, values: Mapping[str, Any]) -> Any:
        """The first values of a variable of so many cells, given those of constants."""
        low, *high = (_value(end, values) for end in _ends(self.start[variable]))
        if not high:
            return np.full(size, low) if np.ndim(low) == 0 else low
        return low + (high[0] - low) * (np.arange(size) * 0.618034 % 1)

    # -- checks ----------------------------------------------------------------------------

    def _complaints(self) -> Iterator[str]:
        try:
            defined = set(self.parsed.names)
        except Exception as error:  # whatever Brian2's parser says
            yield f"its equations cannot be read: {' '.join(str(error).split())}"
            return
        parameters = SpikingParameters().constants()
        for name in sorted((defined | set(self.constants)) & {*_OURS, *INPUTS}):
            yield f"it defines {name!r}, which cells are given. Choose another name"
        for name in sorted((defined | set(self.constants)) & set(parameters)):
            yield f"it defines {name!r}, which SpikingParameters has. Set it there, or rename it"
        given = [*INPUTS, "own", "unit", "side", *self.constants, *parameters]
        known = {*defined, *given, *_BRIANS, *_UNITS, *DEFAULT_FUNCTIONS}
        for name in sorted(self.reads - known):
            if not name.startswith("xi_"):
                yield f"it names {name!r}, which is nowhere. There are: {', '.join(given)}"
        for name in self.start:
            if name not in defined:
                yield f"start has {name!r}, which no equation defines"
        yield from self._check_drive()
        if self.pairs is not None and not self.pairs.side:
            yield "its pairs have no side, which says which of two cells has fired"

    def _check_drive(self) -> Iterator[str]:
        if ("drive" in self.reads) != (self.drive is not None):
            yield (
                f"drive = {self.drive}, and its equations {'' if self.drive is None else 'do not '}"
                "read it. State the least and the largest drive of cells whose equations read it"
            )
        elif self.drive is not None:
            low, high = self.drive
            if not (have_same_dimensions(low, high) and low < high):
                yield f"drive = {self.drive}, expected a lower and a higher one of the same unit"


def _ends(start: Start) -> tuple:
    return start if isinstance(start, tuple) else (start,)


def _value(value: Value | str, values: Mapping[str, Any]) -> Any:
    """In base units."""
    if isinstance(value, str):
        value = values[value]
    return np.asarray(value, dtype=float) if np.ndim(value) else float(value)


def unit_text(unit: Any) -> str:
    """A unit as equations state it."""
    dimensions = get_dimensions(unit)
    return "1" if dimensions.is_dimensionless else repr(get_unit(dimensions))


def _only_if(condition: str, line: str) -> str:
    """A statement that leaves its variable as it is where the condition is false."""
    name, operator, value, _ = parse_statement(line)
    if operator in ("+=", "-="):
        return f"{name} {operator} int({condition}) * ({value})"
    if operator != "=":
        value = f"{name} {operator[0]} ({value})"
    return f"{name} = int({condition}) * ({value}) + int(not ({condition})) * {name}"
