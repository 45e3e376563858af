"""Arrays of either kind: numpy, or torch tensors on any device, without importing torch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def as_numpy(values: Any) -> NDArray[np.float64]:
    """`values` in float64; a torch tensor is detached and copied to the host first."""
    if hasattr(values, "detach"):
        # float64 first: numpy has no bfloat16.
        values = values.detach().cpu().double().numpy()
    return np.asarray(values, dtype=np.float64)
