"""Rules as people call them: `Kolen-Pollack learning (KP), norm=own` for `kp,norm=own`."""

from __future__ import annotations

import re

from oneway.rules import RULES, describe_rule


def full_name(label: str) -> str:
    """The name that the rule's file gives it, with the options that the label has.

    A label of a rule that is not ours is left as it is.

    Examples
    --------
    >>> from oneway.training.rule_names import full_name
    >>> full_name("kp,norm=own"), full_name("kp lr=0.1"), full_name("mine")
    ('Kolen-Pollack learning (KP), norm=own', 'Kolen-Pollack learning (KP), lr=0.1', 'mine')
    """
    name = re.split("[, ]", label, maxsplit=1)[0]
    rule, options = RULES.get(name), label[len(name) + 1 :]
    if rule is None or not rule.__module__.startswith("oneway."):
        return label
    return ", ".join([describe_rule(rule).full_name, *([options] if options else [])])
