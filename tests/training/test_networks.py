"""Own modules into runs, and finished runs out again."""

import json
import shutil

import pytest
import torch
from foreign_networks import BasicBlock
from safetensors.torch import load_file
from torch import nn

from oneway.backends.rate import from_torch
from oneway.circuits import mlp
from oneway.rules import parse_rule
from oneway.training import (
    ConfigError,
    DataError,
    TrainConfig,
    TrainingError,
    floor_accuracy,
    load_data,
    load_run,
    train,
)
from oneway.training.networks import import_module

CONFIG = TrainConfig(epochs=3, lr=0.05, batch_size=32)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.block, self.dropout = BasicBlock(1, 3, 2), nn.Dropout(0.3)
        self.fc = nn.Linear(3 * 4 * 4, 10)

    def forward(self, x):
        return self.fc(self.dropout(self.block(x)).flatten(1))


@pytest.fixture(scope="module")
def digits():
    return load_data("digits", limit=(160, 60))


def start(rule, seed=0, data=None):
    torch.manual_seed(seed)
    return from_torch(Net(), torch.randn(2, 1, 8, 8), rule)


@pytest.fixture(scope="module")
def finished(digits, tmp_path_factory):
    """A network to start from, and the folder of its run under Kolen-Pollack."""
    folder = tmp_path_factory.mktemp("run")
    rule = parse_rule("kp")
    net = start(rule)
    result = train(net.circuit, digits, CONFIG, rule=rule, start=net, out=folder)
    return net, folder, result


def test_a_run_starts_from_the_modules_own_weights(digits):
    """With a rate of zero, training leaves them as they are."""
    rule = parse_rule("fa")
    net = start(rule)
    frozen = TrainConfig(epochs=1, lr=0.0, weight_decay=0.0, seed=5)
    run = train(net.circuit, digits, frozen, rule=rule, start=net)
    others = train(net.circuit, digits, frozen, rule=rule)
    assert run.history[0]["train_loss"] != others.history[0]["train_loss"]
    net.train()
    assert floor_accuracy(net.circuit, digits, CONFIG, start=net) >= 0


def test_a_finished_run_is_a_network(digits, finished):
    net, folder, result = finished
    loaded = load_run(folder)
    assert not loaded.training and loaded.circuit == net.circuit and loaded.names == net.names
    state = load_file(folder / "checkpoint.safetensors")
    assert all(torch.equal(state[f"network/{k}"], v) for k, v in loaded.state_dict().items())
    right = sum(
        int((loaded(digits.normalise(x)).argmax(1) == y).sum())
        for x, y in digits.test_batches(1000)
    )
    assert right / digits.n_test == pytest.approx(result.test_accuracy)
    assert loaded.step(torch.randn(2, 1, 8, 8), torch.tensor([0, 1])).loss.isfinite()


def test_dropout_is_resumed_bit_by_bit(digits, finished, tmp_path, monkeypatch):
    from oneway.training.training_run import TrainingRun

    net, whole, _ = finished
    learn = TrainingRun.learn

    def stopping(run, epoch, progress):
        if epoch == 2:
            raise TrainingError("cut short")
        return learn(run, epoch, progress)

    rule = parse_rule("kp")
    how = (net.circuit, digits, CONFIG)
    with monkeypatch.context() as patched:
        patched.setattr(TrainingRun, "learn", stopping)
        with pytest.raises(TrainingError):
            train(*how, rule=rule, start=net, out=tmp_path / "cut")
    with pytest.raises(
        ConfigError, match=r"is not finished, 1 epochs are done: go on with train\(.*resume=True"
    ):
        load_run(tmp_path / "cut")
    train(*how, rule=rule, start=net, out=tmp_path / "cut", resume=True)
    one, other = load_run(whole).state_dict(), load_run(tmp_path / "cut").state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


