"""Dale's law: cells of one sign only, and the same answers and changes as without."""

import re

import numpy as np
import pytest

pytest.importorskip("brian2")

from brian2 import ms, second

from oneway.analysis import angle_deg
from oneway.backends.spiking import SpikingNetwork, SpikingParameters
from oneway.backends.spiking.brian.model import EXCITATORY, INHIBITORY
from oneway.backends.spiking.translation.context import Context
from oneway.backends.spiking.translation.holding import Holding
from oneway.backends.spiking.translation.translate import translate
from oneway.backends.spiking.weights import Arrays
from oneway.circuits import WiringError, mlp
from oneway.rules import draw_signs, parse_rule, receptor_wiring

from .mirrors import B, W, mirror
from .settled import small_conv

pytestmark = pytest.mark.spiking

LABELS = np.array([0, 2, 1])
SETTLED = ["bp", "ss", "dkp", "kp,gate=local", "asap,gate=local", "forward_alignment"]


def samples(circuit, n=3):
    return np.random.default_rng(0).normal(size=(n, *circuit.inputs[0].shape))


def both(circuit, **options):
    """The same circuit with signed synapses and under Dale's law."""
    return [SpikingNetwork(circuit, dale=dale, **options) for dale in (False, True)]


def held(net, part):
    """What the drives of a network hold of a sign."""
    return {name: net._engine.holding.parts(("weights", name))[part] for name in net.weights()}


