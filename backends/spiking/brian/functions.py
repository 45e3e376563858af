"""Functions in equations that Brian2 does not have, for each of its targets."""

from __future__ import annotations

import inspect

import scipy.special
from brian2 import Function


def make_erf() -> Function:
    """The error function."""
    erf = Function(scipy.special.erf, arg_units=[1], return_unit=1)
    erf.implementations.add_implementation("cpp", None, name="erf")
    code = 'cdef extern from "math.h":\n    double erf(double x)'
    erf.implementations.add_implementation("cython", code, name="erf")
    return erf


FUNCTIONS = {"erf": make_erf}


def source(name: str) -> str:
    """How a program makes a function of that name."""
    made = inspect.getsource(FUNCTIONS[name])
    return f"import scipy.special\n\n\n{made}\n\n{name} = {FUNCTIONS[name].__name__}()"
