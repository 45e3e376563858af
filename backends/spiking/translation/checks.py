"""What cannot be translated says so, and what to use instead."""

from __future__ import annotations

from collections.abc import Collection

from brian2 import ms

from oneway.circuits import PHI, Phase, Projection, Signal, WiringError

from .context import Context
from .pairing import check_pairs
from .plasticity import needs_slope
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
        if population.norm is not None:
            _check_norm(turns, f"population {population.name!r}", turns.names)
        _check_held(turns, population.name)
        if population.learns is not None and turns.data:
            when = turns.reading.learning_phase(population) or ""
            _check_signal(context, f"population {population.name!r}", population.learns, when)
        if context.spikes:
            _check_gates(context, population.name)
            _check_apical(context, population.name)
            _check_constants(context, population.name)
    if context.spikes:
        for phase in turns.phases:
            _check_noise(turns, phase)
    for p in turns.select():
        if p.norm is not None:
            _check_norm(turns, p.label, p.phases)
        if p.role in ("mimic", "teach") and context.spikes:
            _check_own_spikes(turns, p)
        if context.relayed(p):
            _check_relay(context, p)
    for p in circuit.projections.values():
        if turns.learns(p):
            _check_plasticity(context, p)
    for p in turns.select():
        if p.delay:
            _check_delay(context, p)
        if context.splits(p):
            _check_split(context, p)
    if context.holding.apart:
        _check_apart(context)
    turns.reading.check(turns.names)


def _check_apart(context: Context) -> None:
    """What pairs whose cells share nothing cannot do."""
    turns, instead = context.turns, "Use pairs = 'shared'"
    if context.about_baseline:
        raise WiringError(
            "pairs = 'independent' with coding = 'baseline': there are no pairs, since each unit "
            f"is one cell. {instead}, or coding = 'push_pull'"
        )
    for p in turns.select():
        ends = context.apart(p.pre), context.apart(p.post)
        if p.weights is not None and p.weights.kind != "independent":
            raise WiringError(
                f"{p.label}: its weights are {p.weights.kind} to those of {p.weights.to!r}, but "
                "where no two synapses share a weight each has its own. Let its weights be "
                f"independent, with a rule without weight transport. {instead}"
            )
        if context.pairs(p).branch is not None and any(ends):
            raise WiringError(
                f"{p.label}: {type(p.connector).__name__} lets only the strongest of several units "
                "count, which no cell of a pair knows alone. Use an AveragePoolConnector. "
                f"{instead}"
            )
        if p.name in turns.mimicking(p.post) and ends == (True, False):
            raise WiringError(
                f"{p.label}: {p.pre!r} has cells for both signs, and {p.post!r}, which mimics it, "
                f"for one ({context.circuit.populations[p.post].activation}). {instead}"
            )
        if p.role == "gate" and not context.spikes and context.told(p) != "own":
            raise WiringError(
                f"{p.label}: to work out φ′ its cells need more of {p.pre!r} than its two cells "
                f"send. {instead}"
            )


