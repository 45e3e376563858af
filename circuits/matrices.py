"""Who is joined to whom, cell by cell, as a sparse matrix: one projection or a whole circuit.

Rows are presynaptic cells, columns postsynaptic ones; a population of images is numbered channel
by channel, row by row. A deep net's pairs are many: `relation` counts them without a list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import accumulate
from math import prod

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from .circuit import Circuit
from .connectors import Connector, Shape, Taps
from .elements import ROLES, Projection, Role
from .errors import WiringError

Indices = np.ndarray  # (K,)
# Listing so many takes about 3 GB for a moment.
MOST_CONNECTIONS = 100_000_000
# Of a matrix in which most pairs of cells are not joined.
MOST_ENTRIES = 2**30


def cells(circuit: Circuit) -> dict[str, slice]:
    """Which rows and columns of the circuit's matrix belong to each population.

    Examples
    --------
    >>> from oneway.circuits import cells, mlp
    >>> cells(mlp((4, 3, 2)))["h1"]
    slice(4, 7, None)
    """
    sizes = [p.size for p in circuit.populations.values()]
    ends = zip(circuit.populations, accumulate(sizes), sizes, strict=True)
    return {name: slice(end - size, end) for name, end, size in ends}


def adjacency(
    circuit: Circuit,
    roles: Iterable[Role] = ROLES,
    weights: Mapping[str, ArrayLike] | None = None,
) -> sparse.csr_array:
    """Which cell of a circuit projects to which.

    Parameters
    ----------
    circuit : Circuit
    roles : iterable of Role
        What counts as a connection.
    weights : mapping, optional
        Projection → (post, pre, ...) array, as ``SpikingNetwork.weights()`` gives them. Then only
        these projections count.

    Returns
    -------
    csr_array, shape (N, N)
        Cells in the order of the circuit's populations (`cells`): how many connections go from
        the row's cell to the column's, or the sum of their weights. Every stored entry is a
        connection, even if its weight is zero.

    Raises
    ------
    WiringError
        There are more than `MOST_CONNECTIONS`, or weights that fit no projection.

    Examples
    --------
    >>> from oneway.circuits import adjacency, cells, mlp
    >>> circuit = mlp((4, 3, 2))
    >>> of = cells(circuit)
    >>> adjacency(circuit)[of["h1"], of["output"]].toarray()
    array([[1, 1],
           [1, 1],
           [1, 1]], dtype=int32)
    """
    return connections(circuit, roles, weights).tocsr()


def projection_adjacency(
    circuit: Circuit, projection: str, weights: ArrayLike | None = None
) -> sparse.csr_array:
    """Which cell of one population projects to which of another: `adjacency` of one projection.

    Parameters
    ----------
    circuit : Circuit
    projection : str
        Its name.
    weights : array, optional
        Its weights, (post, pre, ...).

    Returns
    -------
    csr_array, shape (cells of pre, cells of post)
    """
    p = _named(circuit, projection)
    _check_number(circuit, [p])
    return _connections(circuit, p, weights).tocsr()


def weighted_adjacency(
    circuit: Circuit, weight: Callable[[str], ArrayLike], projection: str | None = None
) -> sparse.csr_array:
    """`adjacency` or, of one drive, `projection_adjacency` with the weights of a network.

    Parameters
    ----------
    circuit : Circuit
    weight : callable
        From the name of a drive to its weights, (post, pre, ...), as ``RateNetwork.weight``.
    projection : str, optional
        By default every drive with weights.
    """
    if projection is not None:
        return projection_adjacency(circuit, projection, weight(projection))
    drives = [p.name for p in circuit.select(role="drive") if p.weights is not None]
    return adjacency(circuit, weights={name: weight(name) for name in drives})


def weights_from_adjacency(circuit: Circuit, projection: str, matrix: sparse.sparray) -> np.ndarray:
    """The weights that `projection_adjacency` lists, as the drive's connector stores them.

    Parameters
    ----------
    circuit : Circuit
    projection : str
        A drive each of whose synapses has a weight of its own, and joins two cells alone.
    matrix : scipy.sparse, shape (cells of pre, cells of post)
        It stores an entry, which may be zero, for every synapse, and no other.

    Raises
    ------
    WiringError
        The matrix lists other synapses, or weights that cannot be told apart.

    Examples
    --------
    >>> import numpy as np
    >>> from oneway.circuits import mlp, projection_adjacency, weights_from_adjacency
    >>> circuit, w = mlp((3, 2)), np.arange(6.0).reshape(2, 3)
    >>> matrix = projection_adjacency(circuit, "x -> output", w)
    >>> weights_from_adjacency(circuit, "x -> output", matrix)
    array([[0., 1., 2.],
           [3., 4., 5.]])
    """
    p = _named(circuit, projection)
    pre, post = circuit.shapes(p)
    given, sizes = sparse.csr_array(matrix.astype(float)), (prod(pre), prod(post))
    if given.shape != sizes:
        raise WiringError(
            f"{p.label}: the matrix has shape {given.shape}, but (pre, post) = {sizes}. Did you "
            "pass the transpose?"
        )
    given.sum_duplicates()
    i, j, k = list_synapses(p.connector, pre, post)
    which, shape = sparse.coo_array((k, (i, j)), sizes).tocsr(), _weight_shape(circuit, p)
    if not (len(k) == prod(shape) == which.nnz and _same_entries(given, which)):
        raise WiringError(
            f"{p.label}: the matrix has {given.nnz:,} entries, expected one for each of "
            f"{len(k):,} synapses, between the same cells and with a weight of its own. Change "
            f"the data of the network's adjacency({p.name!r}), or give an array {shape}"
        )
    stored = np.empty(len(k))
    stored[which.data] = given.data
    return stored.reshape(shape)


def _same_entries(a: sparse.csr_array, b: sparse.csr_array) -> bool:
    return np.array_equal(a.indptr, b.indptr) and np.array_equal(a.indices, b.indices)


def check_whole(owner: str, pre: Shape, post: Shape, fix: str) -> None:
    """That a matrix with an entry for every pair of cells has a place in memory."""
    if (entries := prod(pre) * prod(post)) > MOST_ENTRIES:
        raise WiringError(
            f"{owner} between {prod(pre):,} and {prod(post):,} cells becomes a whole matrix here, "
            f"{entries / 2**28:,.1f} GiB of 4-byte numbers, expected at most "
            f"{MOST_ENTRIES / 2**28:g} GiB. {fix}"
        )


def connections(
    circuit: Circuit,
    roles: Iterable[Role] = ROLES,
    weights: Mapping[str, ArrayLike] | None = None,
) -> sparse.coo_array:
    """The connections that `adjacency` adds up, one an entry, parallel ones apart."""
    of, size = cells(circuit), sum(p.size for p in circuit.populations.values())
    found = [sparse.coo_array((size, size), dtype=np.int32 if weights is None else float)]
    for p in _chosen(circuit, set(roles), weights):
        block = _connections(circuit, p, None if weights is None else weights[p.name])
        ends = block.row + of[p.pre].start, block.col + of[p.post].start
        found.append(sparse.coo_array((block.data, ends), shape=(size, size)))
    row, col, data = (
        np.concatenate([getattr(f, n) for f in found]) for n in ("row", "col", "data")
    )
    return sparse.coo_array((data, (row, col)), shape=(size, size))


def _chosen(
    circuit: Circuit, roles: set[Role], weights: Mapping[str, ArrayLike] | None
) -> list[Projection]:
    """Those that count, if they are not too many to list."""
    named = circuit.projections if weights is None else weights
    chosen = [p for p in (_named(circuit, name) for name in named) if p.role in roles]
    _check_number(circuit, chosen)
    return chosen


def list_synapses(connector: Connector, pre: Shape, post: Shape) -> tuple[Indices, ...]:
    """Presynaptic cell, postsynaptic cell and stored weight of every synapse that has a weight.

    Parameters
    ----------
    connector : Connector
        With weights. Those that a convolution shares come once for every position.
    pre, post : Shape
    """
    if connector.transposed:
        j, i, weight = list_synapses(connector.transpose, post, pre)
        return i, j, weight
    ends, shape = connector.weight_ends(pre, post), connector.weight_shape(pre, post)
    if ends is None or shape is None:
        raise WiringError(f"{type(connector).__name__} has no weights")
    taps = connector.taps(pre, post)
    if taps is None:
        i, j = (end.ravel() for end in ends)
        return i, j, np.arange(len(i))
    i, j, tap = list_taps(taps)
    _, ins, *kernel = shape
    channel, out = i // prod(pre[1:]), j // prod(post[1:])
    return i, j, (out * ins + channel % ins) * prod(kernel) + tap


def list_taps(taps: Taps) -> tuple[Indices, ...]:
    """Presynaptic cell, postsynaptic cell and tap of the window of every synapse with a window."""
    axes = [np.nonzero(axis) for axis in taps]
    places = [n.ravel() for n in np.indices([len(axis[0]) for axis in axes])]
    return tuple(
        np.ravel_multi_index(
            [axis[end][n] for axis, n in zip(axes, places, strict=True)],
            [axis.shape[end] for axis in taps],
        )
        for end in range(3)
    )


def _connections(
    circuit: Circuit, p: Projection, weights: ArrayLike | None = None
) -> sparse.coo_array:
    pre, post = circuit.shapes(p)
    if weights is None:
        return circuit.reading.relation(p).matrix
    i, j, k = list_synapses(p.connector, pre, post)
    stored = _stored(circuit, p, np.asarray(weights, float))
    return sparse.coo_array((stored.ravel()[k], (i, j)), shape=(prod(pre), prod(post)))


def _stored(circuit: Circuit, p: Projection, weights: np.ndarray) -> np.ndarray:
    """From (post, pre, ...) to the layout of the connector."""
    turned = p.connector.transposed and weights.ndim > 1
    stored = weights.swapaxes(0, 1) if turned else weights
    expected = _weight_shape(circuit, p)
    if stored.shape != expected:
        wanted = (expected[1], expected[0], *expected[2:]) if turned else expected
        raise WiringError(
            f"{p.label}: weights have shape {weights.shape}, but (post, pre, ...) = {wanted}. "
            "Did you pass the transpose?"
        )
    return stored


def _weight_shape(circuit: Circuit, p: Projection) -> Shape:
    shape = p.connector.weight_shape(*circuit.shapes(p))
    if shape is None:
        raise WiringError(
            f"{p.label}: weights given, but {type(p.connector).__name__} has none. Leave it out"
        )
    return shape


def _named(circuit: Circuit, name: str) -> Projection:
    if name not in circuit.projections:
        raise WiringError(
            f"circuit {circuit.name!r} has no projection {name!r}. There are: "
            f"{', '.join(circuit.projections)}"
        )
    return circuit.projections[name]


def _check_number(circuit: Circuit, projections: Iterable[Projection]) -> None:
    """That the list of all connections has a place in memory."""
    numbers = {p.name: circuit.reading.relation(p).count() for p in projections}
    if (total := sum(numbers.values())) > MOST_CONNECTIONS:
        largest = max(numbers, key=numbers.__getitem__)
        raise WiringError(
            f"circuit {circuit.name!r} has {total:,} connections to list, {numbers[largest]:,} of "
            f"them in {largest!r}, expected at most {MOST_CONNECTIONS:,}. Take fewer roles, a "
            "narrower circuit, or projection_adjacency of one projection"
        )
