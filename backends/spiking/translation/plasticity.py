"""Plasticity statements as products of signals at a synapse's own two cells."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from oneway.circuits import (
    PHI,
    Plasticity,
    Population,
    Projection,
    Signal,
    WiringError,
    postsynaptic,
    set_point,
)

from ..brian.model import EXCITATORY, INHIBITORY, WHOLE, Cells, Joined, ModelGroup
from .context import Context
from .lesions import intact, times

_HALF = {WHOLE: "", EXCITATORY: "0.5 * ", INHIBITORY: "-0.5 * "}
# Strengths are added up anew before anything changes. Weights and biases that are shared decay and
# scale once, before each of those who share them learns.
_FORGET, _ADD, _DECAY, _LEARN = -3, -2, -1, 0


def learn_weights(
    context: Context, p: Projection, joined: Joined, owner: ModelGroup, part: str = WHOLE
) -> list[Cells]:
    """Δw = −η · post ⊗ pre − λ w + λ_s w (1 − Σ|w| / Σ₀), some of it at every tick of its phase.

    Of synapses that only excite or only inhibit, each do half of it, and end at zero.

    Parameters
    ----------
    owner : ModelGroup
        The group that holds the weights: the synapses themselves, or one that they share.

    Returns
    -------
    list of Cells
        What it takes more of: where strengths are those of a channel, the cells that hold them.
    """
    plasticity = p.plasticity
    assert plasticity is not None
    product = _HALF[part] + _product(context, p, plasticity, joined, owner)
    learn = _change(context, p, joined)
    more, scaling = _scaling(context, p, joined, owner, part)
    if context.tallying:
        owner.tally("change", ("weights", p.name), part)
        if owner is not joined:
            joined.refer("change", owner.name, index="shared")
        joined.at_tick(f"change += {learn} * {product}")
        if scaling:
            # As a gradient, which counts one batch once and is multiplied by −η.
            part_of = f"{_change(context, p, owner)} * {owner.refer('share')}"
            owner.at_tick(f"change -= {part_of} / {plasticity.rate!r} * w * {scaling}")
        return more
    step = f"{learn} * {_stated(context, p, 'rate', joined)} * {product}"
    decay = _stated(context, p, "decay", owner)
    lost = f"({decay} - {scaling})" if scaling else decay
    leak = f"{learn} * {lost} * w"
    if owner is joined:
        whole = f"-{step} - {leak}"
        joined.at_tick(
            f"step = {whole if part == WHOLE else f'clip({whole}, -w, inf)'}",
            "w += step",
            *_keep_up_with_rest(context, p, "step", part),
        )
        return more
    _change(context, p, owner)
    owner.at_tick(f"w -= {leak}", order=_DECAY)
    up = _keep_up_with_rest(context, p, f"(step - {leak} / (1 - {learn} * {decay}))")
    if up and scaling:
        raise WiringError(
            f"{p.label}: synaptic scaling of shared weights has no translation for cells about a "
            "baseline. Use coding = 'push_pull', or shared=False"
        )
    if up:
        _stated(context, p, "decay", joined)
    joined.at_tick(f"step = -{step}", *up, "w += step")
    return more


def _keep_up_with_rest(context: Context, p: Projection, step: str, part: str = WHOLE) -> list[str]:
    """Keep up with what the presynaptic cells' baseline brings as weights change."""
    path = context.path(p.pre)
    if not context.resting(p.pre) or not context.turns.carrying(p):
        return []
    return [f"rest_{context.input_of(p, part)}_post += {step} * {path}_rest"]


def _change(context: Context, p: Projection, group: ModelGroup) -> str:
    """How much the synapses of a projection learn at a tick: nothing once it is cut."""
    assert p.plasticity is not None
    learn = _learn(context, p.plasticity.phase, group)
    return times(intact(context, p, group, grace="dt"), learn)


def _learn(context: Context, phase: str, group: ModelGroup) -> str:
    """How much to learn at a tick, as a group reads it."""
    context.when.tell(group)
    return context.when.times_if([phase], group.refer("learn"))


