"""Every kind of file has a format with a version, a number that grows when earlier programs would
misread it. Which it is stands in the file, and is looked at before anything else in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def misread(about: Mapping[str, Any], format: str, version: int) -> str | None:
    """Why a file with such a ``format`` and ``version`` cannot be read, and what to do.

    None where it can. Numbers may be text, for headers that hold nothing else.

    Examples
    --------
    >>> misread({"format": "oneway-run", "version": 3}, "oneway-run", 1)
    'it has format version 3, this program reads version 1: pip install --upgrade oneway'
    """
    if about.get("format") != format:
        return f"it states the format {about.get('format')!r}, expected {format!r}"
    found = about.get("version")
    found = int(found) if isinstance(found, str) and found.isdecimal() else found
    if found == version and not isinstance(found, bool):
        return None
    newer = isinstance(found, int | float) and found > version
    fix = "pip install --upgrade oneway" if newer else "write it anew with this version"
    return f"it has format version {found!r}, this program reads version {version}: {fix}"
