"""What the numbers at a run's end do not say by themselves: chance, and angles of nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import sqrt
from typing import Any

from oneway.circuits import Circuit


def warnings_at_the_end(
    history: Sequence[Mapping[str, Any]],
    chance: float,
    samples: int,
    circuit: Circuit,
    faded: Mapping[str, tuple[float, float]],
) -> tuple[str, ...]:
    """What a person should know who reads the last line alone, a sentence each.

    Parameters
    ----------
    history : sequence of mapping
        A record an epoch.
    chance : float
        Accuracy of naming the commonest class always.
    samples : int
        That accuracies were measured on.
    circuit : Circuit
    faded : mapping
        Of which weights next to nothing is left, as `Watch.faded` has it.
    """
    return (*_of_chance(history, chance, samples), *_of_nothing(history[-1], circuit, faded))


def at_chance(accuracy: float, chance: float, samples: int) -> bool:
    """Whether an accuracy cannot be told from chance: it is not two standard errors above.

    Examples
    --------
    >>> at_chance(0.12, 0.1, 100), at_chance(0.12, 0.1, 10_000)
    (True, False)
    """
    return accuracy <= chance + 2 * sqrt(chance * (1 - chance) / samples)


def _of_chance(history: Sequence[Mapping[str, Any]], chance: float, samples: int) -> Iterator[str]:
    last = history[-1]["test_accuracy"]
    if not at_chance(last, chance, samples):
        return
    best = max(history, key=lambda record: record["test_accuracy"])
    level = f"{100 * last:.1f} % on the test samples is no better than chance"
    chance_is = f"(the commonest class alone gives {100 * chance:.1f} %)"
    if at_chance(best["test_accuracy"], chance, samples):
        yield f"it has learned nothing that shows: {level} {chance_is}"
    else:
        yield (
            f"it fell to chance: {level} {chance_is}, after {100 * best['test_accuracy']:.1f} % in "
            f"epoch {best['epoch']}. Lower lr or weight_decay, or take fewer epochs"
        )


def _of_nothing(
    last: Mapping[str, Any], circuit: Circuit, faded: Mapping[str, tuple[float, float]]
) -> Iterator[str]:
    angles = last.get("angles_deg", {})
    empty = {}
    for name in angles:
        for own in (name, circuit.projections[name].partner):
            if f"weights.{own}" in faded:
                empty[own] = faded[f"weights.{own}"]
    if not empty:
        return
    name, (before, now) = next(iter(empty.items()))
    others = f" and {len(empty) - 1} more" if len(empty) > 1 else ""
    angle = next(a for n, a in angles.items() if name in (n, circuit.projections[n].partner))
    said = "" if angle is None or angle != angle else f" of {angle:.1f}°"
    yield (
        f"an angle{said} says nothing here, since nothing is left of the weights of {name!r}"
        f"{others}: the largest is {now:.2g}, and was {before:.2g} at the start. Lower weight_decay"
    )