DAMAGE = {
    "no circuit": (lambda f: (f / "circuit.json").unlink(), "has no circuit.json: it is of"),
    "another version": (
        lambda f: (f / "circuit.json").write_text('{"format": "oneway-circuit", "version": 99}'),
        "cannot be read by this version .*format version 99, this program reads",
    ),
    "another circuit": (
        lambda f: shutil.copy(f.parent / "other/circuit.json", f / "circuit.json"),
        "circuit.json in .* is not the circuit that config.json there speaks of",
    ),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_run_is_refused_in_one_line(digits, finished, tmp_path, case):
    damage, complaint = DAMAGE[case]
    folder = shutil.copytree(finished[1], tmp_path / "run")
    if case == "another circuit":
        rule = parse_rule("fa")
        quick = TrainConfig(epochs=1)
        train(rule.wire(mlp((64, 10))), digits, quick, rule=rule, out=tmp_path / "other")
    damage(folder)
    with pytest.raises(DataError, match=complaint) as raised:
        load_run(folder)
    assert "\n" not in str(raised.value)


def test_a_folder_without_a_run(tmp_path):
    with pytest.raises(ConfigError, match="holds no run: name one that 'oneway train --out' wrote"):
        load_run(tmp_path / "nowhere")


# -- the command line --------------------------------------------------------------------------

NETS = """
from torch import nn
from helper import WIDTH

def make():
    return nn.Sequential(nn.Linear(64, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 10))

def images():
    return nn.Sequential(nn.Conv2d(1, 2, (1, 3)), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(),
                         nn.Linear(96, 10))

def number():
    return 3

def failing():
    raise KeyError("no weights")
"""


@pytest.fixture
def nets(tmp_path, monkeypatch):
    (tmp_path / "nets.py").write_text(NETS)
    (tmp_path / "helper.py").write_text("WIDTH = 12")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_module_is_trained_resumed_and_exported(oneway, nets):
    train = ("train", "--module", "nets.py:images", "--rule", "kp", "--limit", "128,32")
    train = (*train, "--epochs", "1", "--out", "run", "--json")
    code, out, err = oneway(*train)
    assert code == 0, err
    assert json.loads(out)["runs"][0]["circuit"] == "nets.py:images"
    again = oneway(*train, "--resume")
    assert (
        again[0] == 0 and json.loads(again[1])["test_accuracy"] == json.loads(out)["test_accuracy"]
    )
    code, out, err = oneway("export", "run", "--to", "net.pt", "--json")
    assert code == 0 and json.loads(out)["input"] == [1, 8, 8], err
    state = torch.load(nets / "net.pt")
    assert set(state) >= {"0.weight", "1.running_mean", "4.bias"}
    assert oneway("export", "run", "--to", "net.safetensors")[0] == 0
    assert torch.equal(load_file(nets / "net.safetensors")["4.bias"], state["4.bias"])
    code, out, err = oneway("export", "run", "--to", "lean", "--json")
    assert code == 0, err
    sizes = [(nets / run / "checkpoint.safetensors").stat().st_size for run in ("run", "lean")]
    assert sizes[1] < 0.7 * sizes[0]
    weights = [load_run(run).state_dict() for run in ("run", "lean")]
    assert all(torch.equal(weights[1][name], tensor) for name, tensor in weights[0].items())
    assert (nets / "lean/metrics.jsonl").read_text() == (nets / "run/metrics.jsonl").read_text()
    code, out, err = oneway(*[arg.replace("run", "lean") for arg in train], "--resume")
    assert code == 2 and "does not fit this version" in err and err.count("\n") <= 3


def test_factories_draw_by_the_seed_and_may_be_of_a_package(nets):
    one, same, other = (import_module("nets:make", (1, 8, 8), None, seed) for seed in (1, 1, 2))
    name = "x -> cells_0"
    assert one.circuit.inputs[0].shape == (64,)  # images are flattened where they must be
    assert torch.equal(one.weights[name], same.weights[name])
    assert not torch.equal(one.weights[name], other.weights[name])


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--module", "nets"], "expected package.module:factory or file.py:factory"),
        (["--module", "no.py:make"], "module file 'no.py' does not exist"),
        (["--module", "no:make"], "does not load: ModuleNotFoundError: No module named 'no'"),
        (["--module", "nets.py:no"], "no factory 'no' in nets.py, which has make, images, number"),
        (["--module", "nets.py:number"], "makes a int, expected a torch.nn.Module"),
        (["--module", "nets.py:failing"], "fails when it is made: KeyError: 'no weights'"),
        (["--module", "nets.py:make", "--circuit", "mlp:64-10"], "are two networks"),
        (["--module", "nets.py:make", "--rule", ""], "no rule ''"),
    ],
)
def test_a_module_that_cannot_be_used_is_one_line_and_exit_code_2(oneway, nets, options, complaint):
    code, out, err = oneway("train", "--rule", "fa", *options)
    assert (code, out) == (2, "") and complaint in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("nowhere", "--to", "net.pt"), "folder 'nowhere' holds no run"),
        (("run", "--to", "net.h5"), "suffix '.h5', expected one of .onnx, .pt, .safetensors"),
        (("run", "--to", "helper.pt"), "is there already"),
        (("nowhere", "--to", "lean"), "folder 'nowhere' holds no run"),
        (("run", "--to", "no/net.pt"), "folder 'no' does not exist"),
    ],
)
def test_an_export_that_cannot_be_written(oneway, nets, arguments, complaint):
    (nets / "helper.pt").touch()
    code, out, err = oneway("export", *arguments)
    assert (code, out) == (2, "") and complaint in err and err.count("\n") == 1
