"""Whether circuit, rule, data and settings fit each other, before any work is done."""

from __future__ import annotations

from oneway.circuits import Circuit
from oneway.rules import RULES, Rule

from .config import LEARNING_PATHS, TrainConfig
from .data.batches import batch_sizes
from .data.dataset import Data
from .errors import ConfigError, DataError
from .optimization.clock import paired_feedback


def wire(circuit: Circuit, rule: Rule | None) -> Circuit:
    """The wired circuit: by `rule`, or as it is if there is no rule."""
    if rule is None:
        check_wired(circuit)
        return circuit
    if circuit.target is None:
        return rule.wire(circuit)
    raise ConfigError(
        f"circuit {circuit.name!r} is wired already: train it without a rule (got {rule.name!r})"
    )


def check_wired(circuit: Circuit) -> None:
    """Complain about a forward circuit, which has no error to learn from."""
    if circuit.target is None:
        raise ConfigError(
            f"circuit {circuit.name!r} is a forward circuit: it learns nothing without a rule. "
            f"Let one of {', '.join(RULES)} wire it"
        )


def fit(data: Data, circuit: Circuit) -> Data:
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


def check_batches(wired: Circuit, config: TrainConfig, samples: int) -> None:
    """Complain about a batch of one sample, where batch norm has no variance to divide by."""
    if min(batch_sizes(samples, config.batch_size)) > 1:
        return
    cells = wired.populations
    normalised = {c.name: c for c in cells.values() if c.norm is not None}
    normalised |= {p.name: cells[p.post] for p in wired.projections.values() if p.norm is not None}
    for name, normal in normalised.items():
        if normal.size == normal.shape[0]:
            raise ConfigError(
                f"batch_size = {config.batch_size} for {samples:,} samples: batch norm of {name!r} "
                "has one value a channel in a batch of one, and no variance to divide by. Take 2 "
                "or more"
            )


def check_decay(wired: Circuit, config: TrainConfig) -> None:
    """Complain where two weights get the same change and would fade at different rates.

    Their gap then never closes: what one of them forgets, the other keeps.
    """
    unlike = [name for name in _decays(config) if len(set(_both(config, name))) > 1]
    if not unlike or config.unequal_decay:
        return
    name = unlike[0]
    forward, backward = _both(config, name)
    for feedback in paired_feedback(wired):
        assert feedback.plasticity is not None  # paired drives learn
        if feedback.plasticity.rate is None:  # others state their own decay
            raise ConfigError(
                f"weights {feedback.partner!r} and {feedback.name!r} get the same change in every "
                f"step, but {name} = {forward:g} and feedback_{name} = {backward:g}: they would "
                "never align. Set both alike, or unequal_decay = yes if that is meant"
            )


def _decays(config: TrainConfig) -> list[str]:
    """The settings that decide how much weights decay."""
    warmup = ["decay_warmup_epochs", "warmup_weight_decay"]
    return ["weight_decay", *(warmup if any(_both(config, warmup[0])) else ())]


def _both(config: TrainConfig, name: str) -> list[float]:
    return [config.of_path(path, name) for path in LEARNING_PATHS]
