"""`TrainConfig`: every number of a run, checked when it is set."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from itertools import pairwise
from math import isfinite
from typing import TYPE_CHECKING, Any

from .data.catalogue import AUGMENTATIONS
from .errors import ConfigError, first_line

if TYPE_CHECKING:
    import torch

LEARNING_PATHS = ("forward", "feedback")
LOSS_NAMES = ("cross_entropy", "squared")
OPTIMIZERS = ("sgd", "adam", "batch_manhattan")
SCHEDULES = ("constant", "cosine", "step")
STORED_DTYPES = ("float32", "float64")
# Of activity and errors; weights are float32 then.
COMPUTED_DTYPES = ("bfloat16", "float16")
DTYPES = STORED_DTYPES + COMPUTED_DTYPES
COMPILE_MODES = tuple("no default reduce-overhead max-autotune max-autotune-no-cudagraphs".split())
# How long processes wait for one that has stopped answering.
PATIENCE_S = 300.0
# How fast a run goes and how often it is looked at, not where to: it may be resumed with others.
SPEED = ("channels_last", "compile", "record_every")
# How fast it learns: a run may go on with others, if that is said.
RATES = tuple(
    f"{path}{rate}" for rate in ("lr", "momentum", "weight_decay") for path in ("", "feedback_")
)


def option(default: Any, help: str, choices: tuple[str, ...] | None = None) -> Any:
    """A field that explains itself, here and on the command line."""
    return field(default=default, metadata={"help": help, "choices": choices})


def stored_dtype(name: str) -> torch.dtype:
    """Torch's type of weights and data. Torch is imported here: options do not wait for it."""
    import torch

    return getattr(torch, name) if name in STORED_DTYPES else torch.float32


def computed_dtype(name: str) -> torch.dtype | None:
    """Torch's type of activity and errors, where it is another one."""
    import torch

    return getattr(torch, name) if name in COMPUTED_DTYPES else None


def check_least(settings: Any, names: Iterable[str], least: float) -> None:
    """Complain about the first of these settings that is below; None is no number."""
    for name in names:
        value = getattr(settings, name)
        if value is not None and not (isfinite(value) and value >= least):
            finite = "" if isfinite(value) else "a finite number, "
            raise ConfigError(f"{name} = {value}, expected {finite}at least {least}")


def check_choices(settings: Any) -> None:
    """Complain about the first of the settings that is none of its `option`'s choices."""
    for described in fields(settings):
        value, choices = getattr(settings, described.name), described.metadata["choices"]
        if choices and value is not None and value not in choices:
            raise ConfigError(f"{described.name} = {value!r}, expected one of {', '.join(choices)}")


_AT_LEAST_1 = (
    "epochs batch_size step_epochs feedback_step_epochs spontaneous_every spontaneous_batches "
    "record_every"
).split()
_AT_LEAST_0 = (
    "lr feedback_lr weight_decay feedback_weight_decay step_factor feedback_step_factor "
    "warmup_epochs feedback_warmup_epochs spontaneous_warmup_epochs seed "
    "decay_warmup_epochs feedback_decay_warmup_epochs "
    "warmup_weight_decay feedback_warmup_weight_decay"
).split()


