"""Synaptic scaling: which synapses a cell adds up."""

from __future__ import annotations

import numpy as np

from .circuit import Circuit
from .elements import Projection
from .errors import WiringError


def postsynaptic(circuit: Circuit, p: Projection) -> np.ndarray:
    """Postsynaptic cell of each stored weight, in their shape; its channel where they are shared.

    Raises
    ------
    WiringError
        The connector has no weights.
    """
    pre, post = circuit.populations[p.pre], circuit.populations[p.post]
    ends = p.connector.weight_ends(pre.shape, post.shape)
    if ends is None:
        raise WiringError(f"{p.label}: {type(p.connector).__name__} has no weights")
    return ends[1]
