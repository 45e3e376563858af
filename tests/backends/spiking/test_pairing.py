"""Pairs of spikes: what they change is the sum over all of them, and it turns B to Wᵀ."""

from functools import partial

import numpy as np
import pytest

pytest.importorskip("brian2")

from brian2 import ms, second

from oneway.analysis import angle_deg
from oneway.backends.spiking import SpikeData, Spikes, SpikingNetwork, SpikingParameters
from oneway.circuits import (
    ACTIVITY,
    AllToAllConnector,
    Circuit,
    SpikeWindow,
    Wiring,
    WiringError,
    mlp,
    parse_circuit,
    taught_by,
)
from oneway.rules import parse_rule

from .mirrors import B, mirror

pytestmark = pytest.mark.spiking

STEPS = {"dt": 1 * ms, "plasticity_dt": 2 * ms}  # that are counted here
FAST = SpikingParameters(batch_time=1 * second, adapt_time=0 * second, **STEPS)
BASELINE = SpikingParameters.about_baseline(batch_time=1 * second, adapt_time=0 * second, **STEPS)
# Nothing about it is even: other amplitudes, other time constants, two terms on one side.
WINDOW = SpikeWindow(after=((-0.7, 20.0),), before=((1.0, 10.0), (-0.3, 35.5)))
RATE, DECAY = 1e-3, 0.3


def paired_mirror(n_pre=4, n_post=3) -> Circuit:
    """The mirror of `mirrors`, whose B learns from the order of spikes."""
    wiring = Wiring(mirror(n_pre, n_post))
    wiring.learn(B, ACTIVITY, ACTIVITY, "mirror a", window=WINDOW, rate=RATE, decay=DECAY)
    return wiring.build()


def events(spikes, size, dt_s=1e-3, later=0):
    """Step, cell and sign of each spike, heard so many steps later."""
    steps = np.round(spikes.times_s / dt_s).astype(int) + later
    return steps, spikes.cells % size, np.where(spikes.cells < size, 1.0, -1.0)


def pair_changes(post, pre, shape, steps, same=lambda s: np.zeros_like(s)):
    """Σ K over all pairs, by the step in which the later spike comes: (steps, post, pre).

    `same` says which spikes can pair: those with one value.
    """
    changes = np.zeros((steps, *shape))
    for t, i, sign in zip(*post, strict=True):
        for u, j, other in zip(*pre, strict=True):
            if t != u and max(t, u) < steps and same(t) == same(u):
                changes[max(t, u), i, j] += sign * other * WINDOW(float(t - u))
    return changes


@pytest.mark.parametrize("parameters", [FAST, BASELINE], ids=["push-pull", "baseline"])
def test_noise_changes_weights_by_the_sum_over_all_pairs(parameters):
    net = SpikingNetwork(paired_mirror(), parameters)
    expected = net.weight(B)
    record = net.run_spontaneous(0.3)
    post, pre = (events(record.spikes[f"delta_{name}"], n) for name, n in (("a", 4), ("b", 3)))
    assert min(len(post[0]), len(pre[0])) > 70
    for step, pairs in enumerate(pair_changes(post, pre, (4, 3), 300)):
        if step and step % 2 == 0:  # weights decay before the step
            expected *= 1 - DECAY * 0.002
        expected += RATE * pairs
    np.testing.assert_allclose(net.weight(B), expected * (1 - DECAY * 0.002), rtol=1e-12)


def learning_from_pairs() -> Circuit:
    """B learns while data drives: from its own spikes, and from those that it is taught."""
    net = Wiring(parse_rule("fa").wire(mlp((3, 4, 2))))
    net.teach("h1", "delta_h1")
    how = {"window": WINDOW, "rate": RATE, "decay": DECAY}
    net.learn("delta_output -> delta_h1", ACTIVITY, taught_by("h1"), **how)
    return net.build()


