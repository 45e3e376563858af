"""`Assembly`: populations, projections and phases as they stand, and how to look them up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from itertools import product

import networkx as nx

from .connectors import Shape
from .elements import Path, Phase, Population, Projection, Role
from .errors import WiringError


class Assembly:
    """What a circuit consists of, whether or not it makes sense.

    What a circuit means (`Reading`) and what makes it well wired (`validate`) is said of this; a
    `Circuit` is an assembly that has passed.
    """

    name: str
    populations: Mapping[str, Population]
    projections: Mapping[str, Projection]
    phases: Mapping[str, Phase]
    notes: tuple[str, ...]

    # -- what is there ---------------------------------------------------------------------

    def select(
        self,
        *,
        role: Role | None = None,
        pre: str | None = None,
        post: str | None = None,
        phase: str | None = None,
        path: Path | None = None,
    ) -> Iterator[Projection]:
        """Projections that have all the given properties, in the order they were wired.

        `path` is the path of the postsynaptic population.
        """
        for projection in self._by_ends.get((pre, post), ()):
            if (
                (role is None or projection.role == role)
                and (phase is None or phase in projection.phases)
                and (path is None or self.populations[projection.post].path == path)
            ):
                yield projection

    @cached_property
    def _by_ends(self) -> dict[tuple[str | None, str | None], list[Projection]]:
        """Projections by both ends and by each; None is any end."""
        groups: dict[tuple[str | None, str | None], list[Projection]] = {}
        for p in self.projections.values():
            for ends in product((p.pre, None), (p.post, None)):
                groups.setdefault(ends, []).append(p)
        return groups

    def shapes(self, projection: Projection) -> tuple[Shape, Shape]:
        """Shapes of the populations at both ends of a projection, pre and post."""
        return self.populations[projection.pre].shape, self.populations[projection.post].shape

    @cached_property
    def inputs(self) -> tuple[Population, ...]:
        """Forward populations that nothing drives: data enters here."""
        driven = {p.post for p in self.select(role="drive")}
        return tuple(
            p for p in self.populations.values() if p.path == "forward" and p.name not in driven
        )

    @property
    def output(self) -> Population:
        """The forward population that drives no other."""
        driving = {p.pre for p in self.select(role="drive", path="forward")}
        ends = [
            p for p in self.populations.values() if p.path == "forward" and p.name not in driving
        ]
        if len(ends) != 1:
            raise WiringError(
                f"circuit {self.name!r} needs one output population, found "
                f"{[p.name for p in ends]}: connect all but one of them onward"
            )
        return ends[0]

    @property
    def target(self) -> Population | None:
        """The population that presents the desired output; None in a forward circuit."""
        return next((p for p in self.populations.values() if p.path == "target"), None)

    @property
    def output_error(self) -> Population | None:
        """The error population that compares output and target; None in a forward circuit."""
        compare = next(self.select(role="compare"), None)
        return None if compare is None else self.populations[compare.post]

    def partner_of(self, forward: str) -> Population | None:
        """The error population paired with a forward population."""
        return self._partners.get(forward)

    @cached_property
    def _partners(self) -> dict[str, Population]:
        return {p.partner: p for p in self.populations.values() if p.partner is not None}

    @property
    def modes(self) -> tuple[str, ...]:
        """Distinct modes of its phases, in order."""
        return tuple(dict.fromkeys(phase.mode for phase in self.phases.values()))

    def order(self, path: Path | None = None) -> list[str]:
        """Population names so that every drive goes from an earlier to a later one."""
        graph = self.graph(roles=("drive", "compare"))
        return [
            name
            for name in nx.lexicographical_topological_sort(graph, key=self._position.get)
            if path is None or self.populations[name].path == path
        ]

    @cached_property
    def _position(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.populations)}

    # -- as graphs -------------------------------------------------------------------------

    def graph(self, roles: Iterable[Role] | None = None, path: Path | None = None):
        """The circuit as a `networkx.MultiDiGraph`, one edge a projection, keyed by its name."""
        wanted = None if roles is None else set(roles)
        graph = nx.MultiDiGraph(name=self.name)
        for population in self.populations.values():
            if path is None or population.path == path:
                graph.add_node(
                    population.name,
                    path=population.path,
                    shape=population.shape,
                    size=population.size,
                    activation=population.activation,
                )
        for p in self.projections.values():
            if (wanted is None or p.role in wanted) and p.pre in graph and p.post in graph:
                graph.add_edge(p.pre, p.post, key=p.name, role=p.role, phases=p.phases)
        return graph

    def forward_graph(self):
        """Forward populations and their drives."""
        return self.graph(roles=("drive",), path="forward")

    def feedback_graph(self):
        """Error populations and their drives."""
        return self.graph(roles=("drive",), path="feedback")
