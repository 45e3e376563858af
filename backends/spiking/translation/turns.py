"""When each population follows its input, fires noise, mimics, holds or is silent."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cached_property

from oneway.circuits import Circuit, Phase, Population, Projection


class Turns:
    """What populations and projections of a circuit do in which of some phases.

    Parameters
    ----------
    circuit : Circuit
    phases : tuple of str
        The phases that are to be run; others, and what only they need, are left out.
    together : bool
        Whether phases that data drives may run at the same time, where those that follow the first
        one only change what synapses learn from. Then what a cell mimics is one more signal at
        hand in it, and its own activity goes on.

    Notes
    -----
    A population that nothing drives in a phase holds its activity there, as cells do that go on
    firing on a persistent current. In a noisy phase only noisy cells, those that they drive and
    those that mimic them are awake.
    """

    def __init__(self, circuit: Circuit, phases: Collection[str], together: bool = False) -> None:
        self.circuit = circuit
        self.phases = [phase for phase in circuit.phases.values() if phase.name in phases]
        self.names = tuple(phase.name for phase in self.phases)
        self.data_phases = tuple(phase.name for phase in self.phases if not phase.noisy)
        self.together = together and self._can_run_together()

    def _can_run_together(self) -> bool:
        later = set(self.data_phases[1:])
        return not any(later & set(p.phases) for p in self.circuit.select(role="drive"))

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

    def bringing(self, p: Projection) -> Projection:
        """The projection that brings what `p` does: a cell that is taught is gated by the same."""
        teaches = self.select(role="teach", pre=p.pre, post=p.post) if p.role == "gate" else ()
        return next((teach for teach in teaches if teach.connector == p.connector), p)

    @property
    def data(self) -> bool:
        """Whether data drives the circuit in some phase."""
        return bool(self.data_phases)

    # -- what cells do ---------------------------------------------------------------------

    def driven(self, name: str) -> tuple[str, ...]:
        """Phases in which the drives of a population act on it."""
        return self._where(lambda phase: self._is_driven(name, phase))

    def _is_driven(self, name: str, phase: Phase) -> bool:
        drives = self.circuit.select(role="drive", post=name, phase=phase.name)
        if phase.noisy:
            firing = self._firing(phase)
            return name not in phase.noisy and any(p.pre in firing for p in drives)
        compared = self.circuit.select(role="compare", post=name, phase=phase.name)
        return any(drives) or any(compared)

    def noisy(self, name: str) -> tuple[str, ...]:
        """Phases in which a population fires noise."""
        return self._where(lambda phase: name in phase.noisy)

    def awake(self, name: str) -> tuple[str, ...]:
        """Phases in which a population fires at all."""
        return self._where(lambda phase: not phase.noisy or name in self._firing(phase))

    def following(self, name: str) -> tuple[str, ...]:
        """Phases in which a population fires on its own account."""
        relaying = {phase for phases in self.mimicking(name).values() for phase in phases}
        others = {*self.noisy(name), *relaying}
        return tuple(phase for phase in self.awake(name) if phase not in others)

    def mimicking(self, name: str) -> dict[str, tuple[str, ...]]:
        """Mimic projection → phases in which its target takes over what it brings."""
        mimics = self.circuit.select(role="mimic", post=name)
        found = {p.name: self._where(lambda phase, p=p: self._replaces(p, phase)) for p in mimics}
        return {projection: phases for projection, phases in found.items() if phases}

    def _replaces(self, mimic: Projection, phase: Phase) -> bool:
        return phase.name in mimic.phases and not (self.together and not phase.noisy)

    def mimicked(self, name: str, phase: str) -> Projection | None:
        """The projection that brings what a cell mimics while it goes on by itself."""
        if not self.together or phase not in self.data_phases:
            return None
        return next(self.circuit.select(role="mimic", post=name, phase=phase), None)

    def open(self) -> tuple[str, ...]:
        """Phases in which bias currents flow."""
        return self._where(lambda phase: not phase.bias_blocked)

    def carrying(self, p: Projection) -> tuple[str, ...]:
        """Phases in which what a drive brings counts."""
        driven = self.driven(p.post)
        return tuple(
            phase.name
            for phase in self.phases
            if phase.name in p.phases
            and phase.name in driven
            and (not phase.noisy or p.pre in self._firing(phase))
        )

    def _firing(self, phase: Phase) -> frozenset[str]:
        if phase.name not in self._reached:
            self._reached[phase.name] = _reached_by_noise(self.circuit, phase)
        return self._reached[phase.name]

    @cached_property
    def _reached(self) -> dict[str, frozenset[str]]:
        return {}

    def _where(self, holds) -> tuple[str, ...]:
        return tuple(phase.name for phase in self.phases if holds(phase))


def _reached_by_noise(circuit: Circuit, phase: Phase) -> frozenset[str]:
    """Populations that noise reaches, in any number of steps.

    A noisy cell follows nobody, and a mimicking cell only the one that it mimics.
    """
    active = list(circuit.select(phase=phase.name))
    mimicking = {p.post for p in active if p.role == "mimic"}
    firing = set(phase.noisy)
    while True:
        reached = {
            p.post
            for p in active
            if p.pre in firing
            and p.post not in phase.noisy
            and (p.role == "mimic" or (p.role == "drive" and p.post not in mimicking))
        }
        if reached <= firing:
            return frozenset(firing)
        firing |= reached
