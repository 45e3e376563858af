"""The distinct values of columns: as text, as numbers, counted, compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .fields import Factor

SHOWN = 8


def of_cells(
    names: NDArray[np.str_], attributes: Mapping[str, Mapping[str, Any]]
) -> dict[str, NDArray[Any]]:
    """Attributes in the order of the cells: numbers where all of them are, else text."""
    found = {}
    for key, values in attributes.items():
        texts = np.array([as_text(values.get(name)) for name in names.tolist()], str)
        found[key] = texts
        for kind in (np.int64, np.float64):
            try:
                found[key] = texts.astype(kind)
                break
            except (ValueError, OverflowError):
                continue
    return found


def numbered(column: Factor, numbers: dict[str, int]) -> NDArray[np.int64]:
    return column.map(
        (numbers.setdefault(as_text(value), len(numbers)) for value in column.values), np.int64
    )


def as_text(value: Any) -> str:
    return "" if value is None else str(value).strip()


def counts(column: Factor) -> dict[str, int]:
    sizes = np.bincount(column.codes, minlength=len(column.values)).tolist()
    found: Counter[str] = Counter()
    for value, count in zip(column.values, sizes, strict=True):
        found[as_text(value)] += count
    return found


def equal_to(allowed: frozenset[str]) -> Callable[[str], bool]:
    """As text, or as numbers: ``--where layer=2`` takes 2.0 too."""
    numbers = {number for number in map(_float, allowed) if number is not None}

    def same(text: str) -> bool:
        return text in allowed or (bool(numbers) and _float(text) in numbers)

    return same


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def listed(found: Counter[str]) -> str:
    shown = [f"{value or '(empty)'} {count:,}" for value, count in found.most_common(SHOWN)]
    more = len(found) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more > 0 else "")
