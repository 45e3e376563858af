"""Event files for TensorBoard: the numbers of metrics.jsonl, each step once."""

import json
import struct
import sys

import pytest
from training_runs import wire_and_train

from oneway.circuits import mlp
from oneway.rules import parse_rule
from oneway.training import ConfigError, TrainConfig, load_data
from oneway.training.tensorboard import FOLDER, scalars

RUN = (mlp((64, 12, 12, 10)), parse_rule("kp"))
CONFIG = TrainConfig(epochs=3, validation=0.2, feedback_lr=0.02)


@pytest.fixture(scope="module")
def digits():
    return load_data("digits", limit=(240, 60))


def events(folder):
    """Tag → [(step, value)], as any reader finds them: length, two checksums, content."""
    Event = pytest.importorskip("tensorboardX.proto.event_pb2").Event
    found = {}
    for path in sorted((folder / FOLDER).iterdir()):
        content, at = path.read_bytes(), 0
        while at < len(content):
            (length,) = struct.unpack_from("<Q", content, at)
            event = Event.FromString(content[at + 12 : at + 12 + length])
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value.simple_value))
            at += length + 16
    return found


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def assert_same_numbers(folder):
    found = events(folder)
    for tag, number in {
        "loss/train": lambda record: record["train_loss"],
        "accuracy/train": lambda record: record["train_accuracy"],
        "accuracy/test": lambda record: record["test_accuracy"],
        "accuracy/validation": lambda record: record["validation_accuracy"],
        "seconds/epoch": lambda record: record["seconds"],
        "rate/feedback": lambda record: record["lr"]["feedback"],
    }.items():
        expected = [(record["epoch"], number(record)) for record in lines(folder)]
        assert [step for step, _ in found[tag]] == [step for step, _ in expected]
        assert [value for _, value in found[tag]] == pytest.approx(
            [value for _, value in expected], rel=1e-6
        )
    angles = [tag for tag in found if tag.startswith("angle/")]
    assert len(angles) == len(lines(folder)[0]["angles_deg"]) == 2
    assert all(" " not in tag and ">" not in tag for tag in angles)


def test_every_metric_stands_there_once_an_epoch(digits, tmp_path):
    pytest.importorskip("tensorboardX")
    wire_and_train(*RUN, digits, CONFIG, out=tmp_path, tensorboard=True)
    assert len(lines(tmp_path)) == 3
    assert_same_numbers(tmp_path)


def test_a_resumed_run_repeats_no_step(digits, tmp_path, monkeypatch):
    """Killed after metrics of an epoch were written that no checkpoint has."""
    pytest.importorskip("tensorboardX")
    from oneway.training.checkpoint import Pace
    from oneway.training.training_run import TrainingRun

    written = []

    def dying(run, epoch, progress, learn=TrainingRun.learn):
        if epoch == 3:
            written.extend(step for step, _ in events(tmp_path)["loss/train"])
            raise KeyboardInterrupt
        return learn(run, epoch, progress)

    with monkeypatch.context() as patch:
        patch.setattr(Pace, "QUICK_S", 0.0)
        patch.setattr(Pace, "APART", 1e9)
        patch.setattr(TrainingRun, "learn", dying)
        with pytest.raises(KeyboardInterrupt):
            wire_and_train(*RUN, digits, CONFIG, out=tmp_path, tensorboard=True)
    assert written == [1, 2]  # on disk although nobody closed the file
    wire_and_train(*RUN, digits, CONFIG, out=tmp_path, resume=True, tensorboard=True)
    assert_same_numbers(tmp_path)


def test_a_run_may_take_it_up_when_it_is_resumed(digits, tmp_path):
    pytest.importorskip("tensorboardX")
    wire_and_train(*RUN, digits, CONFIG, out=tmp_path)
    assert not (tmp_path / FOLDER).exists()
    wire_and_train(*RUN, digits, CONFIG, out=tmp_path, resume=True, tensorboard=True)
    assert_same_numbers(tmp_path)


def test_what_is_not_finite_is_left_out():
    record = {"epoch": 1, "train_loss": float("nan"), "angles_deg": {"a -> b": 3.0, "c": None}}
    assert list(scalars(record)) == [("angle/a_-_b", 3.0)]


def test_tables_have_a_chart_for_each_number():
    record = {
        "gap": {"b -> a": {"measured": 0.5, "predicted": 0.25}},
        "weights": {"a -> b": {"kurtosis": float("nan"), "norm": 2.0}},
        "error_angles_deg": {"delta_a": 90.0},
        "test_top5": 0.75,
    }
    assert dict(scalars(record)) == {
        "gap_measured/b_-_a": 0.5,
        "gap_predicted/b_-_a": 0.25,
        "weights_norm/a_-_b": 2.0,
        "error_angle/delta_a": 90.0,
        "accuracy/test_top5": 0.75,
    }


def test_without_the_package_nothing_is_begun(oneway, monkeypatch, tmp_path, digits):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    monkeypatch.setattr("oneway.training.tensorboard.find_spec", lambda name: None)
    arguments = "train --circuit mlp:64-8-10 --rule fa --data svhn --tensorboard --out run".split()
    code, out, err = oneway(*arguments)
    assert code == 2 and out == "" and "pip install 'oneway[tensorboard]'" in err
    with pytest.raises(ConfigError, match="needs the package tensorboardX"):
        wire_and_train(*RUN, digits, CONFIG, out=tmp_path / "run", tensorboard=True)
    assert not (tmp_path / "run").exists()


def test_it_needs_a_folder(digits):
    with pytest.raises(ConfigError, match="tensorboard needs the folder of the run"):
        wire_and_train(*RUN, digits, CONFIG, tensorboard=True)


def test_from_the_command_line(oneway, tmp_path):
    pytest.importorskip("tensorboardX")
    arguments = "train --circuit mlp:64-12-12-10 --rule kp --limit 240,60 --epochs 2".split()
    code, _, err = oneway(*arguments, "--validation", "0.2", "--tensorboard", "--out", "run")
    assert code == 0, err
    assert_same_numbers(tmp_path / "run")
