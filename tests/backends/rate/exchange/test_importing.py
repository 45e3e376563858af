"""A module becomes a circuit that does what it does, or is refused by name and line."""

import copy

import pytest
import torch
import torch.nn.functional as F
from foreign_networks import NETWORKS, Odd, ResNet, batch, made
from torch import nn

from oneway.analysis import check_wiring
from oneway.backends.rate import RateNetwork, from_torch
from oneway.circuits import WiringError
from oneway.rules import RULES, parse_rule

# Of rounding, where a bias before batch norm has no gradient at all.
LEAST = 1e-3


def imported_as(net, kind, owner):
    held = {"weights": net.weights, "bias": net.biases}.get(kind)
    return getattr(net.norms[owner], kind) if held is None else held[owner]


@pytest.mark.parametrize("network", NETWORKS)
def test_three_steps_are_those_of_autograd(network):
    """Outputs, gradients, and what momentum and running statistics make of them."""
    module, (x, y) = made(network), batch(network)
    net, module = from_torch(module, x, parse_rule("bp")).train(), module.train()
    ours = torch.optim.SGD(net.parameter_groups(), lr=0.1, momentum=0.9)
    theirs = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
    for seed in range(3):
        torch.manual_seed(seed)
        theirs.zero_grad()
        output = module(x)
        F.cross_entropy(output, y).backward()
        torch.manual_seed(seed)  # dropout draws alike
        step = net.step(x, y)
        torch.testing.assert_close(step.output, output.detach(), rtol=1e-12, atol=1e-12)
        scale = max(float(p.grad.norm()) for p in module.parameters() if p.grad is not None)
        for name, parameter in module.named_parameters():
            if name in net.names.places and parameter.grad is not None:
                change = imported_as(net, *net.names.places[name]).grad
                gap = float((change - parameter.grad).norm())
                assert gap < 1e-10 * max(float(parameter.grad.norm()), LEAST * scale), name
        ours.step()
        theirs.step()
    torch.testing.assert_close(net.eval()(x), module.eval()(x).detach(), rtol=1e-12, atol=1e-12)
    state = {k: v for k, v in module.state_dict().items() if not k.endswith("num_batches_tracked")}
    for name, tensor in net.names.read(net).items():
        if name in state:
            torch.testing.assert_close(tensor, state[name], rtol=1e-10, atol=1e-10, msg=name)


@pytest.fixture(scope="module")
def forward():
    """The networks as forward circuits."""
    return {n: from_torch(made(n), batch(n)[0]).circuit for n in (ResNet, Odd)}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("network", [ResNet, Odd])
def test_every_rule_wires_and_runs_it(forward, network, rule):
    net = RateNetwork(parse_rule(rule).wire(forward[network]), dtype=torch.float64)
    x, y = batch(network)
    torch.manual_seed(0)
    step = net.step(x, y)
    assert torch.isfinite(step.loss)
    learning = [p for p in net.parameters() if p.requires_grad]
    if not any(phase.noisy for phase in net.circuit.phases.values()):
        assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in learning)
    if rule == "asap":
        assert check_wiring(net.circuit).papers == 0


def test_a_circuit_has_the_modules_names_weights_and_mode():
    module = made(ResNet).eval()
    net = from_torch(module, torch.zeros(1, *ResNet.shape, dtype=torch.float64))
    blocks = "layer1_0_conv1 layer1_0 layer2_0_conv1 layer2_0 layer2_1_conv1 layer2_1"
    assert list(net.circuit.populations) == f"x conv1 maxpool {blocks} avgpool fc".split()
    assert net.circuit.name == "ResNet" and not net.training and not module.training
    shortcut = net.weights["layer1_0 -> layer2_0"]
    assert torch.equal(shortcut, module.layer2[0].downsample[0].weight)
    assert not any(p.requires_grad for p in net.parameters())
    module.conv1.weight.data.zero_()
    assert net.weights["x -> conv1"].abs().min() > 0  # a copy


