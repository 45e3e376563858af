"""``oneway train --resume DIR`` alone, longer runs, other rates; one writer; no left-overs."""

import contextvars
import json
import os
import signal
import stat
import time
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from training_runs import wire_and_train

from oneway.circuits import mlp
from oneway.rules import RULES, parse_rule
from oneway.training import ConfigError, TrainConfig, load_data, load_run
from oneway.training.checkpoint import CHECKPOINT, read_checkpoint, write_checkpoint
from oneway.training.files import new_folder
from oneway.training.locking import LOCK, locked
from oneway.training.recipes.recipe import make_recipe
from oneway.training.recipes.written import recipe_settings, write_recipe
from oneway.training.records import RECIPE

CIRCUIT, KP = mlp((64, 12, 10)), parse_rule("kp")
CONFIG = TrainConfig(epochs=2, lr=0.02)
RUN = "train --circuit mlp:64-8-10 --rule kp --limit 130,60".split()


@pytest.fixture(scope="module")
def digits():
    return load_data("digits", limit=(240, 60))


def metrics(folder):
    """All that is recorded, but for the time it took."""
    read = (json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines())
    return [{k: v for k, v in record.items() if k != "seconds"} for record in read]


def result(folder):
    content = json.loads((folder / "result.json").read_text())
    return {key: value for key, value in content.items() if key != "seconds"}


def assert_same(one, other):
    assert metrics(one) == metrics(other) and result(one) == result(other)
    first, second = (load_file(folder / CHECKPOINT) for folder in (one, other))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


# -- the folder alone --------------------------------------------------------------------------


@pytest.fixture
def no_new_rule():
    """A rule file adds its rule to the list, which other tests look at."""
    yield
    RULES.pop("mine", None)


@pytest.mark.usefixtures("saved_each_epoch")
def test_a_folder_alone_goes_on_with_all_its_seeds_from_anywhere(
    oneway, tmp_path, monkeypatch, no_new_rule
):
    """A rule of the user's own, paths from where it began, seeds of which one never began."""
    (tmp_path / "mine.py").write_text(
        "from oneway.rules import KolenPollack\nclass Mine(KolenPollack, name='mine'):\n    pass\n"
    )
    run = [*RUN[:-4], "--rule", "mine.py", "--limit", "130,60", "--seed", "4", "--seeds", "3"]
    assert oneway(*run, "--floor", "--epochs", "4", "--out", "whole")[0] == 0
    assert oneway(*run, "--floor", "--epochs", "2", "--out", "cut")[0] == 0
    for name in ("metrics.jsonl", CHECKPOINT, "result.json", "config.json", "circuit.json", RECIPE):
        (tmp_path / "cut/seed6" / name).unlink()
    unfinished = tmp_path / "cut" / f".{RECIPE}.99.toml"  # as of a process that was killed
    unfinished.touch()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    code, out, err = oneway(
        "train", "--resume", tmp_path / "cut", "--epochs", "4", "--json", "--allow-code"
    )
    assert not unfinished.exists()
    assert code == 0 and "goes on after epoch 2 of 4" in err
    assert [run["seed"] for run in json.loads(out)["runs"]] == [4, 5, 6]
    for seed in ("seed4", "seed5", "seed6"):
        assert_same(tmp_path / "cut" / seed, tmp_path / "whole" / seed)


def test_a_recipe_is_written_whole(tmp_path):
    """Text that TOML has to escape, lists, and what stands at its default."""
    settings = {
        "circuit": "mlp:64-8-10",
        "rule": "fa",
        "data_dir": '/a "b"\\c\t\x7fü/😀',
        "limit": (10, 20),
        "milestones": (3, 5),
        "schedule": "step",
        "lr": 1e-05,
        "nesterov": True,
    }
    recipe = make_recipe(settings)
    write_recipe(tmp_path, recipe)
    assert make_recipe(recipe_settings(tmp_path)) == recipe
    assert recipe_settings(tmp_path)["batch_size"] == TrainConfig.batch_size


REFUSED = {
    "recipe": (["asap-table1/cifar10-resnet18/asap", "--resume", "done"], "and takes no RECIPE. "),
    "rule": (["--resume", "done", "--rule", "fa"], "takes no --rule. Leave that out (what may ch"),
    "seed": (["--resume", "done", "--set", "seed=3"], "takes no --seed. Leave"),
    "two folders": (["--resume", "done", "--out", "x"], "--out x name two folders. Go on with"),
    "nothing": (["--resume", "nowhere"], "folder 'nowhere' holds no run to resume"),
    "finished": (["--resume", "done", "--lr", "1"], "is finished: no epoch is left for other rate"),
    "shorter": (["--resume", "done", "--epochs", "1"], "has 2 epochs, more than epochs = 1"),
    "python": (["--resume", "bare"], "'bare' has no recipe.toml: an earlier version wrote it, or"),
}


