"""The scale of errors in float16: as large as does not overflow, found while training goes on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from oneway.backends.rate import RateNetwork

from ..errors import TrainingError

# As torch's GradScaler has them.
FIRST, GROWTH, BACKOFF, GROWTH_EVERY = 2.0**16, 2.0, 0.5, 2000
MOST_SKIPPED = 40


class LossScale:
    """Steps whose changes overflow are skipped, and the scale halved; it doubles in quiet times.

    The network divides changes by the scale itself, so a change that is finite is right whatever
    the scale was. A network in another type than float16 has no scale, and every step is taken.
    """

    def __init__(self, network: RateNetwork) -> None:
        self.network = network
        self.value, self.quiet = FIRST, 0
        self.skipped = {"errors": 0, "noise": 0}  # in a row
        self._tell()

    def allows(self, parameters: Iterable[Tensor], scaled: bool = True) -> bool:
        """Whether an optimizer may take the changes in ``.grad``.

        Those that come from errors are scaled; those of spontaneous activity do not depend on it.
        """
        if self.network.loss_scale is None:
            return True
        finite = _all_finite(parameters)
        self._count("errors" if scaled else "noise", finite)
        if scaled:
            self._adapt(finite)
        return finite

    def _count(self, kind: str, finite: bool) -> None:
        self.skipped[kind] = 0 if finite else self.skipped[kind] + 1
        if self.skipped[kind] >= MOST_SKIPPED:
            raise TrainingError(
                f"changes that come from {kind} overflow in float16, {MOST_SKIPPED} steps in a "
                f"row (errors are scaled by {self.value:g} by now). Set dtype = bfloat16, which "
                "has the range of float32, or lower lr"
            )

    def _adapt(self, finite: bool) -> None:
        if finite:
            self.quiet += 1
        else:
            self.value, self.quiet = self.value * BACKOFF, 0
        if self.quiet == GROWTH_EVERY:
            self.value, self.quiet = self.value * GROWTH, 0
        self._tell()

    def _tell(self) -> None:
        if self.network.loss_scale is not None:
            self.network.loss_scale.fill_(self.value)

    def state_dict(self) -> dict[str, Any] | None:
        """For a checkpoint; None where there is no scale."""
        if self.network.loss_scale is None:
            return None
        return {"value": self.value, "quiet": self.quiet, "skipped": dict(self.skipped)}

    def load_state_dict(self, state: Mapping[str, Any] | None) -> None:
        """Go on from a saved state."""
        if state is not None:
            self.value, self.quiet = state["value"], state["quiet"]
            self.skipped = dict(state["skipped"])
            self._tell()


def _all_finite(parameters: Iterable[Tensor]) -> bool:
    changes = [p.grad for p in parameters if p.grad is not None]
    # The largest of each, one kernel for many; a sum of squares could overflow by itself.
    largest = torch._foreach_norm(changes, torch.inf) if changes else [torch.zeros(())]
    return bool(torch.stack(list(largest)).isfinite().all())
