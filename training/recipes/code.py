"""Code that a recipe names: it is run where the user says so, and never unannounced."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from oneway.circuits.options import split

from ..errors import ConfigError


def code_in(settings: Mapping[str, Any]) -> dict[str, str]:
    """The files and modules with Python code that settings name, by their key.

    Examples
    --------
    >>> code_in({"rule": "mine.py,k=2", "circuit": "mlp:4-2"})
    {'rule': 'mine.py'}
    """
    named = {}
    rule = settings.get("rule")
    if rule and split(rule)[0].endswith(".py"):
        named["rule"] = split(rule)[0]
    if settings.get("module"):
        named["module"] = settings["module"]
    return named


def check_code(
    where: str, settings: Mapping[str, Any], allowed: bool, notify: Callable[[str], None]
) -> None:
    """Say which code a recipe is going to run.

    Raises
    ------
    ConfigError
        It names some, and nobody allowed it.
    """
    for key, code in code_in(settings).items():
        if not allowed:
            raise ConfigError(
                f"{where} names Python code, {key} = {code!r}, which would run with all your "
                "rights. Look at it, then give the same command with --allow-code"
            )
        notify(f"{where}: running the Python code in {code!r}")
