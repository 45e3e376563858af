"""When a run is looked at, what it leaves, and that nothing of it depends on being looked at."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from training_runs import wire_and_train

from oneway.backends.rate import RateNetwork
from oneway.circuits import mlp, parse_circuit
from oneway.rules import parse_rule
from oneway.training import ConfigError, DataSet, TrainConfig, load_data, load_run
from oneway.training.checkpoint import CHECKPOINT
from oneway.training.cli.main import main
from oneway.training.config import SPEED
from oneway.training.recording.errors import Shadow
from oneway.training.recording.recorder import Recorder

MLP = mlp((64, 12, 12, 10), norm="before")
CONFIG = TrainConfig(epochs=3, lr=0.02)
ALWAYS = {"angles_deg", "error_angles_deg", "norm_ratios", "weights"}


@pytest.fixture(scope="module")
def digits():
    return load_data("digits", limit=(240, 60))


def keys(record):
    return set(record) - set(
        "epoch train_loss train_accuracy test_accuracy test_top5 lr seconds".split()
    )


@pytest.mark.parametrize(
    ("circuit", "rule", "settings"),
    [
        ("mlp:64-12-12-10,norm=before", "kp", {}),
        ("resnet18:1x8x8-10,width=2", "dkp", {"augment": "crop", "validation": 0.2}),
        ("mlp:64-12-12-10", "wm", {"spontaneous_warmup_epochs": 1}),
    ],
)
def test_a_run_is_the_same_whether_it_is_looked_at_or_not(
    digits, tmp_path, monkeypatch, circuit, rule, settings
):
    run = parse_circuit(circuit), parse_rule(rule), digits, replace(CONFIG, **settings)
    wire_and_train(*run, out=tmp_path / "seen")
    monkeypatch.setattr(Recorder, "measure", lambda self: {})
    wire_and_train(*run, out=tmp_path / "unseen")
    seen, unseen = (load_file(tmp_path / name / CHECKPOINT) for name in ("seen", "unseen"))
    assert seen.keys() == unseen.keys()
    assert all(torch.equal(seen[name], unseen[name]) for name in seen)


@pytest.mark.parametrize(
    ("rule", "more"),
    [("bp", set()), ("kp", {"gap"}), ("dkp", {"direct_angles_deg"}), ("wm", set())],
)
def test_what_applies_is_recorded_every_so_many_epochs_and_after_the_last(digits, rule, more):
    config = replace(CONFIG, epochs=5, record_every=2)
    result = wire_and_train(mlp((64, 12, 12, 10)), parse_rule(rule), digits, config)
    recorded = [keys(record) for record in result.history]
    assert recorded == [set(), ALWAYS | more, set(), ALWAYS | more, ALWAYS | more]
    last = result.history[-1]
    assert result.angles_deg == last["angles_deg"] and len(last["angles_deg"]) == 2
    assert result.as_dict()["error_angles_deg"] == last["error_angles_deg"]


def test_how_often_may_change_on_the_way():
    assert "record_every" in SPEED  # such runs are one case, and resume one another
    with pytest.raises(ConfigError, match="record_every = 0, expected at least 1"):
        TrainConfig(record_every=0)


def test_a_part_that_fails_is_left_out_and_the_run_goes_on(digits, monkeypatch):
    tried = []

    def fails(self, x, y, program):
        tried.append(1)
        raise RuntimeError("out of memory\nmore")

    monkeypatch.setattr(RateNetwork, "observe", fails)
    with pytest.warns(
        RuntimeWarning, match=r"errors cannot .* \(RuntimeError: out of memory\); the"
    ):
        result = wire_and_train(MLP, parse_rule("kp"), digits, CONFIG)
    assert len(tried) == 1  # in the first epoch
    assert [keys(r) for r in result.history] == 3 * [ALWAYS - {"error_angles_deg"} | {"gap"}]
    assert result.error_angles_deg == {}


def test_top5_counts_samples_whose_class_is_among_the_likeliest_five(digits, tmp_path):
    run = MLP, parse_rule("bp"), digits, replace(CONFIG, lr=0.002)
    recorded = wire_and_train(*run, out=tmp_path).history[-1]
    output = load_run(tmp_path)(digits.fitted((64,)).normalise(digits.test_x))
    ranks = [
        sorted(row.tolist(), reverse=True).index(row[k])
        for row, k in zip(output, digits.test_y, strict=True)
    ]
    assert recorded["test_top5"] == sum(rank < 5 for rank in ranks) / 60
    assert (
        recorded["test_accuracy"] == sum(rank == 0 for rank in ranks) / 60 < recorded["test_top5"]
    )


def test_five_classes_have_no_top5():
    x = torch.randn(60, 8, generator=torch.Generator().manual_seed(0)).numpy()
    data = DataSet.from_arrays("five", (x, torch.arange(60).numpy() % 5), 0.2)
    assert "test_top5" not in wire_and_train(mlp((8, 5)), parse_rule("bp"), data, CONFIG).history[0]


def test_the_command_line_shows_both_angles_at_the_end(tmp_path, capsys):
    line = (
        "train --circuit mlp:64-8-8-10 --rule dkp --epochs 3 --limit 80,20 --record-every 2 --out"
    )
    assert main([*line.split(), str(tmp_path / "run")]) == 0
    shown = capsys.readouterr().out
    assert "angle to W (°)" in shown and "delta_output -> delta_h1" in shown
    assert "angle to BP (°)" in shown and "│ delta_h1 " in shown


def test_a_compiled_network_is_looked_at_as_it_is(digits):
    plain, compiled = (RateNetwork(parse_rule("kp").wire(MLP), seed=0) for _ in range(2))
    compiled.compile(backend="eager")
    x, y = digits.fitted((64,)).normalise(digits.train_x[:32]), digits.train_y[:32]
    compiled.step(x, y)
    plain.step(x, y)
    a, b = (Shadow(net)(x, y)["error_angles_deg"] for net in (plain, compiled))
    assert a == b
