"""The one exception that a description can raise."""

from __future__ import annotations


class WiringError(ValueError):
    """A circuit cannot be wired as asked.

    The message names the populations or projections concerned, what was expected, what was
    found, and what to change.
    """
