"""First draws: which weights a seed gives to a circuit, in every backend.

Each drive has a generator of its own, seeded by the seed and by the drive's name: what is wired
beside it does not change its draw. Draws are float64; a network of less precision rounds them.
"""

from __future__ import annotations

from collections.abc import Callable
from math import pi, sqrt
from zlib import crc32

import numpy as np

from .circuit import Circuit
from .connectors import Connector, Shape
from .elements import Projection, Start, Weights
from .errors import WiringError


def first_draw(circuit: Circuit, p: Projection, seed: int) -> np.ndarray:
    """Weights that a drive starts from, float64, in the layout of its connector.

    Those that its connector lists, a copy of another drive's, or a draw by its scheme.

    Parameters
    ----------
    circuit : Circuit
    p : Projection
        A drive with independent weights.
    seed : int
        Not negative.
    """
    p = _drawn(circuit, p)
    if (listed := _listed(p)) is not None:
        return listed
    generator = np.random.default_rng([seed, crc32(p.name.encode())])
    shape, std = p.connector.weight_shape(*circuit.shapes(p)), initial_std(circuit, p)
    if _is_normal(p):
        return generator.normal(0.0, std, shape)
    return generator.uniform(-sqrt(3) * std, sqrt(3) * std, shape)


def initial_std(circuit: Circuit, p: Projection) -> float:
    """Standard deviation, about zero, of a drive's first draw."""
    p = _drawn(circuit, p)
    if (listed := _listed(p)) is not None:
        return float(np.sqrt(np.mean(listed**2)))
    return sqrt(_VARIANCES[_weights(p).start](p.connector, *circuit.shapes(p)))


def set_point(circuit: Circuit, p: Projection) -> float:
    """Mean |w| that a cell keeps its synapses of a drive at: as stated, or that of first draws."""
    if p.plasticity is not None and p.plasticity.set_point is not None:
        return p.plasticity.set_point
    p = _drawn(circuit, p)
    if (listed := _listed(p)) is not None:
        return float(np.abs(listed).mean())
    return initial_std(circuit, p) * (sqrt(2 / pi) if _is_normal(p) else sqrt(3) / 2)


def sign_magnitude(circuit: Circuit, p: Projection) -> float:
    """|w| of a sign-tied drive: as stated, or the standard deviation of the other's first draw."""
    weights = _weights(p)
    if weights.scale is not None:
        return weights.scale
    return initial_std(circuit, circuit.projections[weights.to or ""])


def scheme(circuit: Circuit, p: Projection) -> Start:
    """How a drive is drawn: by its own scheme, or by that of the drive that it copies."""
    return _weights(_drawn(circuit, p)).start


def postsynaptic(circuit: Circuit, p: Projection) -> np.ndarray:
    """Postsynaptic cell of each stored weight, in their shape; its channel where they are shared.

    Raises
    ------
    WiringError
        The connector has no weights.
    """
    ends = p.connector.weight_ends(*circuit.shapes(p))
    if ends is None:
        raise WiringError(f"{p.label}: {type(p.connector).__name__} has no weights")
    return ends[1]


# -- schemes -----------------------------------------------------------------------------------


def _sign_symmetry(connector: Connector, pre: Shape, post: Shape) -> float:
    has_kernel = len(connector.weight_shape(pre, post) or ()) > 2
    return (2 if has_kernel else 1) / connector.fan_out(pre, post)


_VARIANCES: dict[Start, Callable[[Connector, Shape, Shape], float]] = {
    "kaiming_uniform": lambda c, pre, post: 1 / (3 * c.fan_in(pre, post)),
    "kaiming_normal": lambda c, pre, post: 2 / c.fan_in(pre, post),
    "he_uniform": lambda c, pre, post: 2 / c.fan_in(pre, post),
    "lecun_normal": lambda c, pre, post: 1 / c.fan_in(pre, post),
    "kaiming_normal_fan_out": lambda c, pre, post: 2 / c.fan_out(pre, post),
    "sign_symmetry": _sign_symmetry,
}
_UNIFORM = ("kaiming_uniform", "he_uniform")  # others are normal


def _is_normal(p: Projection) -> bool:
    return _weights(p).start not in _UNIFORM


def _drawn(circuit: Circuit, p: Projection) -> Projection:
    """The drive itself, or the one whose first draw it copies."""
    weights = _weights(p)
    return circuit.projections[weights.to or ""] if weights.start == "aligned" else p


def _weights(p: Projection) -> Weights:
    if p.weights is None:
        raise WiringError(f"{p.label} has no weights; only a weighted drive has a first draw")
    return p.weights


def _listed(p: Projection) -> np.ndarray | None:
    given = getattr(p.connector, "initial_weights", None)
    return None if given is None else np.array(given)
