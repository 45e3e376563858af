"""Runs that are killed, at any moment and at every change of a file, end as if they had not been.

Weights, memory of the optimizer, generators, metrics and result are those of an uninterrupted run,
bit by bit, and no other file is left.
"""

import shutil
import signal
import time
from itertools import count

import pytest
from forked import Command, Trouble, run
from run_folders import assert_same, contents

pytestmark = pytest.mark.slow

RUNS = {
    # Noise of its own, a floor, seeds of which some are done and some have not begun.
    "two mirrors": "--circuit mlp:64-8-8-10 --rule wm --epochs 3 --floor --seeds 2 "
    "--spontaneous-warmup-epochs 1 --spontaneous-every 2",
    # Running statistics, random crops, momentum, rates that change.
    "images": "--circuit conv2:1x8x8-10,width=2,hidden=8 --rule kp --epochs 4 --augment crop+flip "
    "--schedule step --milestones 2 --validation 0.2",
    "adam": "--circuit mlp:64-12-10 --rule dkp --epochs 4 --optimizer adam --lr 0.001",
}


def long(amount):
    return [pytest.param(name, amount, marks=pytest.mark.soak) for name in RUNS]


def begun(name):
    return ["train", *RUNS[name].split(), "--limit", "150,60", "--quiet", "--out", "out"]


def again(work, name):
    """What a person, or a queue, does after a kill: docs/training.md."""
    if (work / "out/recipe.toml").exists():
        return ["train", "--resume", "out", "--quiet"]
    return begun(name)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What the folder of a run holds that nobody killed, and how long it took."""
    known = {}

    def of(name):
        if name not in known:
            work = tmp_path_factory.mktemp("whole") / "work"
            work.mkdir()
            command = Command(work, begun(name))
            command.wait_until_it_runs()
            started = time.monotonic()
            assert command.end().code == 0
            known[name] = contents(work / "out"), time.monotonic() - started
        return known[name]

    return of


def finish(work, name, expected):
    ended = run(work, *again(work, name))
    assert (ended.code, ended.err) == (0, "")
    assert_same(work / "out", expected)


@pytest.mark.parametrize(("name", "wanted"), [("images", 2), *long(250)])
def test_a_run_killed_at_any_moment_ends_as_if_it_had_not_been(
    name, wanted, whole, drawn, tmp_path
):
    """And one that is killed while it goes on, up to four times in a row."""
    expected, seconds = whole(name)
    kills, started = 0, time.monotonic()
    for i in count():
        if kills >= wanted:
            break
        work = tmp_path / f"work{i}"
        work.mkdir()
        for _ in range(drawn.randint(1, 4)):
            command = Command(work, again(work, name))
            command.wait_until_it_runs()
            time.sleep(drawn.uniform(0, seconds))
            command.send(signal.SIGKILL)
            killed = command.end().code == -signal.SIGKILL
            kills, seconds = (
                kills + killed,
                seconds * (1.05 if killed else 0.9),
            )  # nearer its length
        finish(work, name, expected)
        shutil.rmtree(work)
        seconds_so_far = time.monotonic() - started
        print(f"{name}: {kills} kills at random, {i + 1} runs, {seconds_so_far:.0f} s", flush=True)


@pytest.mark.parametrize(("name", "every"), [("two mirrors", 80), *long(1)])
def test_a_run_killed_as_it_changes_a_file_ends_as_if_it_had_not_been(
    name, every, whole, drawn, tmp_path
):
    """Before each new name, in the middle of each write, before each one reaches the disk."""
    expected, _ = whole(name)
    (tmp_path / "all").mkdir()
    counted = Trouble(10**9, count=tmp_path / "count")
    assert run(tmp_path / "all", *begun(name), before=counted).code == 0
    calls = (tmp_path / "count").stat().st_size
    assert calls > 50
    killed = 0
    moments = range(1 + drawn.randrange(every), calls + 1, every)
    for at in moments:
        work = tmp_path / f"work{at}"
        work.mkdir()
        ended = run(work, *begun(name), before=Trouble(at))
        # Where writing takes long, checkpoints are further apart, and calls fewer.
        assert ended.code in (-signal.SIGKILL, 0), ended
        killed += ended.code != 0
        # And as it goes on, which changes other files.
        run(work, *again(work, name), before=Trouble(drawn.randint(1, calls // 4)))
        finish(work, name, expected)
        shutil.rmtree(work)
        print(f"{name}: killed in its call {at} of {calls}, and once more", flush=True)
    assert killed > 0.8 * len(moments)
