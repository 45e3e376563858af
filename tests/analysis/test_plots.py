"""Plots return labelled axes and show what they were given."""

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.patches import PathPatch

from oneway.analysis import check_wiring
from oneway.analysis.plots import (
    compare_table,
    draw_circuit,
    plot_angles,
    plot_comparison,
    plot_curves,
    plot_raster,
    styles,
)
from oneway.circuits import parse_circuit
from oneway.rules import RULES, parse_rule


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def lines(ax):
    return {p.get_gid(): p for p in ax.patches if isinstance(p, PathPatch)}


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_is_drawn_on_given_axes(rule):
    """What lies where is tested with the scene; here, that all of it is painted."""
    circuit = parse_rule(rule).wire(parse_circuit("mlp:8-4-4-4"))
    _, ax = plt.subplots(figsize=(3, 2))
    assert draw_circuit(circuit, ax) is ax
    assert sorted(lines(ax)) == sorted(circuit.projections)
    written = {text.get_text() for text in ax.texts}
    assert {p.name.replace("delta_", "δ ") for p in circuit.populations.values()} <= written
    legend = {text.get_text().split(":")[0] for text in ax.get_legend().get_texts()}
    assert {p.role for p in circuit.projections.values()} <= legend
    assert ax.get_title() == circuit.name
    ax.figure.canvas.draw()


def test_transport_is_dashed_and_offenders_are_shaded():
    circuit = parse_rule("bp").wire(parse_circuit("mlp:8-4-4-3"))
    plain = draw_circuit(circuit)
    tied = {name for name, line in lines(plain).items() if line.get_linestyle() != "solid"}
    assert tied == {"delta_h2 -> delta_h1", "delta_output -> delta_h2"}
    shaded = draw_circuit(circuit, verdict=check_wiring(circuit, "all"))
    assert len(shaded.patches) == len(plain.patches) + 2
    assert len(draw_circuit(circuit, verdict=check_wiring(circuit)).patches) == len(plain.patches)


RECORDS = [
    {"rule": rule, "seed": seed, "epoch": epoch, "test_accuracy": 0.1 * epoch + 0.01 * seed}
    for rule in ("bp", "fa")
    for seed in (0, 1)
    for epoch in (1, 2, 3)
]


def test_curves_are_means_over_repeats():
    ax = plot_curves([*RECORDS, {"rule": "kp", "epoch": 1}])
    assert [line.get_label() for line in ax.lines] == ["bp", "fa"]
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [0.105, 0.205, 0.305])
    assert len(ax.collections) == 2
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "test accuracy (%)")
    assert plot_curves(RECORDS, y="seed", ax=ax) is ax


def test_styles_differ_for_eleven_rules():
    looks = styles(RULES)
    assert len({(s["color"], s["linestyle"]) for s in looks.values()}) == len(RULES)


def test_angles():
    ax = plot_angles([0, 1, 2], {"a": [90, 60, 30], "b": [90, np.nan, 130]})
    assert ax.get_ylabel() == "angle between W and Bᵀ (°)"
    assert ax.get_ylim()[1] > 130
    assert plot_angles([], {}).get_xlabel() == "epoch"


def test_raster():
    times, ids = np.array([0.1, 0.2, 0.3, 0.4]), np.array([0, 1, 2, 2])
    groups = {"h1": (0, 2), "h2": (2, 3)}
    phases = [("mirror", 0, 0.2), ("engaged", 0.2, 0.4), ("mirror", 0.4, 0.5)]
    ax = plot_raster(times, ids, groups, phases)
    spikes = {line.get_label(): len(line.get_xdata()) for line in ax.lines}
    assert (spikes["h1"], spikes["h2"]) == (2, 2)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["h1", "h2"]
    assert ax.get_xlabel() == "time (s)"
    assert [text.get_text() for text in ax.texts] == ["mirror", "engaged"]
    plot_raster([], [])


def test_comparison_and_table():
    ax = plot_comparison({"bp": [0.9, 0.92], "fa": []}, floor=0.5, published={"bp": 0.93})
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["bp", "fa"]
    assert ax.get_xlabel() == "test accuracy (%)"
    table = compare_table([{"rule": "bp", "test_accuracy": 0.915, "published": None}])
    cells = [cell.get_text().get_text() for cell in table.tables[0].get_celld().values()]
    assert cells == ["bp", "91.5", "–", "rule", "test accuracy (%)", "published (%)"]
    with pytest.raises(ValueError, match="no rows"):
        compare_table([])