def test_what_a_folder_cannot_go_on_with_is_one_line_and_changes_nothing(oneway, tmp_path, digits):
    assert oneway(*RUN, "--epochs", "2", "--out", "done")[0] == 0
    wire_and_train(CIRCUIT, KP, digits, replace(CONFIG, epochs=1), out=tmp_path / "bare")
    before = {path: path.read_bytes() for path in (tmp_path / "done").iterdir()}
    for options, complaint in REFUSED.values():
        code, out, err = oneway("train", *options)
        assert (code, out, err.count("\n")) == (2, "", 1) and complaint in err
        assert {path: path.read_bytes() for path in (tmp_path / "done").iterdir()} == before
    cosine = [*RUN, "--epochs", "2", "--schedule", "cosine", "--seeds", "2", "--out", "cosine"]
    assert oneway(*cosine)[0] == 0
    code, _, err = oneway("train", "--resume", "cosine", "--epochs", "4")
    assert code == 2 and "2 there, 4 now (a cosine ends with the run, so all rates so far" in err
    assert oneway("train", "--resume", "cosine")[0] == 0  # as if that had never been asked


# -- longer, and at other rates ----------------------------------------------------------------


def test_more_epochs_are_as_if_asked_for_at_once(digits, tmp_path):
    longer = replace(CONFIG, epochs=4)
    wire_and_train(CIRCUIT, KP, digits, longer, out=tmp_path / "whole")
    wire_and_train(CIRCUIT, KP, digits, CONFIG, out=tmp_path / "cut")
    seen = []

    def look(end):
        seen.append((tmp_path / "cut/result.json").exists())

    wire_and_train(CIRCUIT, KP, digits, longer, out=tmp_path / "cut", resume=True, on_epoch=look)
    assert_same(tmp_path / "whole", tmp_path / "cut")
    assert seen == [False, False]  # that of the shorter run is no result any more


def test_other_rates_are_written_down(digits, tmp_path):
    wire_and_train(CIRCUIT, KP, digits, replace(CONFIG, epochs=1), out=tmp_path)
    slower, said = replace(CONFIG, lr=0.005), []
    how = {"out": tmp_path, "resume": True, "new_rates": True, "notify": said.append}
    with pytest.raises(KeyboardInterrupt):
        wire_and_train(CIRCUIT, KP, digits, slower, on_step=_interrupt, **how)
    # Written down at once: without a word of new rates, too, it goes on with the lower one.
    again = wire_and_train(CIRCUIT, KP, digits, slower, out=tmp_path, resume=True)
    change = {"after_epoch": 1, "setting": "lr", "before": 0.02, "now": 0.005}
    assert list(again.changes) == [change] == result(tmp_path)["changes"]
    assert json.loads((tmp_path / "config.json").read_text())["changes"] == [change]
    assert [record["lr"]["forward"] for record in metrics(tmp_path)] == [0.02, 0.005]
    assert "lr = 0.005 from here on, 0.02 before" in said


def test_rates_under_which_nothing_was_learned_are_not_told(digits, tmp_path):
    """A rate that was tried, and taken back, before an epoch was done: one change, or none."""
    wire_and_train(CIRCUIT, KP, digits, replace(CONFIG, epochs=1), out=tmp_path)
    how = {"out": tmp_path, "resume": True, "new_rates": True}
    for lr in (1.0, 0.005, 0.5):
        with pytest.raises(KeyboardInterrupt):
            wire_and_train(CIRCUIT, KP, digits, replace(CONFIG, lr=lr), on_step=_interrupt, **how)
    after = json.loads((tmp_path / "config.json").read_text())["changes"]
    assert after == [{"after_epoch": 1, "setting": "lr", "before": 0.02, "now": 0.5}]
    assert wire_and_train(CIRCUIT, KP, digits, CONFIG, **how).changes == ()


def test_a_run_from_a_gpu_goes_on_on_a_cpu_and_says_so(oneway, tmp_path):
    """Its generators hold what only a GPU's can draw on from: 16 bytes."""
    assert oneway(*RUN, "--epochs", "1", "--out", "run")[0] == 0
    assert oneway(*RUN, "--epochs", "3", "--out", "whole")[0] == 0
    state = read_checkpoint(tmp_path / "run" / CHECKPOINT)
    state["run"]["config"]["device"] = "cuda"
    of_a_gpu = torch.zeros(16, dtype=torch.uint8)
    state["generators"] |= {"augmentation": of_a_gpu, "noise": of_a_gpu}
    write_checkpoint(tmp_path / "run" / CHECKPOINT, state)
    recipe = tmp_path / "run" / RECIPE
    recipe.write_text(recipe.read_text().replace('device = "cpu"', 'device = "cuda:77"'))

    code, _, err = oneway("train", "--resume", "run")
    assert code == 2 and "device = 'cuda:77' cannot be used here" in err and "Try 'cpu'" in err
    code, _, err = oneway("train", "--resume", "run", "--device", "cpu", "--epochs", "3")
    assert code == 0 and "on cpu from here on, cuda before: the same samples in the same" in err
    change = {"after_epoch": 1, "setting": "device", "before": "cuda", "now": "cpu"}
    assert result(tmp_path / "run")["changes"] == [change]
    assert recipe_settings(tmp_path / "run")["device"] == "cpu"
    # The order goes on, and nothing else is drawn under Kolen-Pollack.
    assert metrics(tmp_path / "run") == metrics(tmp_path / "whole")


