"""The tour: a rule registered here, and nowhere else, goes all the way into the report."""

import json
import re
import sys
from base64 import b64encode
from dataclasses import dataclass, replace
from hashlib import sha256
from html.parser import HTMLParser

import pytest
from training_runs import wire_and_train

from oneway.analysis import weight_angles
from oneway.backends.rate import RateNetwork
from oneway.circuits import ACTIVITY, WiringError, mlp, taught_by
from oneway.circuits.drawing import drawing_script
from oneway.rules import RULES, Rule, with_feedback_path
from oneway.rules.feedback import INDEPENDENT
from oneway.training import TrainConfig, floor_accuracy, load_data
from oneway.training.demo.show import VARIANTS, DemoSettings, run_demo, shortest_loop
from oneway.training.demo.spikes import learned_digits, recorded_digits, spiking_tour
from oneway.training.demo.tour import RuleTour, SpikingTour
from oneway.training.spiking.config import SpikingConfig

CONFIG = TrainConfig(epochs=2, batch_size=64, lr=0.05, weight_decay=0.01)
SETTINGS = DemoSettings(sizes=(64, 16, 16, 10), seeds=(0, 1), spiking_s=0.4, config=CONFIG)
UNWIRABLE = "h1 <has> no rule"


def a_rule_of_ones_own():
    """Nothing else in this file or the package says its name or what it wires."""

    @dataclass(frozen=True)
    class HalfPollack(Rule, name="half_pollack"):
        """Forward weights learn by feedback alignment, feedback weights by Kolen-Pollack."""

        def wire(self, forward):
            wiring = with_feedback_path(forward, self, weights=INDEPENDENT)
            for w in wiring.learning_drives():
                wiring.learn_from_error(w)
            for pair in wiring.pairs():
                wiring.teach(pair.forward.pre, pair.feedback.post)
                wiring.learn(pair.feedback, pre=ACTIVITY, post=taught_by(pair.forward.pre))
            return wiring.build()


def a_rule_that_cannot_be_wired():
    @dataclass(frozen=True)
    class Unwirable(Rule, name="unwirable"):
        def wire(self, forward):
            raise WiringError(UNWIRABLE)


@pytest.fixture(scope="module")
def tour(tmp_path_factory):
    """Folder of a small tour that knows two more rules."""
    before = dict(RULES)
    a_rule_of_ones_own()
    a_rule_that_cannot_be_wired()
    try:
        report = run_demo(tmp_path_factory.mktemp("demo") / "new" / "folder", settings=SETTINGS)
    finally:
        RULES.clear()
        RULES.update(before)
    assert report.name == "report.html"
    return report.parent


