"""Files of other versions, in `tests/stored`: what was put into them comes out, runs go on, and
what is of a version to come is refused in one line."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from sklearn.datasets import load_digits

from oneway.circuits import WiringError, load_circuit
from oneway.training import ConfigError, DataError, load_run
from oneway.training.checkpoint import read_checkpoint
from oneway.training.cli.main import main
from oneway.training.compare import read_runs
from oneway.training.reproduction.state import Reproduction
from oneway.training.spiking.bridge import read_weights

STORED = Path(__file__).parents[1] / "stored"

VERSIONS = sorted(path.parent.name for path in STORED.glob("*/net.nir"))
ALL = [*VERSIONS, "earlier"]
# As make.py has them.
FORWARD = {"x -> h1": np.arange(6.0).reshape(2, 3), "h1 -> output": np.array([[-1.0, 0.5]])}
BIASES = {"h1": np.array([0.25, -0.25]), "output": np.array([2.0])}
FEEDBACK = {"delta_output -> delta_h1": np.array([[3.0], [-7.0]])}
RUN = "train --circuit mlp:64-4-10 --rule kp --data digits --limit 64,32 --lr 0.05 --seed 3".split()


def assert_same(found, expected):
    assert found.keys() >= expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)


@pytest.mark.parametrize("version", ALL)
@pytest.mark.parametrize("suffix", [".json", ".graphml"])
def test_circuits(version, suffix):
    """mlp 3-2-1 by Kolen-Pollack: weights learn from the activity before and what is taught."""
    circuit = load_circuit(STORED / version / f"circuit{suffix}")
    cells = {name: (p.shape, p.path, p.bias) for name, p in circuit.populations.items()}
    assert cells == {
        "x": ((3,), "forward", False),
        "h1": ((2,), "forward", True),
        "output": ((1,), "forward", True),
        "target": ((1,), "target", False),
        "delta_output": ((1,), "feedback", False),
        "delta_h1": ((2,), "feedback", False),
    }
    learning = {
        name: (p.plasticity.pre.source, p.plasticity.post.source)
        for name, p in circuit.projections.items()
        if p.plasticity is not None
    }
    assert learning == {
        "x -> h1": (None, "delta_h1"),
        "h1 -> output": (None, "delta_output"),
        "delta_output -> delta_h1": (None, "h1"),
    }
    assert circuit.populations["h1"].activation == "relu"


@pytest.mark.parametrize("version", ALL)
def test_a_finished_run_is_read_and_compared(version):
    """Its weights, laid over the official samples by hand, have the accuracy that it states."""
    folder = STORED / version / "run"
    (run,) = read_runs([folder])
    assert (run.about["seed"], run.about["epochs"], run.label) == (3, 2, "kp")
    assert run.samples == (64, 32) and len(run.history) == 2
    net = load_run(folder)
    w1, w2 = (net.weight(name).double().numpy() for name in ("x -> h1", "h1 -> output"))
    assert w1.shape == (4, 64) and w2.shape == (10, 4)
    if version != "earlier":  # the checkpoint has the very bytes, whatever reads it
        stored = load_file(folder / "checkpoint.safetensors")
        np.testing.assert_array_equal(w1, stored["network/weights.x -> h1"])
    x = torch.tensor(load_digits().data / 16)
    b1, b2 = (net.biases[name].detach().double().numpy() for name in ("h1", "output"))
    h = np.maximum(x.numpy() @ w1.T + b1, 0)
    np.testing.assert_allclose(net(x.float()).detach().numpy(), h @ w2.T + b2, atol=1e-5)


@pytest.mark.parametrize("version", ALL)
def test_a_run_goes_on_as_the_version_that_began_it_would(version, tmp_path, capsys):
    shutil.copytree(STORED / version / "run", tmp_path / "run")
    words = ["train", "--resume", str(tmp_path / "run")]
    if not (tmp_path / "run/recipe.toml").exists():
        words = [*RUN, "--out", str(tmp_path / "run"), "--resume"]
    assert main([*words, "--epochs", "3"]) == 0, capsys.readouterr().err
    found = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").open()]
    expected = [json.loads(line) for line in (STORED / version / "go_on.jsonl").open()]
    assert len(found) == len(expected) == 3
    for one, other in zip(found, expected, strict=True):
        assert one["train_accuracy"] == other["train_accuracy"]
        assert one["train_loss"] == pytest.approx(other["train_loss"], rel=1e-5)
        assert one["angles_deg"] == pytest.approx(other["angles_deg"], rel=1e-5)


@pytest.mark.parametrize("version", VERSIONS)
def test_weights_and_plans(version):
    folder = STORED / version
    learned = read_weights(folder / "weights.safetensors", load_circuit(folder / "circuit.json"))
    assert_same(learned.weights, FORWARD | FEEDBACK)
    assert_same(learned.biases, BIASES)
    assert learned.missing == []
    plan = Reproduction.load(folder / "plan")
    assert [cell.name for cell in plan.cells] == ["small/bp", "small/kp"]
    assert [cell.published for cell in plan.cells] == [None, 0.9]
    assert plan.budget_s == 600 and all(job.epochs == 2 for job in plan.jobs)
    # Two epochs of ten steps of 0.5 s and 100 samples of 0.01 s, 1 s each, after 2 s.
    assert plan.predict(plan.cells[0], 2) == pytest.approx(2 * (10 * 0.5 + 100 * 0.01 + 1) + 2)


@pytest.mark.spiking
@pytest.mark.parametrize("version", VERSIONS)
def test_spikes_and_simulations(version):
    pytest.importorskip("brian2")
    from oneway.backends.spiking import SpikingNetwork, load_spikes
    from oneway.circuits import mlp

    seen = load_spikes(STORED / version / "spikes.npz")
    np.testing.assert_array_equal(seen.spikes["x"].times_s, [0.01, 0.02, 0.02])
    np.testing.assert_array_equal(seen.spikes["x"].cells, [2, 0, 1])
    assert seen.spikes["h1"].paired and seen.spikes["h1"].cells.tolist() == [3]
    assert (seen.start_s, seen.stop_s, seen.intervals[0].phase) == (0.0, 0.05, "engaged")
    net = SpikingNetwork(mlp((3, 2, 1)))
    net.load_state(STORED / version / "state.npz")
    assert_same(net.weights(), FORWARD)
    # Two samples, of 0.1 s each.
    assert net.simulated_s == pytest.approx(0.2)
    net.present(np.ones((1, 3)))
    assert net.simulated_s == pytest.approx(0.3)


@pytest.mark.spiking
@pytest.mark.parametrize("version", VERSIONS)
def test_nir(version):
    pytest.importorskip("brian2")
    nir = pytest.importorskip("nir")
    from oneway.backends.spiking import from_nir

    circuit, weights, biases = from_nir(nir.read(STORED / version / "net.nir"))
    assert circuit == load_circuit(STORED / version / "circuit.json")
    assert_same(weights, FORWARD | FEEDBACK)
    for name, bias in biases.items():
        np.testing.assert_allclose(bias, BIASES[name], atol=1e-12)


# -- versions to come ------------------------------------------------------------------------------


def _of_text(path):
    content = json.loads(path.read_text())
    assert content["version"] == 1 and content["format"].startswith("oneway-")
    path.write_text(json.dumps(content | {"version": 99}))


def _of_graphml(path):
    text = path.read_text()
    assert '"version": 1,' in text or "&quot;version&quot;: 1," in text
    path.write_text(
        text.replace("version&quot;: 1,", "version&quot;: 99,").replace(
            'version": 1,', 'version": 99,'
        )
    )


def _of_tensors(path):
    with safe_open(path, "np") as file:
        about, names = file.metadata(), list(file.keys())
        tensors = {name: file.get_tensor(name) for name in names}
    assert about["version"] == "1" and about["format"].startswith("oneway-")
    save_file(tensors, path, about | {"version": "99"})


def _of_arrays(path):
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    assert arrays["version"] == 1 and str(arrays["format"]).startswith("oneway-")
    np.savez(path, **arrays | {"version": 99})


def _simulation(path):
    from oneway.backends.spiking import SpikingNetwork
    from oneway.circuits import mlp

    SpikingNetwork(mlp((3, 2, 1))).load_state(path)


def _spikes(path):
    from oneway.backends.spiking import load_spikes

    load_spikes(path)


KINDS = {
    "circuit.json": (_of_text, load_circuit),
    "circuit.graphml": (_of_graphml, load_circuit),
    "weights.safetensors": (
        _of_tensors,
        lambda path: read_weights(path, load_circuit(path.parent / "circuit.json")),
    ),
    "plan/plan.json": (_of_text, lambda path: Reproduction.load(path.parent)),
    "run/config.json": (_of_text, lambda path: load_run(path.parent)),
    "run/result.json": (_of_text, lambda path: read_runs([path.parent])),
    "run/checkpoint.safetensors": (_of_tensors, read_checkpoint),
    "spikes.npz": (_of_arrays, _spikes),
    "state.npz": (_of_arrays, _simulation),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_version_to_come_is_refused_in_one_line(kind, tmp_path):
    if kind.endswith(".npz"):
        pytest.importorskip("brian2")
    folder = tmp_path / "files"
    shutil.copytree(STORED / VERSIONS[-1], folder)
    change, read = KINDS[kind]
    read(folder / kind)
    change(folder / kind)
    with pytest.raises((WiringError, DataError, ConfigError, ValueError)) as refused:
        read(folder / kind)
    said = str(refused.value)
    assert "format version 99, this program reads version 1: pip install --upgrade oneway" in said
    assert "\n" not in said and Path(kind).name in said


@pytest.mark.parametrize("words", [["train", "--resume"], ["compare"], ["export"]])
def test_commands_refuse_a_run_of_a_version_to_come(words, tmp_path, capsys):
    shutil.copytree(STORED / VERSIONS[-1] / "run", tmp_path / "run")
    _of_text(tmp_path / "run/config.json")
    # Its settings may be others then, and what they are called is not what is wrong.
    with (tmp_path / "run/recipe.toml").open("a") as recipe:
        recipe.write("something_new = 3\n")
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    to = ["--to", str(tmp_path / "a.safetensors")] if words == ["export"] else []
    assert main([*words, str(tmp_path / "run"), *to]) == 2
    said = capsys.readouterr().err
    assert "config.json' cannot be read: it has format version 99" in said.replace("\n", " ")
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
