"""The report's sections on wiring: the verdict table and the drawings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from oneway.analysis import Verdict
from oneway.analysis.drawing import ROLE_COLOURS, ROLE_MEANINGS, VERMILION
from oneway.circuits import Projection

from .figures import circuit_figure
from .parts import card, code, count, gallery, html, paragraph, section, table
from .tour import RuleTour, Tour

TRANSPORT_WORDS = {"none": "none", "signs": "signs only", "full": "full"}
SHADE = "#F9D5C7"


def verdicts(tour: Tour) -> str:
    heads = (
        "rule",
        "pairs joined both ways",
        "with gates and norms",
        "weight transport",
        "phases",
        "shortest way back",
    )
    rows = [_verdict_row(rule) for rule in tour.rules]
    hidden = sum(p.size for p in _hidden(tour))
    output = tour.forward.output.size
    return section(
        "What each rule asks for",
        paragraph(
            "A <em>pair</em> is a hidden cell and its error cell with connections in both "
            f"directions; there are {hidden} hidden cells. The first column counts as the papers "
            "do: drives, teaching signals and mimicry. The second adds what their figures leave "
            "out: the gate by which an error cell learns the slope φ′ of its partner, and batch "
            "normalisation's derivative, which needs its partner's activity too."
        ),
        table("Wiring verdicts of each rule", heads, rows, numbers=(1, 2, 4, 5)),
        paragraph(
            f"Under every rule the {output} output cells and their error cells, which compare "
            "output and target, are joined both ways; they are not counted. <em>Phases</em> are "
            "the modes that a circuit has to switch between. The <em>way back</em> is the number "
            "of connections, as the papers count them, from a hidden cell to its error cell and "
            "back: 2 is a pair, a dash means that there is no way.",
            "note",
        ),
    )


def _verdict_row(rule: RuleTour) -> list[str]:
    about = f'<span class="about">{html(rule.about)}</span>' if rule.about else ""
    name = code(rule.label) + about
    verdict = rule.verdict
    if verdict is None:
        return [name, f'<span class="problem">{html(rule.problem)}</span>', "", "", "", ""]
    return [
        name,
        _pairs(verdict.papers),
        _pairs(verdict.all),
        TRANSPORT_WORDS[verdict.weight_transport],
        str(verdict.phases),
        "–" if rule.loop is None else str(rule.loop),
    ]


def _pairs(n: int) -> str:
    # Arrows beside the colours, for readers who cannot tell those apart.
    return f'<span class="pair">⇄ {n:,}</span>' if n else '<span class="free">→ 0</span>'


def _hidden(tour: Tour) -> list:
    ends = {tour.forward.output.name, *(x.name for x in tour.forward.inputs)}
    return [p for p in tour.forward.populations.values() if p.name not in ends]


def drawings(tour: Tour) -> str:
    wired = [rule for rule in tour.rules if rule.wired is not None and rule.verdict is not None]
    chosen = [id(rule) for rule in contrasts(wired)]
    shown = [rule for rule in wired if id(rule) in chosen or rule.own]
    rest = [rule for rule in wired if rule not in shown]
    title = "The other circuit" if len(rest) == 1 else f"The other {count(len(rest))} circuits"
    more = (
        f"<details><summary>{title}</summary>"
        + gallery(_drawing(rule) for rule in rest)
        + "</details>"
    )
    return section(
        "What that looks like",
        paragraph(
            "Activity climbs on the left, errors descend on the right. Weights in dashed red are "
            "read off another synapse; shaded rows hold pairs of cells that are joined both ways."
        ),
        circuit_key(wired),
        gallery(_drawing(rule) for rule in shown),
        more if rest else "",
    )


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


def _drawing(rule: RuleTour) -> str:
    assert rule.verdict is not None and rule.wired is not None
    verdict = rule.verdict
    n = f"{verdict.all:,}" if verdict.all else "no"
    caption = f"<strong>{code(rule.label)}</strong>: {n} hidden pairs joined both ways"
    if verdict.papers != verdict.all:
        caption += f", {verdict.papers:,} as the papers count"
    if verdict.weight_transport != "none":
        caption += f"; weight transport: {TRANSPORT_WORDS[verdict.weight_transport]}"
    alt = (
        f"Circuit wired by {rule.label}: {len(rule.wired.populations)} populations and "
        f"{len(rule.wired.projections)} projections in a forward and a feedback path; {n} hidden "
        "pairs are joined in both directions."
    )
    return card(circuit_figure(rule), alt, caption + ".", kind="wide")


def circuit_key(rules: Sequence[RuleTour]) -> str:
    """What lines mean, one key for all drawings; only what occurs in one of them."""
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
