"""Which cells and projections act in each spontaneous phase, and when each phase runs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from oneway.circuits import Circuit, Phase, Plasticity, Population, Projection, WiringError

from .parameters import SpikingParameters
from .weights import is_all_to_all

_RATE = "Run this circuit as rates instead: backends.rate.RateNetwork"


@dataclass(frozen=True)
class SpontaneousPhase:
    """A phase that noise drives, resolved to what acts in it.

    Parameters
    ----------
    name : str
    noisy, driven, mimicking : tuple of str
        Populations by what makes them fire.
    drives, mimics, plastic : tuple of Projection
        Drives that transmit, mimic projections that relay, drives that learn.
    """

    name: str
    noisy: tuple[str, ...]
    driven: tuple[str, ...]
    mimicking: tuple[str, ...]
    drives: tuple[Projection, ...]
    mimics: tuple[Projection, ...]
    plastic: tuple[Projection, ...]

    @property
    def populations(self) -> tuple[str, ...]:
        return self.noisy + self.driven + self.mimicking


def spontaneous_phases(circuit: Circuit) -> tuple[SpontaneousPhase, ...]:
    """The phases with noisy populations, checked to be translatable."""
    phases = tuple(_resolve(circuit, p) for p in circuit.phases.values() if p.noisy)
    if not phases:
        raise WiringError(
            f"circuit {circuit.name!r} has no spontaneous phase: none of "
            f"{', '.join(circuit.phases)} names noisy populations. Add one with "
            "Wiring.phase(name, noisy=...), or wire the circuit with a rule that has a mirror mode"
        )
    return phases


def _resolve(circuit: Circuit, phase: Phase) -> SpontaneousPhase:
    active = list(circuit.select(phase=phase.name))
    _check_roles(phase, active)
    drives, mimics = _carrying(phase, active)
    plastic = tuple(
        p for p in circuit.projections.values() if p.plasticity and p.plasticity.phase == phase.name
    )
    resolved = SpontaneousPhase(
        phase.name,
        noisy=phase.noisy,
        driven=tuple(dict.fromkeys(p.post for p in drives)),
        mimicking=tuple(p.post for p in mimics),
        drives=drives,
        mimics=mimics,
        plastic=plastic,
    )
    _check_elements(circuit, phase, resolved)
    return resolved


def _carrying(
    phase: Phase, active: list[Projection]
) -> tuple[tuple[Projection, ...], tuple[Projection, ...]]:
    """Drives and mimic projections that noise reaches; cells that it does not reach are silent.

    A noisy cell follows nobody, and a mimicking cell only the one that it mimics.
    """
    mimicking = {p.post for p in active if p.role == "mimic"}
    firing = set(phase.noisy)
    while True:
        reached = [p for p in active if p.pre in firing and p.post not in phase.noisy]
        drives = tuple(p for p in reached if p.role == "drive" and p.post not in mimicking)
        mimics = tuple(p for p in reached if p.role == "mimic")
        posts = {p.post for p in (*drives, *mimics)}
        if posts <= firing:
            return drives, mimics
        firing |= posts


def _check_roles(phase: Phase, active: list[Projection]) -> None:
    for p in active:
        if p.role not in ("drive", "mimic", "teach"):
            raise WiringError(
                f"{p.label} is active in the spontaneous phase {phase.name!r}, where only drive, "
                f"mimic and teach projections have a spiking translation. {_RATE}"
            )


def _check_elements(circuit: Circuit, phase: Phase, resolved: SpontaneousPhase) -> None:
    for name in resolved.populations:
        _check_population(circuit.populations[name], phase)
    for p in (*resolved.drives, *resolved.plastic):
        _check_drive(p, phase)
    for p in resolved.mimics:
        if circuit.populations[p.pre].shape != circuit.populations[p.post].shape:
            raise WiringError(
                f"{p.label}: {type(p.connector).__name__} changes the shape from "
                f"{circuit.populations[p.pre].shape} to {circuit.populations[p.post].shape}; "
                f"spiking cells mimic one to one. Use OneToOneConnector. {_RATE}"
            )
    for p in resolved.plastic:
        _check_plasticity(p, set(resolved.populations))


def _check_population(population: Population, phase: Phase) -> None:
    if len(population.shape) != 1:
        raise WiringError(
            f"population {population.name!r} has image shape {population.shape}; spiking "
            f"populations are dense, (N,). Use a circuit such as mlp:64-48-10. {_RATE}"
        )
    if population.norm is not None and not phase.bias_blocked:
        raise WiringError(
            f"population {population.name!r}: its BatchNorm has no spiking translation in phase "
            f"{phase.name!r}. Build the circuit with norm='none', or block it with "
            "bias_blocked=True"
        )


def _check_drive(p: Projection, phase: Phase) -> None:
    if not is_all_to_all(p.connector):
        raise WiringError(
            f"{p.label}: {type(p.connector).__name__} has no spiking translation. Use "
            f"AllToAllConnector (a circuit such as mlp:64-48-10). {_RATE}"
        )
    if p.weights is None or p.weights.kind != "independent":
        raise WiringError(
            f"{p.label}: its weights are {p.weights and p.weights.kind}, spiking synapses own "
            f"theirs. Use Weights('independent', ...). {_RATE}"
        )
    if p.norm is not None and not phase.bias_blocked:
        raise WiringError(
            f"{p.label}: its BatchNorm has no spiking translation in phase {phase.name!r}. Build "
            "the circuit with norm='none', or block it with bias_blocked=True"
        )


def _check_plasticity(p: Projection, firing: set[str]) -> None:
    plasticity: Plasticity = p.plasticity  # type: ignore[assignment]
    for end, signal in ((p.pre, plasticity.pre), (p.post, plasticity.post)):
        if signal.kind != "activity" or signal.gated:
            raise WiringError(
                f"{p.label}: learns from {signal} at {end!r}, but in spontaneous phases synapses "
                f"learn from ungated activities. {_RATE}"
            )
        if end not in firing:
            raise WiringError(
                f"{p.label}: learns in phase {plasticity.phase!r}, in which {end!r} is silent. "
                f"Let {end!r} mimic a population that fires there, or drive it"
            )
    if plasticity.rate is None or plasticity.decay is None:
        raise WiringError(
            f"{p.label}: rate = {plasticity.rate}, decay = {plasticity.decay}. There is no "
            "optimizer in continuous time: give its Plasticity both"
        )
    if plasticity.reduction != "mean":
        raise WiringError(
            f"{p.label}: reduction {plasticity.reduction!r}, expected 'mean': in continuous time "
            "there is no batch to sum over"
        )


def take_turns(
    phases: tuple[SpontaneousPhase, ...], duration_s: float, parameters: SpikingParameters
) -> list[tuple[SpontaneousPhase, float]]:
    """Phases in turn, equally long, each for about `phase_time` at a time: (phase, seconds)."""
    rounds = max(1, round(duration_s / (len(phases) * float(parameters.phase_time))))
    n = 1 if len(phases) == 1 else rounds * len(phases)
    # On the grid of the slowest clock, so that every turn holds whole steps.
    step_s = float(parameters.plasticity_dt)
    steps = np.diff(np.round(np.arange(n + 1) * duration_s / (n * step_s)))
    return [(phases[i % len(phases)], float(k * step_s)) for i, k in enumerate(steps) if k > 0]
