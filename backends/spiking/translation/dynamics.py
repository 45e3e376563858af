"""How a cell's activity reaches its synapses: as a settled rate, or as spikes of either kind.

All else in the equations is the same for the three.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from oneway.circuits import Population

from ..brian.model import Cells, Joined
from ..parameters import SpikingParameters
from .activations import phi
from .naming import input_of, path_of
from .turns import Turns

SIGNED = ("linear", "tanh", "leaky_relu", "elu")


class Dynamics(ABC):
    """One of the three dynamics.

    Its methods write equations of a cell in terms of a few names: each projection has a variable
    of its own in the target cell, `input` is the sum of drives, `own` what the cell makes of it,
    `activity` what its synapses learn from.
    """

    name: str
    spikes: bool

    def __init__(self, turns: Turns, parameters: SpikingParameters) -> None:
        self.turns, self.parameters = turns, parameters

    @abstractmethod
    def arriving(self, variable: str, filtered: str, rest: str | None, driven: str | None) -> str:
        """The equation of the variable that a projection writes."""

    @abstractmethod
    def membrane(self, total: str, driven: str | None) -> str:
        """The equation of `input`, the sum of what drives a cell."""

    @abstractmethod
    def fire(self, cells: Cells, population: Population, path: str) -> None:
        """Complete a cell: from `own` to `activity` and to what is sent."""

    @abstractmethod
    def transmit(
        self,
        joined: Joined,
        variable: str,
        strength: str | None,
        sent: str,
        filtered: str,
        pre: Population,
        signed: bool = True,
    ) -> None:
        """Let synapses of a strength write the variable of their target cells.

        Parameters
        ----------
        signed : bool
            Whether spikes of a pair's two cells are to count with opposite signs.
        """

    @abstractmethod
    def repeat(self, cells: Cells, relay: Joined, population: Population, path: str) -> None:
        """Complete interneurons, of which each repeats one cell of a population."""

    def paired(self, population: Population) -> bool:
        """Whether a unit has a second cell, which fires for negative activity."""
        return False

    def relay(self, joined: Joined, pre: Population, post: Population) -> None:
        """Let cells fire whenever the one that they mimic has fired."""
        raise NotImplementedError(f"{self.name} cells take over activity, not spikes")

    def excite(self, activation: str) -> str:
        """What a cell makes of its input."""
        return phi(activation, "input")


class Settled(Dynamics):
    """No spikes: activity passes on as it is, one synapse further each step."""

    name, spikes = "settled", False

    def arriving(self, variable: str, filtered: str, rest: str | None, driven: str | None) -> str:
        return f"{variable} : 1"

    def membrane(self, total: str, driven: str | None) -> str:
        holding = "" if driven is None else f"int({driven}) * "
        return f"dinput/dt = {holding}({total} - input) / dt : 1"

    def fire(self, cells: Cells, population: Population, path: str) -> None:
        activity = "own"
        for mimic, phases in self.turns.mimicking(population.name).items():
            projection = self.turns.circuit.projections[mimic]
            activity = self.turns.either(phases, input_of(self.turns.circuit, projection), activity)
        cells.equations.append(f"activity = {activity} : 1")

    def transmit(
        self,
        joined: Joined,
        variable: str,
        strength: str | None,
        sent: str,
        filtered: str,
        pre: Population,
        signed: bool = True,
    ) -> None:
        product = f"{sent}_pre" if strength is None else f"{strength} * {sent}_pre"
        joined.equations.append(f"{variable}_post = {product} : 1 (summed)")

    def repeat(self, cells: Cells, relay: Joined, population: Population, path: str) -> None:
        cells.equations += ["relayed : 1", "own = relayed : 1", "activity = own : 1"]
        relay.equations.append("relayed_post = activity_pre : 1 (summed)")


class Poisson(Dynamics):
    """Each cell fires at random, at a rate that stands for its activity."""

    name, spikes = "poisson", True

    def arriving(self, variable: str, filtered: str, rest: str | None, driven: str | None) -> str:
        decaying = variable if rest is None else f"({variable} + {rest})"
        holding = "" if driven is None else f"int({driven}) * "
        return f"d{variable}/dt = -{holding}{decaying} / {filtered} : 1"

    def membrane(self, total: str, driven: str | None) -> str:
        return f"dinput/dt = ({total} - input) / tau_mem : 1"

    # -- firing ----------------------------------------------------------------------------

    def fire(self, cells: Cells, population: Population, path: str) -> None:
        name = population.name
        self._trace(cells, path)
        if self._about_baseline and self.parameters.refractory > 0:
            cells.refractory = "refractory"
        if self.turns.following(name):
            self._potential(cells, population, path)
        cells.threshold = self._threshold(population)
        side = "side * " if self.paired(population) else ""
        # `side` depends on the membrane, which is therefore set back last.
        reset = [f"activity += {side}1 / ({path}_unit * tau_trace)"]
        if self.turns.following(name):
            reset += self._set_back(population)
        if side:
            reset += self._choose_side(cells, population)
        if self.turns.mimicking(name):
            cells.equations.append("heard : second  # when the cell that it mimics has fired")
            cells.starts["heard"] = -1.0
        cells.reset = "\n".join(reset)

    def repeat(self, cells: Cells, relay: Joined, population: Population, path: str) -> None:
        self._trace(cells, path)
        cells.equations.append("heard : second  # when its cell has fired")
        cells.starts["heard"] = -1.0
        cells.threshold, cells.follows = "abs(t - heard) < dt / 2", True
        side = "side * " if self.paired(population) else ""
        if side:
            cells.equations += ["heard_side : 1", "side = heard_side : 1"]
        cells.reset = f"activity += {side}1 / ({path}_unit * tau_trace)"
        self.relay(relay, population, population)

    def _trace(self, cells: Cells, path: str) -> None:
        resting = f"(activity + {path}_rest)" if self._about_baseline else "activity"
        cells.equations.append(f"dactivity/dt = -{resting} / tau_trace : 1")

    @property
    def _about_baseline(self) -> bool:
        return self.parameters.coding == "baseline"

    def paired(self, population: Population) -> bool:
        """Whether a unit has a second cell, which fires for negative activity.

        The two are one another's mirror image: they share a membrane, and `side` says which of
        them has fired.
        """
        if self._about_baseline:
            return False
        mimics = self.turns.mimicking(population.name)
        sources = [self.turns.circuit.projections[p].pre for p in mimics]
        return (
            bool(self.turns.following(population.name) and population.activation in SIGNED)
            or bool(self.turns.noisy(population.name))
            or any(self.paired(self.turns.circuit.populations[source]) for source in sources)
        )

    def _threshold(self, population: Population) -> str:
        """When cells fire that follow their input, fire noise, mimic or sleep in their turn."""
        turns, name = self.turns, population.name
        relaying = [phase for phases in turns.mimicking(name).values() for phase in phases]
        text = self._crossing(self.paired(population)) if turns.following(name) else "False"
        for phases, inside in (
            (turns.noisy(name), "rand() < hazard * dt"),
            (relaying, "abs(t - dt - heard) < dt / 2"),
        ):
            condition = turns.during(tuple(phases)) if phases else "False"
            if condition is None:
                text = inside
            elif phases:
                text = f"(({condition}) and {inside}) or (not ({condition}) and ({text}))"
        asleep = [phase for phase in turns.names if phase not in turns.awake(name)]
        return f"not ({turns.during(asleep)}) and ({text})" if asleep else text

    def _choose_side(self, cells: Cells, population: Population) -> list[str]:
        """Which cell of a pair fires; returns what follows from a spike."""
        turns, name = self.turns, population.name
        side = self._side() if turns.following(name) else "0"
        after = []
        if turns.noisy(name):
            # Drawn after each spike, for the next one.
            cells.equations.append("coin : 1")
            cells.starts["coin"] = np.where(np.arange(population.size) % 2, -1.0, 1.0)
            side = turns.either(turns.noisy(name), "coin", side)
            after.append("coin = 2 * int(rand() < 0.5) - 1")
        latched = ""
        for phases in turns.mimicking(name).values():
            cells.equations.append("heard_side : 1")
            side = turns.either(phases, "heard_side", side)
            latched = " (constant over dt)"  # what is heard now is for the next step
        cells.equations.append(f"side = {side} : 1{latched}")
        return after

    def _potential(self, cells: Cells, population: Population, path: str) -> None:
        rate = f"{path}_unit * own"
        if self._about_baseline:
            rate = f"clip(baseline + {rate}, 0 * Hz, max_rate)"
        cells.equations.append(f"rate = {rate} : Hz")

    def _crossing(self, paired: bool) -> str:
        return f"rand() < {'abs(rate)' if paired else 'rate'} * dt"

    def _side(self) -> str:
        return "sign(own)"

    def _set_back(self, population: Population) -> list[str]:
        """What a spike does to the membrane of its cell."""
        return []

    # -- synapses --------------------------------------------------------------------------

    def transmit(
        self,
        joined: Joined,
        variable: str,
        strength: str | None,
        sent: str,
        filtered: str,
        pre: Population,
        signed: bool = True,
    ) -> None:
        side = "side_pre * " if signed and self.paired(pre) else ""
        kick = f"{strength or 1} / ({path_of(pre)}_unit * {filtered})"
        joined.on_pre = f"{variable}_post += {side}{kick}"

    def relay(self, joined: Joined, pre: Population, post: Population) -> None:
        joined.on_pre = "heard_post = t"
        if self.paired(post):
            joined.on_pre += f"\nheard_side_post = {'side_pre' if self.paired(pre) else 1}"


class Spiking(Poisson):
    """Leaky integrate-and-fire cells, on the current that makes them fire at their rate.

    A cell whose voltage leaks with τ towards θ c above rest, and which a spike sets back by θ,
    fires every T = τ ln(c / (c − 1)); so c = 1 / (1 − exp(−T / τ)), which is 1 for rate 0 and
    approaches τ / T + 1/2.
    """

    name = "spiking"

    def membrane(self, total: str, driven: str | None) -> str:
        return f"input = {total} : 1"

    def excite(self, activation: str) -> str:
        # Below threshold a cell is silent: it rectifies by itself, after its membrane has averaged.
        by_itself = activation == "relu" and not self._about_baseline
        return "input" if by_itself else phi(activation, "input")

    def _potential(self, cells: Cells, population: Population, path: str) -> None:
        noise = " + noise * sqrt(2 / tau) * xi" if self.parameters.noise > 0 else ""
        resting = " (unless refractory)" if cells.refractory else ""
        signed = self.paired(population) and population.activation in SIGNED
        tau = "tau_mem_signed" if signed else "tau_mem"
        responding = [
            name
            for name in self.turns.driven(population.name)
            if self.turns.circuit.phases[name].noisy
        ]
        gain = f" * ({self.turns.either(responding, 'noise_gain', '1')})" if responding else ""
        if signed:
            current = f"{path}_unit * {tau} * own{gain}"
        else:
            rate = f"{path}_unit * own{gain}"
            if self._about_baseline:
                rate = f"clip(baseline + {rate}, 0 * Hz, max_rate)"
            cells.equations.append(f"rate = {rate} : Hz")
            alive = " / (1 - dead_time * rate)" if cells.refractory else ""
            cells.equations.append(
                f"intervals = clip({tau} * rate{alive}, 1e-3, inf) : 1  # in a time constant"
            )
            current = f"1 / (1 - exp(-1 / intervals)) + clip({tau} * rate, -3, 0)"
            if responding and not self._about_baseline:
                current += f" + {self.turns.times_if(responding, 'noise_tone')}"
        cells.equations += [
            f"current = {current} : 1  # in units of the threshold",
            f"dv/dt = (v_rest + (v_threshold - v_rest) * current - v) / {tau}"
            f"{noise.replace('tau', tau)} : volt{resting}",
        ]
        cells.starts["v"] = _spread(population.size, self.parameters, signed)

    def _crossing(self, paired: bool) -> str:
        return "abs(v - v_rest) > v_threshold - v_rest" if paired else "v > v_threshold"

    def _side(self) -> str:
        return "sign(v - v_rest)"

    def _set_back(self, population: Population) -> list[str]:
        side = "side * " if self.paired(population) else ""
        back = f"{side}(v_threshold - v_rest)"
        return [f"v -= {self.turns.times_if(self.turns.following(population.name), back)}"]


def _spread(size: int, p: SpikingParameters, signed: bool) -> np.ndarray:
    """Membranes that start apart, so that cells do not fire in step."""
    low = float(p.v_rest)
    if signed:
        return np.full(size, low)
    return low + (float(p.v_threshold) - low) * (np.arange(size) * 0.618034 % 1)


DYNAMICS: dict[str, type[Dynamics]] = {kind.name: kind for kind in (Spiking, Poisson, Settled)}
