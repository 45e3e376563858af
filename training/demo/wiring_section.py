"""What the report says of wiring: the verdict table and the drawings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from oneway.analysis import Verdict
from oneway.circuits import Population
from oneway.circuits.drawing import draw_html, key_html

from .tour import RuleTour, Tour

TRANSPORT_WORDS = {"none": "none", "signs": "signs only", "full": "full"}


@dataclass(frozen=True)
class Drawn:
    """A rule's circuit and what is said of it."""

    label: str
    html: Markup
    caption: str


@dataclass(frozen=True)
class WiringSection:
    """Numbers of hidden and of output cells, and the drawings: in front, and folded away."""

    hidden: int
    output: int
    transport: Mapping[str, str]
    key: Markup
    shown: Sequence[Drawn]
    rest: Sequence[Drawn]


def wiring(tour: Tour) -> WiringSection:
    wired = [rule for rule in tour.rules if rule.wired is not None and rule.verdict is not None]
    chosen = [id(rule) for rule in contrasts(wired)] if wired else []
    shown = [rule for rule in wired if id(rule) in chosen or rule.own]
    projections = [p for rule in wired if rule.wired for p in rule.wired.projections.values()]
    paired = any(rule.verdict and rule.verdict.all for rule in wired)
    return WiringSection(
        hidden=sum(p.size for p in _hidden(tour)),
        output=tour.forward.output.size,
        transport=TRANSPORT_WORDS,
        key=Markup(key_html(projections, paired)),  # one key for all, of what occurs in any
        shown=[_drawn(rule) for rule in shown],
        rest=[_drawn(rule) for rule in wired if rule not in shown],
    )


def _hidden(tour: Tour) -> list[Population]:
    ends = {tour.forward.output.name, *(x.name for x in tour.forward.inputs)}
    return [p for p in tour.forward.populations.values() if p.name not in ends]


def contrasts(rules: list[RuleTour]) -> list[RuleTour]:
    """Four wirings that show what is at stake, chosen by what they are and not by name.

    One that transports weights, one that does without but is gated, one with most pairs as the
    papers count, and one with fewest pairs of all; the first of those with fewest phases.
    """
    of = {id(rule): rule.verdict for rule in rules if rule.verdict is not None}
    kinds: tuple[Callable[[Verdict], tuple], ...] = (
        lambda v: (v.weight_transport != "full",),
        lambda v: (v.weight_transport != "none", v.papers, -v.all),
        lambda v: (-v.papers,),
        lambda v: (v.all, v.papers),
    )
    chosen = [min(rules, key=lambda r: (*kind(of[id(r)]), of[id(r)].phases)) for kind in kinds]
    return [rule for rule in rules if any(rule is one for one in chosen)]


def _drawn(rule: RuleTour) -> Drawn:
    assert rule.wired is not None and rule.verdict is not None
    shade = [(pair.first, pair.second) for pair in rule.verdict.offenders]
    mark = "".join(c if c.isalnum() else "-" for c in rule.label)
    drawing = draw_html(rule.wired, shade, prefix=f"circuit-{mark}", alone=False)
    return Drawn(rule.label, Markup(drawing), _caption(rule.verdict))


def _caption(verdict: Verdict) -> str:
    n = f"{verdict.all:,}" if verdict.all else "no"
    caption = f"{n} hidden pairs joined both ways"
    if verdict.papers != verdict.all:
        caption += f", {verdict.papers:,} as the papers count"
    if verdict.weight_transport != "none":
        caption += f"; weight transport: {TRANSPORT_WORDS[verdict.weight_transport]}"
    return caption + "."
