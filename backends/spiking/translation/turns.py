"""When each population follows its input, fires noise, mimics, holds or is silent."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import cached_property, partial

from oneway.circuits import Circuit, Population, Projection


class Turns:
    """What populations and projections of a circuit do in which of some phases.

    Others, and what only they need, are left out. `together` lets phases that data drives run at
    the same time where those that follow the first one only change what synapses learn from. Then
    what a cell mimics is one more signal at hand in it, and its own activity goes on.
    """

    def __init__(self, circuit: Circuit, phases: Collection[str], together: bool = False) -> None:
        self.circuit, self.reading = circuit, circuit.reading
        self.phases = [phase for phase in circuit.phases.values() if phase.name in phases]
        self.names = tuple(phase.name for phase in self.phases)
        self.data_phases = tuple(phase.name for phase in self.phases if not phase.noisy)
        self.together = together and self._can_run_together()

    def _can_run_together(self) -> bool:
        first, later = self.data_phases[:1], set(self.data_phases[1:])
        roles = ("drive", "compare")
        acting = (p for p in self.circuit.projections.values() if p.role in roles)
        mimicry = self.circuit.select(role="mimic")
        return not any(later & set(p.phases) for p in acting) and not any(
            set(first) & set(p.phases) for p in mimicry
        )

    # -- who takes part --------------------------------------------------------------------

    @cached_property
    def populations(self) -> dict[str, Population]:
        """Those that fire in some phase, so that drives go from earlier to later ones."""
        names = [name for name in self.circuit.order() if self.awake(name)]
        return {name: self.circuit.populations[name] for name in names}

    def select(self, **properties) -> Iterator[Projection]:
        """Projections that act between those, as `Circuit.select` picks them."""
        for p in self.circuit.select(**properties):
            if p.pre in self.populations and p.post in self.populations and self.acts(p):
                yield p

    def acts(self, p: Projection) -> bool:
        """Whether a projection is of any use in these phases."""
        if self.learns(p):
            return True
        return (
            bool(self.carrying(p)) if p.role == "drive" else bool(set(p.phases) & set(self.names))
        )

    def learns(self, p: Projection) -> bool:
        """Whether the synapses of a projection learn in these phases."""
        return p.plasticity is not None and p.plasticity.phase in self.names

    @property
    def data(self) -> bool:
        """Whether data drives the circuit in some phase."""
        return bool(self.data_phases)

    # -- what cells do ---------------------------------------------------------------------

    def driven(self, name: str) -> tuple[str, ...]:
        """Phases in which the drives of a population act on it."""
        return self._where(lambda phase: self.reading.driven(name, phase))

    def noisy(self, name: str) -> tuple[str, ...]:
        """Phases in which a population fires noise."""
        return self._where(lambda phase: self.reading.noisy(name, phase))

    def awake(self, name: str) -> tuple[str, ...]:
        """Phases in which a population fires at all."""
        return self._where(lambda phase: name in self.reading.firing(phase))

    def following(self, name: str) -> tuple[str, ...]:
        """Phases in which a population fires on its own account."""
        relaying = {phase for phases in self.mimicking(name).values() for phase in phases}
        others = {*self.noisy(name), *relaying}
        return tuple(phase for phase in self.awake(name) if phase not in others)

    def mimicking(self, name: str) -> dict[str, tuple[str, ...]]:
        """Mimic projection → phases in which its target takes over what it brings."""
        mimics = self.circuit.select(role="mimic", post=name)
        found = {p.name: self._where(partial(self._replaces, p)) for p in mimics}
        return {projection: phases for projection, phases in found.items() if phases}

    def _replaces(self, mimic: Projection, phase: str) -> bool:
        return phase in mimic.phases and not (self.together and phase in self.data_phases)

    def carrying(self, p: Projection) -> tuple[str, ...]:
        """Phases in which what a drive brings counts."""
        return self._where(lambda phase: self.reading.carries(p, phase))

    def gated(self, gate: Projection) -> tuple[str, ...]:
        """Phases whose activity a gate acts on: its own, and those that hold what it made."""
        reading, name = self.reading, gate.post
        made = [p for p in self.names if reading.settles(name, p) or p in self.data_phases]
        return tuple(phase for phase in made if reading.when(name, phase) in gate.phases)

    def open(self, name: str) -> tuple[str, ...]:
        """Phases in which a bias current adds to the input of a population."""
        reading = self.reading
        return self._where(lambda p: reading.driven(name, p) and reading.biased(name, p))

    def _where(self, holds: Callable[[str], bool]) -> tuple[str, ...]:
        return tuple(name for name in self.names if holds(name))
