"""Ways through a circuit: by which an error cell hears of its layer, and how soon it answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import networkx as nx
import numpy as np

from oneway.circuits import (
    Circuit,
    Projection,
    Relation,
    Role,
    WiringError,
    compose,
    relay_names,
    relayed_cells,
)

from ..graphs import Graph, return_lengths
from ..paths import DEFAULT_ROLES
from ..routes import output_pair
from ..wiring import ALL, PAPERS
from .algebra import BoolArray, diagonal
from .fixes import can_drop, dropping
from .language import EXAMPLES, Constraint, Found, Violation, named
from .reciprocity import AS_IT_IS

# How much farther than a population's a cell's way back may be, to be looked for.
DETOUR = 4

# -- skip projections --------------------------------------------------------------------------


def skip_only(roles: Sequence[Role] = PAPERS) -> Constraint:
    """The forward path tells the feedback path what it does by skip projections only.

    A skip ends at error cells whose partners lie further on than the cells that it comes from. The
    output and the error cells that compare it stand apart; relays count as what they stand for.
    """
    known = {tuple(PAPERS): "", tuple(ALL): "@all"}.get(tuple(roles), "@" + "+".join(roles))
    return Constraint(
        f"skip-only{known}",
        "forward cells reach error cells of later layers only",
        partial(_skips, roles),
        roles=tuple(roles),
    )


def _skips(roles: Sequence[Role], circuit: Circuit) -> Found:
    forward = nx.DiGraph(circuit.forward_graph())
    stands = {name: {o for o, _ in some} for name, some in relayed_cells(circuit).items()}
    straight: dict[tuple[str, str], list[Projection]] = {}
    for p in circuit.projections.values():
        pre, post = circuit.populations[p.pre], circuit.populations[p.post]
        told = (pre.path, post.path) == ("forward", "feedback")
        if p.role not in roles or not told or {p.pre, p.post} == output_pair(circuit):
            continue
        if not (post.partner and _lies_before(forward, stands, p.pre, post.partner)):
            straight.setdefault((p.pre, p.post), []).append(p)
    return Found(tuple(_no_skip(circuit, some) for some in straight.values()))


def _no_skip(circuit: Circuit, projections: Sequence[Projection]) -> Violation:
    """What is wrong with projections that join the same two populations."""
    (pre, post), *_ = ((p.pre, p.post) for p in projections)
    count = sum(circuit.reading.relation(p).count() for p in projections)
    loose = all(can_drop(circuit, p) for p in projections)
    fix = dropping(circuit, projections) if loose else None
    no_fix = "" if fix else "it drives the error cells"
    roles = " and ".join(dict.fromkeys(p.role for p in projections))
    partner = circuit.populations[post].partner
    why = f"{pre} -> {post} ({roles}) is no skip: the partner is {partner}"
    return Violation((pre, post), count, "connections", why, fix=fix, no_fix=no_fix)


def _lies_before(
    forward: nx.DiGraph, stands: dict[str, set[str]], source: str, partner: str
) -> bool:
    sources, partners = stands.get(source, {source}), stands.get(partner, {partner})
    return source in nx.ancestors(forward, partner) and not sources & partners


# -- return paths ------------------------------------------------------------------------------


def return_path_at_least(length: int, roles: Sequence[Role] = DEFAULT_ROLES) -> Constraint:
    """From a hidden cell to its error cell and back it takes at least so many connections.

    2 is a reciprocal pair. Drives into relays cost nothing, as in `return_paths`; of the output,
    which is compared at once under every rule, nothing is asked. Exact for every cell.

    Parameters
    ----------
    length : int
    roles : sequence of role
        What counts as a connection.
    """
    if length < 1:
        raise WiringError(f"return path of at least {length} connections, expected 1 or more")
    every = (*ALL, "compare")
    known = {DEFAULT_ROLES: "", every: "@all"}.get(tuple(roles), "@" + "+".join(roles))
    return Constraint(
        f"return-path{known}>={length}",
        f"at least {length} connections from a cell to its error cell and back",
        partial(_returns, length, tuple(roles)),
        partial(_graph_returns, length),
        tuple(roles),
    )


def _returns(length: int, roles: Sequence[Role], circuit: Circuit) -> Found:
    walks, found = _Walks(circuit, roles), []
    for name, partner in _hidden_pairs(circuit):
        loops = list(walks.loops(name, partner, length - 1))
        if loops:
            found.append(_too_short(circuit, name, partner, loops))
    return Found(tuple(found))


def shortest_return(circuit: Circuit, roles: Sequence[Role] = DEFAULT_ROLES) -> int | None:
    """Connections on the shortest way from any hidden cell to its error cell and back.

    None: there is no way, or none within a few connections of what the populations' own distances
    would allow.
    """
    walks, pairs = _Walks(circuit, roles), _hidden_pairs(circuit)
    least = min((walks.at_least(*pair) for pair in pairs), default=np.inf)
    if least == np.inf:
        return None
    for at_most in range(int(least), int(least) + DETOUR):
        for pair in pairs:
            if loop := next(walks.loops(*pair, at_most), None):
                return loop.length
    return None


def _hidden_pairs(circuit: Circuit) -> list[tuple[str, str]]:
    """Populations with the error cells that are paired with them, the output's apart."""
    output = circuit.output_error
    found = ((name, circuit.partner_of(name)) for name in circuit.populations)
    return [(name, error.name) for name, error in found if error and error is not output]


