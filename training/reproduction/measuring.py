"""What a run of a recipe will take, from a few real steps on this machine."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor

from oneway.backends.rate.memory import LiveTensors
from oneway.circuits import Circuit
from oneway.rules import Rule

from ..config import TrainConfig
from ..data.batches import n_batches
from ..data.dataset import Data
from ..fitting import check_batches
from ..hardware import fastest_kernels
from ..loss import make_loss
from ..progress import ProgressBar
from ..recipes.recipe import Recipe
from ..recording.accuracy import EVALUATION_BATCH
from ..records import RunFolder
from ..training_run import TrainingRun

# Steps that are timed together: where they are quick, more of them, and until so much time is gone.
FEW, MANY = 4, 40
ENOUGH_S = 1.0
MOST_TURNS = 5


@dataclass(frozen=True)
class Measure:
    """What each part of a run takes, in seconds.

    Parameters
    ----------
    step_s : float
        A learning step with all that belongs to it: batch, augmentation, optimizer, spontaneous
        activity.
    sample_s : float
        Of the evaluation after an epoch.
    epoch_s : float
        What an epoch has besides: angles and other records, the checkpoint.
    start_s : float
        Before the first epoch, once it was compiled for another run.
    first_s : float
        What the first start of all took longer, compiling for instance; it is behind us.
    warmup_step_s : float
        A step of the epochs of spontaneous activity that come first.
    steps, evaluated : int
        Steps, and samples evaluated, in an epoch.
    step_bytes : int or None
        Most memory that a step takes beside weights and data, tensors counted one by one; None
        where that is not possible, in compiled code and on a GPU.
    """

    step_s: float
    sample_s: float
    epoch_s: float
    start_s: float
    first_s: float
    warmup_step_s: float
    steps: int
    evaluated: int
    step_bytes: int | None = None

    def predict(self, config: TrainConfig) -> float:
        """Seconds of a run with these settings.

        Examples
        --------
        >>> from oneway.training import TrainConfig
        >>> measure = Measure(0.1, 0.001, 1.0, 5.0, 60.0, 0.0, steps=100, evaluated=1000)
        >>> measure.predict(TrainConfig(epochs=10))
        125.0
        """
        epoch = self.steps * self.step_s + self.evaluated * self.sample_s + self.epoch_s
        warmup = config.spontaneous_warmup_epochs * self.steps * self.warmup_step_s
        return self.start_s + warmup + config.epochs * epoch


def measure(recipe: Recipe, rule: Rule | None, wired: Circuit, data: Data, folder: Path) -> Measure:
    """Time a few steps of a run, an evaluation, and the records of an epoch, left in `folder`.

    Raises
    ------
    ConfigError, DataError, TrainingError, RuntimeError
        The run would end like this.
    """
    config = recipe.config
    whole = data.prepared(config.validation, config.device)
    check_batches(wired, config, data.n_train)
    with fastest_kernels(config.device):
        probe, first_s = _start(recipe, rule, wired, data, folder / "first")
        short = probe.epoch()
        again_s = sum(short.values())
        if config.compile != "no":  # what was compiled once is at hand for the next network
            _, again_s = _start(recipe, rule, wired, data, folder / "second")
        return Measure(
            **probe.times(short, with_floor=recipe.floor),
            start_s=max(0.0, again_s - sum(short.values())),
            first_s=max(0.0, first_s - again_s),
            steps=n_batches(whole.n_train, config.batch_size),
            evaluated=whole.n_test + whole.n_validation,
            step_bytes=probe.step_bytes(),
        )


def _start(
    recipe: Recipe, rule: Rule | None, wired: Circuit, data: Data, folder: Path
) -> tuple[Probe, float]:
    """A probe after its first epoch, and what all that took."""
    started = time.perf_counter()
    probe = Probe(recipe, rule, wired, data, folder)
    probe.epoch()
    return probe, time.perf_counter() - started


class Probe(TrainingRun):
    """A run on few samples that looks at the clock.

    Attributes
    ----------
    taken : dict
        Seconds that the parts of the last epoch took: ``learn``, ``evaluate`` and the ``rest``.
    """

    def __init__(
        self, recipe: Recipe, rule: Rule | None, wired: Circuit, data: Data, folder: Path
    ) -> None:
        config = replace(recipe.config, validation=0.0)
        self.all = data
        few, loss = self._some(FEW, config), make_loss(config)
        start = recipe.make_start(data, rule, config.seed)
        super().__init__(wired, few, config, loss, rule, RunFolder(folder), start=start)
        self.taken: dict[str, float] = {}

    def _some(self, steps: int, config: TrainConfig) -> Data:
        n = steps * config.batch_size
        n_test = min(n, EVALUATION_BATCH, self.all.n_test)
        return self.all.limited(min(n, self.all.n_train), n_test)

    def epoch(self) -> dict[str, float]:
        """All that belongs to one, the last of them, which leaves the most behind."""
        started = time.perf_counter()
        self._record(self._epoch(self.config.epochs, _UNSEEN))
        whole = time.perf_counter() - started
        self.taken["evaluate"] = self._evaluate_s()
        # A checkpoint that takes long is not written in every epoch.
        rest = whole - self.taken["learn"] - self.taken["evaluate"] - self.pace.slow_s
        self.taken["rest"] = max(0.0, rest)
        return dict(self.taken)

    def learn(self, epoch: int, progress: ProgressBar) -> tuple[float, float]:
        started = time.perf_counter()
        outcome = super().learn(epoch, progress)
        self.taken["learn"] = time.perf_counter() - started
        return outcome

    @torch.no_grad()
    def _evaluate_s(self) -> float:
        """Of the test samples: outputs alone, next to which comparing them takes nothing."""
        self.network.eval()
        started = time.perf_counter()
        for x, _ in self.data.test_batches(EVALUATION_BATCH):
            output = self.network(self.data.normalise(x, self.config.torch_dtype))
        float(output[0, 0])  # waits for a GPU
        return time.perf_counter() - started

    def _look(self, when: str, loss_sum: Tensor | None = None, *more: Any, **other: Any) -> float:
        """Any: a probe hurries through warm-ups, and may blow up where a run does not."""
        return 0.0 if loss_sum is None else float(loss_sum)

    def times(self, first: dict[str, float], with_floor: bool = False) -> dict[str, float]:
        """What a `Measure` holds of steps and epochs: medians, where epochs are short."""
        epochs = [first]
        if first["learn"] < ENOUGH_S:
            self.data = self._some(MANY, self.config).prepared(0.0, self.config.device)
            epochs = [self.epoch()]
        while len(epochs) < MOST_TURNS and sum(epoch["learn"] for epoch in epochs) < ENOUGH_S:
            epochs.append(self.epoch())
        typical = {part: median(epoch[part] for epoch in epochs) for part in self.taken}
        runs = 2 if with_floor else 1  # that of the floor has as many steps
        return {
            "step_s": runs * typical["learn"] / len(self._batch_sizes()),
            "sample_s": runs * typical["evaluate"] / self.data.n_test,
            "epoch_s": runs * typical["rest"],
            "warmup_step_s": self._warmup_step_s() if self.spontaneous else 0.0,
        }

    def _warmup_step_s(self) -> float:
        started = time.perf_counter()
        for _ in range(FEW):
            self._spontaneous_step()
        if torch.device(self.config.device).type == "cuda":
            torch.cuda.synchronize(self.config.device)
        return (time.perf_counter() - started) / FEW

    def step_bytes(self) -> int | None:
        """The most that a step takes, counted, where tensors are what takes memory."""
        config = self.config
        if torch.device(config.device).type != "cpu" or config.compile != "no":
            return None
        self.network.train()
        drawn = self.generators["order"], self.generators["augmentation"]
        x, y = next(self.data.train_batches(config.batch_size, *drawn, config.augment))
        with LiveTensors() as live:
            self._learn_batch(x, y, 1.0)
        return live.peak


_UNSEEN = ProgressBar("", 0, shown=False)
