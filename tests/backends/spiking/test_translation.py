"""What cannot be translated says so; first weights; parameters; life without brian2."""

import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("brian2")

from brian2 import Hz, ms, mV, second

from oneway.backends.spiking import SpikingNetwork, SpikingParameters
from oneway.backends.spiking.translation.context import Context
from oneway.backends.spiking.translation.holding import Holding
from oneway.backends.spiking.translation.translate import translate
from oneway.backends.spiking.weights import Arrays
from oneway.circuits import (
    BatchNorm,
    Circuit,
    MatchConnector,
    MaxPoolConnector,
    Wiring,
    WiringError,
    mlp,
    parse_circuit,
)
from oneway.rules import parse_rule

from .mirrors import B, W, mirror

pytestmark = pytest.mark.spiking


def changed(circuit: Circuit, name: str, **changes) -> Circuit:
    """The circuit with one population, projection or phase changed."""
    parts = [
        [replace(x, **changes) if x.name == name else x for x in group.values()]
        for group in (circuit.populations, circuit.projections, circuit.phases)
    ]
    return Circuit(circuit.name, *parts)


def relearning(**changes) -> Circuit:
    circuit = mirror()
    return changed(circuit, B, plasticity=replace(circuit.projections[B].plasticity, **changes))


UNTRANSLATABLE = {
    "no noise": (mlp((4, 3, 2)), "no spontaneous phase.*engaged.*noisy="),
    "no rate": (relearning(rate=None), "'delta_b -> delta_a'.*rate = None, decay = 0.5"),
    "sum": (relearning(reduction="sum"), "reduction 'sum', expected 'mean'"),
    "silent": (
        Circuit(
            "silent",
            mirror().populations.values(),
            [p for p in mirror().projections.values() if p.name != "mimic: b -> delta_b"],
            mirror().phases.values(),
        ),
        "'delta_b' is silent. Let 'delta_b' mimic",
    ),
    "norm": (
        changed(changed(mirror(), W, norm=BatchNorm()), "mirror a", norm_blocked=False),
        "'a -> b'.*BatchNorm.*norm='none'",
    ),
}


@pytest.mark.parametrize(("circuit", "message"), UNTRANSLATABLE.values(), ids=UNTRANSLATABLE)
def test_untranslatable_noisy_phases_say_why(circuit, message):
    with pytest.raises(WiringError, match=message):
        SpikingNetwork(circuit).run_spontaneous(0.1)


def test_batch_norm_is_refused_by_name():
    circuit = parse_rule("kp").wire(parse_circuit("conv2:1x8x8-3,width=2,hidden=6"))
    with pytest.raises(
        WiringError, match=r"'x -> h1'.*BatchNorm.*'engaged'.*norm=none.*RateNetwork"
    ):
        SpikingNetwork(circuit).present(np.zeros((1, 1, 8, 8)))


def test_normalised_cells_are_refused_by_name():
    circuit = parse_rule("kp").wire(mlp((4, 3, 2), norm="after"))
    with pytest.raises(WiringError, match=r"population 'h1'.*BatchNorm.*norm='none'"):
        SpikingNetwork(circuit).present(np.zeros((1, 4)))


def test_a_max_pool_without_its_gate_is_refused_by_name():
    net = Wiring("pooled")
    x = net.population("x", (1, 4, 4))
    pool = net.population("pool", (1, 2, 2))
    net.connect(x, pool, MaxPoolConnector(2))
    error, back = (
        net.population(n, s, path="feedback") for n, s in (("e", (1, 2, 2)), ("b", (1, 4, 4)))
    )
    net.connect(error, back, MaxPoolConnector(2).transpose, partner="x -> pool")
    with pytest.raises(WiringError, match=r"'e -> b'.*gate.*AveragePoolConnector"):
        net.build()


def test_cells_that_mimic_do_not_relay_to_others():
    net = Wiring(mirror())
    net.population("far", (12,))
    net.mimic("delta_a", "far", "mirror a")
    with pytest.raises(WiringError, match=r"'mimic: delta_a -> far'.*'delta_a' itself mimics"):
        SpikingNetwork(net.build()).run_spontaneous(0.1)


def test_relayed_spikes_come_from_one_cell():
    net = Wiring(mirror())
    net.population("half", (6,))
    net.mimic("a", "half", "mirror a", MatchConnector())
    with pytest.raises(WiringError, match=r"'mimic: a -> half'.*strongest.*\(12,\) to \(6,\)"):
        SpikingNetwork(net.build()).run_spontaneous(0.1)


def test_blocked_normalisation_is_left_out():
    circuit = changed(mirror(), W, norm=BatchNorm())
    assert SpikingNetwork(circuit).run_spontaneous(0.2).mean_rates_hz["b"] > 0


# -- weights --------------------------------------------------------------------------------


