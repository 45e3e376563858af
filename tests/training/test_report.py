"""The report's words follow the numbers, whatever they are."""

import re
from dataclasses import replace
from html import unescape

import pytest

from oneway.analysis import check_wiring
from oneway.circuits import mlp
from oneway.rules import RULES, parse_rule
from oneway.training import RunResult, TrainConfig
from oneway.training.demo.figures import always_tied
from oneway.training.demo.page import render
from oneway.training.demo.parts import count, join, per_cent
from oneway.training.demo.tour import INSTALL_SPIKING, RuleTour, SpikingTour, Tour
from oneway.training.demo.wiring_section import contrasts

FORWARD = mlp((8, 6, 6, 4))
LOCAL = "asap,gate=local"


@pytest.fixture(autouse=True)
def nothing_is_drawn(monkeypatch):
    """Only words are looked at here."""
    monkeypatch.setattr("oneway.training.demo.figures.inline_svg", lambda figure, name, alt: alt)


def rule_tour(label, *accuracies, angle=45.0):
    rule = parse_rule(label)
    wired = rule.wire(FORWARD)
    angles = {
        p.name: angle for p in wired.select(role="drive", path="feedback") if p.partner is not None
    }
    runs = [
        RunResult(
            rule=label,
            circuit=FORWARD.name,
            data="digits",
            config=replace(TrainConfig(epochs=1), seed=seed),
            test_accuracy=accuracy,
            angles_deg=angles,
            seconds=1.0,
            history=({"angles_deg": angles},),
        )
        for seed, accuracy in enumerate(accuracies)
    ]
    verdict = check_wiring(wired, constraint="all")
    return RuleTour(label, f"About {label}.", rule, wired, verdict, loop=4, runs=runs)


def a_tour(*rules, floor=0.5):
    spiking = SpikingTour(problem=f"Brian2 is not installed: {INSTALL_SPIKING}")
    floors = [floor, floor]
    return Tour(
        FORWARD, TrainConfig(), (0, 1), (1437, 360), list(rules), floors, spiking=spiking, seconds=7
    )


def text_of(page):
    inline = re.sub("</?(code|em|strong)>", "", page.partition("<body>")[2])
    return " ".join(unescape(re.sub("<[^>]+>", " ", inline)).split())


def test_accuracies_are_ranked_with_the_floor_in_its_place():
    page = render(a_tour(rule_tour("fa", 0.4, 0.42), rule_tour("kp", 0.7, 0.9), floor=0.5))
    body = page[page.index("above floor") :]
    assert body.index("<code>kp</code>") < body.index("only the output") < body.index("fa</code>")
    assert "80.0" in body and "14.1" in body and "+30.0" in body  # mean, spread, above the floor
    assert "-9.0" in body


def test_who_stays_below_the_floor_is_named():
    page = text_of(render(a_tour(rule_tour("fa", 0.4, 0.42), rule_tour("kp", 0.7, 0.9))))
    assert "Not above the floor: fa (41.0 %)." in page
    assert "1 of 2 classify better than the floor of 50.0 %" in page
    assert "Every rule beats" not in page


def test_all_above_the_floor_is_said():
    page = text_of(render(a_tour(rule_tour("fa", 0.7, 0.8), rule_tour("kp", 0.7, 0.9))))
    assert "Every rule beats the floor." in page and "Not above" not in page


def test_a_rule_that_diverged_says_so():
    diverged = rule_tour("dkp")
    diverged.problem = "the loss is not finite any more"
    page = text_of(render(a_tour(rule_tour("kp", 0.7, 0.9), diverged)))
    assert "Not above the floor: dkp (the loss is not finite any more)." in page


def test_facts_count_wirings():
    page = text_of(render(a_tour(rule_tour("bp", 0.9, 0.9), rule_tour(LOCAL, 0.8, 0.9))))
    assert "1 of 2 wirings let no synapse look up another one's weight" in page
    assert "1 of 2 leave no hidden cell joined" in page and "accuracy 85.0 %" in page


def test_tied_weights_are_named_instead_of_drawn():
    tied, free = rule_tour("bp", 0.9, 0.9, angle=0.0), rule_tour("kp", 0.9, 0.9)
    assert always_tied(tied) and not always_tied(free) and not always_tied(rule_tour("dfa", 0.9))
    page = text_of(render(a_tour(tied, free, rule_tour("dfa", 0.9, 0.9))))
    assert "Tied, at 0° throughout: bp." in page
    assert "No partner to be compared with: dfa." in page


def test_without_spikes_the_report_says_how_to_get_them():
    assert "oneway[spiking]" in render(a_tour(rule_tour("kp", 0.7, 0.9)))


def test_drawings_in_front_show_what_is_at_stake():
    rules = [rule_tour(label) for label in (*RULES, LOCAL)]
    assert [rule.label for rule in contrasts(rules)] == ["bp", "fa", "kp", LOCAL]
    without = [rule for rule in rules if rule.label != "bp"]
    chosen = contrasts(without)
    assert any(rule.verdict.weight_transport == "full" for rule in chosen)
    assert contrasts(rules[:1]) == rules[:1]


def test_one_seed_has_no_spread():
    assert rule_tour("kp", 0.9).spread is None
    assert rule_tour("kp", 0.7, 0.9).spread == pytest.approx(0.141, abs=1e-3)
    assert rule_tour("kp").mean is None


def test_pieces():
    assert [count(n) for n in (0, 1, 12, 13)] == ["no", "one", "twelve", "13"]
    assert [join(parts) for parts in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "", "a", "a and b", "a, b and c",
    ]  # fmt: skip
    assert per_cent(0.12345) == "12.3" and per_cent(None) == "–"


def test_what_rules_say_is_text_and_no_markup():
    rule = rule_tour("kp", 0.7, 0.9)
    rule.about = "less < more & <b>bold</b>"
    page = render(a_tour(rule))
    assert "less &lt; more &amp; &lt;b&gt;bold&lt;/b&gt;" in page and "<b>" not in page


def test_tables_can_be_read_aloud():
    page = render(a_tour(rule_tour("kp", 0.7, 0.9)))
    assert '<th scope="col">rule</th>' in page
    assert '<th scope="row"><code>kp</code>' in page
    assert '<td class="number">1</td>' in page and 'aria-label="Wiring verdicts' in page
