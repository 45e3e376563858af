"""Autapses, multapses, and how many cells a cell hears from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial

import numpy as np

from oneway.circuits import (
    Circuit,
    FromListConnector,
    Projection,
    Relation,
    Role,
    SynapticConnector,
    TransposeConnector,
    WiringError,
    count_common,
    relayed_cells,
)

from ..graphs import Graph
from ..routes import Route, find_routes
from ..wiring import ALL, PAPERS
from .algebra import IntArray, common_pairs, diagonal, in_degrees
from .fixes import Fix, can_drop, dropping
from .language import EXAMPLES, Cells, Constraint, Found, Violation, named
from .reciprocity import AS_IT_IS

# -- autapses ----------------------------------------------------------------------------------


def no_autapse(roles: Sequence[Role] = ALL) -> Constraint:
    """No cell projects to itself; relays count as the cells that they stand for."""
    return Constraint(
        "no-autapse", "no cell projects to itself", partial(_autapses, roles), _graph_autapses
    )


def _autapses(roles: Sequence[Role], circuit: Circuit) -> Found:
    found = []
    for (pre, post), among in find_routes(circuit, relayed_cells(circuit)).items():
        if pre != post:
            continue
        own = [(r.projection, diagonal(r.relation(circuit))) for r in _of(among, roles)]
        making = [p for p, mask in own if mask.any()]
        if not making:
            continue
        cells = np.flatnonzero(np.any([mask for _, mask in own], axis=0))
        names = tuple((cell,) for cell in named(pre, cells[:EXAMPLES]))
        fix = dropping(circuit, making) if all(can_drop(circuit, p) for p in making) else None
        no_fix = "" if fix else "forward cells learn from it, or it drives"
        why = f"{pre} -> {pre} ({' and '.join(p.name for p in making)})"
        found.append(Violation((pre,), cells.size, "cells", why, names, fix, no_fix))
    return Found(tuple(found))


def _graph_autapses(graph: Graph) -> Found:
    if not graph.autapses:
        return Found(())
    entries = graph.weights.tocoo()
    own = entries.row[entries.row == entries.col][:EXAMPLES]
    names = tuple((str(name),) for name in graph.names[own])
    why = "cells that project to themselves"
    return Found((Violation((), graph.autapses, "cells", why, names, no_fix=AS_IT_IS),))


def _of(routes: Iterable[Route], roles: Sequence[Role]) -> list[Route]:
    return [route for route in routes if route.projection.role in roles]


# -- multapses ---------------------------------------------------------------------------------


def no_multapse(roles: Sequence[Role] = ALL) -> Constraint:
    """No two connections of one role join the same two cells in the same direction."""
    return Constraint(
        "no-multapse",
        "no two connections of one role join the same two cells",
        partial(_multapses, roles),
        _graph_multapses,
    )


def _multapses(roles: Sequence[Role], circuit: Circuit) -> Found:
    alike: dict[tuple[str, str, Role], list[Projection]] = defaultdict(list)
    for p in circuit.projections.values():
        if p.role in roles:
            alike[p.pre, p.post, p.role].append(p)
    found = []
    for (pre, post, role), projections in alike.items():
        relations = [p.connector.relation(*circuit.shapes(p)) for p in projections]
        connections = sum(connection_count(circuit, p) for p in projections)
        extra = connections - count_common(relations, relations)
        if extra:
            names = ", ".join(repr(p.name) for p in projections)
            why = f"{pre} -> {post} ({role}) more than once between the same cells, by {names}"
            cells = _repeated(projections, relations)
            fix, no_fix = _once(circuit, projections, relations)
            where, what = (pre, post), "connections too many"
            found.append(Violation(where, extra, what, why, cells, fix, no_fix))
    return Found(tuple(found))


def connection_count(circuit: Circuit, p: Projection) -> int:
    """Connections of a projection, each listed one and each brought to a synapse for itself."""
    (pre, post), connector = circuit.shapes(p), p.connector
    if isinstance(connector, TransposeConnector):
        connector, pre, post = connector.inner, post, pre
    if isinstance(connector, FromListConnector):
        return len(connector.conn_list)
    if isinstance(connector, SynapticConnector):
        return connector.drive.relation(connector.shape, post).count()
    return connector.relation(pre, post).count()


def _repeated(
    projections: Sequence[Projection], relations: Sequence[Relation]
) -> tuple[Cells, ...]:
    """Examples: pairs that two projections join, or that one lists twice."""
    pairs: list[tuple[int, int]] = []
    for number, relation in enumerate(relations):
        pairs += common_pairs([relation], relations[:number], EXAMPLES)
        listed = getattr(relation, "pairs", np.empty((0, 2), np.int64))
        each, times = np.unique(listed, axis=0, return_counts=True)
        pairs += [(int(i), int(j)) for i, j in each[times > 1]]
    pre, post = projections[0].pre, projections[0].post
    return tuple((f"{pre}[{i}]", f"{post}[{j}]") for i, j in pairs[:EXAMPLES])


def _once(
    circuit: Circuit, projections: Sequence[Projection], relations: Sequence[Relation]
) -> tuple[Fix | None, str]:
    if any(isinstance(p.connector, SynapticConnector) for p in projections):
        return None, "each synapse is told a signal of its own; rules have signals='neuron'"
    overlapping = any(count_common([r], relations[:n]) for n, r in enumerate(relations) if n)
    if overlapping:
        droppable = [p for p in projections if can_drop(circuit, p)]
        if len(droppable) < len(projections) - 1:
            return None, "both drive cells, or bring what forward synapses learn from"
        return dropping(circuit, droppable[1 - len(projections) :]), ""
    names = tuple(p.name for p in projections)
    return Fix(f"list each pair once in {', '.join(map(repr, names))}", once=names), ""


def _graph_multapses(graph: Graph) -> Found:
    if not graph.multapses:
        return Found(())
    why = "connections that are listed again"
    return Found((Violation((), graph.multapses, "connections", why, no_fix=AS_IT_IS),))


# -- fan-in ------------------------------------------------------------------------------------


def fan_in(at_most: int, roles: Sequence[Role] = PAPERS) -> Constraint:
    """No cell hears from more than `at_most` other cells.

    However many ways join two cells, they count once; relays count as the cells that they stand
    for.
    """
    if at_most < 0:
        raise WiringError(f"fan-in at most {at_most}, expected 0 or more")
    known = {tuple(PAPERS): "", tuple(ALL): "@all"}.get(tuple(roles), "@" + "+".join(roles))
    return Constraint(
        f"fan-in{known}<={at_most}",
        f"no cell hears from more than {at_most:,} others by {', '.join(roles)}",
        partial(_fan_in, at_most, roles),
        partial(_graph_fan_in, at_most),
    )


def _fan_in(at_most: int, roles: Sequence[Role], circuit: Circuit) -> Found:
    routes = find_routes(circuit, relayed_cells(circuit))
    heard: dict[str, list[tuple[str, IntArray]]] = defaultdict(list)
    for (pre, post), among in routes.items():
        relations = [route.relation(circuit) for route in _of(among, roles)]
        if relations:
            degrees = in_degrees(relations)
            if pre == post:
                degrees = degrees - np.any([diagonal(r) for r in relations], axis=0)
            heard[post].append((pre, degrees))
    found = []
    for post, sources in heard.items():
        total = np.sum([degrees for _, degrees in sources], axis=0)
        many = np.flatnonzero(total > at_most)
        if many.size:
            whom = ", ".join(f"{d.max():,} of {pre}" for pre, d in sources if d.max())
            why = f"{post} hears from up to {total.max():,} cells ({whom})"
            cells = tuple((cell,) for cell in named(post, many[:EXAMPLES]))
            found.append(Violation((post,), many.size, "cells", why, cells, no_fix=_SPARSER))
    return Found(tuple(found))


_SPARSER = (
    "fewer connections make another network. FixedProbabilityConnector or FromListConnector in "
    "place of all-to-all, smaller kernels or layers do"
)


def _graph_fan_in(at_most: int, graph: Graph) -> Found:
    degrees = np.asarray(graph.adjacency.sum(axis=0, dtype=np.int64)).ravel()
    many = np.flatnonzero(degrees > at_most)
    if not many.size:
        return Found(())
    names = tuple((str(name),) for name in graph.names[many[:EXAMPLES]])
    why = f"cells that hear from up to {degrees.max():,} others"
    return Found((Violation((), many.size, "cells", why, names, no_fix=AS_IT_IS),))
