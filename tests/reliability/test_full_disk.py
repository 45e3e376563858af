"""No space left, at any moment: one line, exit code 2, and nothing lost that was saved."""

import os
import shutil
import subprocess

import pytest
from forked import Trouble, run
from run_folders import assert_same, contents

from oneway.training.checkpoint import CHECKPOINT, read_checkpoint

pytestmark = pytest.mark.slow

RUN = "train --circuit mlp:64-8-10 --rule kp --epochs 3 --limit 130,60 --quiet --out out".split()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What a run holds that had room, how many calls changed files, and bytes."""
    work, count = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("count") / "calls"
    assert run(work, *RUN, before=Trouble(10**9, count=count)).code == 0
    blocks = sum(path.stat().st_blocks for path in (work / "out").iterdir())
    return contents(work / "out"), count.stat().st_size, 512 * blocks


@pytest.fixture
def disk(tmp_path):
    """A file system of one megabyte, where root allows."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place]
    if os.geteuid() or subprocess.run(mounted, capture_output=True).returncode:
        pytest.skip("only root may mount a file system")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def again(work):
    if (work / "out/recipe.toml").exists():
        return ["train", "--resume", "out", "--quiet"]
    return RUN


def assert_complains(ended, about="No space left on device"):
    assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1), ended
    assert ended.err.startswith("oneway: error: ") and about in ended.err
    assert "out" in ended.err.removeprefix("oneway: error: "), "nothing says which file"


def finish(work, expected):
    ended = run(work, *again(work))
    assert (ended.code, ended.err) == (0, "")
    assert_same(work / "out", expected)


@pytest.mark.parametrize("every", [16, pytest.param(1, marks=pytest.mark.soak)])
def test_from_any_write_on(every, whole, drawn, tmp_path):
    """It fills up while the run begins or learns, and, full still, while it goes on."""
    expected, calls, _ = whole
    for at in range(1 + drawn.randrange(every), calls + 1, every):
        work = tmp_path / f"work{at}"
        work.mkdir()
        assert_complains(run(work, *RUN, before=Trouble(at, "full")))
        assert not list(work.rglob("*.unfinished"))  # which would take the room
        saved = epochs_saved(work)
        later = run(work, *again(work), before=Trouble(drawn.randint(1, calls), "full"))
        if later.code:  # it needs fewer calls than the whole
            assert_complains(later)
        assert epochs_saved(work) >= saved
        finish(work, expected)
    print(f"full from every {every}th of {calls} calls on")


def epochs_saved(work):
    """How many epochs the checkpoint has, which is to be readable; -1 without one."""
    path = work / "out" / CHECKPOINT
    return len(read_checkpoint(path)["history"]) if path.exists() else -1


@pytest.mark.parametrize("tries", [3, pytest.param(200, marks=pytest.mark.soak)])
def test_on_a_small_disk(tries, whole, drawn, disk):
    expected, _, size = whole
    full = 0
    for i in range(tries):
        work, filler = disk / f"work{i}", disk / "filler"
        work.mkdir()
        free = os.statvfs(disk)
        left = drawn.randrange(int(1.2 * size))
        filler.write_bytes(bytes(free.f_bavail * free.f_frsize - left))
        ended = run(work, *RUN)
        if ended.code:
            assert_complains(ended)
            full += 1
        filler.unlink()
        finish(work, expected)
        shutil.rmtree(work)
    print(f"{tries} runs on a disk with little room, {full} of them met its end")
    assert full


def test_a_disk_that_may_not_be_written(whole, disk):
    """Neither begins a run there nor goes on with one, and a finished one can be compared."""
    expected, *_ = whole
    assert run(disk, *RUN).code == 0
    remount(disk, "ro")
    assert_complains(run(disk, *RUN), "holds a run already")
    assert_complains(run(disk, *RUN[:-1], "out/new"), "Read-only file system")
    assert_complains(run(disk, "train", "--resume", "out"), "cannot be written")
    assert run(disk, "compare", "out").code == 0
    remount(disk, "rw")
    assert_same(disk / "out", expected)


def remount(disk, how):
    subprocess.run(["mount", "-o", f"remount,{how}", disk], check=True)
