"""Optimizers and courses of the learning rate, by their numbers; settings that contradict."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from training_runs import wire_and_train

from oneway.backends.rate import RateNetwork
from oneway.circuits import mlp
from oneway.rules import parse_rule
from oneway.training import ConfigError, TrainConfig, load_data
from oneway.training.optimization.optimizers import BatchManhattan
from oneway.training.optimization.schedules import rate_factor
from oneway.training.recipes.recipe import options_of

CIRCUIT = mlp((64, 12, 10))
CONFIG = TrainConfig(epochs=2, lr=0.02)


@pytest.fixture(scope="module")
def digits():
    return load_data("digits", limit=(200, 60))


def factors(path="forward", **settings):
    config = TrainConfig(**settings)
    return [rate_factor(config, path)(epoch) for epoch in range(config.epochs)]


# -- courses of the learning rate --------------------------------------------------------------


def test_warm_up_rises_to_the_course_that_follows():
    rise = [0.25, 0.5, 0.75]
    assert factors(epochs=5, warmup_epochs=3) == [*rise, 1, 1]
    assert factors(epochs=7, warmup_epochs=3, schedule="cosine") == pytest.approx(
        [*rise, 1, 0.8535534, 0.5, 0.1464466]
    )
    # The weight-mirror paper's: steps are counted from the start of the run.
    mirror = factors(epochs=90, warmup_epochs=6, schedule="step", milestones=(32, 62, 82))
    assert mirror[:7] == pytest.approx([1 / 7, 2 / 7, 3 / 7, 4 / 7, 5 / 7, 6 / 7, 1])
    assert mirror[31:33] == pytest.approx([1, 0.1]) and mirror[61:63] == pytest.approx([0.1, 0.01])
    assert mirror[81:83] == pytest.approx([0.01, 0.001]) and mirror[-1] == mirror[82]


@given(every=st.integers(1, 9), epochs=st.integers(1, 40), factor=st.floats(0.1, 1))
def test_even_milestones_are_equal_steps(every, epochs, factor):
    common = {"epochs": epochs, "schedule": "step", "step_factor": factor}
    evenly = factors(**common, step_epochs=every)
    assert factors(**common, milestones=tuple(range(every, epochs + 1, every))) == evenly


@given(
    warmup=st.integers(0, 9),
    epochs=st.integers(10, 30),
    schedule=st.sampled_from(["constant", "cosine", "step"]),
)
def test_a_warm_up_rises_and_never_exceeds_the_full_rate(warmup, epochs, schedule):
    course = factors(epochs=epochs, schedule=schedule, warmup_epochs=warmup, step_epochs=10)
    assert all(0 < a < b for a, b in pairwise(course[: warmup + 1]))
    assert max(course) == course[warmup] == 1


def test_each_path_has_its_own_course():
    settings = {
        "epochs": 4,
        "schedule": "step",
        "milestones": (1,),
        "step_factor": 0.5,
        "warmup_epochs": 1,
    }
    assert factors("feedback", **settings) == factors(**settings) == [0.5, 0.5, 0.5, 0.5]
    assert factors("feedback", **settings, feedback_warmup_epochs=0) == [1, 0.5, 0.5, 0.5]
    assert factors("feedback", **settings, feedback_milestones=(2, 3)) == [0.5, 1, 0.5, 0.25]
    # Its own epochs between steps stand above the other path's milestones.
    assert factors("feedback", **settings, feedback_step_epochs=2) == [0.5, 1, 0.5, 0.5]


def test_the_course_reaches_the_optimizers(digits):
    config = replace(CONFIG, epochs=4, warmup_epochs=1, feedback_warmup_epochs=3)
    records = wire_and_train(CIRCUIT, parse_rule("kp"), digits, config).history
    np.testing.assert_allclose([r["lr"]["forward"] for r in records], [0.01, 0.02, 0.02, 0.02])
    np.testing.assert_allclose([r["lr"]["feedback"] for r in records], [0.005, 0.01, 0.015, 0.02])


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"warmup_epochs": 20}, "warmup_epochs = 20, expected fewer than the 20 epochs"),
        ({"feedback_warmup_epochs": 21}, "feedback_warmup_epochs = 21, expected fewer"),
        ({"warmup_epochs": -1}, "warmup_epochs = -1, expected at least 0"),
        (
            {"decay_warmup_epochs": 20},
            "decay_warmup_epochs = 20, expected fewer than the 20 epochs",
        ),
        ({"warmup_weight_decay": -1.0}, r"warmup_weight_decay = -1\.0, expected at least 0"),
        ({"milestones": (3,)}, r"milestones = \(3,\), but the schedule is 'constant'"),
        (
            {"schedule": "step", "feedback_schedule": "cosine", "feedback_milestones": (3,)},
            "feedback_milestones .* is 'cosine'. Set feedback_schedule = 'step'",
        ),
        ({"schedule": "step", "milestones": (3, 3)}, r"\(3, 3\), expected rising numbers"),
        ({"schedule": "step", "milestones": (0, 3)}, "expected rising numbers from 1 on"),
        ({"label_smoothing": 1.0}, r"label_smoothing = 1\.0, expected at least 0 and below 1"),
        (
            {"nesterov": True, "feedback_momentum": 0.0},
            r"feedback_nesterov needs a momentum above 0\. .* or feedback_nesterov = no",
        ),
        ({"feedback_optimizer": "manhattan"}, "expected one of sgd, adam, batch_manhattan"),
    ],
)
def test_contradictions_are_named(settings, complaint):
    with pytest.raises(ConfigError, match=complaint):
        TrainConfig(**settings)


def test_milestones_as_text_and_in_a_file():
    recipe = options_of("recipe")
    text, listed = (recipe.read("milestones", value) for value in ("32,62,82", [32, 62, 82]))
    assert text == listed == (32, 62, 82)
    assert recipe.read("feedback_milestones", "") == ()
    for wrong in ("32;62", "a", [1.5], 32, [True]):
        with pytest.raises(ConfigError, match="expected whole numbers, as in 30,60"):
            recipe.read("milestones", wrong)


# -- optimizers --------------------------------------------------------------------------------


def manhattan_by_hand(w, gradients, lr, momentum, decay, nesterov):
    """The sign of a gradient, and decay, both through the momentum."""
    velocity = None
    for g in gradients:
        d = np.sign(g) + decay * w
        velocity = d if velocity is None else momentum * velocity + d
        w = w - lr * (d + momentum * velocity if nesterov else velocity)
    return w


@given(
    seed=st.integers(0, 99),
    momentum=st.sampled_from([0.0, 0.5, 0.9]),
    decay=st.sampled_from([0.0, 0.1]),
    nesterov=st.booleans(),
    scale=st.floats(1e-6, 1e6),
)
def test_batch_manhattan_by_hand(seed, momentum, decay, nesterov, scale):
    rng = np.random.default_rng(seed)
    start, gradients = rng.normal(size=(3, 2)), rng.normal(size=(4, 3, 2))
    gradients[:, 0] = 0  # no direction, no step
    nesterov = nesterov and momentum > 0
    w = torch.nn.Parameter(torch.tensor(start))
    optimizer = BatchManhattan(
        [w], lr=0.1, momentum=momentum, weight_decay=decay, nesterov=nesterov
    )
    for gradient in gradients:
        w.grad = torch.tensor(scale * gradient)
        optimizer.step()
        assert torch.equal(w.grad, torch.tensor(scale * gradient))
    expected = manhattan_by_hand(start, gradients, 0.1, momentum, decay, nesterov)
    np.testing.assert_allclose(w.detach().numpy(), expected, rtol=1e-9, atol=1e-12)


def test_batch_manhattan_takes_the_sign_of_what_a_closure_gives():
    w = torch.nn.Parameter(torch.tensor([4.0]))

    def closure():
        w.grad = None
        loss = (w**2).sum()
        loss.backward()
        return loss

    assert BatchManhattan([w], lr=0.5).step(closure).item() == 16
    assert w.item() == 3.5


def moved(digits, **settings):
    """How far one step moves each weight."""
    ends = {}

    class Kept(RateNetwork):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            ends["before"] = {name: w.detach().clone() for name, w in self.weights.items()}
            ends["network"] = self

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("oneway.training.training_run.RateNetwork", Kept)
        config = TrainConfig(epochs=1, batch_size=200, weight_decay=0.0, **settings)
        wire_and_train(CIRCUIT, parse_rule("kp"), digits, config)
    after = ends["network"].weights
    return {name: after[name].detach() - before for name, before in ends["before"].items()}


def test_optimizers_are_chosen_per_path(digits):
    change = moved(digits, lr=0.01, feedback_optimizer="batch_manhattan", feedback_lr=0.001)
    sizes = change["delta_output -> delta_h1"].abs().unique()
    assert sizes.tolist() == pytest.approx([0.001] * len(sizes), rel=1e-4)
    assert len(change["h1 -> output"].abs().unique()) > 10


def test_batch_manhattan_learns(digits):
    config = TrainConfig(epochs=40, lr=0.002, optimizer="batch_manhattan", weight_decay=0.0)
    assert wire_and_train(CIRCUIT, parse_rule("fa"), digits, config).test_accuracy > 0.7


def test_nesterov_is_chosen_per_path(digits):
    """Its first step is 1 + momentum times as long."""
    plain = moved(digits, momentum=0.5)
    forward = moved(digits, momentum=0.5, nesterov=True, feedback_nesterov=False)
    for name in plain:
        stretch = 1.0 if name.startswith("delta") else 1.5
        torch.testing.assert_close(forward[name], stretch * plain[name], rtol=1e-3, atol=1e-7)


# -- label smoothing ---------------------------------------------------------------------------


def test_label_smoothing_raises_the_least_loss(digits):
    """A smoothed target has entropy, below which no loss can fall."""
    s, classes = 0.2, 10
    hit, miss = 1 - s + s / classes, s / classes
    entropy = -(hit * np.log(hit) + (classes - 1) * miss * np.log(miss))
    config = TrainConfig(epochs=40, lr=0.1, weight_decay=0.0)
    smoothed = wire_and_train(CIRCUIT, parse_rule("bp"), digits, replace(config, label_smoothing=s))
    assert entropy < smoothed.history[-1]["train_loss"] < entropy + 0.2
    assert wire_and_train(CIRCUIT, parse_rule("bp"), digits, config).history[-1]["train_loss"] < 0.1


def test_label_smoothing_needs_the_cross_entropy(digits):
    config = replace(CONFIG, label_smoothing=0.1)
    with pytest.raises(
        ConfigError, match=r"label_smoothing = 0.1 belongs to another loss than MSELoss"
    ):
        wire_and_train(CIRCUIT, parse_rule("bp"), digits, config, loss=torch.nn.MSELoss())


# -- decay -------------------------------------------------------------------------------------

APART = replace(CONFIG, weight_decay=1e-3, feedback_weight_decay=1e-4)


@pytest.mark.parametrize("rule", ["kp", "asap,k=1"])
def test_a_pair_that_changes_alike_must_decay_alike(digits, rule):
    complaint = (
        r"weights 'h1 -> output' and 'delta_output -> delta_h1' get the same change in every step, "
        r"but weight_decay = 0\.001 and feedback_weight_decay = 0\.0001"
    )
    with pytest.raises(ConfigError, match=complaint):
        wire_and_train(CIRCUIT, parse_rule(rule), digits, APART)
    wire_and_train(CIRCUIT, parse_rule(rule), digits, replace(APART, epochs=1, unequal_decay=True))
    equal = replace(APART, epochs=1, feedback_weight_decay=1e-3)
    wire_and_train(CIRCUIT, parse_rule(rule), digits, equal)


@pytest.mark.parametrize(
    ("warmup", "complaint"),
    [
        (
            {"feedback_decay_warmup_epochs": 1},
            "decay_warmup_epochs = 0 and feedback_decay_warmup_epochs = 1",
        ),
        (
            {"decay_warmup_epochs": 1, "feedback_warmup_weight_decay": 0.1},
            r"warmup_weight_decay = 0\.005 and feedback_warmup_weight_decay = 0\.1",
        ),
    ],
)
def test_a_pair_decays_alike_in_the_warm_up_too(digits, warmup, complaint):
    with pytest.raises(ConfigError, match=complaint):
        wire_and_train(CIRCUIT, parse_rule("kp"), digits, replace(CONFIG, **warmup))
    unused = replace(CONFIG, epochs=1, feedback_warmup_weight_decay=0.1)  # no epoch has it
    wire_and_train(CIRCUIT, parse_rule("kp"), digits, unused)


@pytest.mark.parametrize("rule", ["bp", "fa", "dkp", "wm"])
def test_other_paths_may_decay_as_they_like(digits, rule):
    wire_and_train(CIRCUIT, parse_rule(rule), digits, replace(APART, epochs=1))
