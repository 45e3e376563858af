"""Rules as people call them: `Kolen-Pollack learning (KP), norm=own` for `kp,norm=own`."""

from __future__ import annotations

from oneway.rules import RULES, describe_rule


def full_name(label: str) -> str:
    """The name that the rule's file gives it, with the options that the label has.

    A label of a rule that is not ours is left as it is.

    Examples
    --------
    >>> from oneway.training.rule_names import full_name
    >>> full_name("kp,norm=own"), full_name("mine")
    ('Kolen-Pollack learning (KP), norm=own', 'mine')
    """
    name, comma, options = label.partition(",")
    rule = RULES.get(name)
    if rule is None or not rule.__module__.startswith("oneway."):
        return label
    return f"{describe_rule(rule).full_name}{', ' if comma else ''}{options}"
