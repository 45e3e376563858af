"""What can go wrong between a command line and a finished run; every message names the fix."""

from __future__ import annotations


class DataError(ValueError):
    """A data file is missing, damaged or does not fit the circuit."""


class MissingData(DataError):
    """The files of a data set are not there."""


class ConfigError(ValueError):
    """A setting has a value that a run cannot use."""


class TrainingError(RuntimeError):
    """A run stopped before its last epoch."""


def first_line(error: BaseException) -> str:
    """What an error of another library says, short enough for a message of ours."""
    return str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else repr(error)
