"""Small circuits wired at random through every role, and their neurons listed one by one.

The listed neurons are the oracle for what `analysis` decides without listing.
"""

from __future__ import annotations

from itertools import combinations_with_replacement

import networkx as nx
import numpy as np
from hypothesis import strategies as st

from oneway.circuits import (
    ROLES,
    AllToAllConnector,
    AveragePoolConnector,
    Circuit,
    Connector,
    FixedProbabilityConnector,
    FromListConnector,
    MatchConnector,
    OneToOneConnector,
    Population,
    Wiring,
)

SHAPES = ((1,), (2,), (4,), (1, 2, 2), (2, 2, 2), (1, 3, 2))


@st.composite
def wired_circuits(draw) -> Circuit:
    """Two to four populations, up to nine projections of any role, an output pair or none.

    Several projections may join the same two populations, also in both directions, and weightless
    ones a population with itself.
    """
    wiring = Wiring("random")
    size = draw(st.integers(2, 4))
    paths = [
        "forward",
        "feedback",
        *draw(
            st.lists(
                st.sampled_from(("forward", "feedback", "auxiliary")),
                min_size=size - 2,
                max_size=size - 2,
            )
        ),
    ]
    cells = [
        wiring.population(f"p{i}", draw(st.sampled_from(SHAPES)), path=path)
        for i, path in enumerate(paths)
    ]
    if draw(st.booleans()) and cells[0].shape == cells[1].shape:
        target = wiring.population("target", cells[1].shape, path="target")
        wiring.connect(cells[0], cells[1], role="compare")
        wiring.connect(target, cells[1], role="compare")
    for number in range(draw(st.integers(1, 9))):
        _connect(draw, wiring, cells, number)
    return wiring.build()


def _connect(draw, wiring: Wiring, cells: list[Population], number: int) -> None:
    role = draw(st.sampled_from(("drive", "teach", "teach", "gate", "norm", "mimic")))
    pre, post = draw(st.sampled_from(cells)), draw(st.sampled_from(cells))
    if role in ("drive", "gate"):
        if pre is post:
            return
        # From earlier to later, so that drives and gates form no cycle.
        pre, post = sorted((pre, post), key=cells.index)
    if role == "drive":
        connector = draw(_weighted(pre, post))
    else:
        fitting = [c for c in _WEIGHTLESS if c.misfit(pre.shape, post.shape) is None]
        if not fitting:
            return
        connector = draw(st.sampled_from(fitting))
    if role == "mimic":
        wiring.phase(f"mimic{number}")
    wiring.connect(
        pre,
        post,
        connector,
        role=role,
        name=f"{number}: {role}",
        phases=(f"mimic{number}",) if role == "mimic" else ("engaged",),
        derivative="relu" if role == "gate" else None,
    )


# A 3x3 pool of stride 1 joins neighbours within a population in both directions.
_WEIGHTLESS: tuple[Connector, ...] = (
    OneToOneConnector(),
    MatchConnector(),
    AveragePoolConnector(3, 1, 1),
    AveragePoolConnector(2, 1),
)


@st.composite
def _weighted(draw, pre: Population, post: Population) -> Connector:
    pair = st.tuples(st.integers(0, pre.size - 1), st.integers(0, post.size - 1))
    kind = draw(st.sampled_from(("all", "list", "random")))
    if kind == "list":
        return FromListConnector(draw(st.lists(pair, min_size=1, max_size=6)))
    if kind == "random":
        return FixedProbabilityConnector(0.5, draw(st.integers(0, 9)))
    return AllToAllConnector()


def neurons(circuit: Circuit, roles=ROLES) -> nx.MultiDiGraph:
    """Every neuron and every connection through `roles`, as a graph of (population, cell)."""
    graph = nx.MultiDiGraph()
    for population in circuit.populations.values():
        graph.add_nodes_from((population.name, i) for i in range(population.size))
    for p in circuit.projections.values():
        if p.role in roles:
            pre, post = circuit.populations[p.pre].shape, circuit.populations[p.post].shape
            for i, j in p.connector.relation(pre, post).listed():
                graph.add_edge((p.pre, int(i)), (p.post, int(j)), role=p.role)
    return graph


def listed_pairs(circuit: Circuit, roles=ROLES) -> set[frozenset]:
    """Unordered pairs of different neurons joined in both directions through `roles`."""
    edges = set(neurons(circuit, roles).edges())
    return {frozenset((u, v)) for u, v in edges if u != v and (v, u) in edges}


def of_output(circuit: Circuit, pairs: set[frozenset]) -> set[frozenset]:
    """Those of `pairs` that join an output cell with an output error cell."""
    if circuit.output_error is None:
        return set()
    error = circuit.output_error.name
    compared = {p.pre for p in circuit.select(role="compare") if p.pre != "target"}
    return {pair for pair in pairs if {name for name, _ in pair} == {error, *compared}}


def count_by_matrix(circuit: Circuit, roles=ROLES) -> int:
    """The same number as `listed_pairs`, without the output pair, for circuits of some thousand
    neurons: one full connection matrix for each two populations.
    """
    total = 0
    compared = {frozenset((p.pre, p.post)) for p in circuit.select(role="compare")}
    for a, b in combinations_with_replacement(circuit.populations, 2):
        if frozenset((a, b)) in compared:
            continue
        there, back = (_matrix(circuit, pre, post, roles) for pre, post in ((a, b), (b, a)))
        if there is not None and back is not None:
            mutual = there & back.T
            total += int(np.triu(mutual, 1).sum() if a == b else mutual.sum())
    return total


def _matrix(circuit: Circuit, pre: str, post: str, roles) -> np.ndarray | None:
    ends = circuit.populations[pre], circuit.populations[post]
    joined = None
    for p in circuit.select(pre=pre, post=post):
        if p.role in roles:
            joined = np.zeros([cells.size for cells in ends], bool) if joined is None else joined
            pairs = p.connector.relation(ends[0].shape, ends[1].shape).listed()
            joined[pairs[:, 0], pairs[:, 1]] = True
    return joined
