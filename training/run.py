"""`Run`: network, optimizers and generators of one run, and what it does epoch by epoch."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from hashlib import sha256
from math import isfinite
from typing import Any

import numpy as np
import torch
from torch import Tensor

from oneway.analysis import weight_angles
from oneway.backends.rate import RateNetwork
from oneway.circuits import Circuit, to_json
from oneway.rules import Rule

from .batches import augmented, batches, n_batches
from .checkpoint import check_same_run, fingerprint
from .config import TrainConfig
from .dataset import DataSet
from .errors import DataError, TrainingError
from .labels import rule_label
from .optimizers import Optimizers
from .progress import ProgressBar
from .published import published_accuracy
from .records import RunFolder, RunResult, jsonable

# The loss is looked at this often, so that a GPU need not wait for the CPU in every step.
CHECK_EVERY = 50
EVALUATION_BATCH = 1000
STREAMS = ("order", "augmentation", "noise")


class Run:
    """One run: network, optimizers and the generators of everything that is drawn."""

    def __init__(
        self,
        wired: Circuit,
        rule: Rule | None,
        data: DataSet,
        config: TrainConfig,
        loss: torch.nn.Module,
        folder: RunFolder | None = None,
        floor: float | None = None,
    ) -> None:
        self.wired, self.rule, self.config, self.folder = wired, rule, config, folder
        self.identity = {} if folder is None else _identity(wired, rule, data, config, loss)
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
        self.generators = dict(zip(STREAMS, generators(config), strict=True))
        self.spontaneous = any(phase.noisy for phase in wired.phases.values())
        self.step = 0
        self.history: list[Mapping[str, Any]] = []
        self.floor = floor
        self.resumed = False
        self.seconds_before = 0.0
        self.started = time.monotonic()

    @property
    def label(self) -> str:
        return rule_label(self.rule) if self.rule is not None else self.wired.name

    def run(self) -> RunResult:
        self._write_config()
        steps = n_batches(len(self.data.train_y), self.config.batch_size)
        # The first checkpoint comes after the warm-up: a resumed run has that behind it.
        warms_up = self.spontaneous and not self.resumed
        warmup = self.config.spontaneous_warmup_epochs if warms_up else 0
        total = steps * (warmup + self.config.epochs - len(self.history))
        with ProgressBar(f"{self.label}, seed {self.config.seed}", total) as progress:
            for _ in range(warmup * steps):
                self._spontaneous_step()
                progress.advance("spontaneous")
            if warmup:
                self._save()
            for epoch in range(len(self.history) + 1, self.config.epochs + 1):
                self._record(self._epoch(epoch, progress))
        result = self._result()
        if self.folder is not None:
            self.folder.write_result(result)
        return result

    @property
    def seconds(self) -> float:
        """Spent on this run so far, interruptions left out."""
        return self.seconds_before + time.monotonic() - self.started

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
        for x, y in batches(self.data.train_x, self.data.train_y, size, self.generators["order"]):
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
            x = augmented(x, self.config.augment, self.generators["augmentation"])
        outcome = self.network.step(self.data.normalise(x, self.config.torch_dtype), y)
        self.optimizers.step()
        self.step += 1
        if self.spontaneous and self.step % self.config.spontaneous_every == 0:
            for _ in range(self.config.spontaneous_batches):
                self._spontaneous_step()
        return outcome

    def _spontaneous_step(self) -> None:
        self.network.spontaneous_step(self.config.batch_size, generator=self.generators["noise"])
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
                **self.identity,
                train_samples=len(self.data.train_y),
                test_samples=len(self.data.test_y),
            )

    def _record(self, record: Mapping[str, Any]) -> None:
        self.history.append(record)
        if self.folder is not None:
            self.folder.append_metrics(record)
        self._save()

    def _save(self) -> None:
        if self.folder is not None:
            self.folder.save(
                {
                    "run": self.identity,
                    "step": self.step,
                    "history": self.history,
                    "floor": self.floor,
                    "seconds": self.seconds,
                    "network": self.network.state_dict(),
                    "optimizers": self.optimizers.state_dict(),
                    "generators": {name: g.get_state() for name, g in self.generators.items()},
                }
            )

    def restore(self, notify: Callable[[str], None]) -> None:
        """Take over what the last checkpoint holds; files change only once all of it fits."""
        assert self.folder is not None
        state = self.folder.saved()
        path, begun = self.folder.path, self.folder.settings() if state is None else state["run"]
        if begun:
            check_same_run(path, {key: begun.get(key) for key in self.identity}, self.identity)
        if state is None:
            notify("no epoch was finished before the interruption: the run starts again")
            return
        try:
            self.network.load_state_dict(state["network"])
            self.optimizers.load_state_dict(state["optimizers"])
            for name, generator in self.generators.items():
                generator.set_state(state["generators"][name])
        except (RuntimeError, KeyError, ValueError, TypeError) as error:
            reason = str(error).splitlines()[0]
            raise DataError(
                f"checkpoint in {str(path)!r} does not fit this version of the network ({reason}). "
                "Start the run again in another folder; nothing was changed"
            ) from error
        self.step, self.history = state["step"], state["history"]
        self.floor = state["floor"] if self.floor is None else self.floor
        self.seconds_before, self.resumed = state["seconds"], True
        self.folder.rewrite_metrics(self.history)
        notify(f"goes on after epoch {len(self.history)} of {self.config.epochs}")

    def _result(self) -> RunResult:
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
            seconds=self.seconds,
            selected=self._selected(),
            history=tuple(self.history),
            floor_accuracy=self.floor,
            published=published_accuracy(self.data.name, self.wired.name, self.rule),
        )

    def _selected(self) -> dict[str, Any] | None:
        if self.validation is None:
            return None
        best = max(self.history, key=lambda record: record["validation_accuracy"])
        return {key: best[key] for key in ("epoch", "validation_accuracy", "test_accuracy")}


def _identity(
    wired: Circuit,
    rule: Rule | None,
    data: DataSet,
    config: TrainConfig,
    loss: torch.nn.Module,
) -> dict[str, Any]:
    """What two runs must have in common for one to go on where the other stopped."""
    tensors = (data.train_x, data.train_y, data.test_x, data.test_y)
    settings = {
        "circuit": wired.name,
        "rule": None if rule is None else asdict(rule) | {"name": rule.name},
        "wiring": sha256(to_json(wired).encode()).hexdigest()[:16],
        "data": data.name,
        "samples": fingerprint(*tensors),
        # A function's text would name its address, which is another one in every process.
        "loss": getattr(loss, "__qualname__", str(loss)),
        "config": asdict(config),
    }
    return jsonable(settings)  # as it is when read back


def generators(config: TrainConfig) -> list[torch.Generator]:
    """One generator a stream, so that what one of them draws cannot shift another."""
    drawn = []
    for stream, name in enumerate(STREAMS):
        seed = int(np.random.SeedSequence([config.seed, stream]).generate_state(1)[0])
        device = config.device if name == "noise" else "cpu"
        drawn.append(torch.Generator(device=device).manual_seed(seed))
    return drawn
