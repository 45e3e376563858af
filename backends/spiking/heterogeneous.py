"""Constants of which each cell of a population has a value of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from brian2 import Quantity, have_same_dimensions

from oneway.circuits import Circuit

from .dynamics import Dynamics
from .parameters import SpikingParameters

OF_CELLS = "tau_mem tau_mem_signed tau_syn v_rest v_threshold noise".split()
Given = Mapping[str, Mapping[str, Any]]  # constant → population → one value a cell
Varied = Mapping[str, Mapping[str, np.ndarray]]  # population → constant → values in base units


def varied(
    given: Given, circuit: Circuit, parameters: SpikingParameters, model: Dynamics | None
) -> Varied:
    """The values by population, checked.

    Raises
    ------
    ValueError
        A constant or population that is not there, another number of values than of cells, another
        unit, or a sign that the usual value does not have.
    """
    found: dict[str, dict[str, np.ndarray]] = {}
    usual = {name: getattr(parameters, name) for name in OF_CELLS}
    for one in (model, model and model.pairs, model and model.halves):
        usual |= one.constants if one else {}
    if given and model is None:
        raise ValueError(
            f"heterogeneous = {{{', '.join(given)}}}: settled cells have none of these. Use a "
            "dynamics whose cells spike, or leave it out"
        )
    for name, populations in given.items():
        if name not in usual:
            raise ValueError(
                f"heterogeneous names {name!r}, which is no constant of these cells. There are: "
                f"{', '.join(usual)}"
            )
        for population, values in populations.items():
            checked = _checked(name, population, values, circuit, usual[name])
            if (
                name in OF_CELLS
                and name.startswith("tau")
                and min(checked) < 2 * float(parameters.dt)
            ):
                raise ValueError(
                    f"heterogeneous {name!r} of {population!r}: goes down to {min(checked):g} s, "
                    f"and time steps of dt = {parameters.dt} are too long for it, expected at most "
                    "half of it"
                )
            found.setdefault(population, {})[name] = checked
    for population, values in found.items():
        _check_order(population, values, usual)
    return found


def _checked(
    name: str, population: str, values: Any, circuit: Circuit, usual: Quantity | float
) -> np.ndarray:
    owner = f"heterogeneous {name!r} of {population!r}"
    if population not in circuit.populations:
        raise ValueError(
            f"{owner}: there is no such population. There are: {', '.join(circuit.populations)}"
        )
    cells = circuit.populations[population]
    if not have_same_dimensions(values, usual):
        raise ValueError(
            f"{owner}: {values} has another unit than {usual}. Multiply the numbers by it"
        )
    array = np.asarray(values, dtype=float)
    if array.shape not in (cells.shape, (cells.size,)):
        raise ValueError(
            f"{owner}: values of shape {array.shape}, expected one a cell, {cells.shape}"
        )
    if not np.isfinite(array).all():
        raise ValueError(f"{owner}: some values are not finite numbers")
    positive = name.startswith("tau")
    if (positive and array.min() <= 0) or (name == "noise" and array.min() < 0):
        raise ValueError(
            f"{owner}: goes down to {array.min():g}, expected {'> 0' if positive else '>= 0'}"
        )
    return array.ravel()


def _check_order(population: str, values: Mapping[str, np.ndarray], usual: Mapping) -> None:
    rest, threshold = (values.get(name, float(usual[name])) for name in ("v_rest", "v_threshold"))
    if not np.all(np.less(rest, threshold)):
        raise ValueError(
            f"heterogeneous v_rest and v_threshold of {population!r}: in some cells rest is not "
            "below the threshold"
        )
