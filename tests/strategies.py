"""Hypothesis strategies: connectors that fit, and small forward circuits of every kind.

All shapes are tiny, so that neuron pairs can be listed and float64 gradients computed in
milliseconds: at most 4 channels, 7 pixels a side, 8 dense cells.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import prod
from typing import NamedTuple

from hypothesis import assume
from hypothesis import strategies as st

from oneway.circuits import (
    ACTIVATIONS,
    AllToAllConnector,
    AveragePoolConnector,
    BatchNorm,
    Circuit,
    Connector,
    Conv2dConnector,
    FixedProbabilityConnector,
    FromListConnector,
    MatchConnector,
    MaxPoolConnector,
    OneToOneConnector,
    Pixels,
    Population,
    ReshapeConnector,
    Shape,
    Wiring,
    both,
)

NORMED = (
    AllToAllConnector
    | Conv2dConnector
    | FixedProbabilityConnector
    | FromListConnector
    | OneToOneConnector
)
MAX_CELLS, MAX_CHANNELS, MAX_PIXELS = 8, 4, 7

dense_shapes = st.tuples(st.integers(1, MAX_CELLS))
image_shapes = st.tuples(
    st.integers(1, MAX_CHANNELS), st.integers(1, MAX_PIXELS), st.integers(1, MAX_PIXELS)
)
shapes = dense_shapes | image_shapes
weights = st.floats(-2, 2, allow_nan=False, width=32)


class Fit(NamedTuple):
    """A connector and two shapes that it joins."""

    pre: Shape
    post: Shape
    connector: Connector


# -- connectors that fit a presynaptic shape -----------------------------------------------


@st.composite
def _windows(draw, pre: Shape, pool: bool, dilation: Pixels = 1) -> tuple[Pixels, ...]:
    """Kernel, stride and padding that leave at least one window; overlapping, oblong ones too."""
    rows, columns = (_window(n, pool, d) for n, d in zip(pre[1:], both(dilation), strict=True))
    if draw(st.booleans()):
        return tuple(zip(draw(rows), draw(columns), strict=True))
    return draw(_window(min(pre[1:]), pool, max(both(dilation))))


@st.composite
def _window(draw, pixels: int, pool: bool, dilation: int) -> tuple[int, int, int]:
    """The same along one axis."""
    kernel = draw(st.sampled_from((2, 3, 1)))
    stride = draw(st.integers(1, 3))
    span = dilation * (kernel - 1) + 1
    least = max(0, (span - pixels + 1) // 2)
    padding = draw(st.integers(least, kernel // 2 if pool else span - 1))
    return kernel, stride, padding


@st.composite
def convolutions(draw, pre: Shape) -> Conv2dConnector:
    """Convolutions of an image, grouped, depthwise and dilated ones too."""
    dilation = draw(st.sampled_from((1, 1, 2, 3, (2, 1))))
    window = draw(_windows(pre, pool=False, dilation=dilation))
    groups = draw(st.sampled_from([n for n in range(1, pre[0] + 1) if pre[0] % n == 0]))
    channels = groups * draw(st.integers(1, max(1, MAX_CHANNELS // groups)))
    return Conv2dConnector(channels, *window, groups, dilation)


@st.composite
def pools(draw, pre: Shape) -> MaxPoolConnector | AveragePoolConnector:
    """Max and average pools of an image, with overlap and padding."""
    kind = draw(st.sampled_from((MaxPoolConnector, AveragePoolConnector)))
    return kind(*draw(_windows(pre, pool=True)))


@st.composite
def sparse_connectors(draw, n_pre: int, n_post: int) -> Connector:
    """Random draws and lists, with and without start weights and multapses; never empty."""
    if draw(st.booleans()):
        connector = FixedProbabilityConnector(
            draw(st.sampled_from((0.3, 0.6, 1.0))), draw(st.integers(0, 99))
        )
        assume(len(connector.pairs((n_pre,), (n_post,))))
        return connector
    columns = [st.integers(0, n_pre - 1), st.integers(0, n_post - 1)]
    columns += [weights] if draw(st.booleans()) else []
    return FromListConnector(draw(st.lists(st.tuples(*columns), min_size=1, max_size=12)))


@st.composite
def matches(draw) -> Fit:
    """Integer ratios: channels repeated, space pooled, one dense axis either way."""
    if draw(st.booleans()):
        few, ratio = draw(st.integers(1, 4)), draw(st.integers(1, 3))
        pre, post = draw(st.permutations([(few,), (few * ratio,)]))
        return Fit(pre, post, MatchConnector())
    channels, rows, columns = (draw(st.integers(1, 3)) for _ in range(3))
    repeat, by_row, by_column = (draw(st.integers(1, 2)) for _ in range(3))
    pre = (channels, rows * by_row, columns * by_column)
    return Fit(pre, (channels * repeat, rows, columns), MatchConnector())


@st.composite
def fits(draw, kinds=("dense", "image", "sparse", "match")) -> Fit:
    """Any connector with shapes that it fits."""
    kind = draw(st.sampled_from(kinds))
    if kind == "match":
        return draw(matches())
    if kind == "image":
        pre = draw(image_shapes)
        connector = draw(convolutions(pre) | pools(pre))
        return Fit(pre, connector.output_shape(pre), connector)
    pre, post = draw(shapes), draw(shapes)
    if kind == "dense":
        one_to_one = draw(st.booleans())
        return Fit(pre, pre, OneToOneConnector()) if one_to_one else Fit(pre, post, ALL_TO_ALL)
    pre, post = draw(dense_shapes), draw(dense_shapes)
    return Fit(pre, post, draw(sparse_connectors(pre[0], post[0])))


ALL_TO_ALL = AllToAllConnector()


# -- forward circuits ----------------------------------------------------------------------

batch_norms = st.builds(
    BatchNorm,
    eps=st.sampled_from((1e-5, 1e-3)),
    momentum=st.sampled_from((0.1, 0.3)),
    affine=st.booleans(),
)
# After φ there is no gain or shift: the weights that follow take their part.
norms_after_phi = batch_norms.map(lambda norm: replace(norm, affine=False))


@dataclass
class _Growing:
    """A circuit that grows by one population at a time."""

    draw: st.DrawFn
    norms: bool
    wiring: Wiring = field(default_factory=lambda: Wiring("random"))

    def grow(self, number: int, pre: Population) -> Population:
        """One more population after `pre`, and shortcuts from earlier ones."""
        connector, shape = self.draw(_onward(pre.shape))
        earlier = list(self.wiring.populations.values())
        post = self.wiring.population(
            f"h{number}",
            shape,
            activation=self.draw(st.sampled_from(ACTIVATIONS)),
            bias=self.draw(st.booleans()),
            norm=self.draw(st.none() | norms_after_phi) if self.norms else None,
        )
        self.drive(pre, post, connector)
        for i in range(self.draw(st.sampled_from((0, 0, 1, 2)))):
            source = self.draw(st.sampled_from(earlier))
            self.drive(source, post, self.draw(_to_shape(source.shape, shape)), f"shortcut {i}")
        return post

    def drive(self, pre: Population, post: Population, connector: Connector, name: str = ""):
        """A drive, normalised perhaps; several may join the same two populations."""
        name = f"{pre.name} -> {post.name}" + (f" {name}" if name else "")
        normal = self.norms and isinstance(connector, NORMED)
        norm = self.draw(st.none() | batch_norms) if normal else None
        error_norm = "full" if norm else "none"
        self.wiring.connect(pre, post, connector, name=name, norm=norm, error_norm=error_norm)

    def close(self, n_classes: int) -> Circuit:
        """Every loose end drives the one output."""
        driving = {p.pre for p in self.wiring.projections.values()}
        ends = [p for p in self.wiring.populations.values() if p.name not in driving]
        output = self.wiring.population("output", (n_classes,), bias=self.draw(st.booleans()))
        for end in ends:
            self.drive(end, output, ALL_TO_ALL)
        return self.wiring.build()


@st.composite
def _onward(draw, pre: Shape) -> tuple[Connector, Shape]:
    """A connector from `pre` to a new population, and that population's shape."""
    of_image = ("conv", "pool", "conv", "pool", "conv", "same", "dense")
    of_dense = ("dense", "sparse", "same")
    kind = draw(st.sampled_from(of_image if len(pre) == 3 else of_dense))
    if kind in ("conv", "pool"):
        connector = draw(convolutions(pre) if kind == "conv" else pools(pre))
        shape = connector.output_shape(pre)
        assume(max(shape[1:]) <= MAX_PIXELS)  # padding can enlarge
        return connector, shape
    if kind == "same":
        return OneToOneConnector(), pre
    post = draw(dense_shapes)
    return (draw(sparse_connectors(pre[0], post[0])) if kind == "sparse" else ALL_TO_ALL), post


