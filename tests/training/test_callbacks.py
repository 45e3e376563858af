"""What a run tells while it goes on, to Python and to people, and what its last line says."""

import json
import re
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest
import torch
from training_runs import wire_and_train

from oneway.circuits import mlp
from oneway.rules import parse_rule
from oneway.training import EpochEnd, TrainConfig, load_data
from oneway.training.checkpoint import CHECKPOINT, Pace, read_checkpoint
from oneway.training.progress import ProgressBar
from oneway.training.training_run import TrainingRun

CIRCUIT, KP = mlp((64, 12, 10)), parse_rule("kp")
CONFIG = TrainConfig(epochs=3, lr=0.02)
STEPS = 4  # an epoch: 240 samples in batches of 64
RUN = "train --circuit mlp:64-8-10 --rule kp --limit 130,60".split()


@pytest.fixture(scope="module")
def digits():
    return load_data("digits", limit=(240, 60))


def metrics(history):
    return [{k: v for k, v in record.items() if k != "seconds"} for record in history]


def test_epochs_and_steps_are_told_and_change_nothing(digits):
    epochs, steps, weights = [], [], []

    def on_epoch(end):
        epochs.append(end)
        weights.append(float(end.network.weight("x -> h1").sum()))

    told = wire_and_train(CIRCUIT, KP, digits, CONFIG, on_epoch=on_epoch, on_step=steps.append)
    assert metrics(told.history) == metrics(wire_and_train(CIRCUIT, KP, digits, CONFIG).history)
    assert [(end.epoch, end.epochs, end.step) for end in epochs] == [
        (1, 3, STEPS),
        (2, 3, 2 * STEPS),
        (3, 3, 3 * STEPS),
    ]
    assert [end.record for end in epochs] == list(told.history) and len(set(weights)) == 3
    assert epochs[-1].test_accuracy == told.test_accuracy
    assert epochs[-1].angle_deg == pytest.approx(next(iter(told.angles_deg.values())))
    assert epochs[-1].seconds_left == 0 < epochs[0].seconds_left
    assert [end.step for end in steps] == list(range(1, 3 * STEPS + 1))
    assert [end.samples for end in steps[:STEPS]] == [64, 64, 64, 48]
    first = steps[:STEPS]
    mean = sum(float(end.loss) * end.samples for end in first) / 240
    assert mean == pytest.approx(told.history[0]["train_loss"])
    with pytest.raises(FrozenInstanceError):
        epochs[0].epoch = 7


def test_what_on_epoch_raises_comes_out_once_the_checkpoint_has_the_epoch(
    digits, tmp_path, monkeypatch
):
    """Also where checkpoints are slow, and not due."""
    monkeypatch.setattr(Pace, "due", lambda self: False)

    def stop(end):
        if end.epoch == 2:
            raise KeyboardInterrupt("enough")

    with pytest.raises(KeyboardInterrupt, match="enough"):
        wire_and_train(CIRCUIT, KP, digits, CONFIG, out=tmp_path, on_epoch=stop)
    assert len(read_checkpoint(tmp_path / CHECKPOINT)["history"]) == 2
    resumed = wire_and_train(CIRCUIT, KP, digits, CONFIG, out=tmp_path, resume=True)
    assert metrics(resumed.history) == metrics(wire_and_train(CIRCUIT, KP, digits, CONFIG).history)


def test_what_on_step_raises_leaves_a_run_that_goes_on(digits, tmp_path):
    def stop(end):
        if end.step == STEPS + 2:
            raise RuntimeError("look here")

    with pytest.raises(RuntimeError, match="look here"):
        wire_and_train(CIRCUIT, KP, digits, CONFIG, out=tmp_path, on_step=stop)
    resumed = wire_and_train(CIRCUIT, KP, digits, CONFIG, out=tmp_path, resume=True)
    assert metrics(resumed.history) == metrics(wire_and_train(CIRCUIT, KP, digits, CONFIG).history)


def test_what_is_recorded_now_and_then_is_told_then(digits):
    seen = []
    sparse = replace(CONFIG, record_every=2)
    wire_and_train(CIRCUIT, KP, digits, sparse, on_epoch=seen.append)
    assert [end.angle_deg is None for end in seen] == [True, False, False]
    assert "angle" not in str(seen[0]) and "angle" in str(seen[1])
    nothing_left = EpochEnd("kp", 1, 1, 4, {"angles_deg": {"b": None, "c": float("nan")}}, 0.0)
    assert nothing_left.angle_deg is None


# -- for people --------------------------------------------------------------------------------


