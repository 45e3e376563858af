"""The module around the programs: shapes, state, parameter groups, modes."""

import copy
import pickle

import pytest
import torch

from oneway.backends.rate import RateNetwork
from oneway.circuits import (
    AllToAllConnector,
    FromListConnector,
    Wiring,
    WiringError,
    mlp,
    parse_circuit,
)
from oneway.rules import parse_rule

SETTINGS = {"lr": 0.1, "momentum": 0.5, "weight_decay": 0.01}


def network(rule="kp", circuit="mlp:8-6-5-3,norm=before", **options):
    return RateNetwork(parse_rule(rule).wire(parse_circuit(circuit)), **options)


def test_state_dict_has_readable_names_and_round_trips():
    net, other = network(seed=1), network(seed=2)
    names = set(net.state_dict())
    assert {"weights.h1 -> h2", "weights.delta_h2 -> delta_h1", "biases.output"} <= names
    assert {"norms.x -> h1.gain", "norms.x -> h1.mean"} <= names
    other.load_state_dict(net.state_dict())
    x = torch.randn(4, 8)
    assert torch.equal(net.eval()(x), other.eval()(x))


def test_groups_hold_every_learning_parameter_once():
    net = network("wm")
    groups = net.parameter_groups(SETTINGS, {"lr": 0.3})
    listed = [p for group in groups for p in group["params"]]
    learning = [p for p in net.parameters() if p.requires_grad]
    assert len(listed) == len(set(map(id, listed))) == len(learning)
    assert [group["path"] for group in groups] == ["forward", "own rate"]
    assert groups[1]["lr"] == 0.1 and groups[1]["weight_decay"] == pytest.approx(5.0)


def test_paths_have_settings_of_their_own():
    groups = {g["path"]: g for g in network("kp").parameter_groups(SETTINGS, {"lr": 0.3})}
    assert groups["forward"]["lr"] == 0.1 and groups["feedback"]["lr"] == 0.3
    assert "momentum" not in groups["feedback"]


def test_fixed_weights_never_move():
    net = network("fa")
    fixed = {n: p.clone() for n, p in net.named_parameters() if not p.requires_grad}
    optimizer = torch.optim.SGD(net.parameter_groups(SETTINGS), lr=0.1)
    net.step(torch.randn(4, 8), torch.tensor([0, 1, 2, 0]))
    optimizer.step()
    assert fixed and all(torch.equal(net.get_parameter(n), old) for n, old in fixed.items())


def test_evaluation_uses_running_statistics_and_changes_none():
    net = network()
    x = torch.randn(16, 8)
    net.train().step(x, torch.zeros(16, dtype=torch.int64))
    mean = net.norms["x -> h1"].mean.clone()
    assert mean.abs().sum() > 0
    one_by_one = torch.cat([net.eval()(row[None]) for row in x])
    torch.testing.assert_close(one_by_one, net(x))
    assert torch.equal(net.norms["x -> h1"].mean, mean)


def test_a_forward_circuit_infers_but_has_nothing_to_learn():
    net = RateNetwork(mlp((8, 6, 3)))
    assert net(torch.randn(2, 8)).shape == (2, 3)
    assert net.parameter_groups() == []


def test_weights_given_in_a_list_are_where_it_starts():
    wiring = Wiring("listed")
    x, out = wiring.population("x", (2,)), wiring.population("output", (2,))
    wiring.connect(x, out, FromListConnector([(0, 1, 0.5), (1, 0, -2.0)]))
    net = RateNetwork(wiring.build())
    assert net(torch.tensor([[1.0, 10.0]])).tolist() == [[-20.0, 0.5]]


def test_batches_of_another_shape():
    with pytest.raises(ValueError, match=r"'x' has shape \(8,\), but the batch has \(4, 9\)"):
        network()(torch.zeros(4, 9))


def test_two_inputs():
    wiring = Wiring("two")
    out = wiring.population("output", (2,))
    for name in ("left", "right"):
        wiring.connect(wiring.population(name, (4,)), out, AllToAllConnector())
    with pytest.raises(WiringError, match=r"\['left', 'right'\]; .*takes exactly one"):
        RateNetwork(wiring.build())


