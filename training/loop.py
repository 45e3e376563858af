"""The training loop: any wired circuit as rates, one epoch after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from oneway.analysis import weight_angles
from oneway.backends.rate import RateNetwork
from oneway.circuits import Circuit
from oneway.rules import RULES, Rule

from .batches import augmented, batches, n_batches
from .clock import alignment_clock
from .config import TrainConfig
from .dataset import DataSet
from .errors import ConfigError, DataError, TrainingError
from .labels import rule_label
from .optimizers import Optimizers
from .progress import ProgressBar
from .published import published_accuracy
from .records import RunFolder, RunResult

# The loss is looked at this often, so that a GPU need not wait for the CPU in every step.
CHECK_EVERY = 50
EVALUATION_BATCH = 1000
STREAMS = ("order", "augmentation", "noise")


def train(
    circuit: Circuit,
    rule: Rule | None,
    data: DataSet,
    config: TrainConfig | None = None,
    *,
    out: str | Path | None = None,
    loss: torch.nn.Module | None = None,
    floor: float | None = None,
    notify: Callable[[str], None] = lambda sentence: None,
) -> RunResult:
    """Train a circuit.

    Parameters
    ----------
    circuit : Circuit
        A forward circuit for `rule` to wire, or a wired one and `rule` None.
    rule : Rule or None
    data : DataSet
        Fitted to the circuit's input shape by the loop itself.
    config : TrainConfig, optional
    out : path, optional
        Folder for ``config.json``, ``metrics.jsonl`` (a line an epoch, on disk before the next
        one starts) and ``result.json``. It must not hold a run already.
    loss : torch.nn.Module, optional
        Of output and class; cross entropy by default.
    floor : float, optional
        `floor_accuracy` of this circuit, to stand in the result.
    notify : callable, optional
        Gets what a person should know before the run starts, a sentence at a time.

    Raises
    ------
    ConfigError, DataError, WiringError
        Something does not fit; nothing was run.
    TrainingError
        The loss is not finite any more. Metrics up to there are in `out`.

    Examples
    --------
    >>> from oneway.circuits import mlp
    >>> from oneway.rules import parse_rule
    >>> from oneway.training import TrainConfig, load_data, train
    >>> config = TrainConfig(epochs=10)
    >>> result = train(mlp((64, 16, 10)), parse_rule("fa"), load_data("digits"), config)
    >>> result.test_accuracy > 0.5
    True
    """
    config = config or TrainConfig()
    wired = wire(circuit, rule)
    data = fit(data, wired)
    folder = None if out is None else RunFolder(out)
    run = _Run(wired, rule, data, config, loss, folder)
    notify_clock(wired, run.data, config, notify)
    return run.run(floor)


def wire(circuit: Circuit, rule: Rule | None) -> Circuit:
    """The wired circuit: by `rule`, or as it is if there is no rule."""
    if (circuit.target is not None) == (rule is None):
        return circuit if rule is None else rule.wire(circuit)
    if rule is None:
        raise ConfigError(
            f"circuit {circuit.name!r} is a forward circuit: it learns nothing without a rule. "
            f"Name one of {', '.join(RULES)}"
        )
    raise ConfigError(
        f"circuit {circuit.name!r} is wired already: train it without a rule (got {rule.name!r})"
    )


def fit(data: DataSet, circuit: Circuit) -> DataSet:
    """The data in the shape of the circuit's input, once it is sure that they fit."""
    if len(circuit.inputs) != 1:
        names = [population.name for population in circuit.inputs]
        raise DataError(f"circuit {circuit.name!r} has inputs {names}, expected exactly one")
    if circuit.output.size != data.classes:
        raise DataError(
            f"data set {data.name!r} has {data.classes} classes, but the output "
            f"{circuit.output.name!r} of circuit {circuit.name!r} has {circuit.output.size} cells"
        )
    return data.fitted(circuit.inputs[0].shape)


def notify_clock(
    wired: Circuit, data: DataSet, config: TrainConfig, notify: Callable[[str], None]
) -> None:
    steps = n_batches(len(data.train_y), config.batch_size)
    sentence = alignment_clock(wired, config, steps)
    if sentence:
        notify(sentence)


def floor_accuracy(circuit: Circuit, data: DataSet, config: TrainConfig | None = None) -> float:
    """Test accuracy of the same forward circuit and settings where only the output layer learns.

    What any rule has to beat: hidden layers stay as they were drawn.
    """
    return train(circuit, RULES["bp"](frozen="hidden"), data, config).test_accuracy


