"""A step compiled into one graph changes what an uncompiled step changes."""

import shutil

import pytest
import torch

from oneway.backends.rate import RateNetwork
from oneway.circuits import parse_circuit
from oneway.rules import parse_rule

needs_compiler = pytest.mark.skipif(shutil.which("c++") is None, reason="needs a C++ compiler")


def changes(net, x, y):
    step = net.step(x, y)
    grads = {name: p.grad for name, p in net.named_parameters() if p.grad is not None}
    return step, grads


def assert_compiled_agrees(rule, circuit, **options):
    forward = parse_circuit(circuit)
    eager, compiled = (RateNetwork(parse_rule(rule).wire(forward), seed=1) for _ in range(2))
    compiled.compile(**options)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn((8, *forward.inputs[0].shape), generator=generator)
    y = torch.arange(8) % forward.output.size
    (step, grads), (other, found) = changes(eager, x, y), changes(compiled, x, y)
    torch.testing.assert_close(other.loss, step.loss)
    torch.testing.assert_close(other.output, step.output, rtol=1e-4, atol=1e-5)
    assert grads.keys() == found.keys() and grads
    for name, change in grads.items():
        torch.testing.assert_close(found[name], change, rtol=1e-3, atol=1e-5)
    memory = [g.untyped_storage().data_ptr() for g in found.values()]
    assert len(set(memory)) == len(memory)
    torch.testing.assert_close(compiled.eval()(x), eager.eval()(x), rtol=1e-4, atol=1e-5)
    for name, buffer in eager.named_buffers():
        torch.testing.assert_close(compiled.get_buffer(name), buffer)


@pytest.mark.parametrize("rule", ["bp", "kp", "asap,gate=local,norm=own", "drtp", "ss"])
def test_one_graph(rule):
    """Dynamo and the functional graph, without generating code: fullgraph is checked here."""
    assert_compiled_agrees(rule, "mlp:8-8-8-4,norm=before", backend="aot_eager")


@pytest.mark.slow
def test_one_graph_of_a_residual_net():
    circuit = "resnet18:3x16x16-4,width=2"
    assert_compiled_agrees("asap,frozen=first", circuit, backend="aot_eager")


@pytest.mark.slow
@needs_compiler
def test_generated_code():
    assert_compiled_agrees("kp", "mlp:8-8-8-4")


def test_mirror_compiled():
    net = RateNetwork(parse_rule("wm").wire(parse_circuit("mlp:8-6-5-3")), seed=1)
    other = RateNetwork(net.circuit, seed=1)
    other.compile(backend="aot_eager")
    for n in (net, other):
        n.spontaneous_step(16, torch.Generator().manual_seed(0))
    name = "delta_h2 -> delta_h1"
    torch.testing.assert_close(other.weights[name].grad, net.weights[name].grad)
