"""A run that was killed goes on as if nothing had happened, or says why it cannot."""

import json
import time
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from training_runs import wire_and_train

from oneway.backends.rate import RateNetwork
from oneway.circuits import mlp, parse_circuit
from oneway.rules import parse_rule
from oneway.training import ConfigError, DataError, TrainConfig, floor_accuracy, load_data
from oneway.training.checkpoint import (
    CHECKPOINT,
    Pace,
    fingerprint,
    read_checkpoint,
    write_checkpoint,
)
from oneway.training.cli.main import main
from oneway.training.records import RunFolder

CIRCUIT = mlp((64, 12, 12, 10), norm="before")
CONV = parse_circuit("conv2:1x8x8-10,width=3,hidden=8")
CONFIG = TrainConfig(epochs=4, lr=0.02, schedule="cosine", warmup_epochs=1)
STEPS = 4  # an epoch: 240 samples in batches of 64, the last one smaller


@pytest.fixture(scope="module")
def digits():
    return load_data("digits", limit=(240, 60))


class Killed(BaseException):
    """Nothing catches this."""


@pytest.fixture
def killed_at(monkeypatch):
    """Let a run die in its n-th step, like a process that gets no chance to clean up."""

    def run(step, *arguments, **options):
        left = [step]

        def dying(self, x, y, step=RateNetwork.step, **options):
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            return step(self, x, y, **options)

        with monkeypatch.context() as patched:
            patched.setattr(RateNetwork, "step", dying)
            with pytest.raises(Killed):
                wire_and_train(*arguments, **options)

    return run


def metrics(result):
    """All that is recorded, but for the time it took."""
    return [{k: v for k, v in record.items() if k != "seconds"} for record in result.history]


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def tensors(folder):
    return load_file(folder / CHECKPOINT)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


RUNS = {
    "momentum": (CIRCUIT, "kp", {"decay_warmup_epochs": 3}),
    "adam": (CIRCUIT, "kp", {"optimizer": "adam", "lr": 1e-3, "decay_warmup_epochs": 1}),
    "nesterov and batch manhattan": (
        CIRCUIT,
        "kp",
        {"nesterov": True, "feedback_optimizer": "batch_manhattan", "feedback_lr": 1e-4},
    ),
    "spontaneous phases": (
        CIRCUIT,
        "wm",
        {"spontaneous_warmup_epochs": 2, "spontaneous_every": 3, "momentum": 0.5},
    ),
    "direct feedback": (CIRCUIT, "dkp", {"schedule": "step", "milestones": (2, 3)}),
    "shared activations": (CIRCUIT, "asap,gate=local,norm=own", {"validation": 0.2}),
    "augmentation": (CONV, "asap", {"augment": "crop+flip", "dtype": "float64"}),
}


@pytest.mark.parametrize("case", RUNS)
def test_resumed_is_as_uninterrupted(digits, tmp_path, killed_at, case):
    circuit, rule, settings = RUNS[case]
    run = (circuit, parse_rule(rule), digits, replace(CONFIG, **settings))
    whole = wire_and_train(*run, out=tmp_path / "whole")
    killed_at(2 * STEPS + 2, *run, out=tmp_path / "cut")
    assert 0 < len(lines(tmp_path / "cut")) < CONFIG.epochs
    resumed = wire_and_train(*run, out=tmp_path / "cut", resume=True)
    assert metrics(resumed) == metrics(whole) and resumed.selected == whole.selected
    assert lines(tmp_path / "cut") == [dict(record) for record in resumed.history]
    assert json.loads((tmp_path / "cut/result.json").read_text()) == resumed.as_dict()
    at_end, expected = tensors(tmp_path / "cut"), tensors(tmp_path / "whole")
    assert at_end.keys() == expected.keys()
    assert all(torch.equal(at_end[name], expected[name]) for name in expected)


def test_a_run_may_be_killed_again_and_again(digits, tmp_path, killed_at):
    run = (CIRCUIT, parse_rule("wm"), digits, replace(CONFIG, spontaneous_warmup_epochs=1))
    whole = wire_and_train(*run, out=tmp_path / "whole")
    killed_at(1, *run, out=tmp_path / "cut")  # after the warm-up, in the first epoch
    assert lines(tmp_path / "cut") == [] and (tmp_path / "cut" / CHECKPOINT).exists()
    for step in (STEPS, 2 * STEPS, 1):
        killed_at(step, *run, out=tmp_path / "cut", resume=True)
    assert len(lines(tmp_path / "cut")) == 3
    assert metrics(wire_and_train(*run, out=tmp_path / "cut", resume=True)) == metrics(whole)


def _killed(*arguments):
    raise Killed


