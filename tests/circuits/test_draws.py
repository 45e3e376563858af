"""First draws: their schemes, copies and seeds."""

import numpy as np
import pytest

from oneway.circuits import (
    AllToAllConnector,
    Circuit,
    Conv2dConnector,
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


def test_what_layers_of_pytorch_draw():
    """kaiming_uniform with a = √5: gain √(2 / (1 + a²)) = 1/√3, bound √3 · gain / √fan_in."""
    for circuit, p, fan_in in [
        (*one_drive(*DENSE), 300),
        (*one_drive(Conv2dConnector(64, 3, padding=1), (32, 5, 5), (64, 5, 5)), 32 * 9),
    ]:
        drawn, bound = first_draw(circuit, p, 0), 3**0.5 * (2 / 6) ** 0.5 / fan_in**0.5
        assert 0.999 * bound < np.abs(drawn).max() <= bound
        assert drawn.std() == pytest.approx(bound / 3**0.5, rel=0.02)


@pytest.mark.parametrize("start", ["kaiming_uniform", "kaiming_normal"])
def test_scales_are_those_of_the_draw(start):
    circuit, p = one_drive(*DENSE, weights=Weights(start=start))
    drawn = first_draw(circuit, p, 5)
    assert initial_std(circuit, p) == pytest.approx(drawn.std(), rel=0.02)
    assert set_point(circuit, p) == pytest.approx(np.abs(drawn).mean(), rel=0.02)


def test_signs_are_as_large_as_the_draw_they_follow_or_as_stated():
    net = Wiring("signs")
    x, y, other = (net.population(name, (n,)) for name, n in (("x", 50), ("y", 40), ("z", 40)))
    w = net.connect(x, y, AllToAllConnector())
    for name, scale, expected in (("drawn", None, (3 * 50) ** -0.5), ("stated", 0.0, 0.0)):
        tied = Weights("sign-tied", to=w.name, scale=scale)
        p = net.connect(x, other, AllToAllConnector(), name=name, weights=tied)
        assert sign_magnitude(net.build(), p) == pytest.approx(expected)
