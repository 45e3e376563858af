"""Feedback that claims no weight transport does not depend on forward weights, and owns its own."""

import pytest
import torch
from torch import Tensor

from oneway.backends.rate import RateNetwork
from oneway.circuits import AllToAllConnector, Conv2dConnector, Wiring, mlp, parse_circuit
from oneway.rules import RULES, parse_rule

TRANSPORT = {
    name
    for name in RULES
    if any(
        p.weights is not None and p.weights.kind != "independent"
        for p in parse_rule(name).wire(mlp((8, 8, 8, 4))).projections.values()
    )
}
NO_TRANSPORT = [name for name in RULES if name not in TRANSPORT]


def test_the_rules_that_transport_are_the_ones_that_say_so():
    assert {"bp", "ss", "forward_alignment", "as"} == TRANSPORT


def conv_circuit():
    net = Wiring("conv")
    x = net.population("x", (2, 3, 3))
    h1 = net.population("h1", (8, 3, 3), activation="relu", bias=True)
    h2 = net.population("h2", (8, 3, 3), activation="relu", bias=True)
    net.connect(x, h1, Conv2dConnector(8, 3, padding=1))
    net.connect(h1, h2, Conv2dConnector(8, 3, padding=1))
    net.connect(h2, net.population("output", (4,), bias=True), AllToAllConnector())
    return net.build()


def with_same_response(w: Tensor, pre: Tensor) -> Tensor:
    """Other weights that answer every pattern in `pre` exactly as `w` does."""
    patches = pre.flatten(1)
    if w.dim() == 4:
        patches = torch.nn.functional.unfold(pre, w.shape[-1], padding=1)
        patches = patches.transpose(1, 2).flatten(0, 1)
    _, singular, basis = torch.linalg.svd(patches, full_matrices=True)
    free = basis[int((singular > 1e-9).sum()) :]  # directions that no pattern has a part in
    assert len(free), "the patterns leave no freedom: use fewer of them"
    noise = torch.randn(w.shape[0], len(free), dtype=w.dtype)
    return w + 3 * (noise @ free).reshape(w.shape)


@pytest.mark.parametrize("kind", ["dense", "conv"])
@pytest.mark.parametrize("rule", RULES)
def test_replacing_w_at_fixed_activity_leaves_the_feedback(rule, kind):
    torch.manual_seed(0)
    circuit = mlp((16, 12, 8, 4)) if kind == "dense" else conv_circuit()
    net = RateNetwork(parse_rule(rule).wire(circuit), seed=4, dtype=torch.float64)
    n = 3 if kind == "dense" else 1
    x = torch.randn(n, *circuit.inputs[0].shape, dtype=torch.float64)
    y = torch.arange(n)
    before = net.signals(x, y)
    for p in list(net.circuit.select(role="drive", path="forward"))[1:]:
        w = net.weights[p.name]
        w.data = with_same_response(w.data, before[p.pre])
    after = net.signals(x, y)
    for name in circuit.populations:
        torch.testing.assert_close(after[name], before[name])
    errors = [c.name for c in net.circuit.populations.values() if c.path == "feedback"]
    hidden = [name for name in errors if name != "delta_output"]
    unchanged = [torch.allclose(after[name], before[name], rtol=1e-7) for name in hidden]
    assert hidden
    assert all(unchanged) if rule not in TRANSPORT else not any(unchanged)


@pytest.mark.parametrize("rule", NO_TRANSPORT)
@pytest.mark.parametrize("circuit", ["mlp:12-8-8-4", "conv2:2x6x6-4,width=4,hidden=6"])
def test_feedback_weights_own_their_storage(rule, circuit):
    net = RateNetwork(parse_rule(rule).wire(parse_circuit(circuit)))
    net = net.to(torch.float64)  # moving a module must not tie what was separate
    forward = {p.name for p in net.circuit.select(role="drive", path="forward")}
    storages = [w.data_ptr() for w in net.weights.values()]
    assert len(set(storages)) == len(storages)
    for p in net.circuit.select(role="drive", path="feedback"):
        if p.partner in forward and p.weights is not None:
            assert not torch.equal(net.weights[p.name], net.weights[p.partner])


def test_aligned_start_copies_values_but_not_storage():
    net = RateNetwork(parse_rule("fa,init=aligned").wire(mlp((12, 8, 8, 4))))
    w, b = net.weights["h1 -> h2"], net.weights["delta_h2 -> delta_h1"]
    assert torch.equal(w, b) and w.data_ptr() != b.data_ptr()


def test_every_rule_starts_from_the_same_forward_weights():
    nets = [RateNetwork(parse_rule(rule).wire(mlp((8, 8, 8, 4))), seed=3) for rule in RULES]
    for net in nets[1:]:
        for name in ("x -> h1", "h1 -> h2", "h2 -> output"):
            assert torch.equal(net.weight(name), nets[0].weight(name))
