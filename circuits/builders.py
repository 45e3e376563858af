"""Forward circuits by name: `mlp`, `conv2`, `alexnet`, `alexnet_bn`, `resnet18/34/50`.

Builders make forward circuits only; a rule adds the feedback path. A builder string such as
``resnet18:3x32x32-10,width=16,init=kaiming_normal`` names one on the command line.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_type_hints

from .circuit import Circuit
from .connectors import (
    AllToAllConnector,
    AveragePoolConnector,
    Connector,
    Conv2dConnector,
    MaxPoolConnector,
    OneToOneConnector,
    Shape,
)
from .elements import BatchNorm, Draw, Population, Weights
from .errors import WiringError
from .options import Options, as_text, join, split
from .wiring import Wiring

Norm = Literal["before", "after", "none"]


@dataclass
class _Layers:
    """Adds layers that share φ and the place of normalisation."""

    wiring: Wiring
    activation: str = "relu"
    norm: Norm = "before"
    init: Draw = "kaiming_uniform"

    def cells(self, name: str, shape: Shape) -> Population:
        """Hidden cells; their bias is the shift of the norm where they have one."""
        return self.wiring.population(
            name,
            shape,
            activation=self.activation,
            bias=self.norm != "before",
            norm=BatchNorm(affine=False) if self.norm == "after" else None,
        )

    def drive(
        self, pre: Population, post: Population, connector: Connector, norm: BatchNorm | None
    ) -> None:
        weights, error_norm = Weights(start=self.init), "full" if norm else "none"
        self.wiring.connect(pre, post, connector, weights=weights, norm=norm, error_norm=error_norm)

    @property
    def norm_before(self) -> BatchNorm | None:
        return BatchNorm() if self.norm == "before" else None

    def conv(
        self,
        pre: Population,
        name: str,
        channels: int,
        kernel: int,
        stride: int = 1,
        padding: int | None = None,
    ):
        padding = kernel // 2 if padding is None else padding
        connector = Conv2dConnector(channels, kernel, stride=stride, padding=padding)
        self._check(pre, name, connector)
        post = self.cells(name, connector.output_shape(pre.shape))
        self.drive(pre, post, connector, self.norm_before)
        return post

    def pool(self, pre: Population, name: str, connector: MaxPoolConnector | AveragePoolConnector):
        self._check(pre, name, connector)
        post = self.wiring.population(name, connector.output_shape(pre.shape))
        self.wiring.connect(pre, post, connector)
        return post

    def _check(self, pre: Population, name: str, connector) -> None:
        if min(pre.shape[1:]) + 2 * connector.padding < connector.kernel:
            raise WiringError(
                f"{name!r}: the image has shrunk to {pre.shape} after {pre.name!r}, too small for "
                f"a {connector.kernel}x{connector.kernel} window. Use a larger input"
            )

    def dense(self, pre: Population, name: str, n: int) -> Population:
        post = self.cells(name, (n,))
        self.drive(pre, post, AllToAllConnector(), self.norm_before)
        return post

    def output(self, pre: Population, n: int, normalised: bool = False) -> Circuit:
        post = self.wiring.population("output", (n,), bias=not normalised)
        self.drive(pre, post, AllToAllConnector(), BatchNorm() if normalised else None)
        return self.wiring.build()


def mlp(
    sizes: Sequence[int],
    activation: str = "relu",
    norm: Norm = "none",
    init: Draw = "kaiming_uniform",
) -> Circuit:
    """Fully connected network.

    Parameters
    ----------
    sizes : sequence of int
        Input, hidden and output sizes: ``(64, 32, 32, 10)``.
    activation : str
        φ of the hidden cells.
    norm : {"none", "before", "after"}
        Batch normalisation of hidden cells, before or after φ.
    init : str
        Scheme by which all weights are drawn; see `Weights` (its `start`).

    Examples
    --------
    >>> from oneway.circuits import mlp
    >>> list(mlp((64, 32, 32, 10)).populations)
    ['x', 'h1', 'h2', 'output']
    """
    if len(sizes) < 2:
        raise WiringError(f"mlp needs input and output sizes, got {tuple(sizes)}")
    size = "-".join(map(str, sizes))
    name = _builder_string("mlp", size, activation=activation, norm=norm, init=init)
    layers = _Layers(Wiring(name), activation, norm, init)
    cells = layers.wiring.population("x", (sizes[0],))
    for i, n in enumerate(sizes[1:-1], start=1):
        cells = layers.dense(cells, f"h{i}", n)
    return layers.output(cells, sizes[-1])


def conv2(
    shape: Shape = (3, 32, 32),
    classes: int = 10,
    width: int = 32,
    hidden: int = 128,
    activation: str = "relu",
    norm: Norm = "before",
    init: Draw = "kaiming_uniform",
    padding: int = 1,
) -> Circuit:
    """Two 3×3 convolutions and two dense layers (direct Kolen-Pollack paper, Table 3).

    That table's Linear(6272, 128) fits 28×28 images, or 32×32 without `padding`; other sizes give
    other input widths.
    """
    layers, cells = _start("conv2", **locals())
    cells = layers.conv(cells, "h1", width, 3, padding=padding)
    cells = layers.conv(cells, "h2", width, 3, padding=padding)
    cells = layers.pool(cells, "pool", MaxPoolConnector(2))
    cells = layers.dense(cells, "h3", hidden)
    return layers.output(cells, classes)


def alexnet(
    shape: Shape = (3, 32, 32),
    classes: int = 10,
    width: int = 64,
    hidden: int = 1024,
    activation: str = "relu",
    norm: Norm = "before",
    output_norm: bool = False,
    init: Draw = "kaiming_uniform",
) -> Circuit:
    """The small AlexNet of the ASAP experiments.

    Three 5×5 convolutions of `width`, 2·`width` and 4·`width` channels, each with batch norm, ReLU
    and 2×2 max-pool, then two dense layers of `hidden` cells with batch norm and ReLU.
    `output_norm` puts batch norm on the logits, as the published code does. A pool pads odd sides,
    so that no pixel is left out: of 28 pixels 14, 7 and 4 remain, as with that code's ceil mode.
    """
    layers, cells = _start("alexnet", **locals())
    for i, channels in enumerate((width, 2 * width, 4 * width), start=1):
        cells = layers.conv(cells, f"h{i}", channels, 5)
        rows, columns = cells.shape[1:]
        cells = layers.pool(cells, f"pool{i}", MaxPoolConnector(2, padding=(rows % 2, columns % 2)))
    cells = layers.dense(cells, "h4", hidden)
    cells = layers.dense(cells, "h5", hidden)
    return layers.output(cells, classes, output_norm)


def alexnet_bn(
    shape: Shape = (3, 64, 64),
    classes: int = 200,
    hidden: int = 4096,
    activation: str = "relu",
    norm: Norm = "before",
    init: Draw = "kaiming_uniform",
) -> Circuit:
    """AlexNet with batch norm after every hidden layer (sign-symmetry and direct Kolen-Pollack).

    Channels 64-192-384-256-256 as the single-GPU AlexNet has them. The papers do not say how
    they fit it to small images; here the first convolution is 11×11 stride 4 (padded by 2, as in
    the code of both) from 128 pixels on, 5×5 stride 2 from 64 on and 3×3 stride 1 below.
    """
    layers, cells = _start("alexnet_bn", **locals())
    pixels = min(shape[1:])
    first = (11, 4, 2) if pixels >= 128 else (5, 2, 2) if pixels >= 64 else (3, 1, 1)
    cells = layers.conv(cells, "h1", 64, *first)
    cells = layers.pool(cells, "pool1", MaxPoolConnector(3, 2))
    cells = layers.conv(cells, "h2", 192, 5)
    cells = layers.pool(cells, "pool2", MaxPoolConnector(3, 2))
    for i, channels in enumerate((384, 256, 256), start=3):
        cells = layers.conv(cells, f"h{i}", channels, 3)
    cells = layers.pool(cells, "pool3", MaxPoolConnector(3, 2))
    cells = layers.dense(cells, "h6", hidden)
    cells = layers.dense(cells, "h7", hidden)
    return layers.output(cells, classes)


def resnet18(shape: Shape = (3, 32, 32), classes: int = 10, **options: Any) -> Circuit:
    """ResNet-18; see `resnet`."""
    return resnet("resnet18", (2, 2, 2, 2), False, shape, classes, **options)


def resnet34(shape: Shape = (3, 32, 32), classes: int = 10, **options: Any) -> Circuit:
    """ResNet-34; see `resnet`."""
    return resnet("resnet34", (3, 4, 6, 3), False, shape, classes, **options)


def resnet50(shape: Shape = (3, 32, 32), classes: int = 10, **options: Any) -> Circuit:
    """ResNet-50; see `resnet`."""
    return resnet("resnet50", (3, 4, 6, 3), True, shape, classes, **options)


def resnet(
    name: str,
    blocks: Sequence[int],
    bottleneck: bool,
    shape: Shape,
    classes: int,
    width: int = 64,
    shortcut: bool = True,
    activation: str = "relu",
    norm: Norm = "before",
    output_norm: bool = False,
    init: Draw = "kaiming_uniform",
) -> Circuit:
    """Deep residual network (He et al. 2016).

    Parameters
    ----------
    blocks : four ints
        Residual blocks in each stage.
    bottleneck : bool
        1×1, 3×3, 1×1 blocks with four times as many output channels, instead of two 3×3.
    shape, classes
        Images above 64 pixels get the 7×7 stride-2 stem and max-pool, smaller ones a 3×3 stem.
    width : int
        Channels of the first stage.
    shortcut : bool
        False leaves out every shortcut.
    norm : {"before", "after", "none"}
        Batch norm between weights and φ, or after φ (weight-mirror paper), or nowhere.
    output_norm : bool
        Batch norm on the logits (published ASAP code).
    init : str
        Scheme by which all weights are drawn; see `Weights` (its `start`).
    """
    layers, cells = _start(**locals())
    if min(shape[1:]) > 64:
        cells = layers.conv(cells, "stem", width, 7, 2)
        cells = layers.pool(cells, "stem_pool", MaxPoolConnector(3, 2, 1))
    else:
        cells = layers.conv(cells, "stem", width, 3)
    places = [(stage, i) for stage, n_blocks in enumerate(blocks) for i in range(n_blocks)]
    for number, (stage, i) in enumerate(places, start=1):
        stride = 2 if stage > 0 and i == 0 else 1
        how = (width * 2**stage, stride, bottleneck, shortcut)
        cells = _residual_block(layers, cells, f"block{number}", *how)
    if cells.shape[1] != cells.shape[2]:
        raise WiringError(f"{name}: needs a square image, got {shape}")
    cells = layers.pool(cells, "pool", AveragePoolConnector(cells.shape[1]))
    return layers.output(cells, classes, output_norm)


def _residual_block(
    layers: _Layers,
    pre: Population,
    name: str,
    channels: int,
    stride: int,
    bottleneck: bool,
    shortcut: bool,
) -> Population:
    if bottleneck:
        inner = layers.conv(pre, f"{name}_a", channels, 1)
        inner = layers.conv(inner, f"{name}_b", channels, 3, stride)
        last, out_channels = Conv2dConnector(4 * channels, 1), 4 * channels
    else:
        inner = layers.conv(pre, f"{name}_a", channels, 3, stride)
        last, out_channels = Conv2dConnector(channels, 3, padding=1), channels
    post = layers.cells(name, (out_channels, *inner.shape[1:]))
    layers.drive(inner, post, last, layers.norm_before)
    if shortcut and pre.shape == post.shape:
        layers.wiring.connect(pre, post, OneToOneConnector())
    elif shortcut:
        layers.drive(pre, post, Conv2dConnector(out_channels, 1, stride=stride), layers.norm_before)
    return post


def _start(
    name: str, *, shape: Shape, classes: int, activation: str, norm: Norm, init: Draw, **others: Any
) -> tuple[_Layers, Population]:
    """A wiring named like the builder string that makes it, and its input; takes all parameters."""
    if len(shape) != 3:
        raise WiringError(f"{name} needs an image shape (C, H, W), got {shape}")
    size = "x".join(map(str, shape)) + f"-{classes}"
    text = _builder_string(name, size, **others, norm=norm, activation=activation, init=init)
    layers = _Layers(Wiring(text), activation, norm, init)
    return layers, layers.wiring.population("x", shape)


def _builder_string(name: str, size: str, **parameters: Any) -> str:
    """The string that builds the circuit again: its size and what differs from the defaults."""
    known, defaults = _options(name), inspect.signature(_source(name)).parameters
    options = {key: value for key, value in parameters.items() if key in known.kinds}
    known.check(options)
    changed = [f"{k}={as_text(v)}" for k, v in options.items() if v != defaults[k].default]
    return join([f"{name}:{size}", *changed])


BUILDERS: dict[str, Callable[..., Circuit]] = {
    builder.__name__: builder
    for builder in (mlp, conv2, alexnet, alexnet_bn, resnet18, resnet34, resnet50)
}


def parse_circuit(text: str) -> Circuit:
    """Build the forward circuit that a builder string names.

    Parameters
    ----------
    text : str
        ``mlp:64-32-32-10``, ``resnet18:3x32x32-10,width=16,shortcut=no``, ``resnet34``.

    Raises
    ------
    WiringError
        The builder, its size or an option is not understood.

    Examples
    --------
    >>> from oneway.circuits import parse_circuit
    >>> parse_circuit("conv2:1x28x28-10").output.shape
    (10,)
    """
    head, *options = split(text)
    name, _, size = head.partition(":")
    if name not in BUILDERS:
        raise WiringError(f"no builder {name!r}; there are {', '.join(BUILDERS)}")
    return BUILDERS[name](**_parse_size(name, size), **_options(name).parse(options))


def _parse_size(name: str, size: str) -> dict[str, Any]:
    try:
        if name == "mlp":
            return {"sizes": tuple(int(n) for n in size.split("-"))}
        if not size:
            return {}
        shape, classes = size.split("-")
        channels, rows, columns = (int(n) for n in shape.split("x"))
        return {"shape": (channels, rows, columns), "classes": int(classes)}
    except ValueError as error:
        expected = "64-32-32-10" if name == "mlp" else "3x32x32-10 (image, then classes)"
        raise WiringError(f"size {size!r} of {name}: expected the form {expected}") from error


def _options(name: str) -> Options:
    kinds = get_type_hints(_source(name))
    size = ("name", "sizes", "shape", "classes", "blocks", "bottleneck", "return")
    return Options(name, {key: kind for key, kind in kinds.items() if key not in size})


def _source(name: str) -> Callable[..., Circuit]:
    """The function whose parameters are a builder's options."""
    return resnet if name.startswith("resnet") else BUILDERS[name]
