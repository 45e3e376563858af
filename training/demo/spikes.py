"""The spiking part of the tour: a rule with a noisy phase, in Brian2 if it is there."""

from __future__ import annotations

from oneway.analysis import angle_deg
from oneway.circuits import WiringError

from ..spiking.run import SimulationBar
from .tour import INSTALL_SPIKING, RuleTour, SpikingTour


def spiking_tour(rule: RuleTour, seconds: float) -> SpikingTour:
    """Let noise drive a rule's circuit: what was recorded, or why nothing was."""
    if rule.wired is None:
        return SpikingTour(problem=f"{rule.label} {rule.problem}")
    if not any(phase.noisy for phase in rule.wired.phases.values()):
        return SpikingTour(problem=f"{rule.label} has no phase in which noise drives the circuit.")
    try:
        return _run(rule, seconds)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "brian2":
            raise
        return SpikingTour(
            problem=f"Brian2 is not installed: {INSTALL_SPIKING}, and run this again."
        )
    except WiringError as error:
        return SpikingTour(problem=f"{rule.label} has no spiking translation: {error}")


def _run(rule: RuleTour, seconds: float) -> SpikingTour:
    from oneway.backends.spiking import SpikingNetwork, SpikingParameters

    assert rule.wired is not None
    # In steps shorter than its filter, activity says nothing new to the synapses.
    parameters = SpikingParameters(plasticity_dt=SpikingParameters().noise_tau_trace)
    network = SpikingNetwork(rule.wired, parameters, seed=0)
    with SimulationBar(rule.label, seconds) as bar:
        record = network.run_spontaneous(seconds, seconds / 48, report=bar.report)
    angles = {}
    for name, weights in record.weights.items():
        partner = rule.wired.projections[name].partner
        if partner is not None:  # forward weights, which may be recorded too, have none
            angles[name] = [angle_deg(b_IJ.T, network.weight(partner)) for b_IJ in weights]
    return SpikingTour(rule.label, rule.wired, record, angles)
