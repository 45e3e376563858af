"""The spiking part of the tour: a mirror, and a circuit that learns, in Brian2 if it is there."""

from __future__ import annotations

import json
from math import inf
from pathlib import Path

from oneway.analysis import angle_deg
from oneway.circuits import Circuit, WiringError

from ..data.dataset import DataSet
from ..spiking.config import SpikingConfig
from ..spiking.run import SimulationBar, SpikingRun
from .tour import INSTALL_SPIKING, RuleTour, SpikingDigits, SpikingTour

RECORDED = Path(__file__).parent / "recorded_digits.json"
# What is learned is an average over so long, and over all the time from then on.
MEMORY_S = 1.0


def spiking_tour(rule: RuleTour, seconds: float, interpreted_s: float = inf) -> SpikingTour:
    """Let noise drive a rule's circuit: what was recorded, or why nothing was.

    Where there is no compiler, no more than `interpreted_s` are simulated.
    """
    if rule.wired is None:
        return SpikingTour(problem=f"{rule.label} {rule.problem}")
    if not any(phase.noisy for phase in rule.wired.phases.values()):
        return SpikingTour(problem=f"{rule.label} has no phase in which noise drives the circuit.")
    try:
        return _run(rule, seconds, interpreted_s)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "brian2":
            raise
        return SpikingTour(
            problem=f"Brian2 is not installed: {INSTALL_SPIKING}, and run this again."
        )
    except WiringError as error:
        return SpikingTour(problem=f"{rule.label} has no spiking translation: {error}")


def _run(rule: RuleTour, seconds: float, interpreted_s: float) -> SpikingTour:
    target = SpikingConfig().target_for(seconds)
    if target == "cpp_standalone":
        try:
            return _mirror(rule, seconds, target)
        except RuntimeError:  # a compiler that cannot compile is as good as none
            pass
    return _mirror(rule, min(seconds, interpreted_s), "numpy")


def _mirror(rule: RuleTour, seconds: float, target: str) -> SpikingTour:
    from brian2 import second

    from oneway.backends.spiking import SpikingNetwork, SpikingParameters

    assert rule.wired is not None
    turn_s = seconds / sum(phase.noisy != () for phase in rule.wired.phases.values())
    usual = SpikingParameters()
    parameters = SpikingParameters(
        # In steps shorter than its filter, activity says nothing new to the synapses.
        plasticity_dt=usual.noise_tau_trace,
        batch_time=MEMORY_S / 2 * second,  # a mirror's usual decay is a half for each batch
        phase_time=turn_s * second,
        adapt_time=min(turn_s / 4, 0.5) * second,
    )
    network = SpikingNetwork(rule.wired, parameters, seed=0, target=target)
    with SimulationBar(rule.label, seconds) as bar:
        record = network.run_spontaneous(
            seconds, seconds / 48, report=bar.report, slowing_s=MEMORY_S
        )
    angles = {}
    for name, weights in record.weights.items():
        partner = rule.wired.projections[name].partner
        if partner is not None:  # forward weights, which may be recorded too, have none
            angles[name] = [angle_deg(b_IJ.T, network.weight(partner)) for b_IJ in weights]
    compiling_s = network.compiling_s
    return SpikingTour(rule.label, rule.wired, record, angles, target, compiling_s)


def learned_digits(
    wired: Circuit, data: DataSet, config: SpikingConfig, rule: str
) -> SpikingDigits:
    """Let a circuit learn digits in spikes, as ``oneway spike`` does with this rule."""
    result = SpikingRun(wired, data, config, label=f"{rule}, digits").run()
    about = {"data": data.name, "train_samples": data.n_train, "test_samples": data.n_test}
    return SpikingDigits(result.as_dict(rule=rule, **about))


def recorded_digits() -> SpikingDigits:
    """The run that comes with the package."""
    content = json.loads(RECORDED.read_text(encoding="utf-8"))
    return SpikingDigits(content["found"], content["recorded"])
