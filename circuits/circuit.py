"""`Circuit`: populations and projections, validated once and immutable from then on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from .assembly import Assembly
from .drawing import draw_html
from .elements import ENGAGED, Phase, Population, Projection
from .errors import WiringError
from .reading import Reading
from .summary import summarise
from .validate import validate


class Circuit(Assembly):
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

    reading: Reading

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
        self.__dict__.update(reading=Reading(self))
        validate(self, self.reading)

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

    def forward_circuit(self) -> Circuit:
        """The forward circuit alone, as it was before a rule was wired on it."""
        cells = [replace(p, learns=None) for p in self.populations.values() if p.path == "forward"]
        names = {cell.name for cell in cells}
        drives = [
            replace(p, plasticity=None, phases=(ENGAGED,), error_norm="full" if p.norm else "none")
            for p in self.select(role="drive")
            if p.pre in names and p.post in names
        ]
        return Circuit(self.name, cells, drives)

    def with_delays(self, delays: Mapping[str, float] | float) -> Circuit:
        """The same circuit with synaptic delays.

        Parameters
        ----------
        delays : mapping or float
            Projection name → milliseconds, of any role; others keep theirs. A number is the delay
            of every projection.

        Raises
        ------
        WiringError
            No projection has that name, or a delay is negative.

        Examples
        --------
        >>> from oneway.circuits import mlp
        >>> circuit = mlp((4, 3, 2)).with_delays({"x -> h1": 2.0})
        >>> [p.delay for p in circuit.projections.values()]
        [2.0, 0.0]
        """
        if not isinstance(delays, Mapping):
            delays = dict.fromkeys(self.projections, delays)
        for name in delays:
            if name not in self.projections:
                raise WiringError(
                    f"a delay is given for {name!r}, which is no projection of circuit "
                    f"{self.name!r}. There are: {', '.join(self.projections)}"
                )
        delayed = [replace(p, delay=delays.get(n, p.delay)) for n, p in self.projections.items()]
        return Circuit(
            self.name, self.populations.values(), delayed, self.phases.values(), self.notes
        )

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
        return summarise(self)

    def _repr_html_(self) -> str:
        """The drawing, which notebooks show in place of a line of text."""
        return draw_html(self)


def _by_name(kind: str, items: Iterable) -> Mapping:
    named: dict = {}
    for item in items:
        if item.name in named:
            raise WiringError(f"two {kind}s are named {item.name!r}: names must be unique")
        named[item.name] = item
    return MappingProxyType(named)
