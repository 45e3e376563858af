"""`Wiring`: a circuit under construction."""

from __future__ import annotations

from dataclasses import replace

from .circuit import Circuit
from .connectors import Connector, OneToOneConnector
from .elements import (
    ENGAGED,
    Phase,
    Plasticity,
    Population,
    Projection,
    Role,
    Signal,
    Weights,
    _name_of,
)
from .errors import WiringError


class Wiring:
    """Collects populations and projections until `build` makes a `Circuit` of them.

    Parameters
    ----------
    start : str or Circuit
        A name for a circuit wired from scratch, or a circuit to extend.

    Examples
    --------
    >>> from oneway.circuits import AllToAllConnector, Wiring
    >>> net = Wiring("tiny")
    >>> x = net.population("x", (4,))
    >>> y = net.population("y", (2,), bias=True)
    >>> net.connect(x, y, AllToAllConnector()).name
    'x -> y'
    >>> net.build()
    <Circuit 'tiny': 2 populations, 1 projections, phases engaged>
    """

    def __init__(self, start: str | Circuit) -> None:
        self.name, circuit = (start, None) if isinstance(start, str) else (start.name, start)
        self._populations = dict(circuit.populations) if circuit else {}
        self._projections = dict(circuit.projections) if circuit else {}
        self._phases = dict(circuit.phases) if circuit else {ENGAGED: Phase()}
        self._notes = list(circuit.notes) if circuit else []

    # -- cells -----------------------------------------------------------------------------

    def population(self, name: str, shape, **properties) -> Population:
        """Add a population; see `Population` for its properties."""
        population = Population(name, shape, **properties)
        if name in self._populations:
            raise WiringError(f"there is already a population {name!r}")
        self._populations[name] = population
        return population

    def update(self, item: Population | Projection, **changes):
        """Replace properties of a population or projection."""
        changed = replace(item, **changes)
        home: dict = self._populations if isinstance(item, Population) else self._projections
        home[item.name] = changed
        return changed

    def phase(self, name: str, **properties) -> Phase:
        """Add a phase after those that are there."""
        self._phases[name] = Phase(name, **properties)
        return self._phases[name]

    def note(self, text: str) -> None:
        """Add a line to the circuit's summary, unless it is there already."""
        if text not in self._notes:
            self._notes.append(text)

    # -- connections -----------------------------------------------------------------------

    def connect(
        self,
        pre: str | Population,
        post: str | Population,
        connector: Connector | None = None,
        *,
        role: Role = "drive",
        name: str | None = None,
        **properties,
    ) -> Projection:
        """Add a projection; a weighted drive gets independent weights unless told otherwise."""
        pre_name, post_name = _name_of(pre), _name_of(post)
        connector = connector or OneToOneConnector()
        if name is None:
            name = "" if role == "drive" else f"{role}: "
            name += f"{pre_name} -> {post_name}"
        if name in self._projections:
            raise WiringError(
                f"there is already a projection {name!r}: give the second one a name="
            )
        if role == "drive" and "weights" not in properties and connector.weighted:
            properties["weights"] = Weights()
        projection = Projection(name, pre_name, post_name, connector, role=role, **properties)
        self._projections[name] = projection
        return projection

    def teach(self, pre, post, connector: Connector | None = None) -> None:
        """Let `post` receive the activity of `pre` as a signal to learn from."""
        self._once("teach", pre, post, connector, (ENGAGED,))

    def gate(self, pre, post, derivative: str, connector: Connector | None = None) -> None:
        """Let `post` multiply its output by φ′ of `pre`."""
        self._once("gate", pre, post, connector, (ENGAGED,), derivative=derivative)

    def mimic(self, pre, post, phase: str, connector: Connector | None = None) -> None:
        """Let `post` take over the activity of `pre` in `phase`."""
        self._once("mimic", pre, post, connector, (phase,))

    def _once(self, role, pre, post, connector, phases, **properties) -> None:
        """Wire a weightless projection, or extend the phases of the one that is there."""
        connector = connector or OneToOneConnector()
        name = f"{role}: {_name_of(pre)} -> {_name_of(post)}"
        there = self._projections.get(name)
        if there is None:
            self.connect(pre, post, connector, role=role, name=name, phases=phases, **properties)
        elif there.connector != connector:
            raise WiringError(
                f"{there.label} is wired with {there.connector} already, cannot add {connector}"
            )
        else:
            self.during(there, *phases)

    def during(self, projection: Projection, *phases: str) -> Projection:
        """Make a projection active in further phases."""
        current = self._projections[projection.name]
        return self.update(current, phases=tuple(dict.fromkeys((*current.phases, *phases))))

    def learn(
        self, projection: Projection | str, pre: Signal, post: Signal, phase: str = ENGAGED, **how
    ) -> None:
        """State what a synapse learns from; see `Plasticity`."""
        name = projection if isinstance(projection, str) else projection.name
        current = self._projections[name]
        # Teach projections carry signals; they are active whenever somebody learns from them.
        for end, signal in ((current.pre, pre), (current.post, post)):
            if signal.kind == "taught":
                teach = self._projections.get(f"teach: {signal.source} -> {end}")
                if teach is not None:
                    self.during(teach, phase)
        self.update(current, plasticity=Plasticity(pre, post, phase, **how))

    # -- result ----------------------------------------------------------------------------

    @property
    def populations(self) -> dict[str, Population]:
        return dict(self._populations)

    @property
    def projections(self) -> dict[str, Projection]:
        return dict(self._projections)

    def build(self) -> Circuit:
        """The finished circuit, validated."""
        return Circuit(
            self.name,
            self._populations.values(),
            self._projections.values(),
            self._phases.values(),
            self._notes,
        )
