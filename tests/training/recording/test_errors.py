"""Errors beside backpropagation's, against autograd; and nothing of the network changes."""

from dataclasses import replace

import pytest
import torch
from autograd_reference import PHI, _drive, leaves

from oneway.analysis import direct_angle, error_angles
from oneway.backends.rate import RateNetwork
from oneway.circuits import AllToAllConnector, DropoutConnector, Wiring, mlp, parse_circuit
from oneway.rules import parse_rule
from oneway.training import load_data
from oneway.training.recording.errors import Shadow, fixed_batch

CIRCUITS = {
    "mlp": mlp((6, 8, 8, 3), norm="before"),
    "conv": parse_circuit("conv2:1x8x8-10,width=3,hidden=8"),
    "resnet": parse_circuit("resnet18:1x8x8-10,width=2"),
}


def network(rule, circuit, **options):
    wired = parse_rule(rule).wire(circuit)
    return RateNetwork(wired, seed=1, **{"dtype": torch.float64, **options})


def batch(net, n=12, dtype=torch.float64):
    shape = net.circuit.inputs[0].shape
    x = torch.randn(n, *shape, generator=torch.Generator().manual_seed(0), dtype=dtype)
    return x, torch.arange(n) % net.circuit.output.size


def floats(found):
    return {name: float(value) for name, value in found.items()}


def by_autograd(net, x, y):
    """Gradient of the loss at the input of every forward population."""
    parameters, h, u = leaves(net), {}, {}
    for name in net.circuit.order("forward"):
        drives = list(net.circuit.select(role="drive", post=name))
        cell = net.circuit.populations[name]
        u[name] = sum(_drive(net, parameters, p, h[p.pre]) for p in drives) if drives else x
        if cell.bias:
            bias = parameters[f"biases.{name}"]
            u[name] = u[name] + bias.reshape(-1, *[1] * (len(cell.shape) - 1))
        h[name] = PHI[cell.activation](u[name])
    loss = net.loss(h[net.circuit.output.name], y)
    wanted = {name: value for name, value in u.items() if value.requires_grad}
    return dict(zip(wanted, torch.autograd.grad(loss, list(wanted.values())), strict=True))


@pytest.mark.parametrize("circuit", CIRCUITS)
@pytest.mark.parametrize("rule", ["bp", "fa", "kp,gate=local", "dkp"])
def test_errors_are_held_against_autograd(circuit, rule):
    net = network(rule, CIRCUITS[circuit])
    x, y = batch(net)
    expected, own = by_autograd(net, x, y), net.signals(x, y)
    partners = {
        p.name: p.partner
        for p in net.circuit.populations.values()
        if p.path == "feedback" and p.partner
    }
    errors = {name: own[name] for name in partners}
    if "local" in rule:  # where the forward cell multiplies by its own φ′, as relu has it
        for name, partner in partners.items():
            if net.circuit.populations[partner].activation == "relu":
                errors[name] = errors[name] * (own[partner] > 0)
    found = floats(Shadow(net)(x, y)["error_angles_deg"])
    assert found.keys() == partners.keys()
    reference = {name: expected[partner] for name, partner in partners.items()}
    assert found == pytest.approx(error_angles(errors, reference), abs=1e-5)
    if rule == "bp":
        assert max(found.values()) < 1e-4


@pytest.mark.parametrize("rule", ["dfa", "dkp", "drtp"])
def test_direct_angles_are_those_of_analysis(rule):
    net = network(rule, CIRCUITS["conv"])
    x, y = batch(net)
    own = net.signals(x, y)
    found = floats(Shadow(net)(x, y)["direct_angles_deg"])
    assert list(found) == [f"delta_output -> delta_h{i}" for i in (3, 2, 1)] or rule == "drtp"
    for name, angle in found.items():
        layer = net.circuit.populations[net.circuit.projections[name].post].partner
        expected = direct_angle(net.weight(name), own[layer], own["output"])
        assert angle == pytest.approx(expected, abs=1e-6)
    assert Shadow(network("kp", CIRCUITS["conv"]))(x, y)["direct_angles_deg"] == {}


def test_the_shadow_subtracts_the_baseline_that_forward_drives_subtract():
    """Weight mirrors with a baseline, and B made W's transpose: backpropagation's errors."""
    net = network("wm,engaged=baseline,baseline=0.4,init=aligned", CIRCUITS["mlp"])
    assert max(floats(Shadow(net)(*batch(net))["error_angles_deg"]).values()) < 1e-4


def test_nothing_is_drawn_and_nothing_changes():
    """`test_reference` has it for every rule."""
    net = network("wm", CIRCUITS["resnet"])
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    drawn = torch.random.get_rng_state()
    Shadow(net)(*batch(net))
    assert torch.equal(torch.random.get_rng_state(), drawn)
    assert all(p.grad is None for p in net.parameters())
    for name, tensor in net.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_dropout_silences_nobody_and_draws_nothing():
    wiring = Wiring("dropped")
    x, h = wiring.population("x", (6,)), wiring.population("h", (8,), activation="relu")
    heard, output = wiring.population("heard", (8,)), wiring.population("output", (3,))
    wiring.connect(x, h, AllToAllConnector())
    wiring.connect(h, heard, DropoutConnector(0.5))
    wiring.connect(heard, output, AllToAllConnector())
    net, drawn = network("fa", wiring.build()), torch.random.get_rng_state()
    x, y = batch(net)
    found = floats(Shadow(net)(x, y)["error_angles_deg"])
    assert torch.equal(torch.random.get_rng_state(), drawn)
    assert found == floats(Shadow(net.eval())(x, y)["error_angles_deg"])


@pytest.mark.parametrize("options", [{"channels_last": True}, {"compute_dtype": torch.float16}, {}])
def test_types_and_layouts(options):
    """To the rounding of 16 bits; backpropagation is its own shadow in any of them."""
    exact = network("kp", CIRCUITS["conv"])
    x, y = batch(exact)
    expected = floats(Shadow(exact)(x, y)["error_angles_deg"])
    options = {"dtype": torch.float32, "compute_dtype": torch.bfloat16, **options}
    net = network("kp", CIRCUITS["conv"], **options)
    found = floats(Shadow(net)(x.float(), y)["error_angles_deg"])
    assert found == pytest.approx(expected, abs=1)
    tied = network("bp", CIRCUITS["resnet"], **options)
    assert set(floats(Shadow(tied)(x.float(), y)["error_angles_deg"]).values()) == {0.0}


def test_the_fixed_batch_is_the_same_in_every_run_and_draws_nothing():
    data, drawn = load_data("digits"), torch.random.get_rng_state()
    x, y = fixed_batch(data, 100)
    assert len(y) == 100 and torch.equal(x, fixed_batch(data, 100)[0])
    assert torch.equal(torch.random.get_rng_state(), drawn)
    known = {
        row.numpy().tobytes(): int(label)
        for row, label in zip(data.train_x, data.train_y, strict=True)
    }
    assert [known[row.numpy().tobytes()] for row in x] == y.tolist()
    few = replace(data, train_x=data.train_x[:3], train_y=data.train_y[:3])
    assert len(fixed_batch(few, 100)[1]) == 3
