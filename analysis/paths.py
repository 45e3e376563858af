"""How far apart a forward cell and its error cell are, along directed connections.

A relay (`circuits.relays`) passes on at no cost what drives it, so that a pool is no detour.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from oneway.circuits import (
    Circuit,
    Population,
    Projection,
    Relation,
    Role,
    WiringError,
    relay_names,
)

Masks = dict[str, NDArray[np.bool_]]
Leaving = dict[str, list[Projection]]
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
        Connections from the forward cell to its error cell, and back, without those that drive
        a relay; None: no path.
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
        wanted, passing = set(roles), set(relay_names(circuit))
        self.circuit = circuit
        self.counted: Leaving = {}
        self.relayed: Leaving = {}
        for p in circuit.projections.values():
            if p.role in wanted:
                free = p.role == "drive" and p.post in passing
                (self.relayed if free else self.counted).setdefault(p.pre, []).append(p)
        self.relations: dict[str, Relation] = {}

    def hops(self, source: str, target: str, cell: int) -> int | None:
        """Connections on the shortest path from `cell` of `source` to `cell` of `target`."""
        visited = {
            name: np.zeros(p.size, dtype=bool) for name, p in self.circuit.populations.items()
        }
        visited[source][cell] = True
        frontier = self._with_relays({source: visited[source].copy()}, visited)
        hops = 0
        while frontier and not visited[target][cell]:
            hops += 1
            frontier = self._with_relays(self._step(frontier, visited, self.counted), visited)
        return hops if visited[target][cell] else None

    def _with_relays(self, cells: Masks, visited: Masks) -> Masks:
        """`cells`, and those that they reach through relays alone."""
        every, new = dict(cells), cells
        while new:
            new = self._step(new, visited, self.relayed)
            for name, mask in new.items():
                every[name] = every.get(name, False) | mask
        return every

    def _step(self, frontier: Masks, visited: Masks, leaving: Leaving) -> Masks:
        """Cells first reached by one more projection of `leaving`; marks them as visited."""
        reached: Masks = {}
        for name, active in frontier.items():
            for projection in leaving.get(name, ()):
                if visited[projection.post].all():
                    continue
                new = self._relation(projection).reach(active) & ~visited[projection.post]
                if new.any():
                    visited[projection.post] |= new
                    reached[projection.post] = reached.get(projection.post, False) | new
        return reached

    def _relation(self, projection: Projection) -> Relation:
        if projection.name not in self.relations:
            self.relations[projection.name] = self.circuit.reading.relation(projection)
        return self.relations[projection.name]
