"""Autapses, multapses, and how many cells a cell hears from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import numpy as np

from oneway.circuits import (
    AllToAllConnector,
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
from .fixes import Fix, can_drop, dropping, joined, thinning
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
        relations = [circuit.reading.relation(p) for p in projections]
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
    (pre, post), connector = circuit.shapes(p), circuit.reading.connector(p)
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


Arriving = list[tuple[str, Route]]


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
        f"no cell hears from more than {at_most:,} others",
        partial(_fan_in, at_most, roles),
        partial(_graph_fan_in, at_most),
        tuple(roles),
    )


def _fan_in(at_most: int, roles: Sequence[Role], circuit: Circuit) -> Found:
    relayed = relayed_cells(circuit)
    arriving: dict[str, Arriving] = defaultdict(list)
    for (pre, post), among in find_routes(circuit, relayed).items():
        arriving[post] += [(pre, route) for route in _of(among, roles)]
    found = []
    for post, routes in arriving.items():
        heard = _heard(circuit, post, routes)
        total = _total(circuit, post, heard)
        many = np.flatnonzero(total > at_most)
        if many.size:
            whom = ", ".join(f"{d.max():,} of {pre}" for pre, d in heard.items() if d.max())
            why = f"{post} hears from up to {total.max():,} cells ({whom})"
            cells = tuple((cell,) for cell in named(post, many[:EXAMPLES]))
            fix = _sparser(circuit, post, routes, at_most)
            no_fix = "" if fix else _DENSE
            found.append(Violation((post,), many.size, "cells", why, cells, fix, no_fix))
    return Found(tuple(found))


_DENSE = "what is left besides all-to-all drives is too much already; smaller kernels have less"


def _heard(circuit: Circuit, post: str, routes: Arriving) -> dict[str, IntArray]:
    """How many other cells of each population a cell hears from, by any route."""
    relations: dict[str, list[Relation]] = defaultdict(list)
    for pre, route in routes:
        relations[pre].append(route.relation(circuit))
    return {
        pre: in_degrees(some) - (np.any([diagonal(r) for r in some], axis=0) if pre == post else 0)
        for pre, some in relations.items()
    }


def _total(circuit: Circuit, post: str, heard: Mapping[str, IntArray]) -> IntArray:
    return sum(heard.values(), np.zeros(circuit.populations[post].size, np.int64))


def _sparser(circuit: Circuit, post: str, routes: Arriving, at_most: int) -> Fix | None:
    """Thin all-to-all drives, by equal shares of what other connections leave over."""
    dense = {r.projection.name: r.projection for _, r in routes if _all_to_all(r.projection)}
    others = [(pre, r) for pre, r in routes if r.projection.name not in dense]
    rest = int(_total(circuit, post, _heard(circuit, post, others)).max())
    if not dense or rest >= at_most:
        return None
    share = (at_most - rest) // len(dense)
    fixes = [thinning(circuit, p, share // _standing(circuit, routes, p)) for p in dense.values()]
    made = [fix for fix in fixes if fix is not None]
    return joined(made) if len(made) == len(fixes) else None


def _all_to_all(p: Projection) -> bool:
    connector = p.connector.transpose if p.connector.transposed else p.connector
    return p.role == "drive" and isinstance(connector, AllToAllConnector)


def _standing(circuit: Circuit, routes: Arriving, p: Projection) -> int:
    """For how many cells a presynaptic cell of a drive stands, if it is a relay."""
    ways = [r.before for _, r in routes if r.projection is p]
    counts = [in_degrees([way]) for way in ways if way is not None]
    return int(np.sum(counts, axis=0).max()) if counts else 1


def _graph_fan_in(at_most: int, graph: Graph) -> Found:
    degrees = np.asarray(graph.adjacency.sum(axis=0, dtype=np.int64)).ravel()
    many = np.flatnonzero(degrees > at_most)
    if not many.size:
        return Found(())
    names = tuple((str(name),) for name in graph.names[many[:EXAMPLES]])
    why = f"cells that hear from up to {degrees.max():,} others"
    return Found((Violation((), many.size, "cells", why, names, no_fix=AS_IT_IS),))
