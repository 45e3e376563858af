"""`TrainingRun`: network, optimizers and generators of one run, and what it does epoch by epoch."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from oneway.backends.rate import RateNetwork
from oneway.backends.rate.exchange.importing import start_from
from oneway.backends.rate.exchange.taking import take_weights
from oneway.circuits import Circuit
from oneway.rules import Rule

from .callbacks import Listeners
from .checkpoint import Pace
from .config import TrainConfig
from .data.batches import batch_sizes
from .data.dataset import Data
from .distributed import Processes
from .errors import TrainingError
from .identity import STREAMS, check_alike, generators, identity
from .optimization.loss_scale import LossScale
from .optimization.optimizers import Optimizers
from .progress import ProgressBar
from .recording.accuracy import accuracies
from .recording.ending import warnings_at_the_end
from .recording.recorder import Recorder
from .recording.watch import Watch
from .records import Published, RunFolder, RunResult
from .telling import Telling


class TrainingRun:
    """One run: network, optimizers and the generators of everything that is drawn."""

    def __init__(
        self,
        wired: Circuit,
        data: Data,
        config: TrainConfig,
        loss: torch.nn.Module,
        rule: Rule | None = None,
        folder: RunFolder | None = None,
        floor: float | None = None,
        published: Published | None = None,
        processes: Processes | None = None,
        start: RateNetwork | None = None,
        weights: RateNetwork | None = None,
        listeners: Listeners | None = None,
    ) -> None:
        self.wired, self.rule, self.config, self.folder = wired, rule, config, folder
        self.processes = processes or Processes()
        world = self.processes.part.world
        self.identity: dict[str, Any] = {}
        if folder is not None or world > 1:
            self.identity = identity(wired, rule, data, config, loss, world)
        check_alike(self.processes, self.identity)
        self.data = data.prepared(config.validation, config.device)
        self.network = RateNetwork(
            wired,
            loss=loss,
            seed=config.seed,
            dtype=config.torch_dtype,
            compute_dtype=config.compute_dtype,
            channels_last=config.channels_last,
            device=config.device,
            share_changes=True,
            stack=self.processes.stack if config.sync_batch_norm else None,
        )
        if start is not None:
            start_from(self.network, start)
        self.weights_from: str | None = None
        if weights is not None:
            self.weights_from = f"{weights.circuit.name}, {take_weights(self.network, weights)}"
        self.processes.copy_lead(self.network.state_dict().values())
        if config.compile != "no":
            self.network.compile(mode=config.compile)
        self.loss_scale = LossScale(self.network)
        self.optimizers = Optimizers(self.network.parameter_groups, config)
        self.recorder = Recorder(self.network, self.optimizers, self.data, config)
        self.watch = Watch(self.network, config)
        name = f"{self.label}, seed {config.seed}"
        told = (listeners or Listeners(), name, config.epochs, self.network, self.processes)
        self.telling = Telling(*told)
        drawn = generators(config, self.processes.part.rank)
        self.generators = dict(zip(STREAMS, drawn, strict=True))
        self.spontaneous = any(phase.noisy for phase in wired.phases.values())
        self.step = 0
        self.history: list[Mapping[str, Any]] = []
        self.floor, self.published = floor, published
        self.changes: list[Mapping[str, Any]] = []
        self.pace = Pace()
        self.kept_epochs = -1  # that the checkpoint has, where there is one
        self.seconds_before = 0.0
        self.started = time.monotonic()

    @property
    def label(self) -> str:
        return self.rule.label() if self.rule is not None else self.wired.name

    def run(self) -> RunResult:
        self._write_config()
        steps = len(self._batch_sizes())
        # A checkpoint stands before the first epoch, after the warm-up: whoever finds one has the
        # warm-up behind it, and whatever has metrics can go on.
        begins = self.kept_epochs < 0
        warms_up = self.spontaneous and begins
        warmup = self.config.spontaneous_warmup_epochs if warms_up else 0
        total = steps * (warmup + self.config.epochs - len(self.history))
        with ProgressBar(self.telling.run, total, self.telling.shows_progress) as progress:
            for _ in range(warmup * steps):
                self._spontaneous_step()
                progress.advance("spontaneous")
            if begins:
                self._look("in the warm-up", memory=self.optimizers.memory)
                self.save()
            for epoch in range(len(self.history) + 1, self.config.epochs + 1):
                self._record(self._epoch(epoch, progress))
                self.telling.epoch(self.history, self.step, self._keep)
        result = self._result()
        if self.folder is not None:
            self.folder.write_result(result)
        return result

    @property
    def seconds(self) -> float:
        """Spent on this run so far, interruptions left out."""
        return self.seconds_before + time.monotonic() - self.started

    # -- one epoch -------------------------------------------------------------------------

    def _batch_sizes(self) -> list[int]:
        """Of the batches of an epoch, those of all processes together."""
        least = self.processes.part.least
        return batch_sizes(self.data.n_train, self.config.batch_size, least)

    def _epoch(self, epoch: int, progress: ProgressBar) -> dict[str, Any]:
        started = time.monotonic()
        rates = self.optimizers.rates
        loss, accuracy = self.learn(epoch, progress)
        self.optimizers.next_epoch()
        # Where each process normalises its own part, each has running statistics of its own.
        self.processes.average(self.network.norms.buffers())
        record: dict[str, Any] = {"epoch": epoch, "train_loss": loss, "train_accuracy": accuracy}
        record |= accuracies(self.network, self.data, self.config.torch_dtype, self.processes)
        if self.recorder.due(epoch):
            # The first process looks: the others have the same weights.
            record |= {"angles_deg": {}} | self.processes.from_lead(self.recorder.measure)
        record["lr"] = rates
        record["seconds"] = time.monotonic() - started
        return record

    def learn(self, epoch: int, progress: ProgressBar) -> tuple[float, float]:
        """Every training sample once; mean loss and accuracy on the way."""
        self.network.train()
        device = self.config.device
        loss_sum, correct = torch.zeros((), device=device), torch.zeros((), device=device)
        batches = self.data.train_batches(
            self.config.batch_size,
            self.generators["order"],
            self.generators["augmentation"],
            self.config.augment,
            self.processes.part,
        )
        note = self.telling.note(epoch, self.history)
        for (x, y), whole in zip(batches, self._batch_sizes(), strict=True):
            outcome = self._learn_batch(x, y, share=len(y) / whole)
            loss = outcome.loss.detach() * len(y)
            loss_sum += loss
            correct += (outcome.output.argmax(1) == y).sum()
            self.watch.hear(loss)
            if self.watch.due(self.step):
                self._look(f"in epoch {epoch}", loss_sum, batch=(x, y))
            progress.advance(note)
            self.telling.step(self.step, epoch, len(y), outcome.loss)
        total = self._look(f"in epoch {epoch}", loss_sum, self.optimizers.memory, (x, y))
        n = self.data.n_train
        return total / n, float(self.processes.total(correct)) / n

    def _learn_batch(self, x: Tensor, y: Tensor, share: float) -> Any:
        x = self.data.normalise(x, self.config.torch_dtype)
        outcome = self.network.step(x, y, generator=self.generators["noise"])
        self._change(share)
        self.step += 1
        if self.spontaneous and self.step % self.config.spontaneous_every == 0:
            for _ in range(self.config.spontaneous_batches):
                self._spontaneous_step()
        return outcome

    def _spontaneous_step(self) -> None:
        world = self.processes.part.world
        batch = self.config.batch_size // world
        self.network.spontaneous_step(batch, generator=self.generators["noise"])
        self._change(1 / world, errors=False)

    def _change(self, share: float, errors: bool = True) -> None:
        """Let the weights change as a whole batch wants it, of which a share was seen here."""
        self.processes.average_changes(self.network.parameters(), share)
        if self.loss_scale.allows(self.network.parameters(), errors):
            self.optimizers.step()
            if errors:
                self.recorder.gaps.step()

    def _look(
        self,
        when: str,
        loss_sum: Tensor | None = None,
        memory: Sequence[Tensor] = (),
        batch: tuple[Tensor, Tensor] | None = None,
    ) -> float:
        """The sum of losses, over all processes, where all is finite; the run ends where not."""
        total = 0.0 if loss_sum is None else float(self.processes.total(loss_sum))
        trouble = self.watch.look(self.step, when, total, memory)
        if trouble is None:
            return total
        if batch is not None:
            x, y = self.data.normalise(batch[0], self.config.torch_dtype), batch[1]
            trouble = self.watch.with_cells(trouble, x, y)
        where = ""
        if self.folder is not None:
            where = f", from the last checkpoint on with {self.folder.go_on(trouble.setting)}"
            if self.history:
                where += f". Metrics up to epoch {len(self.history)} are in {self.folder.path}"
        raise TrainingError(f"{self.label}: {trouble.what}. {trouble.fix}{where}")

    # -- what is kept ----------------------------------------------------------------------

    def _write_config(self) -> None:
        if self.folder is not None:
            if len(self.history) < self.config.epochs:
                self.folder.reopen()
            self.folder.write_config(
                **self.identity,
                changes=self.changes,
                weights=self.weights_from,
                train_samples=self.data.n_train,
                test_samples=self.data.n_test,
                notes=list(self.wired.notes),
            )
            self.folder.write_circuit(self.wired, self.network.names)

    def _record(self, record: Mapping[str, Any]) -> None:
        self.history.append(record)
        if self.folder is not None:
            self.folder.append_metrics(record)
        if self.processes.from_lead(self._checkpoint_due):
            self.save()

    def _keep(self) -> None:
        """See to it that the last checkpoint has all epochs."""
        if self.kept_epochs < len(self.history):
            self.save()

    def _checkpoint_due(self) -> bool:
        return len(self.history) == self.config.epochs or self.pace.due()

    def save(self) -> None:
        """Replace the checkpoint."""
        self.kept_epochs = len(self.history)
        noise = self.processes.from_each(self.generators["noise"].get_state())
        if self.folder is None:
            return
        with self.pace.writing():
            self.folder.save(
                {
                    "run": self.identity,
                    "step": self.step,
                    "history": self.history,
                    "changes": self.changes,
                    "weights": self.weights_from,
                    "floor": self.floor,
                    "seconds": self.seconds,
                    "network": self.network.state_dict(),
                    "optimizers": self.optimizers.state_dict(),
                    "loss_scale": self.loss_scale.state_dict(),
                    "gaps": self.recorder.gaps.state_dict(),
                    "watch": self.watch.state_dict(),
                    "generators": {name: g.get_state() for name, g in self.generators.items()},
                    "noise_of_others": noise[1:],
                }
            )

    def _result(self) -> RunResult:
        last = self.history[-1]
        return RunResult(
            rule=None if self.rule is None else self.rule.label("gate", "norm"),
            gate=getattr(self.rule, "gate", None),
            norm=getattr(self.rule, "norm", None),
            circuit=self.wired.name,
            data=self.data.name,
            config=self.config,
            test_accuracy=last["test_accuracy"],
            angles_deg=last["angles_deg"],
            error_angles_deg=last.get("error_angles_deg", {}),
            changes=tuple(self.changes),
            weights=self.weights_from,
            warnings=warnings_at_the_end(
                self.history,
                self.data.chance,
                self.data.n_test,
                self.wired,
                self.watch.faded(),
            ),
            seconds=self.seconds,
            selected=self._selected(),
            history=tuple(self.history),
            floor_accuracy=self.floor,
            published=self.published,
        )

    def _selected(self) -> dict[str, Any] | None:
        if not self.data.n_validation:
            return None
        best = max(self.history, key=lambda record: record["validation_accuracy"])
        return {key: best[key] for key in ("epoch", "validation_accuracy", "test_accuracy")}
