"""`Circuit`: populations and projections, validated once and immutable from then on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from types import MappingProxyType

import networkx as nx

from .connectors import SynapticConnector
from .elements import ENGAGED, Path, Phase, Population, Projection, Role, Signal
from .errors import WiringError
from .validate import validate


class Circuit:
    """A wired circuit.

    Parameters
    ----------
    name : str
    populations : iterable of Population
    projections : iterable of Projection
    phases : iterable of Phase, optional
        In the order in which they follow each other; by default one phase, `engaged`.
    notes : iterable of str, optional
        What a reader of the summary should know (a layer that learns by another rule, say).

    Raises
    ------
    WiringError
        Names are not unique, shapes do not fit, a signal that a synapse learns from does not
        arrive, or drives form a cycle. The message names what is concerned and the fix.
    """

    name: str
    populations: Mapping[str, Population]
    projections: Mapping[str, Projection]
    phases: Mapping[str, Phase]
    notes: tuple[str, ...]

    def __init__(
        self,
        name: str,
        populations: Iterable[Population],
        projections: Iterable[Projection],
        phases: Iterable[Phase] = (Phase(),),
        notes: Iterable[str] = (),
    ) -> None:
        # Straight into the instance: attributes cannot be set from outside.
        self.__dict__.update(
            name=name,
            populations=_by_name("population", populations),
            projections=_by_name("projection", projections),
            phases=_by_name("phase", phases),
            notes=tuple(notes),
        )
        validate(self)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(
            f"circuit {self.name!r} is immutable, cannot set {name!r}: "
            "extend a copy with Wiring(circuit) and build that"
        )

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"circuit {self.name!r} is immutable, cannot delete {name!r}")

    def __reduce__(self):
        # Pickle and copy cannot look inside a read-only mapping: build it anew from its parts.
        return (Circuit, self._key())

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
        for projection in self._candidates(pre, post):
            if (
                (role is None or projection.role == role)
                and (pre is None or projection.pre == pre)
                and (post is None or projection.post == post)
                and (phase is None or phase in projection.phases)
                and (path is None or self.populations[projection.post].path == path)
            ):
                yield projection

    def _candidates(self, pre: str | None, post: str | None) -> Iterable[Projection]:
        if post is not None:
            return self._by_post.get(post, ())
        if pre is not None:
            return self._by_pre.get(pre, ())
        return self.projections.values()

    @cached_property
    def _by_post(self) -> dict[str, list[Projection]]:
        return _grouped(self.projections.values(), "post")

    @cached_property
    def _by_pre(self) -> dict[str, list[Projection]]:
        return _grouped(self.projections.values(), "pre")

    @property
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

    def carrier(
        self, signal: Signal, cell: str, phase: str | None, drive: Projection | None = None
    ) -> Projection | None:
        """The teach projection that brings a signal to a cell, or to the synapses of `drive`."""
        synaptic = None
        if signal.kind == "synaptic" and drive is not None:
            synaptic = SynapticConnector(drive.connector, self.populations[drive.pre].shape)
        for teach in self.select(role="teach", pre=signal.source, post=cell, phase=phase):
            own = teach.connector if isinstance(teach.connector, SynapticConnector) else None
            if own == synaptic:
                return teach
        return None

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

    def forward_circuit(self) -> Circuit:
        """The forward circuit alone, as it was before a rule was wired on it."""
        cells = [replace(p, learns=None) for p in self.populations.values() if p.path == "forward"]
        names = {cell.name for cell in cells}
        drives = [
            replace(
                p,
                plasticity=None,
                phases=(ENGAGED,),
                error_norm="none" if p.norm is None else "full",
            )
            for p in self.select(role="drive")
            if p.pre in names and p.post in names
        ]
        return Circuit(self.name, cells, drives)

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

    # -- as values -------------------------------------------------------------------------

    def _key(self):
        return (
            self.name,
            tuple(self.populations.values()),
            tuple(self.projections.values()),
            tuple(self.phases.values()),
            self.notes,
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Circuit) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return (
            f"<Circuit {self.name!r}: {len(self.populations)} populations, "
            f"{len(self.projections)} projections, phases {', '.join(self.modes)}>"
        )

    def summary(self) -> str:
        """Tables for people: who drives whom, and what every synapse learns from."""
        from .summary import summarise

        return summarise(self)


def _by_name(kind: str, items: Iterable) -> Mapping:
    named: dict = {}
    for item in items:
        if item.name in named:
            raise WiringError(f"two {kind}s are named {item.name!r}: names must be unique")
        named[item.name] = item
    return MappingProxyType(named)


def _grouped(projections: Iterable[Projection], end: str) -> dict[str, list[Projection]]:
    groups: dict[str, list[Projection]] = {}
    for projection in projections:
        groups.setdefault(getattr(projection, end), []).append(projection)
    return groups


__all__ = ["ENGAGED", "Circuit"]
