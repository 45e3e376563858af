"""Pictures of spiking runs: every spike is where it belongs, nothing is drawn twice."""

import numpy as np
import pytest
from matplotlib import pyplot as plt

from oneway.analysis.plots import (
    plot_angles,
    plot_paths,
    plot_raster,
    plot_rates,
    plot_weights,
    stack_cells,
)

SPIKES = {
    "h1": (np.array([0.1, 0.2, 0.3]), np.array([0, 2, 1])),
    "delta_h1": (np.array([0.15, 0.25, 0.35]), np.array([1, 4, 0])),  # 4: the negative half of 1
}
SIZES = {"h1": 3, "delta_h1": 3}


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def test_stacked_cells_keep_population_unit_and_sign():
    times, ids, groups, negative = stack_cells(SPIKES, SIZES, gap=2)
    assert groups == {"delta_h1": (0, 3), "h1": (5, 8)}  # the first one on top
    assert dict(zip(times.tolist(), ids.tolist(), strict=True)) == {
        0.1: 5, 0.2: 7, 0.3: 6, 0.15: 1, 0.25: 1, 0.35: 0,
    }  # fmt: skip
    assert times[negative].tolist() == [0.25]


def test_stacked_cells_are_cut_to_the_window_and_the_first_few():
    times, ids, groups, _ = stack_cells(SPIKES, SIZES, window_s=(0.15, 0.3), cells=2)
    assert sorted(times.tolist()) == [0.15, 0.25]  # h1's at 0.2 is of its third cell
    assert groups == {"delta_h1": (0, 2), "h1": (4, 6)}
    assert ids.max() < 6


def test_nothing_to_stack():
    times, ids, groups, negative = stack_cells({})
    assert (len(times), len(ids), groups, len(negative)) == (0, 0, {}, 0)


def test_negative_spikes_are_lighter_in_the_same_row():
    ax = plot_raster([0.1, 0.2], [0, 0], {"a": (0, 1)}, negative=[False, True])
    dark, light = (line for line in ax.lines if len(line.get_xdata()))
    assert (dark.get_label(), dark.get_xdata().tolist()) == ("a", [0.1])
    assert light.get_xdata().tolist() == [0.2]
    assert light.get_color() != dark.get_color()


def test_paths_stand_side_by_side_over_the_same_time():
    columns = {"forward": ["h1", "not recorded"], "feedback": ["delta_h1"], "auxiliary": ["none"]}
    phases = [("mirror", 0.0, 0.2), ("engaged", 0.2, 9.0)]
    left, right = plot_paths(SPIKES, columns, SIZES, phases, window_s=(0.1, 0.3))
    assert (left.get_title(), right.get_title()) == ("forward", "feedback")
    assert left.get_xlim() == right.get_xlim() == (0.1, 0.3)
    assert [t.get_text() for t in right.get_yticklabels()] == ["delta_h1\nall 3 cells"]
    assert [text.get_text() for text in left.texts] == ["mirror", "engaged"]
    spans = [patch.get_x() + patch.get_width() for patch in left.patches]
    np.testing.assert_allclose(spans, [0.2, 0.3])  # cut to the window


def test_partners_have_one_colour_and_the_same_rows():
    """So that a cell that repeats another shows; others keep rows and colours of their own."""
    spikes = SPIKES | {"x": (np.array([0.12]), np.array([0])), "target": (np.array([0.3]), [0])}
    columns = {"forward": ["h1", "x"], "feedback": ["target", "delta_h1"]}
    sizes = SIZES | {"x": 30, "target": 2}
    axes = plot_paths(spikes, columns, sizes, (), (0.0, 1.0), partners={"delta_h1": "h1"})
    looks, labels = {}, []
    for ax in axes:
        labels += [tick.get_text() for tick in ax.get_yticklabels()]
        for line in ax.lines:
            if not line.get_label().startswith("_"):
                looks[line.get_label()] = (line.get_color(), min(line.get_ydata()))
    assert looks["h1"] == looks["delta_h1"]
    assert len({colour for colour, _ in looks.values()}) == 3
    assert looks["x"][1] < looks["h1"][1] < looks["target"][1]
    assert labels == [
        "x\n10 of 30 cells", "h1\nall 3 cells", "delta_h1\nall 3 cells", "target\nall 2 cells",
    ]  # fmt: skip
    assert not axes[0].texts
    assert "pale" in axes[1].texts[-1].get_text()  # cell 4 of 3: the negative half of a pair


def test_rates_are_dots_around_their_mean():
    ax = plot_rates({"h1": [10.0, 30.0], "h2": []})
    (dots,) = (line for line in ax.lines if line.get_label() == "h1")
    assert dots.get_xdata().tolist() == [10.0, 30.0]
    bars = [line for line in ax.lines if line.get_marker() == "|" and len(line.get_xdata())]
    assert [bar.get_xdata()[0] for bar in bars] == [20.0]
    explained = [text.get_text() for text in ax.get_legend().get_texts()]
    assert explained == ["one cell", "mean of the population"]
    assert ax.get_xlabel().endswith("(Hz)")


def test_weights_before_and_after_share_their_colours():
    before = {"W": np.ones((2, 3)), "B": np.zeros((3, 2))}
    axes = plot_weights(before, {"W": -4 * np.ones((2, 3)), "B": np.zeros((3, 2))})
    assert axes.shape == (2, 2)
    limits = [ax.images[0].get_clim() for ax in axes.ravel()]
    assert limits == [(-4, 4), (-4, 4), (-1, 1), (-1, 1)]
    assert axes[0, 1].get_title() == "W, after"


def test_angles_over_simulated_time_with_phases():
    phases = [("mirror", 0, 1), ("engaged", 1, 4), ("mirror", 4, 6)]
    ax = plot_angles([0, 3, 6], {"h1": [90, 40, 20]}, legend="error cells", phases=phases)
    assert len(ax.patches) == 3
    named = {text.get_text(): text.xy[0] for text in ax.texts}
    assert (named["mirror"], named["engaged"]) == (5.0, 2.5)  # each over its widest span
    assert ax.get_legend().get_title().get_text() == "error cells"
