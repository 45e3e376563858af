"""A window of spike times is a word of the description: stated, kept, checked, refused by rates."""

import numpy as np
import pytest
import torch

from oneway.analysis import check_wiring, locality
from oneway.backends.rate import RateNetwork
from oneway.circuits import (
    ACTIVITY,
    Plasticity,
    Signal,
    SpikeWindow,
    WiringError,
    brought_by,
    load_circuit,
    mlp,
    save_circuit,
    taught_by,
)
from oneway.rules import SPIKE_RULES, parse_rule

MLP = mlp((8, 6, 5, 3))
STDP = SpikeWindow.exponential(1.0, -1.05)
LABELS = ("stdp", "stdp,window=stdwi,tau=40", "stdp,mode=engaged")


@pytest.mark.parametrize("rule", LABELS)
def test_no_weights_are_transported_and_every_hidden_pair_is_joined(rule):
    verdict = check_wiring(parse_rule(rule).wire(MLP))
    assert verdict.weight_transport == "none"
    assert (verdict.papers, verdict.all) == (11, 11)
    assert verdict.phases == (1 if "engaged" in rule else 2)


def test_it_is_the_wiring_of_a_mirror_but_for_what_synapses_learn_from():
    ours, theirs = (parse_rule(rule).wire(MLP) for rule in ("stdp", "wm"))
    assert ours.phases == theirs.phases
    for name, p in ours.projections.items():
        other = theirs.projections[name]
        assert (p.pre, p.post, p.role, p.phases) == (
            other.pre,
            other.post,
            other.role,
            other.phases,
        )


@pytest.mark.parametrize("suffix", ["json", "graphml"])
@pytest.mark.parametrize("rule", LABELS)
def test_circuits_are_read_as_they_were_written(rule, suffix, tmp_path):
    circuit = parse_rule(rule).wire(MLP)
    assert load_circuit(save_circuit(circuit, tmp_path / f"it.{suffix}")) == circuit


def test_it_is_told():
    circuit = parse_rule("stdp").wire(MLP)
    said = "pairs of spikes, -1 (10 ms) where post follows, +1 (10 ms) where it leads"
    assert said in " ".join(circuit.summary().split())
    (statement,) = (s for s in locality(circuit) if s.projection == "delta_h2 -> delta_h1")
    assert "Δw = +η · Σ K(t_post − t_pre) − λw" in str(statement)


@pytest.mark.parametrize("rule", LABELS)
def test_rates_answer_but_do_not_learn_from_the_order_of_spikes(rule):
    net = RateNetwork(parse_rule(rule).wire(MLP))
    x, y = torch.zeros(2, 8), torch.tensor([0, 1])
    assert net(x).shape == (2, 3)
    message = (
        r"projection 'delta_h2 -> delta_h1' .*order of pairs of spikes, which rates do not have\. "
        r"Run it as spikes .*a Hebbian covariance: .*Signal\(centred='batch'\), hebbian=True"
    )
    learn = [net.parameter_groups, lambda: net.step(x, y)]
    learn += [lambda: net.spontaneous_step(2)] * ("engaged" not in rule)
    for refused in learn:
        with pytest.raises(WiringError, match=message):
            refused()


def test_windows_of_the_rule_cancel_what_is_unrelated():
    for rule in (*LABELS, "stdp,tau=3"):
        kernel = parse_rule(rule).kernel
        assert kernel.area_ms == pytest.approx(0)
        assert kernel(-1.0) > 0 >= kernel(1.0)


def test_a_window_is_what_it_says():
    assert STDP(10.0) == pytest.approx(np.exp(-0.5)) and STDP(-10.0) == -1.05 * STDP(10.0)
    assert STDP(0.0) == 0
    assert STDP.reversed(-10.0) == STDP(10.0)
    assert STDP.area_ms == pytest.approx(-1.0)
    assert "stdp" in SPIKE_RULES


OWN = {"window": STDP, "rate": 0.1, "decay": 0.0}


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"pre": Signal(centred="batch")}, r"pre = Signal\(.*no φ′ and no mean. Use ACTIVITY or"),
        ({"post": taught_by("h1", gated=True)}, r"post = Signal\(.*no φ′ and no mean"),
        ({"pre": brought_by("h1")}, r"pre = Signal\(kind='synaptic'"),
        ({"hebbian": True}, "hebbian = True, reduction = 'sum'.*leave both out"),
        ({"reduction": "mean"}, "hebbian = False, reduction = 'mean'.*leave both out"),
        ({"rate": None}, "rate = None, decay = 0.0.*give both"),
        ({"decay": None}, "rate = 0.1, decay = None.*give both"),
    ],
)
def test_statements_that_mean_nothing(how, message):
    with pytest.raises(WiringError, match=message):
        Plasticity(**{"pre": ACTIVITY, "post": ACTIVITY, **OWN, **how})


@pytest.mark.parametrize(
    ("after", "before", "message"),
    [
        (((1.0, 0.0),), (), r"after = \(\(1.0, 0.0\),\), in which τ = 0 ms, expected > 0"),
        ((), ((1.0, float("nan")),), r"in which τ = nan ms, expected > 0"),
        ((), (), r"so that no pair of spikes counts. Give one side"),
        (((0.0, 10.0),), (), r"so that no pair of spikes counts"),
    ],
)
def test_windows_that_mean_nothing(after, before, message):
    with pytest.raises(WiringError, match=message):
        SpikeWindow(after, before)
