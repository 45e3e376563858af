"""Lines by layer: means over seeds in order of depth, theory in front, a key at any depth."""

import numpy as np
import pytest

from oneway.analysis.plots import layer_colours, name_layers, plot_layers


def test_layers_are_means_over_seeds_with_a_band_and_theory_in_front():
    layers = {"h1": {2: [70, 75], 1: [90, 80]}, "h2": {1: [50.0]}}
    ax = plot_layers(layers, expected={"h1": {1: [84], 2: [70]}})
    drawn = [(list(line.get_xdata()), list(line.get_ydata())) for line in ax.lines]
    assert drawn == [([1, 2], [85, 72.5]), ([1], [50]), ([1, 2], [84, 70])]
    (band,) = ax.collections
    assert set(band.get_paths()[0].vertices[:, 1]) == {70, 75, 80, 90}
    # A single point is seen too; what is expected is told by its dashes.
    assert ax.lines[1].get_marker() == "o" and ax.lines[0].get_marker() in ("", "None")
    assert ax.lines[2].get_linestyle() == "--"


@pytest.mark.parametrize("top", [1.2, 8.0, 400.0, 1e9])
def test_a_logarithmic_axis_has_ticks_whatever_it_spans(top):
    ax = plot_layers({"h1": {1: [1.0], 2: [top], 3: [0.0]}}, log=True)
    low, high = ax.get_ylim()
    ticks = [at for at in ax.get_yticks() if low <= at <= high]
    assert ax.get_yscale() == "log" and 2 <= len(ticks) <= 12


@pytest.mark.parametrize(("n", "most"), [(1, 1), (2, 2), (16, 16), (20, 16), (54, 16)])
def test_the_key_names_first_and_last_layer_at_any_depth(n, most):
    colours = layer_colours(f"h{i}" for i in range(n))
    ax = plot_layers({name: {1: [1.0]} for name in colours}, colours=colours)
    name_layers([ax], colours)
    *_, key = ax.figure.axes
    names = [text.get_text() for text in key.get_yticklabels()]
    assert (names[0], names[-1]) == ("h0", f"h{n - 1}") and n / 4 <= len(names) <= most
    low, high = key.get_ylim()
    assert low > high  # the first at the top
    assert len(set(colours.values())) == n


def test_ticks_of_the_key_are_evenly_spaced():
    from oneway.analysis.layer_pictures import _named

    steps = np.diff(_named(54))
    assert set(steps[:-1]) == {4}
