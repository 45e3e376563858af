"""How a cell's activity reaches its synapses: as a settled rate, or as spikes of either kind.

All else in the equations is the same for the three.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from oneway.circuits import PHI, Population

from ..brian.model import Cells, Flag, Joined
from ..parameters import SpikingParameters
from .activations import phi
from .context import Context

# What cells count their spikes in that they fire at this part of the greatest rate or more.
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


class Dynamics(ABC):
    """One of the three dynamics.

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
    def sum_up(self, cells: Cells, total: str, driven: str | None) -> None:
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

    def relay(self, joined: Joined, pre: str, post: str) -> None:
        """Let cells fire whenever the one that they mimic has fired."""
        raise NotImplementedError(f"{self.context.dynamics} cells take over activity, not spikes")

    def excite(self, activation: str) -> str:
        """What a cell makes of its input."""
        return phi(activation, "input")


class Settled(Dynamics):
    """No spikes: activity passes on as it is, one synapse further each step."""

    def arrive(
        self, cells: Cells, variable: str, filtered: str, rest: str | None, driven: str | None
    ) -> None:
        cells.add(variable)

    def sum_up(self, cells: Cells, total: str, driven: str | None) -> None:
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
        sent = f"({pulse.sent}_pre - ({pulse.about}))" if pulse.about else f"{pulse.sent}_pre"
        joined.add(f"{variable}_post", f"{strength}{sent}", flag="summed")

    def half(self, own: str) -> str:
        return f"side * clip(side * ({own}), 0, inf)"

    def repeat(self, cells: Cells, relay: Joined, population: str) -> None:
        cells.add("relayed")
        cells.add("own", "relayed")
        cells.add("activity", "own")
        relay.add("relayed_post", "activity_pre", flag="summed")


class Poisson(Dynamics):
    """Each cell fires at random, at a rate that stands for its activity."""

    def arrive(
        self, cells: Cells, variable: str, filtered: str, rest: str | None, driven: str | None
    ) -> None:
        decaying = variable if rest is None else f"({variable} + {rest})"
        holding = "" if driven is None else f"int({driven}) * "
        cells.integrate(variable, f"-{holding}{decaying} / {filtered}")

    def sum_up(self, cells: Cells, total: str, driven: str | None) -> None:
        cells.integrate("input", f"({total} - input) / tau_mem")

    # -- firing ----------------------------------------------------------------------------

    def fire(self, cells: Cells, population: Population) -> None:
        name, path = population.name, self.context.path(population.name)
        self._trace(cells, name, path)
        if self.parameters.refractory > 0:
            cells.refractory = "refractory"
        if self.turns.following(name):
            self._potential(cells, population, path)
        cells.threshold = self._threshold(population)
        side = self._signed(name)
        # `side` may depend on the membrane, which is therefore set back last.
        reset = [f"activity += {side}1 / ({path}_unit * tau_trace)"]
        if self.turns.following(name):
            reset += self._set_back(population)
            reset.append(self._note_limit(cells, path))
        if self.context.paired(name):
            reset += self._choose_side(cells, population)
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

    def _threshold(self, population: Population) -> str:
        """When cells fire that follow their input, fire noise, mimic or sleep in their turn."""
        turns, during, name = self.turns, self.when.during, population.name
        relaying = [phase for phases in turns.mimicking(name).values() for phase in phases]
        text = self._crossing(name) if turns.following(name) else "False"
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

    def _choose_side(self, cells: Cells, population: Population) -> list[str]:
        """Which cell of a pair fires; returns what follows from a spike."""
        turns, either, name = self.turns, self.when.either, population.name
        side = self._side() if turns.following(name) else "0"
        after = []
        if turns.noisy(name):
            # Drawn after each spike, for the next one.
            cells.add("coin", start=np.where(np.arange(population.size) % 2, -1.0, 1.0))
            side = either(turns.noisy(name), "coin", side)
            after.append("coin = 2 * int(rand() < 0.5) - 1")
        latched: Flag = ""
        for phases in turns.mimicking(name).values():
            cells.add("heard_side")
            side = either(phases, "heard_side", side)
            latched = "constant over dt"  # what is heard now is for the next step
        cells.add("side", side, flag=latched)
        return after

    def _potential(self, cells: Cells, population: Population, path: str) -> None:
        cells.add("rate", self._rate(f"{path}_unit * own"), unit="Hz")

    def _rate(self, own: str) -> str:
        """The rate of cells: about the baseline, if they have one."""
        return f"clip(baseline + {own}, 0 * Hz, max_rate)" if self.context.about_baseline else own

    def _crossing(self, name: str) -> str:
        rate = "side * rate" if self.context.apart(name) else "abs(rate)"
        # The more often while a cell is not refractory: half the time at half the greatest rate.
        rate = f"clip({rate}, 0 * Hz, max_rate)"
        return f"rand() < {rate} / (1 - dead_time * {rate}) * dt"

    def _side(self) -> str:
        return "sign(own)"

    def _set_back(self, population: Population) -> list[str]:
        """What a spike does to the membrane of its cell."""
        return []

    def _note_limit(self, cells: Cells, path: str) -> str:
        """Count spikes of a cell that fires about as fast as it can, so that more is not said."""
        cells.add(LIMITED, comment="spikes near the greatest rate")
        most = f"{NEAR_LIMIT} * max_rate / {path}_unit"
        resting = f" + {path}_rest" if self.context.about_baseline else ""
        return f"{LIMITED} += int(abs(activity{resting}) > {most})"

    # -- synapses --------------------------------------------------------------------------

    def transmit(self, joined: Joined, variable: str, pulse: Pulse) -> None:
        side = "side_pre * " if pulse.signed and self.context.sided(pulse.pre) else ""
        kick = f"{pulse.strength or 1} / ({self.context.path(pulse.pre)}_unit * {pulse.filtered})"
        joined.on_pre = f"{variable}_post += {side}{kick}"

    def relay(self, joined: Joined, pre: str, post: str) -> None:
        joined.on_pre = "heard_post = t"
        if self.context.paired(post):
            joined.on_pre += f"\nheard_side_post = {'side_pre' if self.context.paired(pre) else 1}"


