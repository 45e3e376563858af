"""Optimizers and schedules, one of each for the forward and for the feedback path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.optim import SGD, Adam, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from .config import TrainConfig

PATHS = ("forward", "feedback")


class Optimizers:
    """The optimizers of a network's paths, stepped and rescheduled together.

    Parameters
    ----------
    groups : callable
        ``groups(forward=settings, feedback=settings)`` gives parameter groups with the path of
        each: `RateNetwork.parameter_groups`. A group of another path has settings of its own,
        which no schedule changes.
    config : TrainConfig
    """

    def __init__(self, groups: Callable[..., list[dict[str, Any]]], config: TrainConfig) -> None:
        self._schedulers: dict[str, LambdaLR] = {}
        self._optimizers: dict[str, Optimizer] = {}
        by_path: dict[str, list[dict[str, Any]]] = {}
        for group in groups(**{path: _settings(path, config) for path in PATHS}):
            by_path.setdefault(group["path"], []).append(group)
        for path, mine in by_path.items():
            scheduled = path in PATHS
            adam = scheduled and config.of_path(path, "optimizer") == "adam"
            optimizer = self._optimizers[path] = (Adam if adam else SGD)(mine, lr=config.lr)
            factor = config.factor(path) if scheduled else lambda epoch: 1.0
            self._schedulers[path] = LambdaLR(optimizer, factor)

    def step(self) -> None:
        """Apply the gradients; each step of the network replaces them all."""
        for optimizer in self._optimizers.values():
            optimizer.step()

    def next_epoch(self) -> None:
        """Set the learning rates of the next epoch."""
        for scheduler in self._schedulers.values():
            scheduler.step()

    @property
    def rates(self) -> dict[str, float]:
        """Path → learning rate in force."""
        return {path: o.param_groups[0]["lr"] for path, o in self._optimizers.items()}


def _settings(path: str, config: TrainConfig) -> dict[str, Any]:
    names = ["lr", "weight_decay"]
    if config.of_path(path, "optimizer") == "sgd":
        names.append("momentum")
    settings = {name: config.of_path(path, name) for name in names}
    return settings | ({"nesterov": config.nesterov} if "momentum" in settings else {})