def test_killed_before_the_first_checkpoint_it_starts_again(digits, tmp_path, monkeypatch):
    run = (CIRCUIT, parse_rule("fa"), digits, CONFIG)
    with monkeypatch.context() as patched:
        patched.setattr(RunFolder, "save", _killed)
        with pytest.raises(Killed):
            wire_and_train(*run, out=tmp_path)
    assert not (tmp_path / CHECKPOINT).exists()
    said = []
    other = (CIRCUIT, parse_rule("fa"), digits, replace(CONFIG, lr=0.5))
    with pytest.raises(ConfigError, match=r"holds another run: config\.lr = 0\.02 there, 0\.5 now"):
        wire_and_train(*other, out=tmp_path, resume=True)
    resumed = wire_and_train(*run, out=tmp_path, resume=True, notify=said.append)
    assert metrics(resumed) == metrics(wire_and_train(*run))
    assert said[0].startswith("no epoch was finished")


@pytest.mark.parametrize("rule", ["kp", "wm"])
def test_killed_between_the_first_metrics_and_a_checkpoint_it_goes_on(
    digits, tmp_path, killed_at, monkeypatch, rule
):
    """The checkpoint before the first epoch, after the warm-up, is always there."""
    run = (CIRCUIT, parse_rule(rule), digits, replace(CONFIG, spontaneous_warmup_epochs=1))
    whole = wire_and_train(*run)
    monkeypatch.setattr(Pace, "QUICK_S", 0.0)
    monkeypatch.setattr(Pace, "APART", 1e9)
    killed_at(STEPS + 1, *run, out=tmp_path)
    assert len(lines(tmp_path)) == 1
    assert read_checkpoint(tmp_path / CHECKPOINT)["history"] == []
    said = []
    assert metrics(wire_and_train(*run, out=tmp_path, resume=True, notify=said.append)) == metrics(
        whole
    )
    assert said[0].startswith("no epoch was finished")
    assert [record["epoch"] for record in lines(tmp_path)] == [1, 2, 3, 4]


def test_a_kill_between_metrics_and_checkpoint_leaves_no_epoch_twice(digits, tmp_path, killed_at):
    run = (CIRCUIT, parse_rule("fa"), digits, CONFIG)
    killed_at(2 * STEPS, *run, out=tmp_path)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 3, "train_loss": 0.1}\n{"epoch": 4, "tra')
    resumed = wire_and_train(*run, out=tmp_path, resume=True)
    assert lines(tmp_path) == [dict(record) for record in resumed.history]
    assert metrics(resumed) == metrics(wire_and_train(*run))


def test_a_slow_checkpoint_is_written_less_often(digits, tmp_path, killed_at, monkeypatch):
    """Before the first epoch, once more when it may, and at the end."""
    run = (CIRCUIT, parse_rule("kp"), digits, CONFIG)
    due = iter([True, False, False])
    with monkeypatch.context() as patched:
        patched.setattr(Pace, "due", lambda self: next(due))
        killed_at(3 * STEPS + 1, *run, out=tmp_path)
    assert len(lines(tmp_path)) == 3
    monkeypatch.setattr(Pace, "due", lambda self: False)
    said = []
    resumed = wire_and_train(*run, out=tmp_path, resume=True, notify=said.append)
    assert f"goes on after epoch 1 of {CONFIG.epochs}" in said
    assert metrics(resumed) == metrics(wire_and_train(*run))
    assert lines(tmp_path) == [dict(record) for record in resumed.history]
    assert len(read_checkpoint(tmp_path / CHECKPOINT)["history"]) == CONFIG.epochs


def test_what_is_slow_waits_twenty_times_as_long(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    pace = Pace()
    for took, waits in [(0.05, 0.0), (2.0, 40.0)]:
        assert pace.due()
        with pace.writing():
            now[0] += took
        assert pace.due() == (waits == 0)
        now[0] += waits - 0.1 if waits else 0
        assert pace.due() == (waits == 0)
        now[0] += 0.2


def test_a_finished_run_is_left_as_it_is(digits, tmp_path, monkeypatch):
    run = (CIRCUIT, parse_rule("kp"), digits, CONFIG)
    first = wire_and_train(*run, out=tmp_path, floor=0.25)
    before = tensors(tmp_path)
    monkeypatch.setattr(RateNetwork, "step", None)  # nobody may call it
    again = wire_and_train(*run, out=tmp_path, resume=True)
    assert again.history == first.history and again.floor_accuracy == 0.25
    assert all(torch.equal(before[name], tensor) for name, tensor in tensors(tmp_path).items())


def test_the_old_checkpoint_stays_until_the_new_one_is_complete(tmp_path, monkeypatch):
    path = tmp_path / CHECKPOINT
    write_checkpoint(path, {"step": 1, "w": torch.ones(3)})

    def cut_short(file, tensors, about):
        file.write(b"half of i")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("oneway.training.checkpoint._write", cut_short)
        with pytest.raises(OSError, match="No space"):
            write_checkpoint(path, {"step": 2, "w": torch.zeros(3)})
    assert read_checkpoint(path)["step"] == 1
    write_checkpoint(path, {"step": 3, "w": torch.zeros(3)})
    assert [p.name for p in tmp_path.iterdir()] == [CHECKPOINT]


def test_a_checkpoint_gives_back_what_it_was_given(tmp_path):
    w = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))
    state = {
        "w": w,
        "view": w.T,  # same storage
        "nested": {"bf16": w.bfloat16(), "none": None, "list": [1, 2.5, "a", w[0]]},
        "scalar": torch.tensor(3.0),
        "nan": float("nan"),
    }
    write_checkpoint(tmp_path / "c", state)
    back = read_checkpoint(tmp_path / "c")
    assert torch.equal(back["w"], w) and torch.equal(back["view"], w.T)
    assert back["nested"]["bf16"].dtype == torch.bfloat16
    assert back["nested"]["list"][:3] == [1, 2.5, "a"] and back["nested"]["none"] is None
    assert back["scalar"].shape == () and back["nan"] != back["nan"]


