"""What a run tells while it goes on, to ``train(on_epoch=, on_step=)``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, Any

from .progress import spell

if TYPE_CHECKING:
    from torch import Tensor

    from oneway.backends.rate import RateNetwork


@dataclass(frozen=True)
class EpochEnd:
    """An epoch is over, its line is in ``metrics.jsonl``, and a checkpoint was written if due.

    Parameters
    ----------
    run : str
        Rule and seed: ``kp, seed 0``.
    epoch, epochs : int
        Which one, counted from 1, of how many.
    step : int
        Learning steps so far.
    record : mapping
        All that the epoch's line has: docs/records.md.
    seconds_left : float
        Until the last epoch is over, if the others take as long as those of this call.
    network : RateNetwork
        To look at: what changes it changes the run.

    Examples
    --------
    >>> record = {"train_loss": 0.5, "train_accuracy": 0.8, "test_accuracy": 0.75}
    >>> end = EpochEnd("kp, seed 0", 3, 20, 87, record | {"angles_deg": {"b": 60.0, "c": 30.0}}, 90)
    >>> end.test_accuracy, end.angle_deg
    (0.75, 45.0)
    >>> print(end)
    kp, seed 0: epoch 3 of 20, loss 0.5, train 80.0 %, test 75.0 %, angle 45.0°, 1.5 min left
    """

    run: str
    epoch: int
    epochs: int
    step: int
    record: Mapping[str, Any] = field(repr=False)
    seconds_left: float
    network: RateNetwork | None = field(default=None, repr=False, compare=False)

    @property
    def train_loss(self) -> float:
        """Mean over the epoch's samples, each before the network had learned from it."""
        return self.record["train_loss"]

    @property
    def train_accuracy(self) -> float:
        """Likewise, between 0 and 1."""
        return self.record["train_accuracy"]

    @property
    def test_accuracy(self) -> float:
        """After the epoch, between 0 and 1."""
        return self.record["test_accuracy"]

    @property
    def angle_deg(self) -> float | None:
        """Mean over the feedback weights; None where none is known after this epoch."""
        known = [a for a in self.record.get("angles_deg", {}).values() if a is not None and a == a]
        return fmean(known) if known else None

    @property
    def short(self) -> str:
        """Loss, test accuracy and angle, where there is little room."""
        angle = "" if self.angle_deg is None else f", {self.angle_deg:.0f}°"
        return f"loss {self.train_loss:.3g}, test {100 * self.test_accuracy:.1f} %{angle}"

    def __str__(self) -> str:
        angle = "" if self.angle_deg is None else f", angle {self.angle_deg:.1f}°"
        left = f", {spell(self.seconds_left)} left" if self.epoch < self.epochs else ""
        return (
            f"{self.run}: epoch {self.epoch} of {self.epochs}, loss {self.train_loss:.4g}, "
            f"train {100 * self.train_accuracy:.1f} %, test {100 * self.test_accuracy:.1f} %"
            f"{angle}{left}"
        )


@dataclass(frozen=True)
class StepEnd:
    """The network has learned from a batch.

    Parameters
    ----------
    step : int
        Which one, counted from 1 at the start of the run.
    epoch : int
        Which it belongs to, counted from 1.
    samples : int
        In the batch; of several processes, in this one's part.
    loss : Tensor, shape ()
        Where the network is: ``float(loss)`` waits for a GPU.
    network : RateNetwork
        As it is now; changes that it made are in ``.grad``.
    """

    step: int
    epoch: int
    samples: int
    loss: Tensor
    network: RateNetwork = field(repr=False, compare=False)


@dataclass(frozen=True)
class Listeners:
    """Who is told of a run, and whether it shows progress itself."""

    on_epoch: Callable[[EpochEnd], object] | None = None
    on_step: Callable[[StepEnd], object] | None = None
    quiet: bool = False
