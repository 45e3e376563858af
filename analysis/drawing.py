"""A wired circuit as a picture: forward path on the left, each error population beside its partner.

Coordinates are inches: one row for each forward population, from the input at the bottom to the
output at the top, and one column for each path.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path as Curve

from oneway.circuits import (
    AllToAllConnector,
    AveragePoolConnector,
    Circuit,
    Connector,
    Conv2dConnector,
    MaxPoolConnector,
    Population,
    Projection,
    TransposeConnector,
    both,
)

from .wiring import Verdict

# Okabe and Ito's palette, told apart by colour-blind readers too.
INK, BLUE, ORANGE, GREEN = "#333333", "#0072B2", "#E69F00", "#009E73"
VERMILION, PURPLE, GREY = "#D55E00", "#CC79A7", "#8C8C8C"

ROLE_COLOURS = {
    "drive": INK,
    "teach": BLUE,
    "gate": ORANGE,
    "norm": PURPLE,
    "mimic": GREEN,
    "compare": GREY,
}
ROLE_MEANINGS = {
    "drive": "drive: adds to the input",
    "teach": "teach: signal to learn from",
    "gate": "gate: multiplies by φ′",
    "norm": "norm: batch norm's derivative",
    "mimic": "mimic: takes over the activity",
    "compare": "compare: output against target",
}
_TIED_DASHES = {"tied": (0, (4, 1.6)), "sign-tied": (0, (1.2, 1.4))}
_FILLS = {"forward": "#E4EDF5", "feedback": "#FBEBD3", "auxiliary": "#DDF0E8", "target": "#EDEDED"}

BOX_WIDTH = 1.5
COLUMN_GAP = 1.7
TARGET_GAP = 0.95
Point = tuple[float, float]


@dataclass(frozen=True)
class Layout:
    """Where each population lies, as the centre of its box."""

    centres: Mapping[str, Point]
    columns: Mapping[str, float]
    pitch: float
    box_height: float

    @property
    def top(self) -> float:
        return max(y for _, y in self.centres.values())

    def rows_between(self, a: str, b: str) -> float:
        return abs(self.centres[a][1] - self.centres[b][1]) / self.pitch

    def beside(self, a: str, b: str) -> bool:
        return self.rows_between(a, b) < 0.5


def layout(circuit: Circuit) -> Layout:
    """Rows by forward order; a partner beside its partner, the target beside the output error."""
    forward = circuit.order("forward")
    compact = len(forward) > 8
    pitch, height = (0.5, 0.3) if compact else (0.92, 0.48)
    rows = {name: float(i) for i, name in enumerate(forward)}
    for population in circuit.populations.values():
        if population.name not in rows:
            rows[population.name] = _row(circuit, population, rows)
    columns = _columns(circuit)
    centres = {
        name: (columns[population.path], rows[name] * pitch)
        for name, population in circuit.populations.items()
    }
    return Layout(centres, columns, pitch, height)


def _row(circuit: Circuit, population: Population, rows: Mapping[str, float]) -> float:
    """Beside what it is paired with, mimicked by, or compared to; else one row above its source."""
    if population.partner is not None:
        return rows.get(population.partner, 0.0)
    for p in circuit.select(role="mimic", pre=population.name):
        if p.post in rows:
            return rows[p.post]
    if population.path == "target" and circuit.output_error is not None:
        return rows.get(circuit.output_error.partner or "", max(rows.values()))
    below = [rows[p.pre] for p in circuit.select(post=population.name) if p.pre in rows]
    return max(below, default=0.0) + 1


def _columns(circuit: Circuit) -> dict[str, float]:
    present = {population.path for population in circuit.populations.values()}
    order = [path for path in ("auxiliary", "forward", "feedback", "target") if path in present]
    columns: dict[str, float] = {path: i * (BOX_WIDTH + COLUMN_GAP) for i, path in enumerate(order)}
    if "target" in columns:
        columns["target"] -= COLUMN_GAP - TARGET_GAP
    return columns


def draw_circuit(circuit: Circuit, ax: Axes | None = None, verdict: Verdict | None = None) -> Axes:
    """Draw a circuit's populations and projections.

    Weights that learn are thick lines, fixed and weightless ones thin; weights that are read from
    another projection (weight or sign transport) are dashed red.

    Parameters
    ----------
    circuit : Circuit
    ax : Axes, optional
        By default a new figure of the size that the circuit needs.
    verdict : Verdict, optional
        Shade the population pairs with reciprocal neuron pairs under its constraint.
    """
    place = layout(circuit)
    left, right, bottom, top = _extent(circuit, place)
    if ax is None:
        size = (max(right - left, 4.5), top - bottom + 0.9)
        _, ax = plt.subplots(figsize=size, layout="constrained")
    ax.set_xlim(left, right)
    ax.set_ylim(bottom, top)
    ax.set_aspect("equal")
    ax.axis("off")
    ax.set_title(circuit.name, fontsize=11, color=INK)
    _Pen(ax, circuit, place, _scale(ax)).draw(verdict)
    _legend(ax, circuit, verdict)
    return ax


def _extent(circuit: Circuit, place: Layout) -> tuple[float, float, float, float]:
    """Room for the boxes and for the arcs beside them."""
    columns, half = place.columns.values(), BOX_WIDTH / 2
    left, right = min(columns) - half - 0.35, max(columns) + half + 0.35
    for p in circuit.projections.values():
        x, reach = place.centres[p.pre][0], half + 0.75 * _bulge(place, p) + 0.2
        side = _arc_side(circuit, place, p)
        left = min(left, x - reach) if side == "left" else left
        right = max(right, x + reach) if side == "right" else right
    return left, right, -place.box_height, place.top + place.box_height + 0.35


def _scale(ax: Axes) -> float:
    """Size of a data unit in inches, so that text shrinks with a small `ax`."""
    dpi = ax.figure.dpi
    (x0, x1), (y0, y1) = ax.get_xlim(), ax.get_ylim()
    width, height = ax.bbox.width / dpi, ax.bbox.height / dpi
    return float(min(1.0, width / (x1 - x0), height / (y1 - y0)))


def _same_column(circuit: Circuit, p: Projection) -> bool:
    return circuit.populations[p.pre].path == circuit.populations[p.post].path


def _arc_side(circuit: Circuit, place: Layout, p: Projection) -> str | None:
    """The side on which a projection within a column bends out; None if it runs straight."""
    if not _same_column(circuit, p):
        return None
    if p.role == "drive" and place.rows_between(p.pre, p.post) < 1.5:
        return None
    return "right" if circuit.populations[p.pre].path == "feedback" else "left"


def _bulge(place: Layout, p: Projection) -> float:
    """Longer arcs bend further out, so that nested ones stay apart."""
    base = 0.3 if p.role == "drive" else 0.5
    return min(base + 0.13 * place.rows_between(p.pre, p.post), 1.9)


class _Pen:
    """Draws the boxes and arrows of one circuit on one `Axes`."""

    def __init__(self, ax: Axes, circuit: Circuit, place: Layout, scale: float) -> None:
        self.ax, self.circuit, self.place, self.scale = ax, circuit, place, scale
        self.slots = self._assign_slots()

    def draw(self, verdict: Verdict | None) -> None:
        if verdict is not None:
            for pair in verdict.offenders:
                self._shade(pair.first, pair.second)
        for path, x in self.place.columns.items():
            y = self.place.top + self.place.box_height / 2 + 0.2
            heading = path if path == "target" else f"{path} path"
            self._text(x, y, heading, size=8.5, color=GREY, style="italic")
        for projection in self.circuit.projections.values():
            self._projection(projection)
        for population in self.circuit.populations.values():
            self._box(population)

    # -- boxes -------------------------------------------------------------------------------

    def _box(self, population: Population) -> None:
        x, y = self.place.centres[population.name]
        height, pad = self.place.box_height, 0.06
        self.ax.add_patch(
            FancyBboxPatch(
                (x - BOX_WIDTH / 2 + pad, y - height / 2 + pad),
                BOX_WIDTH - 2 * pad,
                height - 2 * pad,
                boxstyle=f"round,pad={pad}",
                facecolor=_FILLS[population.path],
                edgecolor=INK,
                linewidth=0.8 * self.scale,
                zorder=3,
            )
        )
        shape = "×".join(map(str, population.shape))
        if height < 0.4:
            self._text(x, y, f"{_pretty(population.name)}  {shape}", size=7.2, zorder=4)
        else:
            self._text(x, y + 0.09, _pretty(population.name), size=9, zorder=4)
            size = f"{shape} cells" if len(population.shape) == 1 else shape
            self._text(x, y - 0.12, size, size=7, color="#555", zorder=4)

    def _shade(self, first: str, second: str) -> None:
        """A band behind two populations that are joined cell by cell in both directions."""
        (x0, y0), (x1, y1) = self.place.centres[first], self.place.centres[second]
        margin = 0.3 * (self.place.pitch - self.place.box_height) + 0.02
        half = self.place.box_height / 2 + margin
        self.ax.add_patch(
            FancyBboxPatch(
                (min(x0, x1) - BOX_WIDTH / 2 - margin, min(y0, y1) - half),
                abs(x1 - x0) + BOX_WIDTH + 2 * margin,
                abs(y1 - y0) + 2 * half,
                boxstyle="round,pad=0,rounding_size=0.1",
                facecolor="#F9D5C7",
                edgecolor="none",
                zorder=0,
            )
        )

    def _text(self, x: float, y: float, text: str, size: float, **how: Any) -> None:
        options = {"ha": "center", "va": "center", "color": INK, **how}
        self.ax.text(x, y, text, fontsize=size * self.scale, **options)

    # -- arrows ------------------------------------------------------------------------------

    def _assign_slots(self) -> dict[str, float]:
        """Heights at which the arrows between two boxes side by side lie apart."""
        facing: dict[frozenset[str], list[Projection]] = {}
        for p in self.circuit.projections.values():
            if not _same_column(self.circuit, p) and self.place.beside(p.pre, p.post):
                facing.setdefault(frozenset((p.pre, p.post)), []).append(p)
        slots = {}
        for group in facing.values():
            group.sort(key=lambda p: list(ROLE_COLOURS).index(p.role))
            step = 0.72 * self.place.box_height / len(group)
            for i, p in enumerate(group):
                slots[p.name] = ((len(group) - 1) / 2 - i) * step
        return slots

    def _projection(self, p: Projection) -> None:
        if p.name in self.slots:
            self._across(p)
        elif p.pre == p.post or _arc_side(self.circuit, self.place, p):
            self._arc(p)
        elif _same_column(self.circuit, p):
            self._along(p)
        else:
            self._slant(p)

    def _across(self, p: Projection) -> None:
        """Between two boxes in one row."""
        (x0, y0), (x1, y1) = self.place.centres[p.pre], self.place.centres[p.post]
        side = BOX_WIDTH / 2 * (1 if x1 > x0 else -1)
        shift = self.slots[p.name]
        self._arrow(p, [(x0 + side, y0 + shift), (x1 - side, y1 + shift)])

    def _along(self, p: Projection) -> None:
        """Between neighbours in one column."""
        (x0, y0), (x1, y1) = self.place.centres[p.pre], self.place.centres[p.post]
        half = self.place.box_height / 2 * (1 if y1 > y0 else -1)
        self._arrow(p, [(x0, y0 + half), (x1, y1 - half)])
        if self.place.pitch > 0.7:
            label = _connector_label(p.connector)
            self._text(x0 + 0.09, (y0 + y1) / 2, label, size=6.5, color="#666", ha="left")

    def _arc(self, p: Projection) -> None:
        """Past the boxes between, on the outer side of the column."""
        side = 1 if _arc_side(self.circuit, self.place, p) == "right" else -1
        (x0, y0), (_, y1) = self.place.centres[p.pre], self.place.centres[p.post]
        edge, out = x0 + side * BOX_WIDTH / 2, side * _bulge(self.place, p)
        # Leaving and arriving arcs meet a box at different heights.
        shift = 0.22 * self.place.box_height * (1 if y1 >= y0 else -1)
        start, end = (edge, y0 + shift), (edge, y1 - shift)
        self._arrow(p, [start, (edge + out, start[1]), (edge + out, end[1]), end])

    def _slant(self, p: Projection) -> None:
        """Between columns and rows: leave one box and enter the other sideways."""
        (x0, y0), (x1, y1) = self.place.centres[p.pre], self.place.centres[p.post]
        side = 1 if x1 > x0 else -1
        # A gate beside a teaching signal of the same two populations runs a little lower.
        height = (0.3 - 0.16 * self._rank(p)) * self.place.box_height
        shift = height * (1 if y1 > y0 else -1)
        start = (x0 + side * BOX_WIDTH / 2, y0 + shift)
        if self.circuit.populations[p.pre].path == "target":
            start = (x0, y0 - self.place.box_height / 2)
            end = (x1 - side * BOX_WIDTH / 2, y1)
            self._arrow(p, [start, (x0, y1), (x0, y1), end])
            return
        end = (x1 - side * BOX_WIDTH / 2, y1 - shift)
        half = (end[0] - start[0]) * 0.55
        self._arrow(p, [start, (start[0] + half, start[1]), (end[0] - half, end[1]), end])

    def _rank(self, p: Projection) -> int:
        """How many projections of the same two populations were wired before this one."""
        alike = [other.name for other in self.circuit.select(pre=p.pre, post=p.post)]
        return alike.index(p.name)

    def _arrow(self, p: Projection, points: list[Point]) -> None:
        kind = _kind(p)
        codes = [Curve.MOVETO, *([Curve.CURVE4] * 3 if len(points) == 4 else [Curve.LINETO])]
        self.ax.add_patch(
            FancyArrowPatch(
                path=Curve(points, codes),
                arrowstyle="-|>",
                mutation_scale=8 * self.scale,
                color=ROLE_COLOURS[p.role] if kind == "independent" else VERMILION,
                linestyle=_TIED_DASHES.get(kind, "solid"),
                linewidth=(1.9 if p.plasticity or kind != "independent" else 1.0) * self.scale,
                shrinkA=0,
                shrinkB=0,
                joinstyle="miter",
                zorder=2,
                gid=p.name,
            )
        )


def _pretty(name: str) -> str:
    return "δ " + name.removeprefix("delta_") if name.startswith("delta_") else name


def _kind(p: Projection) -> str:
    return p.weights.kind if p.weights is not None else "independent"


def _connector_label(connector: Connector) -> str:
    inner = connector.inner if isinstance(connector, TransposeConnector) else connector
    end = " ᵀ" if inner is not connector else ""
    if isinstance(inner, AllToAllConnector):
        return "all-to-all"
    if isinstance(inner, Conv2dConnector | MaxPoolConnector | AveragePoolConnector):
        kinds = {Conv2dConnector: "conv", MaxPoolConnector: "max-pool"}
        kind = kinds.get(type(inner), "average-pool")
        return f"{kind} {'×'.join(map(str, both(inner.kernel)))}{end}"
    return type(inner).__name__.removesuffix("Connector") + end


def _legend(ax: Axes, circuit: Circuit, verdict: Verdict | None) -> None:
    """Only what the drawing shows."""
    drawn = list(circuit.projections.values())
    roles = {p.role for p in drawn}
    handles: list[Any] = []

    def line(label: str, colour: str, width: float = 1.4, style: Any = "solid") -> None:
        handles.append(Line2D([], [], color=colour, lw=width, ls=style, label=label))

    for role, colour in ROLE_COLOURS.items():
        if role in roles:
            line(ROLE_MEANINGS[role], colour)
    if any(p.plasticity for p in drawn):
        line("weights learn (thick)", INK, 2.4)
    if any(_kind(p) == "tied" for p in drawn):
        line("tied weights: weight transport", VERMILION, 1.9, _TIED_DASHES["tied"])
    if any(_kind(p) == "sign-tied" for p in drawn):
        line("tied signs: sign transport", VERMILION, 1.9, _TIED_DASHES["sign-tied"])
    if verdict is not None and verdict.offenders:
        line("reciprocal neuron pairs", "#F9D5C7", 7)
    ax.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        ncol=2,
        fontsize=7.5 * max(_scale(ax), 0.75),
        frameon=False,
        handlelength=2.6,
        columnspacing=1.4,
    )
