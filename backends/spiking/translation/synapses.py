"""A `Projection` as synapses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from oneway.circuits import Projection

from ..brian.model import Cells, Joined, Reference
from .cells import routes, sends_deviation, strongest, written_by
from .dale import strength_of
from .holding import INHIBITORY, WHOLE
from .naming import (
    SCHEDULE,
    cells_of,
    input_of,
    interneurons_of,
    path_of,
    synapses_of,
    weights_of,
)
from .plasticity import learn_weights
from .scaling import scale_synapses

if TYPE_CHECKING:
    from .translate import Translation


def translate_projection(translation: Translation, p: Projection, to: str | None = None) -> None:
    """Synapses from one group to another, into a variable of the projection's own.

    Parameters
    ----------
    to : str, optional
        A group that hears what the postsynaptic population does; by default that itself.
    """
    if not translation.brings(p):
        return
    pairs, written = translation.pairs(p), written_by(translation, p)
    if translation.splits(p):
        for part, variable in zip(translation.parts(p), written, strict=True):
            joined = _joined(translation, p, pairs.i, pairs.j, f"_{part}", to)
            if part == INHIBITORY:
                joined.pre = interneurons_of(p.pre)
            _connect(translation, p, joined, variable, part)
    elif len(written) > 1:
        for number, variable in enumerate(written):
            own = pairs.on_branch(number)
            joined = _joined(translation, p, own.i, own.j, f"_{number}", to)
            _transmit(translation, p, joined, variable)
    else:
        joined = _joined(translation, p, pairs.i, pairs.j, "", to)
        _connect(translation, p, joined, written[0], WHOLE)


def _joined(
    translation: Translation, p: Projection, i, j, suffix: str, to: str | None = None
) -> Joined:
    name = f"{input_of(translation.circuit, p)}_to_{to or p.post}{suffix}"
    joined = Joined(name, cells_of(p.pre), to or cells_of(p.post), i, j, f"{p.name} ({p.role})")
    translation.model.synapses.append(joined)
    return joined


def _connect(
    translation: Translation, p: Projection, joined: Joined, variable: str, part: str
) -> None:
    """Strength, effect and learning of a set of synapses."""
    factor = translation.pairs(p).factor
    strength = None if factor == 1 else repr(factor)
    if p.weights is not None:
        strength = _weights(translation, p, joined, part)
    elif routes(p):
        strength = _route(translation, p, joined)
    if part != WHOLE:
        strength = strength_of(translation, p, joined, part, strength)
    _transmit(translation, p, joined, variable, strength, part)
    if p.role == "compare" and translation.loss == "cross_entropy":
        _sum_outputs(translation, p)
    if translation.turns.learns(p):
        learn_weights(translation, p, joined, part)
        scale_synapses(translation, p, joined, part)


def _transmit(
    translation: Translation,
    p: Projection,
    joined: Joined,
    variable: str,
    strength: str | None = None,
    part: str = WHOLE,
) -> None:
    """What the synapses do to their targets, in the phases in which they are active."""
    carries_activity = p.role == "drive"
    deviation = sends_deviation(translation, p.pre)
    sent = ("sent" if deviation else "activity") if carries_activity else "own"
    filtered = "tau_syn" if p.role in ("drive", "compare") else "tau_trace"
    if carries_activity:
        turns = translation.turns
        if not turns.carrying(p):
            return  # the synapses learn in these phases, and carry nothing
        carrying, driven = turns.carrying(p), turns.driven(p.post)
        if set(carrying) != set(driven) or (
            translation.how.spikes and len(turns.names) > len(driven)
        ):
            condition = turns.during(carrying)
            if condition is not None:
                joined.references.append(Reference("phase", SCHEDULE, "phase"))
                strength = f"int({condition})" + (f" * {strength}" if strength else "")
    pre = translation.circuit.populations[p.pre]
    if translation.relayed(p):
        translation.how.relay(joined, pre, translation.circuit.populations[p.post])
        return
    translation.how.transmit(joined, variable, strength, sent, filtered, pre, part == WHOLE)


def _weights(translation: Translation, p: Projection, joined: Joined, part: str) -> str:
    """Where the weights of a drive live: in its synapses, shared, or at another projection."""
    assert p.weights is not None
    pairs = translation.pairs(p)
    assert pairs.weight is not None
    if p.weights.kind != "independent":
        return _borrowed(translation, p, joined, part)
    key = ("weights", p.name)
    if not pairs.shared:
        translation.keep(key, joined, "w", part)
        return "w"
    size = translation.arrays.weights[p.name].size
    own = Cells(weights_of(translation.circuit, p), size, f"weights of {p.name}")
    translation.keep(key, own, "w")
    translation.model.cells.append(own)
    _refer(joined, own.name, pairs.weight)
    return "w"


def _borrowed(translation: Translation, p: Projection, joined: Joined, part: str) -> str:
    assert p.weights is not None
    circuit = translation.circuit
    forward = circuit.projections[p.weights.to or ""]
    weight, owned = translation.pairs(p).weight, translation.pairs(forward).weight
    assert weight is not None and owned is not None
    if translation.pairs(forward).shared:
        _refer(joined, weights_of(circuit, forward), weight)
    else:
        # Both list their synapses in the order of the forward drive.
        group = synapses_of(circuit, forward) + (f"_{part}" if part else "")
        _refer(joined, group, np.arange(len(weight)))
    if p.weights.kind == "tied":
        return "w"
    return f"{translation.arrays.scale(p)!r} * sign(w)"


def _refer(joined: Joined, group: str, index: np.ndarray) -> None:
    joined.equations.append("shared : integer (constant)  # which of the weights")
    joined.starts["shared"] = index
    joined.references.append(Reference("w", group, "w", "shared"))


def _route(translation: Translation, p: Projection, joined: Joined) -> str:
    """Back through a pool: only to the cell that was the strongest of its window.

    Which one that was, cells beside the error cells tell: they hear what the gate brings from the
    whole window.
    """
    circuit = translation.circuit
    pool = circuit.projections[p.partner or ""]
    pairs = translation.pairs(pool)
    assert pairs.branch is not None
    size = circuit.populations[pool.post].size
    cells = Cells(f"winners_{p.pre}", size, f"the strongest of each window of {pool.name}")
    names = [f"branch{number}" for number in range(pairs.branches)]
    path = path_of(circuit.populations[pool.pre])
    cells.equations += [
        translation.how.arriving(
            name, "tau_trace", f"{path}_rest" if translation.resting(path) else None, None
        )
        for name in names
    ]
    cells.equations.append(f"strongest = {strongest(names)} : 1")
    winner = "0"
    for name in reversed(names[:-1]):
        winner = f"int({name} < strongest) * (1 + {winner})"
    cells.equations.append(f"winner = {winner} : 1")
    translation.model.cells.append(cells)
    for number, variable in enumerate(names):
        own = pairs.on_branch(number)
        told = Joined(f"{cells.name}_{number}", cells_of(pool.pre), cells.name, own.i, own.j)
        told.comment = f"which cell of each window of {pool.name} is the strongest"
        translation.model.synapses.append(told)
        translation.how.transmit(
            told, variable, None, "own", "tau_trace", circuit.populations[pool.pre]
        )
    back = translation.pairs(p)
    assert back.branch is not None
    joined.equations.append("branch : integer (constant)")
    joined.starts["branch"] = back.branch
    joined.references.append(Reference("winner", cells.name, "winner", "_presynaptic_idx"))
    return "int(abs(winner - branch) < 0.5)"


def _sum_outputs(translation: Translation, p: Projection) -> None:
    """Error cells of the output share what all output cells fire, for the softmax."""
    circuit = translation.circuit
    if circuit.populations[p.pre].path != "forward":
        return
    size = circuit.populations[p.post].size
    j, i = np.divmod(np.arange(size * size), size)
    group = cells_of(p.post)
    pooled = Joined(f"total_of_{p.pre}", group, group, i, j, "the sum that a softmax divides by")
    pooled.equations.append(f"total_post = exp({input_of(circuit, p)}_pre) : 1 (summed)")
    translation.model.synapses.append(pooled)
