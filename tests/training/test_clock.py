"""Which feedback weights get their partner's change, and how long they need to align."""

import re
from dataclasses import replace

import pytest
import torch

from oneway.backends.rate import RateNetwork
from oneway.circuits import Circuit, mlp
from oneway.rules import RULES, parse_rule
from oneway.training import TrainConfig, alignment_clock, load_data, load_run, train
from oneway.training.optimization.clock import _left, paired_feedback

CIRCUIT = mlp((8, 4, 4, 2))  # integer ratios, so that activations can be shared
NORMALISED = mlp((8, 4, 4, 2), norm="before")
VARIANTS = [*RULES, "asap,k=1", "kp,gate=local", "asap,gate=local", "kp,last_layer=bp"]
NORM_VARIANTS = ["kp", "kp,norm=own", "kp,norm=own,forward_norm=own", "asap,norm=scale"]


@pytest.mark.parametrize(
    ("circuit", "variant"),
    [*((CIRCUIT, v) for v in VARIANTS), *((NORMALISED, v) for v in NORM_VARIANTS)],
    ids=lambda value: getattr(value, "name", value),
)
def test_paired_are_exactly_those_with_equal_changes(circuit, variant):
    """What the wiring says is held against the gradients of a step."""
    wired = parse_rule(variant).wire(circuit)
    network = RateNetwork(wired, dtype=torch.float64)
    x = torch.randn(7, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    network.step(x, torch.arange(7) % 2)
    equal = set()
    for p in wired.select(role="drive", path="feedback"):
        own, partner = network.weights.get(p.name), network.weights.get(p.partner or "")
        if own is None or own.grad is None or partner is None or partner.grad is None:
            continue
        if own.grad.shape == partner.grad.shape and torch.allclose(own.grad, partner.grad):
            equal.add(p.name)
    assert {p.name for p in paired_feedback(wired)} == equal


def test_clock_of_the_asap_paper_and_of_the_direct_kolen_pollack_paper():
    wired = parse_rule("kp").wire(CIRCUIT)
    asap = TrainConfig(epochs=200, lr=0.03, momentum=0.9, weight_decay=5e-4)
    assert "= 6,667 steps = 17.1 epochs; this run has 200" in alignment_clock(wired, asap, 391)
    direct = TrainConfig(lr=1e-2, momentum=0.9, weight_decay=1e-6)
    assert "= 10,000,000 steps = 25,575.4 epochs" in alignment_clock(wired, direct, 391)


def test_the_slower_path_sets_the_pace_and_no_decay_never_aligns():
    wired = parse_rule("kp").wire(CIRCUIT)
    slow = TrainConfig(lr=0.1, momentum=0.0, weight_decay=0.1, feedback_lr=0.01)
    assert "= 1,000 steps" in alignment_clock(wired, slow, 10)
    assert "nothing decays" in alignment_clock(wired, TrainConfig(weight_decay=0.0), 10)


@pytest.mark.parametrize(
    "feedback",
    [
        {"feedback_lr": 1e-4},
        {"feedback_optimizer": "adam"},
        {"feedback_momentum": 0.5},
        {"feedback_schedule": "cosine"},
    ],
)
def test_steps_of_another_size_do_not_close_the_gap(feedback):
    """Equal gradients, but the settings of the direct Kolen-Pollack paper step W and B apart."""
    wired = parse_rule("kp").wire(CIRCUIT)
    alike = TrainConfig(lr=1e-2, feedback_lr=1e-2)
    assert "converge with time constant" in alignment_clock(wired, alike, 10)
    said = alignment_clock(wired, TrainConfig(lr=1e-2, **feedback), 10)
    assert "the gap does not close; the first draws fade with time constant" in said


@pytest.mark.parametrize("options", ["", ",signals=synapse", ",entrance=learned", ",gate=local"])
def test_feedback_of_asap_that_changes_as_its_partner(options):
    """However the shared activation gets there; not where only ΔW has the forward cell's φ′."""
    circuit = mlp((8, 8, 8, 8, 3), norm="before")
    wired = parse_rule(f"asap,frozen=first,frozen_norm=no{options}").wire(circuit)
    paired = [p.name for p in paired_feedback(wired)]
    last = ["delta_h3 -> delta_h2", "delta_output -> delta_h3"]
    first = ["delta_h2 -> delta_h1"] if "learned" in options else []
    assert sorted(paired) == sorted(first + last if "local" not in options else last[1:])


# -- warm-up of decay --------------------------------------------------------------------------

WARMED = TrainConfig(
    epochs=3,
    batch_size=8,
    lr=0.1,
    decay_warmup_epochs=2,
    warmup_weight_decay=0.2,
    dtype="float64",
)


def gap_by_hand(config, epochs, steps):
    """What momentum leaves of W − Bᵀ, in which the equal changes of both cancel."""
    gap, velocity = 1.0, 0.0
    for epoch in range(epochs):
        lr = config.lr * min(1.0, (epoch + 1) / (config.warmup_epochs + 1))
        warm = epoch < config.decay_warmup_epochs
        decay = config.warmup_weight_decay if warm else config.weight_decay
        for _ in range(steps):
            velocity = config.momentum * velocity + decay * gap
            ahead = decay * gap + config.momentum * velocity if config.nesterov else velocity
            gap -= lr * ahead
    return gap


def assert_gap_left(wired, config, left, folder):
    start = RateNetwork(wired, seed=config.seed, dtype=torch.float64)
    train(wired, load_data("digits", limit=(40, 10)), config, out=folder)
    end = load_run(folder)
    paired = paired_feedback(wired)
    assert paired
    for b in paired:
        before, after = (net.weight(b.partner) - net.weight(b.name).T for net in (start, end))
        torch.testing.assert_close(after, left * before, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("rule", ["kp", "asap,k=1"])
@pytest.mark.parametrize("course", [{}, {"nesterov": True, "warmup_epochs": 1}])
def test_gap_follows_the_warm_up_of_decay(tmp_path, rule, course):
    config = replace(WARMED, weight_decay=0.01, **course)
    left = gap_by_hand(config, config.epochs, steps=5)
    assert abs(left) < 0.7
    assert_gap_left(parse_rule(rule).wire(mlp((64, 8, 8, 10))), config, left, tmp_path)


def test_clock_tells_what_the_warm_up_of_decay_does():
    """The schedule of product feedback alignment: 391 steps of a clock of 200."""
    wired = parse_rule("kp").wire(CIRCUIT)
    config = TrainConfig(lr=0.1, weight_decay=1e-4, decay_warmup_epochs=1)
    left = gap_by_hand(config, 1, steps=391)
    shrinks = f"shrinks to {100 * left:.3g} % in the warm-up of decay \\(391 steps\\)"
    said = alignment_clock(wired, config, 391)
    assert re.search(f"{shrinks}, then with time constant .* = 10,000 steps", said)
    said = alignment_clock(wired, replace(config, weight_decay=0.0), 391)
    assert re.search(f"{shrinks}; nothing decays after it", said)
    said = alignment_clock(wired, replace(config, feedback_lr=0.0), 391)
    assert "the first draws fade to 100 % in the warm-up" in said


def at_own_rate(wired, **own):
    """Synapses that state rate and decay themselves: Δw = −η·grad − λ w, without momentum."""
    projections = [
        replace(p, plasticity=p.plasticity and replace(p.plasticity, **own))
        for p in wired.projections.values()
    ]
    return Circuit(wired.name, wired.populations.values(), projections)


def test_synapses_with_a_rate_of_their_own_decay_as_their_path(tmp_path):
    wired = at_own_rate(parse_rule("kp").wire(mlp((64, 8, 10))), rate=0.1)
    left = gap_by_hand(replace(WARMED, momentum=0.0), WARMED.epochs, steps=5)
    assert_gap_left(wired, WARMED, left, tmp_path)
    assert "rate * decay) = 100,000 steps" in alignment_clock(wired, WARMED, 5)


def test_synapses_with_a_decay_of_their_own_know_no_warm_up(tmp_path):
    wired = at_own_rate(parse_rule("kp").wire(mlp((64, 8, 10))), rate=0.5, decay=0.01)
    assert_gap_left(wired, WARMED, 0.99**15, tmp_path)
    assert "converge with time constant 1 / decay = 100 steps" in alignment_clock(wired, WARMED, 5)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"epochs": 3}, "this run has 3, too short to align: about 82 % of the gap is left"),
        ({"epochs": 1, "weight_decay": 1e-5}, "too short to align: nearly all of the gap is left"),
        ({"epochs": 200}, "this run has 200, long enough: less than 0.01 % of the gap is left"),
        ({"epochs": 60}, "this run has 60, long enough: about 2 % of the gap is left"),
        (
            {"epochs": 60, "schedule": "cosine"},
            "this run has 60, too short to align: about 14 % of the gap is left",
        ),
        (
            {"epochs": 60, "feedback_lr": 0.002},
            "this run has 60, too short to align: about 82 % of the first draws is left",
        ),
    ],
)
def test_clock_says_whether_the_run_is_long_enough(config, said):
    """Time constant 1,000, 65 steps an epoch: e^(−65 n / 1,000), on a cosine half of that n."""
    wired = parse_rule("kp").wire(CIRCUIT)
    usual = {"lr": 0.04, "momentum": 0.9, "weight_decay": 0.0025}
    assert said in alignment_clock(wired, TrainConfig(**usual | config), 65)


def test_what_is_said_to_be_left_is_left():
    """Against the steps of SGD one after the other, momentum from rest included."""
    wired = parse_rule("kp").wire(CIRCUIT)
    for course in ({}, {"schedule": "cosine"}, {"warmup_epochs": 5}, {"decay_warmup_epochs": 2}):
        config = TrainConfig(epochs=30, lr=0.04, weight_decay=0.0025, **course)
        own = paired_feedback(wired)[0].plasticity
        exact = _left(config, "forward", own, config.epochs, 65)
        said = alignment_clock(wired, config, 65)
        about = float(re.search(r"about ([\d.e-]+) %", said)[1]) / 100
        assert about == pytest.approx(exact, rel=0.1)


@pytest.mark.parametrize("rule", ["bp", "fa", "dkp", "wm"])
def test_no_clock_where_nothing_is_paired(rule):
    assert alignment_clock(parse_rule(rule).wire(CIRCUIT), TrainConfig(), 10) is None
