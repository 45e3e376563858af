"""Push-pull pairs as two cells that share neither a membrane nor a weight."""

import numpy as np
import pytest

pytest.importorskip("brian2")

from brian2 import ms, second

from oneway.analysis import angle_deg
from oneway.backends.spiking import SpikingNetwork, SpikingParameters
from oneway.circuits import MaxPoolConnector, WiringError, mlp
from oneway.rules import parse_rule

from .settled import small_conv

pytestmark = pytest.mark.spiking

LABELS = np.array([0, 2, 1])
SHORT = SpikingParameters(present_time=60 * ms, read_from=30 * ms)
RULES = ["kp", "fa", "dfa", "asap,gate=local"]


def samples(circuit, n=3):
    return np.random.default_rng(0).normal(size=(n, *circuit.inputs[0].shape))


def both(circuit, **options):
    """The same circuit with pairs that share, and with pairs that do not."""
    return [SpikingNetwork(circuit, pairs=p, **options) for p in ("shared", "independent")]


def matrix(net, name):
    """Weights between cells of a dense drive, (post cells, pre cells)."""
    i, j, w = net.synapses(name)
    cells = np.full((j.max() + 1, i.max() + 1), np.nan)
    cells[j, i] = w
    return cells


def halves(activity, signed):
    """What each cell of a population fires for, from the activity of its units."""
    return np.concatenate([activity, -activity]).clip(0) if signed else activity


# -- before they learn ------------------------------------------------------------------------


@pytest.mark.parametrize("circuit", [mlp((4, 6, 6, 3), activation="tanh"), small_conv()])
@pytest.mark.parametrize("rule", RULES)
def test_settled_units_answer_as_pairs_that_share(rule, circuit):
    shared, apart = both(parse_rule(rule).wire(circuit), dynamics="settled")
    x = samples(circuit)
    expected = shared.signals(x, LABELS)
    for name, value in apart.signals(x, LABELS).items():
        np.testing.assert_allclose(value, expected[name], atol=1e-13, err_msg=name)


@pytest.mark.parametrize("rule", RULES)
def test_every_spike_is_as_of_pairs_that_share(rule):
    """Cells of a pair are mirror images until their weights differ: so is what they fire."""
    circuit = parse_rule(rule).wire(mlp((6, 10, 4)))
    nets, names = both(circuit, parameters=SHORT), list(circuit.populations)
    x = samples(circuit)
    shown = []
    for net in nets:
        net.set_weights({name: 3 * w for name, w in net.weights().items()})
        shown.append(net.present(x, LABELS, record=names))
    for name in names:
        first, second = (sorted(zip(s.times_s, s.cells, strict=True)) for s in
                         (part.spikes[name] for part in shown))  # fmt: skip
        assert len(first) > 5
        assert first == second, name
    np.testing.assert_allclose(shown[1].outputs, shown[0].outputs, atol=1e-12)
    negative = shown[1].spikes["delta_h1"].cells >= circuit.populations["delta_h1"].size
    assert 0 < negative.mean() < 1


