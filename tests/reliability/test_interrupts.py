"""Ctrl-C and SIGTERM, at any moment of any command: one line, 130 or 143, and no false result.

backends/spiking/test_interrupts.py has those of a simulation under way.
"""

import json
import signal
import time
from functools import partial
from pathlib import Path

import pytest
from file_server import serving
from forked import LATE, Command, run
from official_files import claim, write_idx_set
from run_folders import contents

from oneway.training import DataError
from oneway.training.cli.main import main
from oneway.training.locking import LOCK

pytestmark = pytest.mark.slow

ENDS = {signal.SIGINT: (130, "oneway: interrupted."), signal.SIGTERM: (143, "oneway: terminated.")}
TABLE = """
source = "a thesis, Table 3"
[common]
data = "digits"
limit = [130, 60]
epochs = 2
lr = 0.02
[columns]
kp = { rule = "kp" }
bp = { rule = "bp" }
[rows.small]
circuit = "mlp:64-8-10"
published = { bp = 97.5, kp = 96 }
"""
TRAIN = "train --circuit mlp:64-8-10 --rule kp --limit 130,60 --epochs 3 --quiet --out"
COMMANDS = {
    "train": f"{TRAIN} out --json",
    "compare": "compare ../run --plot out/compare.png --json",
    "check": "check mlp:64-48-48-10 --rule asap,gate=local --json",
    "export": "export ../run --to out/net.pt",
    "reproduce": "reproduce ../mine.toml --out out --json",
    "data": "data get mnist --data-dir out --url {url}",
    "demo": "demo --quick --out out",
    "spike": "spike mlp:64-6-10 --rule kp --samples 4,2 --epochs 1 --target numpy --measurements 1 "
    "--spikes out/all.npz --out out/spikes --json",
}
# Written anew after each run: what is done, planned and left out.
GROWS = {"plan.json", "table.json", "table.md"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    source = tmp_path_factory.mktemp("source")
    write_idx_set(source, packed=True)
    write_idx_set(source)
    with serving({path.name: path.read_bytes() for path in source.glob("*.gz")}) as state:
        yield state.url, partial(claim, "mnist", source)


@pytest.fixture(scope="module")
def start(tmp_path_factory, server):
    """Start a command in an empty folder beside what it is about; gives the folder too."""
    place = tmp_path_factory.mktemp("commands")
    (place / "mine.toml").write_text(TABLE)
    assert run(place, *TRAIN.split(), "run").code == 0
    url, before = server
    folders = (place / f"work{i}" for i in range(10**6))

    def call(name):
        work = next(folders)
        (work / "out").mkdir(parents=True)
        command = Command(work, COMMANDS[name].format(url=url).split(), before)
        command.wait_until_it_runs()
        return command, work

    return call


@pytest.mark.parametrize(
    ("name", "tries"),
    [
        *[(name, 2) for name in ("train", "compare", "check", "export", "reproduce", "data")],
        *[pytest.param(name, 100, marks=pytest.mark.soak) for name in COMMANDS if name != "demo"],
        pytest.param("demo", 20, marks=pytest.mark.soak),
    ],
)
def test_an_interrupt_leaves_one_line_and_no_false_result(name, tries, start, drawn):
    if name == "spike":
        pytest.importorskip("brian2")
    command, work = start(name)
    began = time.monotonic()
    whole = command.end()
    seconds = time.monotonic() - began
    assert whole.code == 0, whole
    expected = contents(work / "out")
    interrupted = 0
    for _ in range(tries):
        sent = drawn.choice(list(ENDS))
        command, work = start(name)
        time.sleep(drawn.uniform(0, seconds))
        command.send(sent)
        ended = command.end()
        if ended.code in (0, LATE, -sent):  # it was over, or the very last instructions were
            assert_no_false_result(work / "out", expected)
            assert ended.out or not whole.out
            continue
        interrupted += 1
        code, said = ENDS[sent]
        assert ended.code == code, ended
        assert ended.err.splitlines()[-1].startswith(said), ended
        if name == "train" and (work / "out/metrics.jsonl").exists():
            assert ended.err.endswith("go on with 'oneway train --resume out'\n"), ended
        assert ended.err.count("oneway: ") == 1 and "Traceback" not in ended.err, ended
        assert "Exception ignored" not in ended.err, ended
        assert not ended.out or name == "demo" or json.loads(ended.out)  # all of it or nothing
        assert_no_false_result(work / "out", expected)
    print(f"{name}: {interrupted} of {tries} met it within {seconds:.1f} s")


def assert_no_false_result(out: Path, expected):
    """What bears the name of a result is one, to the last byte; the rest says that it is none."""
    found = contents(out)
    for name, content in found.items():
        last = Path(name).name
        if last.endswith((".part", ".version", LOCK)) or last in GROWS:  # the file locks nobody out
            continue
        if name.startswith(".measuring/"):  # removed by who goes on
            continue
        assert name in expected, f"{name} is left"
        if last == "metrics.jsonl":  # of an unfinished run, whose lines come one by one
            assert content == expected[name][: len(content)]
        elif last == "report.html":
            assert content.endswith(b"</html>")
        elif last != "checkpoint.safetensors" and last != "reproduction.json":
            assert content == expected[name], f"{name} is no whole one"


@pytest.mark.parametrize("sent", ENDS)
@pytest.mark.parametrize("becomes", [DataError, OSError, ValueError])
def test_an_interrupt_that_a_library_makes_an_error_of_its_own_of(
    sent, becomes, monkeypatch, capsys
):
    def read(given):
        try:
            signal.raise_signal(sent)
        except KeyboardInterrupt:
            raise becomes("the file is damaged") from None

    monkeypatch.setattr("oneway.training.cli.compare.run", read)
    code, said = ENDS[sent]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert main(["compare", "runs"]) == code
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert capsys.readouterr().err == f"{said}\n"
