"""Which feedback weights get their partner's change, and how long they need to align."""

import pytest
import torch

from oneway.backends.rate import RateNetwork
from oneway.circuits import mlp
from oneway.rules import RULES, parse_rule
from oneway.training import TrainConfig, alignment_clock
from oneway.training.optimization.clock import paired_feedback

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


@pytest.mark.parametrize("rule", ["bp", "fa", "dkp", "wm"])
def test_no_clock_where_nothing_is_paired(rule):
    assert alignment_clock(parse_rule(rule).wire(CIRCUIT), TrainConfig(), 10) is None