@st.composite
def _to_shape(draw, pre: Shape, post: Shape) -> Connector:
    """A connector between two populations that are there already."""
    fitting = [st.just(ALL_TO_ALL)]
    if pre == post:
        fitting.append(st.just(OneToOneConnector()))
    elif prod(pre) == prod(post):
        fitting.append(st.just(ReshapeConnector()))
    if len(pre) == len(post) == 3 and pre[1:] == post[1:]:
        fitting += [
            st.just(Conv2dConnector(post[0], 1)),
            st.just(Conv2dConnector(post[0], 3, 1, 1)),
        ]
    if len(pre) == len(post) == 1:
        fitting.append(sparse_connectors(pre[0], post[0]))
    return draw(st.one_of(fitting))


@st.composite
def forward_circuits(draw, max_hidden: int = 4, norms: bool = True) -> Circuit:
    """Forward circuits without cycles: one input `x`, one dense population `output`.

    Dense, convolutional, pooling, sparse and one-to-one drives, sums of up to three of them (two
    may join the same populations), all activations, biases, normalisation before and after φ.

    Parameters
    ----------
    max_hidden : int
        Hidden populations, at most.
    norms : bool
        Whether some drives and populations are normalised.
    """
    growing = _Growing(draw, norms)
    # Images small enough that padding seldom outgrows the limit, large enough to be pooled.
    pixels = st.integers(2, 5)
    images = st.tuples(st.integers(1, 3), pixels, pixels)
    dense = draw(st.sampled_from((False, False, False, True)))
    cells = growing.wiring.population("x", draw(dense_shapes if dense else images))
    for number in range(1, draw(st.integers(0, max_hidden)) + 1):
        # Mostly a chain, sometimes a branch from further back.
        earlier = list(growing.wiring.populations.values())
        cells = growing.grow(number, draw(st.sampled_from([cells, cells, *earlier])))
    return growing.close(draw(st.integers(2, 5)))