def _stated(context: Context, p: Projection, kind: str, group: ModelGroup) -> str:
    """η or λ, as a group reads it: the synapse's own, or that of its path."""
    if p.plasticity is not None and p.plasticity.rate is not None:
        return repr(getattr(p.plasticity, kind))
    feedback = context.circuit.populations[p.post].path == "feedback"
    return group.refer(f"{'feedback' if feedback else 'forward'}_{kind}")


def _product(
    context: Context, p: Projection, plasticity: Plasticity, joined: Joined, owner: ModelGroup
) -> str:
    post = signal(context, plasticity.post, p.post, "_post", plasticity.phase)
    pre = signal(context, plasticity.pre, p.pre, "_pre", plasticity.phase)
    product = f"{post} * {pre}"
    if plasticity.reduction == "mean":
        product = f"{joined.refer('share')} * {product}{_over_pairs(context, p, joined, owner)}"
    if context.spikes and context.circuit.phases[plasticity.phase].noisy:
        # Noise counts as having one deviation, whatever rate makes it.
        product = f"{product} / noise_power"
    return f"-({product})" if plasticity.hebbian else product


def _over_pairs(context: Context, p: Projection, joined: Joined, owner: ModelGroup) -> str:
    """Divided by how many synapses share a weight, where they do."""
    if owner is joined:
        return ""
    populations = context.circuit.populations
    ends = populations[p.pre].shape, populations[p.post].shape
    pairs, w = p.connector.pairs_per_weight(*ends), context.holding.arrays.weights[p.name]
    start, comment = np.broadcast_to(pairs, w.shape).ravel(), "of cells that the weight joins"
    owner.add("pairs", start=start, flag="constant", comment=comment)
    return f" / {joined.refer('pairs', owner.name, index='shared')}"


# -- signals -------------------------------------------------------------------------------------


def signal(context: Context, stated: Signal, cell: str, end: str, phase: str) -> str:
    """A signal at hand in a cell, as its synapses read it (`end`: "_pre" or "_post") or itself."""
    circuit = context.circuit
    brought = carrier(context, stated, cell, phase)
    text = f"{'activity' if brought is None else context.input_of(brought)}{end}"
    if stated.kind == "taught" and end != "_pre" and context.taught_in(cell):
        text = f"{context.taught_in(cell)}{end}"
    if brought is None and context.tells(cell):
        text = f"({text} + partner{end})"
    if stated.gated and not PHI[circuit.populations[cell].activation].linear:
        text += f" * slope{end}"
    if stated.centred == "batch":
        text = f"({text} - mean_activity{end})"
    elif stated.centred == "baseline" and not context.spikes:
        text = f"({text} - {circuit.phases[phase].noise_mean})"  # spikes code deviations already
    return text


def carrier(context: Context, stated: Signal, cell: str, phase: str) -> Projection | None:
    """The projection that brings a signal to a cell; None where it is in the cell's activity."""
    at_hand = context.turns.reading.at_hand(cell, stated, phase)
    together = context.turns.together and phase in context.turns.data_phases
    if at_hand.through is None or (at_hand.kind == "mimicked" and not together):
        return None
    return context.circuit.projections[at_hand.through]


def needs_slope(context: Context, population: Population) -> bool:
    """Whether a synapse or a bias of the cells learns from something times their own φ′."""
    read = list(_read_at(context, population.name))
    if population.learns is not None and context.turns.data:
        read.append(population.learns)
    return not PHI[population.activation].linear and any(one.gated for one in read)


def needs_mean(context: Context, population: Population) -> bool:
    """Whether a synapse of the cells learns from deviations from their mean activity."""
    return any(one.centred == "batch" for one in _read_at(context, population.name))


def _read_at(context: Context, population: str) -> Iterator[Signal]:
    """Signals at a population that its synapses learn from."""
    for p in context.turns.select():
        if context.turns.learns(p) and p.plasticity is not None:
            if p.pre == population:
                yield p.plasticity.pre
            if p.post == population:
                yield p.plasticity.post


