"""Builders: shapes, sizes, parameter counts against torch, builder strings and their errors."""

import pytest
import torch
from strategies import ALL_TO_ALL
from torch import nn

from oneway.circuits import (
    BUILDERS,
    BatchNorm,
    Conv2dConnector,
    MaxPoolConnector,
    Wiring,
    WiringError,
    alexnet,
    alexnet_bn,
    conv2,
    mlp,
    parse_circuit,
    resnet18,
    resnet34,
    resnet50,
)
from oneway.circuits.summary import count_totals

RESNETS = {
    "resnet18": (resnet18, (2, 2, 2, 2), False),
    "resnet34": (resnet34, (3, 4, 6, 3), False),
    "resnet50": (resnet50, (3, 4, 6, 3), True),
}


def convolutions(circuit):
    return [p for p in circuit.projections.values() if isinstance(p.connector, Conv2dConnector)]


def shapes(circuit):
    return {name: population.shape for name, population in circuit.populations.items()}


def torch_resnet(blocks, bottleneck, classes):
    """He et al. 2016, Table 1, with the 3x3 stem for small images: layers only, for counting."""
    layers = nn.ModuleList()

    def conv_bn(before, after, kernel):
        layers.extend([nn.Conv2d(before, after, kernel, bias=False), nn.BatchNorm2d(after)])

    conv_bn(3, 64, 3)
    channels = 64
    for stage, n_blocks in enumerate(blocks):
        inner = 64 * 2**stage
        outer = 4 * inner if bottleneck else inner
        for _ in range(n_blocks):
            kernels = [(inner, 1), (inner, 3), (outer, 1)] if bottleneck else [(inner, 3)] * 2
            before = channels
            for after, kernel in kernels:
                conv_bn(before, after, kernel)
                before = after
            if channels != outer:
                conv_bn(channels, outer, 1)
            channels = outer
    layers.append(nn.Linear(channels, classes))
    return layers


@pytest.mark.parametrize("name", RESNETS)
@pytest.mark.parametrize("classes", [10, 200])
def test_resnet_has_as_many_parameters_as_torchs_layers(name, classes):
    builder, blocks, bottleneck = RESNETS[name]
    reference = torch_resnet(blocks, bottleneck, classes)
    expected = sum(p.numel() for p in reference.parameters())
    assert count_totals(builder(classes=classes)).parameters == expected


@pytest.mark.parametrize("name", RESNETS)
def test_resnet_layers_without_shortcuts(name):
    """The number in the name counts weight layers, shortcuts apart."""
    plain = RESNETS[name][0](shortcut=False)
    assert len(convolutions(plain)) + 1 == int(name.removeprefix("resnet"))
    assert all(len(list(plain.select(post=p))) <= 1 for p in plain.populations)
    assert list(RESNETS[name][0]().populations) == list(plain.populations)


def test_resnet_shapes():
    small, large = resnet18((3, 32, 32)), resnet18((3, 224, 224), 1000)
    assert shapes(small)["stem"] == (64, 32, 32)
    assert shapes(small)["block8"] == (512, 4, 4)
    assert shapes(small)["pool"] == (512, 1, 1)
    assert shapes(large)["stem_pool"] == (64, 56, 56)
    assert shapes(large)["block8"] == (512, 7, 7)
    assert shapes(resnet50())["block16"] == (2048, 4, 4)


def test_mlp():
    circuit = mlp((64, 32, 16, 10), activation="tanh")
    assert list(circuit.projections) == ["x -> h1", "h1 -> h2", "h2 -> output"]
    assert [p.activation for p in circuit.populations.values()] == [
        *("linear", "tanh", "tanh", "linear")
    ]
    assert count_totals(circuit).parameters == 64 * 32 + 32 + 32 * 16 + 16 + 16 * 10 + 10


def test_image_builders():
    assert conv2((1, 28, 28)).projections["pool -> h3"].connector.weight_shape(
        (32, 14, 14), (128,)
    ) == (128, 6272)  # the table's Linear(6272, 128)
    assert shapes(conv2(padding=0))["pool"] == (32, 14, 14)  # 6272 of 32 pixels
    assert shapes(alexnet())["pool3"] == (256, 4, 4)
    assert [c.connector.channels for c in convolutions(alexnet())] == [64, 128, 256]
    assert [c.connector.channels for c in convolutions(alexnet_bn())] == [64, 192, 384, 256, 256]
    assert alexnet_bn((3, 224, 224)).output.shape == (200,)


