"""What makes a circuit well wired; checked when it is built, not in the third epoch.

Each check yields what is wrong with one part of the circuit; the first complaint is raised.
"""

from __future__ import annotations

from collections.abc import Iterator

import networkx as nx

from .assembly import Assembly
from .connectors import (
    AllToAllConnector,
    Conv2dConnector,
    FixedProbabilityConnector,
    FromListConnector,
    OneToOneConnector,
)
from .elements import Phase, Population, Projection, Signal
from .errors import WiringError
from .reading import Reading


def validate(circuit: Assembly, reading: Reading) -> None:
    """Raise `WiringError` at the first thing that cannot work."""
    for complaint in _complaints(circuit, reading):
        raise WiringError(complaint)


def _complaints(circuit: Assembly, reading: Reading) -> Iterator[str]:
    if not circuit.populations:
        yield f"circuit {circuit.name!r} has no population"
    for population in circuit.populations.values():
        yield from _check_population(circuit, population)
    for phase in circuit.phases.values():
        yield from _check_phase(circuit, phase)
    for projection in circuit.projections.values():
        for check in (_check_partner, _check_ends, _check_phases, _check_weights):
            yield from _of(projection, check(circuit, projection))
        yield from _of(projection, _check_norm(reading, projection))
        yield from _of(projection, _check_feedback_of_pool(circuit, projection))
    for projection in circuit.projections.values():
        yield from _of(projection, _check_plasticity(reading, projection))
    for population in circuit.populations.values():
        yield from _of(population, _check_learning(reading, population))
    yield from _check_norm_arrives(circuit)
    yield from _check_mimicry(circuit)
    yield from _check_comparison(circuit)
    if cycle := _cycle(circuit.graph(roles=("drive", "compare"))):
        yield "drives form a cycle: " + " -> ".join([*cycle, cycle[0]])
    for name in circuit.phases:
        yield from _check_no_loop(reading, name)


def _check_partner(circuit: Assembly, projection: Projection) -> Iterator[str]:
    if projection.partner and projection.partner not in circuit.projections:
        yield f"its partner {projection.partner!r} is not in the circuit"


def _of(part: Population | Projection, complaints: Iterator[str]) -> Iterator[str]:
    label = part.label if isinstance(part, Projection) else f"population {part.name!r}"
    return (f"{label}: {complaint}" for complaint in complaints)


def _there(circuit: Assembly) -> str:
    return f"Populations: {', '.join(circuit.populations)}"


def _check_population(circuit: Assembly, population: Population) -> Iterator[str]:
    owner = f"population {population.name!r}"
    partner = circuit.populations.get(population.partner or "")
    if population.partner is not None and partner is None:
        yield (
            f"{owner}: its partner {population.partner!r} is not in the circuit. {_there(circuit)}"
        )
    if partner is not None and partner.shape != population.shape:
        yield (
            f"{owner} has shape {population.shape}, but its partner {partner.name!r} has "
            f"{partner.shape}: partners are paired cell by cell"
        )
    if population.error_norm != "none" and (partner is None or partner.norm is None):
        yield (
            f"{owner}: error_norm {population.error_norm!r} needs a partner that is normalised, "
            f"but {population.partner!r} has no norm"
        )
    if population.norm is not None and population.norm.affine:
        yield (
            f"{owner}: normalisation after φ needs BatchNorm(affine=False). Its gain and shift "
            "would learn from the error after the normalisation, which the error cell does not "
            "hold; the weights that follow take their part"
        )


def _check_phase(circuit: Assembly, phase: Phase) -> Iterator[str]:
    for name in phase.noisy:
        if name not in circuit.populations:
            yield (
                f"phase {phase.name!r}: noisy population {name!r} is not in the circuit. "
                f"{_there(circuit)}"
            )


