"""Is any pair of neurons connected in both directions? Decided from connector algebra.

A deep net joins billions of neuron pairs; what its connectors say about them on the axes channel,
row and column settles the question exactly without listing one (`circuits.relation`).

Relays (a pool, a sum, an identity: `circuits.relays`) are not counted as neurons. Each connection
of a relay's cell is given to every cell that it stands for; the drives into it say for which it
stands and are no connections. So a pair is two different neurons that are joined in both
directions, directly or through relays, and counts once, however many ways join them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import networkx as nx

from oneway.circuits import (
    ROLES,
    Circuit,
    OneToOneConnector,
    Relation,
    Role,
    WiringError,
    count_common,
    relayed_cells,
)

from .graphs import reciprocity
from .locality import weight_transport
from .routes import Routes, find_routes, mutual, output_pair, relations_by_role

RoleSet = Literal["papers", "all"]

PAPERS: tuple[Role, ...] = ("drive", "teach", "mimic")
ALL: tuple[Role, ...] = (*PAPERS, "gate", "norm")
CONSTRAINTS: dict[RoleSet, tuple[Role, ...]] = {"papers": PAPERS, "all": ALL}

RoleCounts = tuple[tuple[Role, int], ...]


@dataclass(frozen=True)
class PopulationPair:
    """Two populations that project to each other, relays merged (or one that projects to itself).

    Parameters
    ----------
    first, second : str
        In the order in which the circuit lists them; equal for a self-connection.
    papers, all : int
        Reciprocal neuron pairs through `PAPERS` and through `ALL` roles; 0 for the output pair.
    output : int
        Reciprocal neuron pairs of the output pair, through any role; 0 for every other pair.
    there, back : tuple of (role, int)
        For each role from `first` to `second`, and back: how many of the neuron connections that
        it makes are answered by a connection in the opposite direction, through any role.
        0 says that the populations are joined both ways but not cell by cell.
    autapses : int
        Cells that project to themselves: not a pair, so not in any count above.
    """

    first: str
    second: str
    papers: int
    all: int
    output: int
    there: RoleCounts
    back: RoleCounts
    autapses: int = 0

    def __str__(self) -> str:
        there, back = (" and ".join(role for role, _ in roles) for roles in (self.there, self.back))
        return f"{self.first} -> {self.second} ({there}), {self.second} -> {self.first} ({back})"


@dataclass(frozen=True)
class Verdict:
    """What can be said of a circuit's wiring.

    Parameters
    ----------
    circuit : str
    constraint : {"papers", "all"}
        Which roles count as a connection for `ok`: drive, teach and mimic, or gate and norm too.
    papers, all : int
        Reciprocal neuron pairs {u, v}, u != v, under either constraint, without the output pair.
    output : int
        Reciprocal neuron pairs between the output population and its error population, which
        compares output and target under every supervised rule.
    relays : tuple of str
        Populations that only pass on what others send. Their connections count as those of the
        cells that they stand for, in every number here but the next.
    relays_apart : int
        `papers`, if each relay cell counted as a neuron of its own.
    autapses : int
        Self-connected cells, under `all`.
    weight_transport : {"none", "signs", "full"}
    phases : int
        Distinct modes that the circuit takes turns in.
    neurons : int
        Cells of all populations: forward, feedback, auxiliary and target.
    population_reciprocity : float
        Reciprocated edges / edges of the population graph under `constraint`, the output pair
        included.
    pairs : tuple of PopulationPair
        Every pair of populations that project to each other through any role.
    """

    circuit: str
    constraint: RoleSet
    papers: int
    all: int
    output: int
    relays: tuple[str, ...]
    relays_apart: int
    autapses: int
    weight_transport: Literal["none", "signs", "full"]
    phases: int
    neurons: int
    population_reciprocity: float
    pairs: tuple[PopulationPair, ...]

    @property
    def ok(self) -> bool:
        """No reciprocal neuron pair under the constraint."""
        return getattr(self, self.constraint) == 0

    @property
    def reciprocal_pairs(self) -> dict[str, int]:
        names = ("papers", "all", "output", "relays_apart")
        return {name: getattr(self, name) for name in names}

    @property
    def offenders(self) -> tuple[PopulationPair, ...]:
        """The population pairs with reciprocal neuron pairs under the constraint."""
        return tuple(pair for pair in self.pairs if getattr(pair, self.constraint))

    def as_dict(self, **given: Any) -> dict[str, Any]:
        """For JSON; `given` adds what a circuit does not know: ``rule=, gate=, norm=``."""
        return {
            "circuit": self.circuit,
            **given,
            "constraint": self.constraint,
            "reciprocal_pairs": self.reciprocal_pairs,
            "weight_transport": self.weight_transport,
            "phases": self.phases,
            "neurons": self.neurons,
            "ok": self.ok,
            "relays": list(self.relays),
            "autapses": self.autapses,
            "population_reciprocity": self.population_reciprocity,
            "pairs": [
                {**asdict(pair), "there": dict(pair.there), "back": dict(pair.back)}
                for pair in self.pairs
            ],
        }


def check_wiring(circuit: Circuit, constraint: RoleSet = "papers") -> Verdict:
    """Count the neuron pairs that are connected in both directions.

    Parameters
    ----------
    circuit : Circuit
    constraint : {"papers", "all"}
        What counts as a connection for `Verdict.ok`; both counts are always reported.

    Examples
    --------
    >>> from oneway.circuits import Wiring
    >>> from oneway.analysis import check_wiring
    >>> net = Wiring("pair")
    >>> h = net.population("h", (5,))
    >>> delta = net.population("delta_h", (5,), path="feedback", partner="h")
    >>> net.teach(delta, h)
    >>> net.gate(h, delta, derivative="relu")
    >>> check_wiring(net.build()).reciprocal_pairs
    {'papers': 0, 'all': 5, 'output': 0, 'relays_apart': 0}
    """
    if constraint not in CONSTRAINTS:
        raise WiringError(
            f"constraint {constraint!r}, expected one of {', '.join(CONSTRAINTS)}: `papers` counts "
            "drive, teach and mimic, `all` gate and norm too"
        )
    relayed = relayed_cells(circuit)
    routes = find_routes(circuit, relayed)
    pairs = tuple(PairCounter(circuit, *ends, routes).report() for ends in mutual(circuit, routes))
    return Verdict(
        circuit=circuit.name,
        constraint=constraint,
        papers=sum(pair.papers for pair in pairs),
        all=sum(pair.all for pair in pairs),
        output=sum(pair.output for pair in pairs),
        relays=tuple(relayed),
        relays_apart=_count_apart(circuit, routes, pairs),
        autapses=sum(pair.autapses for pair in pairs),
        weight_transport=weight_transport(circuit),
        phases=len(circuit.modes),
        neurons=sum(population.size for population in circuit.populations.values()),
        population_reciprocity=reciprocity(_population_graph(routes, CONSTRAINTS[constraint])),
        pairs=pairs,
    )


def _population_graph(routes: Routes, roles: Iterable[Role]) -> nx.DiGraph:
    wanted = set(roles)
    return nx.DiGraph(
        ends for ends, among in routes.items() if any(r.projection.role in wanted for r in among)
    )


def _count_apart(circuit: Circuit, merged: Routes, pairs: Iterable[PopulationPair]) -> int:
    """Reciprocal pairs over `PAPERS` with relays as neurons; counts only what merging changed."""
    apart, total = find_routes(circuit, {}), 0
    known = {(pair.first, pair.second): pair.papers for pair in pairs}
    for first, second in mutual(circuit, apart):
        if all(apart[e] == merged.get(e) for e in ((first, second), (second, first))):
            total += known[first, second]
        else:
            total += PairCounter(circuit, first, second, apart).pairs(PAPERS)
    return total


class PairCounter:
    """Counts reciprocal neuron pairs of two populations, by the roles that connect them."""

    def __init__(self, circuit: Circuit, first: str, second: str, routes: Routes) -> None:
        self.first, self.second = first, second
        self.is_output = {first, second} == output_pair(circuit)
        self.there = relations_by_role(circuit, routes[first, second])
        self.back = relations_by_role(circuit, routes[second, first], transposed=True)
        self.counted: dict[tuple[int, ...], int] = {}
        self.itself: list[Relation] = []
        if first == second:
            shape = circuit.populations[first].shape
            self.itself = [OneToOneConnector().relation(shape, shape)]

    def report(self) -> PopulationPair:
        return PopulationPair(
            self.first,
            self.second,
            papers=self.pairs(PAPERS),
            all=self.pairs(ALL),
            output=self.reciprocal(ROLES) if self.is_output else 0,
            there=tuple((role, self.answered([role], ROLES)) for role in self.there),
            back=tuple((role, self.answered(ROLES, [role])) for role in self.back),
            autapses=self.autapses(ALL, ALL),
        )

    def pairs(self, roles: Sequence[Role]) -> int:
        """Reciprocal pairs; none between output and its error, which stand apart."""
        return 0 if self.is_output else self.reciprocal(roles)

    def reciprocal(self, roles: Sequence[Role]) -> int:
        """Unordered pairs; within one population either order finds the same pair."""
        ordered = self.answered(roles, roles)
        return ordered // 2 if self.itself else ordered

    def answered(self, there: Sequence[Role], back: Sequence[Role]) -> int:
        """Ordered pairs (u, v), u != v, joined there through one and back through another role."""
        first, second = _of(self.there, there), _of(self.back, back)
        # Roles mostly share one connector, and dense layers of thousands of cells take a while.
        key = (*map(id, first), 0, *map(id, second))
        if key not in self.counted:
            self.counted[key] = count_common(first, second)
        return self.counted[key] - self.autapses(there, back)

    def autapses(self, there: Sequence[Role], back: Sequence[Role]) -> int:
        """Cells that project to themselves through a role of `there` and one of `back`."""
        if not self.itself:
            return 0
        return _count_diagonal(_of(self.there, there), _of(self.back, back), self.itself)


def _count_diagonal(
    there: Sequence[Relation], back: Sequence[Relation], itself: Sequence[Relation]
) -> int:
    """Cells on the diagonal of both unions, by |A and B| = |A| + |B| - |A or B|."""
    either = count_common([*there, *back], itself)
    return count_common(there, itself) + count_common(back, itself) - either


def _of(by_role: dict[Role, list[Relation]], roles: Iterable[Role]) -> list[Relation]:
    """The relations that any of the roles makes, each once."""
    made = {id(r): r for role in roles for r in by_role.get(role, ())}
    return list(made.values())
