"""The training loop: any wired circuit as rates, one epoch after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any

import torch

from oneway.backends.rate import RateNetwork
from oneway.circuits import Circuit
from oneway.rules import Rule, parse_rule

from .callbacks import EpochEnd, Listeners, StepEnd
from .config import TrainConfig
from .data.batches import n_batches
from .data.dataset import Data
from .distributed import Processes
from .errors import ConfigError, first_line
from .fitting import check_batches, check_decay, check_wired, fit
from .hardware import fastest_kernels
from .locking import locked
from .loss import make_loss
from .optimization.clock import alignment_clock
from .progress import keep_quiet
from .records import Published, RunFolder, RunResult
from .restoring import restore
from .training_run import TrainingRun


def _or_circuit_and_rule(train: Callable[..., RunResult]) -> Callable[..., RunResult]:
    """Takes the rule in second place too, as in ``train(mlp(...), rule, data, config)``."""

    @wraps(train)
    def call(circuit: Circuit, *given: Any, **options: Any) -> RunResult:
        if given and isinstance(given[0], Rule):
            options["rule"], *given = given  # type: ignore[assignment]
        return train(circuit, *given, **options)

    return call


@_or_circuit_and_rule
def train(
    circuit: Circuit,
    data: Data,
    config: TrainConfig | None = None,
    *,
    rule: Rule | None = None,
    out: str | Path | None = None,
    loss: torch.nn.Module | None = None,
    floor: float | None = None,
    published: Published | None = None,
    notify: Callable[[str], None] = keep_quiet,
    resume: bool = False,
    processes: Processes | None = None,
    tensorboard: bool = False,
    start: RateNetwork | None = None,
    weights: RateNetwork | None = None,
    on_epoch: Callable[[EpochEnd], object] | None = None,
    on_step: Callable[[StepEnd], object] | None = None,
    quiet: bool = False,
    new_rates: bool = False,
) -> RunResult:
    """Train a circuit.

    Parameters
    ----------
    circuit : Circuit
        Wired by a rule, or by hand; a forward circuit is wired by `rule`.
    data : Data
        Fitted to the circuit's input shape by the loop itself.
    config : TrainConfig, optional
    rule : Rule, optional
        Which wired the circuit, or will; the records name it. It may stand in second place too.
    out : path, optional
        Folder for ``config.json``, ``circuit.json``, ``metrics.jsonl`` (a line an epoch, on disk
        before the next one starts, with the keys of docs/records.md), ``checkpoint.safetensors``
        (written before the first epoch and after each, or less often where that takes long) and
        ``result.json``. It must not hold a run already, unless `resume`, and nobody else may be
        writing to it.
    loss : torch.nn.Module, optional
        Of output and class; by default the one that `config` names.
    floor : float, optional
        `floor_accuracy` of this circuit, to stand in the result.
    published : Published, optional
        A paper's figure, likewise.
    notify : callable, optional
        Gets what a person should know before the run starts, a sentence at a time.
    resume : bool
        Go on with the run in `out` after its last finished epoch. Metrics (but for the seconds)
        and weights become those of a run without interruption. All else must be as it was, but for
        ``config.epochs``, which may be others where the schedule is no cosine.
    processes : Processes, optional
        Those that train together, from `joined`; each calls this with the same arguments.
    tensorboard : bool
        Also write metrics to ``tensorboard`` in `out`; needs the extra of that name.
    start : RateNetwork, optional
        Of the same forward circuit, wired by any rule or by none, as `from_torch` makes it: forward
        weights, biases and running statistics start as a copy of its. By default they are drawn.
    weights : RateNetwork, optional
        Of another run, as `load_run` gives it: all weights start as a copy of its wherever both
        have the same drive, those of feedback too; `notify` gets which do, and which do not.
    on_epoch : callable, optional
        Gets an `EpochEnd` after each epoch. Where it raises, the checkpoint is made to have that
        epoch first, and the run ends with what it raised; `resume` goes on behind it.
    on_step : callable, optional
        Gets a `StepEnd` after each step. Where it raises, the run ends, and goes on after the last
        checkpoint. Of several processes the first one calls both.
    quiet : bool
        Show no progress.
    new_rates : bool
        With `resume`: from here on lr, momentum and weight_decay, of either path, may be others
        than the run had, after it diverged for instance. The records say so.

    Raises
    ------
    ConfigError, DataError, WiringError
        Something does not fit; nothing was run.
    TrainingError
        Loss, weights or statistics are not finite any more, which is never saved. Metrics up to
        there are in `out`, and a checkpoint to go on from.

    Notes
    -----
    docs/training.md says more of folders, of going on and of what is called.

    Examples
    --------
    >>> from oneway.circuits import mlp
    >>> from oneway.rules import parse_rule
    >>> from oneway.training import TrainConfig, load_data, train
    >>> digits, rule = load_data("digits"), parse_rule("fa")
    >>> result = train(mlp((64, 16, 10)), digits, TrainConfig(epochs=10), rule=rule)
    >>> result.test_accuracy > 0.5
    True

    Called after each epoch:

    >>> seen = []
    >>> result = train(mlp((64, 16, 10)), digits, TrainConfig(epochs=2), rule=rule,
    ...                on_epoch=lambda end: seen.append((end.epoch, end.test_accuracy)))
    >>> [epoch for epoch, _ in seen], seen[-1][1] == result.test_accuracy
    ([1, 2], True)
    """
    config, processes = config or TrainConfig(), processes or Processes()
    notify = notify if processes.leads else keep_quiet  # the first one speaks for all
    if rule is not None and circuit.target is None:
        circuit = rule.wire(circuit)
    check_wired(circuit)
    check_decay(circuit, config)
    data = fit(data, circuit)
    check_batches(circuit, config, data.n_train)
    loss = _loss(config, loss)
    for wish, wanted in (("resume", resume), ("tensorboard", tensorboard)):
        if wanted and out is None:
            raise ConfigError(
                f"{wish} needs the folder of the run: name it with --out (out= in Python)"
            )
    processes.check(config, loss, data.n_train)
    # Only the first process touches files.
    path = Path(out) if out is not None and processes.leads else None
    with _sole_writer(path, resume, tensorboard):
        folder = None if path is None else RunFolder(path, resume, tensorboard)
        listeners = Listeners(on_epoch, on_step, quiet)
        told = (folder, floor, published, processes, start, weights, listeners)
        run = TrainingRun(circuit, data, config, loss, rule, *told)
        if resume:
            restore(run, notify, new_rates)
        elif run.weights_from:
            notify(f"weights from {run.weights_from}")
        for note in circuit.notes:
            notify(f"note: {note}")
        clock = alignment_clock(circuit, config, n_batches(run.data.n_train, config.batch_size))
        if clock:
            notify(clock)
        with _clear(config), fastest_kernels(config.device):
            return run.run()


@contextmanager
def _sole_writer(folder: Path | None, resume: bool, tensorboard: bool) -> Iterator[None]:
    """Nobody else writes to the folder, which is made."""
    if folder is None:
        yield
        return
    RunFolder.check(folder, resume, tensorboard)
    with locked(folder):
        yield


@contextmanager
def _clear(config: TrainConfig) -> Iterator[None]:
    """What this device or its compiler cannot do, in our words."""
    try:
        yield
    except NotImplementedError as error:  # 16 bits without a kernel for them
        raise ConfigError(f"dtype = {config.dtype!r}: {error}") from error
    except RuntimeError as error:
        # By name: importing the class takes a second, compiled or not.
        if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            raise
        raise ConfigError(
            f"compile = {config.compile!r}: torch.compile cannot do this here "
            f"({first_line(error)}). Set compile = no"
        ) from error


def _loss(config: TrainConfig, given: torch.nn.Module | None) -> torch.nn.Module:
    if given is None:
        return make_loss(config)
    for setting in ("loss", "label_smoothing"):
        value = getattr(config, setting)
        if value != getattr(TrainConfig, setting):
            raise ConfigError(
                f"{setting} = {value!r} belongs to another loss than {given}. Leave one of them out"
            )
    return given


def floor_accuracy(
    circuit: Circuit,
    data: Data,
    config: TrainConfig | None = None,
    *,
    processes: Processes | None = None,
    start: RateNetwork | None = None,
    quiet: bool = False,
) -> float:
    """Test accuracy of the same forward circuit, wired or not, that any rule has to beat.

    In image nets only fully connected layers learn, by backpropagation, as in the direct
    Kolen-Pollack paper; elsewhere only the output layer. The others stay as they were drawn, or
    as they are in `start`.
    """
    drives = circuit.select(role="drive", path="forward")
    convolutional = any(p.connector.convolutional for p in drives)
    frozen = "conv" if convolutional else "hidden"
    floor = parse_rule(f"bp,frozen={frozen}").wire(circuit.forward_circuit())
    config = config or TrainConfig()
    config = replace(config, record_every=config.epochs)  # its accuracy is all that is wanted
    result = train(floor, data, config, processes=processes, start=start, quiet=quiet)
    return result.test_accuracy
