"""No two cells, populations or paths joined in both directions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Literal, get_args

import numpy as np

from oneway.circuits import Circuit, Projection, Role, WiringError, relayed_cells

from ..graphs import Graph, dyad_census
from ..routes import Routes, find_routes, mutual, output_pair
from ..wiring import ALL, PAPERS, PairCounter
from .algebra import common_pairs
from .fixes import Fix, can_drop, dropping
from .language import EXAMPLES, Cells, Constraint, Found, Violation

Level = Literal["cell", "population", "path"]

# What it costs to do without a projection of a role: a gate is the least.
_COST: tuple[Role, ...] = ("gate", "norm", "mimic", "teach")


def no_reciprocal_pairs(
    roles: Sequence[Role] = PAPERS, level: Level = "cell", output: bool = False
) -> Constraint:
    """Nothing is joined in both directions.

    Parameters
    ----------
    roles : sequence of role
        What counts as a connection: `PAPERS`, `ALL`, or any others.
    level : {"cell", "population", "path"}
        Two cells; two populations, whether or not any two of their cells are; the forward and the
        feedback path. Relays count as the cells that they stand for.
    output : bool
        Whether the output population and the error population that compares it count too.
    """
    if level not in get_args(Level):
        raise WiringError(f"level {level!r}, expected one of {', '.join(get_args(Level))}")
    known = {PAPERS: "papers", ALL: "all"}.get(tuple(roles), "+".join(roles))
    what = {"cell": "two cells", "population": "two populations", "path": "two paths"}[level]
    find = {"cell": _cells, "population": _populations, "path": _paths}[level]
    return Constraint(
        known + ("" if level == "cell" else f"@{level}"),
        f"no {what} joined both ways",
        partial(find, tuple(roles), output),
        _of_graph if level == "cell" else None,
        tuple(roles),
    )


def _cells(roles: Sequence[Role], output: bool, circuit: Circuit) -> Found:
    routes = find_routes(circuit, relayed_cells(circuit))
    violations, aside = [], 0
    for first, second in mutual(circuit, routes):
        counter = PairCounter(circuit, first, second, routes)
        count = counter.reciprocal(roles)
        if counter.is_output and not output:
            aside += counter.reciprocal(("compare", *roles))
        elif count:
            pairs = _examples(counter, roles)
            there, back = (_answered(counter, routes, roles, way) for way in (0, 1))
            violations.append(_violation(circuit, (first, second), count, there, back, pairs))
    return Found(tuple(violations), f"{aside:,} at the output's comparator" if aside else "")


def _examples(counter: PairCounter, roles: Sequence[Role]) -> tuple[Cells, ...]:
    there = [r for role in roles for r in counter.there.get(role, ())]
    back = [r for role in roles for r in counter.back.get(role, ())]
    pairs = common_pairs(there, back, EXAMPLES, apart=bool(counter.itself))
    return tuple((f"{counter.first}[{i}]", f"{counter.second}[{j}]") for i, j in pairs)


def _answered(
    counter: PairCounter, routes: Routes, roles: Sequence[Role], way: int
) -> list[Projection]:
    """Projections of one direction that join cells which others join the other way."""
    ends = (counter.first, counter.second)
    answered = [
        role
        for role in roles
        if (counter.answered([role], roles) if way == 0 else counter.answered(roles, [role]))
    ]
    among = routes[ends] if way == 0 else routes[ends[::-1]]
    return [route.projection for route in among if route.projection.role in answered]


def _violation(
    circuit: Circuit,
    ends: tuple[str, str],
    count: int,
    there: Sequence[Projection],
    back: Sequence[Projection],
    examples: tuple[Cells, ...] = (),
    what: str = "pairs of cells",
) -> Violation:
    (first, second), (out, home) = ends, (_roles(there), _roles(back))
    why = f"{first} -> {second} ({out}), {second} -> {first} ({home})"
    fix = _one_way(circuit, there, back)
    no_fix = (
        "" if fix else "either direction drives cells or brings what forward synapses learn from"
    )
    return Violation(ends, count, what, why, examples, fix, no_fix)


def _roles(projections: Iterable[Projection]) -> str:
    return " and ".join(dict.fromkeys(p.role for p in projections))


def _one_way(circuit: Circuit, *directions: Sequence[Projection]) -> Fix | None:
    """Leave out the direction that is the cheapest to do without."""
    possible = [way for way in directions if all(can_drop(circuit, p) for p in way)]
    if not possible:
        return None
    return dropping(circuit, min(possible, key=lambda way: max(_COST.index(p.role) for p in way)))


# -- populations and paths ---------------------------------------------------------------------


def _populations(roles: Sequence[Role], output: bool, circuit: Circuit) -> Found:
    routes = find_routes(circuit, relayed_cells(circuit))
    violations, aside = [], 0
    for first, second in mutual(circuit, routes):
        if first == second:
            continue
        there, back = (
            [r.projection for r in routes[ends] if r.projection.role in roles]
            for ends in ((first, second), (second, first))
        )
        if not output and {first, second} == output_pair(circuit):
            aside += 1
        elif there and back:
            ends, what = (first, second), "pair of populations"
            violations.append(_violation(circuit, ends, 1, there, back, what=what))
    return Found(tuple(violations), "the output's comparator" if aside else "")


def _paths(roles: Sequence[Role], output: bool, circuit: Circuit) -> Found:
    apart = frozenset() if output else output_pair(circuit)
    there = list(_between(circuit, roles, "forward", "feedback", apart))
    back = list(_between(circuit, roles, "feedback", "forward", apart))
    if not (there and back):
        return Found(())
    ends, what = ("forward path", "feedback path"), "projections there and back"
    return Found((_violation(circuit, ends, len(there) + len(back), there, back, what=what),))


def _between(
    circuit: Circuit, roles: Sequence[Role], pre: str, post: str, apart: frozenset[str]
) -> Iterator[Projection]:
    for p in circuit.projections.values():
        paths = tuple(circuit.populations[end].path for end in (p.pre, p.post))
        if p.role in roles and paths == (pre, post) and {p.pre, p.post} != apart:
            yield p


# -- graphs ------------------------------------------------------------------------------------


def _of_graph(graph: Graph) -> Found:
    count = dyad_census(graph).mutual
    if not count:
        return Found(())
    both = graph.adjacency.multiply(graph.adjacency.T).tocoo()
    upper = np.flatnonzero(both.row < both.col)[:EXAMPLES]
    names = graph.names[both.row[upper]], graph.names[both.col[upper]]
    examples = tuple((str(u), str(v)) for u, v in zip(*names, strict=True))
    return Found((Violation((), count, "pairs of cells", MEASURED, examples, no_fix=AS_IT_IS),))


MEASURED = "connections run both ways"
AS_IT_IS = "the graph is as it was measured"
