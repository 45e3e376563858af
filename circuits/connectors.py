"""Connectors: which presynaptic cell reaches which postsynaptic cell, and through which weights.

Named as PyNN names them where it does. A connector is a description: it knows the shapes that it
fits, the shape of its weights, its transpose and the neuron pairs it joins. What it computes is
translated once by each backend.

Axis letters: `I` pre units, `J` post units, `C` channels, `H` rows, `W` columns.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from .errors import WiringError
from .relation import (
    BoolMatrix,
    Codes,
    ListedRelation,
    Pairs,
    ProductRelation,
    Relation,
    compose,
)

Shape = tuple[int, ...]
# Pixels along both axes of an image, or along rows and along columns.
Pixels = int | tuple[int, int]
# On each axis (channel, row, column): does pre position i meet post position j at tap t of its
# window? Shapes (I, J, T).
Taps = tuple[np.ndarray, ...]


def as_image(shape: Shape) -> tuple[int, int, int]:
    """(C, H, W) of a population; a dense one is C cells in one place."""
    return (shape[0], 1, 1) if len(shape) == 1 else (shape[0], shape[1], shape[2])


def both(pixels: Pixels) -> tuple[int, int]:
    """Along rows and along columns.

    Examples
    --------
    >>> both(3), both((1, 7))
    ((3, 3), (1, 7))
    """
    return (pixels, pixels) if isinstance(pixels, int) else pixels


class Connector(ABC):
    """Joins a presynaptic to a postsynaptic population.

    What it is (`weighted`, `convolutional`, `routed`) is seen through a transpose.
    """

    @property
    def transposed(self) -> bool:
        """Whether it runs another connector the other way."""
        return False

    @property
    def weighted(self) -> bool:
        """Whether its synapses have weights."""
        return type(self).weight_shape is not Connector.weight_shape

    @property
    def convolutional(self) -> bool:
        """Whether synapses share weights across an image."""
        return False

    @property
    def routed(self) -> bool:
        """Whether not every cell counts every time, and errors go back to those that did.

        The strongest of each window of a max-pool, or the cells that dropout leaves.
        """
        return False

    @property
    def random(self) -> bool:
        """Whether training draws anew, sample by sample, what gets through."""
        return False

    @abstractmethod
    def misfit(self, pre: Shape, post: Shape) -> str | None:
        """Why the connector does not fit the two shapes, and the fix; None if it fits."""

    @abstractmethod
    def relation(self, pre: Shape, post: Shape) -> Relation:
        """The neuron pairs that are joined, as (pre index, post index)."""

    def weight_shape(self, pre: Shape, post: Shape) -> Shape | None:
        """Shape in which the weights are stored; None if the connector has none."""
        return None

    def weight_ends(self, pre: Shape, post: Shape) -> tuple[np.ndarray, np.ndarray] | None:
        """Presynaptic and postsynaptic cell of each weight, both in the shape of the weights.

        Where weights are shared across an image, its channels. None if there are no weights.
        """
        return None

    def pairs_per_weight(self, pre: Shape, post: Shape) -> np.ndarray:
        """How many pairs of cells each weight joins, in a shape that broadcasts to the weights.

        More than one where weights are shared across an image; none for a tap that lies in the
        padding whatever the position.
        """
        return np.array(1)

    def taps(self, pre: Shape, post: Shape) -> Taps | None:
        """Which tap of a window joins which positions, axis by axis; None if it has no windows."""
        return None

    def fan_in(self, pre: Shape, post: Shape) -> int:
        """Synapses that one postsynaptic cell receives (its mean where they differ)."""
        return max(1, round(self.relation(pre, post).count() / prod(post)))

    def fan_out(self, pre: Shape, post: Shape) -> int:
        """Synapses that one presynaptic cell sends (its mean where they differ)."""
        return max(1, round(self.relation(pre, post).count() / prod(pre)))

    @property
    def transpose(self) -> Connector:
        """The connector of a partner projection that runs the other way."""
        return TransposeConnector(self)


# A factor of a relation is held whole.
MOST_BYTES = 1 << 31


def _check_room(*sides: int) -> None:
    """Complain before memory is taken, of which the system may promise more than it has."""
    if prod(sides) > MOST_BYTES:
        raise WiringError(
            f"to say which cells are joined would take a table of {' × '.join(map(str, sides))}, "
            f"more than the {MOST_BYTES >> 20} MB that are allowed for one: take a smaller "
            "image, or fewer channels or cells"
        )


def _eye(n: int) -> BoolMatrix:
    _check_room(n, n)
    return np.eye(n, dtype=bool)


@dataclass(frozen=True)
class AllToAllConnector(Connector):
    """Every presynaptic cell reaches every postsynaptic cell. Weights (J, I)."""

    def misfit(self, pre: Shape, post: Shape) -> str | None:
        return None

    def weight_shape(self, pre: Shape, post: Shape) -> Shape:
        return (prod(post), prod(pre))

    def weight_ends(self, pre: Shape, post: Shape) -> tuple[np.ndarray, np.ndarray]:
        j, i = np.indices(self.weight_shape(pre, post))
        return i, j

    def fan_in(self, pre: Shape, post: Shape) -> int:
        return prod(pre)

    def fan_out(self, pre: Shape, post: Shape) -> int:
        return prod(post)

    def relation(self, pre: Shape, post: Shape) -> Relation:
        axes = list(zip(as_image(pre), as_image(post), strict=True))
        for ends in axes:
            _check_room(*ends)
        return ProductRelation(tuple(np.ones(ends, dtype=bool) for ends in axes))


class _CellByCell(Connector):
    """Connectors of a cell with the one in the same place."""

    def misfit(self, pre: Shape, post: Shape) -> str | None:
        if pre == post:
            return None
        return (
            f"{type(self).__name__} needs equal shapes, got pre {pre} and post {post}. "
            "Use AllToAllConnector, a Conv2dConnector, or MatchConnector to change the shape"
        )

    def relation(self, pre: Shape, post: Shape) -> Relation:
        channels, *places = as_image(pre)
        each = sparse.csr_array(sparse.identity(channels, dtype=bool))
        return ProductRelation((each, *map(_eye, places)))


@dataclass(frozen=True)
class OneToOneConnector(_CellByCell):
    """Cell i reaches cell i, unweighted: shortcuts, teach, gate, norm and mimic projections."""

    @property
    def transpose(self) -> Connector:
        return self


@dataclass(frozen=True)
class DropoutConnector(_CellByCell):
    """Cell i reaches cell i, unless training silences it: a new draw for each sample and step.

    What gets through is scaled by 1 / (1 - p), so that its mean stays; outside of training
    everything gets through as it is. Errors go back to the cells that were heard.

    Parameters
    ----------
    p : float
        Probability to be silenced, at least 0 and below 1.
    channels : bool
        Silence whole channels of an image, not single cells.
    """

    p: float
    channels: bool = False

    routed = True
    random = True

    def __post_init__(self) -> None:
        if not 0 <= self.p < 1:
            raise WiringError(
                f"DropoutConnector: p = {self.p}, expected a probability of at least 0 and below 1"
            )


@dataclass(frozen=True)
class ReshapeConnector(Connector):
    """Cell i reaches cell i of a population of another shape, unweighted; both count row by row.

    Flattens an image, or folds a dense population into one.
    """

    def misfit(self, pre: Shape, post: Shape) -> str | None:
        if prod(pre) == prod(post):
            return None
        return (
            f"ReshapeConnector needs equally many cells, got {prod(pre)} of pre {pre} and "
            f"{prod(post)} of post {post}"
        )

    def relation(self, pre: Shape, post: Shape) -> Relation:
        cells = np.arange(prod(pre))
        return ListedRelation(np.stack([cells, cells]).T, len(cells), len(cells))


class _ListedConnector(Connector):
    """Connectors without structure. Weights (K,), one for each pair, in their order."""

    @abstractmethod
    def pairs(self, pre: Shape, post: Shape) -> Pairs:
        """Joined (pre, post) index pairs, shape (K, 2); the same at every call."""

    def weight_shape(self, pre: Shape, post: Shape) -> Shape:
        return (len(self.pairs(pre, post)),)

    def weight_ends(self, pre: Shape, post: Shape) -> tuple[np.ndarray, np.ndarray]:
        i, j = self.pairs(pre, post).T
        return i, j

    def relation(self, pre: Shape, post: Shape) -> Relation:
        return ListedRelation(self.pairs(pre, post), prod(pre), prod(post))


@dataclass(frozen=True)
class FixedProbabilityConnector(_ListedConnector):
    """Each pair is joined with probability `p_connect`, drawn once from `seed`.

    Weights (K,), one for each joined pair, ordered by post and then pre index. Pairs that are not
    joined take neither memory nor time.
    """

    p_connect: float
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.p_connect <= 1:
            raise WiringError(
                f"FixedProbabilityConnector: p_connect = {self.p_connect}, expected a probability "
                "in (0, 1]"
            )

    def misfit(self, pre: Shape, post: Shape) -> str | None:
        return None

    def pairs(self, pre: Shape, post: Shape) -> Pairs:
        return self.relation(pre, post).pairs

    def relation(self, pre: Shape, post: Shape) -> ListedRelation:
        return _draw(self.p_connect, self.seed, prod(pre), prod(post))


# Who wires, checks and translates a circuit asks again and again. Few are kept: ten million pairs
# take 240 MB.
@lru_cache(maxsize=4)
def _draw(p_connect: float, seed: int, n_pre: int, n_post: int) -> ListedRelation:
    draw = np.random.default_rng([seed, n_pre, n_post])
    chosen = _choose(draw, p_connect, n_pre * n_post)
    post = chosen // n_pre
    pairs = np.stack([chosen - post * n_pre, post]).T
    pairs.setflags(write=False)
    return ListedRelation(pairs, n_pre, n_post)


def _choose(draw: np.random.Generator, p: float, among: int) -> Codes:
    """Numbers below `among`, in order, each with probability p: their gaps are geometric."""
    found, last = [], -1
    while last < among:
        gaps = draw.geometric(p, round((among - last) * p) + 1)
        found.append(last + np.cumsum(np.minimum(gaps, among + 1)))
        last = int(found[-1][-1])
    chosen = np.concatenate(found)
    return chosen[: np.searchsorted(chosen, among)]


@dataclass(frozen=True)
class FromListConnector(_ListedConnector):
    """The listed pairs are joined.

    Parameters
    ----------
    conn_list : sequence of (pre index, post index) or (pre index, post index, weight)
        With three entries the third is the weight that the synapse starts from.

    Notes
    -----
    Weights (K,) in the order of the list.
    """

    conn_list: tuple[tuple[float, ...], ...] = field(repr=False)

    def __init__(self, conn_list: Iterable[Sequence[float]]) -> None:
        rows = tuple(tuple(row) for row in conn_list)
        lengths = {len(row) for row in rows}
        if not rows or lengths not in ({2}, {3}):
            raise WiringError(
                "FromListConnector: expected a non-empty list of (pre, post) or of "
                f"(pre, post, weight), got rows of length {sorted(lengths)}"
            )
        for row in rows:
            if any(int(index) != index for index in row[:2]):
                raise WiringError(
                    f"FromListConnector: row {row} has an index that is no whole number. "
                    "The columns are (pre, post) or (pre, post, weight)"
                )
        # Plain numbers, also from an array's rows: they can be saved, and repr is short.
        plain = tuple((int(i), int(j), *map(float, weight)) for i, j, *weight in rows)
        object.__setattr__(self, "conn_list", plain)

    @classmethod
    def from_adjacency(cls, adjacency: ArrayLike | sparse.sparray) -> FromListConnector:
        """From a matrix whose entry [i, j] is the weight from pre i to post j.

        Parameters
        ----------
        adjacency : array, nested lists or scipy.sparse, shape (pre cells, post cells)
            Zero: no synapse. What a sparse matrix stores is a synapse even if it is zero, so that
            `adjacency` of a projection comes back whole.

        Raises
        ------
        WiringError
            It is no matrix of finite numbers, or has no synapse.
        """
        return cls(zip(*_entries(adjacency), strict=True))

    @property
    def initial_weights(self) -> tuple[float, ...] | None:
        return tuple(row[2] for row in self.conn_list) if len(self.conn_list[0]) == 3 else None

    def pairs(self, pre: Shape, post: Shape) -> Pairs:
        return np.array([row[:2] for row in self.conn_list], dtype=np.int64)

    def misfit(self, pre: Shape, post: Shape) -> str | None:
        pairs = self.pairs(pre, post)
        low, high = pairs.min(axis=0), pairs.max(axis=0)
        if low.min() >= 0 and high[0] < prod(pre) and high[1] < prod(post):
            return None
        return (
            f"FromListConnector lists pre indices {low[0]} to {high[0]} and post indices "
            f"{low[1]} to {high[1]}, expected at most {prod(pre) - 1} and {prod(post) - 1}. "
            "Are the columns (pre, post)?"
        )


def _entries(adjacency: ArrayLike | sparse.sparray) -> tuple[np.ndarray, ...]:
    """Row, column and value of each synapse of an adjacency matrix, row by row."""
    what = "FromListConnector.from_adjacency"
    rows = "one row for each pre cell, one column for each post cell"
    try:
        given: Any = adjacency if sparse.issparse(adjacency) else np.asarray(adjacency, float)
        # As floats before repeated entries add up, which in 8 bits they may not.
        matrix = sparse.csr_array(given.astype(float)) if given.ndim == 2 else None
    except (TypeError, ValueError) as error:
        raise WiringError(f"{what}: expected a matrix of numbers, {rows}: {error}") from error
    if matrix is None:
        raise WiringError(f"{what}: got shape {given.shape}, expected a matrix, {rows}")
    matrix.sum_duplicates()
    entries = matrix.tocoo()
    if not entries.nnz:
        raise WiringError(f"{what}: the matrix of shape {given.shape} has no synapse, only zeros")
    if not (finite := np.isfinite(entries.data)).all():
        n = int(np.argmin(finite))
        raise WiringError(
            f"{what}: entry [{entries.row[n]}, {entries.col[n]}] is {entries.data[n]}, expected "
            "finite weights. Write 0 where there is no synapse"
        )
    return entries.row, entries.col, entries.data


def _along(
    n_pre: int, n_post: int, kernel: int, stride: int, padding: int = 0, dilation: int = 1
) -> np.ndarray:
    """One axis of a sliding window, as in `Taps`."""
    _check_room(n_pre, n_post, kernel)
    i, j, tap = np.ogrid[:n_pre, :n_post, :kernel]
    return i + padding == stride * j + dilation * tap


class _TapConnector(Connector):
    """Connectors that look at windows."""

    @abstractmethod
    def taps(self, pre: Shape, post: Shape) -> Taps: ...

    def relation(self, pre: Shape, post: Shape) -> Relation:
        return ProductRelation(tuple(np.any(axis, axis=2) for axis in self.taps(pre, post)))


class _WindowConnector(_TapConnector):
    """Shared geometry of convolution and pooling."""

    kernel: Pixels
    stride: Pixels
    padding: Pixels
    dilation: Pixels = 1

    @property
    def span(self) -> tuple[int, int]:
        """Pixels from the first to the last tap of a window, along rows and along columns."""
        rows, columns = zip(both(self.dilation), both(self.kernel), strict=True)
        return rows[0] * (rows[1] - 1) + 1, columns[0] * (columns[1] - 1) + 1

    @property
    def window_size(self) -> int:
        """Taps of a window."""
        return prod(both(self.kernel))

    def output_shape(self, pre: Shape) -> Shape:
        """Shape of the postsynaptic population that fits `pre`."""
        rows, columns = (
            (n + 2 * padding - span) // stride + 1
            for n, padding, span, stride in zip(
                pre[1:], both(self.padding), self.span, both(self.stride), strict=True
            )
        )
        return (self._output_channels(pre), rows, columns)

    def _check_least(self, **least: int) -> None:
        for name, at_least in least.items():
            value = getattr(self, name)
            if isinstance(value, tuple | list) and len(value) == 2:
                # Square windows are written with one number, so that equal ones are equal.
                value = value[0] if value[0] == value[1] else tuple(value)
                object.__setattr__(self, name, value)
            if min(both(value)) < at_least:
                connector = type(self).__name__
                raise WiringError(f"{connector}: {name} = {value}, expected at least {at_least}")

    def _output_channels(self, pre: Shape) -> int:
        return pre[0]

    def _channel_factor(self, pre: Shape, post: Shape) -> BoolMatrix:
        return _eye(pre[0])

    def misfit(self, pre: Shape, post: Shape) -> str | None:
        name = type(self).__name__
        if len(pre) != 3:
            return f"{name} needs an image population (C, H, W) before it, got pre {pre}"
        padded = zip(pre[1:], both(self.padding), self.span, strict=True)
        if any(n + 2 * padding < span for n, padding, span in padded):
            window = f"kernel {self.kernel}"
            if self.dilation != 1:
                span = self.span[0] if self.span[0] == self.span[1] else self.span
                window += f" with dilation {self.dilation} spans {span} pixels, and"
            return f"{name}: {window} is larger than the padded input {pre[1:]}"
        if self.output_shape(pre) != post:
            return f"{name} turns pre {pre} into {self.output_shape(pre)}, but post has {post}"
        return None

    def taps(self, pre: Shape, post: Shape) -> Taps:
        how = [both(n) for n in (self.kernel, self.stride, self.padding, self.dilation)]
        row, column = (
            _along(pre[1 + axis], post[1 + axis], *(n[axis] for n in how)) for axis in (0, 1)
        )
        return self._channel_factor(pre, post)[..., None], row, column


@dataclass(frozen=True)
class Conv2dConnector(_WindowConnector):
    """Convolutional synapses that share weights across positions. Weights (C', C/groups, k, k).

    Taps lie `dilation` pixels apart. With as many groups as channels it is depthwise. Kernel,
    stride, padding and dilation are one number, or one for rows and one for columns.
    """

    channels: int
    kernel: Pixels
    stride: Pixels = 1
    padding: Pixels = 0
    groups: int = 1
    dilation: Pixels = 1

    convolutional = True

    def __post_init__(self) -> None:
        self._check_least(kernel=1, stride=1, padding=0, dilation=1, channels=1, groups=1)

    def _output_channels(self, pre: Shape) -> int:
        return self.channels

    def misfit(self, pre: Shape, post: Shape) -> str | None:
        if (len(pre) == 3 and pre[0] % self.groups) or self.channels % self.groups:
            return (
                f"Conv2dConnector: groups = {self.groups} must divide the {pre[0]} pre and the "
                f"{self.channels} post channels"
            )
        return super().misfit(pre, post)

    def _channel_factor(self, pre: Shape, post: Shape) -> BoolMatrix:
        _check_room(pre[0], self.channels)
        block = np.ones((pre[0] // self.groups, self.channels // self.groups), dtype=bool)
        return np.kron(_eye(self.groups), block)

    def weight_shape(self, pre: Shape, post: Shape) -> Shape:
        return (self.channels, pre[0] // self.groups, *both(self.kernel))

    def weight_ends(self, pre: Shape, post: Shape) -> tuple[np.ndarray, np.ndarray]:
        out, within, _, _ = np.indices(self.weight_shape(pre, post))
        group = out // (self.channels // self.groups)
        return group * (pre[0] // self.groups) + within, out

    def pairs_per_weight(self, pre: Shape, post: Shape) -> np.ndarray:
        _, row, column = self.taps(pre, post)
        return np.outer(row.sum(axis=(0, 1)), column.sum(axis=(0, 1)))

    def fan_in(self, pre: Shape, post: Shape) -> int:
        return pre[0] // self.groups * self.window_size

    def fan_out(self, pre: Shape, post: Shape) -> int:
        # As torch and torchvision count: whatever the stride, and over the channels of all groups.
        return self.channels * self.window_size


@dataclass(frozen=True)
class _PoolConnector(_WindowConnector):
    """Windows over each channel; by default they do not overlap."""

    kernel: Pixels
    stride: Pixels = 0
    padding: Pixels = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "stride", self.stride or self.kernel)
        self._check_least(kernel=1, stride=1, padding=0)
        if any(2 * p > k for p, k in zip(both(self.padding), both(self.kernel), strict=True)):
            raise WiringError(
                f"{type(self).__name__}: padding {self.padding} is more than half of kernel "
                f"{self.kernel}, so that some windows would see no cell"
            )


@dataclass(frozen=True)
class MaxPoolConnector(_PoolConnector):
    """The strongest presynaptic cell of each window drives the postsynaptic cell."""

    routed = True


@dataclass(frozen=True)
class AveragePoolConnector(_PoolConnector):
    """The mean of each window drives the postsynaptic cell."""


@dataclass(frozen=True)
class MatchConnector(_TapConnector):
    """ASAP's change of shape: repeat along channels, then max-pool in space, until shapes agree.

    A dense population is matched along its one axis, by repetition or by max-pooling.
    Source: Woo et al. 2021, section 5 (concatenation along channels, max-pooling in space).
    """

    def misfit(self, pre: Shape, post: Shape) -> str | None:
        if len(pre) != len(post):
            return f"MatchConnector cannot match a dense with an image population: {pre}, {post}"
        repeats = post[0] % pre[0] == 0 or (len(pre) == 1 and pre[0] % post[0] == 0)
        if repeats and all(i % j == 0 for i, j in zip(pre[1:], post[1:], strict=True)):
            return None
        return (
            f"MatchConnector needs integer ratios (channels repeated, space max-pooled), "
            f"got pre {pre} and post {post}"
        )

    def taps(self, pre: Shape, post: Shape) -> Taps:
        return tuple(
            _along(i, j, kernel=i // j, stride=i // j)
            if i > j
            else np.tile(_eye(i), j // i)[..., None]
            for i, j in zip(as_image(pre), as_image(post), strict=True)
        )


@dataclass(frozen=True)
class SynapticConnector(Connector):
    """Brings a signal of its own to every synapse of a drive, at the postsynaptic cell; unweighted.

    The element that a synapse gets is the one that stands, in the source matched to the shape of
    the drive's presynaptic population, where the synapse's own presynaptic cell is. So each
    postsynaptic cell hears from about as many cells as it has synapses (Woo et al. 2021, section
    4.2).

    Parameters
    ----------
    drive : Connector
        Of the drive whose synapses are reached.
    shape : tuple of int
        Of the drive's presynaptic population.
    """

    drive: Connector
    shape: Shape

    def _match(self, pre: Shape) -> Connector:
        return OneToOneConnector() if pre == self.shape else MatchConnector()

    def misfit(self, pre: Shape, post: Shape) -> str | None:
        return self._match(pre).misfit(pre, self.shape) or self.drive.misfit(self.shape, post)

    def relation(self, pre: Shape, post: Shape) -> Relation:
        match = self._match(pre).relation(pre, self.shape)
        return compose(match, self.drive.relation(self.shape, post))


@dataclass(frozen=True)
class TransposeConnector(Connector):
    """The partner of `inner` that runs the other way, with the same stored weight shape.

    Weights stand in the layout of `inner`, so that a tied projection can share them and a
    Kolen-Pollack pair has equal, not transposed, weight changes.
    """

    inner: Connector

    transposed = True

    @property
    def weighted(self) -> bool:
        return self.inner.weighted

    @property
    def convolutional(self) -> bool:
        return self.inner.convolutional

    @property
    def routed(self) -> bool:
        return self.inner.routed

    @property
    def random(self) -> bool:
        return self.inner.random

    @property
    def transpose(self) -> Connector:
        return self.inner

    def misfit(self, pre: Shape, post: Shape) -> str | None:
        reason = self.inner.misfit(post, pre)
        return reason and f"transposed (pre and post change places): {reason}"

    def weight_shape(self, pre: Shape, post: Shape) -> Shape | None:
        return self.inner.weight_shape(post, pre)

    def weight_ends(self, pre: Shape, post: Shape) -> tuple[np.ndarray, np.ndarray] | None:
        ends = self.inner.weight_ends(post, pre)
        return None if ends is None else (ends[1], ends[0])

    def pairs_per_weight(self, pre: Shape, post: Shape) -> np.ndarray:
        return self.inner.pairs_per_weight(post, pre)

    def taps(self, pre: Shape, post: Shape) -> Taps | None:
        taps = self.inner.taps(post, pre)
        return None if taps is None else tuple(axis.swapaxes(0, 1) for axis in taps)

    def fan_in(self, pre: Shape, post: Shape) -> int:
        # The feedback weights of the papers are drawn like the forward weights they stand for.
        return self.inner.fan_in(post, pre)

    def fan_out(self, pre: Shape, post: Shape) -> int:
        return self.inner.fan_out(post, pre)

    def relation(self, pre: Shape, post: Shape) -> Relation:
        return self.inner.relation(post, pre).transposed
