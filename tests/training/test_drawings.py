"""Drawings as files, from the command line; a mirror's run as a page; charts as text."""

import json
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure

from oneway.training.demo.inline_svg import dark, inline_svg
from oneway.training.rule_names import full_name
from oneway.training.spiking.animation import MirrorRecording, write_animation

KP = ("check", "mlp:8-4-4-3", "--rule", "kp", "--constraint", "all", "--json")


@pytest.mark.parametrize(
    ("suffix", "begins"),
    [("svg", b"<svg"), ("html", b"<!doc"), ("png", b"\x89PNG"), ("pdf", b"%PDF")],
)
def test_check_draws(oneway, tmp_path, suffix, begins):
    code, out, err = oneway(*KP, "--draw", f"kp.{suffix}")
    assert code == 1 and json.loads(out)["circuit"] == "mlp:8-4-4-3"
    assert err == f"drawing: kp.{suffix}\n"
    assert (tmp_path / f"kp.{suffix}").read_bytes().startswith(begins)


def test_a_drawing_stands_alone_and_shades_what_offends(oneway, tmp_path):
    oneway(*KP, "--draw", "all.svg")
    oneway("check", "mlp:8-4-4-3", "--rule", "fa", "--draw", "papers.svg")
    shades = {}
    for name in ("all", "papers"):
        drawing = ElementTree.parse(tmp_path / f"{name}.svg").getroot()
        assert (
            drawing.get("width") and drawing.find("{http://www.w3.org/2000/svg}style") is not None
        )
        shades[name] = len(drawing.findall("{http://www.w3.org/2000/svg}rect[@class='ow-shade']"))
    assert shades == {"all": 2, "papers": 0}
    text = (tmp_path / "all.svg").read_text(encoding="utf-8")
    assert re.findall("https?:[^\"' ]*", text) == ["http://www.w3.org/2000/svg"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((*KP, "--draw", "kp.gif"), "ends in .svg, .html, .png or .pdf"),
        ((*KP, "--draw", "none/kp.svg"), "folder 'none' is not there"),
        (("check", "edges.csv", "--draw", "kp.svg"), "--draw draws one wired circuit"),
        (("check", "mlp:8-4-3", "--rules", "kp", "--draw", "kp.svg"), "--draw draws one wired"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(oneway, tmp_path, words, says):
    (tmp_path / "edges.csv").write_text("source,target\na,b\nb,a\n")
    code, out, err = oneway(*words)
    assert (code, out) == (2, "") and says in err and err.count("\n") == 1
    assert not list(tmp_path.glob("*.svg"))


def test_train_plots_circuit_and_course_into_the_folder_of_the_run(oneway, tmp_path):
    run = ("--circuit", "mlp:64-8-10", "--rule", "kp", "--limit", "100,50", "--epochs", "1")
    code, out, err = oneway("train", *run, "--seeds", "2", "--out", "run", "--plot", "--json")
    assert code == 0 and json.loads(out)["runs"]
    assert "picture: run/circuit.html" in err
    page = (tmp_path / "run" / "circuit.html").read_text(encoding="utf-8")
    assert ">δ h1</text>" in page and 'class="ow-shade"' in page
    assert (tmp_path / "run" / "overview.png").stat().st_size > 10_000


def test_rules_have_full_names():
    assert full_name("asap,gate=local").startswith(
        "Activation sharing with asymmetric paths (ASAP), "
    )
    assert full_name("mine,k=2") == "mine,k=2"


# -- charts ----------------------------------------------------------------------------------------


def test_charts_keep_their_text_and_have_a_colour_for_either_scheme():
    import matplotlib as mpl

    figure = Figure()
    ax = figure.subplots()
    ax.plot([0, 1], color="#0072b2")
    ax.set_title("a < b")
    with mpl.rc_context({"svg.fonttype": "none"}):
        drawn = inline_svg(figure, "one", 'what "it" shows')
    chart = ElementTree.fromstring(drawn)
    assert chart.get("aria-label") == 'what "it" shows'
    assert "a < b" in [text.text for text in chart.iter("text")]
    assert f"light-dark(#0072b2, {dark('#0072b2')})" in drawn
    ids = [part.get("id") for part in chart.iter() if part.get("id")]
    assert ids and all(name.startswith("one-") for name in ids)
    for link in re.findall(r'(?:href="#|url\(#)([^")]+)', drawn):
        assert link in ids
    assert "<style" not in drawn and "http" not in drawn


# -- animation -------------------------------------------------------------------------------------


def a_recording():
    run = MirrorRecording("A <mirror>", {"output": 2, "h1": 3})
    run.weigh(
        0.0, np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]), np.array([[0, 1], [-2, 0], [0, 0]])
    )
    run.stretch("asleep", 0.0, 1.0, {"h1": (np.array([0.9, 0.25]), np.array([2, 4]))})
    run.weigh(1.0, np.eye(2, 3), 0.5 * np.eye(3, 2))
    run.stretch("awake", 1.0, 1.5, {"output": (np.array([1.2]), np.array([0]))})
    return run


def test_a_page_plays_what_was_recorded(tmp_path):
    page = write_animation(tmp_path / "m.html", a_recording(), ["a note"]).read_text("utf-8")
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)
    run = json.loads(data)
    assert run["stretches"] == [["asleep", 0, 1000], ["awake", 1000, 1500]]
    h1 = run["populations"][1]
    assert h1["name"] == "h1" and np.cumsum(h1["steps"]).tolist() == [250, 900]
    assert h1["units"] == [-2, 2]  # 4 of 3: the negative half of unit 1
    assert run["shape"] == [2, 3] and run["times"] == [0, 1000]
    assert run["w"][0] == [100, 0, 0, 0, 100, 0] and run["b"][0] == [0, -100, 0, 50, 0, 0]
    assert run["angles"] == [90.0, 0.0]  # the first two have no entry in common
    assert "A &lt;mirror&gt;" in page and "a note" in page
    assert not re.search(r"(src|href)=|https?:|url\(", page) and "default-src 'none'" in page
