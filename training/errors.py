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
    """What an error of another library says, short enough for a message of ours.

    torch's compiler names the kind of fault first, and the fault in a line that explains it.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return repr(error)
    explained = [line for line in lines[1:] if line.startswith("Explanation: ")]
    return ": ".join([lines[0], *explained[:1]]).replace(": Explanation: ", ": ").rstrip(".")
