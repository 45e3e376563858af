"""A recipe at another length: the same course of its rates, on fewer epochs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

from ..config import LEARNING_PATHS, TrainConfig
from ..optimization.schedules import milestones_of
from ..recipes.recipe import make_recipe

_PREFIX = dict(zip(LEARNING_PATHS, ("", "feedback_"), strict=True))


def at_length(settings: Mapping[str, Any], epochs: int) -> dict[str, Any]:
    """The settings with so many epochs; all else that counts epochs shrinks with them.

    A cosine ends with the run in any case. Warm-ups take the same part of the run, at least one
    epoch, and milestones stand at the same part of it. Where steps of a rate would come more often
    than once an epoch, each takes the factor of all that fall on it.

    Examples
    --------
    >>> from oneway.training.reproduction.lengths import at_length
    >>> steps = {"circuit": "mlp:64-10", "schedule": "step", "milestones": (30, 60)}
    >>> at_length(steps | {"epochs": 90, "warmup_epochs": 6}, 15)["milestones"]
    (5, 10)
    """
    full = make_recipe(settings).config
    if epochs == full.epochs:
        return dict(settings)
    share = Fraction(epochs, full.epochs)
    short = dict(settings) | {"epochs": epochs}
    for name, value in settings.items():
        if name.endswith("warmup_epochs") and value:
            short[name] = max(1, round(share * value))
            if not name.startswith("spontaneous"):  # those come before the first epoch
                short[name] = min(short[name], epochs - 1)
        elif name.endswith("milestones") and value:
            short[name] = _milestones(value, share, epochs)
    for path in LEARNING_PATHS:
        short |= _steps(full, settings, path, share)
    return short


def _milestones(at: Iterable[int], share: Fraction, epochs: int) -> tuple[int, ...]:
    """Each at its part of the run, or an epoch after the one before; those after the end go."""
    found: list[int] = []
    for epoch in at:
        found.append(max(1, round(share * epoch), found[-1] + 1 if found else 0))
    return tuple(epoch for epoch in found if epoch < epochs)


def _steps(
    full: TrainConfig, settings: Mapping[str, Any], path: str, share: Fraction
) -> dict[str, Any]:
    """Epochs between steps, and the factor that keeps the course where they are not whole."""
    every, factor, schedule = (
        f"{_PREFIX[path]}{name}" for name in ("step_epochs", "step_factor", "schedule")
    )
    of_its_own = {every, factor, schedule} & settings.keys()
    by_steps = full.of_path(path, "schedule") == "step" and not milestones_of(full, path)
    if not (of_its_own and by_steps):
        return {}
    exact = share * full.of_path(path, "step_epochs")
    whole = max(1, round(exact))
    if whole == exact:
        return {every: whole}
    return {every: whole, factor: full.of_path(path, "step_factor") ** float(whole / exact)}
