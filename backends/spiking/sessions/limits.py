"""Units that fire as fast as they can, so that what they say is less than what is meant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from oneway.circuits import Circuit

if TYPE_CHECKING:  # a warning is to be read without Brian2
    from ..parameters import SpikingParameters

# Part of the time that a unit may spend at its limit.
TOLERATED = 0.1
NAMED = 5


class SaturationWarning(UserWarning):
    """Units were to fire faster than they can for a good part of the time."""


class IdleWarning(UserWarning):
    """Noise drove the circuit, and nothing was learned."""


def at_limit_said(
    at_limit: Mapping[str, np.ndarray], parameters: SpikingParameters, circuit: Circuit
) -> list[str]:
    """A sentence for each population of which units are at their limit too often."""
    said = []
    for name, part in at_limit.items():
        (units,) = np.nonzero(part > TOLERATED)
        if not len(units):
            continue
        feedback = circuit.populations[name].path == "feedback"
        listed = ", ".join(map(str, units[:NAMED])) + (", ..." if len(units) > NAMED else "")
        said.append(
            f"{len(units)} of {len(part)} units of {name!r} ({listed}) are to fire faster than "
            f"they can, {parameters.max_rate}, in up to {100 * part.max():.0f} % of the time, so "
            f"that what is larger is not said. Lower "
            f"SpikingParameters.{'error_unit' if feedback else 'unit'} or the learning rate"
        )
    return said
