"""The training loop: any wired circuit as rates, one epoch after the other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from oneway.circuits import Circuit
from oneway.rules import RULES, Rule

from .batches import n_batches
from .clock import alignment_clock
from .config import TrainConfig
from .dataset import DataSet
from .errors import ConfigError
from .fitting import check_decay, fit, wire
from .records import RunFolder, RunResult
from .run import Run


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
    resume: bool = False,
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
        one starts), ``checkpoint.safetensors`` (replaced after each epoch) and ``result.json``.
        It must not hold a run already, unless `resume`.
    loss : torch.nn.Module, optional
        Of output and class; cross entropy with the config's label smoothing by default.
    floor : float, optional
        `floor_accuracy` of this circuit, to stand in the result.
    notify : callable, optional
        Gets what a person should know before the run starts, a sentence at a time.
    resume : bool
        Go on with the run in `out` after its last finished epoch. Metrics (but for the seconds)
        and weights become those of a run without interruption. All else must be as it was.

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
    check_decay(wired, config)
    data = fit(data, wired)
    loss = _loss(config, loss)
    if resume and out is None:
        raise ConfigError("resume needs the folder of the run: name it with --out (out= in Python)")
    folder = None if out is None else RunFolder(out, resume)
    run = Run(wired, rule, data, config, loss, folder, floor)
    if resume:
        run.restore(notify)
    notify_clock(wired, run.data, config, notify)
    return run.run()


def _loss(config: TrainConfig, loss: torch.nn.Module | None) -> torch.nn.Module:
    if loss is None:
        return torch.nn.CrossEntropyLoss(label_smoothing=config.label_smoothing)
    if config.label_smoothing:
        raise ConfigError(
            f"label_smoothing = {config.label_smoothing} belongs to the cross entropy, but the "
            f"loss is {loss}. Leave one of them out"
        )
    return loss


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
