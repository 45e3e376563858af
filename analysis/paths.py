"""How far apart a forward cell and its error cell are, along directed connections."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oneway.circuits import Circuit, Population, Projection, Relation, Role, WiringError

Masks = dict[str, NDArray[np.bool_]]
DEFAULT_ROLES: tuple[Role, ...] = ("drive", "teach", "mimic", "compare")


@dataclass(frozen=True)
class ReturnPath:
    """Shortest directed paths between one forward cell and its partner error cell.

    Parameters
    ----------
    population, partner : str
    cell : int
        Index of the cell in both populations.
    there, back : int or None
        Connections from the forward cell to its error cell, and back; None: no path.
    """

    population: str
    partner: str
    cell: int
    there: int | None
    back: int | None

    @property
    def length(self) -> int | None:
        """Of the whole loop; 2 is a reciprocal pair. None: there is no loop."""
        return None if self.there is None or self.back is None else self.there + self.back


def return_paths(
    circuit: Circuit,
    cells_per_population: int | None = 2,
    roles: Iterable[Role] = DEFAULT_ROLES,
) -> list[ReturnPath]:
    """Shortest way from each forward cell to its error cell and back; exact for each cell.

    Parameters
    ----------
    cells_per_population : int or None
        Cells to follow in each population: the first, the central one, then evenly spread ones.
        None follows every cell, for small circuits.
    roles : iterable of Role
        What counts as a connection; add ``"gate"`` and ``"norm"`` for the strict reading.

    Returns
    -------
    list of ReturnPath
        By forward population in the circuit's order, then by cell.
    """
    if cells_per_population is not None and cells_per_population < 1:
        raise WiringError(f"cells_per_population = {cells_per_population}, expected at least 1")
    search = _Search(circuit, roles)
    paths = []
    for name, population in circuit.populations.items():
        partner = circuit.partner_of(name)
        if partner is None:
            continue
        for cell in _sample(population, cells_per_population):
            there = search.hops(name, partner.name, cell)
            back = search.hops(partner.name, name, cell)
            paths.append(ReturnPath(name, partner.name, cell, there, back))
    return paths


def _sample(population: Population, wanted: int | None) -> list[int]:
    if wanted is None or wanted >= population.size:
        return list(range(population.size))
    middle = np.ravel_multi_index([n // 2 for n in population.shape], population.shape)
    spread = np.linspace(0, population.size - 1, wanted).astype(int)
    return sorted(list(dict.fromkeys([0, int(middle), *spread.tolist()]))[:wanted])


class _Search:
    """Breadth-first search over cells, a whole population's frontier at a time."""

    def __init__(self, circuit: Circuit, roles: Iterable[Role]) -> None:
        wanted = set(roles)
        self.circuit = circuit
        self.leaving: dict[str, list[Projection]] = {}
        for projection in circuit.projections.values():
            if projection.role in wanted:
                self.leaving.setdefault(projection.pre, []).append(projection)
        self.relations: dict[str, Relation] = {}

    def hops(self, source: str, target: str, cell: int) -> int | None:
        """Connections on the shortest path from `cell` of `source` to `cell` of `target`."""
        visited = {
            name: np.zeros(p.size, dtype=bool) for name, p in self.circuit.populations.items()
        }
        visited[source][cell] = True
        frontier: Masks = {source: visited[source].copy()}
        hops = 0
        while frontier:
            hops += 1
            frontier = self._step(frontier, visited)
            if visited[target][cell]:
                return hops
        return None

    def _step(self, frontier: Masks, visited: Masks) -> Masks:
        """Cells first reached by one more connection; marks them as visited."""
        reached: Masks = {}
        for name, active in frontier.items():
            for projection in self.leaving.get(name, ()):
                if visited[projection.post].all():
                    continue
                new = self._relation(projection).reach(active) & ~visited[projection.post]
                if new.any():
                    visited[projection.post] |= new
                    reached[projection.post] = reached.get(projection.post, False) | new
        return reached

    def _relation(self, projection: Projection) -> Relation:
        relation = self.relations.get(projection.name)
        if relation is None:
            pre, post = (self.circuit.populations[end] for end in (projection.pre, projection.post))
            relation = projection.connector.relation(pre.shape, post.shape)
            self.relations[projection.name] = relation
        return relation
