"""Relays: cells that pass on what other cells send and have no synapse that could learn.

A pool, a sum or an identity is a population of its own in the description, but it is not a neuron
that something could be asked of. Who counts connections between neurons counts a relay as the
cells that it stands for. Both ends of a pool that errors run back through are relays: the pool
stands for the cells of its windows, and error cells below it for the error cells at the pool.
"""

from __future__ import annotations

import numpy as np

from .circuit import Circuit
from .elements import Population
from .relation import ListedRelation, Relation, compose, without_repeats


def relay_names(circuit: Circuit) -> tuple[str, ...]:
    """Names of the populations that relay, in the circuit's order.

    Linear, without bias or normalisation, and driven through connectors without weights only.
    Gates scale what a relay passes on and do not make it a neuron of its own. Input, target,
    output, and the error cells that compare the last two, are no relays.
    """
    return tuple(p.name for p in circuit.populations.values() if _is_relay(circuit, p))


def _is_relay(circuit: Circuit, cells: Population) -> bool:
    drives = list(circuit.select(role="drive", post=cells.name))
    is_end = cells.path == "forward" and not any(
        circuit.select(role="drive", pre=cells.name, path="forward")
    )
    return (
        bool(drives)
        and all(p.weights is None and p.norm is None for p in drives)
        and (cells.activation, cells.bias, cells.norm) == ("linear", False, None)
        and not is_end
        and cells.path != "target"
        and not any(circuit.select(role="compare", post=cells.name))
    )


def relayed_cells(circuit: Circuit) -> dict[str, list[tuple[str, Relation]]]:
    """For each relay, the populations that it stands for and the relations that say cell by cell.

    Relations are (cell stood for, cell of the relay), through any number of relays; a population
    may be listed with several. A cell of a relay that no drive reaches, as the error of a cell that
    a pool leaves out, stands for itself.
    """
    found: dict[str, list[tuple[str, Relation]]] = {}
    names = set(relay_names(circuit))
    for name in circuit.order():
        if name not in names:
            continue
        cells = circuit.populations[name]
        reached = np.zeros(cells.size, dtype=bool)
        ways: dict[str, list[Relation]] = {}
        for p in circuit.select(role="drive", post=name):
            source = circuit.populations[p.pre]
            last = p.connector.relation(*circuit.shapes(p))
            reached |= last.reach(np.ones(source.size, dtype=bool))
            for origin, way in found.get(p.pre, [(p.pre, None)]):
                onward = last if way is None else compose(way, last)
                ways[origin] = without_repeats([*ways.get(origin, []), onward])
        alone = np.flatnonzero(~reached)
        if alone.size:
            ways[name] = [ListedRelation(np.column_stack([alone, alone]), cells.size, cells.size)]
        found[name] = [(origin, way) for origin, some in ways.items() for way in some]
    return found
