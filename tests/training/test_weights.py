"""``--weights``: a run starts where another one is, under another rule too, and says so."""

import json
from dataclasses import replace

import pytest
import torch
from training_runs import wire_and_train

from oneway.backends.rate import RateNetwork
from oneway.backends.rate.exchange.taking import take_weights
from oneway.circuits import Circuit, FromListConnector, WiringError, mlp, parse_circuit
from oneway.rules import parse_rule
from oneway.training import TrainConfig, load_data, load_run
from oneway.training.checkpoint import CHECKPOINT, read_checkpoint

CIRCUIT = mlp((8, 6, 6, 3), norm="before")
CONFIG = TrainConfig(epochs=2, lr=0.02)


@pytest.fixture(scope="module")
def digits():
    return load_data("digits", limit=(240, 60))


def network(rule, circuit=CIRCUIT, seed=0):
    """Of another draw, with biases and statistics that are not those of the start."""
    net = RateNetwork(parse_rule(rule).wire(circuit), seed=seed, dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in net.state_dict().items():
        if not name.startswith("weights."):
            tensor.copy_(torch.rand(tensor.shape, generator=generator))
    return net


def held(net, *names):
    return {name: net.state_dict()[name].clone() for name in names}


def test_all_that_both_have_is_taken():
    kp, other = network("kp"), network("kp,gate=local", seed=1)
    taken = take_weights(kp, other)
    assert all(torch.equal(kp.state_dict()[k], tensor) for k, tensor in other.state_dict().items())
    assert taken.drawn == {} and "Not taken: nothing" in str(taken)
    assert set(taken.feedback) == {"delta_h2 -> delta_h1", "delta_output -> delta_h2"}


@pytest.mark.parametrize(
    ("rule", "other", "drawn"),
    [
        ("kp", "bp", {"delta_h2 -> delta_h1": "no weights of its own there"}),
        ("dfa", "kp", {"delta_output -> delta_h1": "no such drive there"}),
        ("bp", "kp", {}),
    ],
)
def test_feedback_that_is_not_the_same_stays_as_drawn(rule, other, drawn):
    net, source = network(rule), network(other, seed=1)
    feedback = [f"weights.{p.name}" for p in net.circuit.select(path="feedback", role="drive")]
    before = held(net, *(name for name in feedback if name in net.state_dict()))
    taken = take_weights(net, source)
    assert drawn.items() <= taken.drawn.items() and taken.feedback == ()
    assert all(torch.equal(net.state_dict()[name], tensor) for name, tensor in before.items())
    x = torch.rand(5, 8, dtype=torch.float64)
    assert torch.equal(net.eval()(x), source.eval()(x))


def test_what_starts_aligned_is_a_copy_of_what_was_taken():
    net = network("kp,init=aligned")
    take_weights(net, network("bp", seed=1))
    gap = net.weight("h1 -> h2") - net.weight("delta_h2 -> delta_h1").T
    assert not gap.any()


def test_another_output_keeps_its_own_draw_and_bias():
    net = network("fa", mlp((8, 6, 6, 5), norm="before"))
    own = held(net, "weights.h2 -> output", "biases.output")
    taken = take_weights(net, network("fa", seed=1))
    assert taken.drawn["h2 -> output"] == "3×6 weights there, 5×6 here"
    assert taken.forward == ("x -> h1", "h1 -> h2")
    assert all(torch.equal(net.state_dict()[name], tensor) for name, tensor in own.items())
    with pytest.raises(WiringError, match=r"no forward weights in common with .*: 'x -> h1' \(7×9"):
        take_weights(net, network("fa", mlp((9, 7, 4))))


def test_weights_of_other_pairs_of_cells_are_not_taken():
    """As many of them, for other synapses."""
    nets = []
    for pairs in ([(0, 0), (1, 1)], [(0, 1), (1, 0)]):
        dense = mlp((2, 2, 3))
        drives = [
            replace(p, connector=FromListConnector(pairs)) if p.name == "x -> h1" else p
            for p in dense.projections.values()
        ]
        circuit = Circuit("sparse", dense.populations.values(), drives)
        nets.append(RateNetwork(circuit))
    assert nets[0].weights["x -> h1"].shape == nets[1].weights["x -> h1"].shape
    assert take_weights(*nets).drawn == {"x -> h1": "it joins other cells there"}


# -- a run -------------------------------------------------------------------------------------


def test_a_run_starts_there_and_goes_on_without_it(digits, tmp_path):
    """The gap is that of the weights that it started with, also once the other run is gone."""
    circuit = parse_circuit("conv2:1x8x8-10,width=2,hidden=8")
    wire_and_train(circuit, parse_rule("fa"), digits, CONFIG, out=tmp_path / "fa")
    first, said = load_run(tmp_path / "fa"), []
    run = (circuit, parse_rule("kp"), digits, CONFIG)

    def look(end):
        (name,) = [n for n in end.network.weights if n.startswith("x -> ")]
        assert torch.equal(end.network.weights[name], first.weights[name])

    still = (circuit, parse_rule("kp"), digits, replace(CONFIG, epochs=1, lr=0.0))
    wire_and_train(*still, weights=first, on_step=look, notify=said.append)
    assert said[0].startswith(
        "weights from conv2:1x8x8-10,width=2,hidden=8, taken: forward weights of 'x -> "
    )
    whole = wire_and_train(*run, weights=first, out=tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        wire_and_train(*run, weights=first, out=tmp_path / "cut", on_epoch=_interrupt)
    resumed = wire_and_train(*run, out=tmp_path / "cut", resume=True)
    for a, b in zip(whole.history, resumed.history, strict=True):
        assert a | {"seconds": 0} == b | {"seconds": 0}
    assert whole.weights == resumed.weights and "feedback weights of" in whole.weights
    one, other = (read_checkpoint(tmp_path / name / CHECKPOINT) for name in ("whole", "cut"))
    assert one["gaps"] == other["gaps"] and one["watch"] == other["watch"]


def _interrupt(end):
    raise KeyboardInterrupt


def test_the_command(oneway, tmp_path):
    run = "train --circuit mlp:64-8-10 --limit 130,60 --epochs 1 --quiet".split()
    assert oneway(*run, "--rule", "bp", "--out", "bp")[0] == 0
    more = [*run[:-1], "--rule", "kp", "--weights", "bp", "--lr", "0", "--out", "kp", "--json"]
    code, out, err = oneway(*more)
    assert code == 0 and "'delta_output -> delta_h1' (no weights of its own there)" in err
    result = json.loads((tmp_path / "bp/result.json").read_text())
    assert json.loads(out)["runs"][0]["test_accuracy"] == result["test_accuracy"]
    code, _, err = oneway(*run, "--rule", "kp", "--weights", "nowhere", "--out", "new")
    assert (code, err.count("\n")) == (2, 1) and "folder 'nowhere' holds no run: name" in err
    assert not (tmp_path / "new").exists()
    code, _, err = oneway(*run[:1], "--circuit", "mlp:64-9-9-10", *run[3:], "--rule", "kp",
                          "--weights", "bp", "--out", "new")  # fmt: skip
    assert code == 2 and "no forward weights in common" in err
    assert oneway(*run, "--rule", "kp", "--out", "new")[0] == 0  # the folder was left free