def _check_ends(circuit: Assembly, projection: Projection) -> Iterator[str]:
    for end in (projection.pre, projection.post):
        if end not in circuit.populations:
            yield f"there is no population {end!r}. {_there(circuit)}"
    pre, post = circuit.shapes(projection)
    reason = projection.connector.misfit(pre, post)
    if reason:
        yield (
            f"shapes do not fit, pre {projection.pre!r} {pre} and post {projection.post!r} {post}. "
            f"{reason}."
        )
    if projection.role == "gate" and projection.derivative is None:
        yield "a gate needs derivative=, the φ whose derivative is taken"


def _check_phases(circuit: Assembly, projection: Projection) -> Iterator[str]:
    named = set(projection.phases)
    if projection.plasticity is not None:
        named.add(projection.plasticity.phase)
    for phase in sorted(named - set(circuit.phases)):
        yield f"phase {phase!r} is not one of the circuit's phases {', '.join(circuit.phases)}"


def _check_weights(circuit: Assembly, projection: Projection) -> Iterator[str]:
    weights = projection.weights
    shape = projection.connector.weight_shape(*circuit.shapes(projection))
    if (shape is not None) != (weights is not None):
        has = "has weights" if shape is not None else "has no weights"
        yield f"its {type(projection.connector).__name__} {has}, but weights = {weights}"
    if projection.role != "drive" and shape is not None:
        yield "only a drive has weights; use OneToOneConnector or MatchConnector for other roles"
    if weights is None:
        return
    if weights.to is None:
        if weights.kind != "independent" or weights.start == "aligned":
            yield f"{weights} must name a projection in to="
        return
    to = circuit.projections.get(weights.to)
    if to is None:
        yield f"weights refer to {weights.to!r}, which is not a projection of this circuit"
        return
    if to.weights is not None and to.weights.kind != "independent":
        yield (
            f"weights refer to {to.label}, whose own are {to.weights.kind} to {to.weights.to!r}. "
            "Refer to the projection that owns its weights"
        )
    if weights.start == "aligned" and to.weights and to.weights.start == "aligned":
        yield (
            f"start='aligned' copies {to.label}, which is itself a copy of {to.weights.to!r}. "
            "Refer to the projection that has a draw of its own"
        )
    other = to.connector.weight_shape(*circuit.shapes(to))
    if other != shape:
        yield (
            f"weights of shape {shape} refer to {to.label} of shape {other}. Use the transpose of "
            "that projection's connector"
        )


# Drives that may be normalised: those with weights, and the sums of branches.
_NORMED = (
    AllToAllConnector
    | Conv2dConnector
    | FixedProbabilityConnector
    | FromListConnector
    | OneToOneConnector
)


def _check_norm(reading: Reading, projection: Projection) -> Iterator[str]:
    if projection.norm is not None:
        if projection.role != "drive" or not isinstance(projection.connector, _NORMED):
            yield "normalisation belongs to an all-to-all, listed, conv or one-to-one drive"
        if reading.circuit.populations[projection.pre].path == "feedback":
            yield (
                "a drive of error cells has no norm of its own. Say with error_norm= how errors "
                "pass the norm of the forward drive that it runs against"
            )
    carrier = reading.error_passes(projection)
    if projection.error_norm != "none" and carrier.norm is None:
        yield (
            f"error_norm {projection.error_norm!r} needs a normalised forward drive, but "
            f"{carrier.name!r} has no norm"
        )


def _check_norm_arrives(circuit: Assembly) -> Iterator[str]:
    """Batch norm's exact derivative needs the partner's normalised input: somebody must send it."""
    wanted = [
        (p.label, circuit.projections[p.partner].post, p.pre)
        for p in circuit.select(role="drive", path="feedback")
        if p.error_norm == "full" and p.partner is not None
    ]
    wanted += [
        (f"population {cell.name!r}", cell.partner, cell.name)
        for cell in circuit.populations.values()
        if cell.error_norm == "full" and cell.partner is not None
    ]
    for owner, source, target in wanted:
        if not any(circuit.select(role="norm", pre=source, post=target)):
            yield (
                f"{owner}: error_norm 'full' needs the normalised input of {source!r} at "
                f"{target!r}, but no norm projection {source!r} -> {target!r} brings it. Wire it "
                "with connect(..., role='norm'), or use error_norm 'scale' or 'own'"
            )


