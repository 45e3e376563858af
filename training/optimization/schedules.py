"""Courses of the learning rate, what multiplies it in each epoch, and of weight decay."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from math import cos, pi

from ..config import TrainConfig

Factor = Callable[[int], float]  # of an epoch, counted from 0


def constant(epoch: int) -> float:
    return 1.0


def cosine(epochs: int) -> Factor:
    """From 1 to 0 along half a cosine."""
    return lambda epoch: 0.5 * (1 + cos(pi * min(epoch, epochs) / epochs))


def steps(every: int, factor: float) -> Factor:
    """One `factor` more after every so many epochs."""
    return lambda epoch: factor ** (epoch // every)


def milestones(at: Sequence[int], factor: float) -> Factor:
    """One `factor` more after each of these numbers of epochs.

    Examples
    --------
    >>> rate = milestones([2, 3], 0.5)
    >>> [rate(epoch) for epoch in range(5)]
    [1.0, 1.0, 0.5, 0.25, 0.25]
    """
    return lambda epoch: factor ** bisect_right(at, epoch)


def warmed_up(factor: Factor, epochs: int) -> Factor:
    """The same course after a linear rise over the first epochs, to what stands after them.

    Examples
    --------
    >>> rate = warmed_up(constant, 3)
    >>> [rate(epoch) for epoch in range(5)]
    [0.25, 0.5, 0.75, 1.0, 1.0]
    """
    return lambda epoch: min(1.0, (epoch + 1) / (epochs + 1)) * factor(epoch)


def rate_factor(config: TrainConfig, path: str) -> Factor:
    """What a config says of a path.

    A cosine spans the epochs after the warm-up; steps are counted from the start of the run.
    """
    warmup = config.of_path(path, "warmup_epochs")
    course = _course(config, path, warmup)
    return warmed_up(course, warmup) if warmup else course


def _course(config: TrainConfig, path: str, warmup: int) -> Factor:
    schedule = config.of_path(path, "schedule")
    if schedule == "cosine":
        course = cosine(config.epochs - warmup)
        return lambda epoch: course(max(0, epoch - warmup))
    if schedule == "step":
        factor, at = config.of_path(path, "step_factor"), milestones_of(config, path)
        return milestones(at, factor) if at else steps(config.of_path(path, "step_epochs"), factor)
    return constant


def milestones_of(config: TrainConfig, path: str) -> tuple[int, ...]:
    """The epochs after which a path steps; none where it steps every so many epochs."""
    # A feedback path that states its own epochs between steps does not want the other's.
    if path == "feedback" and config.feedback_milestones is None and config.feedback_step_epochs:
        return ()
    return config.of_path(path, "milestones")


def weight_decay(config: TrainConfig, path: str) -> Callable[[int], float]:
    """Weight decay of a path in each epoch, counted from 0: another one in the first few.

    Examples
    --------
    >>> config = TrainConfig(decay_warmup_epochs=1, warmup_weight_decay=5e-3, weight_decay=1e-4)
    >>> [weight_decay(config, "forward")(epoch) for epoch in range(3)]
    [0.005, 0.0001, 0.0001]
    """
    names = ("decay_warmup_epochs", "warmup_weight_decay", "weight_decay")
    warmup, first, then = (config.of_path(path, name) for name in names)
    return lambda epoch: first if epoch < warmup else then