class _Run:
    """One run: network, optimizers and the generators of everything that is drawn."""

    def __init__(
        self,
        wired: Circuit,
        rule: Rule | None,
        data: DataSet,
        config: TrainConfig,
        loss: torch.nn.Module | None,
        folder: RunFolder | None,
    ) -> None:
        self.wired, self.rule, self.config, self.folder = wired, rule, config, folder
        self.validation: tuple[Tensor, Tensor] | None = None
        if config.validation:
            data, self.validation = data.hold_out(config.validation)
            x, y = self.validation
            self.validation = x.to(config.device), y.to(config.device)
        self.data = data.to(config.device)
        self.network = RateNetwork(
            wired, loss=loss, seed=config.seed, dtype=config.torch_dtype, device=config.device
        )
        self.optimizers = Optimizers(self.network.parameter_groups, config)
        self.order, self.augmentation, self.noise = generators(config)
        self.spontaneous = any(phase.noisy for phase in wired.phases.values())
        self.step = 0
        self.history: list[Mapping[str, Any]] = []

    @property
    def label(self) -> str:
        return rule_label(self.rule) if self.rule is not None else self.wired.name

    def run(self, floor: float | None) -> RunResult:
        started = time.monotonic()
        self._write_config()
        steps = n_batches(len(self.data.train_y), self.config.batch_size)
        warmup = self.config.spontaneous_warmup_epochs if self.spontaneous else 0
        total = steps * (warmup + self.config.epochs)
        with ProgressBar(f"{self.label}, seed {self.config.seed}", total) as progress:
            for _ in range(warmup * steps):
                self._spontaneous_step()
                progress.advance("spontaneous")
            for epoch in range(1, self.config.epochs + 1):
                self._record(self._epoch(epoch, progress))
        result = self._result(time.monotonic() - started, floor)
        if self.folder is not None:
            self.folder.write_result(result)
        return result

    # -- one epoch -------------------------------------------------------------------------

    def _epoch(self, epoch: int, progress: ProgressBar) -> dict[str, Any]:
        started = time.monotonic()
        rates = self.optimizers.rates
        loss, accuracy = self._learn(epoch, progress)
        self.optimizers.next_epoch()
        record: dict[str, Any] = {
            "epoch": epoch,
            "train_loss": loss,
            "train_accuracy": accuracy,
            "test_accuracy": self._accuracy(self.data.test_x, self.data.test_y),
        }
        if self.validation is not None:
            record["validation_accuracy"] = self._accuracy(*self.validation)
        record["angles_deg"] = weight_angles(self.wired, self.network.weight)
        record["lr"] = rates
        record["seconds"] = time.monotonic() - started
        return record

    def _learn(self, epoch: int, progress: ProgressBar) -> tuple[float, float]:
        """Every training sample once; mean loss and accuracy on the way."""
        self.network.train()
        device = self.config.device
        loss_sum, correct = torch.zeros((), device=device), torch.zeros((), device=device)
        n = len(self.data.train_y)
        size = self.config.batch_size
        for x, y in batches(self.data.train_x, self.data.train_y, size, self.order):
            outcome = self._learn_batch(x, y)
            loss_sum += outcome.loss.detach() * len(y)
            correct += (outcome.output.argmax(1) == y).sum()
            if self.step % CHECK_EVERY == 0:
                self._check_finite(loss_sum, epoch)
            progress.advance(f"epoch {epoch}")
        self._check_finite(loss_sum, epoch)
        return float(loss_sum) / n, float(correct) / n

    def _learn_batch(self, x: Tensor, y: Tensor) -> Any:
        if self.config.augment != "none":
            x = augmented(x, self.config.augment, self.augmentation)
        outcome = self.network.step(self.data.normalise(x, self.config.torch_dtype), y)
        self.optimizers.step()
        self.step += 1
        if self.spontaneous and self.step % self.config.spontaneous_every == 0:
            for _ in range(self.config.spontaneous_batches):
                self._spontaneous_step()
        return outcome

    def _spontaneous_step(self) -> None:
        self.network.spontaneous_step(self.config.batch_size, generator=self.noise)
        self.optimizers.step()

    def _check_finite(self, loss_sum: Tensor, epoch: int) -> None:
        if isfinite(float(loss_sum)):
            return
        where = (
            f" Metrics up to epoch {epoch - 1} are in {self.folder.path}." if self.folder else ""
        )
        raise TrainingError(
            f"{self.label}: the loss is not finite any more at step {self.step} in epoch {epoch}. "
            f"Lower lr (now {self.config.lr:g}) or feedback_lr.{where}"
        )

    @torch.no_grad()
    def _accuracy(self, x: Tensor, y: Tensor) -> float:
        self.network.eval()
        correct = 0
        for x_part, y_part in batches(x, y, EVALUATION_BATCH):
            output = self.network(self.data.normalise(x_part, self.config.torch_dtype))
            correct += int((output.argmax(1) == y_part).sum())
        return correct / len(y)

    # -- what is kept ----------------------------------------------------------------------

    def _write_config(self) -> None:
        if self.folder is not None:
            self.folder.write_config(
                circuit=self.wired.name,
                rule=None if self.rule is None else asdict(self.rule) | {"name": self.rule.name},
                data=self.data.name,
                train_samples=len(self.data.train_y),
                test_samples=len(self.data.test_y),
                config=asdict(self.config),
            )

    def _record(self, record: Mapping[str, Any]) -> None:
        self.history.append(record)
        if self.folder is not None:
            self.folder.append_metrics(record)

    def _result(self, seconds: float, floor: float | None) -> RunResult:
        last = self.history[-1]
        return RunResult(
            rule=None if self.rule is None else rule_label(self.rule),
            gate=getattr(self.rule, "gate", None),
            norm=getattr(self.rule, "norm", None),
            circuit=self.wired.name,
            data=self.data.name,
            config=self.config,
            test_accuracy=last["test_accuracy"],
            angles_deg=last["angles_deg"],
            seconds=seconds,
            selected=self._selected(),
            history=tuple(self.history),
            floor_accuracy=floor,
            published=published_accuracy(self.data.name, self.wired.name, self.rule),
        )

    def _selected(self) -> dict[str, Any] | None:
        if self.validation is None:
            return None
        best = max(self.history, key=lambda record: record["validation_accuracy"])
        return {key: best[key] for key in ("epoch", "validation_accuracy", "test_accuracy")}


def generators(config: TrainConfig) -> list[torch.Generator]:
    """One generator a stream, so that what one of them draws cannot shift another."""
    drawn = []
    for stream, name in enumerate(STREAMS):
        seed = int(np.random.SeedSequence([config.seed, stream]).generate_state(1)[0])
        device = config.device if name == "noise" else "cpu"
        drawn.append(torch.Generator(device=device).manual_seed(seed))
    return drawn
