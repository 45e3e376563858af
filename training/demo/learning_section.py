"""The report's sections on learning: accuracy, and angles between W and B transposed."""

from __future__ import annotations

from .figures import accuracy_figure, always_tied, angle_figures
from .parts import (
    card,
    code,
    gallery,
    html,
    join,
    paragraph,
    per_cent,
    pretty,
    section,
    table,
)
from .tour import Tour
from .wording import range_said, rules_said


def accuracies(tour: Tour) -> str:
    config = tour.config
    one_image = 1 / tour.samples[1]
    n = len(tour.seeds)
    return section(
        "What each rule gives",
        paragraph(
            f"Share of {tour.samples[1]} test digits that were named correctly after "
            f"the last of {config.epochs} epochs; {n} seeds for weights and order of the samples. "
            f"All rules have the same settings: SGD with rate {config.lr:g}, momentum "
            f"{config.momentum:g}, decay {config.weight_decay:g}, batches of {config.batch_size}. "
            "Whoever wants to rank rules should tune each: the question here is whether they "
            "learn, and how far the floor is."
        ),
        card(accuracy_figure(tour), _accuracy_alt(tour), kind="single"),
        _below(tour),
        table(
            f"Test accuracy of each rule, {n} seeds",
            ("rule", "mean %", "± spread", "above floor", "each seed %", "seconds a run"),
            _accuracy_rows(tour),
            numbers=(1, 2, 3, 4, 5),
        ),
        paragraph(
            "Spread is the standard deviation over seeds. One test image more or less is "
            f"{100 * one_image:.1f} points, so that differences of a point mean little here. "
            f"{html(range_said(tour))}",
            "note",
        ),
    )


def _accuracy_alt(tour: Tour) -> str:
    ranked = ", ".join(f"{rule.label} {per_cent(rule.mean)} %" for rule in tour.ranked)
    floor = f"the floor is {per_cent(tour.floor_mean)} %"
    return f"Dot plot of test accuracy, a dot a seed, best mean first: {ranked}; {floor}."


def _below(tour: Tour) -> str:
    missing = [
        f"{code(rule.label)} ({html(rule.problem) or per_cent(rule.mean) + ' %'})"
        for rule in tour.rules
        if not tour.beats_floor(rule)
    ]
    if not missing:
        return paragraph("Every rule beats the floor.")
    return paragraph(f"Not above the floor: {join(missing)}.", "problem")


def _accuracy_rows(tour: Tour) -> list[list[str]]:
    rows = [
        [
            code(rule.label),
            per_cent(rule.mean),
            per_cent(rule.spread),
            f"{100 * (rule.mean - tour.floor_mean):+.1f}",  # type: ignore[operator]
            "&ensp;".join(map(per_cent, rule.accuracies)),
            f"{sum(run.seconds for run in rule.runs) / len(rule.runs):.1f}",
        ]
        for rule in tour.ranked
    ]
    floor = ["<em>only the output layer learns</em>", per_cent(tour.floor_mean), "", "", "", ""]
    floor[4] = "&ensp;".join(map(per_cent, tour.floor))
    place = sum(tour.beats_floor(rule) for rule in tour.ranked)
    return [*rows[:place], floor, *rows[place:]]


def angles(tour: Tour) -> str:
    pictures = angle_figures(tour)
    if not pictures:
        return ""
    tied = [code(rule.label) for rule in tour.rules if always_tied(rule)]
    alone = [code(rule.label) for rule in tour.rules if rule.runs and not rule.angle_records()]
    asides = [f"Tied, at 0° throughout: {join(tied)}."] if tied else []
    asides += [f"No partner to be compared with: {join(alone)}."] if alone else []
    cards = [
        card(
            picture,
            f"Angle of the feedback weights {drive} to the forward weights over epochs, a line "
            "a rule: " + _angle_ends(tour, drive),
            f"{html(pretty(drive))} against its forward partner; direct feedback against the "
            "product of the forward weights that it jumps over. Lines are means over seeds, "
            "bands reach from the least to the greatest.",
        )
        for drive, picture in pictures.items()
    ]
    return section(
        "How feedback finds its way",
        paragraph(
            "The angle between forward weights W and the transpose of feedback weights B: at 90° "
            "they have nothing in common, at 0° errors travel as under backpropagation. Feedback "
            "weights that learn can turn towards W; where they are fixed, W can turn towards them. "
            f"{html(rules_said(tour))}"
        ),
        gallery(cards),
        _clock(tour),
        paragraph(" ".join(asides), "note") if asides else "",
    )


def _angle_ends(tour: Tour, drive: str) -> str:
    ends = []
    for rule in tour.rules:
        mine = [r["angle_deg"] for r in rule.angle_records() if r["drive"] == drive]
        last = [run.angles_deg[drive] for run in rule.runs if drive in run.angles_deg]
        if mine and not always_tied(rule):
            ends.append(f"{rule.label} ends at {sum(last) / len(last):.0f}°")
    return ", ".join(ends) + "."


def _clock(tour: Tour) -> str:
    parts = []
    for sentence in dict.fromkeys(tour.clock.values()):
        rules = [code(label) for label, mine in tour.clock.items() if mine == sentence]
        parts.append(f"{join(rules)}: {html(sentence)}.")
    return paragraph("The clock of Kolen-Pollack learning. " + " ".join(parts)) if parts else ""