def windows(circuit):
    """(kernel, stride, padding) of convolutions and pools, in order."""
    found = [p.connector for p in circuit.projections.values() if hasattr(p.connector, "kernel")]
    return [(c.kernel, c.stride, c.padding) for c in found]


def test_windows_and_dense_layers_of_image_builders():
    same5, same3, halves, thirds = (5, 1, 2), (3, 1, 1), (2, 2, 0), (3, 2, 0)
    assert windows(conv2()) == [same3, same3, halves]
    assert windows(conv2(padding=0)) == [(3, 1, 0), (3, 1, 0), halves]
    assert windows(alexnet()) == [same5, halves] * 3
    dense = [shapes(alexnet())[name] for name in ("h4", "h5")]
    dense += [shapes(alexnet_bn())[name] for name in ("h6", "h7")]
    assert dense == [(1024,), (1024,), (4096,), (4096,)]
    # Of the larger image side first: the smaller one counts.
    firsts = {128: (11, 4, 2), 127: (5, 2, 2), 64: (5, 2, 2), 63: (3, 1, 1)}
    for pixels, first in firsts.items():
        rest = [thirds, same5, thirds, same3, same3, same3, thirds]
        assert windows(alexnet_bn((3, 130, pixels))) == [first, *rest]


def test_alexnets_are_those_of_the_published_code():
    """ASAP: batch norm on all layers, Linear(4096, 1024) behind pools in ceil mode, for MNIST too.
    The other one at 224 pixels: the shapes behind its pools, as direct Kolen-Pollack's code states
    them, and Linear(256 · 6 · 6, 4096)."""
    for text in ("alexnet:1x28x28-10,output_norm=yes", "alexnet:3x32x32-10,output_norm=yes"):
        circuit = parse_circuit(text)
        weighted = [p for p in circuit.projections.values() if p.weights]
        assert len(weighted) == 6 and all(p.norm == BatchNorm() for p in weighted)
        ceil = torch.nn.MaxPool2d(2, 2, ceil_mode=True)
        image = torch.zeros(1, *circuit.inputs[0].shape[1:])
        assert shapes(circuit)["pool3"] == (256, *ceil(ceil(ceil(image))).shape[1:])
        assert circuit.populations["pool3"].size == 4096
    large = shapes(alexnet_bn((3, 224, 224), 1000))
    behind = [(64, 27, 27), (192, 13, 13), (256, 6, 6)]
    assert [large[f"pool{i}"] for i in (1, 2, 3)] == behind


def test_norm_lies_before_or_after_phi_or_nowhere():
    before, after, none = (conv2(norm=norm) for norm in ("before", "after", "none"))
    assert before.projections["x -> h1"].norm and not before.populations["h1"].norm
    assert after.populations["h1"].norm and not after.projections["x -> h1"].norm
    assert not none.projections["x -> h1"].norm and not none.populations["h1"].norm
    # A bias before batch norm would be subtracted again.
    biased = [circuit.populations["h1"].bias for circuit in (before, after, none)]
    assert biased == [False, True, True]


@pytest.mark.parametrize(
    "text",
    [
        *("mlp:64-32-32-10", "conv2:1x28x28-10", "alexnet:3x32x32-100", "alexnet_bn:3x64x64-200"),
        *("resnet18:3x32x32-10,width=16,shortcut=no", "resnet34", "resnet50:1x40x40-7,norm=after"),
    ],
)
def test_a_circuit_is_named_like_its_builder_string(text):
    circuit = parse_circuit(text)
    assert parse_circuit(circuit.name) == circuit


@pytest.mark.parametrize(
    "text",
    [
        "mlp:4-3-2,activation=tanh",
        "mlp:4-3-2,norm=after",
        "conv2:1x8x8-3,width=4,hidden=5,padding=0",
        "alexnet:1x8x8-3,width=2,hidden=5,output_norm=yes",
        "alexnet_bn:1x16x16-3,hidden=6",
        "resnet18:1x8x8-3,width=2,output_norm=yes",
    ],
)
def test_the_name_tells_every_option(text):
    circuit = parse_circuit(text)
    assert parse_circuit(circuit.name) == circuit


