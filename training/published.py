"""Test accuracies (%) in the papers' tables, to stand beside a run of the same kind.

Sources: Woo et al. 2021 (ASAP), Table 1; "Learning the connections in direct feedback alignment"
(direct Kolen-Pollack, 2021), mean of 10 trials. A run here is comparable in network, data and rule;
its schedule is its own.
"""

from __future__ import annotations

from collections.abc import Mapping

from oneway.rules import Rule

from .labels import rule_label

_WOO = ("bp", "kp", "fa", "dfa", "asap,frozen=first")
_DIRECT_KP = ("bp", "bp,frozen=conv", "kp", "fa", "drtp", "dfa", "dkp")


def _row(rules: tuple[str, ...], *percent: float) -> Mapping[str, float]:
    return dict(zip(rules, percent, strict=True))


PUBLISHED_PERCENT: Mapping[tuple[str, str], Mapping[str, float]] = {
    ("mnist", "alexnet:1x28x28-10"): _row(_WOO, 99.59, 99.55, 99.14, 99.28, 99.32),
    ("cifar10", "alexnet:3x32x32-10"): _row(_WOO, 90.58, 79.23, 67.92, 73.85, 78.25),
    ("cifar10", "resnet18:3x32x32-10"): _row(_WOO, 94.93, 94.76, 72.47, 76.0, 92.19),
    ("cifar10", "resnet18:3x32x32-10,shortcut=no"): _row(_WOO, 94.70, 94.65, 71.38, 75.46, 83.44),
    ("cifar10", "resnet34:3x32x32-10"): {
        **_row(_WOO, 95.18, 94.54, 66.99, 73.02, 93.97),
        "asap,frozen=first,k=4": 93.9,
    },
    ("fashion-mnist", "conv2:1x28x28-10"): _row(
        _DIRECT_KP, 92.18, 91.33, 91.25, 91.12, 89.58, 91.54, 91.66
    ),
    ("cifar10", "conv2:3x32x32-10"): _row(
        _DIRECT_KP, 70.70, 60.01, 70.08, 60.45, 55.32, 62.70, 64.69
    ),
}


def published_accuracy(data: str, circuit: str, rule: Rule | None) -> float | None:
    """The published test accuracy as a fraction; None where no table has this row.

    `circuit` is a builder string. ASAP's first convolution is random and fixed in the paper, so
    only a run with ``frozen=first`` has a row to stand beside; gates and norms are the papers'.

    Examples
    --------
    >>> from oneway.rules import parse_rule
    >>> from oneway.training.published import published_accuracy
    >>> published_accuracy("fashion-mnist", "conv2:1x28x28-10", parse_rule("dkp"))
    0.9166
    """
    if rule is None or rule.gate != "exact" or rule.norm != "full":
        return None
    percent = PUBLISHED_PERCENT.get((data, circuit), {}).get(rule_label(rule))
    return None if percent is None else round(percent / 100, 4)
