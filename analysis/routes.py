"""What joins each two populations, with relays counted as the cells that they stand for."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import Any, NamedTuple

from oneway.circuits import Circuit, Projection, Relation, Role, compose


class Route(NamedTuple):
    """A projection, and the way to it from a cell that its first end stands for; and so onward."""

    projection: Projection
    before: Relation | None
    after: Relation | None

    def relation(self, circuit: Circuit) -> Relation:
        """The cells that it joins, with relays on the way left out."""
        p, before, after = self
        relation = circuit.reading.relation(p)
        relation = relation if before is None else compose(before, relation)
        return relation if after is None else compose(relation, after.transposed)


Routes = dict[tuple[str, str], list[Route]]


def find_routes(circuit: Circuit, relayed: dict[str, list[tuple[str, Relation]]]) -> Routes:
    """What joins each two populations in that direction, with the relays in `relayed` merged."""
    routes: Routes = {}
    for p in circuit.projections.values():
        if p.role == "drive" and p.post in relayed:
            continue  # it says for which cells a relay stands, and joins no two neurons
        ends = (relayed.get(name, [(name, None)]) for name in (p.pre, p.post))
        for (pre, before), (post, after) in product(*ends):
            routes.setdefault((pre, post), []).append(Route(p, before, after))
    return routes


def mutual(circuit: Circuit, routes: Routes) -> Iterable[tuple[str, str]]:
    """Every two populations that are joined in both directions, in the circuit's order."""
    position = {name: i for i, name in enumerate(circuit.populations)}
    for first, second in sorted(routes, key=lambda ends: [position[name] for name in ends]):
        if position[first] <= position[second] and (second, first) in routes:
            yield first, second


def relations_by_role(
    circuit: Circuit, routes: Iterable[Route], transposed: bool = False
) -> dict[Role, list[Relation]]:
    """What each role joins; equal connectors on the same way share one relation."""
    relations: dict[Any, Relation] = {}
    by_role: dict[Role, list[Relation]] = {}
    for route in routes:
        connector = circuit.reading.connector(route.projection)
        key = (connector, id(route.before), id(route.after))
        if key not in relations:
            relation = route.relation(circuit)
            relations[key] = relation.transposed if transposed else relation
        by_role.setdefault(route.projection.role, []).append(relations[key])
    return by_role


def output_pair(circuit: Circuit) -> frozenset[str]:
    """Names of the output population and of the error population that compares it."""
    return frozenset(
        name
        for projection in circuit.select(role="compare")
        if circuit.populations[projection.pre].path == "forward"
        for name in (projection.pre, projection.post)
    )
