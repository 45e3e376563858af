"""A step compiled into one graph changes what an uncompiled step changes."""

import shutil

import pytest
import torch
from torch._dynamo.testing import CompileCounter
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from oneway.backends.rate import RateNetwork
from oneway.backends.rate.graphs import CompiledRun
from oneway.circuits import parse_circuit
from oneway.rules import RULES, parse_rule

needs_compiler = pytest.mark.skipif(shutil.which("c++") is None, reason="needs a C++ compiler")


def changes(net, x, y):
    step = net.step(x, y)
    grads = {name: p.grad for name, p in net.named_parameters() if p.grad is not None}
    return step, grads


def assert_compiled_agrees(rule, circuit, settings=None, **options):
    forward = parse_circuit(circuit)
    wired = parse_rule(rule).wire(forward)
    eager, compiled = (RateNetwork(wired, seed=1, **(settings or {})) for _ in range(2))
    compiled.compile(**options)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn((8, *forward.inputs[0].shape), generator=generator)
    y = torch.arange(8) % forward.output.size
    close = {"rtol": 1e-4, "atol": 1e-5}
    (step, grads), (other, found) = changes(eager, x, y), changes(compiled, x, y)
    torch.testing.assert_close(other.loss, step.loss, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(other.output, step.output, **close)
    assert compiled._compiled["step"].graphs
    assert grads.keys() == found.keys() and grads
    for name, change in grads.items():
        torch.testing.assert_close(found[name], change, rtol=1e-3, atol=1e-5)
    memory = [g.untyped_storage().data_ptr() for g in found.values()]
    assert len(set(memory)) == len(memory)
    torch.testing.assert_close(compiled.eval()(x), eager.eval()(x), **close)
    for name, buffer in eager.named_buffers():
        torch.testing.assert_close(compiled.get_buffer(name), buffer, **close)


def at_leisure(rules, quick):
    """Compiling takes seconds a rule: some rules always, the others among the slow tests."""
    return [pytest.param(r, marks=() if r in quick else pytest.mark.slow) for r in rules]


@pytest.mark.parametrize(
    "rule", at_leisure([*RULES, "asap,gate=local,norm=own"], quick=("bp", "kp", "drtp"))
)
def test_one_graph(rule):
    """Dynamo and the functional graph, without generating code: fullgraph is checked here."""
    assert_compiled_agrees(rule, "mlp:8-8-4,norm=before", backend="aot_eager")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("rule", at_leisure(["bp", "drtp", "asap,gate=local,norm=own"], ["drtp"]))
def test_one_graph_in_16_bits(rule, dtype):
    """The same kernels in the same order, so to the rounding of 32 bits."""
    settings = {"compute_dtype": dtype}
    assert_compiled_agrees(rule, "mlp:8-8-4,norm=before", settings, backend="aot_eager")


def test_one_graph_in_channels_last():
    settings = {"compute_dtype": torch.bfloat16, "channels_last": True}
    assert_compiled_agrees("asap", "conv2:1x28x28-4", settings, backend="aot_eager")


@pytest.mark.slow
def test_one_graph_of_a_residual_net():
    circuit = "resnet18:3x16x16-4,width=2"
    assert_compiled_agrees("asap,frozen=first", circuit, backend="aot_eager")


@pytest.mark.slow
@needs_compiler
def test_generated_code():
    """In 16 bits it trains: training/test_loss_scale.py."""
    assert_compiled_agrees("kp", "mlp:8-8-4,norm=before")


# -- when there is a graph, and when not ----------------------------------------------------------


@pytest.fixture
def network():
    net = RateNetwork(parse_rule("kp").wire(parse_circuit("mlp:8-6-3,norm=before")), seed=1)
    net.compile(backend="eager")
    return net


def learn(net, n):
    net.step(torch.ones(n, 8), torch.zeros(n, dtype=torch.int64))
    return sorted(net._compiled["step"].graphs)


def test_a_smaller_last_batch_runs_uncompiled(network):
    assert [learn(network, n) for n in (4, 4, 3, 4, 4, 3, 4)] == [[4]] * 7


def test_a_size_that_stays_gets_a_graph(network):
    assert [learn(network, n) for n in (4, 3, 3, 3, 4)] == [[4], [4], [3, 4], [3, 4], [3, 4]]


def test_the_smaller_batch_learns_the_same(network):
    other = RateNetwork(network.circuit, seed=1)
    for net in (network, other):
        for n in (4, 3):
            net.step(torch.ones(n, 8), torch.arange(n) % 3)
    for name, parameter in other.named_parameters():
        torch.testing.assert_close(network.get_parameter(name).grad, parameter.grad)


def test_a_network_that_moves_is_compiled_again(network):
    learn(network, 4)
    network.to(torch.float64)
    assert not network._compiled
    network.step(torch.ones(4, 8, dtype=torch.float64), torch.zeros(4, dtype=torch.int64))
    assert network.weights["x -> h1"].grad.dtype == torch.float64


def test_no_recompilation_from_step_to_step(network):
    torch._dynamo.reset()
    counted = CompileCounter()
    network.compile(backend=counted)
    optimizer = torch.optim.SGD(network.parameter_groups(), lr=0.1)
    for _ in range(3):
        learn(network, 4)
        optimizer.step()
    assert counted.frame_count == 1


# -- recorded, as on a GPU ------------------------------------------------------------------------


class Recording(TorchDispatchMode):
    """What a CUDA graph does, on a CPU: operations are noted, and nothing has happened yet."""

    def __init__(self, graph):
        super().__init__()
        self.graph, self.made, self.before = graph, set(), {}

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        for tensor in tree_leaves((args, kwargs)):
            if isinstance(tensor, torch.Tensor) and id(tensor) not in self.made:
                self.before.setdefault(id(tensor), (tensor, tensor.detach().clone()))
        results = operation(*args, **(kwargs or {}))
        self.graph.operations.append((operation, args, kwargs or {}, results))
        self.made |= {id(tensor) for tensor in tree_leaves(results)}
        return results

    def __exit__(self, *error):
        super().__exit__(*error)
        for tensor, value in self.before.values():
            tensor.copy_(value)


class Graph:
    def __init__(self):
        self.operations = []

    def replay(self):
        for operation, args, kwargs, results in self.operations:
            again = tree_leaves(operation(*args, **kwargs))
            for memory, value in zip(tree_leaves(results), again, strict=True):
                if isinstance(memory, torch.Tensor):
                    memory.copy_(value)


@pytest.fixture
def recorder(monkeypatch):
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", Recording)
    monkeypatch.setattr(RateNetwork, "_on_gpu", True)


def trained(rule, mode, steps=5):
    """Weights and running statistics after steps on batches of their own, used in between."""
    net = RateNetwork(parse_rule(rule).wire(parse_circuit("mlp:8-6-5-3,norm=before")), seed=1)
    if mode:
        net.compile(mode=mode)
    optimizer = torch.optim.SGD(net.parameter_groups(), lr=0.1, momentum=0.9)
    generator = torch.Generator().manual_seed(0)
    outputs = []
    for i in range(steps):
        x = torch.randn((4, 8), generator=generator)
        step = net.train().step(x, torch.arange(4) % 3)
        optimizer.step()
        if rule == "wm":
            net.spontaneous_step(4, generator)
            optimizer.step()
        if i % 2:
            outputs.append(net.eval()(x))
        outputs += [step.loss, step.output]
    return net, outputs


@pytest.mark.parametrize("rule", ["kp", "wm"])
def test_a_recorded_network_learns_the_same(rule, recorder, monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda run, **options: run)
    (right, expected), (found, outputs) = trained(rule, None), trained(rule, "reduce-overhead")
    assert found._compiled["step"].graphs[4]._recordings.keys() == {True}
    for a, b in zip(outputs, expected, strict=True):
        torch.testing.assert_close(a, b)
    for name, tensor in right.state_dict().items():
        torch.testing.assert_close(found.state_dict()[name], tensor)


def test_what_moves_is_recorded_again(recorder, monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda run, **options: run)
    net, _ = trained("kp", "reduce-overhead")
    other, _ = trained("kp", None)
    for n in (net, other):
        weights = n.weights["x -> h1"]
        weights.data = torch.full_like(weights, 0.1)
    x = torch.ones(4, 8)
    torch.testing.assert_close(
        net.train().step(x, torch.arange(4) % 3).output,
        other.train().step(x, torch.arange(4) % 3).output,
    )


def test_only_modes_that_say_so_are_recorded():
    for mode, kind in [
        ("reduce-overhead", "default"),
        ("max-autotune", "max-autotune-no-cudagraphs"),
    ]:
        assert CompiledRun(dict, {"mode": mode}, set).options["mode"] == kind
        assert CompiledRun(dict, {"mode": mode}).options["mode"] == mode
    assert CompiledRun(dict, {"mode": "default"}, set).staying is None


@pytest.mark.parametrize("circuit", ["mlp:8-6-5-3", "conv2:1x6x6-3,width=2,hidden=5"])
def test_mirror_compiled(circuit):
    net = RateNetwork(parse_rule("wm").wire(parse_circuit(circuit)), seed=1)
    other = RateNetwork(net.circuit, seed=1)
    other.compile(backend="aot_eager")
    for n in (net, other):
        n.spontaneous_step(16, torch.Generator().manual_seed(0))
    name = "delta_h2 -> delta_h1"
    torch.testing.assert_close(other.weights[name].grad, net.weights[name].grad)
