"""Rules as people call them: `Kolen-Pollack learning (KP), norm=own` for `kp,norm=own`."""

from __future__ import annotations

import inspect
import sys

from oneway.rules import RULES


def full_name(label: str) -> str:
    """The name in the first line of the rule's file, with the options that the label has.

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
    headline = (inspect.getdoc(sys.modules[rule.__module__]) or name).partition(":")[0]
    return f"{headline}, {options}" if comma else headline