def test_a_log_has_one_line_an_epoch_and_quiet_has_none(oneway):
    code, out, err = oneway(*RUN, "--epochs", "3", "--seeds", "2", "--json", "--out", "run")
    lines = [line for line in err.splitlines() if ": epoch " in line]
    assert code == 0 and [line.split(",")[1] for line in lines] == [
        f" seed {seed}: epoch {epoch} of 3" for seed in (0, 1) for epoch in (1, 2, 3)
    ]
    first = json.loads((_read("run/seed0/metrics.jsonl")).splitlines()[0])
    assert lines[0].startswith(
        f"kp, seed 0: epoch 1 of 3, loss {first['train_loss']:.4g}, "
        f"train {100 * first['train_accuracy']:.1f} %, test {100 * first['test_accuracy']:.1f} %, "
        f"angle {first['angles_deg']['delta_output -> delta_h1']:.1f}°, "
    )
    assert lines[0].endswith(" s left") and not lines[2].endswith("left")
    code, out, err = oneway(*RUN, "--floor", "--epochs", "2", "--quiet", "--json")
    assert code == 0 and err == "" and json.loads(out)["runs"]


def _read(path):
    with open(path) as file:
        return file.read()


def test_the_bar_shows_what_the_last_epoch_came_to(digits, monkeypatch):
    notes = []
    monkeypatch.setattr(ProgressBar, "advance", lambda self, note=None: notes.append(note))
    result = wire_and_train(CIRCUIT, KP, digits, replace(CONFIG, epochs=2))
    accuracy = f"test {100 * result.history[0]['test_accuracy']:.1f} %"
    assert (
        notes[0] == "epoch 1" and notes[-1].startswith("epoch 2, loss ") and accuracy in notes[-1]
    )


def test_quiet_shows_no_bar(digits, monkeypatch):
    shown = []

    class Seen(ProgressBar):
        def __init__(self, label, total, is_shown=True):
            super().__init__(label, total, False)
            shown.append(is_shown)

    monkeypatch.setattr("oneway.training.training_run.ProgressBar", Seen)
    wire_and_train(CIRCUIT, KP, digits, replace(CONFIG, epochs=1), quiet=True)
    wire_and_train(CIRCUIT, KP, digits, replace(CONFIG, epochs=1))
    assert shown == [False, True]


def test_the_last_line_says_chance_and_angles_of_nothing(oneway, digits):
    _, out, _ = oneway(*RUN, "--epochs", "2", "--lr", "0", "--seeds", "2")
    for seed, line in enumerate(out.splitlines()[-2:]):
        assert line.startswith(f"note: seed {seed}: it has learned nothing that shows: ")
    # Weights that halve in each step, and nothing else.
    gone = ["--epochs", "10", "--momentum", "0", "--lr", "0.1", "--weight-decay", "9", "--json"]
    _, out, _ = oneway(*RUN, *gone)
    (warning,) = [w for w in json.loads(out)["runs"][0]["warnings"] if "nothing is left" in w]
    assert warning.startswith("an angle of 0.0° says nothing here, since nothing is left of the we")
    assert "and 1 more: the largest is " in warning


def test_who_learned_and_lost_it_is_told_so(digits, monkeypatch):
    learns = replace(CONFIG, epochs=8, lr=0.1)
    good = wire_and_train(CIRCUIT, parse_rule("bp"), digits, learns)
    assert good.warnings == () and good.test_accuracy > 0.5
    epoch = TrainingRun._epoch

    def forgets(run, number, progress):
        if number == 8:
            with torch.no_grad():
                run.network.weights["h1 -> output"].zero_()
            run.config = replace(run.config, lr=0.0)
        return epoch(run, number, progress)

    monkeypatch.setattr(TrainingRun, "_epoch", forgets)
    no_change = replace(learns, milestones=(7,), schedule="step", step_factor=0.0, momentum=0.0)
    lost = wire_and_train(CIRCUIT, parse_rule("bp"), digits, no_change)
    assert lost.warnings[0].startswith("it fell to chance: ") and " % in epoch " in lost.warnings[0]


def test_the_page_runs(capsys):
    """The code block of docs/training.md stops when it says that it will."""
    page = (Path(__file__).parents[2] / "docs/training.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    names = {}
    exec(compile(block, "training.md", "exec"), names)
    *epochs, last = capsys.readouterr().out.splitlines()
    assert last == "good enough" and len(epochs) == len(names["angles"]) < 20
    fields = {name for name in EpochEnd.__dataclass_fields__} | {
        name for name, value in vars(EpochEnd).items() if isinstance(value, property)
    }
    told = set(re.findall(r"`(\w+)`", page.split("| `EpochEnd` |")[1].split("| `StepEnd` |")[0]))
    assert fields - {"short"} <= told
