"""How fast cells fire under a constant drive, measured, and the drive that a rate takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from brian2 import Clock, Network, NeuronGroup, Quantity, get_unit, second

from ..dynamics import Dynamics, unit_text
from .build import codegen, run_whole

SETTLING, COUNTED = 1 * second, 0.5 * second
DRIVES, ROUNDS, RATES = 200, 3, 1000
_COUNT = """
first_spike = int(counted > 0) * first_spike + int(counted == 0) * t
last_spike = t
counted += 1
"""
_MEASURED: dict[tuple, Curve] = {}


@dataclass(frozen=True)
class Curve:
    """The drive for rates first, first + step, ... Hz: (rates,), or (rates, cells), in base units.

    Below zero it falls as steeply as at high rates, down to the least drive that was stated.
    """

    first_hz: float
    step_hz: float
    drives: np.ndarray

    def text(self, table: str, unit: str) -> str:
        """The drive for `rate`, between the rates of the table."""
        last = len(self.drives) - 1.001
        at = f"clip((rate / Hz - {self.first_hz!r}) / {self.step_hz!r}, 0, {last!r})"
        cell = ", i" if self.drives.ndim == 2 else ""
        low, high = (f"{table}((floor({at}) + {k}) * second{cell})" for k in (0.5, 1.5))
        unit = "" if unit == "1" else f" * {unit}"
        return f"({low} + ({at} - floor({at})) * ({high} - {low})){unit}"


def measure(
    model: Dynamics,
    constants: Mapping[str, Any],
    varied: Mapping[str, np.ndarray],
    dt: Quantity,
    fastest_hz: float,
) -> Curve:
    """The drives that make cells of a model fire at rates up to the fastest.

    Parameters
    ----------
    constants : mapping
        What equations name.
    varied : mapping
        Constants of which each cell has its own, in base units, (cells,).
    """
    read = {name: constants[name] for name in model.reads & set(constants)}
    own = {name: values for name, values in varied.items() if name in model.reads}
    key = (
        *(model.equations, model.threshold, model.reset, model.refractory),
        *map(float, (*(model.drive or ()), dt, fastest_hz)),
        *((name, float(read[name])) for name in sorted(read)),
        *((name, own[name].tobytes()) for name in sorted(own)),
    )
    if key not in _MEASURED:
        _MEASURED[key] = _measure(model, read, own, dt, fastest_hz)
    return _MEASURED[key]


def _measure(
    model: Dynamics,
    read: Mapping[str, Any],
    own: Mapping[str, np.ndarray],
    dt: Quantity,
    fastest_hz: float,
) -> Curve:
    assert model.drive is not None
    cells = max((len(values) for values in own.values()), default=1)
    least, most = map(float, model.drive)
    drives = np.linspace(least, most, DRIVES)[:, None] * np.ones(cells)
    rates = rates_of(model, read, own, dt, drives)
    for _ in range(ROUNDS - 1):
        more = np.stack([_between(*ends) for ends in zip(drives.T, rates.T, strict=True)], axis=1)
        rates = np.concatenate([rates, rates_of(model, read, own, dt, more)])
        drives = np.concatenate([drives, more])
        order = np.argsort(drives, axis=0, kind="stable")
        drives, rates = (np.take_along_axis(a, order, 0) for a in (drives, rates))
    top = min(fastest_hz, rates.max(axis=0).min())
    if top <= 0:
        raise ValueError(
            f"dynamics {model.name!r}: no drive from {model.drive[0]} to {model.drive[1]} makes "
            "its cells fire. State a larger one"
        )
    return _table([_rising(*ends) for ends in zip(drives.T, rates.T, strict=True)], least, top)


def _between(drives: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """Further drives where rates are far apart, and where cells begin to fire."""
    rates, drives = _rising(drives, rates)
    apart = np.interp(np.linspace(0, rates[-1], DRIVES), rates, drives)
    return np.concatenate([apart, np.linspace(drives[0], drives[min(1, len(drives) - 1)], DRIVES)])


def _rising(drives: np.ndarray, rates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rates and their least drives, from the largest silent drive to the fastest rate."""
    rates = np.maximum.accumulate(rates)
    silent = max(int(np.sum(rates == 0)) - 1, 0)
    faster = np.concatenate([[True], np.diff(rates[silent:]) > 0])
    return rates[silent:][faster], drives[silent:][faster]


def _table(curves: list[tuple[np.ndarray, np.ndarray]], least: float, top: float) -> Curve:
    columns, steepness = [], []
    for rates, drives in curves:
        half = rates > rates[-1] / 2
        slope = np.polyfit(rates[half], drives[half], 1)[0] if half.sum() > 1 else 0.0
        slope = slope if slope > 0 else (drives[-1] - least) / top
        steepness.append((slope, (drives[0] - least) / slope))
    step = top / RATES
    below = min(int(np.ceil(max(room for _, room in steepness) / step)), RATES)
    grid = np.arange(-below, RATES + 1) * step
    for (rates, drives), (slope, _) in zip(curves, steepness, strict=True):
        falling = np.maximum(drives[0] + slope * grid, least)
        columns.append(np.where(grid < 0, falling, np.interp(grid, rates, drives)))
    table = np.stack(columns, 1)
    return Curve(float(grid[0]), float(step), table[:, 0] if len(curves) == 1 else table)


def rates_of(
    model: Dynamics,
    constants: Mapping[str, Any],
    varied: Mapping[str, np.ndarray],
    dt: Quantity,
    drives: np.ndarray,
) -> np.ndarray:
    """Rates (Hz) of cells under constant drives, both (drives, cells), by their intervals."""
    count, cells = drives.shape
    group = NeuronGroup(
        drives.size,
        _alone(model, constants, varied),
        threshold=model.threshold,
        reset=f"{model.reset}{_COUNT}",
        refractory=model.refractory or False,
        method="euler",
        clock=Clock(dt, name="measuring*"),
        namespace={**constants, "Hz": get_unit((1 / second).dim), "second": second},
    )
    group.drive_ = drives.ravel()
    for name, values in varied.items():
        setattr(group, f"{name}_", np.tile(values, count))
    first: dict[str, Any] = {name: float(value) for name, value in constants.items()}
    first |= {name: np.tile(values, count) for name, values in varied.items()}
    for variable in model.start:
        setattr(group, f"{variable}_", model.first(variable, drives.size, first))
    network = Network(group)
    with codegen("numpy"):
        run_whole(network, SETTLING)
        group.counted = 0
        run_whole(network, COUNTED)
    counted, since = np.array(group.counted_[:]), np.array(group.last_spike_ - group.first_spike_)
    rates = np.where(counted > 1, (counted - 1) / np.where(counted > 1, since, 1.0), 0.0)
    return rates.reshape(count, cells)


def _alone(model: Dynamics, constants: Mapping[str, Any], varied: Mapping[str, np.ndarray]) -> str:
    """The equations of cells that nothing but a drive acts on."""
    assert model.drive is not None
    lines = [model.equations]
    for word, meant in {"own": "0", "unit": "(1 * Hz)"}.items():
        lines = [re.sub(rf"\b{word}\b", meant, line) for line in lines]
    lines.append(f"drive : {unit_text(model.drive[0])} (constant)")
    lines += [f"{name} = 0 : 1" for name in ("taught", "tone") if name in model.reads]
    lines += ["rate = 0 * Hz : Hz"] if "rate" in model.reads else []
    lines += [f"{name} : {unit_text(constants[name])} (constant)" for name in varied]
    lines += ["counted : 1", "first_spike : second", "last_spike : second"]
    return "\n".join(lines)
