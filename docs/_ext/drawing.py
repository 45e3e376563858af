"""How the site draws a circuit: the one place that knows."""

from __future__ import annotations

from oneway.analysis import check_wiring
from oneway.circuits import Circuit
from oneway.circuits.drawing import draw_html, draw_svg


def circuit_svg(circuit: Circuit) -> str:
    """A circuit as an SVG file; populations whose cells are joined both ways stand on a band."""
    return draw_svg(circuit, _shaded(circuit))


def circuit_html(circuit: Circuit) -> str:
    """The same for a page, where it says what is pointed at and has a layout for phones."""
    return draw_html(circuit, _shaded(circuit), prefix="drawing")


def _shaded(circuit: Circuit) -> list[tuple[str, str]]:
    return [(pair.first, pair.second) for pair in check_wiring(circuit).offenders]
