"""The torch half of each connector: what reaches the postsynaptic cells, and the Hebbian product.

Every connector offers `apply` (pre to post), `adjoint` (post to pre, through the same weights) and
`correlate` (the weight-shaped sum of post ⊗ pre). A transposed connector swaps the first two, so
nothing is written twice. Axis letters: `B` batch, `I` pre units, `J` post units.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from math import prod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from oneway.circuits import (
    AllToAllConnector,
    AveragePoolConnector,
    Connector,
    Conv2dConnector,
    DropoutConnector,
    FixedProbabilityConnector,
    FromListConnector,
    MatchConnector,
    MaxPoolConnector,
    OneToOneConnector,
    ReshapeConnector,
    Shape,
    SynapticConnector,
    TransposeConnector,
    WiringError,
    both,
    check_whole,
)


class RateConnector:
    """Synapses between populations of shape `pre` and `post`.

    `apply` and `adjoint` take weights first where the connector has some. `joint`, where there is
    one, computes `adjoint` and `correlate` of the same post signal together; `windows`, where
    there is one, writes out what each postsynaptic cell reads, and `apply` and `correlate` take
    that in place of pre. `correlate` may be given weights, `like` which its result is shaped. A
    connector whose way back depends on what came forward (max-pool, dropout) says so with `routed`:
    its `apply` then returns (activity, route), and its `adjoint` takes the route in place of
    weights; `activity`, where there is one, makes the first alone. One that is `random` is given
    what was drawn after pre; None outside of training.
    """

    routed = False
    identity = False
    # How images lie in memory.
    memory_format = torch.contiguous_format
    # With the tensors that each needs: weights or route first, where there are any.
    apply: Callable[..., Any]
    adjoint: Callable[..., Any]
    correlate: Callable[..., Tensor]
    joint: Callable[..., tuple[Tensor, Tensor]] | None = None
    activity: Callable[..., Tensor] | None = None
    windows: Callable[[Tensor], Tensor] | None = None

    def __init__(self, connector: Connector, pre: Shape, post: Shape) -> None:
        self.connector, self.pre, self.post = connector, pre, post

    @property
    def key(self) -> tuple:
        """Two connectors with one key compute the same."""
        return (self.connector, self.pre, self.post)

    def lay_out(self, memory_format: torch.memory_format) -> None:
        """How images are to lie in memory where a connector makes them."""
        self.memory_format = memory_format

    def _images(self, post: Tensor) -> tuple[Tensor, Tensor]:
        """Postsynaptic images, and empty presynaptic ones, for a kernel that makes the latter."""
        shape, layout = (post.shape[0], *self.pre), self.memory_format
        empty = torch.empty(shape, dtype=post.dtype, device=post.device, memory_format=layout)
        return post.contiguous(memory_format=layout), empty

    def _shaped(self, cells: Tensor, shape: Shape) -> Tensor:
        """Rows of cells in the shape of their population, images as they are to lie.

        Where two layouts meet, the way back through batch norm took six times as long on a CPU.
        """
        shaped = cells.unflatten(1, shape)
        images = shaped.dim() == 4
        return shaped.contiguous(memory_format=self.memory_format) if images else shaped


class AllToAll(RateConnector):
    def apply(self, w_JI: Tensor, pre: Tensor) -> Tensor:
        if self._turns_weights(pre):
            w_YXCI = w_JI.unflatten(0, self.post).permute(1, 2, 0, 3)
            rows = F.linear(pre.flatten(1), w_YXCI.flatten(0, 2))
            return rows.unflatten(1, w_YXCI.shape[:3]).permute(0, 3, 1, 2)
        return self._shaped(F.linear(pre.flatten(1), w_JI), self.post)

    def adjoint(self, w_JI: Tensor, post: Tensor) -> Tensor:
        return self._shaped(post.flatten(1) @ w_JI, self.pre)

    def correlate(self, post: Tensor, pre: Tensor, like: Tensor | None = None) -> Tensor:
        if self._turns_weights(pre):
            post_BYXC = post.permute(0, 2, 3, 1)
            change_IYXC = self._product(pre, post_BYXC).unflatten(1, post_BYXC.shape[1:])
            return change_IYXC.permute(3, 1, 2, 0).flatten(0, 2)
        pre_BI, post_BJ = pre.flatten(1), post.flatten(1)
        if post.device.type == "cpu" and pre_BI.shape[1] <= FEW_CELLS < post_BJ.shape[1]:
            return self._product(pre, post).T.contiguous()
        return post_BJ.T @ pre_BI

    @staticmethod
    def _product(pre: Tensor, post: Tensor) -> Tensor:
        return pre.flatten(1).T @ post.flatten(1)

    def _turns_weights(self, pre: Tensor) -> bool:
        """Whether to bring weights into the order of images in memory, rather than images.

        Fewer presynaptic cells than samples, as in direct feedback, make fewer weights.
        """
        by_pixel = self.memory_format == torch.channels_last and len(self.post) == 3
        return by_pixel and prod(self.pre) < pre.shape[0]


# With so few presynaptic cells a CPU's matrix product is faster the other way round: five times for
# 10 of them (direct feedback from the output, say), and no more from 32 on.
FEW_CELLS = 16
# Up to so many windows for each postsynaptic channel, matrix products with all of them are faster
# than convolution, which reorders the weights each time (measured with 0.5 to 256 of them).
FEW_WINDOWS = 8


class Conv2d(RateConnector):
    connector: Conv2dConnector

    def __init__(self, connector: Connector, pre: Shape, post: Shape) -> None:
        super().__init__(connector, pre, post)
        c = self.connector
        # Cells that a 1x1 kernel with a stride steps over have no part in a change. They are left
        # out: torch's CPU kernel for this writes past its buffer where images of fewer than 8
        # channels lie in memory by channels last (torch 2.13, AVX2).
        self._steps_over = c.kernel == 1 and c.stride != 1 and c.padding == 0
        self._stride, self._padding, self._dilation = map(both, (c.stride, c.padding, c.dilation))

    def windows(self, pre: Tensor) -> Tensor:
        """What the postsynaptic cells read: (I · kernel², cells · B), or images if that is slower.

        Both `apply` and `correlate` of the same pre can then be products of matrices.
        """
        c, (channels, *places) = self.connector, self.post
        few = pre.shape[0] * prod(places) <= FEW_WINDOWS * channels
        wide = pre.dtype in (torch.float32, torch.float64)
        if not (few and wide and pre.device.type == "cpu" and c.groups == 1):
            return pre
        # With the batch last, it is copied in runs rather than cell by cell.
        (rows, columns), (dilation, across) = self._padding, self._dilation
        padded = F.pad(pre.permute(1, 2, 3, 0), [0, 0, columns, columns, rows, rows])
        windows = padded.unfold(1, c.span[0], self._stride[0])
        windows = windows.unfold(2, c.span[1], self._stride[1])[..., ::dilation, ::across]
        return windows.permute(0, 4, 5, 1, 2, 3).flatten(3).flatten(0, 2)

    def apply(self, w: Tensor, pre: Tensor) -> Tensor:
        c = self.connector
        if pre.dim() == 2:  # windows
            return (w.flatten(1) @ pre).unflatten(1, (*self.post[1:], -1)).permute(3, 0, 1, 2)
        return F.conv2d(pre, w, None, c.stride, c.padding, c.dilation, c.groups)

    def adjoint(self, w: Tensor, post: Tensor) -> Tensor:
        c = self.connector
        # Rows and columns that the stride left over at the end of the image.
        left_over = [
            n - ((m - 1) * stride - 2 * padding + span)
            for n, m, stride, padding, span in zip(
                self.pre[1:], self.post[1:], self._stride, self._padding, c.span, strict=True
            )
        ]
        return F.conv_transpose2d(
            post, w, None, c.stride, c.padding, left_over, c.groups, c.dilation
        )

    def correlate(self, post: Tensor, pre: Tensor, like: Tensor | None = None) -> Tensor:
        if pre.dim() == 2:  # windows
            product = post.permute(1, 2, 3, 0).flatten(1) @ pre.T
            return product.view(self.connector.weight_shape(self.pre, self.post))
        # The kernel reads the shape of the weights, copies what lies in another way, and no more.
        if like is None or like.dtype != post.dtype:
            fewer = (pre.shape[1], *self.pre[1:])  # see `fold_repeats`
            shape, layout = self.connector.weight_shape(fewer, self.post), self.memory_format
            like = torch.empty(shape, dtype=post.dtype, device=post.device, memory_format=layout)
        stride = self._stride
        if self._steps_over:
            pre, stride = pre[:, :, :: stride[0], :: stride[1]], (1, 1)
        return self._backward(post, pre, like, stride, [False, True, False])[1]

    def joint(self, w: Tensor, post: Tensor, pre: Tensor) -> tuple[Tensor, Tensor]:
        """`adjoint` and `correlate` of one post signal in one kernel."""
        if self._steps_over:
            return self.adjoint(w, post), self.correlate(post, pre, w)
        back, product, _ = self._backward(post, pre, w, self._stride, [True, True, False])
        return back, product

    def _backward(self, post, pre, w: Tensor, stride: tuple[int, int], wanted: list[bool]):
        groups = self.connector.groups
        shape = (stride, self._padding, self._dilation, False, [0, 0], groups)
        return torch.ops.aten.convolution_backward(post, pre, w, None, *shape, wanted)


class MaxPool(RateConnector):
    connector: MaxPoolConnector
    routed = True

    def apply(self, pre: Tensor) -> tuple[Tensor, Tensor]:
        return torch.ops.aten.max_pool2d_with_indices(pre, *_window(self.connector))

    def activity(self, pre: Tensor) -> Tensor:
        c = self.connector
        return max_pool(pre, both(c.kernel), both(c.stride), both(c.padding))

    def adjoint(self, route: Tensor, post: Tensor) -> Tensor:
        window = (*_window(self.connector), [1, 1], False)
        return torch.ops.aten.max_pool2d_with_indices_backward(*self._images(post), *window, route)


class AveragePool(RateConnector):
    connector: AveragePoolConnector

    def apply(self, pre: Tensor) -> Tensor:
        return F.avg_pool2d(pre, *_window(self.connector))

    def adjoint(self, post: Tensor) -> Tensor:
        window = (*_window(self.connector), False, True, None)
        return torch.ops.aten.avg_pool2d_backward(*self._images(post), *window)


def max_pool(
    pre: Tensor, kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int] = (0, 0)
) -> Tensor:
    """`F.max_pool2d`, on a CPU along rows and columns in turn.

    torch's kernel notes which cells were the largest and is not vectorised: ten times slower.
    """
    alone = kernel == (1, 1)  # nothing to compare: a view, which must not be written over
    if pre.device.type != "cpu" or padding != (0, 0) or alone:
        return F.max_pool2d(pre, kernel, stride, padding)
    for dim, n, step in ((2, kernel[0], stride[0]), (3, kernel[1], stride[1])):
        pre = pre.unfold(dim, n, step)
        pre = functools.reduce(torch.maximum, pre.unbind(-1))
    return pre


def _window(c: MaxPoolConnector | AveragePoolConnector) -> tuple[Any, ...]:
    return both(c.kernel), both(c.stride), both(c.padding)


class Dropout(RateConnector):
    connector: DropoutConnector
    routed = True

    def draw(self, samples: int, like: Tensor, generator: torch.Generator | None) -> Tensor:
        """The factor of each cell: 0 where it is silenced, 1 / (1 - p) where it is heard."""
        channels, *places = self.pre
        places = [1] * len(places) if self.connector.channels else places
        heard = torch.empty((samples, channels, *places), dtype=like.dtype, device=like.device)
        keep = 1 - self.connector.p
        return heard.bernoulli_(keep, generator=generator).div_(keep)

    def apply(self, pre: Tensor, heard: Tensor | None) -> tuple[Tensor, Tensor | None]:
        # A copy: who reads the result last may write over it.
        return (pre.clone() if heard is None else pre * heard), heard

    def adjoint(self, heard: Tensor | None, post: Tensor) -> Tensor:
        return post.clone() if heard is None else post * heard


class Reshape(RateConnector):
    def apply(self, pre: Tensor) -> Tensor:
        # A copy, as for dropout.
        return self._shaped(pre.flatten(1).clone(), self.post)

    def adjoint(self, post: Tensor) -> Tensor:
        return self._shaped(post.flatten(1).clone(), self.pre)


class OneToOne(RateConnector):
    identity = True

    def apply(self, pre: Tensor) -> Tensor:
        return pre

    def adjoint(self, post: Tensor) -> Tensor:
        return post


class Match(RateConnector):
    """Repeats along channels and max-pools in space; pooling first is the same and cheaper."""

    def __init__(self, connector: Connector, pre: Shape, post: Shape) -> None:
        super().__init__(connector, pre, post)
        self.identity = pre == post

    def apply(self, pre: Tensor) -> Tensor:
        if len(self.pre) == 1:
            (n,), (m,) = self.pre, self.post
            return pre.repeat(1, m // n) if m >= n else pre.unflatten(1, (m, n // m)).amax(dim=2)
        pooled = self.pooled(pre)
        # Unlike repeat, cat leaves channels where they lie in memory.
        return pooled if self.repeats == 1 else torch.cat((pooled,) * self.repeats, dim=1)

    @property
    def repeats(self) -> int:
        """How often the channels are repeated."""
        return max(1, self.post[0] // self.pre[0])

    @property
    def _window(self) -> tuple[int, int]:
        return self.pre[1] // self.post[1], self.pre[2] // self.post[2]

    def pooled(self, pre: Tensor) -> Tensor:
        """Images before they are repeated along channels."""
        return pre if self._window == (1, 1) else max_pool(pre, self._window, self._window)

    @property
    def once(self) -> tuple[Callable[[Tensor], Tensor], int] | None:
        """What makes a matched image without repeating it, and how often that is done.

        None where nothing is repeated, or nothing but that is done: then it would be pre itself.
        """
        folds = len(self.pre) == 3 and self.repeats > 1 and self._window != (1, 1)
        return (self.pooled, self.repeats) if folds else None

    def adjoint(self, post: Tensor) -> Tensor:
        raise WiringError("MatchConnector carries signals one way only; it has no transpose")


class Synaptic(Match):
    """A signal a synapse: the source in the shape of the drive's presynaptic population."""

    def __init__(self, connector: SynapticConnector, pre: Shape, post: Shape) -> None:
        super().__init__(connector, pre, connector.shape)