@dataclass(frozen=True)
class _Walk:
    """A way from a population to another, and which cells it brings back to their own place."""

    length: int
    cells: BoolArray
    projections: tuple[Projection, ...]


def _too_short(circuit: Circuit, name: str, partner: str, loops: list[_Walk]) -> Violation:
    cells = np.flatnonzero(np.any([loop.cells for loop in loops], axis=0))
    shortest = min(loops, key=lambda loop: loop.length)
    way = ", ".join(f"{p.pre} -> {p.post} ({p.role})" for p in shortest.projections)
    why = f"{name} -> {partner} -> {name} in {shortest.length} connections: {way}"
    loose = [[p for p in loop.projections if can_drop(circuit, p)] for loop in loops]
    chosen = {p.name: p for some in loose for p in some}
    fix = dropping(circuit, chosen.values()) if all(loose) else None
    no_fix = "" if fix else "nothing but drives and the errors that forward cells learn from"
    examples = tuple((cell,) for cell in named(name, cells[:EXAMPLES]))
    return Violation((name, partner), cells.size, "cells", why, examples, fix, no_fix)


class _Walks:
    """Walks of bounded length, by composing relations population by population."""

    def __init__(self, circuit: Circuit, roles: Sequence[Role]) -> None:
        self.circuit = circuit
        passing = set(relay_names(circuit))
        self.leaving: dict[str, list[tuple[Projection, int]]] = {}
        graph = nx.DiGraph()
        graph.add_nodes_from(circuit.populations)
        for p in circuit.projections.values():
            if p.role in roles:
                cost = 0 if p.role == "drive" and p.post in passing else 1
                self.leaving.setdefault(p.pre, []).append((p, cost))
                before = graph.get_edge_data(p.pre, p.post, {"weight": 1})["weight"]
                graph.add_edge(p.pre, p.post, weight=min(cost, before))
        self.apart = dict(nx.all_pairs_dijkstra_path_length(graph))
        self.relations: dict[str, Relation] = {}

    def at_least(self, name: str, partner: str) -> float:
        """How far populations are apart, there and back; a cell may have farther to go."""
        return self.apart[name].get(partner, np.inf) + self.apart[partner].get(name, np.inf)

    def loops(self, name: str, partner: str, at_most: int) -> Iterator[_Walk]:
        """Walks there and back that bring a cell back to itself."""
        if self.at_least(name, partner) > at_most:
            return
        out, home = self.apart[name][partner], self.apart[partner][name]
        there = list(self.walks(name, partner, at_most - home))
        back = list(self.walks(partner, name, at_most - out))
        for a in there:
            for b in back:
                cells = a.cells & b.cells
                if a.length + b.length <= at_most and cells.any():
                    yield _Walk(a.length + b.length, cells, a.projections + b.projections)

    def walks(self, name: str, target: str, at_most: int) -> Iterator[_Walk]:
        """Those from a cell to the one in the same place of another population of that shape."""
        waiting: list[tuple[str, int, Relation | None, tuple[Projection, ...]]]
        waiting = [(name, 0, None, ())]
        while waiting:
            here, length, way, before = waiting.pop()
            if here == target and way is not None and (cells := diagonal(way)).any():
                yield _Walk(length, cells, before)
                continue
            for p, cost in self.leaving.get(here, ()):
                left = at_most - length - cost
                if self.apart[p.post].get(target, np.inf) <= left:
                    step = self._relation(p)
                    onward = step if way is None else compose(way, step)
                    waiting.append((p.post, length + cost, onward, (*before, p)))

    def _relation(self, p: Projection) -> Relation:
        if p.name not in self.relations:
            self.relations[p.name] = self.circuit.reading.relation(p)
        return self.relations[p.name]


def _graph_returns(length: int, graph: Graph) -> Found:
    """Cells on a cycle that is shorter."""
    cycles = return_lengths(graph).cells
    close = np.flatnonzero(cycles < length)
    if not close.size:
        return Found(())
    names = tuple((str(name),) for name in graph.names[close[:EXAMPLES]])
    why = f"cells on a cycle of {cycles[close].min():.0f} connections or a few more"
    return Found((Violation((), close.size, "cells", why, names, no_fix=AS_IT_IS),))
