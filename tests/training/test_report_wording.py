"""What the report says of its numbers follows from the numbers, whatever they are."""

import html
import re
from dataclasses import replace
from types import SimpleNamespace

import pytest

from oneway.analysis import check_wiring
from oneway.circuits import mlp
from oneway.rules import parse_rule
from oneway.training import RunResult, TrainConfig
from oneway.training.demo import wording
from oneway.training.demo.page import render
from oneway.training.demo.spikes import recorded_digits
from oneway.training.demo.tour import RuleTour, SpikingDigits, SpikingTour, Tour

FORWARD = mlp((8, 6, 6, 4))


def rule_tour(label, accuracy=0.9, angle=45.0, begun=90.0):
    """One seed, from one angle to another."""
    wired = parse_rule(label).wire(FORWARD)
    drives = [p.name for p in wired.select(role="drive", path="feedback") if p.partner]
    angles = dict.fromkeys(drives, angle)
    run = RunResult(
        label, FORWARD.name, "digits", TrainConfig(epochs=1), accuracy, angles, 1.0,
        history=({"angles_deg": angles},),
    )  # fmt: skip
    first = {0: dict.fromkeys(drives, begun)}
    verdict = check_wiring(wired, constraint="all")
    return RuleTour(label, "", parse_rule(label), wired, verdict, 4, first, [run])


def tour_of(*rules, **parts):
    return Tour(FORWARD, TrainConfig(), (0,), (1437, 360), list(rules), [0.5], **parts)


def mirror_of(*courses):
    record = SimpleNamespace(mean_rates_hz={"h1": 60.0, "h2": 120.0}, simulated_s=48.0, wall_s=1.2)
    angles = {f"delta_h{i + 1} -> delta_h{i}": list(a) for i, a in enumerate(courses, 1)}
    return SpikingTour(label="wm", record=record, angles=angles, compiling_s=14.0)


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [
        (91.2, 9.4, "fell from 91° to 9°"),
        (91.4, 90.6, "stayed at 91°"),
        (89.0, 117.3, "rose from 89° to 117°"),
    ],
)
def test_what_an_angle_did(first, last, words):
    assert wording.course(first, last) == words


def test_what_angles_did_is_said_of_each_rule():
    """But not of those that have none, or are tied."""
    rules = [
        rule_tour("kp", angle=4.0),
        rule_tour("fa", angle=90.0),
        rule_tour("bp", 0.9, 0.0, 0.0),
    ]
    said = wording.rules_said(tour_of(*rules, rule_tour("dfa")))
    expected = "that of kp fell from 90° to 4° and that of fa stayed at 90°."
    assert said == f"Of the mean angles in these runs, {expected}"
    assert wording.rules_said(tour_of(rule_tour("dfa"))) == ""


def test_how_far_apart_rules_are():
    rules = rule_tour("kp", 0.9), rule_tour("fa", 0.7), rule_tour("wm", 0.95)
    assert wording.range_said(tour_of(*rules)).startswith("From wm to fa it is 25.0 points;")
    assert wording.range_said(tour_of(rules[0])) == ""


def test_a_mirror_that_got_there_and_one_that_did_not():
    there = wording.mirror_said(mirror_of((90.7, 9.1), (85.6, 11.4)))
    assert there.startswith("From that alone it learned") and there.endswith("angle of 11°.")
    away = wording.mirror_said(mirror_of((90.7, 9.1), (91.2, 90.9)))
    assert away.startswith("After 48 s simulated it is not there yet") and "learned" not in away


def test_what_a_mirror_took():
    mirror = mirror_of((90.0, 9.0))
    assert wording.mirror_cost(mirror) == (
        "48 s simulated in 1 s, after 14 s of compiling; mean rates of 60 to 120 Hz."
    )
    assert "compiling" not in wording.mirror_cost(replace(mirror, compiling_s=0.0))


def test_digits_in_spikes_say_whether_the_run_was_recorded():
    recorded = recorded_digits()
    assert wording.digits_made(recorded).startswith(f"This is a recorded run ({recorded.recorded})")
    here = SpikingDigits(recorded.found | {"wall_s": 9.0, "compiling_s": 4.0})
    assert wording.digits_made(here) == (
        "Made here and now; 540 s simulated in 5 s. To make it again:"
    )


def test_the_page_has_these_sentences():
    tour = tour_of(rule_tour("kp", angle=4.0), rule_tour("fa", 0.8), digits=recorded_digits())
    tour.spiking = SpikingTour(problem="no spikes here")
    body = re.sub("<[^>]+>", "", render(tour).partition("<body>")[2])
    page = " ".join(html.unescape(body).split())
    for said in (
        wording.rules_said(tour),
        wording.range_said(tour),
        wording.digits_said(tour.digits),
        wording.digits_made(tour.digits),
        tour.digits.command,
        wording.A_RULE_OF_ONES_OWN,
        *(command for command, _ in wording.GOING_ON),
    ):
        assert said and said in page, said