def _interrupt(end):
    raise KeyboardInterrupt


# -- one writer --------------------------------------------------------------------------------


def elsewhere(call, *arguments, **options):
    """As another process would: what this one holds does not count."""
    return contextvars.Context().run(call, *arguments, **options)


def lock_and_release(folder):
    with locked(folder):
        pass


def test_the_second_writer_is_refused_and_the_first_one_named(oneway, tmp_path, digits):
    assert oneway(*RUN, "--epochs", "1", "--out", "run")[0] == 0
    before = (tmp_path / "run/metrics.jsonl").read_bytes()
    with locked(tmp_path / "run"):
        code, out, err = elsewhere(oneway, "train", "--resume", "run", "--epochs", "2")
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert f"'run' is being written by process {os.getpid()} on " in err
        assert (tmp_path / "run/metrics.jsonl").read_bytes() == before
        with locked(tmp_path / "run"):  # by whom it is held already
            pass
        with pytest.raises(ConfigError, match="is being written"):
            elsewhere(
                wire_and_train, CIRCUIT, KP, digits, CONFIG, out=tmp_path / "run", resume=True
            )
    assert not (tmp_path / "run" / LOCK).exists()
    (tmp_path / "run" / LOCK).write_text("process 1 on a machine that is no more")
    assert oneway("train", "--resume", "run", "--epochs", "2")[0] == 0


def test_a_lock_that_was_just_removed_locks_nobody_in(tmp_path, monkeypatch):
    """Between opening the file and locking it, who had it may have removed it."""
    import fcntl

    taken = fcntl.flock

    def late(descriptor, how):
        monkeypatch.setattr(fcntl, "flock", taken)
        (tmp_path / LOCK).unlink()
        taken(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with locked(tmp_path), pytest.raises(ConfigError, match="is being written"):
        elsewhere(lock_and_release, tmp_path)


def test_a_worker_does_not_keep_the_lock_of_a_killed_parent(tmp_path):
    """Those that decode images are forked, and notice after seconds that they are alone."""
    reading, writing = os.pipe()
    parent = os.fork()
    if parent == 0:
        with locked(tmp_path):
            worker = os.fork()
            if worker == 0:
                time.sleep(60)
                os._exit(0)
            os.write(writing, str(worker).encode())
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(parent, 0)
    worker = int(os.read(reading, 100))
    try:
        assert (tmp_path / LOCK).exists()
        lock_and_release(tmp_path)
    finally:
        os.kill(worker, signal.SIGKILL)


def test_runs_of_one_second_get_folders_of_their_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(time, "strftime", lambda form: "20300101-000000")
    names = [new_folder("digits-kp").name for _ in range(3)]
    assert names == [f"20300101-000000-digits-kp{end}" for end in ("", "-2", "-3")]


# -- files -------------------------------------------------------------------------------------


def test_what_killed_writers_left_is_removed_and_files_have_the_usual_mode(digits, tmp_path):
    before = os.umask(0o027)
    try:
        wire_and_train(CIRCUIT, KP, digits, CONFIG, out=tmp_path)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / CHECKPOINT).stat().st_mode) == 0o640
    there = {path.name for path in tmp_path.iterdir()}
    assert there == {CHECKPOINT, "circuit.json", "config.json", "metrics.jsonl", "result.json"}
    for name in (f".{CHECKPOINT}.unfinished", ".config.json.4711", ".tmpA1b2C3"):
        (tmp_path / name).write_bytes(b"half of i")
    (tmp_path / ".notes").write_text("the user's own")
    wire_and_train(CIRCUIT, KP, digits, CONFIG, out=tmp_path, resume=True)
    assert {path.name for path in tmp_path.iterdir()} == there | {".notes"}


def test_a_folder_in_which_nothing_was_computed_is_free(digits, tmp_path):
    (tmp_path / "metrics.jsonl").touch()
    (tmp_path / "config.json").write_text("{}")
    wire_and_train(CIRCUIT, KP, digits, CONFIG, out=tmp_path)
    assert load_run(tmp_path)


def test_who_goes_on_writes_the_same_recipe(tmp_path, monkeypatch):
    """Also where the folder of the data came from the environment."""
    monkeypatch.setenv("ONEWAY_DATA_DIR", str(tmp_path))
    recipe = make_recipe({"circuit": "mlp:64-8-10", "rule": "kp", "data": "digits"})
    write_recipe(tmp_path, recipe)
    first = (tmp_path / RECIPE).read_text()
    assert f'data_dir = "{tmp_path}"' in first
    write_recipe(tmp_path, make_recipe(recipe_settings(tmp_path)))
    assert (tmp_path / RECIPE).read_text() == first
