"""`TrainConfig`: every number of a run, checked when it is set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import cos, isfinite, pi
from typing import Any

import torch

from .batches import AUGMENTATIONS
from .errors import ConfigError

OPTIMIZERS = ("sgd", "adam")
SCHEDULES = ("constant", "cosine", "step")
DTYPES = {"float32": torch.float32, "float64": torch.float64}


def option(default: Any, help: str, choices: tuple[str, ...] | None = None) -> Any:
    """A field that explains itself, here and on the command line."""
    return field(default=default, metadata={"help": help, "choices": choices})


@dataclass(frozen=True)
class TrainConfig:
    """Settings of a run. `feedback_*` left at None are those of the forward path.

    A synapse whose plasticity states its own rate or decay keeps that one.
    """

    epochs: int = option(20, "passes over the training data")
    batch_size: int = option(64, "samples a step")
    lr: float = option(0.01, "learning rate")
    momentum: float = option(0.9, "momentum of SGD")
    nesterov: bool = option(False, "Nesterov's form of momentum")
    weight_decay: float = option(1e-4, "decay of the weights")
    optimizer: str = option("sgd", "optimizer of the forward path", OPTIMIZERS)
    schedule: str = option("constant", "course of the learning rate", SCHEDULES)
    step_epochs: int = option(10, "schedule step: epochs between steps")
    step_factor: float = option(0.1, "schedule step: factor of each step")
    feedback_lr: float | None = option(None, "learning rate of the feedback path")
    feedback_momentum: float | None = option(None, "momentum of the feedback path")
    feedback_weight_decay: float | None = option(None, "decay of the feedback path")
    feedback_optimizer: str | None = option(None, "optimizer of the feedback path", OPTIMIZERS)
    feedback_schedule: str | None = option(None, "schedule of the feedback path", SCHEDULES)
    feedback_step_epochs: int | None = option(None, "its epochs between steps")
    feedback_step_factor: float | None = option(None, "its factor of each step")
    spontaneous_every: int = option(1, "steps between spells of spontaneous activity")
    spontaneous_batches: int = option(1, "batches of spontaneous activity in a spell")
    spontaneous_warmup_epochs: int = option(0, "epochs of spontaneous activity before the first")
    augment: str = option("none", "augmentation of the training images", AUGMENTATIONS)
    validation: float = option(0.0, "fraction of the training samples held out for validation")
    seed: int = option(0, "seed of weights, order, augmentation and noise")
    device: str = option("cpu", "torch device")
    dtype: str = option("float32", "floating point type", tuple(DTYPES))

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "spontaneous_every", "spontaneous_batches"):
            self._at_least(name, 1)
        for name in ("step_epochs", "feedback_step_epochs"):
            self._at_least(name, 1)
        for name in ("lr", "weight_decay", "feedback_lr", "feedback_weight_decay"):
            self._at_least(name, 0)
        for name in ("spontaneous_warmup_epochs", "seed", "step_factor", "feedback_step_factor"):
            self._at_least(name, 0)
        for name in ("momentum", "feedback_momentum", "validation"):
            self._fraction(name)
        for name, described in self.__dataclass_fields__.items():
            self._choice(name, described.metadata["choices"])
        if self.nesterov and 0 in (self.momentum, self.feedback_momentum):
            raise ConfigError(
                "nesterov needs a momentum above 0. Set momentum=0.9, or leave it out"
            )
        self._check_device()

    def _at_least(self, name: str, low: int) -> None:
        value = getattr(self, name)
        if value is not None and not (isfinite(value) and value >= low):
            raise ConfigError(f"{name} = {value}, expected at least {low}")

    def _fraction(self, name: str) -> None:
        value = getattr(self, name)
        if value is not None and not 0 <= value < 1:
            raise ConfigError(f"{name} = {value}, expected at least 0 and below 1")

    def _choice(self, name: str, choices: tuple[str, ...] | None) -> None:
        value = getattr(self, name)
        if choices and value is not None and value not in choices:
            raise ConfigError(f"{name} = {value!r}, expected one of {', '.join(choices)}")

    def _check_device(self) -> None:
        try:
            torch.empty(0, device=self.device)
        # torch raises RuntimeError or AssertionError, depending on what it was built with.
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            reason = str(error).splitlines()[0]
            raise ConfigError(f"device = {self.device!r} cannot be used: {reason}") from error

    @property
    def torch_dtype(self) -> torch.dtype:
        return DTYPES[self.dtype]

    def of_path(self, path: str, name: str) -> Any:
        """A setting of the forward or the feedback path."""
        own = getattr(self, f"feedback_{name}") if path == "feedback" else None
        return getattr(self, name) if own is None else own

    def factor(self, path: str) -> Callable[[int], float]:
        """What multiplies the learning rate in each epoch, counted from 0."""
        schedule = self.of_path(path, "schedule")
        if schedule == "cosine":
            return lambda epoch: 0.5 * (1 + cos(pi * min(epoch, self.epochs) / self.epochs))
        if schedule == "step":
            every, step = self.of_path(path, "step_epochs"), self.of_path(path, "step_factor")
            return lambda epoch: step ** (epoch // every)
        return lambda epoch: 1.0
