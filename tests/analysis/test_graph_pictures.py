"""Pictures of graphs show what they were given."""

import matplotlib

matplotlib.use("Agg")

import networkx as nx
import numpy as np
import pytest
from matplotlib import pyplot as plt

from oneway.analysis.graphs import TRIADS, compare_to_null
from oneway.analysis.plots import plot_class_matrix, plot_triads


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def test_triads_up_and_down_from_chance():
    figures = compare_to_null(nx.gnp_random_graph(40, 0.2, seed=1, directed=True), samples=5)
    ax = plot_triads(figures)
    assert [label.get_text() for label in ax.get_xticklabels()] == list(TRIADS)
    tops = {
        round(bar.get_x() + bar.get_width() / 2): bar for bar in ax.patches if hasattr(bar, "get_x")
    }
    for at, name in enumerate(TRIADS):
        if at in tops:
            ratio = figures[name].observed / figures[name].mean
            assert tops[at].get_y() + tops[at].get_height() == pytest.approx(ratio)
            assert f"{figures[name].z:+.0f}" in [text.get_text() for text in ax.texts]
    ax.figure.canvas.draw()


def test_triads_that_only_one_side_has_are_written():
    both_ways = nx.cycle_graph(30).to_directed()
    ax = plot_triads(compare_to_null(both_ways, samples=2), ax=plt.subplots()[1])
    written = [text.get_text() for text in ax.texts]
    assert "none" in written
    ax.figure.canvas.draw()


def test_matrix_of_counts_and_of_shares():
    counts = np.array([[0.0, 30.0], [2.0, 5.0]])
    ax = plot_class_matrix(counts, ["early", "late"])
    image = ax.images[0].get_array()
    assert np.ma.getmaskarray(np.ma.masked_invalid(image))[0, 0] and image[0, 1] == 30
    assert [label.get_text() for label in ax.get_yticklabels()] == ["early", "late"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("to", "from")
    shares = plot_class_matrix(np.array([[0.5, np.nan], [0.0, 1.0]]), ["a", "b"], "reciprocity")
    shares.figure.canvas.draw()
    assert "%" in shares.figure.axes[1].get_yticklabels()[-1].get_text()
