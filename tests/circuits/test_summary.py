"""The summary says what is there, exactly, in columns."""

import re

import pytest
from hand_wired import kolen_pollack_by_hand, sparse_by_hand
from hypothesis import given
from strategies import forward_circuits

from oneway.circuits import (
    Conv2dConnector,
    FromListConnector,
    TransposeConnector,
    Weights,
    Wiring,
    conv2,
    mlp,
    resnet18,
    summarise,
)
from oneway.circuits.summary import connector_text, count_totals, weights_text
from oneway.rules import WeightMirror


def section(text, title):
    """Lines under a title, without it."""
    (lines,) = (part.splitlines()[1:] for part in text.split("\n\n") if part.startswith(title))
    return lines


def cells_of(text, title, first):
    """Entries of the row that starts with `first`, by column."""
    header, *rows = section(text, title)
    split = lambda line: re.split(r"\s{2,}", line.strip())  # noqa: E731
    (row,) = (r for r in rows if r.strip().startswith(first + "  "))
    return dict(zip(split(header), split(row), strict=True))


def test_populations():
    row = cells_of(kolen_pollack_by_hand().summary(), "populations", "h1")
    assert row == {
        **{"name": "h1", "path": "forward", "shape": "3", "cells": "3", "φ": "tanh"},
        **{"bias": "yes", "partner": "-", "learns from": "taught by delta_h1"},
    }
    assert cells_of(sparse_by_hand().summary(), "populations", "y")["norm"] == "batch"
    assert cells_of(conv2().summary(), "populations", "h1")["shape"] == "32x32x32"


def test_drives_say_what_they_learn_from():
    text = kolen_pollack_by_hand().summary()
    assert cells_of(text, "drives", "h1 -> output") == {
        "pre -> post": "h1 -> output",
        "connector": "AllToAll",
        "weights": "own",
        "number": "6",
        "norm": "batch, error: full",
        "learns from": "pre: activity, post: taught by delta_output, rate 0.1, decay 0.333333",
        "phases": "engaged",
    }
    assert cells_of(text, "drives", "x -> h1")["learns from"] == (
        "pre: activity, post: taught by delta_h1 × own φ′"
    )
    back = cells_of(text, "drives", "delta_output -> delta_h1")
    assert back["weights"] == "own, starts as h1 -> output"
    assert back["learns from"] == (
        "pre: activity - baseline mean, post: taught by h1, Hebbian, mean, in mirror"
    )


def test_tied_and_sign_tied_weights_name_their_owner():
    row = cells_of(sparse_by_hand().summary(), "drives", "delta_y -> delta_x")
    assert row["weights"] == "signs of x -> y"
    assert row["learns from"] == "with what it is tied to"
    assert weights_text(Weights("tied", to="a -> b")) == "tied to a -> b"


def test_other_roles_phases_and_notes():
    text = kolen_pollack_by_hand().summary()
    assert section(text, "gate") == ["  h1 -> delta_h1 [tanh′]"]
    assert section(text, "mimic") == ["  h1 -> delta_h1 [in mirror]"]
    assert section(text, "norm") == ["  h1 -> delta_h1"]
    assert section(text, "teach") == [
        "  delta_output -> output; delta_h1 -> h1; h1 -> delta_h1 [in engaged, mirror]"
    ]
    assert section(text, "compare") == ["  output -> delta_output; target -> delta_output"]
    assert cells_of(text, "phases", "mirror")["noise"] == "h1: mean 0.1, sd 0.3"
    assert cells_of(text, "phases", "engaged")["noise"] == "driven by data"
    mirror = WeightMirror(bias_blocking=True).wire(mlp((4, 3, 3, 2))).summary()
    row = cells_of(mirror, "phases", "mirror h1")
    assert (row["biases"], row["norms"]) == ("blocked", "blocked")
    assert section(text, "notes") == ["  - wired by hand"]
    assert "notes" not in mlp((4, 3, 2)).summary()


def test_names_are_shown_where_they_say_more():
    net = Wiring("parallel")
    x, y = net.population("x", (2,)), net.population("y", (2,))
    net.connect(x, y)
    net.connect(x, y, name="again")
    drives = "\n".join(section(net.build().summary(), "drives"))
    assert "x -> y (again)" in drives and "x -> y (x -> y)" not in drives


@given(forward_circuits())
def test_every_part_is_in_the_summary_of_any_circuit(circuit):
    text = summarise(circuit)
    assert len(section(text, "populations")) == 1 + len(circuit.populations)
    assert len(section(text, "drives")) == 1 + len(circuit.projections)
    assert not any(line != line.rstrip() for line in text.splitlines())


def test_columns_are_aligned_in_a_deep_net():
    text = resnet18().summary()
    for title, column in (("populations", "shape"), ("drives", "connector"), ("drives", "weights")):
        header, *rows = section(text, title)
        start = header.index(column)
        assert len(rows) >= 20
        assert all(row[start - 1] == " " and row[start] != " " for row in rows)
    assert max(map(len, text.splitlines())) < 120


# -- numbers -------------------------------------------------------------------------------


def test_totals_of_a_convolution_are_exact():
    net = Wiring("conv")
    x, h = net.population("x", (2, 5, 5)), net.population("h", (4, 3, 3), bias=True)
    net.connect(x, h, Conv2dConnector(4, 3))
    total = count_totals(net.build())
    assert total.cells == 50 + 36
    assert total.synapses == 36 * 2 * 9  # each post cell has a full window
    assert (total.weights, total.biases, total.normalisation) == (4 * 2 * 9, 4, 0)


def test_padding_joins_fewer_pairs_than_windows_have_places():
    net = Wiring("padded")
    x, h = net.population("x", (1, 3, 3)), net.population("h", (1, 3, 3))
    net.connect(x, h, Conv2dConnector(1, 3, padding=1))
    assert count_totals(net.build()).synapses == 4 * 4 + 4 * 6 + 9


def test_tied_weights_are_stored_once_and_multapses_count_each():
    total = count_totals(sparse_by_hand())
    assert total.weights == 3
    assert total.synapses == 3 + 3
    assert (total.biases, total.normalisation) == (2, 0)


def test_totals_stand_in_the_text():
    total = count_totals(resnet18())
    lines = section(resnet18().summary(), "totals")
    assert lines[0] == f"  cells {total.cells:,}, synapses {total.synapses:,}"
    assert lines[1].startswith(f"  parameters {total.parameters:,}: weights {total.weights:,}")


@pytest.mark.parametrize(
    ("connector", "text"),
    [
        (Conv2dConnector(64, 3), "Conv2d(64, 3)"),
        (Conv2dConnector(64, 3, stride=2, groups=4), "Conv2d(64, 3, stride=2, groups=4)"),
        (Conv2dConnector(64, 3, dilation=2), "Conv2d(64, 3, dilation=2)"),
        (TransposeConnector(Conv2dConnector(8, 1)), "Transpose(Conv2d(8, 1))"),
        (FromListConnector([(0, 0)] * 99), "FromList"),
    ],
)
def test_connectors_in_short(connector, text):
    assert connector_text(connector) == text


def test_a_note_is_said_once():
    net = Wiring(sparse_by_hand())
    before = net.build().notes
    for _ in range(2):
        net.note("h is far away")
    assert net.build().notes == (*before, "h is far away")
