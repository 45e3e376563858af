"""`TrainingRun`: network, optimizers and generators of one run, and what it does epoch by epoch."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

import torch
from torch import Tensor

from oneway.backends.rate import RateNetwork
from oneway.backends.rate.exchange.importing import start_from
from oneway.circuits import Circuit
from oneway.rules import Rule

from .checkpoint import Pace
from .config import TrainConfig
from .data.batches import batch_sizes
from .data.dataset import Data
from .distributed import Processes
from .errors import DataError, TrainingError, first_line
from .identity import STREAMS, check_alike, check_resumable, generators, identity
from .optimization.loss_scale import LossScale
from .optimization.optimizers import Optimizers
from .progress import ProgressBar
from .recording.accuracy import accuracies
from .recording.recorder import Recorder
from .records import Published, RunFolder, RunResult

# The loss is looked at this often, so that a GPU need not wait for the CPU in every step.
CHECK_EVERY = 50


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
        self.processes.copy_lead(self.network.state_dict().values())
        if config.compile != "no":
            self.network.compile(mode=config.compile)
        self.loss_scale = LossScale(self.network)
        self.optimizers = Optimizers(self.network.parameter_groups, config)
        self.recorder = Recorder(self.network, self.optimizers, self.data, config)
        drawn = generators(config, self.processes.part.rank)
        self.generators = dict(zip(STREAMS, drawn, strict=True))
        self.spontaneous = any(phase.noisy for phase in wired.phases.values())
        self.step = 0
        self.history: list[Mapping[str, Any]] = []
        self.floor, self.published = floor, published
        self.pace = Pace()
        self.resumed = False
        self.seconds_before = 0.0
        self.started = time.monotonic()

    @property
    def label(self) -> str:
        return self.rule.label() if self.rule is not None else self.wired.name

    def run(self) -> RunResult:
        self._write_config()
        steps = len(self._batch_sizes())
        # The first checkpoint comes after the warm-up: a resumed run has that behind it.
        warms_up = self.spontaneous and not self.resumed
        warmup = self.config.spontaneous_warmup_epochs if warms_up else 0
        total = steps * (warmup + self.config.epochs - len(self.history))
        label = f"{self.label}, seed {self.config.seed}"
        with ProgressBar(label, total, self.processes.leads) as progress:
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
        for (x, y), whole in zip(batches, self._batch_sizes(), strict=True):
            outcome = self._learn_batch(x, y, share=len(y) / whole)
            loss_sum += outcome.loss.detach() * len(y)
            correct += (outcome.output.argmax(1) == y).sum()
            if self.step % CHECK_EVERY == 0:
                self._finite_total(loss_sum, epoch)
            progress.advance(f"epoch {epoch}")
        n = self.data.n_train
        return self._finite_total(loss_sum, epoch) / n, float(self.processes.total(correct)) / n

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

    def _finite_total(self, loss_sum: Tensor, epoch: int) -> float:
        total = float(self.processes.total(loss_sum))
        if isfinite(total):
            return total
        where = (
            f" Metrics up to epoch {epoch - 1} are in {self.folder.path}." if self.folder else ""
        )
        raise TrainingError(
            f"{self.label}: the loss is not finite any more at step {self.step} in epoch {epoch}. "
            f"Lower lr (now {self.config.lr:g}) or feedback_lr.{where}"
        )

    # -- what is kept ----------------------------------------------------------------------

    def _write_config(self) -> None:
        if self.folder is not None:
            self.folder.write_config(
                **self.identity,
                train_samples=self.data.n_train,
                test_samples=self.data.n_test,
                notes=list(self.wired.notes),
            )
            self.folder.write_circuit(self.wired, self.network.names)

    def _record(self, record: Mapping[str, Any]) -> None:
        self.history.append(record)
        try:
            # Before the metrics, so that whatever has some can go on.
            if self.processes.from_lead(self._checkpoint_due):
                self._save()
        finally:
            if self.folder is not None:
                self.folder.append_metrics(record)

    def _checkpoint_due(self) -> bool:
        return len(self.history) == self.config.epochs or self.pace.due()

    def _save(self) -> None:
        noise = self.processes.from_each(self.generators["noise"].get_state())
        if self.folder is None:
            return
        with self.pace.writing():
            self.folder.save(
                {
                    "run": self.identity,
                    "step": self.step,
                    "history": self.history,
                    "floor": self.floor,
                    "seconds": self.seconds,
                    "network": self.network.state_dict(),
                    "optimizers": self.optimizers.state_dict(),
                    "loss_scale": self.loss_scale.state_dict(),
                    "gaps": self.recorder.gaps.state_dict(),
                    "generators": {name: g.get_state() for name, g in self.generators.items()},
                    "noise_of_others": noise[1:],
                }
            )

    def restore(self, notify: Callable[[str], None]) -> None:
        """Take over what the last checkpoint holds; files change only once all of it fits."""
        state = self.processes.from_lead(self._saved)
        if state is None:
            notify("no epoch was finished before the interruption: the run starts again")
            return
        try:
            self.network.load_state_dict(state["network"])
            self.optimizers.load_state_dict(state["optimizers"])
            self.loss_scale.load_state_dict(state.get("loss_scale"))
            self.recorder.gaps.load_state_dict(state.get("gaps"))
            for name, generator in self.generators.items():
                generator.set_state(state["generators"][name])
            noise = [state["generators"]["noise"], *state.get("noise_of_others", ())]
            self.generators["noise"].set_state(noise[self.processes.part.rank])
        except (RuntimeError, KeyError, ValueError, TypeError, IndexError) as error:
            raise DataError(
                f"checkpoint in {state['path']!r} does not fit this version of the network "
                f"({first_line(error)}). Start the run again in another folder; nothing was changed"
            ) from error
        self.step, self.history = state["step"], state["history"]
        self.floor = state["floor"] if self.floor is None else self.floor
        self.seconds_before, self.resumed = state["seconds"], True
        if self.folder is not None:
            self.folder.rewrite_metrics(self.history)
        notify(f"goes on after epoch {len(self.history)} of {self.config.epochs}")

    def _saved(self) -> dict[str, Any] | None:
        """The state in the folder, once it is sure that it belongs to this run."""
        assert self.folder is not None
        state, path = self.folder.saved(), self.folder.path
        begun = self.folder.settings() if state is None else state["run"]
        if begun:
            check_resumable(path, begun, self.identity)
        return state and state | {"path": str(path)}

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