def test_options_have_the_type_of_their_default():
    circuit = parse_circuit("resnet18:1x8x8-3,width=4,shortcut=False,activation=tanh")
    assert circuit == resnet18((1, 8, 8), 3, width=4, shortcut=False, activation="tanh")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lenet:3x32x32-10", "no builder 'lenet'; there are mlp, conv2"),
        ("mlp", r"size '' of mlp: expected the form 64-32-32-10"),
        ("mlp:64", r"mlp needs input and output sizes, got \(64,\)"),
        ("mlp:64-0-10", r"population 'h1': shape \(0,\)"),
        ("resnet18:32x32-10", r"size '32x32-10' of resnet18: expected the form 3x32x32-10"),
        ("resnet18:3x32x32", "expected the form 3x32x32-10"),
        ("resnet18:3x32x32-10,wide=3", "resnet18: no option 'wide'; did you mean 'width'?"),
        ("mlp:4-3,x=1", "mlp: no option 'x'; there are activation, norm"),
        ("resnet18:3x32x32-10,width", "'width', expected key=value"),
        ("resnet18:3x32x32-10,width=4,width=8", "option 'width' is given twice"),
        ("resnet18:3x32x32-10,width=x", "width = 'x', expected a whole number"),
        ("resnet18:3x32x32-10,shortcut=maybe", "shortcut = 'maybe', expected yes or no"),
        ("resnet18:3x32x32-10,norm=layer", "norm = 'layer', expected one of before, after, none"),
        ("conv2:3x32x32-10,activation=swash", "activation 'swash', expected one of linear, relu"),
        ("alexnet_bn:3x4x4-10", r"'pool2': the image has shrunk to \(192, 1, 1\) after 'h2'.*3x3"),
        ("resnet18:3x32x48-10", r"resnet18: needs a square image, got \(3, 32, 48\)"),
    ],
)
def test_bad_builder_strings(text, message):
    with pytest.raises(WiringError, match=message):
        parse_circuit(text)


def test_options_given_in_python_are_checked_too():
    with pytest.raises(WiringError, match="conv2: norm = 'layer', expected one of before, after"):
        conv2(norm="layer")
    with pytest.raises(WiringError, match=r"resnet18: width = 4.5, expected a whole number"):
        resnet18(width=4.5)


def test_dense_shape_for_an_image_builder():
    with pytest.raises(WiringError, match=r"conv2 needs an image shape \(C, H, W\), got \(784,\)"):
        conv2((784,))


@pytest.mark.parametrize("name", BUILDERS)
def test_every_weight_is_drawn_by_the_scheme_that_is_named(name):
    text = f"{name}:{'4-3-2' if name == 'mlp' else '3x64x64-10'},init=kaiming_normal_fan_out"
    circuit = parse_circuit(text)
    assert circuit.name == text
    weights = [p.weights for p in circuit.select(role="drive") if p.weights]
    assert len(weights) >= 2 and {w.start for w in weights} == {"kaiming_normal_fan_out"}


def test_every_builder_makes_forward_circuits_only():
    for name, builder in BUILDERS.items():
        circuit = builder((4, 3, 2)) if name == "mlp" else builder()
        assert {p.path for p in circuit.populations.values()} == {"forward"}
        assert {p.role for p in circuit.projections.values()} == {"drive"}
        assert [p.name for p in circuit.inputs] == ["x"]


def test_free_form_circuit_in_a_few_lines():
    """Two branches of an image, merged: no builder knows it."""
    net = Wiring("two branches")
    x = net.population("x", (1, 8, 8))
    fine = net.population("fine", (4, 8, 8), activation="relu", bias=True)
    coarse = net.population("coarse", (4, 4, 4), activation="tanh")
    pooled = net.population("pooled", (4, 4, 4))
    y = net.population("y", (3,), bias=True)
    net.connect(x, fine, Conv2dConnector(4, 3, padding=1))
    net.connect(x, coarse, Conv2dConnector(4, 2, stride=2))
    net.connect(fine, pooled, MaxPoolConnector(2))
    net.connect(coarse, pooled)
    net.connect(pooled, y, ALL_TO_ALL)
    circuit = net.build()
    assert circuit.output.name == "y"
    assert [p.pre for p in circuit.select(post="pooled")] == ["fine", "coarse"]


@pytest.mark.parametrize(
    ("net", "options"),
    [
        ("mlp:4-2", "activation, norm, init"),
        ("alexnet", "width, hidden, activation, norm, output_norm, init"),
        ("resnet50", "width, shortcut, activation, norm, output_norm, init"),
    ],
)
def test_options_of_a_builder_are_what_is_no_size(net, options):
    with pytest.raises(WiringError, match=f"no option 'zzz'; there are {options}$"):
        parse_circuit(f"{net},zzz=1")