def _check_feedback_of_pool(circuit: Assembly, projection: Projection) -> Iterator[str]:
    """A max-pool's error goes back by the argmax of the forward cells, which must be told.

    So does that of dropout, to the cells that were heard.
    """
    connector, post = projection.connector, projection.post
    if not (connector.transposed and connector.routed):
        return
    forward = circuit.projections.get(projection.partner or "")
    if forward is None or not any(circuit.select(role="gate", pre=forward.pre, post=post)):
        if connector.random:
            yield (
                f"to route errors back through dropout the cells of {post!r} need partner= (the "
                "forward dropout) and a gate projection from its source. Without a gate use a "
                "OneToOneConnector, which brings every cell the mean error"
            )
            return
        yield (
            f"to route errors back through a max-pool the cells of {post!r} need partner= (the "
            "forward pool) and a gate projection from its source. Without a gate use the transpose "
            "of an AveragePoolConnector, which spreads errors evenly"
        )


def _check_plasticity(reading: Reading, projection: Projection) -> Iterator[str]:
    if projection.plasticity is None:
        return
    weights = projection.weights
    if weights is None:
        yield "it has no weights that could learn"
    elif weights.kind != "independent":
        yield f"its weights are {weights.kind} to {weights.to!r} and learn only there"
    yield from _check_one_signal(projection.plasticity.post)
    try:
        reading.ends(projection)
    except WiringError as error:
        yield str(error)


def _check_learning(reading: Reading, population: Population) -> Iterator[str]:
    learns = population.learns
    if learns is not None:
        yield from _check_one_signal(learns)
        if reading.learning_phase(population) is None:
            yield reading.untaught(population.name, learns)


def _check_one_signal(signal: Signal) -> Iterator[str]:
    if signal.kind == "synaptic":
        yield (
            f"learns from what {signal.source!r} brings to each synapse, but a cell has one signal "
            "for all of them. Use brought_by(...) for pre, taught_by(...) elsewhere"
        )


def _check_mimicry(circuit: Assembly) -> Iterator[str]:
    for name in circuit.populations:
        for phase in circuit.phases:
            sources = [p.pre for p in circuit.select(role="mimic", post=name, phase=phase)]
            if len(sources) > 1:
                yield (
                    f"population {name!r} would mimic {' and '.join(sources)} at once in phase "
                    f"{phase!r}: give each its own phase"
                )


def _check_comparison(circuit: Assembly) -> Iterator[str]:
    compared = list(circuit.select(role="compare"))
    posts = {p.post for p in compared}
    pres = {circuit.populations[p.pre].path for p in compared}
    if compared and (len(posts) != 1 or len(compared) != 2 or pres != {"forward", "target"}):
        yield (
            "the output error needs exactly two compare projections, from the output and from the "
            f"target population, to one error population; found "
            f"{', '.join(p.name for p in compared)}"
        )


def _cycle(graph: nx.DiGraph) -> list:
    """The nodes of a cycle; none in a graph without."""
    try:
        return [edge[0] for edge in nx.find_cycle(graph)]
    except nx.NetworkXNoCycle:
        return []


def _check_no_loop(reading: Reading, phase: str) -> Iterator[str]:
    """Nobody's activity may be made of itself: gates and mimicry count, each in its phases."""
    circuit, graph = reading.circuit, nx.DiGraph()
    for name in circuit.populations:
        mimic = reading.mimicked(name, phase)
        # What a cell conveys: what it mimics or its own, which goes on beside it.
        graph.add_edge(("own", mimic.pre if mimic else name), ("conveyed", name))
    for p in circuit.select(phase=phase):
        if p.role in ("drive", "compare"):
            graph.add_edge(("conveyed", p.pre), ("own", p.post))
        elif p.role == "gate":
            graph.add_edge(("own", p.pre), ("own", p.post))
    if names := list(dict.fromkeys(name for _, name in _cycle(graph))):
        yield (
            f"in phase {phase!r} activities form a loop through drives, gates and mimicry: "
            + " -> ".join([*names, names[0]])
        )
