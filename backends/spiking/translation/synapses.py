"""A `Projection` as synapses."""

from __future__ import annotations

import numpy as np

from oneway.circuits import Projection, sign_magnitude

from ..brian.model import EXCITATORY, INHIBITORY, OTHER, WHOLE, Cells, Joined, ModelGroup
from .cells import strongest
from .context import Context, cells_of, interneurons_of
from .dynamics import Pulse, signalling_of
from .lesions import intact, times
from .pairing import learn_from_pairs, told_of
from .plasticity import learn_weights

Made = list[Cells | Joined]


def translate_projection(context: Context, p: Projection, to: str | None = None) -> Made:
    """Synapses from one group to another, into a variable of the projection's own.

    Parameters
    ----------
    to : str, optional
        A group that hears what the postsynaptic population does; by default that itself.
    """
    if not context.brings(p):
        return []
    pairs, written = context.pairs(p), context.written(p)
    made: Made = []
    if context.splits(p) or len(written) == 1:
        for part, variable in zip(context.parts(p), written, strict=True):
            joined = _joined(context, p, pairs.i, pairs.j, part, to)
            if part == INHIBITORY:
                joined.pre = interneurons_of(p.pre)
            made += _connect(context, p, joined, variable, part)
        return made
    for number, variable in enumerate(written):
        own = pairs.on_branch(number)
        joined = _joined(context, p, own.i, own.j, str(number), to)
        made += [joined, *_transmit(context, p, joined, variable)]
    return made


def _joined(context: Context, p: Projection, i, j, part: str, to: str | None) -> Joined:
    name, comment = context.synapses_of(p, part, to), f"{p.name} ({p.role})"
    return Joined(name, cells_of(p.pre), to or cells_of(p.post), i, j, comment=comment)


def _connect(context: Context, p: Projection, joined: Joined, variable: str, part: str) -> Made:
    """Strength, effect and learning of a set of synapses, and the groups that these need."""
    made: Made = [joined]
    owner: ModelGroup = joined
    if p.weights is not None:
        owner = _find_weights(context, p, joined, part)
        made += [owner] if isinstance(owner, Cells) else []
    made += _transmit(context, p, joined, variable, part)
    if p.role == "compare" and context.loss == "cross_entropy":
        made += _sum_outputs(context, p)
    if p.plasticity is not None and context.turns.learns(p):
        learn = learn_weights if p.plasticity.window is None else learn_from_pairs
        made = [*learn(context, p, joined, owner, part), *made]
    return made


def _find_weights(context: Context, p: Projection, joined: Joined, part: str) -> ModelGroup:
    """Let synapses have their weights; returns the group that holds those that are p's own."""
    assert p.weights is not None
    pairs, key, group = context.pairs(p), ("weights", p.name), _weights_at(context, p, part)
    if group == joined.name:
        joined.hold("w", key, part, context.holding.parts(key)[part])
        return joined
    # Where weights are not shared, both list their synapses in the order of the forward drive.
    index = pairs.weight if _shared(context, p) else np.arange(len(pairs))
    comment = "which of the weights"
    joined.add("shared", start=index, unit="integer", flag="constant", comment=comment)
    joined.refer("w", group, index="shared")
    if p.weights.kind != "independent":
        return joined
    own = Cells(group, context.holding.arrays.weights[p.name].size, comment=f"weights of {p.name}")
    own.hold("w", key, part, context.holding.parts(key)[part])
    return own


def _weights_at(context: Context, p: Projection, part: str) -> str:
    """The group in which the weights of a drive are: its synapses, one of its own, or another's."""
    owner = context.turns.reading.owner(p)
    return context.weights_of(owner) if _shared(context, p) else context.synapses_of(owner, part)


def _shared(context: Context, p: Projection) -> bool:
    return context.pairs(context.turns.reading.owner(p)).shared


# -- what they convey ----------------------------------------------------------------------------


def _transmit(
    context: Context, p: Projection, joined: Joined, variable: str, part: str = WHOLE
) -> Made:
    """What synapses do to their targets, in the phases in which they are active.

    Returns
    -------
    list
        Groups that they need for it.
    """
    if not context.conveys(p):
        return []  # the synapses learn in these phases, and carry nothing
    dynamics, passing = signalling_of(context), intact(context, p, joined)
    if context.relayed(p):
        dynamics.relay(joined, p.pre, p.post, context.delay_steps(p), passing)
        return []
    strength, made = _strength(context, p, joined, part)
    about = ""
    if p.role == "drive":
        about = _baseline(context, p, joined)
        condition = _condition(context, p)
        if condition is not None:
            joined.refer("phase")
            strength = f"int({condition})" + (f" * {strength}" if strength else "")
    strength = times(passing, strength) if strength else passing
    pulse = Pulse(
        p.pre,
        strength,
        context.sent(p),
        context.filtered(p),
        part == WHOLE,
        about,
        context.delay_steps(p),
    )
    dynamics.transmit(joined, variable, pulse)
    if joined.on_pre is not None:
        joined.on_pre += told_of(context, p, passing)
    return made


def _baseline(context: Context, p: Projection, joined: Joined) -> str:
    """What a drive takes from the activity that it conveys."""
    baseline = context.baseline(p)
    if baseline:
        context.when.tell(joined)
    return " + ".join(context.when.times_if([phase], f"{b}") for phase, b in baseline.items())


