"""Spikes of a whole run, or of a window of its simulated time, gathered as it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isfinite
from typing import TYPE_CHECKING

from oneway.circuits import Circuit

from ..errors import ConfigError

if TYPE_CHECKING:
    from oneway.backends.spiking import (
        PhaseInterval,
        Presentation,
        SpikeData,
        Spikes,
        SpontaneousRecord,
    )


@dataclass(frozen=True)
class Window:
    """A stretch of simulated time, by default all of it."""

    start_s: float = 0.0
    stop_s: float = inf

    @classmethod
    def parse(cls, text: str) -> Window:
        """From START:END in seconds, of which either may be left out."""
        try:
            start, stop = text.split(":")
            window = cls(float(start or 0), float(stop or inf))
        except ValueError as error:
            raise ConfigError(
                f"--spikes-window {text!r}, expected START:END in simulated seconds, such as 10:20 "
                "or 10:"
            ) from error
        if not (isfinite(window.start_s) and 0 <= window.start_s < window.stop_s):
            raise ConfigError(f"--spikes-window {text!r}, expected 0 <= START < END")
        return window

    def overlaps(self, start_s: float, stop_s: float) -> bool:
        """Whether some of it lies between two moments."""
        return self.start_s < stop_s and start_s < self.stop_s


class SpikeKeeper:
    """Keeps spikes of all that a run does within a window."""

    def __init__(self, circuit: Circuit, window: Window) -> None:
        self.circuit, self.window = circuit, window
        self._parts: list[tuple[Mapping[str, Spikes], list[PhaseInterval]]] = []

    def see_samples(self, shown: Presentation) -> None:
        """Take what samples evoked."""
        self._see(shown.spikes, list(shown.intervals))

    def see_noise(self, record: SpontaneousRecord) -> None:
        """Take what fired in noise."""
        self._see(record.spikes, list(record.intervals))

    def _see(self, spikes: Mapping[str, Spikes], intervals: list[PhaseInterval]) -> None:
        start_s, stop_s = self.window.start_s, self.window.stop_s
        inside = [part for part in intervals if self.window.overlaps(part.start_s, part.stop_s)]
        if inside:
            cut = {name: train.between(start_s, stop_s) for name, train in spikes.items()}
            self._parts.append((cut, inside))

    def data(self, stop_s: float) -> SpikeData:
        """What was kept of a run that has ended."""
        from oneway.backends.spiking import PhaseInterval, SpikeData, Spikes

        start_s, stop_s = self.window.start_s, min(self.window.stop_s, stop_s)
        names = [n for n in self.circuit.populations if any(n in s for s, _ in self._parts)]
        spikes = {n: Spikes.joined([s[n] for s, _ in self._parts if n in s]) for n in names}
        sizes = {name: self.circuit.populations[name].size for name in names}
        intervals = tuple(
            PhaseInterval(part.phase, max(part.start_s, start_s), min(part.stop_s, stop_s))
            for _, parts in self._parts
            for part in parts
        )
        return SpikeData(spikes, sizes, start_s, stop_s, intervals)