_FEWER = (
    "Take fewer cells, or run it as spikes, which take memory for synapses alone: "
    "backends.spiking.SpikingNetwork"
)


class Listed(RateConnector):
    """Explicit pairs; weights (K,) in the order of the connector's pairs.

    They are multiplied as a whole matrix, which is faster where cells are few.
    """

    def __init__(self, connector: Connector, pre: Shape, post: Shape) -> None:
        super().__init__(connector, pre, post)
        check_whole(type(connector).__name__, pre, post, _FEWER)
        pairs = torch.from_numpy(connector.pairs(pre, post).copy())  # type: ignore[attr-defined]
        self.i, self.j = pairs[:, 0], pairs[:, 1]

    def _matrix(self, w_K: Tensor) -> Tensor:
        # Multapses add up, so the matrix is accumulated rather than assigned.
        matrix = w_K.new_zeros(prod(self.post), prod(self.pre))
        return matrix.index_put((self._on(w_K, "j"), self._on(w_K, "i")), w_K, accumulate=True)

    def _on(self, like: Tensor, name: str) -> Tensor:
        index = getattr(self, name)
        if index.device != like.device:
            index = index.to(like.device)
            setattr(self, name, index)
        return index

    def apply(self, w_K: Tensor, pre: Tensor) -> Tensor:
        return self._shaped(F.linear(pre.flatten(1), self._matrix(w_K)), self.post)

    def adjoint(self, w_K: Tensor, post: Tensor) -> Tensor:
        return self._shaped(post.flatten(1) @ self._matrix(w_K), self.pre)

    def correlate(self, post: Tensor, pre: Tensor, like: Tensor | None = None) -> Tensor:
        product = post.flatten(1).T @ pre.flatten(1)
        return product[self._on(post, "j"), self._on(post, "i")]