@pytest.fixture(scope="module")
def page(tour):
    return (tour / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def results(tour):
    return json.loads((tour / "results.json").read_text())


class Page(HTMLParser):
    """Ids, addresses and tags of a page; complains of tags that are not closed in order."""

    VOID = ("meta", "img", "br", "link")

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.ids, self.addresses = [], set(), [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.add(tag)
        self.addresses += [
            v for k, v in attributes.items() if k in ("src", "href", "srcset", "xlink:href", "data")
        ]
        self.ids += [attributes["id"]] if "id" in attributes else []
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert tag not in self.VOID and self.open.pop() == tag, tag


def rows(page, rule):
    """Table rows of a rule, without tags."""
    found = re.findall(r'<tr><th scope="row">(.*?)</tr>', page, re.DOTALL)
    texts = [re.sub("<[^>]+>", " ", row).split() for row in found]
    return [text for text in texts if text and text[0] == rule]


def test_a_rule_of_ones_own_is_in_every_part_of_the_report(page, results):
    verdict, accuracy = rows(page, "half_pollack")
    assert "⇄ 32 ⇄ 32 none 1 2" in " ".join(verdict)
    (mine,) = [rule for rule in results["rules"] if rule["rule"] == "half_pollack"]
    assert f"{100 * mine['test_accuracy_mean']:.1f}" in accuracy
    drawn, details = page.split("<details>")
    assert 'id="circuit-half-pollack"' in drawn
    assert 'id="circuit-half-pollack"' not in details
    assert "half_pollack ends at" in page  # the angles' description
    assert "Forward weights learn by feedback alignment" in page


def test_every_rule_and_variant_is_in_both_tables(page):
    for rule in (*RULES, *VARIANTS):
        assert len(rows(page, rule)) == 2, rule


def test_a_rule_that_cannot_be_wired_says_why_and_the_others_go_on(page, results):
    (row,) = rows(page, "unwirable")
    assert "h1 &lt;has&gt; no rule" in " ".join(row)
    (rule,) = [rule for rule in results["rules"] if rule["rule"] == "unwirable"]
    assert UNWIRABLE in rule["problem"] and rule["runs"] == []
    assert f"Not above the floor: {'<code>unwirable</code>'} (cannot be wired here" in page


def test_nothing_is_loaded_from_elsewhere(page):
    parsed = Page(page)
    assert "http:" not in page and "https:" not in page and "@import" not in page
    assert not parsed.tags & {"img", "link", "iframe", "object", "embed", "base", "form"}
    assert parsed.addresses and all(address.startswith("#") for address in parsed.addresses)
    assert not re.search(r"url\((?!#)", page)
    assert "default-src 'none'" in page  # browsers enforce it


def test_the_one_script_is_the_one_that_the_page_allows(page):
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = b64encode(sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page
    assert script == drawing_script()


def test_pictures_are_text_with_descriptions_and_ids_are_unique(page):
    charts = re.findall(r'<svg class="chart" role="img"[^>]* aria-label="([^"]*)">', page)
    assert len(charts) >= 3 and all(len(says) > 40 for says in charts)
    assert page.count('class="ow-svg"') >= len(RULES)
    assert ">Kolen-Pollack learning (KP)</text>" in page and ">δ h1</text>" in page
    parsed = Page(page)
    assert len(parsed.ids) == len(set(parsed.ids))
    assert {address[1:] for address in parsed.addresses} <= set(parsed.ids)


def test_results_are_what_training_alone_gives(results):
    forward, data = mlp(SETTINGS.sizes, norm=SETTINGS.norm), load_data("digits")
    (kp,) = [rule for rule in results["rules"] if rule["rule"] == "kp"]
    config = replace(CONFIG, seed=1)
    alone = wire_and_train(forward, RULES["kp"](), data, config)
    assert kp["runs"][1]["test_accuracy"] == alone.test_accuracy
    assert results["floor_accuracies"][1] == floor_accuracy(forward, data, config)
    assert kp["test_accuracy_mean"] == pytest.approx(
        sum(r["test_accuracy"] for r in kp["runs"]) / 2
    )
    last = [a["angle_deg"] for a in kp["angles"] if (a["seed"], a["epoch"]) == (1, 2)]
    assert last == pytest.approx(list(alone.angles_deg.values()))
    assert [a["epoch"] for a in kp["angles"] if a["seed"] == 1] == [0, 0, 1, 1, 2, 2]
    wired = RULES["kp"]().wire(forward)
    before = weight_angles(wired, RateNetwork(wired, seed=1).weight)
    first = [a["angle_deg"] for a in kp["angles"] if (a["seed"], a["epoch"]) == (1, 0)]
    assert first == pytest.approx(list(before.values()))


def test_the_clock_is_told_where_there_is_one(page, results):
    assert set(results["clock"]) >= {"kp", "asap", "half_pollack"}
    assert not {"fa", "wm", "bp"} & set(results["clock"])
    assert "time constant" in page


def test_a_second_tour_replaces_the_first(tmp_path, monkeypatch):
    monkeypatch.setattr("oneway.training.demo.show.RULES", {"fa": RULES["fa"]})
    monkeypatch.setattr("oneway.training.demo.show.VARIANTS", ())
    tiny = replace(SETTINGS, seeds=(0,), config=replace(CONFIG, epochs=1), spiking="fa")
    first = run_demo(tmp_path, settings=tiny)
    first.write_text("old")
    assert run_demo(tmp_path, settings=tiny).read_text() != "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["report.html", "results.json"]


def test_what_is_printed(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        "oneway.training.demo.show.RULES", {name: RULES[name] for name in ("fa", "kp")}
    )
    tiny = replace(SETTINGS, seeds=(0,), config=replace(CONFIG, epochs=1), spiking="fa")
    run_demo(tmp_path, settings=tiny)
    out, err = capsys.readouterr()
    lines = [line.split() for line in out.splitlines()]
    assert ["kp", "32", "32", "none", "1"] in [line[:5] for line in lines]
    assert [VARIANTS[0], "0", "0", "none", "2"] in [line[:5] for line in lines]
    assert "\x1b" not in out + err  # neither colours nor progress where nobody looks


@pytest.mark.parametrize(("rule", "loop"), [("kp", 2), ("fa", 4), ("asap", 4), ("drtp", None)])
def test_shortest_way_back(rule, loop):
    assert shortest_loop(RULES[rule]().wire(mlp((12, 6, 6, 4)))) == loop


def test_quick_leaves_out_no_rule_but_shortens():
    quick = DemoSettings().quick()
    assert quick.sizes == DemoSettings().sizes
    assert quick.config.epochs < DemoSettings().config.epochs
    assert quick.spiking_s < DemoSettings().spiking_s


# -- spikes ------------------------------------------------------------------------------------


def tours(*names):
    forward = mlp((8, 6, 6, 4), norm="before")
    return [RuleTour(name, "", RULES[name](), RULES[name]().wire(forward)) for name in names]


def test_without_brian2_the_report_says_how_to_get_it(monkeypatch):
    for module in [name for name in sys.modules if name.startswith("oneway.backends.spiking")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "brian2", None)
    spiking = spiking_tour(*tours("wm"), 0.1)
    assert spiking.record is None
    assert 'pip install "oneway[spiking]"' in spiking.problem


def test_without_a_noisy_phase_there_is_nothing_to_spike():
    assert spiking_tour(*tours("kp"), 0.1).problem.startswith("kp has no phase in which noise")


def test_what_cannot_be_wired_says_so_in_the_place_of_spikes():
    rule = RuleTour("own", "", RULES["wm"](), problem="cannot be wired here: no h1")
    assert spiking_tour(rule, 0.1).problem == "own cannot be wired here: no h1"


@pytest.mark.spiking
def test_spikes_of_a_rule_with_a_noisy_phase():
    pytest.importorskip("brian2")
    spiking = spiking_tour(*tours("wm"), 0.2)
    assert spiking.label == "wm" and spiking.problem == ""
    assert list(spiking.angles) == ["delta_h2 -> delta_h1", "delta_output -> delta_h2"]
    assert all(len(angles) == len(spiking.record.times_s) for angles in spiking.angles.values())


@pytest.mark.spiking
def test_a_compiler_that_cannot_compile_is_as_good_as_none(monkeypatch):
    pytest.importorskip("brian2")
    asked = []

    def mirror(rule, seconds, target):
        asked.append((seconds, target))
        if target == "cpp_standalone":
            raise RuntimeError("g++: command not found")
        return SpikingTour(target=target)

    monkeypatch.setattr("oneway.training.demo.spikes._mirror", mirror)
    monkeypatch.setattr(SpikingConfig, "target_for", lambda self, seconds: "cpp_standalone")
    assert spiking_tour(*tours("wm"), 48.0, 16.0).target == "numpy"
    assert asked == [(48.0, "cpp_standalone"), (16.0, "numpy")]


@pytest.mark.spiking
def test_digits_learned_here_are_told_as_those_recorded():
    pytest.importorskip("brian2")
    wired = RULES["kp"]().wire(mlp((64, 8, 10)))
    data = load_data("digits", shape=(64,), limit=(10, 6))
    config = SpikingConfig(target="numpy", epochs=1, measurements=1)
    digits = learned_digits(wired, data, config, "kp")
    recorded = recorded_digits()
    assert digits.command == "oneway spike mlp:64-8-10 --rule kp --epochs 1"
    assert recorded.found.keys() <= digits.found.keys()
    assert list(digits.angles) == ["delta_output -> delta_h1"] and not digits.recorded


@pytest.mark.slow
@pytest.mark.spiking
def test_the_tour_s_mirror_gets_there():
    pytest.importorskip("brian2")
    settings = DemoSettings()
    if SpikingConfig().target_for(settings.spiking_s) != "cpp_standalone":
        pytest.skip("no compiler")
    wired = RULES["wm"]().wire(mlp(settings.sizes, norm=settings.norm))
    tour = RuleTour("wm", "", RULES["wm"](), wired)
    angles = spiking_tour(tour, settings.spiking_s).angles
    assert len(angles) == 2 and max(course[-1] for course in angles.values()) < 15


@pytest.mark.spiking
def test_raster_and_angles_are_in_the_report(page, results):
    pytest.importorskip("brian2")
    assert 'aria-label="Raster of spikes' in page and "in Brian2" in page
    assert results["spiking"]["simulated_s"] == pytest.approx(SETTINGS.spiking_s)
