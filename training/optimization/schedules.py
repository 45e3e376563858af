"""Courses of the learning rate: what multiplies it in each epoch, counted from 0."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from math import cos, pi

Factor = Callable[[int], float]


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
