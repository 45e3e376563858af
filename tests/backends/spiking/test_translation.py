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
from oneway.backends.spiking.parameters import lif_rate
from oneway.backends.spiking.synapses import weight_equation
from oneway.circuits import (
    ACTIVITY,
    BatchNorm,
    Circuit,
    WiringError,
    mlp,
    parse_circuit,
    taught_by,
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
    "image": (
        parse_rule("wm").wire(parse_circuit("conv2:1x8x8-3,width=2,hidden=6")),
        r"'h1' has image shape \(2, 8, 8\).*RateNetwork",
    ),
    "no rate": (relearning(rate=None), "'delta_b -> delta_a'.*rate = None, decay = 0.5"),
    "sum": (relearning(reduction="sum"), "reduction 'sum', expected 'mean'"),
    "gated": (relearning(pre=replace(ACTIVITY, gated=True)), "ungated activities"),
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
        changed(changed(mirror(), W, norm=BatchNorm()), "mirror a", bias_blocked=False),
        "'a -> b'.*BatchNorm.*norm='none'.*bias_blocked=True",
    ),
}


@pytest.mark.parametrize(("circuit", "message"), UNTRANSLATABLE.values(), ids=UNTRANSLATABLE)
def test_untranslatable_circuits_say_why(circuit, message):
    with pytest.raises(WiringError, match=message):
        SpikingNetwork(circuit)


def test_learning_from_a_taught_signal_is_refused():
    from oneway.circuits import Wiring

    net = Wiring(mirror())
    net.teach("a", "delta_a")
    net.learn(B, ACTIVITY, taught_by("a"), "mirror a", reduction="mean", rate=0.1, decay=0.1)
    with pytest.raises(WiringError, match=r"learns from Signal.*taught.*at 'delta_a'"):
        SpikingNetwork(net.build())


def test_blocked_normalisation_is_left_out():
    circuit = changed(mirror(), W, norm=BatchNorm())
    assert SpikingNetwork(circuit).run_spontaneous(0.05).mean_rates_hz["b"] > 0


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
        WiringError, match=r"'a -> b'.*shape \(12, 8\), but \(post, pre\) = \(8, 12\)"
    ):
        SpikingNetwork(mirror(), weights={W: np.zeros((12, 8))})
    with pytest.raises(WiringError, match=r"names 'b -> a'.*There are: a -> b, delta_b -> delta_a"):
        SpikingNetwork(mirror(), weights={"b -> a": np.zeros((12, 8))})
    with pytest.raises(WiringError, match="no spiking drive 'b -> a'"):
        SpikingNetwork(mirror()).weight("b -> a")


# -- locality -------------------------------------------------------------------------------


def test_a_synapse_reads_its_own_two_cells_and_constants():
    equation = weight_equation(mirror().projections[B].plasticity)
    names = set(re.findall(r"[a-z_]\w*", equation)) - {"dw", "dt", "clock", "driven", "w"}
    assert {name for name in names if not name.endswith(("_pre", "_post"))} == {
        "unit",
        "batch_time",
    }


# -- parameters -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tau_mem": 10}, "tau_mem = 10, expected a quantity such as 10. ms"),
        ({"baseline": 20 * mV}, "baseline = 20. mV, expected a quantity such as 100. Hz"),
        ({"gain": -3 * mV}, "gain = -3. mV, expected > 0"),
        ({"refractory": 20 * ms}, "cannot fire at baseline = 100. Hz"),
        ({"v_reset": -40 * mV}, "must lie below v_threshold"),
    ],
)
def test_parameters_are_checked(changes, message):
    with pytest.raises(ValueError, match=message):
        SpikingParameters(**changes)


def test_parameters_scale():
    p = SpikingParameters(baseline=80 * Hz, tau_trace=10 * ms)
    assert float(p.unit) == pytest.approx(np.sqrt(80 / 0.02))
    assert p == SpikingParameters(baseline=80 * Hz, tau_trace=0.01 * second)


def test_rate_without_noise_is_the_textbook_formula():
    """1 / (dead time + τ ln((I − reset) / (I − threshold))) as noise goes to zero."""
    rate = lif_rate(0.03, 0.01, 0.002, 1e-4, 0.02, 0.01)
    assert rate == pytest.approx(1 / (0.002 + 0.01 * np.log(0.02 / 0.01)), rel=1e-3)


def test_unknown_target():
    with pytest.raises(ValueError, match="target 'cuda', expected one of numpy, cython"):
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