class Transposed(RateConnector):
    """The inner connector run the other way."""

    def __init__(self, connector: TransposeConnector, pre: Shape, post: Shape) -> None:
        super().__init__(connector, pre, post)
        self.inner = rate_connector(connector.inner, post, pre)

    def lay_out(self, memory_format: torch.memory_format) -> None:
        self.inner.lay_out(memory_format)

    def apply(self, *weights_and_pre: Tensor) -> Tensor:
        return self.inner.adjoint(*weights_and_pre)

    def adjoint(self, *weights_and_post: Tensor) -> Tensor:
        return self.inner.apply(*weights_and_post)


TRANSLATIONS: dict[type[Connector], type[RateConnector]] = {
    AllToAllConnector: AllToAll,
    Conv2dConnector: Conv2d,
    MaxPoolConnector: MaxPool,
    AveragePoolConnector: AveragePool,
    OneToOneConnector: OneToOne,
    DropoutConnector: Dropout,
    ReshapeConnector: Reshape,
    MatchConnector: Match,
    SynapticConnector: Synaptic,
    FixedProbabilityConnector: Listed,
    FromListConnector: Listed,
    TransposeConnector: Transposed,
}


def rows_are_channels(key: tuple) -> bool:
    """Whether each row of the weights belongs to one channel of the postsynaptic population."""
    connector, _, post = key
    return isinstance(connector, Conv2dConnector) or (
        isinstance(connector, AllToAllConnector) and len(post) == 1
    )


def takes_fewer_channels(key: tuple) -> bool:
    """Whether `correlate` takes images with fewer channels than the presynaptic population has."""
    return isinstance(key[0], Conv2dConnector) and key[0].groups == 1


def plain_rows(key: tuple) -> int | None:
    """Postsynaptic cells where weights are a matrix between rows of cells; None elsewhere."""
    connector, pre, post = key
    return post[0] if isinstance(connector, AllToAllConnector) and len(pre + post) == 2 else None


def rate_connector(
    connector: Connector,
    pre: Shape,
    post: Shape,
    memory_format: torch.memory_format = torch.contiguous_format,
) -> RateConnector:
    """The torch half of a connector between populations of the given shapes."""
    translation = TRANSLATIONS.get(type(connector))
    if translation is None:
        raise WiringError(
            f"the rate backend has no translation of {type(connector).__name__}; there are "
            f"{', '.join(known.__name__ for known in TRANSLATIONS)}"
        )
    half = translation(connector, pre, post)
    half.lay_out(memory_format)
    return half
