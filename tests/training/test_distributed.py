"""Two processes do what one does, go on where they stopped, and speak with one voice."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file
from training_runs import wire_and_train
from two_processes import EQUAL, MIRROR, RESUMED, SEEDS, arguments, two_processes

from oneway.backends.rate import RateNetwork
from oneway.backends.rate.norms import full_derivative, normalise, own
from oneway.backends.rate.pooled_norms import PooledNorms
from oneway.circuits import BatchNorm
from oneway.training import ConfigError, TrainConfig, joined
from oneway.training.checkpoint import CHECKPOINT
from oneway.training.cli.main import main
from oneway.training.data.batches import batch_rows, batch_sizes
from oneway.training.data.dataset import Part
from oneway.training.distributed import Processes, Team, _buffers
from oneway.training.identity import STREAMS, generators
from oneway.training.restoring import _load_generators

TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The folder in which two processes have run every case."""
    out = tmp_path_factory.mktemp("two")
    command = [*TORCHRUN, two_processes, str(out)]
    ended = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return out


def metrics(folder):
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in record.items() if k != "seconds"} for record in records]


def tensors(folder):
    return load_file(folder / CHECKPOINT)


def learned(folder):
    """Weights, running statistics and what the optimizers remember."""
    return {k: v for k, v in tensors(folder).items() if k.startswith(("network", "optimizers"))}


def assert_same_run(folder, other, atol):
    one, two = learned(folder), learned(other)
    assert one.keys() == two.keys() and len(one) > 3
    for name in one:
        torch.testing.assert_close(two[name], one[name], rtol=0, atol=atol)
    for a, b in zip(metrics(folder), metrics(other), strict=True):
        assert a["test_accuracy"] == b["test_accuracy"]
        assert a.get("validation_accuracy") == b.get("validation_accuracy")
        assert a["train_accuracy"] == b["train_accuracy"]
        assert a["train_loss"] == pytest.approx(b["train_loss"], rel=1e-6)
        assert a["angles_deg"] == pytest.approx(b["angles_deg"], abs=1e-4)
        assert a["error_angles_deg"] == pytest.approx(b["error_angles_deg"], abs=1e-2)
        for drive, gap in a.get("gap", {}).items():
            assert gap == pytest.approx(b["gap"][drive])


# -- two as one --------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("case", EQUAL)
def test_two_processes_do_what_one_does(done, tmp_path, case):
    """Uneven batches, augmentation, validation, signs of gradients, batch norm over all of them."""
    wire_and_train(*arguments(EQUAL[case]), out=tmp_path)
    assert_same_run(tmp_path, done / case, atol=1e-6 if case == "float32" else 1e-10)


