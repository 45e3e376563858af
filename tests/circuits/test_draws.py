"""First draws: their schemes, copies and seeds."""

from typing import get_args

import numpy as np
import pytest
import torch
from torch import nn

from oneway.circuits import (
    AllToAllConnector,
    Circuit,
    Conv2dConnector,
    Draw,
    FromListConnector,
    Population,
    Projection,
    TransposeConnector,
    Weights,
    Wiring,
    WiringError,
    first_draw,
    initial_std,
    set_point,
    sign_magnitude,
)


def one_drive(connector, pre, post, **properties):
    net = Wiring("one drive")
    p = net.connect(net.population("x", pre), net.population("y", post), connector, **properties)
    return net.build(), p


DENSE = (AllToAllConnector(), (300,), (200,))


def test_a_seed_and_a_name_are_one_draw():
    circuit, p = one_drive(*DENSE)
    drawn = first_draw(circuit, p, 3)
    assert drawn.dtype == np.float64 and drawn.shape == (200, 300)
    np.testing.assert_array_equal(first_draw(circuit, p, 3), drawn)
    others = [(circuit, p, 4), (*one_drive(*DENSE, name="another"), 3)]
    for other in others:
        assert abs(np.corrcoef(first_draw(*other).ravel(), drawn.ravel())[0, 1]) < 0.02


def test_a_copy_is_the_draw_of_the_other_drive():
    x, y = Population("x", (4,)), Population("y", (3,))
    w = Projection("w", "x", "y", AllToAllConnector(), weights=Weights())
    cells = (x, y, Population("dx", (4,), path="feedback"), Population("dy", (3,), path="feedback"))
    copy = Weights(start="aligned", to="w")
    b = Projection("b", "dy", "dx", TransposeConnector(w.connector), weights=copy)
    circuit = Circuit("copy", cells, (w, b))
    np.testing.assert_array_equal(first_draw(circuit, b, 1), first_draw(circuit, w, 1))
    assert (initial_std(circuit, b), set_point(circuit, b)) == (
        initial_std(circuit, w),
        set_point(circuit, w),
    )


def test_listed_weights_are_the_draw():
    circuit, p = one_drive(FromListConnector([(0, 0, 3.0), (1, 0, -4.0)]), (2,), (1,))
    np.testing.assert_array_equal(first_draw(circuit, p, 0), [3.0, -4.0])
    assert set_point(circuit, p) == 3.5
    assert initial_std(circuit, p) == pytest.approx((25 / 2) ** 0.5)


def test_no_weights_no_draw():
    net = Wiring("none")
    p = net.connect(net.population("x", (4,)), net.population("y", (4,)))
    with pytest.raises(WiringError, match=r"'x -> y'.*has no weights"):
        first_draw(net.build(), p, 0)


CONV = (Conv2dConnector(64, 3, padding=1), (32, 5, 5), (64, 5, 5))
GROUPED = (Conv2dConnector(64, 3, padding=1, groups=4), (32, 5, 5), (64, 5, 5))
# What the names stand for in torch; he_uniform and lecun_normal are what Keras calls them.
TORCH = {
    "kaiming_uniform": lambda w: nn.init.kaiming_uniform_(w, a=5**0.5),
    "kaiming_normal": nn.init.kaiming_normal_,
    "he_uniform": nn.init.kaiming_uniform_,
    "lecun_normal": lambda w: nn.init.kaiming_normal_(w, nonlinearity="linear"),
    "kaiming_normal_fan_out": lambda w: nn.init.kaiming_normal_(w, mode="fan_out"),
}


@pytest.mark.parametrize("ends", [DENSE, CONV, GROUPED], ids=["dense", "conv", "grouped"])
@pytest.mark.parametrize("start", TORCH)
def test_schemes_are_torchs(start, ends):
    circuit, p = one_drive(*ends, weights=Weights(start=start))
    drawn = first_draw(circuit, p, 0)
    torch.manual_seed(0)
    theirs = TORCH[start](torch.empty(drawn.shape)).numpy()
    assert drawn.std() == pytest.approx(theirs.std(), rel=0.03)
    # A uniform draw ends at √3 standard deviations, a normal one goes on.
    assert np.abs(drawn).max() / drawn.std() == pytest.approx(
        np.abs(theirs).max() / theirs.std(), rel=0.03 if "uniform" in start else 0.3
    )


@pytest.mark.parametrize(
    ("ends", "std"),
    [
        (DENSE, (1 / 200) ** 0.5),
        (CONV, (2 / (3 * 3 * 64)) ** 0.5),
        ((Conv2dConnector(512, 1), (64, 5, 5), (512, 5, 5)), (2 / 512) ** 0.5),
    ],
    ids=["dense", "3x3", "1x1"],
)
def test_sign_symmetry_footnote_2(ends, std):
    """√(2 / (kernel width · kernel height · output channels)), or √(1 / outputs) if dense."""
    circuit, p = one_drive(*ends, weights=Weights(start="sign_symmetry"))
    drawn = first_draw(circuit, p, 0)
    assert drawn.std() == pytest.approx(std, rel=0.02)
    assert np.abs(drawn).max() > 3 * std  # normal


@pytest.mark.parametrize("start", get_args(Draw))
@pytest.mark.parametrize("ends", [DENSE, CONV], ids=["dense", "conv"])
def test_scales_are_those_of_the_draw(start, ends):
    circuit, p = one_drive(*ends, weights=Weights(start=start))
    drawn = first_draw(circuit, p, 5)
    assert initial_std(circuit, p) == pytest.approx(drawn.std(), rel=0.02)
    assert set_point(circuit, p) == pytest.approx(np.abs(drawn).mean(), rel=0.02)


def test_weights_that_run_back_have_the_fans_of_those_they_run_against():
    for start in ("kaiming_normal", "kaiming_normal_fan_out"):
        weights = Weights(start=start)
        there = initial_std(*one_drive(*CONV, weights=weights))
        connector, pre, post = CONV
        back = initial_std(*one_drive(connector.transpose, post, pre, weights=weights))
        assert back == there


def test_signs_are_as_large_as_the_draw_they_follow_or_as_stated():
    net = Wiring("signs")
    x, y, other = (net.population(name, (n,)) for name, n in (("x", 50), ("y", 40), ("z", 40)))
    w = net.connect(x, y, AllToAllConnector())
    for name, scale, expected in (("drawn", None, (3 * 50) ** -0.5), ("stated", 0.0, 0.0)):
        tied = Weights("sign-tied", to=w.name, scale=scale)
        p = net.connect(x, other, AllToAllConnector(), name=name, weights=tied)
        assert sign_magnitude(net.build(), p) == pytest.approx(expected)