class Spiking(Poisson):
    """Leaky integrate-and-fire cells, on the current that makes them fire at their rate.

    A cell whose voltage leaks with τ towards θ c above rest, and which a spike sets back by θ,
    fires every T = τ ln(c / (c − 1)); so c = 1 / (1 − exp(−T / τ)), which is 1 for rate 0 and
    approaches τ / T + 1/2.
    """

    def sum_up(self, cells: Cells, total: str, driven: str | None) -> None:
        cells.add("input", total)

    def excite(self, activation: str) -> str:
        # Below threshold a cell is silent: it rectifies by itself, after its membrane has averaged.
        by_itself = activation == "relu" and not self.context.about_baseline
        return "input" if by_itself else phi(activation, "input")

    def _potential(self, cells: Cells, population: Population, path: str) -> None:
        noise = " + noise * sqrt(2 / tau) * xi" if self.parameters.noise > 0 else ""
        name, sided = population.name, self.context.sided(population.name)
        signed = sided and PHI[population.activation].signed
        tau = "tau_mem_signed" if signed else "tau_mem"
        responding = [
            phase for phase in self.turns.driven(name) if self.turns.circuit.phases[phase].noisy
        ]
        gain = f" * ({self.when.either(responding, 'noise_gain', '1')})" if responding else ""
        if signed:
            toward = "side * " if self.context.apart(name) else ""
            current = f"{toward}{path}_unit * {tau} * own{gain}"
        else:
            cells.add("rate", self._rate(f"{path}_unit * own{gain}"), unit="Hz")
            alive = " / (1 - dead_time * rate)" if self._pauses(cells) else ""
            intervals = f"clip({tau} * rate{alive}, 1e-3, inf)"
            cells.add("intervals", intervals, comment="in a time constant")
            current = f"1 / (1 - exp(-1 / intervals)) + clip({tau} * rate, -3, 0)"
            if responding and not self.context.about_baseline:
                current += f" + {self.when.times_if(responding, 'noise_tone')}"
        cells.add("current", current, comment="in units of the threshold")
        cells.integrate(
            "v",
            f"(v_rest + (v_threshold - v_rest) * current - v) / {tau}{noise.replace('tau', tau)}",
            unit="volt",
            flag="unless refractory" if self._pauses(cells) else "",
            start=_spread(cells.size, self.parameters, signed),
        )

    def _pauses(self, cells: Cells) -> bool:
        """Whether a membrane stands still while its cell is refractory."""
        return bool(cells.refractory) and self.context.about_baseline

    def _crossing(self, name: str) -> str:
        paired = self.context.paired(name)
        return "abs(v - v_rest) > v_threshold - v_rest" if paired else "v > v_threshold"

    def _side(self) -> str:
        return "sign(v - v_rest)"

    def _set_back(self, population: Population) -> list[str]:
        side = "side * " if self.context.paired(population.name) else ""
        by = self._by_threshold(population.name, side)
        return [f"v -= {by}", f"v = {self._bounded('v')}"]

    def _by_threshold(self, name: str, side: str = "") -> str:
        """From threshold to rest, while cells follow their input."""
        return self.when.times_if(self.turns.following(name), f"{side}(v_threshold - v_rest)")

    def _bounded(self, v: str) -> str:
        """What it is behind by, a cell fires later, but it does not fire on and on."""
        bound = "backlog * (v_threshold - v_rest)"
        return f"clip({v}, v_rest - {bound}, v_rest + {bound})"

    def couple(self, cells: Cells, population: Population) -> list[Joined]:
        """What a spike takes off its own cell it gives to the other: that has been told already.

        So are cells of opposite meaning joined in balanced networks (Boerlin, Machens and Denève
        2013); without it, one cell's membrane would know nothing of what the other has fired.
        """
        joined = self.joined_partners(cells, population)
        if self.turns.following(population.name):
            by = f"v_post + {self._by_threshold(population.name)}"
            told = [joined.on_pre] if joined.on_pre else []
            joined.on_pre = "\n".join([*told, f"v_post = {self._bounded(by)}"])
            self.when.tell(joined)
        return [joined] if joined.on_pre else []


def _spread(size: int, p: SpikingParameters, signed: bool) -> np.ndarray:
    """Membranes that start apart, so that cells do not fire in step."""
    low = float(p.v_rest)
    if signed:
        return np.full(size, low)
    return low + (float(p.v_threshold) - low) * (np.arange(size) * 0.618034 % 1)


DYNAMICS: dict[str, type[Dynamics]] = {
    "spiking": Spiking,
    "poisson": Poisson,
    "settled": Settled,
}


def dynamics_of(context: Context) -> Dynamics:
    """How cells of a context fire."""
    return DYNAMICS[context.dynamics](context)