def _check_norm(turns: Turns, owner: str, phases: Collection[str]) -> None:
    acting = [name for name in turns.names if name in phases and turns.reading.normalises(name)]
    if acting:
        raise WiringError(
            f"{owner}: its BatchNorm has no spiking translation in phase {acting[0]!r}, because a "
            "mean over a batch is not at hand in a cell. Build the circuit with norm='none' "
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


def _check_held(turns: Turns, name: str) -> None:
    """A cell that holds its activity holds its input; gates must not move on meanwhile."""
    reading = turns.reading
    gated = any(turns.select(role="gate", post=name))
    for phase in turns.data_phases if gated and not turns.together else ():
        held = reading.when(name, phase)
        for gate in reading.gates(name, held) if held != phase else ():
            if reading.when(gate.pre, phase) != reading.when(gate.pre, held):
                raise WiringError(
                    f"{gate.label}: {name!r} holds its activity in phase {phase!r}, but "
                    f"{gate.pre!r} does not, and the gate would go on. Let {name!r} be driven in "
                    f"{phase!r} too, {_RATE}"
                )


def _check_signal(context: Context, owner: str, signal: Signal, phase: str) -> None:
    if signal.centred != "batch":
        return
    if phase in context.turns.data_phases:
        raise WiringError(
            f"{owner}: centred = 'batch' in phase {phase!r}, but samples come one after another "
            "where data drives the circuit, and a cell knows no mean over a batch. Leave it out "
            f"(centred = 'no'), {_RATE}"
        )
    if signal.kind != "activity" or signal.gated:
        raise WiringError(
            f"{owner}: centred = 'batch' of a signal of kind {signal.kind!r}, gated = "
            f"{signal.gated}, in phase {phase!r}, but a cell knows the mean of its own activity "
            f"alone. Let it learn from that, {_RATE}"
        )


def _check_gates(context: Context, name: str) -> None:
    """What spikes carry is a cell's own activity: not what gates leave out, nor its input."""
    turns, populations = context.turns, context.circuit.populations
    for gate in turns.select(role="gate", post=name):
        told = "own" if PHI[gate.derivative or "linear"].linear else context.told(gate)
        if told != "own":
            why = "is gated itself" if told == "excited" else "has a φ that is not monotone"
            raise WiringError(
                f"{gate.label}: to work out φ′ its cells need more of {gate.pre!r} than its spikes "
                f"carry, since that {why} ({populations[gate.pre].activation}). Use dynamics = "
                f"'settled', {_RATE}"
            )
    if needs_slope(context, populations[name]) and context.excitation(name) == "excited":
        raise WiringError(
            f"population {name!r}: its synapses learn from signals times its own φ′, but its "
            f"spikes are gated. Use dynamics = 'settled', {_RATE}"
        )


def _check_constants(context: Context, name: str) -> None:
    """What is stated of cells is read by their equations."""
    if not context.turns.following(name):
        return
    model = context.model_of(name)
    for constant in context.varied.get(name, {}):
        if constant not in model.reads | {"tau_syn"}:
            raise WiringError(
                f"heterogeneous {constant!r} of {name!r}: the equations of its cells (dynamics "
                f"{model.name!r}) do not read it. They read "
                f"{', '.join(sorted(model.reads & set(context.constants)))}"
            )
    if context.parameters.noise > 0 and model is context.dynamics and "noise" not in model.reads:
        raise WiringError(
            f"noise = {context.parameters.noise}, but the equations of dynamics {model.name!r} do "
            "not read it. Add `+ noise * sqrt(2 / tau_mem) * xi` to a membrane's, or make a "
            "dynamics that ships from the network's parameters, as in adaptive(parameters)"
        )


def _check_apical(context: Context, name: str) -> None:
    """An apical compartment adds up all that arrives: it tells one teacher from no other."""
    teaches = [p for p in context.turns.select(role="teach", post=name)]
    if len(teaches) > 1 and context.taught_in(name):
        raise WiringError(
            f"population {name!r} is taught by {' and '.join(p.pre for p in teaches)}, but the "
            f"apical compartment of dynamics {context.model} adds up what arrives there, and "
            "synapses could not learn from one of them. Use dynamics = 'spiking'"
        )


def _check_noise(turns: Turns, phase: Phase) -> None:
    """Spikes code deviations: their mean is a parameter of cells, and their size another."""
    if phase.noise_std != 1 and phase.noisy:
        raise WiringError(
            f"phase {phase.name!r}: noise_std = {phase.noise_std:g}, but cells that spike fire "
            "noise at their baseline, whose deviation counts as 1. Leave it at 1, and set "
            "SpikingParameters(noise_deviation=...)"
        )
    if phase.noise_mean == 0:
        return
    learning = [
        signal
        for p in turns.circuit.projections.values()
        if p.plasticity is not None and p.plasticity.phase == phase.name
        for _, signal in p.factors
    ]
    if not phase.noisy or any(signal.centred == "no" for signal in learning):
        raise WiringError(
            f"phase {phase.name!r}: noise_mean = {phase.noise_mean:g}, but cells that spike code "
            "deviations from a baseline of their own. Leave it at 0, or let the synapses that "
            f"learn there learn from centred signals, {_RATE}"
        )


def _check_plasticity(context: Context, p: Projection) -> None:
    plasticity = p.plasticity
    assert plasticity is not None
    if plasticity.pre.kind == "synaptic":
        raise WiringError(
            f"{p.label}: its synapses learn from what {plasticity.pre.source!r} brings to each of "
            "them, but a spiking cell has one trace of what it is taught, not one a synapse. Let "
            f"{p.pre!r} mimic {plasticity.pre.source!r} in a phase of its own, {_RATE}"
        )
    phase = context.circuit.phases[plasticity.phase]
    for signal in (plasticity.pre, plasticity.post):
        _check_signal(context, p.label, signal, phase.name)
    alone = plasticity.rate is not None and plasticity.decay is None
    if alone or (phase.noisy and plasticity.rate is None):
        raise WiringError(
            f"{p.label}: rate = {plasticity.rate}, decay = {plasticity.decay}. There is no "
            "optimizer here whose weight decay could be meant: give its Plasticity both"
        )
    if plasticity.window is not None:
        check_pairs(context, p)
        return
    if not phase.noisy:
        return
    if plasticity.reduction != "mean":
        raise WiringError(
            f"{p.label}: reduction {plasticity.reduction!r}, expected 'mean': where noise drives "
            "the circuit there is no batch to sum over"
        )


def _check_delay(context: Context, p: Projection) -> None:
    dt = context.parameters.dt
    if abs(p.delay * ms - context.delay_steps(p) * dt) > 1e-6 * dt:
        raise WiringError(
            f"{p.label}: delay = {p.delay:g} ms, which is no multiple of the time step dt = {dt}. "
            "Round it, or choose another dt"
        )
    if context.starts_at_rest:
        raise WiringError(
            f"{p.label}: delay = {p.delay:g} ms, but with presentation = 'trials' each sample "
            "begins at rest, and spikes on their way cannot be called back. Use 'sequence'"
        )


def _check_split(context: Context, p: Projection) -> None:
    pairs, kind = context.pairs(p), type(p.connector).__name__
    if pairs.shared:
        raise WiringError(
            f"{p.label}: under Dale's law each synapse needs a weight of its own, and those of "
            f"{kind} are shared. Use shared=False (--unshared) with it"
        )
    if pairs.branch is not None:
        raise WiringError(
            f"{p.label}: {kind} lets only the strongest of several cells count, which has no "
            "translation under Dale's law where cells stand for both signs. Use an "
            "AveragePoolConnector, or leave dale out"
        )
