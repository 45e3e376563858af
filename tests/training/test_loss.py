"""What output and target are compared by: δ_L as papers write it, and what a run keeps of it."""

import json
from dataclasses import replace

import pytest
import torch
from training_runs import wire_and_train

from oneway.backends.rate import RateNetwork
from oneway.circuits import mlp
from oneway.rules import parse_rule
from oneway.training import ConfigError, TrainConfig, load_data
from oneway.training.loss import SquaredError

CIRCUIT = mlp((64, 16, 10))
CONFIG = TrainConfig(epochs=2, lr=0.02, loss="squared")


@pytest.fixture(scope="module")
def digits():
    return load_data("digits", limit=(240, 60), shape=(64,))


@pytest.mark.parametrize("rule", ["bp", "fa", "drtp"])
def test_the_output_error_is_output_less_target(rule):
    """δ_L = (y − y*) / B, whatever the rule feeds back."""
    net = RateNetwork(
        parse_rule(rule).wire(mlp((4, 5, 3))), loss=SquaredError(), dtype=torch.float64
    )
    x, classes = torch.randn(7, 4, dtype=torch.float64), torch.arange(7) % 3
    signals = net.signals(x, classes)
    wanted = torch.eye(3, dtype=torch.float64)[classes]
    torch.testing.assert_close(signals["delta_output"], (signals["output"] - wanted) / 7)
    by_code = net.signals(x, wanted)
    torch.testing.assert_close(by_code["delta_output"], signals["delta_output"])


def test_what_is_recorded_is_half_the_squared_distance(digits):
    still = replace(CONFIG, epochs=1, lr=0.0)
    wired = parse_rule("fa").wire(CIRCUIT)
    record = wire_and_train(CIRCUIT, parse_rule("fa"), digits, still).history[0]
    output = RateNetwork(wired, seed=still.seed)(digits.normalise(digits.train_x))
    distance = (output - torch.eye(10)[digits.train_y]).norm(dim=1)
    assert record["train_loss"] == pytest.approx(float((distance**2 / 2).mean()), rel=1e-5)


def test_direct_random_target_projection_learns(digits):
    """In saturating cells, as in its paper: its errors never fade, and nothing else bounds them."""
    circuit, config = mlp((64, 16, 10), activation="tanh"), replace(CONFIG, epochs=40, lr=0.005)
    assert wire_and_train(circuit, parse_rule("drtp"), digits, config).test_accuracy > 0.6


def test_a_run_keeps_its_loss(digits, oneway, tmp_path):
    run = [
        *"train --circuit mlp:64-16-10 --rule fa --limit 240,60 --epochs 1".split(),
        "--out",
        "a",
    ]
    code, text, _ = oneway(*run, "--loss", "squared", "--json")
    assert (code, json.loads(text)["runs"][0]["config"]["loss"]) == (0, "squared")
    assert json.loads((tmp_path / "a/config.json").read_text())["config"]["loss"] == "squared"
    code, _, err = oneway(*run, "--resume")
    assert code == 2 and "config.loss = 'squared' there, 'cross_entropy' now" in err


def test_going_on_is_the_same_as_never_stopping(digits, tmp_path):
    rule = parse_rule("kp")
    whole = wire_and_train(CIRCUIT, rule, digits, CONFIG)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("oneway.training.training_run.TrainingRun._result", lambda run: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            wire_and_train(CIRCUIT, rule, digits, CONFIG, out=tmp_path)
    resumed = wire_and_train(CIRCUIT, rule, digits, CONFIG, out=tmp_path, resume=True)
    losses = [[record["train_loss"] for record in run.history] for run in (whole, resumed)]
    assert losses[0] == losses[1]


def test_losses_and_smoothing_that_do_not_go_together(digits):
    with pytest.raises(ConfigError, match="loss = 'mse', expected one of cross_entropy"):
        TrainConfig(loss="mse")
    with pytest.raises(ConfigError, match=r"0.1 belongs to the cross entropy, but loss"):
        TrainConfig(loss="squared", label_smoothing=0.1)
    with pytest.raises(ConfigError, match="'squared' belongs to another loss than MSELoss"):
        wire_and_train(CIRCUIT, parse_rule("bp"), digits, CONFIG, loss=torch.nn.MSELoss())
