"""What cannot be translated says so, and what to use instead."""

from __future__ import annotations

from oneway.circuits import Population, Projection, WiringError

from .context import Context
from .turns import Turns

_RATE = "or run it as rates: backends.rate.RateNetwork"


def check_translatable(context: Context) -> None:
    """Raise `WiringError` at the first element that has no translation in these phases."""
    circuit, turns = context.circuit, context.turns
    if turns.data and len(circuit.inputs) != 1:
        raise WiringError(
            f"circuit {circuit.name!r} has input populations {[p.name for p in circuit.inputs]}, "
            "expected exactly one; let one input drive them all"
        )
    for population in turns.populations.values():
        _check_population(turns, population)
    for p in turns.select():
        _check_norm(turns, p)
        if p.role in ("mimic", "teach") and context.spikes:
            _check_own_spikes(turns, p)
        if context.relayed(p):
            _check_relay(context, p)
    for p in circuit.projections.values():
        if turns.learns(p):
            _check_plasticity(turns, p)
    for p in turns.select():
        if context.splits(p):
            _check_split(context, p)


def _normalised(turns: Turns) -> list[str]:
    return [phase.name for phase in turns.phases if not phase.norm_blocked]


def _check_population(turns: Turns, population: Population) -> None:
    if population.norm is not None and _normalised(turns):
        raise WiringError(
            f"population {population.name!r}: its BatchNorm has no spiking translation in phase "
            f"{_normalised(turns)[0]!r}, because a mean over a batch is not at hand in a cell. "
            f"Build the circuit with norm='none', {_RATE}"
        )


def _check_norm(turns: Turns, p: Projection) -> None:
    acting = [name for name in _normalised(turns) if name in p.phases]
    if p.norm is not None and acting:
        raise WiringError(
            f"{p.label}: its BatchNorm has no spiking translation in phase {acting[0]!r}, because "
            "a mean over a batch is not at hand in a cell. Build the circuit with norm='none' "
            f"(builder strings: norm=none), {_RATE}"
        )


def _check_own_spikes(turns: Turns, p: Projection) -> None:
    for phase in p.phases:
        if any(phase in relayed for relayed in turns.mimicking(p.pre).values()):
            raise WiringError(
                f"{p.label}: in phase {phase!r} {p.pre!r} itself mimics another population: "
                f"the spikes it sends are not its own. Let {p.post!r} hear that one instead"
            )


def _check_relay(context: Context, p: Projection) -> None:
    if context.pairs(p).branch is not None:
        pre, post = (context.circuit.populations[end].shape for end in (p.pre, p.post))
        raise WiringError(
            f"{p.label}: {type(p.connector).__name__} takes the strongest of several cells, from "
            f"{pre} to {post}, but a spiking cell relays one cell's spikes. Use populations of "
            f"equal size, or a mimicked one that repeats to fit, {_RATE}"
        )


def _check_plasticity(turns: Turns, p: Projection) -> None:
    plasticity = p.plasticity
    assert plasticity is not None
    if plasticity.pre.kind == "synaptic":
        raise WiringError(
            f"{p.label}: its synapses learn from what {plasticity.pre.source!r} brings to each of "
            "them, but a spiking cell has one trace of what it is taught, not one a synapse. Let "
            f"{p.pre!r} mimic {plasticity.pre.source!r} (asap,signals=neuron), {_RATE}"
        )
    phase = turns.circuit.phases[plasticity.phase]
    for end in (p.pre, p.post):
        if end not in turns.populations or phase.name not in turns.awake(end):
            raise WiringError(
                f"{p.label}: learns in phase {phase.name!r}, in which {end!r} is silent. Let "
                f"{end!r} mimic a population that fires there, or drive it"
            )
    if not phase.noisy:
        return
    if plasticity.rate is None or plasticity.decay is None:
        raise WiringError(
            f"{p.label}: rate = {plasticity.rate}, decay = {plasticity.decay}. There is no "
            "optimizer where noise drives the circuit: give its Plasticity both"
        )
    if plasticity.reduction != "mean":
        raise WiringError(
            f"{p.label}: reduction {plasticity.reduction!r}, expected 'mean': where noise drives "
            "the circuit there is no batch to sum over"
        )


def _check_split(context: Context, p: Projection) -> None:
    pairs, kind = context.pairs(p), type(p.connector).__name__
    if pairs.shared:
        raise WiringError(
            f"{p.label}: under Dale's law each synapse needs a weight of its own, and those of "
            f"{kind} are shared. Use shared=False (--unshared) with it"
        )
    if p.weights is not None and p.weights.kind == "sign-tied":
        raise WiringError(
            f"{p.label}: its weights are signs of {p.weights.to!r} times a constant, which have no "
            "translation under Dale's law. Use independent weights, or leave dale out"
        )
    if pairs.branch is not None:
        raise WiringError(
            f"{p.label}: {kind} lets only the strongest of several cells count, which has no "
            "translation under Dale's law where cells stand for both signs. Use an "
            "AveragePoolConnector, or leave dale out"
        )
