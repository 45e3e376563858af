"""`Telling`: informs those who listen to a run, and keeps it whole where one of them raises."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from oneway.backends.rate import RateNetwork

from .callbacks import EpochEnd, Listeners, StepEnd
from .distributed import Processes
from .errors import TrainingError


class Telling:
    """Tells of epochs and steps.

    Parameters
    ----------
    listeners : Listeners
    run : str
        For people: rule and seed.
    epochs : int
        Of the run.
    network : RateNetwork
    processes : Processes
        Of which the first one tells.
    """

    def __init__(
        self,
        listeners: Listeners,
        run: str,
        epochs: int,
        network: RateNetwork,
        processes: Processes,
    ) -> None:
        self.listeners, self.processes = listeners, processes
        self.run, self.epochs, self.network = run, epochs, network
        self.began, self.done_before = time.monotonic(), 0

    @property
    def shows_progress(self) -> bool:
        return self.processes.leads and not self.listeners.quiet

    def epoch_end(self, history: Sequence[Mapping[str, Any]], step: int) -> EpochEnd:
        """The last epoch of these."""
        done = len(history)
        pace = (time.monotonic() - self.began) / max(1, done - self.done_before)
        left = pace * (self.epochs - done)
        return EpochEnd(self.run, done, self.epochs, step, history[-1], left, self.network)

    def note(self, epoch: int, history: Sequence[Mapping[str, Any]]) -> str:
        """What a bar shows in an epoch: what the last one came to."""
        last = f", {self.epoch_end(history, 0).short}" if history else ""
        return f"epoch {epoch}{last}"

    def epoch(
        self, history: Sequence[Mapping[str, Any]], step: int, keep: Callable[[], None]
    ) -> None:
        """Call `on_epoch`; if it raises, `keep` the epoch first, in all processes."""
        if self.listeners.on_epoch is None:
            return
        raised: BaseException | None = None
        if self.processes.leads:
            try:
                self.listeners.on_epoch(self.epoch_end(history, step))
            except BaseException as error:  # Ctrl-C too
                raised = error
        if self.processes.from_lead(lambda: raised is not None):
            keep()
            raise raised or TrainingError("the first process was stopped by its on_epoch")

    def step(self, step: int, epoch: int, samples: int, loss: Tensor) -> None:
        """Call `on_step`."""
        if self.listeners.on_step is not None and self.processes.leads:
            # A copy: compiled code may use the memory again.
            told = StepEnd(step, epoch, samples, loss.detach().clone(), self.network)
            self.listeners.on_step(told)