def test_a_circuit_without_a_target_learns_from_recorded_spikes():
    """Plain STDP: what its synapses learn from is at hand, so that there is nothing to be told."""
    net = Wiring("stdp")
    x, h = net.population("x", (3,)), net.population("h", (4,), activation="relu")
    drive = net.connect(x, h, AllToAllConnector(), name="drive")
    net.learn(drive, ACTIVITY, ACTIVITY, window=WINDOW, rate=RATE, decay=0.0)
    rng = np.random.default_rng(0)
    steps, cells = np.nonzero(rng.random((100, 3)) < 0.2)
    given = SpikeData({"x": Spikes((steps + 0.5) / 1000, cells)}, {"x": 3}, 0.0, 0.1)
    spiking = SpikingNetwork(net.build(), SpikingParameters(**STEPS))
    spiking.set_weights({"drive": np.ones((4, 3))})
    shown = spiking.present(given, learn=True, record=["x", "h"])
    pairs = pair_changes(events(shown.spikes["h"], 4), events(shown.spikes["x"], 3), (4, 3), 100)
    assert len(shown.spikes["h"]) > 10
    np.testing.assert_allclose(spiking.weight("drive"), 1 + RATE * pairs.sum(axis=0), rtol=1e-12)


@pytest.mark.parametrize("presentation", ["sequence", "trials"])
def test_data_change_weights_by_the_sum_over_all_pairs(presentation):
    """What a cell is taught it hears a step later; in trials, pairs lie within a sample."""
    present = SpikingParameters(
        presentation=presentation, present_time=60 * ms, read_from=0 * ms, **STEPS
    )
    net, name = SpikingNetwork(learning_from_pairs(), present), "delta_output -> delta_h1"
    net.rates.forward_rate = 0.0
    expected = net.weight(name)
    x, y = np.random.default_rng(1).normal(size=(5, 3)), np.array([0, 1, 1, 0, 1])
    shown = net.present(x, y, learn=True, record=["h1", "delta_output"])
    post = events(shown.spikes["h1"], 4, later=1)
    pre = events(shown.spikes["delta_output"], 2)
    assert min(len(post[0]), len(pre[0])) > 30
    kept = np.array([t % 60 != 0 or presentation == "sequence" for t in post[0]])
    post = tuple(part[kept] for part in post)  # what comes with an onset is put back
    one = {} if presentation == "sequence" else {"same": lambda t: t // 60}
    for step, pairs in enumerate(pair_changes(post, pre, (4, 2), 300, **one)):
        if step and step % 60 == 0:
            expected *= 1 - DECAY
        expected += RATE * pairs
    np.testing.assert_allclose(net.weight(name), expected * (1 - DECAY), rtol=1e-12)


@pytest.mark.parametrize(("window", "sign"), [("mirrored", 1), ("stdwi", -1)])
def test_feedback_follows_the_forward_weights(window, sign):
    """From the order of spikes alone, whichever signs W has."""
    rule = f"stdp,window={window},bias_blocking=yes,rate=0.01,decay=1"
    wired = parse_rule(rule).wire(mlp((8, 12, 8)))
    w, b = "h1 -> output", "delta_output -> delta_h1"
    net = SpikingNetwork(wired, FAST)
    net.set_weights({w: sign * net.weight(w)})
    assert 60 < angle_deg(net.weight(w), net.weight(b).T) < 120
    net.run_spontaneous(2.0, slowing_s=1.0)
    assert angle_deg(net.weight(w), net.weight(b).T) < 35


def test_the_program_says_pairs():
    text, _ = SpikingNetwork(learning_from_pairs()).script()
    assert "on_event={'pairs_at_post': 'teach_h1_heard'}" in text
    assert "cells_delta_h1.run_on_event('teach_h1_heard', " in text
    assert "teach_h1_at_post = t" in text


@pytest.mark.parametrize(
    ("circuit", "how", "message"),
    [
        ("mlp:4-3-2", {"dynamics": "settled"}, "cells that are 'settled' have none. Use dynamics"),
        ("mlp:4-3-2", {"dale": True}, "no translation under Dale's law.*Leave dale out"),
        ("conv2:1x8x8-3,width=2,hidden=4,norm=none", {}, "a pair of spikes is one synapse's"),
    ],
)
def test_what_has_no_pairs_is_refused(circuit, how, message):
    net = SpikingNetwork(parse_rule("stdp").wire(parse_circuit(circuit)), FAST, **how)
    settled = "dynamics" in how
    run = (
        partial(net.spontaneous_changes, {"h1": np.zeros((2, 3))})
        if settled
        else net.run_spontaneous
    )
    with pytest.raises(WiringError, match=message):
        run()
