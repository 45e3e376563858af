"""Units that fire as fast as they can, so that what they say is less than what is meant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from oneway.circuits import Circuit

if TYPE_CHECKING:  # a warning is to be read without Brian2
    from ..parameters import SpikingParameters

# Part of the time that a unit may spend at its limit. The errors of a network that knows nothing
# are as large as they get, which passes.
TOLERATED = 0.05
NAMED = 5


class SaturationWarning(UserWarning):
    """Units fired near their greatest rate for a good part of the time."""


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
            f"{len(units)} of {len(part)} units of {name!r} ({listed}) fire near their greatest "
            f"rate, {parameters.max_rate}, in up to {100 * part.max():.0f} % of the time, so that "
            f"what is larger is not said. Lower "
            f"SpikingParameters.{'error_unit' if feedback else 'unit'} or the learning rate"
        )
    return said