def test_first_weights_are_drawn_for_each_drive_alone():
    net = SpikingNetwork(parse_rule("wm").wire(mlp((6, 12, 8))))
    w_JI, b_IJ = net.weight("h1 -> output"), net.weight("delta_output -> delta_h1")
    assert w_JI.shape == (8, 12)
    assert b_IJ.shape == (12, 8)
    for weights in (w_JI, b_IJ):  # the fan-in of both is that of the forward drive
        assert 0.9 < np.abs(weights).max() * np.sqrt(12) <= 1
    assert abs(np.corrcoef(w_JI.T.ravel(), b_IJ.ravel())[0, 1]) < 0.35
    deeper = SpikingNetwork(parse_rule("wm").wire(mlp((6, 5, 12, 8))))
    assert not np.array_equal(deeper.weight("h2 -> output"), w_JI)
    assert net.weight("x -> h1").shape == (12, 6)  # takes no part, but is there to be read


def test_aligned_start_copies_the_transpose():
    net = SpikingNetwork(parse_rule("wm,init=aligned").wire(mlp((6, 12, 8))))
    np.testing.assert_array_equal(
        net.weight("delta_output -> delta_h1"), net.weight("h1 -> output").T
    )


def test_given_weights_are_checked():
    with pytest.raises(
        WiringError, match=r"'a -> b'.*shape \(12, 8\), but \(post, pre, ...\) = \(8, 12\)"
    ):
        SpikingNetwork(mirror(), weights={W: np.zeros((12, 8))})
    with pytest.raises(WiringError, match=r"named 'b -> a'.*There are: a -> b, delta_b -> delta_a"):
        SpikingNetwork(mirror(), weights={"b -> a": np.zeros((12, 8))})
    with pytest.raises(WiringError, match="no drive with weights is named 'b -> a'"):
        SpikingNetwork(mirror()).weight("b -> a")


# -- locality -------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["kp", "asap,gate=local", "dfa", "wm"])
@pytest.mark.parametrize("dynamics", ["settled", "spiking"])
def test_a_synapse_reads_its_own_two_cells_and_the_schedule(rule, dynamics):
    circuit = parse_rule(rule).wire(mlp((4, 6, 6, 3)))
    for phase in {bool(phase.noisy) for phase in circuit.phases.values()}:
        names = tuple(p.name for p in circuit.phases.values() if bool(p.noisy) == phase)
        holding = Holding(Arrays.drawn(circuit, 0))
        model = translate(Context(circuit, names, SpikingParameters(), dynamics, holding)).model
        plastic = [joined for joined in model.synapses if joined.regular]
        assert plastic
        for joined in plastic:
            assert {r.group for r in joined.references} <= {"schedule"}
            for regular in joined.regular:
                read = set(re.findall(r"[A-Za-z_]\w*", regular.code))
                own = {name for name in read if name.endswith(("_pre", "_post"))}
                shared = {r.variable for r in joined.references}
                assert read - own - shared <= {"w", "step", "int", "noise_power"}


# -- parameters -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tau_mem": 10}, "tau_mem = 10, expected a quantity such as 20. ms"),
        ({"baseline": 20 * mV}, "baseline = 20. mV, expected a quantity such as 100. Hz"),
        ({"unit": -3 * Hz}, "unit = -3. Hz, expected > 0"),
        ({"noise": -3 * mV}, "noise = -3. mV, expected >= 0"),
        ({"refractory": 20 * ms}, r"unit = 200. Hz: cells fire at 50. Hz at most"),
        ({"v_rest": -40 * mV}, "must lie below v_threshold"),
        ({"coding": "ternary"}, "coding = 'ternary', expected one of push_pull, baseline"),
        ({"read_from": 1 * second}, "read_from = 1. s: it is longer than present_time = 100. ms"),
    ],
)
def test_parameters_are_checked(changes, message):
    with pytest.raises(ValueError, match=message):
        SpikingParameters(**changes)


def test_parameters_scale():
    assert SpikingParameters(tau_trace=10 * ms) == SpikingParameters(tau_trace=0.01 * second)
    p = SpikingParameters.about_baseline(baseline=80 * Hz, unit=40 * Hz)
    assert p.rest("forward") == 2
    assert SpikingParameters().rest("error") == 0.1


def test_unknown_target():
    with pytest.raises(ValueError, match="target 'cuda', expected one of numpy, cython, cpp"):
        SpikingNetwork(mirror(), target="cuda")


def test_without_brian2_the_error_names_the_fix():
    code = (
        "import sys; sys.modules['brian2'] = None\n"
        "import oneway.backends.spiking as spiking\n"
        "try: spiking.SpikingNetwork\n"
        "except ModuleNotFoundError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert 'pip install "oneway[spiking]"' in done.stdout, done.stderr
