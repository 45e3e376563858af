"""Drawings say all of a circuit: a box for each population, an arrow for each projection."""

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from wirings import wired_circuits

from oneway.circuits import BUILDERS, Wiring, parse_circuit
from oneway.circuits.drawing import COLOURS, draw_html, draw_scene, draw_scenes, draw_svg, say
from oneway.circuits.drawing.folding import MOST_ROWS, blocks
from oneway.circuits.drawing.layout import PHONE
from oneway.circuits.drawing.scenes import shortened
from oneway.rules import parse_rule

SVG = "{http://www.w3.org/2000/svg}"


def wired(rule, circuit="mlp:8-4-4-3"):
    return parse_rule(rule).wire(parse_circuit(circuit))


def assert_laid_out(scene):
    """Inside the drawing, nothing over another, and small enough for a phone."""
    assert scene.narrow <= PHONE + 1e-6
    for box in scene.boxes:
        right = scene.width if box.path == "target" else scene.narrow
        assert box.width / 2 <= box.x <= right - box.width / 2
        assert box.height / 2 <= box.y <= scene.height - box.height / 2
        assert 7 * len(box.label) <= box.width
    for i, one in enumerate(scene.boxes):
        for two in scene.boxes[:i]:
            beside = abs(one.x - two.x) >= (one.width + two.width) / 2
            above = abs(one.y - two.y) >= (one.height + two.height) / 2
            assert beside or above, (one.label, two.label)
    for arrow in scene.arrows:
        for x, y in arrow.points:
            assert 0 <= x <= (scene.width if arrow.path == "target" else scene.narrow), arrow.names
            assert 0 <= y <= scene.height, arrow.names


def assert_complete(scene, circuit):
    assert len(scene.boxes) == len(circuit.populations)
    assert sorted(n for arrow in scene.arrows for n in arrow.names) == sorted(circuit.projections)


@settings(max_examples=25)
@given(wired_circuits())
def test_any_wiring_is_drawn(circuit):
    scene = draw_scene(circuit)
    assert_complete(scene, circuit)
    assert_laid_out(scene)
    drawing = ElementTree.fromstring(draw_svg(circuit))
    texts = list(drawing.iter(f"{SVG}text"))
    assert len(texts) >= len(circuit.populations)
    width, height = (float(drawing.get(side)) for side in ("width", "height"))
    assert all(0 <= float(t.get("x")) < width and 0 < float(t.get("y")) < height for t in texts)
    # The key says what occurs, and nothing else.
    explained = {t.text.partition(": ")[0] for t in texts if ": " in t.text}
    learns = {"thick"} if any(p.plasticity for p in circuit.projections.values()) else set()
    assert explained == {p.role for p in circuit.projections.values()} | learns


@pytest.mark.parametrize("rule", ["kp", "asap", "forward_alignment"])
@pytest.mark.parametrize("builder", BUILDERS)
def test_every_builder_is_drawn_and_folded(builder, rule):
    circuit = wired(rule, "mlp:6-5-4" if builder == "mlp" else f"{builder}:3x32x32-5")
    scene = draw_scenes(circuit)
    assert_laid_out(scene)
    assert len({box.y for box in scene.boxes}) <= 21  # resnet50 has 52 forward populations
    everywhere = [*scene.arrows, *(a for inside in scene.blocks.values() for a in inside.arrows)]
    assert {name for arrow in everywhere for name in arrow.names} == set(circuit.projections)
    for inside in scene.blocks.values():
        assert_laid_out(inside)


def test_arrows_of_the_same_boxes_lie_apart():
    scene = draw_scene(wired("asap,gate=local"))
    ends = [arrow.points[-1] for arrow in scene.arrows] + [
        arrow.points[0] for arrow in scene.arrows
    ]
    ends = [end for end in ends if ends.count(end) > 1]
    assert not [end for end in ends if any(end[0] == b.x - b.width / 2 for b in scene.boxes)]


def test_blocks_end_where_every_way_meets():
    circuit = parse_circuit("resnet34")
    parts = blocks(circuit)
    assert [name for part in parts for name in part] == circuit.order("forward")
    for part in parts:
        later = set(circuit.order("forward")[circuit.order("forward").index(part[-1]) + 1 :])
        jumps = [
            p.name for p in circuit.select(role="drive") if p.pre in part[:-1] and p.post in later
        ]
        assert not jumps
    assert max(map(len, parts)) == 2
    chain = blocks(parse_circuit("mlp:9-" + "-".join(["7"] * 20) + "-3"))
    assert [len(part) for part in chain] == [1, 20, 1]
    assert all(
        len(part) == 1 for part in blocks(parse_circuit("mlp:" + "4-" * (MOST_ROWS - 1) + "3"))
    )


