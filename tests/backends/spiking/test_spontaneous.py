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

FAST = SpikingParameters(batch_time=1 * second)


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
def test_feedback_follows_the_forward_weights_that_are_wired(sign):
    weights = unrelated_weights()
    net = SpikingNetwork(mirror(), FAST, weights={**weights, W: sign * weights[W]})
    assert angle(net) == pytest.approx(90)
    record = net.run_spontaneous(4.0)
    assert angle(net) < 45
    np.testing.assert_array_equal(net.weight(W), sign * weights[W])
    np.testing.assert_array_equal(record.weights[B][0], weights[B])
    np.testing.assert_array_equal(record.weights[B][-1], net.weight(B))


def test_without_drive_feedback_finds_no_relation():
    weights = unrelated_weights()
    net = SpikingNetwork(mirror(), FAST, weights={**weights, W: np.zeros((8, 12))})
    net.run_spontaneous(4.0)
    assert angle_deg(weights[W], net.weight(B).T) > 65


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


@pytest.mark.parametrize("centred", ["batch", "baseline"])
@pytest.mark.parametrize("hebbian", [True, False])
def test_weights_follow_from_the_spikes_of_their_own_cells(centred, hebbian):
    """The recorded spikes of both error populations, filtered here, give the same weights."""
    circuit = mirror(4, 3, rate=0.2, decay=0.3, centred=centred, hebbian=hebbian)
    net = SpikingNetwork(circuit, FAST)
    expected = net.weight(B)
    record = net.run_spontaneous(1.0)
    post_TI, pre_TJ = (
        filtered(record.spikes[name], n, FAST, centred)
        for name, n in (("delta_a", 4), ("delta_b", 3))
    )
    for post_I, pre_J in zip(post_TI, pre_TJ, strict=True):
        growth = (1 if hebbian else -1) * 0.2 * np.outer(post_I, pre_J)
        expected = expected + (growth - 0.3 * expected) * 0.005
    np.testing.assert_allclose(net.weight(B), expected, rtol=1e-9)


def filtered(spikes, n, p, centred):
    """Centred activity at each step of the weights, from spike times alone."""
    dt, tau, slow = float(p.dt), float(p.tau_trace), float(p.tau_mean)
    steps = np.round(spikes.times_s / dt).astype(int)
    trace, mean, sampled = np.full(n, float(p.baseline)), np.full(n, float(p.baseline)), []
    for step in range(1000):
        trace, mean = trace * (1 - dt / tau), mean + (trace - mean) * dt / slow
        if step % 5 == 0:
            centre = mean if centred == "batch" else float(p.baseline)
            sampled.append((trace - centre) / float(p.unit))
        trace = trace + np.bincount(spikes.cells[steps == step], minlength=n) / tau
    return np.array(sampled)


# -- cells ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [{}, {"baseline": 40 * Hz}, {"noise": 2 * mV, "dt": 0.5 * ms}, {"tau_mem": 20 * ms}],
    ids=["default", "slow", "less noise", "long memory"],
)
def test_cells_fire_around_the_baseline(changes):
    p = replace(SpikingParameters(gain=0.01 * mV), **changes)
    record = SpikingNetwork(mirror(40, 40), p).run_spontaneous(1.5)
    rates = [record.mean_rates_hz[name] for name in ("a", "b")]
    np.testing.assert_allclose(rates, float(p.baseline), rtol=0.08)


def test_noisy_cells_fire_like_poisson():
    """Intervals of a Poisson process with a dead time: exponential beyond it."""
    p = SpikingParameters()
    spikes = SpikingNetwork(mirror(50, 2), p).run_spontaneous(2.0).spikes["a"]
    gaps = np.concatenate([np.diff(spikes.times_s[spikes.cells == i]) for i in range(50)])
    assert gaps.min() > float(p.refractory) - 1e-6
    lively = gaps.mean() - float(p.dead_time)
    assert gaps.std() == pytest.approx(lively, rel=0.05)


def test_mimicking_cells_repeat_their_partners_one_step_later():
    record = SpikingNetwork(mirror()).run_spontaneous(0.5)
    for name in ("a", "b"):
        source, copy = record.spikes[name], record.spikes[f"delta_{name}"]
        heard = source.times_s < 0.5 - 1.5e-3
        assert copies(source.times_s[heard] + 1e-3, source.cells[heard]) == copies(
            copy.times_s, copy.cells
        )


def copies(times_s, cells):
    return sorted(zip(np.round(times_s * 1e4).astype(int).tolist(), cells.tolist(), strict=True))


# -- phases ---------------------------------------------------------------------------------


def test_phases_take_turns():
    circuit = parse_rule("wm").wire(mlp((5, 12, 10, 8)))
    net = SpikingNetwork(circuit, SpikingParameters(phase_time=0.5 * second))
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
    assert record.mean_rates_hz["output"] == pytest.approx(100, rel=0.15)


def test_rule_aligns_every_layer_that_has_feedback():
    circuit = parse_rule("wm").wire(mlp((5, 10, 10, 8)))
    net = SpikingNetwork(circuit, SpikingParameters(batch_time=1 * second, phase_time=1 * second))
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
    np.testing.assert_allclose(second_run.times_s, [0.25, 0.4, 0.5])
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


def test_report_covers_all_turns():
    seen = []
    net = SpikingNetwork(parse_rule("wm").wire(mlp((3, 4, 4, 3))))
    net.run_spontaneous(0.4, report=lambda *what: seen.append(what))
    done = [completed for _, completed, _, _ in seen]
    assert done == sorted(done)
    assert done[0] == 0
    assert done[-1] == pytest.approx(1)
    assert {duration for *_, duration in seen} == {0.4}
