"""Fixes as data: what to leave out of a circuit, draw anew or thin, so that a constraint holds.

A fix never takes a drive away, nor what a forward synapse learns from: without those it would
be another network, and no fix.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from oneway.circuits import (
    AllToAllConnector,
    AveragePoolConnector,
    Circuit,
    Connector,
    FromListConnector,
    MaxPoolConnector,
    Phase,
    Population,
    Projection,
    Signal,
    SynapticConnector,
    TransposeConnector,
    Weights,
    scheme,
)


@dataclass(frozen=True)
class Fix:
    """A change of a circuit, for people and to be applied.

    Parameters
    ----------
    text : str
        What to do, and by which option of a rule.
    drop : tuple of str
        Projections to leave out: gates, norms, mimicry and teaching of error cells. Who learned
        from them stays as drawn; a forward cell takes over the φ′ of a gate that its error cell
        has lost, as under ``gate="local"``.
    redraw : tuple of str
        Drives whose weights get a draw of their own.
    once : tuple of str
        Drives whose list of pairs is to name each pair once, with the sum of its weights.
    thin : tuple of (str, int)
        All-to-all drives, and to how many presynaptic cells each postsynaptic cell is to be joined
        instead; feedback drives that run against them, or have their weights, follow.
    """

    text: str
    drop: tuple[str, ...] = ()
    redraw: tuple[str, ...] = ()
    once: tuple[str, ...] = ()
    thin: tuple[tuple[str, int], ...] = ()

    def apply(self, circuit: Circuit) -> Circuit:
        """The changed circuit."""
        edits = ((_without, self.drop), (_redrawn, self.redraw), (_listed_once, self.once))
        for edit, names in edits:
            circuit = edit(circuit, frozenset(names)) if names else circuit
        return _thinned(circuit, dict(self.thin)) if self.thin else circuit


def joined(fixes: Iterable[Fix]) -> Fix:
    """All the fixes as one."""
    parts = list(fixes)

    def names(field: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for fix in parts for name in getattr(fix, field)))

    texts = "; ".join(dict.fromkeys(fix.text for fix in parts))
    thin: dict[str, int] = {}
    for name, number in (each for fix in parts for each in fix.thin):
        thin[name] = min(number, thin.get(name, number))
    return Fix(texts, names("drop"), names("redraw"), names("once"), tuple(thin.items()))


# -- leaving out projections -------------------------------------------------------------------


def can_drop(circuit: Circuit, p: Projection) -> bool:
    """Whether a circuit is the same network without a projection, if one that learns otherwise."""
    told = circuit.populations[p.post].path == "feedback"
    return told and p.role in ("gate", "norm", "mimic", "teach")


def dropping(circuit: Circuit, projections: Iterable[Projection]) -> Fix:
    """The fix that leaves out projections, all of which `can_drop`."""
    chosen = {p.name: p for p in projections}
    texts = [_told(circuit, p) for p in chosen.values()]
    return Fix("; ".join(dict.fromkeys(texts)), drop=tuple(chosen))


def _told(circuit: Circuit, p: Projection) -> str:
    """How to do without a projection, in words."""
    ends = f"{p.pre} -> {p.post}"
    if p.role == "gate":
        return f"drop the gate {ends} by gate='local'"
    if p.role == "norm":
        return f"drop the norm {ends} by norm='own'"
    word = "mimicry" if p.role == "mimic" else "teaching"
    learners = [repr(q.name) for q in circuit.select(role="drive") if _hears(circuit, q, {p.name})]
    so = (
        f", so that {' and '.join(learners)} stays as drawn (feedback alignment)"
        if learners
        else ""
    )
    return f"drop the {word} {ends}{so}"


def _hears(circuit: Circuit, p: Projection, names: Collection[str]) -> bool:
    """Whether synapses of a drive learn from what some projections bring."""
    return p.plasticity is not None and any(
        signal.through in names for signal in circuit.reading.ends(p)
    )


def _without(circuit: Circuit, names: frozenset[str]) -> Circuit:
    lost = [circuit.projections[name] for name in names]
    kept = [p for p in circuit.projections.values() if p.name not in names]
    gated = {p.post for p in kept if p.role == "gate"}
    ungated = {p.post for p in lost if p.role == "gate"} - gated
    unnormed = {(p.pre, p.post) for p in lost if p.role == "norm"}
    cells = [_cell_without(circuit, p, names, ungated, unnormed) for p in _cells(circuit)]
    drives = [_drive_without(circuit, p, names, ungated, unnormed) for p in kept]
    phases = _still_needed(circuit, drives)
    return Circuit(circuit.name, cells, _in_phases(drives, phases), phases, circuit.notes)


def _cells(circuit: Circuit) -> Iterable[Population]:
    return circuit.populations.values()


def _cell_without(
    circuit: Circuit,
    cell: Population,
    names: Collection[str],
    ungated: set[str],
    unnormed: set[tuple[str, str]],
) -> Population:
    if (cell.partner, cell.name) in unnormed and cell.error_norm == "full":
        cell = replace(cell, error_norm="own")
    if cell.learns is None:
        return cell
    phase = circuit.reading.learning_phase(cell)
    if phase and circuit.reading.at_hand(cell.name, cell.learns, phase).through in names:
        return replace(cell, learns=None)
    return replace(cell, learns=_taking_over(circuit, cell.name, cell.learns, ungated))


def _drive_without(
    circuit: Circuit,
    p: Projection,
    names: Collection[str],
    ungated: set[str],
    unnormed: set[tuple[str, str]],
) -> Projection:
    if p.error_norm == "full" and (circuit.reading.error_passes(p).post, p.pre) in unnormed:
        p = replace(p, error_norm="own")
    if p.post in ungated and p.connector.transposed and p.connector.routed:
        p = replace(p, connector=_spread(p.connector))
    if p.plasticity is None:
        return p
    if _hears(circuit, p, names):
        return replace(p, plasticity=None)
    (_, pre), (cell, post) = p.factors
    post = _taking_over(circuit, cell, post, ungated)
    return replace(p, plasticity=replace(p.plasticity, pre=pre, post=post))


def _taking_over(circuit: Circuit, cell: str, signal: Signal, ungated: set[str]) -> Signal:
    """What a cell is taught, times its own φ′ where the teacher's gate is gone."""
    linear = circuit.populations[cell].activation == "linear"
    if signal.kind == "taught" and signal.source in ungated and not linear:
        return replace(signal, gated=True)
    return signal