# -- settled --------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", SETTLED)
def test_settled_answers_and_changes_are_the_same(rule):
    circuit = parse_rule(rule).wire(mlp((4, 6, 6, 3), activation="tanh"))
    signed, dale = both(circuit, dynamics="settled")
    x = samples(circuit)
    expected = signed.signals(x, LABELS)
    for name, value in dale.signals(x, LABELS).items():
        np.testing.assert_allclose(value, expected[name], atol=1e-12, err_msg=name)
    first, second = (net.changes(x, LABELS) for net in (signed, dale))
    assert set(first.weights) == set(second.weights)
    for name, change in first.weights.items():
        np.testing.assert_allclose(second.weights[name], change, atol=1e-12, err_msg=name)
    for name, change in first.biases.items():
        np.testing.assert_allclose(second.biases[name], change, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("units", ["consistent", "inconsistent"])
def test_settled_answers_are_the_same_where_receptors_wired(units):
    """Cells of one sign as they are, whose synapses split into one part that counts."""
    circuit = receptor_wiring(draw_signs((4, 6, 6, 3), units), units, "tanh", "local").circuit
    signed, dale = both(circuit, dynamics="settled")
    x = samples(circuit)
    expected = signed.signals(x, LABELS)
    assert max(np.abs(expected[name]).max() for name in ("delta_h1", "delta_h2")) > 1e-3
    for name, value in dale.signals(x, LABELS).items():
        np.testing.assert_allclose(value, expected[name], atol=1e-12, err_msg=name)


def test_unshared_convolutions_obey_it_too():
    circuit = parse_rule("kp").wire(small_conv())
    signed, dale = both(circuit, dynamics="settled", shared=False)
    x = samples(circuit)
    first, second = (net.changes(x, LABELS) for net in (signed, dale))
    for name, change in first.weights.items():
        assert np.abs(change).max() > 1e-6
        np.testing.assert_allclose(second.weights[name], change, atol=1e-12, err_msg=name)


def test_both_parts_learn_half_and_stop_at_zero():
    """One sample: w± ← max(0, w± ∓ η g / 2 − λ w±), with g the signed circuit's change."""
    circuit = parse_rule("kp").wire(mlp((4, 6, 3)))
    signed, dale = both(circuit, dynamics="settled", seed=2)
    x, y = samples(circuit, 1), LABELS[:1]
    excited, inhibited = held(dale, EXCITATORY), held(dale, INHIBITORY)
    change = signed.changes(x, y).weights
    rate, decay = 20.0, 0.05
    rates = dale.rates
    rates.forward_rate = rates.feedback_rate = rate
    rates.forward_decay = rates.feedback_decay = decay
    dale.present(x, y, learn=True)
    cut = 0
    for name, gradient in change.items():
        # As they are stored, (post, pre) of the forward drive.
        g = (gradient.T if name.startswith("delta") else gradient).ravel()
        for part, sign, before in ((EXCITATORY, -1, excited), (INHIBITORY, 1, inhibited)):
            expected = before[name] + sign * rate * g / 2 - decay * before[name]
            cut += int((expected < 0).sum())
            got = held(dale, part)[name]
            np.testing.assert_allclose(got, np.maximum(expected, 0), atol=1e-12, err_msg=name)
    assert cut > 0


# -- spikes ---------------------------------------------------------------------------------


def translated(circuit, parameters):
    holding = Holding(Arrays.drawn(circuit, 0), dale=True)
    phases = tuple(p.name for p in circuit.phases.values() if not p.noisy)
    return translate(Context(circuit, phases, parameters, "spiking", holding)).model


@pytest.mark.parametrize(
    "parameters", [SpikingParameters(), SpikingParameters.about_baseline()], ids=["pairs", "one"]
)
@pytest.mark.parametrize("rule", ["kp", "bp", "ss", "asap,gate=local"])
def test_every_cell_has_synapses_of_one_sign(rule, parameters):
    """Cells add to what excites, interneurons to what inhibits, and neither can take away."""
    model = translated(parse_rule(rule).wire(mlp((4, 6, 6, 3))), parameters)
    pair = r"\(int\(side_pre > 0\) \* {} \+ int\(side_pre < 0\) \* {}\)"
    signs = (r"int\(w > opposite\)", r"int\(opposite > w\)")
    either = (pair.format("w", "opposite"), rf"0\.\d+ \* ({signs[0]}|{pair.format(*signs)})")
    positive = rf"(w|{either[0]}|{either[1]})"
    drives = [joined for joined in model.synapses if joined.name.startswith("drive_")]
    assert len(drives) >= 10
    for joined in drives:
        part = joined.name.rpartition("_")[2]
        assert joined.pre.startswith("cells_" if part == EXCITATORY else "interneurons_")
        kick = rf"drive_\w+_{part}_post \+= {positive} / \(\w+_unit \* tau_syn\)"
        assert joined.on_pre is None or re.fullmatch(kick, joined.on_pre), joined.on_pre
    for cells in model.cells:
        for equation in cells.equations:
            name = equation.name
            if re.fullmatch(r"drive_\w+", name) and not equation.integrated:
                assert equation.text == f"{name}_excitatory - {name}_inhibitory"


def test_interneurons_repeat_their_cells_and_no_weight_becomes_negative():
    circuit = parse_rule("kp").wire(mlp((4, 6, 3)))
    p = SpikingParameters(present_time=60 * ms, read_from=30 * ms)
    net = SpikingNetwork(circuit, p, dale=True)
    net.rates.forward_rate = net.rates.feedback_rate = 20.0
    net.present(samples(circuit), LABELS, learn=True)
    parts = [w for part in (EXCITATORY, INHIBITORY) for w in held(net, part).values()]
    assert min(w.min() for w in parts) == 0
    run = net._engine.prepare(net.circuit.reading.data_phases).run
    for name in ("x", "h1"):
        cell, copy = (run.get((f"{kind}_{name}", "activity")) for kind in ("cells", "interneurons"))
        np.testing.assert_array_equal(cell, copy)


@pytest.mark.parametrize("rule", ["kp", "ss"])
@pytest.mark.parametrize("learn", [False, True])
def test_every_spike_is_as_without(rule, learn):
    """Interneurons repeat within the step, so that what arrives is w₊ − w₋ = w at once."""
    circuit = parse_rule(rule).wire(mlp((6, 10, 4)))
    p = SpikingParameters(present_time=60 * ms, read_from=30 * ms)
    signed, dale = both(circuit, parameters=p)
    x, names = samples(circuit), list(circuit.populations)
    trains = []
    for net in (signed, dale):
        net.set_weights({name: 3 * w for name, w in net.weights().items()})
        net.rates.forward_rate = net.rates.feedback_rate = 0.02
        trains.append(net.present(x, LABELS, learn=learn, record=names).spikes)
    for name in names:
        np.testing.assert_array_equal(trains[0][name].times_s, trains[1][name].times_s)
        np.testing.assert_array_equal(trains[0][name].cells, trains[1][name].cells)
    assert min(len(trains[0][name]) for name in ("h1", "output", "delta_h1")) > 5
    for name, w in signed.weights().items():
        np.testing.assert_allclose(dale.weight(name), w, atol=1e-9, err_msg=name)


@pytest.mark.slow
def test_a_mirror_learns_under_it():
    p = SpikingParameters(batch_time=1 * second, adapt_time=0 * second)
    net = SpikingNetwork(mirror(rate=0.4, decay=0.4), p, dale=True)
    before = angle_deg(net.weight(W), net.weight(B).T)
    net.run_spontaneous(6.0)
    assert angle_deg(net.weight(W), net.weight(B).T) < min(50, before - 25)


@pytest.mark.slow
def test_output_moves_to_its_target_under_it():
    circuit = parse_rule("kp").wire(mlp((6, 12, 3)))
    net = SpikingNetwork(circuit, seed=1, dale=True)
    net.rates.forward_rate = net.rates.feedback_rate = 0.05
    x, y = np.tile(samples(circuit, 1), (15, 1)), np.full(15, 2)
    distance = np.linalg.norm(net.present(x, y, learn=True).outputs - np.eye(3)[2], axis=1)
    assert distance[-3:].mean() < 0.85 * distance[0]


# -- what is refused ------------------------------------------------------------------------


def test_what_has_no_translation_is_refused_by_name():
    conv = parse_rule("kp").wire(small_conv())
    with pytest.raises(WiringError, match=r"'x -> h1'.*Conv2dConnector are shared.*--unshared"):
        SpikingNetwork(conv, dale=True).present(samples(conv))
