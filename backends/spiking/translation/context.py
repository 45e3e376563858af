"""What a translator of a single element has to know of the whole: facts, and nothing that runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from brian2 import ms

from oneway.circuits import PHI, Circuit, Projection

from ..brian.model import EXCITATORY, INHIBITORY, WHOLE, ModelGroup
from ..dynamics import Dynamics
from ..heterogeneous import Varied
from ..models import dynamics_named, leaky_half, leaky_pair, poisson
from ..parameters import SpikingParameters
from .connectors import Pairs
from .holding import Holding
from .turns import Turns

LOSSES = ("cross_entropy", "squared")
# What input cells make of the values that they are given.
INPUTS = ("current", "poisson")
# What they are given: a value for each sample, values that change in time, or when to fire.
HELD, CHANGING, TRAINS = "held", "changing", "trains"


@dataclass
class Context:
    """A circuit, the phases of it that run, and how; see `SpikingNetwork` for the latter."""

    circuit: Circuit
    phases: tuple[str, ...]
    parameters: SpikingParameters
    dynamics: str | Dynamics
    holding: Holding
    loss: str = "cross_entropy"
    together: bool = True  # phases that only change what synapses learn from run at the same time
    tallying: bool = False  # synapses note what they would change and keep their weights
    input: str = "current"
    given: str = HELD
    varied: Varied = field(default_factory=dict)
    lesions: frozenset[str] = frozenset()  # projections that are cut at some moment
    turns: Turns = field(init=False)
    when: When = field(init=False)

    def __post_init__(self) -> None:
        self.turns = Turns(self.circuit, self.phases, self.together)
        self.when = When(self.turns)
        if not self.turns.data:
            self.parameters = self.parameters.for_noise()
        self.model = dynamics_named(self.dynamics, self.parameters)
        self.varied = {
            name: {c: np.tile(values, self.holding.halves(name)) for c, values in own.items()}
            for name, own in self.varied.items()
        }

    # -- time ------------------------------------------------------------------------------

    @property
    def spikes(self) -> bool:
        """Whether cells spike."""
        return self.model is not None

    @property
    def tick(self) -> Any:
        """Step of the schedule."""
        if not self.spikes:
            return self.parameters.dt
        return self.parameters.tick if self.turns.data else self.parameters.plasticity_dt

    @property
    def starts_at_rest(self) -> bool:
        """Whether every sample finds cells as the first one does."""
        trials = self.parameters.presentation == "trials"
        return trials and self.spikes and self.turns.data

    # -- cells -----------------------------------------------------------------------------

    @property
    def about_baseline(self) -> bool:
        """Whether cells fire about a rate at rest, and not in pairs of which each has a sign."""
        return self.parameters.coding == "baseline"

    def resting(self, name: str) -> bool:
        """Whether cells of a population fire at the baseline when they have nothing to say.

        So do cells of one sign that fire noise, where there are no pairs for it.
        """
        alone = self.holding.apart and not self.apart(name) and bool(self.turns.noisy(name))
        return self.spikes and (self.about_baseline or alone)

    def paired(self, name: str) -> bool:
        """Whether a unit of a population has a second cell, which fires for negative activity.

        The two are one another's mirror image: they share a membrane, and `side` says which of
        them has fired.
        """
        if self.about_baseline or not self.spikes or self.holding.apart:
            return False
        turns, signed = self.turns, PHI[self.circuit.populations[name].activation].signed
        sources = (self.circuit.projections[p].pre for p in turns.mimicking(name))
        return (
            bool(turns.following(name) and signed)
            or bool(turns.noisy(name))
            or any(self.paired(source) for source in sources)
        )

    def model_of(self, name: str) -> Dynamics:
        """The cell model of a population: that of pairs where units fire for both signs."""
        model = self.model
        if self.input == "poisson" and self.is_given(name):
            model = poisson(self.parameters)
        assert model is not None
        if self.apart(name):
            return model.halves or leaky_half(self.parameters)
        signed = PHI[self.circuit.populations[name].activation].signed
        if self.paired(name) and signed:
            return model.pairs or leaky_pair(self.parameters)
        return model

    def is_given(self, name: str) -> bool:
        """Whether a population is told what to signal by the samples."""
        return bool(self.turns.data) and self.circuit.populations[name] in self.circuit.inputs

    def taught_in(self, name: str) -> str:
        """The variable that synapses onto a cell learn from in place of what it is taught."""
        if not self.spikes or not self.turns.following(name):
            return ""
        return "apical" if self.model_of(name).apical else ""

    @cached_property
    def constants(self) -> dict[str, Any]:
        """What equations of cells and synapses refer to by name."""
        if self.model is None:
            return {}
        kinds = [kind for kind in (self.model.halves, self.model.pairs, self.model) if kind]
        own = {name: value for kind in kinds for name, value in kind.constants.items()}
        return {**self.parameters.constants(), **own}

    def apart(self, name: str) -> bool:
        """Whether a unit of a population is two cells that share nothing; see `halves`."""
        return self.holding.halves(name) == 2

    def tells(self, name: str) -> bool:
        """Whether synapses of a cell learn from what its partner fires, too."""
        return self.holding.told and self.apart(name) and self.turns.data

    def sided(self, name: str) -> bool:
        """Whether spikes of a population have a sign, `side`, be their cells apart or not."""
        return self.paired(name) or self.apart(name)

    # -- synapses --------------------------------------------------------------------------

    def pairs(self, p: Projection) -> Pairs:
        """The synapses of a projection.

        A cell takes over what the one of its own sign does; else it hears both.
        """
        taken_over = p.name in self.turns.mimicking(p.post) and not self.repeats(p)
        return self.holding.pairs(p, alike=taken_over)

    def repeats(self, p: Projection) -> bool:
        """Whether both cells of a pair take over what one cell without a partner does.

        So they do where that fires noise or follows it, which is of either sign: synapses of both
        are to learn from it.
        """
        single = self.apart(p.post) and not self.apart(p.pre)
        return single and not self.turns.data and p.name in self.turns.mimicking(p.post)

    def brings(self, p: Projection) -> bool:
        """Whether a projection needs synapses: not for φ′ = 1, nor for what is there already."""
        linear = p.role == "gate" and PHI[p.derivative or "linear"].linear
        return p.role != "norm" and not linear and self.bringing(p) is p

    def bringing(self, p: Projection) -> Projection:
        """The projection that brings what `p` does: a cell that is taught is gated by the same.

        Not if one of the two is cut, which leaves the other.
        """
        if p.role != "gate" or self.told(p) != "own" or p.name in self.lesions:
            return p
        teaches = self.turns.select(role="teach", pre=p.pre, post=p.post)
        whole = (teach for teach in teaches if teach.name not in self.lesions)
        return next((teach for teach in whole if teach.connector == p.connector), p)

    def told(self, gate: Projection) -> str:
        """The variable of its source that a gate brings: what φ′ is worked out from."""
        alike = self.circuit.populations[gate.pre].activation == gate.derivative
        return self.slope_from(gate.pre) if alike else self.excitation(gate.pre)

    def slope_from(self, name: str) -> str:
        """The variable from which φ′ of a population follows."""
        known = PHI[self.circuit.populations[name].activation]
        return self.excitation(name) if known.from_value else "input"

    def excitation(self, name: str) -> str:
        """The variable with φ of the input of a population, before gates."""
        return "excited" if any(self.turns.select(role="gate", post=name)) else "own"

    def baseline(self, p: Projection) -> dict[str, float]:
        """Phases in which a drive conveys the deviation from a baseline, with that."""
        reading = self.turns.reading
        found = {phase: reading.baseline(p, phase) for phase in self.turns.carrying(p)}
        return {phase: beta for phase, beta in found.items() if beta}

    def sent(self, p: Projection) -> str:
        """The variable of its source that a projection passes on."""
        if p.role == "gate":
            return self.told(p)
        return "activity" if p.role == "drive" else "own"

    def side_sent(self, pre: str, delay: int) -> str:
        """Which cell of a presynaptic pair fired the spike that arrives after so many steps.

        Cells that are apart keep their sign.
        """
        before = ago("fired_side", delay) if delay and self.paired(pre) else "side"
        return f"{before}_pre"

    def delay_steps(self, p: Projection) -> int:
        """For how many steps what a projection passes on is on its way."""
        return round(p.delay * ms / self.parameters.dt)

    def remembered(self, name: str) -> dict[str, int]:
        """Variables of a population that arrive later, and the longest delay of each in steps."""
        steps = Counter[str]()
        for p in self.turns.select(pre=name):
            if self.brings(p) and self.conveys(p):
                steps[self.sent(p)] = max(steps[self.sent(p)], self.delay_steps(p))
        for gate in self.turns.select(role="gate", pre=name):
            # Cells that tell which member of a window won hear what the gate brings.
            steps["activity"] = max(steps["activity"], self.delay_steps(gate))
        return {sent: longest for sent, longest in steps.items() if longest}

    def conveys(self, p: Projection) -> bool:
        """Whether a projection brings its target something; a drive may only learn here."""
        return p.role != "drive" or bool(self.turns.carrying(p))

    def filtered(self, p: Projection) -> str:
        """Time constant with which what a projection brings fades."""
        return "tau_syn" if p.role in ("drive", "compare") else "tau_trace"

    def splits(self, p: Projection) -> bool:
        """Whether a projection has excitatory synapses, and inhibitory ones of interneurons."""
        signed = p.weights is not None or self.paired(p.pre)
        return self.holding.dale and p.role == "drive" and signed

    def parts(self, p: Projection) -> tuple[str, ...]:
        """Of which sets of synapses a projection is made."""
        return (EXCITATORY, INHIBITORY) if self.splits(p) else (WHOLE,)

    def written(self, p: Projection) -> list[str]:
        """The variables that a projection writes: of each part, or of each branch."""
        variable, pairs = self.input_of(p), self.pairs(p)
        if self.splits(p):
            return [self.input_of(p, part) for part in self.parts(p)]
        if pairs.branch is None or p.connector.transposed:
            return [variable]
        return [f"{variable}_branch{number}" for number in range(pairs.branches)]

    def relayed(self, p: Projection) -> bool:
        """Whether a projection makes its target fire whenever its source has fired."""
        return p.role == "mimic" and self.spikes and p.name in self.turns.mimicking(p.post)

    # -- names -----------------------------------------------------------------------------

    def input_of(self, p: Projection, part: str = WHOLE) -> str:
        """The variable of the target cell that a projection, or its part, writes: `drive_h1`."""
        alike = list(self.circuit.select(role=p.role, pre=p.pre, post=p.post))
        number = [other.name for other in alike].index(p.name)
        return f"{p.role}_{p.pre}" + (f"_{number + 1}" if number else "") + _suffix(part)

    def synapses_of(self, p: Projection, part: str = WHOLE, to: str | None = None) -> str:
        """The synapses of a projection, or of a part of it; to its target or another group."""
        return f"{self.input_of(p)}_to_{to or p.post}{_suffix(part)}"

    def weights_of(self, p: Projection) -> str:
        """The group that holds weights which several synapses share."""
        return f"weights_{self.synapses_of(p)}"

    def path(self, name: str) -> str:
        """Whether a population codes activity or errors."""
        return "error" if self.circuit.populations[name].path == "feedback" else "forward"


def ago(variable: str, steps: int) -> str:
    """What a variable was so many steps ago."""
    return f"{variable}_{steps}_ago" if steps else variable


def _suffix(part: str) -> str:
    return f"_{part}" if part else ""


def cells_of(population: str) -> str:
    """The group of a population."""
    return f"cells_{population}"


def interneurons_of(population: str) -> str:
    """The group that repeats a population's spikes, to inhibit."""
    return f"interneurons_{population}"


