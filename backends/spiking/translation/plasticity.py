"""Plasticity statements as products of signals at a synapse's own two cells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from oneway.circuits import Plasticity, Population, Projection, Signal

from ..brian.model import Cells, Joined, Reference, Regular
from .holding import EXCITATORY, INHIBITORY, WHOLE
from .naming import SCHEDULE, input_of, path_of, weights_of

if TYPE_CHECKING:
    from .translate import Translation
    from .turns import Turns

_HALF = {WHOLE: "", EXCITATORY: "0.5 * ", INHIBITORY: "-0.5 * "}


def learn_weights(
    translation: Translation, p: Projection, joined: Joined, part: str = WHOLE
) -> None:
    """Δw = −η · post ⊗ pre − λ w, some of it at every tick of its phase.

    Of synapses that only excite or only inhibit, each do half of it, and end at zero.
    """
    plasticity = p.plasticity
    assert plasticity is not None
    product = _HALF[part] + _product(translation, p, plasticity)
    path = "feedback" if translation.circuit.populations[p.post].path == "feedback" else "forward"
    learn = translation.turns.times_if([plasticity.phase], "learn")
    shared = translation.pairs(p).shared
    owner: Cells | Joined = joined
    if shared:
        owner = translation.model.groups[weights_of(translation.circuit, p)]
    at_tick(joined)
    if translation.tallying:
        translation.tally(("weights", p.name), owner, "change", part)
        if shared:
            joined.references.append(Reference("change", owner.name, "change", "shared"))
        joined.regular.append(Regular(f"change += {learn} * {product}"))
        return
    rate, decay = _rates(plasticity, path, joined)
    step = f"{learn} * {rate} * {product}"
    leak = f"{learn} * {decay} * w"
    if not shared:
        whole = f"-{step} - {leak}"
        lines = [
            f"step = {whole if part == WHOLE else f'clip({whole}, -w, inf)'}",
            "w += step",
            *keep_up_with_rest(translation, p, "step", part),
        ]
        joined.regular.append(Regular("\n".join(lines)))
        return
    # Each weight decays once, before the synapses that share it learn.
    _rates(plasticity, path, owner)
    at_tick(owner)
    owner.regular.append(Regular(f"w -= {leak}", order=-1))
    decayed = f"step - {leak} / (1 - {learn} * {decay})"
    lines = [f"step = -{step}", *keep_up_with_rest(translation, p, f"({decayed})"), "w += step"]
    joined.regular.append(Regular("\n".join(lines)))


def keep_up_with_rest(
    translation: Translation, p: Projection, step: str, part: str = WHOLE
) -> list[str]:
    """Keep up with what the presynaptic cells' baseline brings as weights change."""
    path = path_of(translation.circuit.populations[p.pre])
    if not translation.resting(path) or not translation.turns.carrying(p):
        return []
    variable = input_of(translation.circuit, p) + (f"_{part}" if part else "")
    return [f"rest_{variable}_post += {step} * {path}_rest"]


def at_tick(group: Cells | Joined) -> None:
    """Let a group know the phase, and how much to learn."""
    known = {reference.variable for reference in group.references}
    group.references += [
        Reference(name, SCHEDULE, name) for name in ("phase", "learn", "share") if name not in known
    ]


def _rates(plasticity: Plasticity, path: str, group: Cells | Joined) -> tuple[str, str]:
    """η and λ: the synapse's own, or those of its path."""
    texts = []
    for kind, own in (("rate", plasticity.rate), ("decay", plasticity.decay)):
        name = f"{path}_{kind}"
        if plasticity.rate is not None:
            texts.append(repr(own or 0.0))
            continue
        if name not in {reference.variable for reference in group.references}:
            group.references.append(Reference(name, SCHEDULE, name))
        texts.append(name)
    return texts[0], texts[1]