def test_fingerprints_tell_values_shapes_and_types_apart():
    x = torch.arange(6, dtype=torch.uint8)
    variants = [x, x.flip(0), x.reshape(2, 3), x.view(torch.int8), x.to(torch.int64)]
    assert len({fingerprint(variant) for variant in variants}) == 5
    assert fingerprint(x.reshape(2, 3).T) == fingerprint(x.reshape(2, 3).T.contiguous())


# -- what cannot be resumed --------------------------------------------------------------------


@pytest.fixture(scope="module")
def interrupted(digits, tmp_path_factory):
    folder = tmp_path_factory.mktemp("interrupted")
    wire_and_train(CIRCUIT, parse_rule("kp"), digits, CONFIG, out=folder)
    return folder


OTHER = {
    "circuit": (dict(circuit=mlp((64, 12, 10))), r"circuit = 'mlp:64-12-12-10.* there, 'mlp:64-12"),
    "wiring": (dict(circuit=mlp((64, 12, 12, 10), norm="before", activation="tanh")), "wiring = "),
    "rule": (dict(rule="fa"), r"rule\.name = 'kp' there, 'fa' now"),
    "option": (dict(rule="kp,init=aligned"), r"rule\.init = 'independent' there, 'aligned' now"),
    "samples": (dict(limit=(240, 59)), "samples = "),
    "setting": (dict(lr=0.03), r"config\.lr = 0\.02 there, 0\.03 now\. Resume with the settings"),
    "seed": (dict(seed=1), r"config\.seed = 0 there, 1 now"),
    "epochs": (
        dict(epochs=9),
        r"config\.epochs = 4 there, 9 now \(a cosine ends with the run, so all rates so far",
    ),
    "milestones": (
        dict(schedule="step", milestones=(2,)),
        r"config\.schedule = 'cosine' there, 'step' now; config\.milestones = \[\] there, \[2\]",
    ),
    "loss": (dict(loss=torch.nn.MultiMarginLoss()), r"loss = 'CrossEntropyLoss\(\)' there, 'Multi"),
}


@pytest.mark.parametrize("case", OTHER)
def test_another_run_is_refused_and_nothing_lost(digits, interrupted, case):
    changed, complaint = OTHER[case]
    settings = dict(changed)
    circuit, rule = settings.pop("circuit", CIRCUIT), parse_rule(settings.pop("rule", "kp"))
    loss, limit = settings.pop("loss", None), settings.pop("limit", None)
    data = load_data("digits", limit=limit) if limit else digits
    before = contents(interrupted)
    with pytest.raises(ConfigError, match=f"holds another run: .*{complaint}"):
        wire_and_train(
            circuit,
            rule,
            data,
            replace(CONFIG, **settings),
            out=interrupted,
            loss=loss,
            resume=True,
        )
    assert contents(interrupted) == before


def _flipped(path):
    content = bytearray(path.read_bytes())
    content[-5] ^= 0x10
    path.write_bytes(content)


def _foreign(path):
    save_file({"w": torch.ones(2)}, path, metadata={"format": "pt"})


def _newer(path):
    with safe_open(path, framework="pt") as file:
        about = file.metadata()
    save_file(load_file(path), path, metadata={**about, "version": "2"})


def _other_names(path):
    state = read_checkpoint(path)
    state["network"]["weights.x"] = state["network"].pop("weights.h1 -> h2")
    write_checkpoint(path, state)