@pytest.mark.slow
def test_each_process_draws_its_own_noise_and_they_learn_from_the_mean(done, tmp_path, monkeypatch):
    run = arguments(MIRROR)
    both = [generators(run[-1], rank)[-1] for rank in (0, 1)]

    def noise(self, name, phase, batch, generator, draw=RateNetwork._noise):
        return torch.cat([draw(self, name, phase, batch // 2, each) for each in both])

    monkeypatch.setattr(RateNetwork, "_noise", noise)
    wire_and_train(*run, out=tmp_path)
    assert_same_run(tmp_path, done / "mirror", atol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("case", RESUMED)
def test_resumed_is_as_uninterrupted_to_the_bit(done, case):
    whole, cut = done / case / "whole", done / case / "cut"
    assert metrics(whole) == metrics(cut)
    one, two = tensors(whole), tensors(cut)
    assert one.keys() == two.keys() and "noise_of_others/0" in one
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["kp", "noise/whole"])
def test_a_run_of_two_goes_on_in_one_to_rounding_and_says_so(done, tmp_path, case):
    *run, config = arguments(EQUAL["kp"] if case == "kp" else RESUMED["noise"])
    longer = replace(config, epochs=4)
    shutil.copytree(done / case, tmp_path / "run")
    said: list[str] = []
    result = wire_and_train(*run, longer, out=tmp_path / "run", resume=True, notify=said.append)
    (word,) = [line for line in said if "process" in line]
    assert word.startswith("in 1 process from here on, 2 before: the same samples in the same")
    assert word.endswith("no longer bit by bit what it would have been")
    (change,) = result.changes
    assert change == {"after_epoch": 3, "setting": "processes", "before": 2, "now": 1}
    assert len(metrics(tmp_path / "run")) == 4
    if case == "kp":
        wire_and_train(*run, longer, out=tmp_path / "one")
        assert_same_run(tmp_path / "one", tmp_path / "run", atol=1e-10)


def test_a_process_that_was_not_there_before_draws_noise_of_its_own():
    """Not that of the first one once more, of which a checkpoint of one process has the state."""
    config = TrainConfig()
    alone, new = (dict(zip(STREAMS, generators(config, rank), strict=True)) for rank in (0, 1))
    torch.rand(5, generator=alone["order"])
    states = {name: generator.get_state() for name, generator in alone.items()}
    run = SimpleNamespace(
        generators=new,
        identity={"config": {"device": "cpu"}},
        processes=SimpleNamespace(part=Part(1, 2)),
    )
    _load_generators(run, {"run": run.identity, "generators": states})
    order, _, noise = (torch.rand(3, generator=new[name]) for name in STREAMS)
    assert torch.equal(order, torch.rand(3, generator=alone["order"]))
    assert torch.equal(noise, torch.rand(3, generator=generators(config, 1)[-1]))


@pytest.mark.slow
def test_the_first_process_speaks_for_all(done, tmp_path, capsys):
    first, second = json.loads((done / "seen.json").read_text())
    for command in ("seeds", "resumed seeds"):
        assert second[command] == [0, "", ""]
        code, said, _ = first[command]
        result = json.loads(said)
        assert code == 0 and [run["seed"] for run in result["runs"]] == [0, 1]
    assert main([*SEEDS.split(), "--out", str(tmp_path)]) == 0
    alone = json.loads(capsys.readouterr().out)
    for one, two in zip(alone["runs"], result["runs"], strict=True):
        assert one["test_accuracy"] == two["test_accuracy"]
        assert one["floor_accuracy"] == two["floor_accuracy"] is not None
    assert "goes on after epoch 1 of 1" in first["resumed seeds"][2]


# -- what goes wrong ---------------------------------------------------------------------------


def started(*options):
    return subprocess.Popen(
        [*TORCHRUN, "-m", "oneway.training", "train", *options],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def our_words(process):
    """What we say, and the exit codes in the launcher's list; the only traceback is its own."""
    said, complaints = process.communicate(timeout=120)
    assert said == "" and complaints.count("Traceback") == 1
    codes = re.findall(r"exitcode +: (-?\d+)", complaints)
    return re.findall("^oneway: (.*)$", complaints, flags=re.MULTILINE), codes


@pytest.mark.slow
def test_a_mistake_is_said_once(done):
    """By the process that comes to it first, whichever that is."""
    ends = [each["mistake"] for each in json.loads((done / "seen.json").read_text())]
    assert [(code, said) for code, said, _ in ends] == [(2, ""), (2, "")]
    (word,) = [word for *_, word in ends if word]
    assert word.startswith("oneway: error: batch_size = 63 cannot be shared by 2 processes")
    assert word.endswith("Take a multiple of 2\n")
    assert not (done / "mistake" / "metrics.jsonl").exists()


FAILING_RULE = '''
import os
from dataclasses import dataclass

from oneway.backends.rate import RateNetwork
from oneway.rules import KolenPollack
from oneway.training import DataError


@dataclass(frozen=True)
class Failing(KolenPollack, name="failing"):
    """Kolen-Pollack on a machine that breaks."""

    def wire(self, forward):
        if os.environ["RANK"] == "1":
            RateNetwork.step = broken
        return super().wire(forward)


def broken(self, x, y, **options):
    raise DataError("this machine broke")
'''


@pytest.mark.slow
def test_an_error_in_one_process_ends_all(tmp_path):
    rule = tmp_path / "failing.py"
    rule.write_text(FAILING_RULE)
    run = started("--circuit", "mlp:64-10", "--rule", str(rule), "--out", str(tmp_path / "run"))
    words, codes = our_words(run)
    assert words == ["error: this machine broke"] and "2" in codes


@pytest.mark.slow
def test_an_interruption_is_said_once(tmp_path):
    run = "--circuit mlp:64-8-10 --rule kp --limit 80,20 --epochs 100000 --out".split()
    process = started(*run, str(tmp_path / "run"))
    lines, patience = tmp_path / "run" / "metrics.jsonl", time.monotonic() + 60
    while not (lines.exists() and lines.stat().st_size) and time.monotonic() < patience:
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    words, _ = our_words(process)
    run = tmp_path / "run"
    assert words == [
        f"interrupted. Metrics so far are in {run}; go on with 'oneway train --resume {run}'"
    ]


class TestSettingsThatCannotBeShared:
    two, loss = Team(Part(0, 2)), torch.nn.CrossEntropyLoss()

    def test_batches(self):
        self.two.check(TrainConfig(batch_size=62), self.loss, 100)
        with pytest.raises(ConfigError, match=r"batch_size = 61 .* 2 processes.* a multiple of 2"):
            self.two.check(TrainConfig(batch_size=61), self.loss, 100)

    def test_samples(self):
        with pytest.raises(ConfigError, match="3 training samples are too few for 2 processes"):
            self.two.check(TrainConfig(), self.loss, 3)

    def test_a_loss_that_is_a_sum(self):
        with pytest.raises(ConfigError, match=r"reduction 'sum' in 2 processes.* a mean over"):
            self.two.check(TrainConfig(), torch.nn.CrossEntropyLoss(reduction="sum"), 100)

    def test_devices(self):
        config = TrainConfig()
        object.__setattr__(config, "device", "mps")  # on a machine that has one
        with pytest.raises(ConfigError, match="device = 'mps' in 2 processes, expected cpu or"):
            self.two.check(config, self.loss, 100)


def test_without_a_launcher_one_process_is_alone(monkeypatch):
    for variable, value in {"WORLD_SIZE": "1", "RANK": "0"}.items():
        monkeypatch.setenv(variable, value)
    with joined() as processes:
        assert type(processes) is Processes and processes.leads and processes.stack is None


@pytest.mark.parametrize(
    ("environment", "complaint"),
    [
        ({"RANK": "0", "WORLD_SIZE": "many"}, "WORLD_SIZE = 'many', expected a number"),
        ({"RANK": "1", "WORLD_SIZE": "2"}, "process 1 of 2 cannot join the others .*MASTER_ADDR"),
    ],
)
def test_an_environment_that_names_no_others(monkeypatch, environment, complaint):
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match=complaint), joined():
        pass


# -- parts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", range(2, 40))
def test_every_process_has_two_samples_of_each_batch(n):
    parts = [Part(rank, 3) for rank in range(3)]
    least = parts[0].least
    for rows, size in zip(
        batch_rows(n, 9, least=least), batch_sizes(n, 9, least=least), strict=True
    ):
        samples = torch.arange(n)[rows]
        assert len(samples) == size
        shares = [part.of(samples) for part in parts]
        assert torch.equal(torch.cat(shares).sort().values, samples)
        assert n < least or min(map(len, shares)) >= 2


def test_changes_travel_in_few_buffers_of_one_type(monkeypatch):
    monkeypatch.setattr("oneway.training.distributed.BUFFER", 10)
    sizes = [4, 4, 4, 20, 1]
    tensors = [torch.zeros(n) for n in sizes] + [torch.zeros(3, dtype=torch.float64)]
    buffers = [[len(tensor) for tensor in together] for together in _buffers(tensors)]
    assert buffers == [[4, 4, 4], [20], [1], [3]]


# -- batch norm over parts of a batch ----------------------------------------------------------


class Rehearsed:
    """Stacks as if other parts were there: told of each part first, it answers with all."""

    def __init__(self):
        self.told, self.rehearsing = [], True

    def __call__(self, tensor):
        if self.rehearsing:
            self.told.append(tensor)
        return torch.stack(self.told) if not self.rehearsing else tensor[None]


def in_parts(parts, kernel):
    """What a kernel gives for each part when the others are there too."""
    stack = Rehearsed()
    for part in parts:
        kernel(PooledNorms(stack), *part)
    stack.rehearsing = False
    return [kernel(PooledNorms(stack), *part) for part in parts]


@pytest.mark.parametrize("shape", [(11, 3), (11, 3, 4, 4)])
@pytest.mark.parametrize("affine", [True, False])
def test_parts_of_a_batch_are_normalised_as_the_whole(shape, affine):
    torch.manual_seed(0)
    norm = BatchNorm(affine=affine)
    z, error = 5 + torch.randn(shape, dtype=torch.float64), torch.randn(shape, dtype=torch.float64)
    gain = torch.rand(3, dtype=torch.float64) if affine else None
    shift = torch.rand(3, dtype=torch.float64) if affine else None
    running = [torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)]
    before = [tensor.clone() for tensor in running]
    y, mean, scale = normalise(norm, z, gain, shift, *running, True)
    cut = [slice(0, 7), slice(7, 11)]

    def forward(norms, rows):
        statistics = [tensor.clone() for tensor in before]
        return *norms.normalise(norm, z[rows], gain, shift, *statistics, True), *statistics

    outcomes = in_parts([(rows,) for rows in cut], forward)
    torch.testing.assert_close(torch.cat([outcome[0] for outcome in outcomes]), y)
    for _, *rest in outcomes:
        torch.testing.assert_close(rest, [mean, scale, *running])

    # An error carries one over the size of its own part.
    sent = [error[rows] * 11 / len(error[rows]) for rows in cut]

    def backward(norms, rows, error):
        return norms.full_derivative(norm, error, z[rows], gain, mean, scale, *running, True)

    parts = in_parts(list(zip(cut, sent, strict=True)), backward)
    whole, gain_change, shift_change = full_derivative(
        norm, error, z, gain, mean, scale, *running, True
    )
    shares = [len(error[rows]) / 11 for rows in cut]
    received = torch.cat([part[0] * share for part, share in zip(parts, shares, strict=True)])
    torch.testing.assert_close(received, whole)
    if affine:
        for i, change in ((1, gain_change), (2, shift_change)):
            total = sum(part[i] * share for part, share in zip(parts, shares, strict=True))
            torch.testing.assert_close(total, change)

    def balance(norms, error):
        return norms.own(error, gain, scale)

    parts = in_parts([(part,) for part in sent], balance)
    received = torch.cat([part * share for part, share in zip(parts, shares, strict=True)])
    torch.testing.assert_close(received, own(error, gain, scale))
