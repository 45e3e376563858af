"""The module around the programs: shapes, state, parameter groups, modes."""

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
