"""What goes out answers as what came in, under the names that others know."""

import copy
import io
import pickle

import pytest
import torch
from foreign_networks import NETWORKS, Everything, ResNet, batch, made
from torch import nn

from oneway.backends.rate import RateNetwork, export_onnx, from_torch, to_torch
from oneway.circuits import (
    AllToAllConnector,
    FixedProbabilityConnector,
    Wiring,
    WiringError,
    parse_circuit,
)
from oneway.rules import parse_rule


def trained(network, rule="kp", dtype=torch.float32):
    """An imported network after a step of learning."""
    x, y = batch(network, dtype=dtype)
    net = from_torch(made(network, dtype), x, parse_rule(rule))
    net.step(x, y)
    torch.optim.SGD(net.parameter_groups(), lr=0.1).step()
    return net, x


@pytest.mark.parametrize("network", NETWORKS)
def test_it_loads_back_into_its_class(network):
    net, x = trained(network)
    module, own = to_torch(net), network()
    own.load_state_dict(module.state_dict(), strict=True)
    assert module.training
    for each in (net, module, own):
        each.eval()
    expected = net(x)
    assert float((own(x) - expected).detach().abs().max()) < 1e-6
    assert float((module(x) - expected).detach().abs().max()) < 1e-6
    next(module.parameters()).data.zero_()
    assert torch.equal(net(x), expected)  # nothing is shared


def test_the_plain_module_is_a_module_like_others():
    """It is copied, pickled, exported, trained by autograd, and imported again."""
    net, x = trained(ResNet)
    module, expected = to_torch(net).eval(), net.eval()(x)
    kinds = {type(m) for m in module.modules()}
    assert {nn.Conv2d, nn.BatchNorm2d, nn.Linear} <= kinds
    assert type(module.layer2.get_submodule("0").downsample.get_submodule("1")) is nn.BatchNorm2d
    for twin in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert torch.equal(twin(x), module(x))
    torch.testing.assert_close(torch.export.export(module, (x,)).module()(x), module(x))
    torch.testing.assert_close(from_torch(module, x).eval()(x), expected)
    module.train()(x).sum().backward()
    assert all(p.grad is not None for p in module.parameters())


NAMES = {
    "mlp:6-5-4": "h1.weight h1.bias output.weight output.bias",
    "mlp:6-5-4,norm=after": "h1.linear.weight h1.linear.bias h1.norm.running_mean "
    "h1.norm.running_var h1.norm.num_batches_tracked output.weight output.bias",
    "conv2:1x8x8-10,width=3,hidden=5,norm=none": "h1.weight h1.bias h2.weight h2.bias h3.weight "
    "h3.bias output.weight output.bias",
    "alexnet_bn:3x16x16-4,hidden=5": None,
    "resnet18:3x72x72-5,width=2": None,
    "resnet50:3x16x16-5,width=2,norm=after,output_norm=yes": None,
}


@pytest.mark.parametrize("text", NAMES)
def test_builders_circuits_are_plain_modules(text):
    circuit = parse_circuit(text)
    net = RateNetwork(parse_rule("fa").wire(circuit), seed=1)
    x = torch.randn(3, *circuit.inputs[0].shape, generator=torch.Generator().manual_seed(0))
    module = to_torch(net)
    torch.testing.assert_close(module(x).detach(), net(x))  # by the statistics of the batch
    torch.testing.assert_close(module.eval()(x).detach(), net.eval()(x))  # and by those it kept
    if NAMES[text]:
        assert set(module.state_dict()) == set(NAMES[text].split())


def test_residual_nets_are_named_as_torchvision_names_them():
    net = RateNetwork(parse_circuit("resnet18:3x72x72-10,width=2")).eval()
    theirs = ResNet(blocks=(2, 2, 2, 2), width=2)
    theirs.load_state_dict(to_torch(net).state_dict(), strict=True)
    x = torch.randn(2, 3, 72, 72)
    torch.testing.assert_close(theirs.eval()(x).detach(), net(x))


def test_what_torch_has_no_layer_for_is_named():
    wiring = Wiring("sparse")
    x, h = wiring.population("x", (4,)), wiring.population("h", (4,), activation="relu")
    wiring.connect(x, h, FixedProbabilityConnector(0.5))
    wiring.connect(h, wiring.population("output", (2,)), AllToAllConnector())
    with pytest.raises(WiringError, match=r"'x -> h' .*: torch has no plain layer for FixedProb"):
        to_torch(RateNetwork(wiring.build()))
    noisy = parse_rule("wm,engaged=baseline,baseline=0.5").wire(parse_circuit("mlp:4-3-2"))
    with pytest.raises(WiringError, match=r"deviation of its cells from a baseline of 0.5"):
        to_torch(RateNetwork(noisy))


def test_onnx_takes_any_batch(tmp_path):
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    net, _ = trained(Everything)
    path = export_onnx(net, tmp_path / "net.onnx")
    assert net.training and [file.name for file in tmp_path.iterdir()] == ["net.onnx"]
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for n in (1, 7):
        x, _ = batch(Everything, n, torch.float32, seed=n)
        (found,) = session.run(None, {"x": x.numpy()})
        assert float((torch.from_numpy(found) - net.eval()(x)).abs().max()) < 1e-6


def test_onnx_needs_its_extra_and_a_folder(tmp_path, monkeypatch):
    from oneway.backends.rate.exchange import onnx

    net = RateNetwork(parse_circuit("mlp:4-3-2"))
    monkeypatch.setattr(onnx, "find_spec", lambda name: None)
    with pytest.raises(WiringError, match=r'not installed: pip install "oneway\[onnx\]"'):
        export_onnx(net, tmp_path / "net.onnx")
    monkeypatch.setattr(onnx, "find_spec", lambda name: name)
    with pytest.raises(WiringError, match="nowhere' does not exist; make it"):
        export_onnx(net, tmp_path / "nowhere/net.onnx")


def test_a_network_is_saved_whole_after_a_step():
    net, x = trained(ResNet)
    net.eval()(x)
    file = io.BytesIO()
    torch.save(net, file)
    file.seek(0)
    again = torch.load(file, weights_only=False)
    assert torch.equal(again(x), net(x)) and again.names == net.names
    assert again.state_dict().keys() == net.state_dict().keys()