# -- biases --------------------------------------------------------------------------------------


def own_biases(context: Context, population: Population) -> bool:
    """Whether each cell has a bias of its own, not one with the others of its channel."""
    return len(population.shape) == 1 or not context.holding.in_common


def learn_bias(context: Context, population: Population, cells: Cells, owner: Cells) -> None:
    """Bias currents learn from what the cell learns from; those of one channel together.

    Parameters
    ----------
    owner : Cells
        The group that holds the biases: the cells themselves, or one that they share.
    """
    assert population.learns is not None
    phase = context.turns.reading.learning_phase(population)
    assert phase is not None  # a circuit is not built otherwise
    learnt = signal(context, population.learns, population.name, "", phase)
    learn = _learn(context, phase, cells)
    if context.tallying:
        owner.tally("bias_change", ("bias", population.name), WHOLE)
        if owner is not cells:
            cells.refer("bias_change", owner.name, index="channel")
        cells.at_tick(f"bias_change += {learn} * {learnt}")
        return
    rate, decay = cells.refer("forward_rate"), owner.refer("forward_decay")
    if owner is cells:
        cells.at_tick(f"bias -= {learn} * ({rate} * {learnt} + {decay} * bias)")
        return
    cells.at_tick(f"bias -= {learn} * {rate} * {learnt}", order=_LEARN)
    owner.at_tick(f"bias -= {_learn(context, phase, owner)} * {decay} * bias", order=_DECAY)


# -- scaling -------------------------------------------------------------------------------------


def scales(context: Context, p: Projection) -> bool:
    """Whether the synapses of a projection are scaled so that their strength stays at a point."""
    return context.turns.learns(p) and p.plasticity is not None and p.plasticity.scaling is not None


def _scaling(
    context: Context, p: Projection, joined: Joined, owner: ModelGroup, part: str
) -> tuple[list[Cells], str]:
    """λ_s (1 − Σ|w| / Σ₀), and cells that hold the sum where it is that of a channel."""
    if not scales(context, p):
        return [], ""
    assert p.plasticity is not None
    more, strength, end = list[Cells](), f"strength_{context.input_of(p, part)}", "_post"
    if owner is not joined:
        more, strength, end = [_by_channel(context, p, owner)], "strength", ""
    owner.at_tick(f"{strength}{end} += abs(w)", order=_ADD)
    return more, f"{p.plasticity.scaling!r} * (1 - {strength}{end} / {strength}_kept{end})"


def sum_strengths(context: Context, population: Population, cells: Cells) -> None:
    """Let postsynaptic cells hold the strength of each set of synapses that is scaled by it."""
    for p in context.turns.select(post=population.name):
        if not scales(context, p) or context.pairs(p).shared:
            continue
        counts = np.bincount(context.pairs(p).j, minlength=cells.size)
        for part in context.parts(p):
            _add_up(context, p, cells, f"strength_{context.input_of(p, part)}", counts)


def _by_channel(context: Context, p: Projection, owner: ModelGroup) -> Cells:
    """All cells of a channel have the same synapses; they are added up once."""
    channel = postsynaptic(context.circuit, p).ravel()
    counts = np.bincount(channel)
    group = f"strength_{context.synapses_of(p)}"
    cells = Cells(group, len(counts), comment=f"strength of {p.name} by channel")
    _add_up(context, p, cells, "strength", counts)
    owner.add("channel", unit="integer", flag="constant", start=channel)
    owner.refer("strength", cells.name, index="channel")
    owner.refer("strength_kept", cells.name, index="channel")
    return cells


def _add_up(context: Context, p: Projection, cells: Cells, name: str, counts: np.ndarray) -> None:
    kept = set_point(context.circuit, p) * np.maximum(counts, 1)
    cells.add(name, comment="Σ|w|")
    cells.add(f"{name}_kept", start=kept, flag="constant", comment="its set point")
    cells.at_tick(f"{name} = 0", order=_FORGET)
