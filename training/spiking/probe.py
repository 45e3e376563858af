"""What is looked at of a spiking network: errors against backpropagation's, and a few spikes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from oneway.analysis import error_angles
from oneway.backends.rate import RateNetwork
from oneway.circuits import Circuit, WiringError
from oneway.rules import RULES

from ..data.dataset import DataSet
from ..loss import SquaredError
from .bridge import put

if TYPE_CHECKING:
    from oneway.backends.spiking import (
        Presentation,
        SpikeData,
        SpikingNetwork,
        SpontaneousRecord,
    )

# Samples that errors are compared on, and of which so many are shown in pictures of spikes, with
# so much of the noise before them.
PROBE, SHOWN = 10, 3
SHOWN_NOISE_S = 0.3
READ_EVERY_S = 0.01


class Probe:
    """The same few test samples each time, and what backpropagation's errors would be there."""

    def __init__(
        self,
        wired: Circuit,
        data: DataSet,
        dynamics: str,
        seen: Callable[[Presentation], None] = lambda shown: None,
    ) -> None:
        self.seen = seen
        x = data.normalise(data.test_x[:PROBE]).double()
        self.x, self.y, self.circuit, self.dynamics = x, data.test_y[:PROBE], wired, dynamics
        self.errors = [
            p.name for p in wired.populations.values() if p.path == "feedback" and p.partner
        ]

    def present(self, network: SpikingNetwork, samples: int = PROBE) -> Presentation:
        """The samples with their targets; nothing learns."""
        x, y = self.x[:samples].numpy(), self.y[:samples].numpy()
        shown = network.present(x, y, chunk=samples, **everything(self.circuit))
        self.seen(shown)
        return shown

    def error_angles(self, network: SpikingNetwork) -> dict[str, float]:
        """Angle of each error population to what backpropagation gives with the same weights."""
        if self._backpropagation is None:
            return {}
        put(self._backpropagation, network.weights(), network.biases())
        return error_angles(self._errors(network), self._backpropagation.signals(self.x, self.y))

    def _errors(self, network: SpikingNetwork) -> dict[str, np.ndarray]:
        if self.dynamics == "settled":
            signals = network.signals(self.x.numpy(), self.y.numpy())
            return {name: signals[name] for name in self.errors}
        shown = self.present(network)
        shapes = {name: self.circuit.populations[name].shape for name in self.errors}
        # Of cells that have fallen silent there is a trace, which fades and is of no angle.
        return {
            name: shown.activities[name].reshape(-1, *shape) * bool(len(shown.spikes[name]))
            for name, shape in shapes.items()
        }

    @cached_property
    def _backpropagation(self) -> RateNetwork | None:
        try:
            wired = RULES["bp"]().wire(self.circuit.forward_circuit())
        except WiringError:
            return None
        loss = None if self.dynamics == "settled" else SquaredError()
        return RateNetwork(wired, dtype=torch.float64, loss=loss)


def everything(circuit: Circuit) -> dict[str, Any]:
    """To record of every population: spikes, and activity often enough to be averaged."""
    return {"record": list(circuit.populations), "record_every_s": READ_EVERY_S}


# -- spikes to look at -------------------------------------------------------------------------


@dataclass(frozen=True)
class Excerpt:
    """Spikes of a short time, at the end of a run; None under `settled`, which has none."""

    data: SpikeData | None
    mean_rates_hz: Mapping[str, float]


def take_excerpt(
    circuit: Circuit,
    noise: SpontaneousRecord | None,
    shown: Presentation | None,
) -> Excerpt:
    """The last of the noise, and the first samples of those that were shown after it."""
    from oneway.backends.spiking import PhaseInterval, SpikeData

    records, intervals = [], []
    rates: dict[str, float] = {}
    if noise is not None:
        stop = noise.intervals[-1].stop_s
        start = max(stop - SHOWN_NOISE_S, noise.intervals[0].start_s)
        records.append((noise.spikes, start, stop))
        intervals += [
            PhaseInterval(part.phase, max(part.start_s, start), part.stop_s)
            for part in noise.intervals
            if part.stop_s > start
        ]
        rates |= noise.mean_rates_hz
    if shown is not None and shown.spikes:
        few = shown.first(SHOWN)
        start, stop = few.intervals[0].start_s, few.intervals[-1].stop_s
        records.append((few.spikes, start, stop))
        intervals += few.intervals
        rates |= shown.mean_rates_hz
    if not records:
        return Excerpt(None, {})
    spikes = _cut(records)
    sizes = {name: circuit.populations[name].size for name in spikes}
    start, stop = intervals[0].start_s, intervals[-1].stop_s
    return Excerpt(SpikeData(spikes, sizes, start, stop, tuple(intervals)), rates)


def _cut(records: Sequence[tuple[Mapping[str, Any], float, float]]) -> dict[str, Any]:
    """Spikes between start and stop of each record, one record after the other."""
    from oneway.backends.spiking import Spikes

    found: dict[str, list[Spikes]] = {}
    for spikes, start_s, stop_s in records:
        for name, train in spikes.items():
            found.setdefault(name, []).append(train.between(start_s, stop_s))
    return {name: Spikes.joined(parts) for name, parts in found.items()}