@dataclass(frozen=True)
class TrainConfig:
    """Settings of a run. `feedback_*` left at None are those of the forward path.

    A synapse whose plasticity states its own rate or decay keeps that one.
    """

    epochs: int = option(20, "passes over the training data")
    batch_size: int = option(64, "samples a step, all processes together")
    lr: float = option(0.01, "learning rate")
    momentum: float = option(0.9, "momentum of SGD and Batch-Manhattan")
    nesterov: bool = option(False, "Nesterov's form of momentum")
    weight_decay: float = option(1e-4, "decay of the weights")
    optimizer: str = option("sgd", "optimizer of the forward path", OPTIMIZERS)
    schedule: str = option("constant", "course of the learning rate", SCHEDULES)
    step_epochs: int = option(10, "schedule step: epochs between steps")
    step_factor: float = option(0.1, "schedule step: factor of each step")
    milestones: tuple[int, ...] = option((), "schedule step: steps after these epochs instead")
    warmup_epochs: int = option(0, "epochs over which the learning rate first rises")
    decay_warmup_epochs: int = option(
        0, "first epochs, in which weights decay by warmup_weight_decay instead"
    )
    # That of product feedback alignment (arXiv 2405.20594): pairs align before learning gets far.
    warmup_weight_decay: float = option(5e-3, "decay of the weights in the warm-up of decay")
    loss: str = option("cross_entropy", "what compares output and one-hot target", LOSS_NAMES)
    label_smoothing: float = option(0.0, "part of each target spread over all classes")
    feedback_lr: float | None = option(None, "learning rate of the feedback path")
    feedback_momentum: float | None = option(None, "momentum of the feedback path")
    feedback_nesterov: bool | None = option(None, "Nesterov's form in the feedback path")
    feedback_weight_decay: float | None = option(None, "decay of the feedback path")
    feedback_optimizer: str | None = option(None, "optimizer of the feedback path", OPTIMIZERS)
    feedback_schedule: str | None = option(None, "schedule of the feedback path", SCHEDULES)
    feedback_step_epochs: int | None = option(None, "its epochs between steps")
    feedback_step_factor: float | None = option(None, "its factor of each step")
    feedback_milestones: tuple[int, ...] | None = option(None, "its milestones")
    feedback_warmup_epochs: int | None = option(None, "its epochs of warm-up")
    feedback_decay_warmup_epochs: int | None = option(None, "its epochs of warm-up of decay")
    feedback_warmup_weight_decay: float | None = option(None, "its decay in these epochs")
    unequal_decay: bool = option(False, "let pairs of weights that change alike decay differently")
    spontaneous_every: int = option(1, "steps between spells of spontaneous activity")
    spontaneous_batches: int = option(1, "batches of spontaneous activity in a spell")
    spontaneous_warmup_epochs: int = option(0, "epochs of spontaneous activity before the first")
    augment: str = option("none", "augmentation of the training images", AUGMENTATIONS)
    sync_batch_norm: bool = option(False, "batch norm over the batches of all processes")
    validation: float = option(0.0, "fraction of the training samples held out for validation")
    record_every: int = option(
        1, "epochs between records of angles, weights and gaps, which the last one has in any case"
    )
    seed: int = option(0, "seed of weights, order, augmentation and noise")
    device: str = option("cpu", "torch device")
    dtype: str = option(
        "float32",
        "floating point type; with 16 bits weights, optimizer and loss keep 32",
        DTYPES,
    )
    channels_last: bool = option(
        False, "channels of a pixel side by side, as GPUs convolve fastest"
    )
    compile: str = option(
        "no",
        "torch.compile each step, which takes minutes at first; reduce-overhead and max-autotune "
        "record CUDA graphs on a GPU",
        COMPILE_MODES,
    )

    def __post_init__(self) -> None:
        check_least(self, _AT_LEAST_1, 1)
        check_least(self, _AT_LEAST_0, 0)
        check_choices(self)
        for name in ("momentum", "feedback_momentum", "validation", "label_smoothing"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < 1:
                raise ConfigError(f"{name} = {value}, expected at least 0 and below 1")
        if self.label_smoothing and self.loss != "cross_entropy":
            raise ConfigError(
                f"label_smoothing = {self.label_smoothing} belongs to the cross entropy, but loss "
                f"= {self.loss!r}. Leave one of them out"
            )
        for path in LEARNING_PATHS:
            self._check_nesterov(path)
            self._check_course(path)
        if self.compile != "no" and self.sync_batch_norm:
            raise ConfigError(
                f"compile = {self.compile!r} with sync_batch_norm: a step in which processes talk "
                "to each other cannot be compiled. Leave one of them out"
            )
        self._check_device()

    def _check_nesterov(self, path: str) -> None:
        if self.of_path(path, "optimizer") == "adam" or not self.of_path(path, "nesterov"):
            return
        if self.of_path(path, "momentum") == 0:
            prefix = _prefix(path)
            raise ConfigError(
                f"{prefix}nesterov needs a momentum above 0. Set {prefix}momentum = 0.9, or "
                f"{prefix}nesterov = no"
            )

    def _check_course(self, path: str) -> None:
        prefix, at = _prefix(path), getattr(self, f"{_prefix(path)}milestones") or ()
        if any(epoch < 1 for epoch in at) or any(b <= a for a, b in pairwise(at)):
            raise ConfigError(f"{prefix}milestones = {at}, expected rising numbers from 1 on")
        schedule = self.of_path(path, "schedule")
        if at and schedule != "step":
            raise ConfigError(
                f"{prefix}milestones = {at}, but the schedule is {schedule!r}. Set "
                f"{prefix}schedule = 'step', or leave them out"
            )
        for name in ("warmup_epochs", "decay_warmup_epochs"):
            warmup = self.of_path(path, name)
            if warmup >= self.epochs:
                raise ConfigError(
                    f"{prefix}{name} = {warmup}, expected fewer than the {self.epochs} epochs"
                )

    def _check_device(self) -> None:
        import torch

        try:
            torch.zeros(1, device=self.device).item()  # which "meta", say, cannot hold
        # torch raises RuntimeError or AssertionError, depending on what it was built with.
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            reason = first_line(error).partition(". ")[0]  # torch goes on with all that it knows
            raise ConfigError(
                f"device = {self.device!r} cannot be used here: {reason}. Try 'cpu'"
            ) from error

    @property
    def torch_dtype(self) -> torch.dtype:
        """Of weights and data."""
        return stored_dtype(self.dtype)

    @property
    def compute_dtype(self) -> torch.dtype | None:
        """Of activity and errors, where it is another one."""
        return computed_dtype(self.dtype)

    def of_path(self, path: str, name: str) -> Any:
        """A setting of the forward or the feedback path."""
        own = getattr(self, f"feedback_{name}") if path == "feedback" else None
        return getattr(self, name) if own is None else own


def _prefix(path: str) -> str:
    return "feedback_" if path == "feedback" else ""
