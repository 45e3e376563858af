"""Small circuits wired at random through every role, and their neurons listed one by one.

The listed neurons are the oracle for what `analysis` decides without listing.
"""

from __future__ import annotations

import networkx as nx
import numpy as np
from hypothesis import strategies as st
from scipy import sparse

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

SHAPES = ((1,), (2,), (4,), (1, 1, 1), (1, 2, 2), (2, 2, 2), (1, 3, 2))


@st.composite
def wired_circuits(draw) -> Circuit:
    """Two to four populations, up to nine projections of any role, an output pair or none.

    Several projections may join the same two populations, also in both directions, and weightless
    ones a population with itself. Half of the drives have no weights, so that many populations
    relay, some of them relays, and some only what a pool does not leave out.
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
        wiring.population(
            f"p{i}",
            draw(st.sampled_from(SHAPES)),
            path=path,
            activation=draw(st.sampled_from(("linear", "linear", "relu"))),
            bias=draw(st.sampled_from((False, False, True))),
        )
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
    fitting = [c for c in _WEIGHTLESS if c.misfit(pre.shape, post.shape) is None]
    if role == "drive" and (not fitting or draw(st.booleans())):
        connector = draw(_weighted(pre, post))
    elif fitting:
        connector = draw(st.sampled_from(fitting))
    else:
        return
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
    AveragePoolConnector(2, 1).transpose,
    AveragePoolConnector(2),
    AveragePoolConnector(2).transpose,
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


def cells_of(circuit: Circuit) -> list[tuple[str, int]]:
    """Every cell, as (population, index)."""
    return [(p.name, i) for p in circuit.populations.values() for i in range(p.size)]


def connections(circuit: Circuit, roles=ROLES, merged: bool = True) -> sparse.csr_array:
    """Which cell reaches which through `roles`, over `cells_of`; relays as what they stand for.

    With R the drives into relays, a cell stands for what the columns of Σ Rⁿ say of those cells
    that are no relay's, or that nothing drives; and all other connections C become Σ Rⁿ C Σ Rⁿᵀ.
    """
    passing = {p.name for p in circuit.populations.values() if merged and passes_on(circuit, p)}
    into, others = [], []
    for p in circuit.projections.values():
        if p.role == "drive" and p.post in passing:
            into.append(p)
        elif p.role in roles:
            others.append(p)
    relayed, joined = _matrix(circuit, into), _matrix(circuit, others)
    driven = np.asarray(relayed.sum(axis=0)).ravel() > 0
    neurons = np.flatnonzero(~driven)
    stands = step = _pairs_matrix(neurons, neurons, len(driven))
    while step.nnz:
        step = step @ relayed
        stands = stands + step
    return stands @ joined @ stands.T


def _pairs_matrix(i: np.ndarray, j: np.ndarray, size: int) -> sparse.csr_array:
    return sparse.csr_array((np.ones(len(i), bool), (i, j)), shape=(size, size))


def _matrix(circuit: Circuit, projections) -> sparse.csr_array:
    """Pairs that any of the projections joins, over all cells of the circuit."""
    start, total = {}, 0
    for name, p in circuit.populations.items():
        start[name], total = total, total + p.size
    ends = [np.empty((0, 2), np.int64)]
    for p in projections:
        pre, post = circuit.populations[p.pre].shape, circuit.populations[p.post].shape
        pairs = p.connector.relation(pre, post).listed()
        ends.append(np.add(pairs, (start[p.pre], start[p.post])))
    i, j = np.unique(np.concatenate(ends), axis=0).T
    return _pairs_matrix(i, j, total)


def passes_on(circuit: Circuit, p: Population) -> bool:
    """Linear, no bias, driven, never through weights; no output, and nothing to compare."""
    arriving = [q for q in circuit.projections.values() if q.post == p.name]
    drives = [q for q in arriving if q.role == "drive"]
    onward = {circuit.populations[q.post].path for q in circuit.select(role="drive", pre=p.name)}
    plain = p.activation == "linear" and not p.bias and p.norm is None
    inner = p.path in ("feedback", "auxiliary") or (p.path == "forward" and "forward" in onward)
    weighed = any(q.weights or q.role == "compare" for q in arriving)
    return plain and inner and len(drives) > 0 and not weighed


def neurons(circuit: Circuit, roles=ROLES, merged: bool = True) -> nx.DiGraph:
    """`connections` as a graph of (population, cell)."""
    cells = cells_of(circuit)
    graph = nx.DiGraph()
    graph.add_nodes_from(cells)
    ends = connections(circuit, roles, merged).nonzero()
    graph.add_edges_from((cells[i], cells[j]) for i, j in zip(*ends, strict=True))
    return graph


def listed_pairs(circuit: Circuit, roles=ROLES, merged: bool = True) -> set[frozenset]:
    """Unordered pairs of different neurons joined in both directions through `roles`."""
    joined = connections(circuit, roles, merged)
    cells = cells_of(circuit)
    ends = joined.multiply(joined.T).nonzero()
    return {frozenset((cells[i], cells[j])) for i, j in zip(*ends, strict=True) if i < j}


def of_output(circuit: Circuit, pairs: set[frozenset]) -> set[frozenset]:
    """Those of `pairs` that join an output cell with an output error cell."""
    if circuit.output_error is None:
        return set()
    error = circuit.output_error.name
    compared = {p.pre for p in circuit.select(role="compare") if p.pre != "target"}
    return {pair for pair in pairs if {name for name, _ in pair} == {error, *compared}}


def count_hidden(circuit: Circuit, roles=ROLES, merged: bool = True) -> int:
    """Pairs other than the output's."""
    pairs = listed_pairs(circuit, roles, merged)
    return len(pairs - of_output(circuit, pairs))
