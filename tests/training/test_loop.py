"""The loop: seeds decide everything, both paths have their settings, nothing recorded is lost."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from training_runs import wire_and_train

from oneway.circuits import mlp, parse_circuit
from oneway.rules import parse_rule
from oneway.training import (
    ConfigError,
    DataError,
    TrainConfig,
    TrainingError,
    floor_accuracy,
    load_data,
    train,
)
from oneway.training.fitting import wire
from oneway.training.identity import generators
from oneway.training.records import RunFolder

CIRCUIT = mlp((64, 20, 10))
CONFIG = TrainConfig(epochs=2, lr=0.02)


@pytest.fixture(scope="module")
def digits():
    return load_data("digits", limit=(400, 100))


def curve(result):
    return [(record["train_loss"], record["test_accuracy"]) for record in result.history]


@pytest.mark.parametrize("rule", ["kp", "wm", "asap"])
def test_a_seed_decides_everything(digits, rule):
    rule = parse_rule(rule)
    first, again = (wire_and_train(CIRCUIT, rule, digits, CONFIG) for _ in range(2))
    other = wire_and_train(CIRCUIT, rule, digits, replace(CONFIG, seed=1))
    assert curve(first) == curve(again) != curve(other)
    assert first.angles_deg == again.angles_deg != other.angles_deg


def test_a_circuit_and_its_rule_are_as_the_wired_circuit(digits):
    rule = parse_rule("kp")
    wired = train(rule.wire(CIRCUIT), digits, CONFIG)
    assert curve(train(CIRCUIT, rule, digits, CONFIG)) == curve(wired)
    assert train(CIRCUIT, rule, digits, CONFIG).rule == "kp"
    with pytest.raises(ConfigError, match="is a forward circuit: it learns nothing without a rule"):
        train(CIRCUIT, digits, CONFIG)


def test_a_batch_of_one_is_refused_before_anything_is_written(digits, tmp_path):
    single = replace(CONFIG, batch_size=1, epochs=1)
    with pytest.raises(ConfigError, match="batch norm of 'x -> h1' has one value a"):
        train(mlp((64, 4, 10), norm="before"), parse_rule("kp"), digits, single, out=tmp_path / "r")
    assert not (tmp_path / "r").exists()
    few = load_data("digits", limit=(20, 10))
    assert train(CIRCUIT, parse_rule("kp"), few, single).history


def test_every_seed_and_every_purpose_has_its_own_generator():
    draws = [
        tuple(torch.rand(3, generator=generator).tolist())
        for seed in range(3)
        for generator in generators(TrainConfig(seed=seed))
    ]
    assert len(set(draws)) == len(draws) == 9


def test_accuracy_does_not_depend_on_the_batches_it_is_measured_in(digits, monkeypatch):
    """Batch norm uses its running statistics there, and measuring does not change them."""
    circuit = mlp((64, 20, 10), norm="before")
    whole = wire_and_train(circuit, parse_rule("bp"), digits, CONFIG)
    monkeypatch.setattr("oneway.training.recording.accuracy.EVALUATION_BATCH", 3)
    assert curve(wire_and_train(circuit, parse_rule("bp"), digits, CONFIG)) == curve(whole)


def test_runs_with_augmentation_and_validation_repeat_too(digits):
    config = replace(CONFIG, augment="crop", validation=0.2)
    circuit = parse_circuit("conv2:1x8x8-10,width=4,hidden=16")
    first, again = (wire_and_train(circuit, parse_rule("fa"), digits, config) for _ in range(2))
    assert curve(first) == curve(again)
    records = first.history
    best = max(records, key=lambda record: record["validation_accuracy"])
    assert first.selected == {
        key: best[key] for key in ("epoch", "validation_accuracy", "test_accuracy")
    }
    assert first.test_accuracy == records[-1]["test_accuracy"]


def test_it_learns_and_beats_the_floor(digits):
    config = replace(CONFIG, epochs=15, lr=0.05)
    circuit = mlp((64, 20, 20, 10))
    accuracy = wire_and_train(circuit, parse_rule("bp"), digits, config).test_accuracy
    assert accuracy > 0.85
    assert floor_accuracy(circuit, digits, config) < accuracy - 0.1


@pytest.mark.parametrize(
    ("circuit", "frozen", "not_this"),
    [("conv2:1x8x8-10,width=2,hidden=16", "conv", "hidden"), ("mlp:64-8-10", "hidden", "conv")],
)
def test_the_floor_of_an_image_net_lets_its_dense_layers_learn(digits, circuit, frozen, not_this):
    circuit = parse_circuit(circuit)
    alike = wire_and_train(circuit, parse_rule(f"bp,frozen={frozen}"), digits, CONFIG)
    other = wire_and_train(circuit, parse_rule(f"bp,frozen={not_this}"), digits, CONFIG)
    assert floor_accuracy(circuit, digits, CONFIG) == alike.test_accuracy
    assert curve(alike) != curve(other)


def test_a_wired_circuit_needs_no_rule(digits):
    rule = parse_rule("dkp")
    by_rule = wire_and_train(CIRCUIT, rule, digits, CONFIG)
    by_hand = wire_and_train(rule.wire(CIRCUIT), None, digits, CONFIG)
    assert curve(by_rule) == curve(by_hand)
    assert (by_rule.rule, by_hand.rule) == ("dkp", None)


def test_feedback_settings_reach_the_feedback_path_only(digits):
    still = replace(CONFIG, feedback_lr=0.0)
    moved, kept = (wire_and_train(CIRCUIT, parse_rule("kp"), digits, c) for c in (CONFIG, still))
    fixed = wire_and_train(CIRCUIT, parse_rule("fa"), digits, CONFIG)
    assert curve(kept) == curve(fixed) != curve(moved)


def test_adam_and_sgd_can_be_mixed(digits):
    mixed = replace(CONFIG, feedback_optimizer="adam", feedback_lr=1e-3)
    result = wire_and_train(CIRCUIT, parse_rule("kp"), digits, mixed)
    assert curve(result) != curve(wire_and_train(CIRCUIT, parse_rule("kp"), digits, CONFIG))
    assert result.history[0]["lr"] == {"forward": 0.02, "feedback": 0.001}


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [
        ({"schedule": "constant"}, [1, 1, 1, 1]),
        ({"schedule": "cosine"}, [1, 0.8535534, 0.5, 0.1464466]),
        ({"schedule": "step", "step_epochs": 2, "step_factor": 0.5}, [1, 1, 0.5, 0.5]),
    ],
)
def test_schedules(digits, schedule, factors):
    config = replace(CONFIG, epochs=4, feedback_schedule="constant", **schedule)
    records = wire_and_train(CIRCUIT, parse_rule("kp"), digits, config).history
    np.testing.assert_allclose([r["lr"]["forward"] for r in records], np.multiply(0.02, factors))
    np.testing.assert_allclose([r["lr"]["feedback"] for r in records], 0.02)


def test_a_synapse_keeps_the_rate_that_it_states(digits):
    config = replace(CONFIG, schedule="step", step_epochs=1)
    records = wire_and_train(CIRCUIT, parse_rule("wm,rate=0.3"), digits, config).history
    assert [r["lr"]["own rate"] for r in records] == [0.3, 0.3]


def test_spontaneous_activity_aligns_before_the_first_epoch(digits):
    aligned = [
        wire_and_train(
            CIRCUIT,
            parse_rule("wm"),
            digits,
            replace(
                CONFIG, epochs=1, lr=0.0, spontaneous_warmup_epochs=warmup, spontaneous_every=10**6
            ),
        ).angles_deg
        for warmup in (0, 3)
    ]
    for name in aligned[0]:
        assert aligned[0][name] > 60 > 50 > aligned[1][name]


def test_folder_holds_settings_metrics_and_result(digits, tmp_path):
    result = wire_and_train(
        CIRCUIT, parse_rule("asap,k=1"), digits, CONFIG, out=tmp_path / "a" / "b"
    )
    folder = tmp_path / "a" / "b"
    assert sorted(p.name for p in folder.iterdir()) == [
        "checkpoint.safetensors",
        "circuit.json",
        "config.json",
        "metrics.jsonl",
        "result.json",
    ]
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert records == [dict(record) for record in result.history]
    assert [record["epoch"] for record in records] == [1, 2]
    assert {"train_loss", "train_accuracy", "test_accuracy", "angles_deg", "seconds"} <= set(
        records[0]
    )
    saved = json.loads((folder / "result.json").read_text())
    assert saved == result.as_dict() and saved["rule"] == "asap,k=1"
    assert json.loads((folder / "config.json").read_text())["config"]["lr"] == 0.02


def test_a_folder_is_never_used_twice(digits, tmp_path):
    wire_and_train(CIRCUIT, parse_rule("fa"), digits, CONFIG, out=tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    with pytest.raises(ConfigError, match=r"holds a run already \(config\.json, .* nothing was"):
        wire_and_train(CIRCUIT, parse_rule("fa"), digits, CONFIG, out=tmp_path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


class _FailsAfter(torch.nn.Module):
    """Cross entropy that turns infinite after some steps."""

    def __init__(self, steps):
        super().__init__()
        self.left = steps

    def forward(self, output, y):
        self.left -= 1
        return torch.nn.functional.cross_entropy(output, y) * (1 if self.left >= 0 else torch.inf)


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_metrics(digits, tmp_path):
    loss = _FailsAfter(steps=8)  # 7 steps an epoch
    with pytest.raises(TrainingError, match=r"fa: the loss is not finite .* in epoch 2\. Lower lr"):
        wire_and_train(CIRCUIT, parse_rule("fa"), digits, CONFIG, out=tmp_path, loss=loss)
    (line,) = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert json.loads(line)["epoch"] == 1
    assert not (tmp_path / "result.json").exists()


def test_undefined_numbers_are_null_in_files(tmp_path):
    folder = RunFolder(tmp_path)
    folder.append_metrics({"epoch": 1, "angles_deg": {"b": float("nan")}, "loss": float("inf")})
    (line,) = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert json.loads(line) == {"epoch": 1, "angles_deg": {"b": None}, "loss": None}


@pytest.mark.parametrize(
    ("circuit", "rule", "error", "complaint"),
    [
        (mlp((63, 10)), "bp", DataError, r"\(1, 8, 8\) or \(64,\), but .* has \(63,\)"),
        (mlp((64, 9)), "bp", DataError, r"10 classes, but the output 'output' .* has 9 cells"),
        (mlp((64, 10)), None, ConfigError, "is a forward circuit: it learns nothing"),
    ],
)
def test_what_does_not_fit_is_said_before_training(digits, circuit, rule, error, complaint):
    with pytest.raises(error, match=complaint):
        wire_and_train(circuit, rule and parse_rule(rule), digits, CONFIG)


def test_no_rule_wires_a_wired_circuit():
    fa = parse_rule("fa")
    assert wire(fa.wire(CIRCUIT), None) == wire(CIRCUIT, fa) == fa.wire(CIRCUIT)
    with pytest.raises(ConfigError, match=r"is wired already: .* \(got 'fa'\)"):
        wire(fa.wire(CIRCUIT), fa)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"epochs": 0}, "epochs = 0, expected at least 1"),
        ({"lr": -1.0}, r"lr = -1\.0, expected at least 0"),
        ({"feedback_lr": float("nan")}, "feedback_lr = nan, expected a finite number, at"),
        ({"momentum": 1.0}, r"momentum = 1\.0, expected at least 0 and below 1"),
        ({"optimizer": "lbfgs"}, "optimizer = 'lbfgs', expected one of sgd, adam"),
        ({"feedback_schedule": "up"}, "feedback_schedule = 'up', expected one of constant"),
        ({"dtype": "int8"}, "dtype = 'int8', expected one of float32, float64"),
        ({"nesterov": True, "momentum": 0.0}, "nesterov needs a momentum above 0"),
        ({"device": "toaster"}, "device = 'toaster' cannot be used"),
    ],
)
def test_settings_are_checked(settings, complaint):
    with pytest.raises(ConfigError, match=complaint):
        TrainConfig(**settings)
