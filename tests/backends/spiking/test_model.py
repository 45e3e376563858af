"""Equations as data: as Brian2 reads them, and each said once."""

import pytest

pytest.importorskip("brian2")

from oneway.backends.spiking.brian.model import WHOLE, Cells, Equation, Model

pytestmark = pytest.mark.spiking


@pytest.mark.parametrize(
    ("equation", "text"),
    [
        (Equation("w"), "w : 1"),
        (Equation("i", unit="integer", flag="constant"), "i : integer (constant)"),
        (Equation("sent", "2 * a", comment="twice"), "sent = 2 * a : 1  # twice"),
        (
            Equation("v", "-v / tau", "volt", "unless refractory", integrated=True),
            "dv/dt = -v / tau : volt (unless refractory)",
        ),
    ],
)
def test_an_equation_reads_as_brian2_reads_it(equation, text):
    assert str(equation) == text


def test_what_is_said_twice_alike_is_one():
    cells = Cells("cells_a", 2)
    for _ in range(2):
        cells.add("own", "input")
        cells.refer("phase")
    assert [str(one) for one in cells.equations] == ["own = input : 1"]
    assert [one.variable for one in cells.references] == ["phase"]


def test_what_is_said_twice_differently_raises():
    cells = Cells("cells_a", 2)
    cells.add("own", "input")
    cells.refer("w", "weights_a")
    with pytest.raises(ValueError, match="cells_a: 'own' is to be both 'own = input : 1' and"):
        cells.add("own", "0")
    with pytest.raises(ValueError, match=r"cells_a: 'w' is to be both .*'weights_a'.*'weights_b'"):
        cells.refer("w", "weights_b")


def test_a_model_knows_where_each_part_of_the_weights_is():
    cells = Cells("weights_a", 2)
    cells.hold("w", ("weights", "a -> b"), WHOLE)
    cells.tally("change", ("weights", "a -> b"), WHOLE)
    model = Model("m", 1, 1, [cells])
    assert model.homes("holds") == {("weights", "a -> b"): {WHOLE: ("weights_a", "w")}}
    assert model.homes("tallies") == {("weights", "a -> b"): {WHOLE: ("weights_a", "change")}}
