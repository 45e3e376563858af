"""How a cell's activity reaches its synapses: as a settled rate, or as the spikes of a cell model.

All else in the equations is the same for both.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from brian2 import Quantity

from oneway.circuits import Population

from ..brian.model import Cells, Joined
from .activations import phi
from .context import Context, ago
from .lesions import times
from .membranes import Membrane, membrane_of

# What cells count spikes in that they fire while they are to fire more often than they can; of a
# model that does not say when that is, at this part of the greatest rate or more.
LIMITED, NEAR_LIMIT = "limited", 0.9


@dataclass(frozen=True)
class Pulse:
    """What synapses bring to their target cells from the population `pre`."""

    pre: str
    strength: str | None = None
    sent: str = "own"  # the variable of presynaptic cells that settled ones pass on
    filtered: str = "tau_trace"  # how long a spike goes on arriving
    signed: bool = True  # whether spikes of a pair's two cells count with opposite signs
    about: str = ""  # what settled cells take from the variable; spikes code deviations already
    delay: int = 0  # steps on the way


class Signalling(ABC):
    """What cells send and receive.

    Its methods write equations of a cell in terms of a few names: each projection has a variable
    of its own in the target cell, `input` is the sum of drives, `own` what the cell makes of it,
    `activity` what its synapses learn from.
    """

    def __init__(self, context: Context) -> None:
        self.context = context
        self.turns, self.when = context.turns, context.when
        self.parameters = context.parameters

    @abstractmethod
    def arrive(
        self, cells: Cells, variable: str, filtered: str, rest: str | None, driven: str | None
    ) -> None:
        """Give cells the variable that a projection writes."""

    @abstractmethod
    def sum_up(self, cells: Cells, population: Population, total: str, driven: str | None) -> None:
        """Give cells `input`, the sum of what drives them."""

    @abstractmethod
    def fire(self, cells: Cells, population: Population) -> None:
        """Complete a cell: from `own` to `activity` and to what is sent."""

    @abstractmethod
    def transmit(self, joined: Joined, variable: str, pulse: Pulse) -> None:
        """Let synapses write the variable of their target cells."""

    @abstractmethod
    def repeat(self, cells: Cells, relay: Joined, population: str) -> None:
        """Complete interneurons, of which each repeats one cell of a population."""

    @abstractmethod
    def half(self, own: str) -> str:
        """What a cell makes of what its unit would, where pairs are apart."""

    def couple(self, cells: Cells, population: Population) -> list[Joined]:
        """What the two cells of a pair that is apart tell each other."""
        joined = self.joined_partners(cells, population)
        return [joined] if joined.on_pre or joined.equations else []

    def joined_partners(self, cells: Cells, population: Population) -> Joined:
        """The synapses between them, with a trace of what the partner fires if that is told."""
        name, i = population.name, np.arange(cells.size)
        partners = np.roll(i, population.size)
        comment = f"the two cells of each pair of {name}"
        joined = Joined(f"partner_in_{name}", cells.name, cells.name, i, partners, comment=comment)
        if self.context.tells(name):
            self.arrive(cells, "partner", "tau_trace", None, None)
            self.transmit(joined, "partner", Pulse(name, sent="activity"))
        return joined

    def relay(
        self, joined: Joined, pre: str, post: str, delay: int = 0, passing: str | None = None
    ) -> None:
        """Let cells fire whenever the one that they mimic has fired, as long as that passes."""
        raise NotImplementedError(f"{self.context.dynamics} cells take over activity, not spikes")

    @abstractmethod
    def remember(self, cells: Cells, sent: str, steps: int) -> None:
        """Let cells keep a variable for so many steps."""

    def _keep(self, cells: Cells, variable: str, steps: int) -> None:
        for step in range(steps):
            now, later = ago(variable, step), ago(variable, step + 1)
            cells.integrate(later, f"({now} - {later}) / dt")

    def excite(self, population: Population) -> str:
        """What a cell makes of its input."""
        return phi(population.activation, "input")


class Settled(Signalling):
    """No spikes: activity passes on as it is, one synapse further each step."""

    def arrive(
        self, cells: Cells, variable: str, filtered: str, rest: str | None, driven: str | None
    ) -> None:
        cells.add(variable)

    def sum_up(self, cells: Cells, population: Population, total: str, driven: str | None) -> None:
        holding = "" if driven is None else f"int({driven}) * "
        cells.integrate("input", f"{holding}({total} - input) / dt")

    def fire(self, cells: Cells, population: Population) -> None:
        activity = "own"
        for mimic, phases in self.turns.mimicking(population.name).items():
            heard = self.context.input_of(self.turns.circuit.projections[mimic])
            activity = self.when.either(phases, heard, activity)
        cells.add("activity", activity)

    def transmit(self, joined: Joined, variable: str, pulse: Pulse) -> None:
        strength = "" if pulse.strength is None else f"{pulse.strength} * "
        sent = f"{ago(pulse.sent, pulse.delay)}_pre"
        sent = f"({sent} - ({pulse.about}))" if pulse.about else sent
        joined.add(f"{variable}_post", f"{strength}{sent}", flag="summed")

    def remember(self, cells: Cells, sent: str, steps: int) -> None:
        self._keep(cells, sent, steps)

    def half(self, own: str) -> str:
        return f"side * clip(side * ({own}), 0, inf)"

    def repeat(self, cells: Cells, relay: Joined, population: str) -> None:
        cells.add("relayed")
        cells.add("own", "relayed")
        cells.add("activity", "own")
        relay.add("relayed_post", "activity_pre", flag="summed")


class Spikes(Signalling):
    """Cells of a model fire, each at the rate that stands for its activity."""

    def arrive(
        self, cells: Cells, variable: str, filtered: str, rest: str | None, driven: str | None
    ) -> None:
        decaying = variable if rest is None else f"({variable} + {rest})"
        holding = "" if driven is None else f"int({driven}) * "
        cells.integrate(variable, f"-{holding}{decaying} / {filtered}")

    def sum_up(self, cells: Cells, population: Population, total: str, driven: str | None) -> None:
        tau = self.context.model_of(population.name).tau_input
        if tau:
            cells.integrate("input", f"({total} - input) / {tau}")
        else:
            cells.add("input", total)

    def excite(self, population: Population) -> str:
        # Below threshold a cell is silent: it rectifies by itself, after its membrane has averaged.
        model = self.context.model_of(population.name)
        by_itself = model.rectifies and not self.context.about_baseline
        if by_itself and population.activation == "relu":
            return "input"
        return super().excite(population)

    # -- firing ----------------------------------------------------------------------------

    def fire(self, cells: Cells, population: Population) -> None:
        name, path = population.name, self.context.path(population.name)
        following, membrane = self.turns.following(name), membrane_of(self.context, name)
        self._trace(cells, name, path)
        cells.refractory = membrane.refractory or False
        if following:
            membrane.complete(cells)
        cells.threshold = self._threshold(population, membrane)
        side = self._signed(name)
        # `side` may depend on the membrane, which is therefore set back last.
        reset = [f"activity += {side}1 / ({path}_unit * tau_trace)"]
        if following:
            reset += membrane.resets(self.when.during(following))
            reset.append(self._note_limit(cells, path, membrane))
        if self.context.paired(name):
            reset += self._choose_side(cells, population, membrane)
        if self.turns.mimicking(name):
            self._hear(cells, "when the cell that it mimics has fired")
        cells.reset = "\n".join(reset)

    def half(self, own: str) -> str:
        return own  # a cell that is driven to the other sign is silent by itself

    def repeat(self, cells: Cells, relay: Joined, population: str) -> None:
        path = self.context.path(population)
        self._trace(cells, population, path)
        self._hear(cells, "when its cell has fired")
        cells.threshold, cells.follows = "abs(t - heard) < dt / 2", True
        side = "side * " if self.context.paired(population) else ""
        if side:
            cells.add("heard_side")
            cells.add("side", "heard_side")
        cells.reset = f"activity += {side}1 / ({path}_unit * tau_trace)"
        self.relay(relay, population, population)

    def _signed(self, name: str) -> str:
        """The sign with which spikes count, as a factor."""
        if not self.context.sided(name):
            return ""
        repeating = [
            phase
            for mimic, phases in self.turns.mimicking(name).items()
            for phase in phases
            if self.context.repeats(self.turns.circuit.projections[mimic])
        ]
        return f"({self.when.either(repeating, '1', 'side')}) * " if repeating else "side * "

    def _hear(self, cells: Cells, comment: str) -> None:
        cells.add("heard", start=-1.0, unit="second", kept=True, comment=comment)

    def _trace(self, cells: Cells, name: str, path: str) -> None:
        resting = f"(activity + {path}_rest)" if self.context.resting(name) else "activity"
        cells.integrate("activity", f"-{resting} / tau_trace")

    def _threshold(self, population: Population, membrane: Membrane) -> str:
        """When cells fire that follow their input, fire noise, mimic or sleep in their turn."""
        turns, during, name = self.turns, self.when.during, population.name
        relaying = [phase for phases in turns.mimicking(name).values() for phase in phases]
        text = membrane.threshold if turns.following(name) else "False"
        for phases, inside in (
            (
                turns.noisy(name),
                f"rand() < hazard * dt{' / 2' if self.context.apart(name) else ''}",
            ),
            (relaying, "abs(t - dt - heard) < dt / 2"),
        ):
            condition = during(tuple(phases)) if phases else "False"
            if condition is None:
                text = inside
            elif phases:
                text = f"(({condition}) and {inside}) or (not ({condition}) and ({text}))"
        asleep = [phase for phase in turns.names if phase not in turns.awake(name)]
        return f"not ({during(asleep)}) and ({text})" if asleep else text

    def _choose_side(self, cells: Cells, population: Population, membrane: Membrane) -> list[str]:
        """Which cell of a pair fires; returns what follows from a spike."""
        turns, either, name = self.turns, self.when.either, population.name
        side = membrane.side if turns.following(name) else "0"
        after = []
        if turns.noisy(name):
            # Drawn after each spike, for the next one.
            cells.add("coin", start=np.where(np.arange(population.size) % 2, -1.0, 1.0))
            side = either(turns.noisy(name), "coin", side)
            after.append("coin = 2 * int(rand() < 0.5) - 1")
        latched = ""
        for phases in turns.mimicking(name).values():
            cells.add("heard_side")
            side = either(phases, "heard_side", side)
            latched = "constant over dt"  # what is heard now is for the next step
        cells.add("side", side, flag=latched)
        return after

    def _note_limit(self, cells: Cells, path: str, membrane: Membrane) -> str:
        """Count spikes of a cell that would fire more often than it can, so that more is unsaid."""
        cells.add(LIMITED, comment="spikes of a cell that is to fire more often than it can")
        resting = f" + {path}_rest" if self.context.about_baseline else ""
        near = f"abs(activity{resting}) > {NEAR_LIMIT} * max_rate / {path}_unit"
        return f"{LIMITED} += int({membrane.limit or near})"

    # -- synapses --------------------------------------------------------------------------

    def transmit(self, joined: Joined, variable: str, pulse: Pulse) -> None:
        signed = pulse.signed and self.context.sided(pulse.pre)
        side = f"{self.context.side_sent(pulse.pre, pulse.delay)} * " if signed else ""
        kick = f"{pulse.strength or 1} / ({self.context.path(pulse.pre)}_unit * {pulse.filtered})"
        joined.on_pre = f"{variable}_post += {side}{kick}"
        joined.delay = self._delay(pulse.delay)

    def relay(
        self, joined: Joined, pre: str, post: str, delay: int = 0, passing: str | None = None
    ) -> None:
        never = "" if passing is None else f" - (1 - {passing}) * second"
        joined.on_pre = f"heard_post = {times(passing, 't')}{never}"
        joined.delay = self._delay(delay)
        if self.context.paired(post):
            side = self.context.side_sent(pre, delay) if self.context.paired(pre) else 1
            joined.on_pre += f"\nheard_side_post = {side}"

    def remember(self, cells: Cells, sent: str, steps: int) -> None:
        if not cells.paired:
            return
        # A spike is on its way, but which cell of a pair has fired it is known only now.
        cells.add("fired_side", kept=True)
        first = "fired_side = side\n"
        cells.reset = first + (cells.reset or "").removeprefix(first)
        self._keep(cells, "fired_side", steps)

    def _delay(self, steps: int) -> Quantity | None:
        return steps * self.context.parameters.dt if steps else None

    def couple(self, cells: Cells, population: Population) -> list[Joined]:
        """What a spike takes off its own cell it gives to the other: that has been told already.

        So are cells of opposite meaning joined in balanced networks (Boerlin, Machens and Denève
        2013); without it, one cell's membrane would know nothing of what the other has fired.
        """
        joined, following = self.joined_partners(cells, population), self.turns.following
        told = [joined.on_pre] if joined.on_pre else []
        if following(population.name):
            membrane = membrane_of(self.context, population.name)
            told += membrane.to_partner(self.when.during(following(population.name)))
            self.when.tell(joined)
        joined.on_pre = "\n".join(told) or None
        return [joined] if joined.on_pre else []


def signalling_of(context: Context) -> Signalling:
    """How cells of a context signal."""
    return Spikes(context) if context.spikes else Settled(context)