DAMAGE = {
    "one bit": (_flipped, "is damaged: its content does not have the checksum"),
    "cut": (lambda path: path.write_bytes(path.read_bytes()[:-9]), "cannot be read"),
    "empty": (lambda path: path.write_bytes(b""), "cannot be read"),
    "no safetensors": (lambda path: path.write_bytes(b"PK\x03\x04" * 99), "cannot be read"),
    "folder": (lambda path: (path.unlink(), path.mkdir()), "cannot be read"),
    "foreign": (
        _foreign,
        r"checkpoint .* cannot be read: it states the format 'pt', expected 'oneway-checkpoint'",
    ),
    "newer": (_newer, "has format version 2, this program reads version 1: pip install --upgrade"),
    "names": (_other_names, "does not fit this version of the network"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_checkpoint_is_refused_and_nothing_lost(digits, interrupted, tmp_path, case):
    damage, complaint = DAMAGE[case]
    for name, content in contents(interrupted).items():
        (tmp_path / name).write_bytes(content)
    damage(tmp_path / CHECKPOINT)
    before = (tmp_path / "metrics.jsonl").read_bytes()
    with pytest.raises(DataError, match=complaint):
        wire_and_train(CIRCUIT, parse_rule("kp"), digits, CONFIG, out=tmp_path, resume=True)
    assert (tmp_path / "metrics.jsonl").read_bytes() == before


def test_metrics_without_a_checkpoint_are_not_overwritten(digits, tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"epoch": 1}\n')
    with pytest.raises(ConfigError, match=r"holds metrics, but no checkpoint\.safetensors"):
        wire_and_train(CIRCUIT, parse_rule("kp"), digits, CONFIG, out=tmp_path, resume=True)


def test_a_checkpoint_that_cannot_be_written_is_no_traceback(digits, tmp_path, monkeypatch, capsys):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("oneway.training.checkpoint._write", full)
    code = main([*COMMAND, "--epochs", "1", "--out", str(tmp_path)])
    assert code == 2 and "cannot be written ([Errno 28] No space left" in capsys.readouterr().err


# -- the command -------------------------------------------------------------------------------

COMMAND = ["train", "--circuit", "mlp:64-8-10", "--rule", "kp", "--limit", "130,60"]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--resume"], "--resume needs the folder of the run: name it, as in oneway train --re"),
        (["--resume", "--out", "nowhere"], "folder 'nowhere' holds no run to resume"),
        (
            ["--resume", "--out", "nowhere", "--seeds", "2"],
            "'nowhere/seed0' holds no run to resume",
        ),
        (["--out", "done"], "or go on with --resume; nothing was changed"),
        (
            ["--out", "done", "--resume", "--lr", "2"],
            "config.lr = 0.01 there, 2.0 now. Resume with the settings of that run, with 'oneway "
            "train --resume done --set lr=...'",
        ),
    ],
)
def test_bad_resume_is_one_line_and_exit_code_2(tmp_path, monkeypatch, capsys, options, complaint):
    monkeypatch.chdir(tmp_path)
    assert main([*COMMAND, "--epochs", "1", "--out", "done"]) == 0
    capsys.readouterr()
    assert main([*COMMAND, "--epochs", "1", *options]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1) and complaint in err


def test_several_seeds_are_resumed_each_from_where_it_was(tmp_path, capsys, monkeypatch):
    command = [*COMMAND, "--epochs", "2", "--seeds", "3", "--floor", "--json"]
    assert main([*command, "--out", str(tmp_path / "whole")]) == 0
    whole = json.loads(capsys.readouterr().out)["runs"]
    assert main([*command, "--out", str(tmp_path / "cut")]) == 0
    for path in (tmp_path / "cut/seed2").iterdir():
        path.unlink()  # never begun
    (tmp_path / "cut/seed1" / CHECKPOINT).unlink()  # begun, no epoch finished
    (tmp_path / "cut/seed1/metrics.jsonl").write_text("")
    capsys.readouterr()
    seeds = []

    def counted(circuit, data, config, **options):
        seeds.append(config.seed)
        return floor_accuracy(circuit, data, config, **options)

    monkeypatch.setattr("oneway.training.recipes.running.floor_accuracy", counted)
    assert main([*command, "--out", str(tmp_path / "cut"), "--resume"]) == 0
    assert seeds == [1, 2]  # a checkpoint holds the floor
    resumed = json.loads(capsys.readouterr().out)["runs"]
    without = [{k: v for k, v in run.items() if k != "seconds"} for run in resumed]
    assert without == [{k: v for k, v in run.items() if k != "seconds"} for run in whole]