def lit(circuit, name):
    scene = draw_scene(circuit)
    (arrow,) = (arrow for arrow in scene.arrows if arrow.names == (name,))
    return {scene.arrows[i].names[0] for i in arrow.lights}


def test_who_learns_from_a_projection_lights_up():
    """By the rule's equations: dW = delta h, dB = h taught, each through what brings it."""
    kp = wired("kp")
    assert lit(kp, "teach: delta_h2 -> h2") == {"h1 -> h2"}
    assert lit(kp, "teach: h1 -> delta_h1") == {"delta_h2 -> delta_h1"}
    assert lit(kp, "x -> h1") == {"h1 -> h2"}  # h1's activity is its other factor
    fa = wired("fa")
    assert lit(fa, "teach: delta_h2 -> h2") == {"h1 -> h2"}
    assert lit(fa, "gate: h1 -> delta_h1") == set()  # its weights are fixed
    mirror = wired("wm")
    assert lit(mirror, "mimic: h2 -> delta_h2") == {
        "delta_h2 -> delta_h1",
        "delta_output -> delta_h2",
    }


def test_what_is_said_of_a_projection():
    said = {p.name: say(kp, p) for kp in [wired("kp")] for p in kp.projections.values()}
    assert said["teach: delta_h1 -> h1"] == (
        "δ h1 → h1. Teach: signal to learn from. No weights, one-to-one."
    )
    learns = said["delta_h2 -> delta_h1"]
    assert "Weights of its own, all-to-all" in learns and "Learns in phase 'engaged'" in learns
    assert "what h1 teaches it" in learns
    bp = wired("bp")
    assert "weight transport" in say(bp, bp.projections["delta_h2 -> delta_h1"])


def test_names_are_text_for_people_and_machines():
    circuit = wired("kp")
    drawing = ElementTree.fromstring(draw_svg(circuit, [("h1", "delta_h1")]))
    assert drawing.find(f"{SVG}title").text == circuit.name
    assert "4 populations" not in drawing.find(f"{SVG}desc").text
    assert "8 populations" in drawing.find(f"{SVG}desc").text
    texts = [text.text for text in drawing.iter(f"{SVG}text")]
    assert {"x", "h1", "δ h1", "target", "4 cells", "forward path"} <= set(texts)
    assert len(drawing.findall(f"{SVG}rect[@class='ow-shade']")) == 1


def test_odd_names_break_nothing():
    net = Wiring('a <b> & "c"')
    for name in ("a_name_that_is_far_too_long_for_any_box", "y"):
        net.population(name, (3,))
    net.connect("a_name_that_is_far_too_long_for_any_box", "y", name='<w> "1"')
    circuit = net.build()
    drawing = ElementTree.fromstring(draw_svg(circuit))
    assert drawing.find(f"{SVG}title").text == circuit.name
    assert any("…" in text.text for text in drawing.iter(f"{SVG}text"))
    assert "<b>" not in draw_html(circuit) and "a &lt;b&gt;" in draw_html(circuit)
    assert shortened("abcdefgh", 5) == "ab…gh"


def test_notebooks_show_a_drawing_that_needs_no_network():
    page = wired("kp", "resnet18:3x32x32-10")._repr_html_()
    assert page.count("<details") == 8 and page.count("<svg") > 9
    assert not re.search(r"(src|href)=\"(?!#)", page) and "url(" not in page
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    other = wired("kp")._repr_html_()
    assert not set(ids) & set(re.findall(r' id="([^"]+)"', other))
    for link in re.findall(r'href="#([^"]+)"', page):
        assert link in ids


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a, b):
    high, low = sorted(map(luminance, (a, b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1])
def test_contrast_in_both_schemes(scheme):
    """WCAG 2: text 4.5:1 on every ground that it stands on, lines 3:1."""
    colour = {name: pair[scheme] for name, pair in COLOURS.items()}
    for ground in ("ground", "forward", "feedback", "auxiliary", "target", "shade"):
        for text in ("ink", "soft"):
            assert contrast(colour[text], colour[ground]) >= 4.5, (text, ground)
    for line in (*"drive teach gate norm mimic compare tied edge".split(),):
        for ground in ("ground", "shade"):
            assert contrast(colour[line], colour[ground]) >= 3, (line, ground)
