"""How the site draws a circuit: the one place that knows."""

from __future__ import annotations

from collections.abc import Mapping

from oneway.analysis import check_wiring
from oneway.circuits import Circuit
from oneway.circuits.drawing import (
    draw_html,
    draw_svg,
    drawing_script,
    drawing_style,
    key_html,
)


def circuit_svg(circuit: Circuit) -> str:
    """A circuit as an SVG file; populations whose cells are joined both ways stand on a band."""
    return draw_svg(circuit, _shaded(circuit))


def circuit_html(circuit: Circuit) -> str:
    """The same for a page, where it says what is pointed at and has a layout for phones."""
    return draw_html(circuit, _shaded(circuit), prefix="drawing")


def side_by_side(circuits: Mapping[str, Circuit]) -> str:
    """Circuits with a title each, beside or below each other; one key for all."""
    projections = [p for circuit in circuits.values() for p in circuit.projections.values()]
    key = key_html(projections, any(map(_shaded, circuits.values())))
    drawn = "".join(
        f"<figure><figcaption>{title}</figcaption>"
        f"{draw_html(circuit, _shaded(circuit), prefix=f'drawing{i}', alone=False)}</figure>"
        for i, (title, circuit) in enumerate(circuits.items())
    )
    return (
        f"<style>{drawing_style()}</style>"
        f'<div class="side-by-side">{drawn}</div><div class="oneway">{key}</div>'
        f"<script>{drawing_script()}</script>\n"
    )


def _shaded(circuit: Circuit) -> list[tuple[str, str]]:
    return [(pair.first, pair.second) for pair in check_wiring(circuit).offenders]
