"""What can go wrong between a command line and a finished run; every message names the fix."""

from __future__ import annotations


class DataError(ValueError):
    """A data file is missing, damaged or does not fit the circuit."""


class ConfigError(ValueError):
    """A setting has a value that a run cannot use."""


class TrainingError(RuntimeError):
    """A run stopped before its last epoch."""
