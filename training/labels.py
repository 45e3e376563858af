"""How a rule is named in tables and files."""

from __future__ import annotations

from dataclasses import fields

from oneway.rules import Rule


def rule_label(rule: Rule) -> str:
    """Name and options that differ from the default, as on the command line: ``asap,k=4``.

    Gate and norm are left out: they stand in columns of their own.
    """
    changed = [
        f"{f.name}={_text(getattr(rule, f.name))}"
        for f in fields(rule)
        if f.name not in ("gate", "norm") and getattr(rule, f.name) != f.default
    ]
    return ",".join([rule.name, *changed])


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "+".join(value) if isinstance(value, tuple) else str(value)