def _product(translation: Translation, p: Projection, plasticity: Plasticity) -> str:
    circuit = translation.circuit
    post = signal(
        translation.turns,
        plasticity.post,
        p.post,
        "_post",
        plasticity.phase,
        translation.how.spikes,
    )
    pre = signal(
        translation.turns, plasticity.pre, p.pre, "_pre", plasticity.phase, translation.how.spikes
    )
    product = f"{post} * {pre}"
    if plasticity.reduction == "mean":
        product = f"share * {product} / {translation.holding.positions(p)}"
    if translation.how.spikes and circuit.phases[plasticity.phase].noisy:
        # Noise counts as having one deviation, whatever rate makes it.
        product = f"{product} / noise_power"
    return f"-({product})" if plasticity.hebbian else product


def signal(turns: Turns, stated: Signal, cell: str, end: str, phase: str, spikes: bool) -> str:
    """A signal at hand in a cell, as its synapses read it (`end`: "_pre" or "_post") or itself."""
    circuit = turns.circuit
    brought = carrier(turns, stated, cell, phase)
    text = f"{'activity' if brought is None else input_of(circuit, brought)}{end}"
    if stated.gated and circuit.populations[cell].activation != "linear":
        text += f" * slope{end}"
    if stated.centred == "batch":
        text = f"({text} - mean_activity{end})"
    elif stated.centred == "baseline" and not spikes:
        text = f"({text} - {circuit.phases[phase].noise_mean})"  # spikes code deviations already
    return text


def carrier(turns: Turns, stated: Signal, cell: str, phase: str) -> Projection | None:
    """The projection that brings a signal to a cell; None for its own activity."""
    if stated.kind == "taught":
        select = turns.circuit.select
        return next(select(role="teach", pre=stated.source, post=cell, phase=phase))
    return turns.mimicked(cell, phase)


def learn_bias(translation: Translation, population: Population, cells: Cells) -> None:
    """Bias currents learn from what the cell learns from; those of one channel together."""
    assert population.learns is not None
    circuit = translation.circuit
    phase = next(
        phase
        for p in circuit.select(role="teach", pre=population.learns.source, post=population.name)
        for phase in p.phases
        if not circuit.phases[phase].noisy
    )
    learnt = signal(
        translation.turns, population.learns, population.name, "", phase, translation.how.spikes
    )
    learn = translation.turns.times_if([phase], "learn")
    each = own_biases(translation, population)
    owner = cells if each else translation.model.groups[f"bias_{population.name}"]
    if translation.tallying:
        translation.tally(("bias", population.name), owner, "bias_change")
        if not each:
            cells.references.append(Reference("bias_change", owner.name, "bias_change", "channel"))
        cells.regular.append(Regular(f"bias_change += {learn} * {learnt}"))
        return
    for name in ("forward_rate", "forward_decay"):
        cells.references.append(Reference(name, SCHEDULE, name))
    if each:
        cells.regular.append(
            Regular(f"bias -= {learn} * (forward_rate * {learnt} + forward_decay * bias)")
        )
        return
    at_tick(owner)
    owner.references.append(Reference("forward_decay", SCHEDULE, "forward_decay"))
    cells.regular.append(Regular(f"bias -= {learn} * forward_rate * {learnt}", order=0))
    owner.regular.append(Regular(f"bias -= {learn} * forward_decay * bias", order=-1))


def own_biases(translation: Translation, population: Population) -> bool:
    """Whether each cell has a bias of its own, not one with the others of its channel."""
    return len(population.shape) == 1 or not translation.holding.shared


def needs_slope(turns: Turns, population: Population) -> bool:
    """Whether a synapse or a bias of the cells learns from something times their own φ′."""
    stated = [one for one in _stated(turns, population.name)]
    stated += [population.learns] if population.learns is not None and turns.data else []
    return population.activation != "linear" and any(one.gated for one in stated)


def needs_mean(turns: Turns, population: Population) -> bool:
    """Whether a synapse of the cells learns from deviations from their mean activity."""
    return any(one.centred == "batch" for one in _stated(turns, population.name))


def _stated(turns: Turns, population: str) -> Iterator[Signal]:
    """Signals at a population that its synapses learn from."""
    for p in turns.select():
        if turns.learns(p) and p.plasticity is not None:
            if p.pre == population:
                yield p.plasticity.pre
            if p.post == population:
                yield p.plasticity.post