def test_seeds_and_dtypes_give_the_same_network():
    a, b = network(seed=4), network(seed=4, dtype=torch.float64)
    c = network(seed=5)
    for name in ("h1 -> h2", "delta_h2 -> delta_h1"):
        torch.testing.assert_close(a.weight(name).double(), b.weight(name))
        assert not torch.equal(a.weight(name), c.weight(name))


def test_moving_to_another_dtype_keeps_learning():
    net = network("asap", "mlp:8-8-8-4").to(torch.float64)
    net.step(torch.randn(4, 8, dtype=torch.float64), torch.tensor([0, 1, 2, 0]))
    assert net.weights["h1 -> h2"].grad.dtype == torch.float64


def test_copies_and_pickles_work_after_a_step():
    net, x = network("kp"), torch.randn(4, 8)
    y = torch.tensor([0, 1, 2, 0])
    net.step(x, y)
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(twin.eval()(x), net.eval()(x))
        first = net.step(x, y).loss
        assert torch.equal(twin.step(x, y).loss, first)
        assert twin.weights["h1 -> h2"].grad is not net.weights["h1 -> h2"].grad


@pytest.mark.parametrize(
    "options",
    [{}, {"share_changes": True}, {"compute_dtype": torch.float16}, {"compiled": True}],
    ids=lambda options: "".join(options) or "plain",
)
def test_changes_take_the_place_of_others_unless_they_accumulate(options):
    compiled = options.pop("compiled", False)
    net, batches = network("kp", **options).eval(), [torch.randn(4, 8) for _ in range(2)]
    if compiled:
        net.compile(backend="eager")
    y = torch.tensor([0, 1, 2, 0])

    def changes(x, **how):
        net.step(x, y, **how)
        return {n: p.grad.clone() for n, p in net.named_parameters() if p.grad is not None}

    first, second = (changes(x) for x in batches)
    changes(batches[0])
    both = changes(batches[1], accumulate=True)
    assert both.keys() == first.keys()
    for name, change in both.items():
        torch.testing.assert_close(change, first[name] + second[name])
    assert "weights.delta_h2 -> delta_h1" in both  # whose change is that of its partner
    torch.testing.assert_close(changes(batches[0])["biases.output"], first["biases.output"])


def test_phases_accumulate_too():
    net = network("wm", "mlp:8-6-3")
    net.step(torch.randn(4, 8), torch.tensor([0, 1, 2, 0]))
    driven = net.weights["x -> h1"].grad.clone()
    net.spontaneous_step(4, torch.Generator().manual_seed(0), accumulate=True)
    assert torch.equal(net.weights["x -> h1"].grad, driven)
    assert net.weights["delta_output -> delta_h1"].grad is not None
    net.spontaneous_step(4, torch.Generator().manual_seed(0))
    assert net.weights["x -> h1"].grad is None


@pytest.mark.parametrize(
    ("circuit", "owner"),
    [
        ("mlp:8-6-3,norm=before", "x -> h1"),
        ("mlp:8-6-3,norm=after", "h1"),
        ("resnet18:3x8x8-3,width=2", "block6 -> block7_a"),
    ],
)
def test_batch_norm_of_one_value_a_channel_is_refused(circuit, owner):
    """As torch refuses it; images of more than one pixel have values enough in one sample."""
    net = network("bp", circuit)
    x = torch.randn(1, *net.circuit.inputs[0].shape)
    for run in (net, lambda x: net.step(x, torch.tensor([0]))):
        with pytest.raises(WiringError, match=f"batch norm of '{owner}' gets one value .* two sam"):
            run(x)
    assert net.eval()(x).isfinite().all()
    assert net.step(x, torch.tensor([0])).loss.isfinite()  # by running statistics
    enough = network("bp", "resnet18:3x16x16-3,width=2")
    assert enough.step(torch.randn(1, 3, 16, 16), torch.tensor([0])).loss.isfinite()
