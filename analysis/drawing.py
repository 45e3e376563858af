"""A circuit's drawing on matplotlib axes, for PNG, PDF and figures with other axes.

What lies where is said in `oneway.circuits.drawing`, as it is for SVG; here it is painted.
"""

from __future__ import annotations

from typing import Any

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, PathPatch, Polygon
from matplotlib.path import Path as Curve

from oneway.circuits import Circuit
from oneway.circuits.drawing import COLOURS, Arrow, Box, Scene, draw_scene, draw_scenes, key_of
from oneway.circuits.drawing.routes import head_of, short_of

from .wiring import Verdict

# Drawings are laid out for a screen of 96 pixels an inch, text in points of 72.
_PIXELS, _POINTS = 96.0, 72.0


def draw_circuit(
    circuit: Circuit, ax: Axes | None = None, verdict: Verdict | None = None, *, fold: bool = False
) -> Axes:
    """Draw a circuit's populations and projections.

    Weights that learn are thick lines, fixed and weightless ones thin; weights that are read from
    another projection (weight or sign transport) are dashed red.

    Parameters
    ----------
    circuit : Circuit
    ax : Axes, optional
        By default a new figure of the size that the circuit needs, with a key below.
    verdict : Verdict, optional
        Shade the population pairs with reciprocal neuron pairs under its constraint.
    fold : bool
        Draw the blocks of a deep net as one box each.
    """
    shade = [(pair.first, pair.second) for pair in verdict.offenders] if verdict else []
    scene = (draw_scenes if fold else draw_scene)(circuit, shade)
    if ax is None:
        size = scene.width / _PIXELS, scene.height / _PIXELS + 1.0
        _, ax = plt.subplots(figsize=size, layout="constrained")
    ax.set_xlim(0, scene.width)
    ax.set_ylim(scene.height, 0)
    ax.set_aspect("equal")
    ax.axis("off")
    ax.set_title(circuit.name, fontsize=10, color=_colour("ink"))
    _Pen(ax, _scale(ax, scene)).draw(scene)
    _legend(ax, circuit, bool(shade))
    return ax


def _colour(name: str) -> str:
    return COLOURS[name][0]


def _scale(ax: Axes, scene: Scene) -> float:
    """Points for each unit of length, as far as the axes let the drawing be."""
    box, dpi = ax.bbox, ax.figure.get_dpi()
    return _POINTS / dpi * float(min(box.width / scene.width, box.height / scene.height))


class _Pen:
    """Paints a scene; lengths are in its units, line widths and text in points."""

    def __init__(self, ax: Axes, scale: float) -> None:
        self.ax, self.scale = ax, scale

    def draw(self, scene: Scene) -> None:
        for left, top, width, height in scene.shades:
            self._panel((left, top, width, height), _colour("shade"), "none", 0)
        for x, y, text in scene.headings:
            self._text(x, y, text, 12, color=_colour("soft"))
        for arrow in scene.arrows:
            self._arrow(arrow)
        for box in scene.boxes:
            self._box(box)

    def _panel(self, place: tuple[float, ...], face: str, edge: str, order: int) -> None:
        left, top, width, height = place
        self.ax.add_patch(
            FancyBboxPatch(
                (left, top), width, height, boxstyle="round,pad=0,rounding_size=5",
                facecolor=face, edgecolor=edge, linewidth=self.scale, zorder=order,
            )
        )  # fmt: skip

    def _box(self, box: Box) -> None:
        place = (box.x - box.width / 2, box.y - box.height / 2, box.width, box.height)
        self._panel(place, _colour(box.path), _colour("edge"), 3)
        self._text(box.x, box.y - 2.5, box.label, 13, zorder=4)
        self._text(box.x, box.y + 12.5, box.size, 12, zorder=4, color=_colour("soft"))

    def _text(self, x: float, y: float, text: str, size: float, **how: Any) -> None:
        options = {"ha": "center", "color": _colour("ink"), **how}
        self.ax.text(x, y, text, fontsize=size * self.scale, **options)

    def _arrow(self, arrow: Arrow) -> None:
        colour = _colour(arrow.role if arrow.kind == "independent" else "tied")
        points = [*arrow.points[:-1], short_of(arrow.points)]
        step = Curve.CURVE4 if arrow.curved else Curve.LINETO
        path = Curve(points, [Curve.MOVETO, *[step] * (len(points) - 1)])
        width = 2.6 if arrow.thick else 1.2
        dashes = (0, tuple(d / width for d in arrow.dashes)) if arrow.dashes else "solid"
        self.ax.add_patch(
            PathPatch(
                path, fill=False, color=colour, linewidth=width * self.scale, linestyle=dashes,
                capstyle="butt", zorder=2, gid=" + ".join(arrow.names),
            )
        )  # fmt: skip
        self.ax.add_patch(Polygon(head_of(arrow.points), color=colour, linewidth=0, zorder=2))
        if arrow.label:
            x, y, side = arrow.label_at
            anchor = "left" if side == "right" else "right"
            self._text(x, y, arrow.label, 12, ha=anchor, color=_colour("soft"))


def _legend(ax: Axes, circuit: Circuit, shaded: bool) -> None:
    """Only what the drawing shows."""
    handles = [
        Line2D(
            [], [], color=_colour(entry.colour), lw=entry.width, label=entry.meaning,
            ls=(0, tuple(d / entry.width for d in entry.dashes)) if entry.dashes else "solid",
        )
        for entry in key_of(circuit.projections.values(), shaded)
    ]  # fmt: skip
    ax.legend(
        handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0.0), ncol=2, fontsize=8,
        frameon=False, handlelength=2.6, columnspacing=1.4,
    )  # fmt: skip
