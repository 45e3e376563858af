"""Synaptic scaling: which synapses a cell adds up, and the strength that it keeps them at."""

from __future__ import annotations

from math import pi, sqrt

import numpy as np

from .circuit import Circuit
from .elements import Projection
from .errors import WiringError


def set_point(circuit: Circuit, p: Projection) -> float:
    """Mean |w| that a cell keeps its synapses of a drive at: as stated, or that of first draws."""
    if p.plasticity is not None and p.plasticity.set_point is not None:
        return p.plasticity.set_point
    if p.weights is not None and p.weights.start == "aligned":
        return set_point(circuit, circuit.projections[p.weights.to or ""])
    given = getattr(p.connector, "initial_weights", None)
    if given is not None:
        return float(np.abs(given).mean())
    fan_in = p.connector.fan_in(*_shapes(circuit, p))
    normal = p.weights is not None and p.weights.start == "kaiming_normal"
    return 2 / sqrt(pi * fan_in) if normal else 1 / (2 * sqrt(fan_in))


def postsynaptic(circuit: Circuit, p: Projection) -> np.ndarray:
    """Postsynaptic cell of each stored weight, in their shape; its channel where they are shared.

    Raises
    ------
    WiringError
        The connector has no weights.
    """
    ends = p.connector.weight_ends(*_shapes(circuit, p))
    if ends is None:
        raise WiringError(f"{p.label}: {type(p.connector).__name__} has no weights")
    return ends[1]


def _shapes(circuit: Circuit, p: Projection):
    return circuit.populations[p.pre].shape, circuit.populations[p.post].shape
