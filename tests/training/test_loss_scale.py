"""Training in 16 bits and compiled: the scale of errors, resuming, and what goes wrong."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from training_runs import wire_and_train

from oneway.backends.rate import RateNetwork
from oneway.circuits import mlp, parse_circuit
from oneway.rules import parse_rule
from oneway.training import ConfigError, TrainConfig, TrainingError, load_data
from oneway.training.checkpoint import CHECKPOINT, read_checkpoint
from oneway.training.errors import first_line
from oneway.training.hardware import fastest_kernels
from oneway.training.optimization import loss_scale
from oneway.training.optimization.loss_scale import FIRST, MOST_SKIPPED, LossScale

CIRCUIT = mlp((64, 16, 16, 10), norm="before")
CONV = parse_circuit("conv2:1x8x8-10,width=3,hidden=8")
CONFIG = TrainConfig(epochs=3, lr=0.02)


@pytest.fixture(scope="module")
def digits():
    return load_data("digits", limit=(240, 60))


@pytest.fixture
def scale():
    wired = parse_rule("bp").wire(CIRCUIT)
    return LossScale(RateNetwork(wired, compute_dtype=torch.float16))


def changing(value):
    parameter = torch.nn.Parameter(torch.zeros(3))
    parameter.grad = torch.tensor([0.0, value, 1.0])
    return [torch.nn.Parameter(torch.zeros(2)), parameter]


def changes_to(monkeypatch, **options):
    """Let every network be compiled by this backend, which takes no time."""
    compile = RateNetwork.compile
    monkeypatch.setattr(RateNetwork, "compile", lambda net, mode: compile(net, **options))


# -- the scale ---------------------------------------------------------------------------------


@pytest.mark.parametrize("overflow", [float("inf"), float("-inf"), float("nan")])
def test_overflow_is_skipped_and_halves_the_scale(scale, overflow):
    assert scale.network.loss_scale == FIRST
    assert scale.allows(changing(1e30)) and scale.network.loss_scale == FIRST
    assert not scale.allows(changing(overflow)) and scale.network.loss_scale == FIRST / 2


def test_quiet_times_double_the_scale(scale, monkeypatch):
    monkeypatch.setattr(loss_scale, "GROWTH_EVERY", 3)
    values = []
    for value in (1.0, 1.0, torch.inf, 1.0, 1.0, 1.0, 1.0):
        scale.allows(changing(value))
        values.append(float(scale.network.loss_scale) / FIRST)
    assert values == [1, 1, 0.5, 0.5, 0.5, 1, 1]


def test_noise_does_not_move_the_scale(scale):
    assert not scale.allows(changing(torch.nan), scaled=False)
    assert scale.value == scale.network.loss_scale == FIRST


@pytest.mark.parametrize(("scaled", "source"), [(True, "errors"), (False, "noise")])
def test_nothing_but_overflow(scale, scaled, source):
    for _ in range(MOST_SKIPPED - 1):
        assert not scale.allows(changing(torch.nan), scaled)
        assert scale.allows(changing(1.0), not scaled)
    with pytest.raises(TrainingError, match=rf"from {source} overflow .* {MOST_SKIPPED} steps"):
        scale.allows(changing(torch.nan), scaled)


def test_a_network_in_other_types_has_no_scale():
    net = RateNetwork(parse_rule("bp").wire(CIRCUIT), compute_dtype=torch.bfloat16)
    scale = LossScale(net)
    assert scale.allows(changing(torch.nan)) and scale.state_dict() is None


# -- training ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("rule", ["kp", "wm", "asap"])
def test_16_bits_learn_as_32_do(rule, dtype, digits):
    """To five of 60 test samples."""
    accuracies = [
        wire_and_train(
            CIRCUIT, parse_rule(rule), digits, replace(CONFIG, epochs=16, dtype=t)
        ).test_accuracy
        for t in ("float32", dtype)
    ]
    assert accuracies[0] > 0.5 and abs(accuracies[0] - accuracies[1]) <= 5 / 60


def metrics(folder):
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines]


def interrupted(folder, rule, begun, resumed, digits, monkeypatch):
    """A run that stops in its second epoch and goes on with another config."""
    with monkeypatch.context() as patched:
        dying(patched, steps=6)
        with pytest.raises(KeyboardInterrupt):
            wire_and_train(CONV, rule, digits, begun, out=folder)
    wire_and_train(CONV, rule, digits, resumed, out=folder, resume=True)


def dying(patched, steps):
    step, left = RateNetwork.step, [steps]

    def counted(net, x, y, **options):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return step(net, x, y, **options)

    patched.setattr(RateNetwork, "step", counted)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_resuming_is_exact(dtype, digits, tmp_path, monkeypatch):
    """Momentum that lies in another order than its parameter would be seen here."""
    config = replace(CONFIG, dtype=dtype, channels_last=True)
    monkeypatch.setattr(loss_scale, "GROWTH_EVERY", 3)
    rule = parse_rule("wm")
    wire_and_train(CONV, rule, digits, config, out=tmp_path / "whole")
    interrupted(tmp_path / "parts", rule, config, config, digits, monkeypatch)
    whole, parts = (load_file(tmp_path / name / CHECKPOINT) for name in ("whole", "parts"))
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[k], parts[k]) for k in whole)
    assert metrics(tmp_path / "whole") == metrics(tmp_path / "parts")
    scales = [read_checkpoint(tmp_path / n / CHECKPOINT)["loss_scale"] for n in ("whole", "parts")]
    assert scales[0] == scales[1] and (scales[0] is None) == (dtype == "bfloat16")


@pytest.mark.slow
def test_speed_may_change_on_the_way(digits, tmp_path, monkeypatch):
    """A compiled run goes on uncompiled, an uncompiled one compiled: the same metrics."""
    changes_to(monkeypatch, backend="eager")
    rule, plain = parse_rule("fa"), CONFIG
    fast = replace(CONFIG, compile="default", channels_last=True)
    wire_and_train(CONV, rule, digits, plain, out=tmp_path / "whole")
    expected = metrics(tmp_path / "whole")[-1]
    for name, (begun, resumed) in {"a": (plain, fast), "b": (fast, plain)}.items():
        interrupted(tmp_path / name, rule, begun, resumed, digits, monkeypatch)
        found = metrics(tmp_path / name)[-1]
        assert found["epoch"] == 3
        assert found["train_loss"] == pytest.approx(expected["train_loss"], rel=1e-3)
    other = replace(CONFIG, dtype="bfloat16")
    with pytest.raises(ConfigError, match=r"another run: config.dtype = 'float32' there"):
        wire_and_train(CONV, rule, digits, other, out=tmp_path / "a", resume=True)


def test_every_program_is_compiled_once(digits, monkeypatch):
    """Whole batches of the step, of noise and of evaluation; smaller ones run as they are."""
    graphs, compile = [], torch.compile
    changes_to(monkeypatch, backend="eager")
    monkeypatch.setattr(torch, "compile", lambda f, **o: graphs.append(o) or compile(f, **o))
    wire_and_train(CIRCUIT, parse_rule("wm"), digits, replace(CONFIG, compile="default"))
    noisy = [phase for phase in parse_rule("wm").wire(CIRCUIT).phases.values() if phase.noisy]
    assert len(graphs) == 2 + len(noisy)
    assert all(options["dynamic"] is False and options["fullgraph"] for options in graphs)


@pytest.mark.slow
def test_generated_code_trains(digits):
    config = replace(CONFIG, dtype="bfloat16")
    eager = wire_and_train(CIRCUIT, parse_rule("asap"), digits, config)
    compiled = wire_and_train(
        CIRCUIT, parse_rule("asap"), digits, replace(config, compile="default")
    )
    assert abs(eager.test_accuracy - compiled.test_accuracy) <= 5 / 60


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("compile", ["no", "reduce-overhead"])
def test_a_gpu_learns_as_a_cpu_does(compile, digits):
    plain = wire_and_train(CONV, parse_rule("asap"), digits, replace(CONFIG, dtype="bfloat16"))
    config = replace(CONFIG, dtype="bfloat16", device="cuda", channels_last=True, compile=compile)
    fast = wire_and_train(CONV, parse_rule("asap"), digits, config)
    assert fast.history[-1]["train_loss"] == pytest.approx(plain.history[-1]["train_loss"], rel=0.1)
    # Several programs a step, and everything drawn on the device.
    config = replace(config, augment="crop+flip")
    runs = [wire_and_train(CONV, parse_rule("wm"), digits, config) for _ in range(2)]
    first, second = (run.history[-1]["train_loss"] for run in runs)
    assert first == pytest.approx(second, rel=0.05)


def test_kernels_are_tried_on_a_gpu_only():
    assert not torch.backends.cudnn.benchmark
    for device, tried in (("cpu", False), ("cuda", True)):
        with fastest_kernels(device):
            assert torch.backends.cudnn.benchmark == tried
    assert not torch.backends.cudnn.benchmark


# -- what goes wrong ---------------------------------------------------------------------------


def test_types_and_modes_that_do_not_exist():
    with pytest.raises(ConfigError, match="dtype = 'int8', expected one of float32, float64, bfl"):
        TrainConfig(dtype="int8")
    with pytest.raises(ConfigError, match="compile = 'yes', expected one of no, default, red"):
        TrainConfig(compile="yes")
    with pytest.raises(ConfigError, match="compile = 'default' with sync_batch_norm"):
        TrainConfig(compile="default", sync_batch_norm=True)


def test_no_compiler(digits, monkeypatch):
    def broken(graph, inputs):
        raise RuntimeError("no compiler found")

    changes_to(monkeypatch, backend=broken)
    with pytest.raises(ConfigError, match=r"compile = 'default': torch.compile cannot .*Set comp"):
        wire_and_train(CIRCUIT, parse_rule("bp"), digits, replace(CONFIG, compile="default"))


def test_what_a_compiler_explains_is_passed_on():
    said = "Unsupported method call\n  Explanation: it does not know `kernel`.\n  Hint: report it."
    assert first_line(RuntimeError(said)) == "Unsupported method call: it does not know `kernel`"
    assert first_line(RuntimeError("no\nExplanations")) == "no"
    assert first_line(RuntimeError()) == "RuntimeError()"


def test_no_kernel(digits, monkeypatch):
    def convolution(*inputs):
        raise NotImplementedError("\"slow_conv2d_cpu\" not implemented for 'Half'")

    monkeypatch.setattr(torch.nn.functional, "conv2d", convolution)
    with pytest.raises(ConfigError, match=r"dtype = 'float16': .* cannot be computed on cpu"):
        wire_and_train(CONV, parse_rule("bp"), digits, replace(CONFIG, dtype="float16"))
