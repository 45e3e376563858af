"""The report's pictures: each a self-contained data URI that needs no file and no network."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from oneway.analysis.plots import (
    draw_circuit,
    plot_angles,
    plot_comparison,
    plot_curves,
    plot_raster,
    stack_cells,
    styles,
)

from .parts import pretty
from .tour import RuleTour, SpikingTour, Tour

# Narrow, so that a phone shows them whole and their text is still legible.
WIDTH_IN = 5.6
CIRCUIT_WIDTH_IN = 8.4
RASTER_CELLS = 10
RASTER_S = 0.4
_LOOKS: Any = {
    "svg.fonttype": "path",  # outlines: the same picture whatever fonts there are
    "svg.hashsalt": "oneway",
    "font.size": 9,
    "axes.labelsize": 9,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
}


def svg_uri(figure: Figure) -> str:
    """The figure as a ``data:`` address for ``<img src=...>``."""
    buffer = io.BytesIO()
    with mpl.rc_context(_LOOKS):
        # Tight: a circuit's picture ends where the circuit does.
        figure.savefig(
            buffer,
            format="svg",
            bbox_inches="tight",
            pad_inches=0.04,
            metadata={"Date": None, "Creator": None},
        )
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def circuit_figure(rule: RuleTour) -> str:
    """One wired circuit; pairs that are joined in both directions are shaded."""
    assert rule.wired is not None
    figure, ax = _axes(CIRCUIT_WIDTH_IN, CIRCUIT_WIDTH_IN * 0.75)
    draw_circuit(rule.wired, ax, rule.verdict)
    ax.set_title("")
    _drop_legend(ax)  # the report has one for all drawings
    return svg_uri(figure)


def accuracy_figure(tour: Tour) -> str:
    """Every run of every rule as a dot, the best rule at the top."""
    ranked = tour.ranked
    figure, ax = _axes(WIDTH_IN, 0.34 * max(len(ranked), 3) + 0.9)
    results = {_short(rule.label): rule.accuracies for rule in ranked}
    plot_comparison(results, floor=tour.floor_mean, ax=ax)
    ax.set_ylabel("")
    return svg_uri(figure)


def angle_figures(tour: Tour) -> dict[str, str]:
    """For each feedback drive, the angle to its forward partner under every rule that learns it.

    Weights that are tied to their partner lie at 0° always and are left out.
    """
    records = [r for rule in tour.rules if not always_tied(rule) for r in rule.angle_records()]
    drives = list(dict.fromkeys(record["drive"] for record in records))
    style = styles(dict.fromkeys(_short(record["rule"]) for record in records))
    return {drive: _angle_figure(drive, records, style) for drive in drives}


def always_tied(rule: RuleTour) -> bool:
    """Whether all its feedback weights point where their partners do, from first to last."""
    angles = [record["angle_deg"] for record in rule.angle_records()]
    return bool(angles) and max(angles) < 1e-3


def _angle_figure(
    drive: str, records: Sequence[Mapping[str, Any]], style: Mapping[str, Mapping[str, Any]]
) -> str:
    figure, ax = _axes(WIDTH_IN, 3.1)
    mine = [{**r, "rule": _short(r["rule"])} for r in records if r["drive"] == drive]
    plot_curves(mine, y="angle_deg", ax=ax, style=style)
    ax.set_ylim(0, 97)
    ax.set_yticks(range(0, 91, 15))
    ax.axhline(90, color="#8C8C8C", lw=0.9, ls=(0, (4, 3)), zorder=1)
    return svg_uri(figure)


def raster_figure(spiking: SpikingTour) -> str:
    """A few cells of each population, around the last change of phase."""
    assert spiking.record is not None
    record = spiking.record
    start, stop = raster_window(spiking)
    assert spiking.wired is not None
    spikes = {
        name: (record.spikes[name].times_s, record.spikes[name].cells)
        for name in _display_order(spiking)
    }
    sizes = {name: cells.size for name, cells in spiking.wired.populations.items()}
    times, ids, groups, negative = stack_cells(spikes, sizes, (start, stop), RASTER_CELLS)
    groups = {pretty(name): rows for name, rows in groups.items()}
    phases = [
        (part.phase, max(part.start_s, start), min(part.stop_s, stop))
        for part in record.intervals
        if part.start_s < stop and part.stop_s > start
    ]
    figure, ax = _axes(WIDTH_IN, 3.9)
    plot_raster(times, ids, groups, phases, ax, negative)
    ax.set_ylabel("")
    ax.set_xlabel("simulated time (s)")
    return svg_uri(figure)


def raster_window(spiking: SpikingTour) -> tuple[float, float]:
    """Start and end in seconds: half before and half after the last change of phase."""
    assert spiking.record is not None
    last = spiking.record.intervals[-1]
    middle = last.start_s if len(spiking.record.intervals) > 1 else last.stop_s
    return max(middle - RASTER_S / 2, 0.0), min(middle + RASTER_S / 2, last.stop_s)


def _display_order(spiking: SpikingTour) -> list[str]:
    """Forward populations from the input up, each with the error cells that mimic it below it."""
    assert spiking.record is not None
    names = list(spiking.record.spikes)
    assert spiking.wired is not None
    pairs = []
    for name in spiking.wired.order("forward"):
        partner = spiking.wired.partner_of(name)
        pairs += [cell for cell in (name, partner and partner.name) if cell in names]
    return pairs + [name for name in names if name not in pairs]


def mirror_figure(spiking: SpikingTour) -> str:
    """The falling angles of the spiking run; shaded where a drive's own phase is on."""
    assert spiking.record is not None
    figure, ax = _axes(WIDTH_IN, 3.9)
    angles = {pretty(name): values for name, values in spiking.angles.items()}
    turns = [(part.phase, part.start_s, part.stop_s) for part in spiking.record.intervals]
    times = spiking.record.times_s.tolist()
    plot_angles(times, angles, ax, xlabel="simulated time (s)", phases=turns)
    _drop_legend(ax)
    ax.legend(loc="lower left", frameon=False, fontsize=8.5)
    ax.margins(x=0)
    return svg_uri(figure)


def _drop_legend(ax: Axes) -> None:
    legend = ax.get_legend()
    if legend is not None:
        legend.remove()


def _axes(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of its own, which no global state keeps alive and no window shows."""
    with mpl.rc_context(_LOOKS):
        figure = Figure(figsize=(width, height), layout="constrained", dpi=100)
        return figure, figure.subplots()


def _short(label: str) -> str:
    """A label with options, over two lines."""
    name, comma, options = label.partition(",")
    return f"{name},\n{options}" if comma else label