def _spread(connector: Connector) -> Connector:
    """Without word of the winner, an error goes back through a max-pool evenly."""
    pool = connector.transpose
    assert isinstance(pool, MaxPoolConnector)
    return AveragePoolConnector(pool.kernel, pool.stride, pool.padding).transpose


def _still_needed(circuit: Circuit, drives: Iterable[Projection]) -> list[Phase]:
    """Phases without those noisy ones in which nothing learns any more."""
    learning = {p.plasticity.phase for p in drives if p.plasticity}
    learned = {p.plasticity.phase for p in circuit.projections.values() if p.plasticity}
    idle = learned - learning
    return [phase for phase in circuit.phases.values() if not (phase.noisy and phase.name in idle)]


def _in_phases(drives: Iterable[Projection], phases: Iterable[Phase]) -> list[Projection]:
    there = {phase.name for phase in phases}
    left = [replace(p, phases=tuple(n for n in p.phases if n in there)) for p in drives]
    return [p for p in left if p.phases]


# -- weights -----------------------------------------------------------------------------------


def redrawing(p: Projection) -> Fix:
    """The fix that gives a drive weights of its own."""
    assert p.weights is not None
    rule = "leave init= out" if p.weights.kind == "independent" else "feedback alignment"
    return Fix(f"give {p.name!r} a draw of its own ({rule})", redraw=(p.name,))


def _redrawn(circuit: Circuit, names: Collection[str]) -> Circuit:
    projections = circuit.projections.values()
    return _with_projections(
        circuit, [_own(circuit, p) if p.name in names else p for p in projections]
    )