def test_poisson_cells_fire_at_the_same_rates():
    p = SpikingParameters(present_time=1000 * ms, read_from=200 * ms)
    net = SpikingNetwork(mlp((6, 4)), p, dynamics="poisson", pairs="independent")
    x = samples(net.circuit, 1)
    shown = net.present(x, record=["x"])
    np.testing.assert_allclose(shown.activities["x"], x, atol=0.35)
    assert set((shown.spikes["x"].cells - 6 * (x[0] < 0)[shown.spikes["x"].cells % 6]) // 6) == {0}


def test_copies_start_alike_with_the_sign_of_their_cells():
    net = SpikingNetwork(parse_rule("kp").wire(mlp((4, 6, 3))), pairs="independent")
    w = np.random.default_rng(1).normal(size=(6, 4))
    b = np.random.default_rng(2).normal(size=(6, 3))
    net.set_weights({"x -> h1": w, "delta_output -> delta_h1": b})
    np.testing.assert_array_equal(matrix(net, "x -> h1"), np.block([[w, -w]]))
    expected = np.block([[b, -b], [-b, b]])
    np.testing.assert_array_equal(matrix(net, "delta_output -> delta_h1"), expected)


def test_each_synapse_can_be_given_a_weight():
    """Then a unit answers as its two cells do: x₊ goes through one weight, x₋ through another."""
    net = SpikingNetwork(mlp((4, 3)), dynamics="settled", pairs="independent")
    i, j, w = net.synapses("x -> output")
    given = np.random.default_rng(0).normal(size=w.shape)
    net.set_synapses("x -> output", given)
    np.testing.assert_array_equal(net.synapses("x -> output")[2], given)
    cells = np.zeros((6, 8))
    cells[j, i] = given
    x = samples(net.circuit)
    driven = halves(x.T, True).T @ cells.T
    expected = driven[:, :3].clip(0) - driven[:, 3:].clip(0)
    np.testing.assert_allclose(net.signals(x)["output"], expected, atol=1e-12)
    with pytest.raises(WiringError, match=r"shape \(3,\), expected \(48,\)"):
        net.set_synapses("x -> output", np.zeros(3))
    dale = SpikingNetwork(mlp((4, 3)), dale=True)
    with pytest.raises(WiringError, match=r"two parts.*set_weights"):
        dale.set_synapses("x -> output", np.zeros(12))
    tied = SpikingNetwork(parse_rule("bp").wire(mlp((4, 6, 3))))
    with pytest.raises(WiringError, match="'delta_output -> delta_h1' owns no weights"):
        tied.synapses("delta_output -> delta_h1")


# -- learning ---------------------------------------------------------------------------------


def test_each_synapse_learns_the_product_of_its_own_two_cells():
    """Kolen-Pollack: Δ = −η post ⊗ pre, with pre what the presynaptic cell fires.

    Cells for negative activity take what they are taught the other way round.
    """
    circuit = parse_rule("kp").wire(mlp((4, 6, 6, 3)))
    net = SpikingNetwork(circuit, dynamics="settled", pairs="independent", seed=2)
    x, y = samples(circuit, 1), LABELS[:1]
    signal = {name: value[0] for name, value in net.signals(x, y).items()}
    before = {name: matrix(net, name) for name in net.weights()}
    rates = net.rates
    rates.forward_rate, rates.feedback_rate = 0.5, 0.25
    net.present(x, y, learn=True)
    taught = {
        "x -> h1": (signal["delta_h1"], signal["x"], False, True),
        "h1 -> h2": (signal["delta_h2"], signal["h1"], False, False),
        "h2 -> output": (signal["delta_output"], signal["h2"], True, False),
        "delta_output -> delta_h2": (signal["h2"], signal["delta_output"], True, True),
        "delta_h2 -> delta_h1": (signal["h1"], signal["delta_h2"], True, True),
    }
    assert taught.keys() == net.weights().keys()
    for name, (post, pre, two_post, two_pre) in taught.items():
        heard = np.concatenate([post, -post]) if two_post else post
        rate = 0.25 if name.startswith("delta") else 0.5
        expected = before[name] - rate * np.outer(heard, halves(pre, two_pre))
        assert np.abs(expected - before[name]).max() > 1e-3
        np.testing.assert_allclose(matrix(net, name), expected, atol=1e-12, err_msg=name)


def test_what_is_read_is_the_mean_of_the_copies_and_they_come_to_differ():
    """In spikes; the synapses of one weight have one past no longer."""
    circuit = parse_rule("kp").wire(mlp((4, 6, 3)))
    net = SpikingNetwork(circuit, SHORT, pairs="independent")
    net.rates.forward_rate = net.rates.feedback_rate = 0.5
    names = ["x -> h1", "delta_output -> delta_h1"]
    shown = net.present(samples(circuit), LABELS, learn=True, record=names)
    b = matrix(net, names[1])
    copies = np.stack([b[:6, :3], -b[:6, 3:], -b[6:, :3], b[6:, 3:]])
    np.testing.assert_allclose(net.weight(names[1]), copies.mean(axis=0), atol=1e-15)
    np.testing.assert_allclose(shown.weights[names[0]][-1], net.weight(names[0]), atol=1e-15)
    assert np.abs(copies[0] - copies[1]).max() > 1e-3


def test_cells_that_are_told_what_their_partner_fires_stay_alike():
    """Every copy then learns what a shared weight does, from traces at its own two cells."""
    circuit = parse_rule("kp").wire(mlp((4, 6, 3)))
    shared, told = (SpikingNetwork(circuit, SHORT, pairs=pairs) for pairs in ("shared", "told"))
    for net in (shared, told):
        net.rates.forward_rate = net.rates.feedback_rate = 0.1
        net.present(samples(circuit), LABELS, learn=True)
    name = "delta_output -> delta_h1"
    b = shared.weight(name)
    np.testing.assert_allclose(matrix(told, name), np.block([[b, -b], [-b, b]]), atol=1e-9)
    assert np.abs(b - SpikingNetwork(circuit).weight(name)).max() > 1e-2


def test_what_cells_with_one_teacher_differ_by_shrinks_with_each_step():
    """By 1 − λ, whatever the activity, as between W and B under Kolen-Pollack."""
    net = SpikingNetwork(
        parse_rule("kp").wire(mlp((4, 6, 3))), dynamics="settled", pairs="independent"
    )
    rng = np.random.default_rng(0)
    names = ["h1 -> output", "delta_output -> delta_h1"]
    for name in names:
        net.set_synapses(name, rng.normal(size=net.synapses(name)[2].shape))
    before = {name: between_posts(net, name) for name in names}
    net.rates.forward_rate = net.rates.feedback_rate = 0.5
    net.rates.forward_decay = net.rates.feedback_decay = 0.2
    net.present(samples(net.circuit, 1), LABELS[:1], learn=True)
    for name in names:
        assert np.abs(before[name]).max() > 1
        np.testing.assert_allclose(between_posts(net, name), 0.8 * before[name], atol=1e-12)


def between_posts(net, name):
    """What the two cells of each postsynaptic pair differ by, of which one has the other sign."""
    first, second = np.split(matrix(net, name), 2)
    return first + second


def test_both_cells_of_a_pair_mirror_what_one_cell_fires():
    """Each copy learns as those that share do; those of output pairs, whose cells each fire for one
    sign, half of it each."""
    circuit = parse_rule("wm").wire(mlp((4, 6, 5, 3)))
    noise = {
        name: np.random.default_rng(1).normal(size=(5, *circuit.populations[name].shape))
        for phase in circuit.phases.values()
        for name in phase.noisy
    }
    shared, apart = (n.spontaneous_changes(noise) for n in both(circuit, dynamics="settled"))
    for name, part in (("delta_h2 -> delta_h1", 1.0), ("delta_output -> delta_h2", 0.5)):
        assert np.abs(shared.weights[name]).max() > 1e-3
        expected = part * shared.weights[name]
        np.testing.assert_allclose(apart.weights[name], expected, atol=1e-13, err_msg=name)


@pytest.mark.slow
def test_each_copy_mirrors_in_spikes():
    """One cell fires noise about its baseline, whose mean effect it takes from what it drives."""
    circuit = parse_rule("wm,bias_blocking=yes,rate=0.4,decay=0.4").wire(mlp((4, 12, 8, 3)))
    p = SpikingParameters(batch_time=1 * second, adapt_time=0.5 * second)
    net = SpikingNetwork(circuit, p, pairs="independent")
    net.run_spontaneous(5.0)
    w, b = net.weight("h1 -> h2").T, matrix(net, "delta_h2 -> delta_h1")
    for copy in (b[:12, :8], -b[:12, 8:], -b[12:, :8], b[12:, 8:]):
        assert angle_deg(w, copy) < 35


# -- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("circuit", "options", "words"),
    [
        (parse_rule("bp").wire(mlp((4, 6, 3))), {}, "tied to those of 'h1 -> output'.*shared"),
        (
            parse_rule("kp").wire(mlp((4, 6, 3))),
            {"parameters": SpikingParameters.about_baseline()},
            "coding = 'baseline': there are no pairs",
        ),
        (
            parse_rule("fa").wire(small_conv(pool=MaxPoolConnector(2))),
            {},
            "'h1' -> 'pool'.*strongest of several units.*AveragePoolConnector",
        ),
    ],
)
def test_what_cannot_be_two_cells_is_refused_by_name(circuit, options, words):
    net = SpikingNetwork(circuit, pairs="independent", **options)
    with pytest.raises(WiringError, match=words):
        net.present(samples(circuit), LABELS)


def test_it_is_one_or_the_other():
    circuit = mlp((4, 3))
    with pytest.raises(ValueError, match="dale=True with pairs='independent'"):
        SpikingNetwork(circuit, dale=True, pairs="independent")
    with pytest.raises(ValueError, match=r"pairs.*'both'"):
        SpikingNetwork(circuit, pairs="both")
