"""Two at one folder: of a run one writes it and the other says who does; a table they share."""

import json
import re
import time

import pytest
from forked import Command, run
from run_folders import assert_same, contents

pytestmark = pytest.mark.slow

RUN = "train --circuit mlp:64-8-10 --rule kp --epochs 6 --limit 130,60 --quiet --out out".split()
HOLDS = "holds a run already"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    work = tmp_path_factory.mktemp("whole")
    assert run(work, *RUN).code == 0
    return contents(work / "out")


@pytest.mark.parametrize("tries", [3, pytest.param(200, marks=pytest.mark.soak)])
def test_one_writes_and_the_other_names_it(tries, whole, drawn, tmp_path):
    """Both go on with a run of which nothing, one, or two of six epochs are done, or begin it."""
    refused = 0
    for i in range(tries):
        work = tmp_path / f"work{i}"
        work.mkdir()
        done = drawn.choice([0, 1, 2])
        lines = [RUN, RUN]
        if done:
            assert run(work, *RUN, "--epochs", done).code == 0
            lines = [["train", "--resume", "out", "--epochs", "6", "--quiet"]] * 2
        commands = [Command(work, line) for line in lines]
        for command in commands:
            command.wait_until_it_runs()
            time.sleep(drawn.choice([0, 0.03]))
        ended = [command.end() for command in commands]
        assert 0 in [one.code for one in ended], ended
        for one, other in (ended, ended[::-1]):
            if one.code:
                refused += assert_refused(one, other)
        assert_same(work / "out", whole)
    print(f"{tries} times two writers: {refused} were refused and named the other, 0 lines lost")


TABLE = """
[common]
data = "digits"
limit = [130, 60]
epochs = 3
[columns]
bp = { rule = "bp", always = true }
kp = { rule = "kp", always = true }
[rows.a]
circuit = "mlp:64-8-10"
[rows.b]
circuit = "mlp:64-12-10"
"""


@pytest.mark.parametrize("tries", [2, pytest.param(50, marks=pytest.mark.soak)])
def test_calls_share_a_table(tries, drawn, tmp_path):
    """Each run is done by one of them, as one call would, and the table has what both did."""
    (tmp_path / "mine.toml").write_text(TABLE)
    assert run(tmp_path, *"reproduce mine.toml --seeds 2 --out whole".split()).code == 0
    expected = contents(tmp_path / "whole/runs")
    shared = 0
    for i in range(tries):
        out = tmp_path / f"out{i}"
        planned = ["reproduce", "mine.toml", "--seeds", "2", "--plan", "--out", out.name]
        assert run(tmp_path, *planned).code == 0
        commands = [Command(tmp_path, ["reproduce", "--resume", "--out", out.name]) for _ in "ab"]
        for command in commands:
            command.wait_until_it_runs()
            time.sleep(drawn.choice([0, 0.03]))
        ended = [command.end() for command in commands]
        assert [one.code for one in ended] == [0, 0], ended
        done = [one.err.count("took") for one in ended]
        assert sum(done) == 8, ended
        shared += min(done) > 0
        assert_same(out / "runs", expected)
        lines = json.loads((out / "table.json").read_text())["cells"]
        assert [(line["status"], line["n"]) for line in lines] == [("done", 2)] * 4
        assert not list(out.glob(".*"))
    print(f"{tries} times two calls at one table: {shared} times both did some of 8 runs")
    assert shared


def assert_refused(one, other):
    """Whether it met the other one; where that had ended, there is a run in the folder."""
    assert (one.code, one.out, one.err.count("\n")) == (2, "", 1)
    named = re.search(r"is being written by process (\d+) on \S+ since ", one.err)
    assert named or HOLDS in one.err, one.err
    assert not named or int(named[1]) == other.pid
    return bool(named)