def test_options_and_feedback_weights():
    module, (x, _) = made(ResNet, torch.float32), batch(ResNet, dtype=torch.float32)
    nets = [from_torch(module, x, parse_rule("fa"), seed=seed, name="mine") for seed in (1, 2)]
    back = "delta_fc -> delta_avgpool"
    assert nets[0].circuit.name == "mine"
    assert torch.equal(nets[0].weights["avgpool -> fc"], nets[1].weights["avgpool -> fc"])
    assert not torch.equal(nets[0].weights[back], nets[1].weights[back])
    aligned = from_torch(module, x, parse_rule("fa,init=aligned"))
    assert torch.equal(aligned.weights[back], module.fc.weight)


def test_dropout_is_drawn_in_training_alone_and_by_the_generator_given():
    module, (x, y) = made(Odd), batch(Odd)
    net = from_torch(module, x, parse_rule("kp"))
    outputs = [
        net.step(x, y, generator=torch.Generator().manual_seed(seed)).output for seed in (1, 1, 2)
    ]
    assert torch.equal(outputs[0], outputs[1]) and not torch.equal(outputs[0], outputs[2])
    assert torch.equal(net.eval()(x), net(x))
    heard = net.train().signals(x, y)["dropout"] != 0
    assert 0.3 < heard.double().mean() < 0.7


def test_without_gates_nobody_tells_errors_who_was_silenced():
    (x, y), module = batch(Odd), made(Odd)
    net = from_torch(module, x, parse_rule("fa,gate=local"))
    assert (net.signals(x, y)["delta_pool_flat"] != 0).all()
    net = from_torch(module, x, parse_rule("fa"))
    assert 0.3 < (net.signals(x, y)["delta_pool_flat"] == 0).double().mean() < 0.7


class Wrong(nn.Module):
    """Runs whatever it is given."""

    def __init__(self, forward, **parts):
        super().__init__()
        self.lin = nn.Linear(4, 4)
        for name, part in parts.items():
            setattr(self, name, part)
        self.run = forward

    def forward(self, x):
        return self.run(self, x)


