"""The report's charts: inline SVG with real text, legible on a phone and dark in the dark."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from textwrap import fill
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from oneway.analysis.plots import (
    plot_angles,
    plot_comparison,
    plot_curves,
    plot_raster,
    stack_cells,
    styles,
)

from ..rule_names import full_name
from .inline_svg import inline_svg
from .parts import pretty
from .tour import RuleTour, SpikingTour, Tour

# On a phone a chart has 340 pixels: its smallest text, 10 of 302 points, is 11 pixels there.
WIDTH_IN = 4.2
RASTER_CELLS = 10
RASTER_S = 0.4
_LOOKS: Any = {
    "svg.fonttype": "none",  # text that can be searched, copied and read aloud
    "svg.hashsalt": "oneway",
    "font.size": 12,
    "axes.labelsize": 11,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
}


def picture(figure: Figure, name: str, alt: str) -> Markup:
    """The figure as an element of the page."""
    with mpl.rc_context(_LOOKS):
        return Markup(inline_svg(figure, name, alt))


def accuracy_picture(tour: Tour, alt: str) -> Markup:
    """Every run of every rule as a dot, the best rule at the top."""
    ranked = tour.ranked
    most = max((_named(rule.label).count("\n") + 1 for rule in ranked), default=1)
    figure, ax = _axes(WIDTH_IN, (0.12 + 0.15 * most) * max(len(ranked), 3) + 1.2)
    with mpl.rc_context(_LOOKS):
        results = {_named(rule.label): rule.accuracies for rule in ranked}
        plot_comparison(results, floor=tour.floor_mean, ax=ax)
    ax.set_ylabel("")
    return picture(figure, "accuracy", alt)


def angle_pictures(tour: Tour, alt: Callable[[str], str]) -> dict[str, Markup]:
    """For each feedback drive, the angle to its forward partner under every rule that learns it.

    Weights that are tied to their partner lie at 0° always and are left out.
    """
    records = [r for rule in tour.rules if not always_tied(rule) for r in rule.angle_records()]
    drives = list(dict.fromkeys(record["drive"] for record in records))
    style = styles(dict.fromkeys(record["rule"] for record in records))
    highest = max((record["angle_deg"] for record in records), default=90)
    top = max(97, highest + 3)  # one scale for all
    return {
        drive: _angle_picture(f"angle{i}", drive, records, style, top, alt(drive))
        for i, drive in enumerate(drives)
    }


def always_tied(rule: RuleTour) -> bool:
    """Whether all its feedback weights point where their partners do, from first to last."""
    angles = [record["angle_deg"] for record in rule.angle_records()]
    return bool(angles) and max(angles) < 1e-3


def _angle_picture(
    name: str,
    drive: str,
    records: Sequence[Mapping[str, Any]],
    style: Mapping[str, Mapping[str, Any]],
    top: float,
    alt: str,
) -> Markup:
    mine = [r for r in records if r["drive"] == drive]
    rules = list(dict.fromkeys(r["rule"] for r in mine))
    names = [fill(full_name(rule), 42) for rule in rules]
    figure, ax = _axes(WIDTH_IN, 3.0 + 0.19 * sum(name.count("\n") + 1 for name in names))
    with mpl.rc_context(_LOOKS):
        plot_curves(mine, y="angle_deg", ax=ax, style=style, legend=False)
        # Below the lines, for beside them a phone has no room.
        figure.legend(
            ax.get_legend_handles_labels()[0], names, loc="outside lower left",
            frameon=False, fontsize=10,
        )  # fmt: skip
    ax.set_ylim(0, top)
    ax.set_yticks(range(0, int(top) + 1, 15))
    ax.axhline(90, color="#6B6B6B", lw=0.9, ls=(0, (4, 3)), zorder=1)
    return picture(figure, name, alt)


def raster_picture(spiking: SpikingTour, alt: str) -> Markup:
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
    figure, ax = _axes(WIDTH_IN, 4.0)
    with mpl.rc_context(_LOOKS):
        plot_raster(times, ids, groups, phases, ax, negative)
    ax.set_ylabel("")
    ax.set_xlabel("simulated time (s)")
    return picture(figure, "raster", alt)


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


def mirror_picture(spiking: SpikingTour, alt: str) -> Markup:
    """The falling angles of the spiking run; shaded where a drive's own phase is on."""
    assert spiking.record is not None
    figure, ax = _axes(WIDTH_IN, 4.0)
    angles = {pretty(name): values for name, values in spiking.angles.items()}
    turns = [(part.phase, part.start_s, part.stop_s) for part in spiking.record.intervals]
    times = spiking.record.times_s.tolist()
    with mpl.rc_context(_LOOKS):
        plot_angles(times, angles, ax, xlabel="simulated time (s)", phases=turns, legend="")
        ax.legend(loc="lower left", frameon=False, fontsize=10)
    ax.margins(x=0)
    return picture(figure, "mirror", alt)


def _axes(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of its own, which no global state keeps alive and no window shows."""
    with mpl.rc_context(_LOOKS):
        figure = Figure(figsize=(width, height), layout="constrained", dpi=100)
        return figure, figure.subplots()


def _named(label: str) -> str:
    """The full name of a rule, in lines as short as a phone asks for."""
    return fill(full_name(label), 26)
