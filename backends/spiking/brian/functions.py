"""Functions in equations that Brian2 does not have, for each of its targets."""

from __future__ import annotations

from typing import Any

# As a program says it, which then has a function of that name.
SOURCES = {
    "erf": """import scipy.special

erf = Function(scipy.special.erf, arg_units=[1], return_unit=1)
erf.implementations.add_implementation("cpp", None, name="erf")
erf.implementations.add_implementation(
    "cython", 'cdef extern from "math.h":\\n    double erf(double x)', name="erf"
)"""
}


def functions(names: list[str]) -> dict[str, Any]:
    """Brian2 functions by name."""
    from brian2 import Function

    namespace: dict[str, Any] = {"Function": Function}
    for name in names:
        exec(SOURCES[name], namespace)
    return {name: namespace[name] for name in names}