SHARED = nn.Linear(4, 4)
SHARED_TWIN = nn.Linear(4, 4)
SHARED_TWIN.weight = SHARED.weight
IMAGE = (2, 8, 8)
WRONG = {
    "an unknown layer": (
        lambda m, x: m.norm(m.lin(x)),
        {"norm": nn.LayerNorm(4)},
        (4,),
        r"Wrong: module 'norm', test_importing.py, line \d+: 'layer_norm' has no counterpart in a "
        "circuit; use BatchNorm1d",
    ),
    "a module used twice": (
        lambda m, x: m.lin(m.lin(x).relu()),
        {},
        (4,),
        r"module 'lin', .*: 'lin.weight' is used a second time, first by module 'lin', .*line \d+; "
        "a circuit has each synapse once. Make two",
    ),
    "a shared parameter": (
        lambda m, x: m.b(m.a(x)),
        {"a": SHARED, "b": SHARED_TWIN},
        (4,),
        "'b.weight' and 'a.weight' are one parameter",
    ),
    "a softmax": (
        lambda m, x: m.lin(x).log_softmax(1),
        {},
        (4,),
        r"the module's own forward, .*line \d+: 'log_softmax' is part of the loss here: leave it",
    ),
    "another slope": (
        lambda m, x: F.leaky_relu(m.lin(x), 0.2),
        {},
        (4,),
        r"'leaky_relu' with negative_slope = 0.2, expected 0.01",
    ),
    "a product": (lambda m, x: m.lin(x) * x, {}, (4,), "'mul' has no counterpart .* use a sum"),
    "a number added": (
        lambda m, x: m.lin(x) + 1.0,
        {},
        (4,),
        "'add' takes '1.0', which is no activity of the batch",
    ),
    "a broadcast sum": (
        lambda m, x: m.lin(x) + m.one(x),
        {"one": nn.Linear(4, 1)},
        (4,),
        r"a sum of activities in the shapes \(4,\) and \(1,\)",
    ),
    "an uneven padding": (
        lambda m, x: m.conv(x),
        {"conv": nn.Conv2d(2, 2, 2, padding="same")},
        IMAGE,
        r"kernel \(2, 2\) and dilation \(1, 1\) pads one side more .* odd size",
    ),
    "another padding": (
        lambda m, x: m.conv(x),
        {"conv": nn.Conv2d(2, 2, 3, padding=1, padding_mode="circular")},
        IMAGE,
        "module 'conv', .*: 'pad' has no counterpart",
    ),
    "windows of several sizes": (
        lambda m, x: F.adaptive_avg_pool2d(x, 3),
        {},
        IMAGE,
        r"an adaptive pool from \(8, 8\) to \(3, 3\) pixels has windows of several sizes",
    ),
    "ceil mode": (
        lambda m, x: F.max_pool2d(x, 3, ceil_mode=True),
        {},
        IMAGE,
        r"ceil_mode that makes \(2, 3, 3\) of \(2, 8, 8\)",
    ),
    "a batch norm without statistics": (
        lambda m, x: m.bn(x),
        {"bn": nn.BatchNorm1d(4, track_running_stats=False)},
        (4,),
        "batch norm without running statistics",
    ),
    "dropout that never stops": (
        lambda m, x: m.lin(F.dropout(x, 0.5)),
        {},
        (4,),
        "outside of training its output differs by .* from what was read of it in training",
    ),
    "samples that mix": (
        lambda m, x: m.lin(x).reshape(-1, 2),
        {},
        (4,),
        r"'reshape' makes \(4, 2\) of \(2, 4\), expected each sample to stay one",
    ),
    "a choice by value": (
        lambda m, x: m.lin(x) if x.sum() > 0 else x,
        {},
        (4,),
        "Wrong cannot be traced with an example of shape",
    ),
    "a slip": (lambda m, x: m.lin(x[:, :3]), {}, (4,), "cannot be traced .* RuntimeError: mat1"),
    "two outputs": (
        lambda m, x: (m.lin(x), m.lin(x)),
        {},
        (4,),
        "returns a tuple, expected one tensor",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_taken_is_named_with_its_fix(case):
    forward, parts, shape, complaint = WRONG[case]
    module = Wrong(forward, **parts)
    with pytest.raises(WiringError, match=complaint) as raised:
        from_torch(module, torch.ones(2, *shape))
    assert "\n" not in str(raised.value)
    assert all(part.training for part in module.modules())  # as it was


def test_a_rule_learns_what_the_module_says():
    module, (x, _) = made(ResNet), batch(ResNet)
    module.conv1.requires_grad_(False)
    with pytest.raises(
        WiringError, match=r"'conv1.weight' has requires_grad=False, .*frozen=\('x "
    ):
        from_torch(module, x, parse_rule("bp"))
    from_torch(module, x, parse_rule("bp,frozen=first,frozen_norm=no"))
    with pytest.raises(WiringError, match=r"rule 'asap' wires nothing, .*parse_rule"):
        from_torch(module, x, "asap")


def test_an_example_is_a_batch():
    for example, complaint in ((torch.ones(4), r"shape \(4,\)"), (3, "type int")):
        with pytest.raises(WiringError, match=f"example of {complaint}, expected a tensor"):
            from_torch(nn.Linear(4, 2), example)
    with pytest.raises(WiringError, match=r"torch.bfloat16 on cpu, expected all of one type"):
        from_torch(nn.Linear(4, 2).bfloat16(), torch.ones(2, 4))


def test_copies_learn_by_themselves():
    """A module of one layer, copied after a step."""
    net = from_torch(nn.Linear(4, 2), torch.ones(1, 4), parse_rule("bp"))
    net.step(torch.ones(2, 4), torch.tensor([0, 1]))
    twin = copy.deepcopy(net)
    twin.step(-torch.ones(2, 4), torch.tensor([0, 0]))
    assert not torch.equal(twin.weights["x -> linear"].grad, net.weights["x -> linear"].grad)
    assert twin.names == net.names