class When:
    """Phases as the generated code tells them apart: by a number that the schedule brings."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The number by which the schedule calls each phase; those that run together share it."""
        turns, numbers = self.turns, dict[str, int]()
        for name in turns.names:
            shares = turns.together and name in turns.data_phases[1:]
            numbers[name] = numbers[turns.data_phases[0]] if shares else len(set(numbers.values()))
        return numbers

    @property
    def data_numbers(self) -> tuple[int, ...]:
        """Those of the phases that data drives, in order."""
        return tuple(dict.fromkeys(self.numbers[name] for name in self.turns.data_phases))

    @property
    def several(self) -> bool:
        """Whether it matters which phase it is."""
        return len(set(self.numbers.values())) > 1

    def tell(self, group: ModelGroup) -> None:
        """Let a group know which phase it is."""
        if self.several:
            group.refer("phase")

    def during(self, phases: Collection[str]) -> str | None:
        """Expression that is true in the given phases; None if they are all there are."""
        numbers = sorted({self.numbers[name] for name in phases if name in self.numbers})
        if len(numbers) == len(set(self.numbers.values())):
            return None
        return " or ".join(f"phase == {number}" for number in numbers) or "False"

    def times_if(self, phases: Iterable[str], expression: str) -> str:
        """The expression in the given phases and zero in others."""
        condition = self.during(tuple(phases))
        return expression if condition is None else f"int({condition}) * {expression}"

    def either(self, phases: Collection[str], inside: str, outside: str) -> str:
        """One expression in the given phases and another in all others."""
        numbers = {self.numbers[name] for name in phases}
        others = [name for name in self.turns.names if self.numbers[name] not in numbers]
        if not phases or not others:
            return inside if phases else outside
        return f"{self.times_if(phases, f'({inside})')} + {self.times_if(others, f'({outside})')}"
