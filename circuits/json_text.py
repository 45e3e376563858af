"""JSON that others wrote: what is wrong with it is always a `ValueError`."""

from __future__ import annotations

import json
from typing import Any


def parse_json(text: str | bytes) -> Any:
    """What JSON text says.

    Raises
    ------
    ValueError
        It is not JSON, or lists and objects lie in each other too deeply.

    Examples
    --------
    >>> parse_json('{"a": [1]}')
    {'a': [1]}
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("lists or objects lie in each other too deeply") from None
