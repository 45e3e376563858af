"""The dynamics that ship, each a `Dynamics` as a user would write it.

They are functions of the parameters, since a membrane without noise is to draw no random numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import log

from brian2 import Quantity, ms, mV

from .dynamics import Dynamics
from .parameters import SpikingParameters

SETTLED = "settled"
# What it is behind by, a cell fires later, but it does not fire on and on.
_BOUND = "backlog * (v_threshold - v_rest)"
_WITHIN = f"v = clip(v, v_rest - {_BOUND}, v_rest + {_BOUND})"
# Swings of the input make a cell late by a spike or two; by more only an input that lasts does.
_BEHIND = "abs(v - v_rest) > 4 * (v_threshold - v_rest)"


def leaky(parameters: SpikingParameters | None = None) -> Dynamics:
    """Leaky integrate-and-fire cells, on the current that makes them fire at their rate.

    A cell whose voltage leaks with τ towards θ c above rest, and which a spike sets back by θ,
    fires every T = τ ln(c / (c − 1)); so c = 1 / (1 − exp(−T / τ)), which is 1 for rate 0 and
    approaches τ / T + 1/2.
    """
    p = parameters or SpikingParameters()
    return Dynamics(
        "spiking",
        _leaky(p),
        reset=f"v -= v_threshold - v_rest\n{_WITHIN}",
        refractory=_refractory(p),
        start={"v": ("v_rest", "v_threshold")},
        pairs=leaky_pair(p),
        halves=leaky_half(p),
        limit=_BEHIND,
    )


def _leaky(p: SpikingParameters, more: str = "") -> str:
    alive = " / (1 - dead_time * rate)" if _pauses(p) else ""
    current = "1 / (1 - exp(-1 / intervals)) + clip(tau_mem * rate, -3, 0) + tone"
    return f"""
        intervals = clip(tau_mem * rate{alive}, 1e-3, inf) : 1  # in a time constant
        current = {current} : 1  # in units of the threshold
        {_membrane(p, f"v_rest + (v_threshold - v_rest) * current{more} - v")}
        """


def leaky_pair(parameters: SpikingParameters | None = None) -> Dynamics:
    """Two cells that share a leaky membrane: one fires at the threshold, one at minus that."""
    p = parameters or SpikingParameters()
    return Dynamics(
        "pair",
        f"""
        current = unit * tau_mem_signed * own : 1  # in units of the threshold
        {_membrane(p, "v_rest + (v_threshold - v_rest) * current - v", "tau_mem_signed")}
        """,
        threshold="abs(v - v_rest) > v_threshold - v_rest",
        reset=f"v -= side * (v_threshold - v_rest)\n{_WITHIN}",
        refractory=_refractory(p),
        start={"v": "v_rest"},
        limit=_BEHIND,
        side="sign(v - v_rest)",
    )


def leaky_half(parameters: SpikingParameters | None = None) -> Dynamics:
    """One of two cells of a pair, with a leaky membrane of its own, which fires for one sign."""
    p = parameters or SpikingParameters()
    return Dynamics(
        "half",
        f"""
        current = side * unit * tau_mem_signed * own : 1  # in units of the threshold
        {_membrane(p, "v_rest + (v_threshold - v_rest) * current - v", "tau_mem_signed")}
        """,
        reset=f"v -= v_threshold - v_rest\n{_WITHIN}",
        refractory=_refractory(p),
        start={"v": "v_rest"},
        limit=_BEHIND,
        partner=f"v = clip(v + v_threshold - v_rest, v_rest - {_BOUND}, v_rest + {_BOUND})",
    )


def poisson(parameters: SpikingParameters | None = None) -> Dynamics:
    """Each cell fires at random, at a rate that stands for its activity."""
    p = parameters or SpikingParameters()
    # The more often while a cell is not refractory: half the time at half the greatest rate.
    chance = "rand() < {rate} / (1 - dead_time * {rate}) * dt"
    single = Dynamics(
        "poisson",
        threshold=chance.format(rate="clip(abs(rate), 0 * Hz, max_rate)"),
        reset="",
        refractory=_refractory(p),
        rectifies=False,
        tau_input="tau_mem",
        gain=False,
        limit="abs(rate) > max_rate",
    )
    half = chance.format(rate="clip(side * rate, 0 * Hz, max_rate)")
    return replace(
        single, pairs=replace(single, side="sign(own)"), halves=replace(single, threshold=half)
    )


def adaptive(
    parameters: SpikingParameters | None = None,
    adaptation: float = 0.1,
    tau_adaptation: Quantity = 100 * ms,
) -> Dynamics:
    """Leaky integrate-and-fire cells that every spike makes harder to excite for a while.

    Parameters
    ----------
    adaptation : float
        By how much a spike raises the current that the cell needs, in units of the threshold.
    tau_adaptation : second
        How that fades.
    """
    p = parameters or SpikingParameters()
    most = float((p.tau_mem + adaptation * tau_adaptation) * p.max_rate) + 2
    return Dynamics(
        "adaptive",
        f"""
        dadapted/dt = -adapted / tau_adaptation : 1  # in units of the threshold
        {_membrane(p, "v_rest + (v_threshold - v_rest) * (drive + tone - adapted) - v")}
        """,
        reset=f"v -= v_threshold - v_rest\n{_WITHIN}\nadapted += adaptation",
        refractory=_refractory(p),
        limit=_BEHIND,
        constants={"adaptation": adaptation, "tau_adaptation": tau_adaptation},
        start={"v": ("v_rest", "v_threshold")},
        drive=(-3.0, most),
    )


def conductance(
    parameters: SpikingParameters | None = None,
    e_excitatory: Quantity = 0 * mV,
    e_inhibitory: Quantity = -80 * mV,
) -> Dynamics:
    """Integrate-and-fire cells whose input opens channels, in units of the leak conductance.

    Input above zero opens excitatory ones, input below inhibitory ones; the more are open, the
    faster the membrane.

    Parameters
    ----------
    e_excitatory, e_inhibitory : volt
        Their reversal potentials.
    """
    p = parameters or SpikingParameters()
    # Far above threshold a cell fires (1 + g) / (τ ln((E − v_rest) / (E − θ))) times a second; many
    # more channels would be too fast for a step.
    way = log(float((e_excitatory - p.v_rest) / (e_excitatory - p.v_threshold)))
    most = 1.2 * way * float(p.tau_mem * p.max_rate) + 2
    return Dynamics(
        "conductance",
        f"""
        g_excitatory = clip(drive + tone, 0, inf) : 1  # in units of the leak
        g_inhibitory = clip(-drive - tone, 0, inf) : 1
        excitation = g_excitatory * (e_excitatory - v) : volt
        inhibition = g_inhibitory * (e_inhibitory - v) : volt
        {_membrane(p, "v_rest - v + excitation + inhibition")}
        """,
        refractory=_refractory(p),
        constants={"e_excitatory": e_excitatory, "e_inhibitory": e_inhibitory},
        start={"v": ("v_rest", "v_threshold")},
        drive=(-1.0, most),
    )


def two_compartment(
    parameters: SpikingParameters | None = None,
    coupling: float = 0.0,
    tau_apical: Quantity = 10 * ms,
) -> Dynamics:
    """Leaky cells with an apical compartment, which is where errors arrive.

    Drives arrive at the basal compartment, which fires. What a cell is taught polarises the apical
    one: an error of 1, the activity being too high, by the threshold below rest. Synapses onto the
    cell learn from that potential.

    Parameters
    ----------
    coupling : float
        How much of the apical potential the basal compartment feels; 0 is none.
    tau_apical : second
        Membrane of the apical compartment.
    """
    p = parameters or SpikingParameters()
    basal = leaky(p)
    return Dynamics(
        "two_compartment",
        _leaky(p, " + felt")
        + """
        felt = coupling * (v_apical - v_rest) : volt  # of the apical compartment
        dv_apical/dt = (v_rest - (v_threshold - v_rest) * taught - v_apical) / tau_apical : volt
        """,
        reset=basal.reset,
        refractory=basal.refractory,
        limit=basal.limit,
        constants={"coupling": coupling, "tau_apical": tau_apical},
        start={**basal.start, "v_apical": "v_rest"},
        apical="(v_rest - v_apical) / (v_threshold - v_rest)",
    )


def _refractory(p: SpikingParameters) -> str:
    return "refractory" if p.refractory > 0 * ms else ""


def _pauses(p: SpikingParameters) -> bool:
    """Whether a membrane stands still while its cell is refractory."""
    return bool(_refractory(p)) and p.coding == "baseline"


def _membrane(p: SpikingParameters, towards: str, tau: str = "tau_mem") -> str:
    """The equation of `v`, with noise where there is some."""
    noise = f" + noise * sqrt(2 / {tau}) * xi" if p.noise > 0 * mV else ""
    flag = " (unless refractory)" if _pauses(p) else ""
    return f"dv/dt = ({towards}) / {tau}{noise} : volt{flag}"


DYNAMICS: dict[str, Callable[[SpikingParameters], Dynamics]] = {
    "spiking": leaky,
    "poisson": poisson,
    "adaptive": adaptive,
    "conductance": conductance,
    "two_compartment": two_compartment,
}
NAMES = (*DYNAMICS, SETTLED)


def dynamics_named(dynamics: str | Dynamics, parameters: SpikingParameters) -> Dynamics | None:
    """The cell model; None where cells do not spike."""
    if isinstance(dynamics, Dynamics):
        return dynamics
    return None if dynamics == SETTLED else DYNAMICS[dynamics](parameters)
