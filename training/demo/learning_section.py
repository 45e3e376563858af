"""What the report says of learning: accuracy, and angles between W and B transposed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from .figures import accuracy_picture, always_tied, angle_pictures
from .parts import per_cent
from .tour import RuleTour, Tour
from .wording import range_said, rules_said


@dataclass(frozen=True)
class Row:
    """Of the accuracy table; without a label the floor."""

    label: str
    numbers: tuple[str, ...]


@dataclass(frozen=True)
class LearningSection:
    """Markups, table rows, and which rules stand where.

    `apart` and `courses` say how far rules lie apart and what their angles did; `below` are rules
    that do not beat the floor, each with why; `clocks` are sentences, each with the rules that they
    are said of; `tied` and `alone` have no angle to draw.
    """

    accuracy: Markup
    rows: Sequence[Row]
    below: Sequence[tuple[str, str]]
    angles: Mapping[str, Markup]
    clocks: Sequence[tuple[Sequence[str], str]]
    courses: str
    apart: str
    tied: Sequence[str]
    alone: Sequence[str]


def learning(tour: Tour) -> LearningSection:
    return LearningSection(
        accuracy=accuracy_picture(tour, _accuracy_alt(tour)),
        rows=_rows(tour),
        below=[
            (rule.label, rule.problem or f"{per_cent(rule.mean)} %")
            for rule in tour.rules
            if not tour.beats_floor(rule)
        ],
        angles=angle_pictures(tour, lambda drive: _angle_alt(tour, drive)),
        clocks=[
            ([label for label, mine in tour.clock.items() if mine == sentence], sentence)
            for sentence in dict.fromkeys(tour.clock.values())
        ],
        courses=rules_said(tour),
        apart=range_said(tour),
        tied=[rule.label for rule in tour.rules if always_tied(rule)],
        alone=[rule.label for rule in tour.rules if rule.runs and not rule.angle_records()],
    )


def _accuracy_alt(tour: Tour) -> str:
    ranked = ", ".join(f"{rule.label} {per_cent(rule.mean)} %" for rule in tour.ranked)
    floor = f"the floor is {per_cent(tour.floor_mean)} %"
    return f"Dot plot of test accuracy, a dot a seed, best mean first: {ranked}; {floor}."


def _rows(tour: Tour) -> list[Row]:
    rows = [Row(rule.label, _numbers(tour, rule)) for rule in tour.ranked]
    each = " ".join(map(per_cent, tour.floor))
    floor = Row("", (per_cent(tour.floor_mean), "", "", each, ""))
    place = sum(tour.beats_floor(rule) for rule in tour.ranked)
    return [*rows[:place], floor, *rows[place:]]


def _numbers(tour: Tour, rule: RuleTour) -> tuple[str, ...]:
    assert rule.mean is not None
    return (
        per_cent(rule.mean),
        per_cent(rule.spread),
        f"{100 * (rule.mean - tour.floor_mean):+.1f}",
        " ".join(map(per_cent, rule.accuracies)),
        f"{sum(run.seconds for run in rule.runs) / len(rule.runs):.1f}",
    )


def _angle_alt(tour: Tour, drive: str) -> str:
    ends = []
    for rule in tour.rules:
        mine = [r["angle_deg"] for r in rule.angle_records() if r["drive"] == drive]
        last = [run.angles_deg[drive] for run in rule.runs if drive in run.angles_deg]
        if mine and not always_tied(rule):
            ends.append(f"{rule.label} ends at {sum(last) / len(last):.0f}°")
    return (
        f"Angle of the feedback weights {drive} to the forward weights over epochs, a line a rule: "
        + ", ".join(ends)
        + "."
    )
