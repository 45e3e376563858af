"""The published figure that belongs beside a run: of the same network, rule and whole data set.

The figures stand in the shipped recipes. A run of other settings than the recipe's is still shown
beside it, with the names of the settings that differ; a run on a part of the data is not.
"""

from __future__ import annotations

from dataclasses import fields

from oneway.rules import Rule

from ..config import SPEED, TrainConfig
from ..data.official import is_complete
from ..records import Published
from .tables import Entry, shipped

# What does not make it another experiment.
_OURS = ("seed", "device", "dtype", "validation", "sync_batch_norm", *SPEED)


def published_figure(
    data: str, circuit: str, rule: Rule | None, config: TrainConfig, n_train: int, n_test: int
) -> Published | None:
    """The figure of the shipped recipe that is most like a run; None where there is no such one.

    Parameters
    ----------
    data, circuit : str
        Name of the data set, and builder string.
    rule : Rule or None
        Gates and norms count too.
    config : TrainConfig
    n_train, n_test : int
        Samples; those held out of the training part for validation count as training samples.

    Examples
    --------
    >>> from oneway.training.recipes.published import published_figure
    >>> from oneway.training.recipes.tables import find
    >>> dkp = find("direct-kp-table1/fashion-mnist/dkp").recipe()
    >>> settings = (dkp.data, dkp.circuit, dkp.make_rule(), dkp.config)
    >>> published_figure(*settings, 60_000, 10_000)
    Published(accuracy=0.9166, recipe='direct-kp-table1/fashion-mnist/dkp', differs=())
    >>> published_figure(*settings, 20_000, 10_000)
    """
    if rule is None or not is_complete(data, n_train, n_test):
        return None
    same = [entry for entry in shipped().values() if _is_of(entry, data, circuit, rule)]
    found = [
        Published(entry.published, entry.name, _differences(config, entry.recipe().config))
        for entry in same
        if entry.published is not None
    ]
    return min(found, key=lambda figure: len(figure.differs), default=None)


def _is_of(entry: Entry, data: str, circuit: str, rule: Rule) -> bool:
    if (entry.settings["data"], entry.settings["circuit"]) != (data, circuit):
        return False
    return entry.recipe().make_rule() == rule


def _differences(one: TrainConfig, other: TrainConfig) -> tuple[str, ...]:
    names = [field.name for field in fields(TrainConfig) if field.name not in _OURS]
    return tuple(name for name in names if getattr(one, name) != getattr(other, name))
