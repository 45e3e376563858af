"""Errors beside backpropagation's, with the same weights and on the same samples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from oneway.backends.rate import RateNetwork
from oneway.backends.rate.observation import error_angles
from oneway.circuits import ENGAGED, Circuit, WiringError
from oneway.rules import Backpropagation

from ..data.dataset import Data

# Samples that are read together.
_AT_ONCE = 32


class Shadow:
    """Backpropagation in the shadow of a network: it has the very same weights and activity.

    Calling it compares errors on a batch: ``error_angles_deg``, error population → angle of its δ
    to the shadow's, as the forward partner learns from them (after φ′), and ``direct_angles_deg``,
    direct feedback drive B → angle of Bᵀa to the input of the output cells, where a is the activity
    of the layer (that B learns from, if it does). Both are means over samples, in degrees.
    Batch norm and dropout are as `RateNetwork.observe` has them.
    """

    def __init__(self, network: RateNetwork) -> None:
        self.network = network
        self.program = error_angles(
            network.circuit, _wired_by_backpropagation(network), network.loss, network.precision
        )

    def __call__(self, x: Tensor, y: Tensor) -> dict[str, dict[str, Tensor]]:
        kinds = {"error": "error_angles_deg", "direct": "direct_angles_deg"}
        found: dict[str, dict[str, Tensor]] = {key: {} for key in kinds.values()}
        for (kind, name), angles in self.network.observe(x, y, self.program).items():
            found[kinds[kind]][name] = angles.nanmean()
        return found


def _wired_by_backpropagation(network: RateNetwork) -> Circuit:
    """The same forward circuit, with tied feedback; the forward one where errors cannot run back.

    Raises no error there: direct feedback needs no way back, and it has angles of its own.
    """
    forward = network.circuit.forward_circuit()
    try:
        wired = Backpropagation().wire(forward)
    except WiringError:
        wired = forward
    # A baseline that forward drives subtract belongs to the phase.
    phase = network.circuit.phases[network.circuit.reading.data_phases[0]]
    cells, projections = wired.populations.values(), wired.projections.values()
    return Circuit(wired.name, cells, projections, [replace(phase, name=ENGAGED)])


def fixed_batch(data: Data, size: int) -> tuple[Tensor, Tensor]:
    """Up to so many training samples, not augmented: the same in every run, and nothing is drawn.

    They come as `Data.train_batches` gives them, not normalised yet.
    """
    few = data.limited(min(size, data.n_train), 1)
    batches: Iterator[tuple[Tensor, Tensor]] = few.train_batches(
        _AT_ONCE, torch.Generator().manual_seed(0), torch.Generator().manual_seed(0)
    )
    x, y = zip(*batches, strict=True)
    return torch.cat(x), torch.cat(y)
