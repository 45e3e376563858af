"""What makes a circuit well wired; checked when it is built, not in the third epoch."""

from __future__ import annotations

import networkx as nx

from .assembly import Assembly
from .connectors import AllToAllConnector, Conv2dConnector
from .elements import Phase, Population, Projection, Signal
from .errors import WiringError
from .reading import Reading


def validate(circuit: Assembly, reading: Reading) -> None:
    """Raise `WiringError` at the first thing that cannot work."""
    if not circuit.populations:
        raise WiringError(f"circuit {circuit.name!r} has no population")
    for population in circuit.populations.values():
        _check_population(circuit, population)
    for phase in circuit.phases.values():
        _check_phase(circuit, phase)
    for projection in circuit.projections.values():
        _check_ends(circuit, projection)
        _check_phases(circuit, projection)
        _check_weights(circuit, projection)
        _check_norm(reading, projection)
        _check_feedback_of_pool(circuit, projection)
    for projection in circuit.projections.values():
        _check_plasticity(reading, projection)
    for population in circuit.populations.values():
        _check_learning(reading, population)
    _check_norm_arrives(circuit)
    _check_mimicry(circuit)
    _check_comparison(circuit)
    _check_no_cycle(circuit)
    for name in circuit.phases:
        _check_no_loop(reading, name)


def _check_population(circuit: Assembly, population: Population) -> None:
    if population.partner is not None:
        partner = circuit.populations.get(population.partner)
        if partner is None:
            raise WiringError(
                f"population {population.name!r}: its partner {population.partner!r} is not in "
                f"the circuit. Populations: {', '.join(circuit.populations)}"
            )
        if partner.shape != population.shape:
            raise WiringError(
                f"population {population.name!r} has shape {population.shape}, but its partner "
                f"{partner.name!r} has {partner.shape}: partners are paired cell by cell"
            )
    if population.error_norm != "none":
        partner = circuit.populations.get(population.partner or "")
        if partner is None or partner.norm is None:
            raise WiringError(
                f"population {population.name!r}: error_norm {population.error_norm!r} needs a "
                f"partner that is normalised, but {population.partner!r} has no norm"
            )
    if population.norm is not None and population.norm.affine:
        raise WiringError(
            f"population {population.name!r}: normalisation after φ needs BatchNorm(affine=False). "
            "Its gain and shift would learn from the error after the normalisation, which the "
            "error cell does not hold; the weights that follow take their part"
        )


def _check_phase(circuit: Assembly, phase: Phase) -> None:
    for name in phase.noisy:
        if name not in circuit.populations:
            raise WiringError(
                f"phase {phase.name!r}: noisy population {name!r} is not in the circuit. "
                f"Populations: {', '.join(circuit.populations)}"
            )


def _check_ends(circuit: Assembly, projection: Projection) -> None:
    for end in (projection.pre, projection.post):
        if end not in circuit.populations:
            raise WiringError(
                f"{projection.label}: there is no population {end!r}. "
                f"Populations: {', '.join(circuit.populations)}"
            )
    pre, post = circuit.populations[projection.pre], circuit.populations[projection.post]
    reason = projection.connector.misfit(pre.shape, post.shape)
    if reason:
        raise WiringError(
            f"{projection.label}: shapes do not fit, pre {pre.name!r} {pre.shape} and post "
            f"{post.name!r} {post.shape}. {reason}."
        )
    if projection.role == "gate" and projection.derivative is None:
        raise WiringError(
            f"{projection.label}: a gate needs derivative=, the φ whose derivative is taken"
        )


def _check_phases(circuit: Assembly, projection: Projection) -> None:
    named = set(projection.phases)
    if projection.plasticity is not None:
        named.add(projection.plasticity.phase)
    unknown = sorted(named - set(circuit.phases))
    if unknown:
        raise WiringError(
            f"{projection.label}: phase {unknown[0]!r} is not one of the circuit's phases "
            f"{', '.join(circuit.phases)}"
        )


def _check_weights(circuit: Assembly, projection: Projection) -> None:
    pre, post = circuit.populations[projection.pre], circuit.populations[projection.post]
    shape = projection.connector.weight_shape(pre.shape, post.shape)
    if (shape is not None) != (projection.weights is not None):
        has = "has weights" if shape is not None else "has no weights"
        raise WiringError(
            f"{projection.label}: its {type(projection.connector).__name__} {has}, but weights = "
            f"{projection.weights}"
        )
    if projection.role != "drive" and shape is not None:
        raise WiringError(
            f"{projection.label}: only a drive has weights; use OneToOneConnector or "
            "MatchConnector for other roles"
        )
    if projection.weights is None:
        return
    if projection.weights.to is None:
        if projection.weights.kind == "independent" and projection.weights.start != "aligned":
            return
        raise WiringError(f"{projection.label}: {projection.weights} must name a projection in to=")
    to = circuit.projections.get(projection.weights.to)
    if to is None:
        raise WiringError(
            f"{projection.label}: weights refer to {projection.weights.to!r}, which is not a "
            "projection of this circuit"
        )
    if to.weights is not None and to.weights.kind != "independent":
        raise WiringError(
            f"{projection.label}: weights refer to {to.label}, whose own are {to.weights.kind} to "
            f"{to.weights.to!r}. Refer to the projection that owns its weights"
        )
    if projection.weights.start == "aligned" and to.weights and to.weights.start == "aligned":
        raise WiringError(
            f"{projection.label}: start='aligned' copies {to.label}, which is itself a copy of "
            f"{to.weights.to!r}. Refer to the projection that has a draw of its own"
        )
    other = to.connector.weight_shape(
        circuit.populations[to.pre].shape, circuit.populations[to.post].shape
    )
    if other != shape:
        raise WiringError(
            f"{projection.label}: weights of shape {shape} refer to {to.label} of shape {other}. "
            "Use the transpose of that projection's connector"
        )


