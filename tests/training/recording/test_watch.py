"""Nothing that is not finite is ever saved, and who diverges is told where, when and what to do."""

import time
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from training_runs import wire_and_train

from oneway.backends.rate import RateNetwork
from oneway.circuits import mlp
from oneway.rules import parse_rule
from oneway.training import TrainConfig, TrainingError, load_data
from oneway.training.checkpoint import CHECKPOINT, read_checkpoint
from oneway.training.cli.main import main
from oneway.training.recording.watch import Watch

CIRCUIT = mlp((64, 12, 12, 10), norm="before")
CONFIG = TrainConfig(epochs=3, lr=0.02)
STEPS = 4  # an epoch: 240 samples in batches of 64
NAN, INF = float("nan"), float("inf")


@pytest.fixture(scope="module")
def digits():
    return load_data("digits", limit=(240, 60))


def spoiling(step, what):
    """Called on_step: as if that step had done it."""

    def on_step(end):
        if end.step == step:
            what(end.network)

    return on_step


def _weight(network):
    network.weights["h1 -> h2"].data[3, 2] = NAN


def _bias(network):
    network.biases["output"].data[1] = INF


def _feedback(network):
    network.weights["delta_output -> delta_h2"].data[3, 2] = -INF


def _statistics(network):
    network.norms["x -> h1"].mean[0] = NAN


SPOILT = {
    "weight": (_weight, "weights of 'h1 -> h2' are not finite any more at step"),
    "bias": (_bias, "bias of 'output' is not finite"),
    "feedback": (_feedback, "weights of 'delta_output -> delta_h2' are not"),
    "statistics": (_statistics, "batch norm of 'x -> h1' is not finite"),
}


@pytest.mark.usefixtures("saved_each_epoch")
@pytest.mark.parametrize("epoch", [2, 3])
@pytest.mark.parametrize("case", SPOILT)
def test_what_the_last_step_of_an_epoch_spoils_is_not_saved(digits, tmp_path, case, epoch):
    """In the last epoch neither, where nobody learns from it any more."""
    spoil, complaint = SPOILT[case]
    run = (CIRCUIT, parse_rule("kp"), digits, CONFIG)
    with pytest.raises(TrainingError, match=f"^kp: {complaint}.* in epoch {epoch}"):
        wire_and_train(*run, out=tmp_path, on_step=spoiling(epoch * STEPS, spoil))
    assert all(
        tensor.isfinite().all()
        for tensor in load_file(tmp_path / CHECKPOINT).values()
        if tensor.is_floating_point()
    )
    assert len(read_checkpoint(tmp_path / CHECKPOINT)["history"]) == epoch - 1
    assert not (tmp_path / "result.json").exists()
    resumed = wire_and_train(*run, out=tmp_path, resume=True)
    assert resumed.test_accuracy == wire_and_train(*run).test_accuracy


def test_momentum_that_is_lost_is_not_saved(digits, tmp_path, monkeypatch):
    from oneway.training.optimization.optimizers import Optimizers

    memory = Optimizers.memory.fget
    calls = []

    def spoilt(self):
        calls.append(1)
        found = memory(self)
        if len(calls) == 2:  # the first is before the first epoch
            found[0].view(-1)[0] = INF
        return found

    monkeypatch.setattr(Optimizers, "memory", property(spoilt))
    with pytest.raises(
        TrainingError, match="the optimizer's memory is not finite any more at step"
    ):
        wire_and_train(CIRCUIT, parse_rule("kp"), digits, CONFIG, out=tmp_path)
    assert read_checkpoint(tmp_path / CHECKPOINT)["history"] == []


def test_who_diverges_is_told_where_and_goes_on_with_another_rate(tmp_path, capsys):
    run = "train --circuit mlp:64-12-10 --rule kp --limit 240,60 --epochs 2 --momentum 0".split()
    folder = str(tmp_path / "run")
    assert main([*run, "--lr", "1e12", "--out", folder]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("oneway: error: kp: the loss is not finite any more at step ")
    assert " in epoch 1; weights of '" in last and "' had grown most, from 0." in last
    fix = f"Lower lr (now 1e+12), from the last checkpoint on with 'oneway train --resume {folder}"
    assert last.endswith(f"{fix} --set lr=...'")
    assert main(["train", "--resume", folder]) == 2  # as before
    capsys.readouterr()
    assert main(["train", "--resume", folder, "--set", "lr=0.02"]) == 0
    assert "lr = 0.02 from here on, 1e+12 before" in capsys.readouterr().err
    assert main(["train", "--resume", folder]) == 0  # with what it has now


def test_the_step_is_that_in_which_the_loss_was_lost(digits):
    """Though a look comes every 50 steps only."""
    losses = iter(range(10**6))

    def loss(output, y):
        bad = next(losses) == 60  # of step 61
        return torch.nn.functional.cross_entropy(output, y) * (INF if bad else 1)

    long = replace(CONFIG, epochs=1, batch_size=2)
    with pytest.raises(
        TrainingError, match="the loss is not finite any more at step 61 in epoch 1"
    ):
        wire_and_train(mlp((64, 10)), parse_rule("bp"), digits, long, loss=loss)


def test_activity_that_is_lost_is_named_where_weights_are_finite(digits):
    network = RateNetwork(parse_rule("kp").wire(mlp((64, 12, 10))))
    watch = Watch(network, CONFIG)
    with torch.no_grad():
        network.weights["x -> h1"].fill_(3e38)
    assert watch.look(6, "in epoch 1", 0.0) is None
    trouble = watch.look(7, "in epoch 1", NAN)
    said = watch.with_cells(trouble, torch.ones(2, 64), torch.tensor([0, 1])).what
    assert "weights are, but the activity of 'h1' and " in said and "had grown most" in said
    frozen = Watch(RateNetwork(parse_rule("wm,rate=0.3").wire(mlp((64, 12, 10)))), CONFIG)
    with torch.no_grad():
        frozen.network.weights["delta_output -> delta_h1"].mul_(10)
    assert frozen.look(1, "in epoch 1", 0.0) is None
    assert "own rate of these synapses (now 0.3)" in frozen.look(2, "in epoch 1", NAN).fix


@pytest.mark.slow
def test_looking_costs_under_half_a_percent_of_a_step(digits):
    """Of the smallest of the nets people train; larger ones have more to do in a step."""
    network = RateNetwork(parse_rule("kp").wire(mlp((64, 64, 64, 10))))
    x, y = torch.randn(64, 64), torch.randint(10, (64,))

    def seconds(call, times):
        best = INF
        for _ in range(5):
            started = time.process_time()
            for _ in range(times):
                call()
            best = min(best, (time.process_time() - started) / times)
        return best

    watch = Watch(network, CONFIG)
    step = seconds(lambda: network.step(x, y), 50)
    look = seconds(lambda: watch.look(50, "", 0.0), 50)
    assert look / 50 < 0.005 * step


def test_a_state_of_another_network_is_refused():
    watch = Watch(RateNetwork(parse_rule("kp").wire(CIRCUIT), seed=0), CONFIG)
    first = dict(watch.first)
    other = {f"{name}/": size for name, size in first.items()}
    with pytest.raises(ValueError, match="of another network"):
        watch.load_state_dict({"first": other}, 3)
    assert watch.first == first
    watch.load_state_dict({"first": first}, 3)
    assert watch.last_step == 3
