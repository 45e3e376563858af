"""Spontaneous activity: who fires how, what synapses learn from it, and that B turns into Wᵀ."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("brian2")

from brian2 import Hz, ms, mV, second

from oneway.analysis import angle_deg, weight_angles
from oneway.backends.spiking import SpikingNetwork, SpikingParameters
from oneway.circuits import mlp
from oneway.rules import parse_rule

from .mirrors import B, W, mirror

pytestmark = pytest.mark.spiking

FAST = SpikingParameters(batch_time=1 * second, adapt_time=0 * second)
BASELINE = SpikingParameters.about_baseline(batch_time=1 * second, adapt_time=0 * second)


def angle(net: SpikingNetwork, b=None) -> float:
    return angle_deg(net.weight(W), (net.weight(B) if b is None else b).T)


def unrelated_weights(n_pre=12, n_post=8, seed=3) -> dict[str, np.ndarray]:
    """W and a B at right angles to its transpose."""
    rng = np.random.default_rng(seed)
    w_JI, b_IJ = rng.uniform(-0.3, 0.3, (n_post, n_pre)), rng.uniform(-0.3, 0.3, (n_pre, n_post))
    b_IJ -= w_JI.T * np.sum(b_IJ * w_JI.T) / np.sum(w_JI**2)
    return {W: w_JI, B: b_IJ}


# -- learning -------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("parameters", "limit"), [(FAST, 45), (BASELINE, 70)], ids=["push-pull", "baseline"]
)
def test_feedback_follows_the_forward_weights_that_are_wired(sign, parameters, limit):
    weights = unrelated_weights()
    net = SpikingNetwork(mirror(), parameters, weights={**weights, W: sign * weights[W]})
    assert angle(net) == pytest.approx(90)
    record = net.run_spontaneous(4.0)
    assert angle(net) < limit
    np.testing.assert_array_equal(net.weight(W), sign * weights[W])
    np.testing.assert_array_equal(record.weights[B][0], weights[B])
    np.testing.assert_array_equal(record.weights[B][-1], net.weight(B))


def test_without_drive_feedback_finds_no_relation():
    weights = unrelated_weights()
    net = SpikingNetwork(mirror(), FAST, weights={**weights, W: np.zeros((8, 12))})
    net.run_spontaneous(4.0)
    assert angle_deg(weights[W], net.weight(B).T) > 60


def test_rate_zero_changes_nothing():
    net = SpikingNetwork(mirror(rate=0.0, decay=0.0), FAST)
    before = net.weight(B)
    record = net.run_spontaneous(0.5, record_every_s=0.1)
    assert record.weights[B].shape == (6, 12, 8)
    assert (record.weights[B] == before).all()


def test_rate_zero_leaves_decay():
    net = SpikingNetwork(mirror(rate=0.0, decay=0.5), FAST)
    before = net.weight(B)
    net.run_spontaneous(1.0)
    np.testing.assert_allclose(net.weight(B), before * np.exp(-0.5), rtol=2e-3)


def test_learning_slows_down_as_one_over_time():
    """∫ λ min(1, s / t) dt = λ s (1 + ln(T / s))."""
    net = SpikingNetwork(mirror(rate=0.0, decay=0.5), FAST)
    before = net.weight(B)
    net.run_spontaneous(2.0, slowing_s=0.5)
    left = np.exp(-0.5 * 0.5 * (1 + np.log(4)))
    np.testing.assert_allclose(net.weight(B), before * left, rtol=2e-3)


def test_each_phase_slows_down_by_its_own_time():
    circuit = parse_rule("wm,rate=0,decay=0.5").wire(mlp((5, 6, 6, 4)))
    net = SpikingNetwork(circuit, replace(FAST, phase_time=0.5 * second))
    before = net.weights()
    net.run_spontaneous(2.0, slowing_s=0.5)
    left = np.exp(-0.5 * 0.5 * (1 + np.log(2)))
    for name in ("delta_h2 -> delta_h1", "delta_output -> delta_h2"):
        np.testing.assert_allclose(net.weight(name), before[name] * left, rtol=2e-3)


@pytest.mark.parametrize("slowing_s", [0.0, -1.0, float("nan")])
def test_slowing_from_no_time_on_is_refused(slowing_s):
    with pytest.raises(ValueError, match=rf"slowing_s = {slowing_s}, expected > 0"):
        SpikingNetwork(mirror()).run_spontaneous(1.0, slowing_s=slowing_s)


@pytest.mark.parametrize("centred", ["batch", "baseline"])
@pytest.mark.parametrize("hebbian", [True, False])
def test_weights_follow_from_the_spikes_of_their_own_cells(centred, hebbian):
    """The recorded spikes of both error populations, filtered here, give the same weights."""
    circuit = mirror(4, 3, rate=0.2, decay=0.3, centred=centred, hebbian=hebbian)
    net = SpikingNetwork(circuit, FAST)
    expected = net.weight(B)
    record = net.run_spontaneous(1.0)
    post_TI, pre_TJ = (
        filtered(record.spikes[name], n, centred) for name, n in (("delta_a", 4), ("delta_b", 3))
    )
    power = float(FAST.baseline / (2 * FAST.noise_tau_trace * FAST.unit**2))
    power /= FAST.noise_deviation**2
    for post_I, pre_J in zip(post_TI, pre_TJ, strict=True):
        growth = (1 if hebbian else -1) * 0.2 * np.outer(post_I, pre_J) / power
        expected = expected + (growth - 0.3 * expected) * 0.002
    np.testing.assert_allclose(net.weight(B), expected, rtol=1e-9)


def filtered(spikes, n, centred):
    """Centred activity at each step of the weights, from spikes alone."""
    dt, tau, slow = float(FAST.dt), float(FAST.noise_tau_trace), float(FAST.tau_mean)
    kick = 1 / float(FAST.unit * FAST.noise_tau_trace)
    steps = np.round(spikes.times_s / dt).astype(int)
    sides = np.where(spikes.cells < n, 1.0, -1.0)
    trace, mean, sampled = np.zeros(n), np.zeros(n), []
    for step in range(1000):
        trace, mean = trace * (1 - dt / tau), mean + (trace - mean) * dt / slow
        now = steps == step
        trace = trace + kick * np.bincount(spikes.cells[now] % n, sides[now], minlength=n)
        if step % 2 == 1:  # weights change before the next step
            sampled.append(trace - (mean if centred == "batch" else 0))
    return np.array(sampled)


# -- cells ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [{}, {"baseline": 40 * Hz}, {"dt": 0.5 * ms}, {"tau_mem": 20 * ms}, {"noise": 0 * mV}],
    ids=["default", "slow", "fine", "long memory", "no noise"],
)
def test_cells_fire_around_the_baseline(changes):
    p = SpikingParameters.about_baseline(noise_gain=0.01, **{"noise": 1 * mV} | changes)
    record = SpikingNetwork(mirror(40, 40), p).run_spontaneous(1.5)
    rates = [record.mean_rates_hz[name] for name in ("a", "b")]
    np.testing.assert_allclose(rates, float(p.baseline), rtol=0.08)


@pytest.mark.parametrize("parameters", [FAST, BASELINE], ids=["push-pull", "baseline"])
def test_noisy_cells_fire_like_poisson(parameters):
    """Exponential intervals, and of a pair as often one cell as the other, independently."""
    spikes = SpikingNetwork(mirror(50, 2), parameters).run_spontaneous(2.0).spikes["a"]
    unit = spikes.cells % 50
    gaps = np.concatenate([np.diff(spikes.times_s[unit == i]) for i in range(50)])
    dead = float(parameters.refractory)
    assert gaps.mean() == pytest.approx(1 / 100, rel=0.05)
    assert gaps.std() == pytest.approx(gaps.mean() - dead, rel=0.08)
    if parameters is FAST:
        sides = [spikes.cells[unit == i] >= 50 for i in range(50)]
        assert np.mean(np.concatenate(sides)) == pytest.approx(0.5, abs=0.03)
        same = np.concatenate([side[1:] == side[:-1] for side in sides])
        assert same.mean() == pytest.approx(0.5, abs=0.03)


def test_mimicking_cells_repeat_their_partners_one_step_later():
    record = SpikingNetwork(mirror()).run_spontaneous(0.5)
    for name in ("a", "b"):
        source, copy = record.spikes[name], record.spikes[f"delta_{name}"]
        heard = source.times_s < 0.5 - 1.5e-3
        assert len(source) > 100
        assert copies(source.times_s[heard] + 1e-3, source.cells[heard]) == copies(
            copy.times_s, copy.cells
        )


def copies(times_s, cells):
    return sorted(zip(np.round(times_s * 1e4).astype(int).tolist(), cells.tolist(), strict=True))


# -- phases ---------------------------------------------------------------------------------


def test_phases_take_turns():
    circuit = parse_rule("wm").wire(mlp((5, 12, 10, 8)))
    net = SpikingNetwork(circuit, replace(FAST, phase_time=0.5 * second))
    record = net.run_spontaneous(2.0, record_every_s=0.5)
    assert [(i.phase, i.start_s) for i in record.intervals] == [
        (phase, pytest.approx(start))
        for phase, start in (
            ("mirror h1", 0),
            ("mirror h2", 0.5),
            ("mirror h1", 1),
            ("mirror h2", 1.5),
        )
    ]
    for name, turns in (("delta_h2 -> delta_h1", [0, 2]), ("delta_output -> delta_h2", [1, 3])):
        steps = np.abs(np.diff(record.weights[name], axis=0)).max(axis=(1, 2))
        assert np.flatnonzero(steps).tolist() == turns
    part = {"mirror h1": {"h1", "h2", "delta_h1", "delta_h2"}}
    part["mirror h2"] = {"h2", "output", "delta_h2", "delta_output"}
    for turn in record.intervals:
        fired = {
            name
            for name, spikes in record.spikes.items()
            if ((spikes.times_s > turn.start_s) & (spikes.times_s < turn.stop_s - 1e-6)).any()
        }
        assert fired == part[turn.phase]
    assert "x" not in record.spikes
    assert record.mean_rates_hz["h1"] > 30


def test_nothing_is_learned_while_means_settle():
    circuit = parse_rule("wm").wire(mlp((5, 6, 4)))
    net = SpikingNetwork(circuit, SpikingParameters(adapt_time=0.3 * second))
    record = net.run_spontaneous(0.5, record_every_s=0.1)
    steps = np.abs(np.diff(record.weights["delta_output -> delta_h1"], axis=0)).max(axis=(1, 2))
    assert (steps[:3] == 0).all()
    assert (steps[3:] > 0).all()


def test_rule_aligns_every_layer_that_has_feedback():
    circuit = parse_rule("wm").wire(mlp((5, 10, 10, 8)))
    net = SpikingNetwork(circuit, replace(FAST, phase_time=1 * second))
    before = weight_angles(circuit, net.weight)
    net.run_spontaneous(8.0)
    after = weight_angles(circuit, net.weight)
    assert set(after) == {"delta_h2 -> delta_h1", "delta_output -> delta_h2"}
    assert min(before.values()) > 75
    assert max(after.values()) < 55


# -- runs -----------------------------------------------------------------------------------


def test_a_second_run_goes_on_with_fresh_noise():
    net = SpikingNetwork(mirror(), FAST)
    first = net.run_spontaneous(0.25, record_every_s=0.2)
    second_run = net.run_spontaneous(0.25, record_every_s=0.2)
    np.testing.assert_allclose(first.times_s, [0, 0.2, 0.25])
    np.testing.assert_allclose(second_run.times_s, [0.25, 0.4, 0.5], atol=0.003)
    np.testing.assert_array_equal(first.weights[B][-1], second_run.weights[B][0])
    assert second_run.spikes["a"].times_s.min() >= 0.25
    # Repeated noise would give the same spikes; fresh noise coincides in one step out of ten.
    before = set(copies(first.spikes["a"].times_s, first.spikes["a"].cells))
    after = set(copies(second_run.spikes["a"].times_s - 0.25, second_run.spikes["a"].cells))
    assert len(before & after) < 0.3 * len(before)


def test_seed_decides():
    def end(seed):
        net = SpikingNetwork(mirror(), FAST, seed=seed, weights=unrelated_weights())
        net.run_spontaneous(0.2)
        return net.weight(B)

    np.testing.assert_array_equal(end(1), end(1))
    assert (end(1) != end(2)).any()


def test_a_network_that_starts_over_is_a_new_one():
    net = SpikingNetwork(mirror(), FAST, seed=1, weights=unrelated_weights())
    net.run_spontaneous(0.2)
    net.restart(2)
    assert net.simulated_s == 0
    again, other = net.run_spontaneous(0.2), SpikingNetwork(mirror(), FAST, seed=2)
    fresh = other.run_spontaneous(0.2)
    np.testing.assert_array_equal(net.weight(B), other.weight(B))
    for name, spikes in fresh.spikes.items():
        np.testing.assert_array_equal(again.spikes[name].times_s, spikes.times_s)


def test_report_covers_all_turns():
    seen = []
    net = SpikingNetwork(parse_rule("wm").wire(mlp((3, 4, 4, 3))))
    net.run_spontaneous(0.4, report=lambda *what: seen.append(what))
    done = [completed for _, completed, _, _ in seen]
    assert done == sorted(done)
    assert done[0] < 0.1
    assert done[-1] == pytest.approx(1)
    assert {duration for *_, duration in seen} == {0.4}