def _check_norm(reading: Reading, projection: Projection) -> None:
    circuit = reading.circuit
    if projection.norm is not None and not (
        projection.role == "drive"
        and isinstance(projection.connector, AllToAllConnector | Conv2dConnector)
    ):
        raise WiringError(
            f"{projection.label}: normalisation belongs to an all-to-all or conv drive"
        )
    if projection.norm is not None and circuit.populations[projection.pre].path == "feedback":
        raise WiringError(
            f"{projection.label}: a drive of error cells has no norm of its own. Say with "
            "error_norm= how errors pass the norm of the forward drive that it runs against"
        )
    if projection.error_norm == "none":
        return
    carrier = reading.error_passes(projection)
    if carrier.norm is None:
        raise WiringError(
            f"{projection.label}: error_norm {projection.error_norm!r} needs a normalised forward "
            f"drive, but {carrier.name!r} has no norm"
        )


def _check_norm_arrives(circuit: Assembly) -> None:
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
            raise WiringError(
                f"{owner}: error_norm 'full' needs the normalised input of {source!r} at "
                f"{target!r}, but no norm projection {source!r} -> {target!r} brings it. Wire it "
                "with connect(..., role='norm'), or use error_norm 'scale' or 'own'"
            )


def _check_feedback_of_pool(circuit: Assembly, projection: Projection) -> None:
    """A max-pool's error goes back by the argmax of the forward cells, which must be told."""
    connector = projection.connector
    if not (connector.transposed and connector.routed):
        return
    forward = circuit.projections.get(projection.partner or "")
    gated = forward is not None and any(
        circuit.select(role="gate", pre=forward.pre, post=projection.post)
    )
    if not gated:
        raise WiringError(
            f"{projection.label}: to route errors back through a max-pool the cells of "
            f"{projection.post!r} need partner= (the forward pool) and a gate projection from its "
            "source. Without a gate use the transpose of an AveragePoolConnector, which spreads "
            "errors evenly"
        )


def _check_plasticity(reading: Reading, projection: Projection) -> None:
    plasticity = projection.plasticity
    if plasticity is None:
        return
    if projection.weights is None:
        raise WiringError(f"{projection.label}: it has no weights that could learn")
    if projection.weights.kind != "independent":
        raise WiringError(
            f"{projection.label}: its weights are {projection.weights.kind} to "
            f"{projection.weights.to!r} and learn only there"
        )
    if plasticity.post.kind == "synaptic":
        raise WiringError(_one_signal(projection.label, plasticity.post))
    try:
        reading.ends(projection)
    except WiringError as error:
        raise WiringError(f"{projection.label}: {error}") from None


def _check_learning(reading: Reading, population: Population) -> None:
    learns = population.learns
    owner = f"population {population.name!r}"
    if learns is not None and learns.kind == "synaptic":
        raise WiringError(_one_signal(owner, learns))
    if learns is not None and reading.learning_phase(population) is None:
        raise WiringError(f"{owner}: {reading.untaught(population.name, learns)}")


def _one_signal(owner: str, signal: Signal) -> str:
    return (
        f"{owner}: learns from what {signal.source!r} brings to each synapse, but a cell has one "
        "signal for all of them. Use brought_by(...) for pre, taught_by(...) elsewhere"
    )


def _check_mimicry(circuit: Assembly) -> None:
    for name in circuit.populations:
        for phase in circuit.phases:
            sources = [p.pre for p in circuit.select(role="mimic", post=name, phase=phase)]
            if len(sources) > 1:
                raise WiringError(
                    f"population {name!r} would mimic {' and '.join(sources)} at once in phase "
                    f"{phase!r}: give each its own phase"
                )


def _check_comparison(circuit: Assembly) -> None:
    compared = list(circuit.select(role="compare"))
    if not compared:
        return
    posts = {p.post for p in compared}
    pres = {circuit.populations[p.pre].path for p in compared}
    if len(posts) != 1 or len(compared) != 2 or pres != {"forward", "target"}:
        raise WiringError(
            "the output error needs exactly two compare projections, from the output and from the "
            f"target population, to one error population; found "
            f"{', '.join(p.name for p in compared)}"
        )


def _check_no_cycle(circuit: Assembly) -> None:
    try:
        cycle = nx.find_cycle(circuit.graph(roles=("drive", "compare")))
    except nx.NetworkXNoCycle:
        return
    raise WiringError(
        "drives form a cycle: " + " -> ".join([edge[0] for edge in cycle] + [cycle[0][0]])
    )


def _check_no_loop(reading: Reading, phase: str) -> None:
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
    try:
        loop = nx.find_cycle(graph)
    except nx.NetworkXNoCycle:
        return
    names = list(dict.fromkeys(name for (_, name), _ in loop))
    raise WiringError(
        f"in phase {phase!r} activities form a loop through drives, gates and mimicry: "
        + " -> ".join([*names, names[0]])
    )