def _own(circuit: Circuit, p: Projection) -> Projection:
    """A drive with a draw of its own, by the scheme of the weights that it had."""
    assert p.weights is not None
    source = circuit.projections[p.weights.to or p.name]
    return replace(p, weights=Weights(start=scheme(circuit, source)))


def _listed_once(circuit: Circuit, names: Collection[str]) -> Circuit:
    repeated = {circuit.projections[name].connector for name in names}
    changed = [
        replace(p, connector=_once(p.connector, repeated)) for p in circuit.projections.values()
    ]
    return _with_projections(circuit, changed)


def _once(connector: Connector, repeated: Collection[Connector]) -> Connector:
    """A connector whose list has each pair once; partners that run the other way follow."""
    if isinstance(connector, TransposeConnector):
        return _once(connector.inner, {_inner(c) for c in repeated}).transpose
    if isinstance(connector, SynapticConnector):
        return replace(connector, drive=_once(connector.drive, repeated))
    if connector in {_inner(c) for c in repeated} and isinstance(connector, FromListConnector):
        pairs: dict[tuple[float, ...], list[float]] = {}
        for pre, post, *weight in connector.conn_list:
            pairs.setdefault((pre, post), []).extend(weight)
        return FromListConnector((*ends, *([sum(w)] if w else [])) for ends, w in pairs.items())
    return connector


def thinning(circuit: Circuit, p: Projection, fan_in: int) -> Fix | None:
    """The fix that joins each target of an all-to-all drive to so many cells; None if to none.

    A feedback drive is thinned through the forward drive that it runs against.
    """
    if not isinstance(_inner(p.connector), AllToAllConnector):
        return None
    against = p.partner or (p.weights.to if p.weights else None)
    forward = circuit.projections.get(against or "", p)
    pre, post = (circuit.populations[end].size for end in (p.pre, p.post))
    # Backwards, what a cell receives is what it sends forwards: spread over all of the others.
    number = fan_in * post // pre if p.connector.transposed else fan_in
    if number < 1:
        return None
    text = f"join each cell of {p.post} to {fan_in:,} of {p.pre}, not all {pre:,}"
    return Fix(f"{text} (FromListConnector)", thin=((forward.name, number),))


def _thinned(circuit: Circuit, thin: Mapping[str, int]) -> Circuit:
    lists = {name: _sparse(circuit, circuit.projections[name], n) for name, n in thin.items()}
    changed = [_follow(circuit, p, lists) for p in circuit.projections.values()]
    return _with_projections(circuit, changed)


def _sparse(circuit: Circuit, p: Projection, fan_in: int) -> Connector:
    """Joins each target to `fan_in` neighbouring sources, and every source about as often."""
    pre, post = (circuit.populations[end].size for end in (p.pre, p.post))
    if p.connector.transposed:
        pre, post = post, pre
    return FromListConnector(
        ((j * fan_in + k) % pre, j) for j in range(post) for k in range(min(fan_in, pre))
    )


def _follow(circuit: Circuit, p: Projection, lists: Mapping[str, Connector]) -> Projection:
    """A projection on the thinned drives: itself one, against one, or to the synapses of one."""
    if isinstance(p.connector, SynapticConnector):
        for name, connector in lists.items():
            drive = circuit.projections[name]
            if (drive.connector, drive.post) == (p.connector.drive, p.post):
                return replace(p, connector=replace(p.connector, drive=connector))
    names = (p.name, p.partner or "", (p.weights and p.weights.to) or "")
    found = next((lists[name] for name in names if name in lists), None)
    if found is None or not isinstance(_inner(p.connector), AllToAllConnector):
        return p
    return replace(p, connector=found.transpose if p.connector.transposed else found)


def _inner(connector: Connector) -> Connector:
    return connector.inner if isinstance(connector, TransposeConnector) else connector


def _with_projections(circuit: Circuit, projections: Iterable[Projection]) -> Circuit:
    cells, phases = circuit.populations.values(), circuit.phases.values()
    return Circuit(circuit.name, cells, projections, phases, circuit.notes)