def _condition(context: Context, p: Projection) -> str | None:
    """When a drive brings something, where its target does not know so by itself."""
    turns = context.turns
    carrying, driven = turns.carrying(p), turns.driven(p.post)
    holds = context.spikes and len(turns.names) > len(driven)
    return context.when.during(carrying) if set(carrying) != set(driven) or holds else None


def _strength(
    context: Context, p: Projection, joined: Joined, part: str
) -> tuple[str | None, Made]:
    """What a spike brings, and groups that say so."""
    made: Made = []
    factor = context.pairs(p).factor
    strength = None if factor == 1 else repr(factor)
    if part != WHOLE and _sign_tied(p):
        strength = _one_sign(context, p, joined, part)
    elif p.weights is not None:
        strength = f"{sign_magnitude(context.circuit, p)!r} * sign(w)" if _sign_tied(p) else "w"
    elif p.connector.transposed and p.connector.routed:
        made = _route(context, p, joined)
        strength = "int(abs(winner - branch) < 0.5)"
    if part != WHOLE and context.paired(p.pre) and not _sign_tied(p):
        strength = _never_negative(context, p, joined, part, strength)
    return strength, made


def _sign_tied(p: Projection) -> bool:
    return p.weights is not None and p.weights.kind == "sign-tied"


def _one_sign(context: Context, p: Projection, joined: Joined, part: str) -> str:
    """A constant where the weight that it is tied to excites more than it inhibits, or less.

    In the synapses of cells `w` excites and `opposite` inhibits, in those of interneurons the other
    way round: in both the larger one counts, and nothing is negative.
    """
    _refer_to_opposite(context, p, joined, part)
    stronger = "int(w > opposite)"
    if context.paired(p.pre):
        side = context.side_sent(p.pre, context.delay_steps(p))
        stronger = f"(int({side} > 0) * {stronger} + int({side} < 0) * int(opposite > w))"
    return f"{sign_magnitude(context.circuit, p)!r} * {stronger}"


def _refer_to_opposite(context: Context, p: Projection, joined: Joined, part: str) -> None:
    index = "_idx" if p.weights and p.weights.kind == "independent" else "shared"
    joined.refer("opposite", _weights_at(context, p, OTHER[part]), "w", index)


def _never_negative(
    context: Context, p: Projection, joined: Joined, part: str, strength: str | None
) -> str:
    """What a spike of either cell of a pair brings under Dale's law."""
    side = context.side_sent(p.pre, context.delay_steps(p))
    if p.weights is None:
        fixed = "" if strength is None else f" * {strength}"
        return f"int({side} {'>' if part == EXCITATORY else '<'} 0){fixed}"
    _refer_to_opposite(context, p, joined, part)
    return f"(int({side} > 0) * w + int({side} < 0) * opposite)"


def _route(context: Context, p: Projection, joined: Joined) -> Made:
    """Back through a pool: only to the cell that was the strongest of its window.

    Which one that was, cells beside the error cells tell: they hear what the gate brings from the
    whole window.
    """
    pool = context.circuit.projections[p.partner or ""]
    pairs, back, path = context.pairs(pool), context.pairs(p), context.path(pool.pre)
    gate = next(context.circuit.select(role="gate", pre=pool.pre, post=p.post))
    delay = context.delay_steps(gate)
    assert back.branch is not None
    size, comment = context.circuit.populations[pool.post].size, "the strongest of each window of"
    cells = Cells(f"winners_{p.pre}", size, comment=f"{comment} {pool.name}")
    dynamics, told = signalling_of(context), list[Joined]()
    names = [f"branch{number}" for number in range(pairs.branches)]
    comment = f"which cell of each window of {pool.name} is the strongest"
    for number, name in enumerate(names):
        rest = f"{path}_rest" if context.resting(pool.pre) else None
        dynamics.arrive(cells, name, "tau_trace", rest, None)
        own, group = pairs.on_branch(number), f"{cells.name}_{number}"
        tell = Joined(group, cells_of(pool.pre), cells.name, own.i, own.j, comment=comment)
        dynamics.transmit(tell, name, Pulse(pool.pre, sent="activity", delay=delay))
        told.append(tell)
    cells.add("strongest", strongest(names))
    winner = "0"
    for name in reversed(names[:-1]):
        winner = f"int({name} < strongest) * (1 + {winner})"
    cells.add("winner", winner)
    joined.add("branch", unit="integer", flag="constant", start=back.branch)
    joined.refer("winner", cells.name, index="_presynaptic_idx")
    return [cells, *told]


def _sum_outputs(context: Context, p: Projection) -> Made:
    """Error cells of the output share what all output cells fire, for the softmax."""
    if context.circuit.populations[p.pre].path != "forward":
        return []
    size, group = context.circuit.populations[p.post].size, cells_of(p.post)
    j, i = np.divmod(np.arange(context.holding.cells(p.post) * size), size)
    comment = "the sum that a softmax divides by"
    pooled = Joined(f"total_of_{p.pre}", group, group, i, j, comment=comment)
    pooled.add("total_post", f"exp({context.input_of(p)}_pre)", flag="summed")
    return [pooled]
