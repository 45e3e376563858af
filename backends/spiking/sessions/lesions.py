"""Which projections of a running circuit are cut, and when."""

from __future__ import annotations

from difflib import get_close_matches
from math import inf

from brian2 import Quantity, have_same_dimensions, second

from oneway.circuits import PHI, Circuit, Projection, WiringError

from .engine import Engine


def lesion(engine: Engine, name: str, at: Quantity | None) -> None:
    """See `SpikingNetwork.lesion`."""
    p = _named(engine.circuit, name)
    _check_brings(p)
    engine.lesions[p.name] = engine.simulated_s if at is None else _moment(engine, p, at)


def heal(engine: Engine, name: str) -> None:
    """See `SpikingNetwork.heal`."""
    p = _named(engine.circuit, name)
    cut = [lesion for lesion, at_s in engine.lesions.items() if at_s < inf]
    if p.name not in cut:
        those = ", ".join(map(repr, cut)) or "none"
        raise WiringError(f"{p.label} is to heal, but is not among those that are cut: {those}")
    engine.lesions[p.name] = inf


def _named(circuit: Circuit, name: str) -> Projection:
    projections = circuit.projections
    if name in projections:
        return projections[name]
    near = get_close_matches(name, projections, n=3)
    which = "did you mean" if near else "there are"
    raise WiringError(
        f"lesion names {name!r}, which is not a projection of circuit {circuit.name!r}; {which} "
        f"{', '.join(map(repr, near or projections))}{'?' if near else ''}"
    )


def _check_brings(p: Projection) -> None:
    """Complain about projections that bring nothing, whose lesion would change nothing."""
    if p.role == "norm" or (p.role == "gate" and PHI[p.derivative or "linear"].linear):
        why = "spiking cells are not normalised" if p.role == "norm" else "φ′ of linear cells is 1"
        raise WiringError(
            f"{p.label} brings no spikes, since {why}, so that nothing can be cut. Lesion another "
            "projection"
        )


def _moment(engine: Engine, p: Projection, at: Quantity) -> float:
    """The moment in seconds, if that can still come."""
    if not have_same_dimensions(at, second):
        raise ValueError(
            f"lesion of {p.name!r}: at = {at}, expected a time such as 300 * second. Multiply the "
            "number by its Brian2 unit"
        )
    if not float(at) >= engine.simulated_s - float(engine.parameters.dt) / 2:
        raise ValueError(
            f"lesion of {p.name!r}: at = {at} lies before the {engine.simulated_s:g} s that are "
            "simulated already. Give a later time, or leave it out to cut now"
        )
    return float(at)
