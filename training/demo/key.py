"""The key to the report's circuit drawings: one for all of them, in the report's own type."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from oneway.analysis.drawing import ROLE_COLOURS, ROLE_MEANINGS, VERMILION
from oneway.circuits import Projection

from .parts import html
from .tour import RuleTour

SHADE = "#F9D5C7"


def circuit_key(rules: Sequence[RuleTour]) -> str:
    """What the lines of these rules' drawings mean; only what occurs in one of them."""
    drawn = [p for rule in rules if rule.wired for p in rule.wired.projections.values()]
    paired = any(rule.verdict and rule.verdict.all for rule in rules)
    entries = "".join(f"<li>{swatch}{html(text)}</li>" for swatch, text in _entries(drawn, paired))
    return f'<ul class="key">{entries}</ul>'


def _entries(drawn: Sequence[Projection], paired: bool) -> Iterator[tuple[str, str]]:
    roles = {p.role for p in drawn}
    kinds = {p.weights.kind for p in drawn if p.weights is not None}
    for role, colour in ROLE_COLOURS.items():
        if role in roles:
            yield _line(colour), ROLE_MEANINGS[role]
    if any(p.plasticity for p in drawn):
        yield _line(ROLE_COLOURS["drive"], 5), "thick: weights learn"
    if "tied" in kinds:
        yield _line(VERMILION, 4, "9 4"), "weights read off the forward ones"
    if "sign-tied" in kinds:
        yield _line(VERMILION, 4, "3 3"), "signs read off the forward ones"
    if paired:
        yield _line(SHADE, 20), "cells joined both ways"


def _line(colour: str, width: float = 2.5, dashes: str = "none") -> str:
    return (
        '<svg viewBox="0 0 44 14" aria-hidden="true"><line x1="2" y1="7" x2="42" y2="7" '
        f'stroke="{colour}" stroke-width="{width}" stroke-dasharray="{dashes}"/></svg>'
    )
