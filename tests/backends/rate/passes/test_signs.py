"""Memory: what is not read again is not kept, and what is kept does not change the result."""

import pytest
import torch
import torch.nn.functional as F

from oneway.backends.rate import RateNetwork, compiler
from oneway.backends.rate.autograd import PlainNetwork
from oneway.backends.rate.memory import LiveTensors
from oneway.circuits import AllToAllConnector, Wiring, parse_circuit
from oneway.rules import RULES, parse_rule

RESNET = parse_circuit("resnet18:3x32x32-10,width=8")
SCALE = "gate=local,norm=scale,forward_norm=scale"


def batch(circuit, n=6, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn((n, *circuit.inputs[0].shape), generator=generator, dtype=dtype)
    return x, torch.randint(0, circuit.output.size, (n,), generator=generator)


def changes(net, x, y):
    step = net.step(x, y)
    return step, {name: p.grad for name, p in net.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("options", ["", "gate=local", SCALE, "norm=own"])
@pytest.mark.parametrize("rule", RULES)
def test_thrift_and_overwriting_change_no_number(rule, options, monkeypatch):
    circuit = parse_rule(f"{rule},{options}" if options else rule).wire(
        parse_circuit("resnet18:3x16x16-5,width=2,activation=leaky_relu")
    )
    x, y = batch(circuit, dtype=torch.float64)
    thrifty = RateNetwork(circuit, dtype=torch.float64)
    step, found = changes(thrifty, x.clone(), y)

    monkeypatch.setattr(compiler, "keep_signs_only", lambda program: None)
    monkeypatch.setattr(compiler, "join_drives", lambda program, width: None)
    monkeypatch.setattr(compiler, "fuse_products", lambda program, joint: None)
    monkeypatch.setattr(compiler, "fold_scales", lambda program, rows: None)
    monkeypatch.setattr("oneway.backends.rate.program._in_place", lambda op, dead, fixed: op)
    plain_step, expected = changes(RateNetwork(circuit, dtype=torch.float64), x, y)
    torch.testing.assert_close(step.output, plain_step.output)
    assert found.keys() == expected.keys() and found
    for name, change in expected.items():
        torch.testing.assert_close(found[name], change, rtol=1e-9, atol=1e-12)


def test_one_kernel_where_error_and_change_are_due_together():
    net = RateNetwork(parse_rule("asap,frozen=first").wire(RESNET))
    net.step(*batch(RESNET))
    kinds = [op.kind for op in net._schedules["step"].operations]
    # 16 convolutions and 3 shortcuts learn; all but the one that reads the stem send errors on. Six
    # learn from an activity that repeats along channels (`fold_repeats`), for less in a product.
    assert kinds.count("joint") == 18 - 6
    assert kinds.count("adjoint") == 2 + 6  # with the classifier's B and the average pool
    # Norms keep their inputs, which say where cells were active: no bits are kept for that.
    assert "renormalise" in kinds and "sign" not in kinds


def test_nothing_given_from_outside_is_overwritten():
    for name in ("mlp:6-5-4", "conv2:1x8x8-4", "resnet18:3x16x16-5,width=2"):
        circuit = parse_rule("asap,gate=local").wire(parse_circuit(name))
        net = RateNetwork(circuit)
        x, y = batch(circuit)
        x = x.clamp(min=0)
        before = [t.clone() for t in (x, *net.parameters())]
        net.step(x, y)
        for t, old in zip((x, *net.parameters()), before, strict=True):
            assert torch.equal(t, old)


def test_an_input_that_cells_pass_on_is_not_overwritten():
    """x → h one to one with relu: the first operation reads the batch itself, for the last time."""
    net = Wiring("pass on")
    x, h = net.population("x", (4,)), net.population("h", (4,), activation="relu", bias=True)
    net.connect(x, h)
    net.connect(h, net.population("output", (3,)), AllToAllConnector())
    net = RateNetwork(parse_rule("bp").wire(net.build()))
    x = torch.tensor([[1.0, -1.0, 2.0, -2.0]])
    net.step(x, torch.tensor([0]))
    net(x)
    assert x.tolist() == [[1.0, -1.0, 2.0, -2.0]]


@pytest.mark.parametrize("rule", ["kp", "asap"])
def test_twins_share_a_product_but_no_memory(rule):
    """Clipping a gradient in place must reach each weight once."""
    net = RateNetwork(parse_rule(rule).wire(parse_circuit("mlp:8-8-8-4")))
    net.step(*batch(net.circuit))
    w, b = net.weights["h1 -> h2"].grad, net.weights["delta_h2 -> delta_h1"].grad
    assert torch.equal(w, b) and w.data_ptr() != b.data_ptr()
    products = [op for op in net._schedules["step"].operations if op.kind == "correlate"]
    assert len(products) == 3  # one for each layer, not one for each of five plastic projections
    net.share_changes = True
    net.step(*batch(net.circuit))
    assert net.weights["h1 -> h2"].grad is net.weights["delta_h2 -> delta_h1"].grad


def test_scaled_errors_do_not_wait_in_memory():
    """γ/σ meets the error in the synapses, whose weights are fewer than the cells of a batch."""
    net = RateNetwork(parse_rule(f"asap,frozen=first,{SCALE}").wire(RESNET))
    net.step(*batch(RESNET))
    kinds = {op.kind for op in net._schedules["step"].operations}
    assert "scale" not in kinds and {"joint", "correlate"} <= kinds
    narrow = RateNetwork(net.circuit, compute_dtype=torch.bfloat16)
    narrow.step(*batch(RESNET))  # γ and σ have 32 bits, weights and errors there 16
    assert all(torch.isfinite(p.grad).all() for p in narrow.parameters() if p.grad is not None)
    own = RateNetwork(parse_rule("asap,gate=local,norm=own").wire(RESNET))
    own.step(*batch(RESNET))
    assert "own" in {op.kind for op in own._schedules["step"].operations}


def activation_peak(step, parameters):
    """Peak of what a step allocates, without the parameters' changes that it leaves behind."""
    step()
    for p in parameters:
        p.grad = None
    with LiveTensors() as live:
        step()
    return live.peak_without([p.grad for p in parameters if p.grad is not None])


def plain_peak(circuit, x, y):
    plain = PlainNetwork(circuit)
    return activation_peak(
        lambda: F.cross_entropy(plain(x), y).backward(), list(plain.parameters())
    )


@pytest.mark.parametrize(
    ("rule", "most"),
    [
        ("bp", 1.01),
        ("fa", 1.01),
        ("kp", 1.01),
        ("dfa", 1.01),
        ("asap,frozen=first", 0.75),
        ("asap,frozen=first,k=4", 0.65),
        (f"asap,frozen=first,{SCALE}", 0.34),
        (f"asap,frozen=first,k=4,{SCALE}", 0.30),
    ],
)
def test_peak_of_activations_against_autograd(rule, most):
    """Counted, not sampled, so that a bound can be a test."""
    x, y = batch(RESNET, n=32)
    net = RateNetwork(parse_rule(rule).wire(RESNET))
    ratio = activation_peak(lambda: net.step(x, y), list(net.parameters())) / plain_peak(
        RESNET, x, y
    )
    assert ratio <= most


def test_live_tensors_sees_what_autograd_keeps():
    w = torch.randn(64, 64, requires_grad=True)
    x = torch.randn(32, 64)
    with LiveTensors() as live:
        hidden = torch.tanh(x @ w)
        assert live.bytes == 2 * 32 * 64 * 4 or live.bytes == 32 * 64 * 4
        loss = hidden.sum()
        kept = live.bytes
        del hidden
        assert live.bytes == kept  # autograd still holds tanh's output
        del loss
    assert live.bytes == 0
