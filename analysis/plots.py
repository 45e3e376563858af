"""Pictures of circuits and runs. Each function takes data and an optional `ax`, returns the `Axes`.

Accuracies are fractions everywhere; axes show them in per cent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from .arrays import as_numpy
from .drawing import draw_circuit
from .graph_pictures import plot_class_matrix, plot_triads
from .layer_pictures import layer_colours, name_layers, plot_layers
from .lesion_pictures import plot_lesions
from .looks import (
    BLUE,
    COLOURS,
    GREY,
    INK,
    VERMILION,
    depth_colours,
    draw_repeats,
    finish,
    mark_level,
    mark_moment,
    name_rows,
    new_axes,
    shade_phases,
)
from .rasters import plot_paths, plot_raster, plot_rates, plot_weights, stack_cells

__all__ = [
    "compare_table",
    "draw_circuit",
    "layer_colours",
    "mark_level",
    "mark_moment",
    "name_layers",
    "plot_angles",
    "plot_class_matrix",
    "plot_comparison",
    "plot_curves",
    "plot_layers",
    "plot_lesions",
    "plot_paths",
    "plot_raster",
    "plot_rates",
    "plot_triads",
    "plot_weights",
    "stack_cells",
    "styles",
]

Record = Mapping[str, Any]

# Whole per cents as whole numbers: 98, not 98.0.
_IN_PER_CENT = FuncFormatter(lambda fraction, _: f"{100 * fraction:.4g}")
_DASHES = ("solid", (0, (5, 1.6)), (0, (1.4, 1.2)))
_LABELS = {
    "loss": "loss (nats)",
    "train_loss": "training loss (nats)",
    "seconds": "time (s)",
    "time_s": "time (s)",
    "angle_deg": "angle (°)",
    "published": "published (%)",
    "step_time_ratio": "step time / backpropagation's",
}


def styles(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """One line style for each name, by order: colour-blind-safe colours, dashed from the 8th on.

    Give the same names in the same order to keep a rule's colour from plot to plot.
    """
    return {
        name: {
            "color": COLOURS[i % len(COLOURS)],
            "linestyle": _DASHES[i // len(COLOURS) % len(_DASHES)],
        }
        for i, name in enumerate(dict.fromkeys(names))
    }


def plot_curves(
    records: Iterable[Record],
    y: str = "test_accuracy",
    x: str = "epoch",
    by: str = "rule",
    ax: Axes | None = None,
    style: Mapping[str, Mapping[str, Any]] | None = None,
    legend: bool = True,
) -> Axes:
    """A line for each value of `by`: mean over repeats (seeds), with a band from least to most.

    Parameters
    ----------
    records : iterable of mappings
        Each holds `x`, `y` and `by`; those without `y` are left out.
    y, x, by : str
        Keys. A `y` that ends in "accuracy" or "error" is a fraction and shown in per cent.
    style : mapping, optional
        From `styles`; by default the order of appearance decides.
    legend : bool
        Name the lines beside the axes.
    """
    ax = ax or new_axes((5.4, 3.6))
    curves = _collect(records, x, y, by)
    style = style or styles(curves)
    for name, points in curves.items():
        draw_repeats(ax, points, label=name, lw=1.8, **style.get(name, {}))
    _label(ax, x, y)
    finish(ax, legend=by.replace("_", " ") if curves and legend else None)
    return ax


def _collect(
    records: Iterable[Record], x: str, y: str, by: str
) -> dict[str, dict[float, list[float]]]:
    curves: dict[str, dict[float, list[float]]] = {}
    for record in records:
        if record.get(y) is not None:
            points = curves.setdefault(str(record.get(by, "")), {})
            points.setdefault(float(record[x]), []).append(float(record[y]))
    return curves


def plot_angles(
    x: Sequence[float],
    angles: Mapping[str, Sequence[float]],
    ax: Axes | None = None,
    xlabel: str = "epoch",
    ylabel: str = "angle between W and Bᵀ (°)",
    legend: str = "feedback weights",
    phases: Iterable[tuple[str, float, float]] = (),
) -> Axes:
    """One line for each feedback drive, dark for the first named and light for the last.

    Also for errors: the angle of each error population to what backpropagation would give, say.

    Parameters
    ----------
    x : sequence of float, length T
    angles : mapping of name to sequence of length T
        In degrees; nan leaves a gap.
    phases : iterable of (name, start, end), optional
        Shaded spans on the axis of `x`, one shade for each name.
    """
    ax = ax or new_axes((5.4, 3.6))
    shade_phases(ax, phases)
    mark_level(ax, 90, "no\nrelation")
    for colour, (name, values) in zip(depth_colours(len(angles)), angles.items(), strict=True):
        ax.plot(x, as_numpy(values), color=colour, lw=1.8, label=name)
    top = max((float(np.nanmax(a)) for a in map(as_numpy, angles.values()) if _known(a)), default=0)
    ax.set_ylim(0, max(97.0, top + 5))
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    if all(float(at).is_integer() for at in x):
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.yaxis.set_major_locator(MaxNLocator(steps=[1.5, 3, 10], nbins=7))
    finish(ax, legend=legend if angles else None)
    return ax


def plot_comparison(
    results: Mapping[str, Sequence[float]],
    floor: float | None = None,
    published: Mapping[str, float] | None = None,
    ax: Axes | None = None,
    xlabel: str = "test accuracy (%)",
) -> Axes:
    """Every run as a dot, its rule's mean as a bar tick; one row for each rule, first at the top.

    Parameters
    ----------
    results : mapping of rule to accuracies, one for each seed
        Fractions.
    floor : float, optional
        Accuracy where hidden layers (of image nets: convolutions) stay as drawn: what to beat.
    published : mapping of rule to accuracy, optional
        Figures of the papers, drawn as hollow diamonds.
    """
    ax = ax or new_axes((5.6, 0.34 * max(len(results), 3) + 1.1))
    for row, (name, values) in enumerate(results.items()):
        v = as_numpy(values)
        ax.plot(v, np.full(v.size, row), "o", color=BLUE, ms=4.5, alpha=0.55, mew=0)
        if v.size:
            ax.plot(v.mean(), row, "|", color=INK, ms=13, mew=1.8)
        if published and name in published:
            ax.plot(published[name], row, "D", mfc="none", mec=VERMILION, ms=6)
    if floor is not None:
        ax.axvline(floor, color=GREY, lw=1, ls=(0, (4, 3)))
    _key(ax, floor is not None, bool(published))
    name_rows(ax, results)
    ax.xaxis.set_major_formatter(_IN_PER_CENT)
    ax.set_xlabel(xlabel)
    ax.set_ylabel("rule")
    finish(ax)
    return ax


def _key(ax: Axes, floor: bool, published: bool) -> None:
    ax.plot([], [], "o", color=BLUE, ms=4.5, alpha=0.55, mew=0, label="one seed")
    ax.plot([], [], "|", color=INK, ms=10, mew=1.8, label="mean")
    if floor:
        ax.plot([], [], color=GREY, lw=1, ls=(0, (4, 3)), label="floor: layers frozen")
    if published:
        ax.plot([], [], "D", mfc="none", mec=VERMILION, ms=6, label="published")
    ax.legend(
        fontsize="small", frameon=False, ncols=2, loc="upper right", bbox_to_anchor=(1.0, 0.0),
        borderaxespad=4.6, columnspacing=1.2, handletextpad=0.4,
    )  # fmt: skip


def compare_table(
    rows: Sequence[Record], columns: Sequence[str] | None = None, ax: Axes | None = None
) -> Axes:
    """Rows as a table: accuracies in per cent, other numbers in four figures, gaps as a dash.

    Parameters
    ----------
    rows : sequence of mappings
    columns : sequence of str, optional
        Keys to show; by default those of the first row.
    """
    if not rows:
        raise ValueError("compare_table: got no rows, expected at least one")
    columns = list(columns or rows[0])
    ax = ax or new_axes((1.25 * len(columns), 0.3 * len(rows) + 0.6))
    ax.axis("off")
    table = ax.table(
        cellText=[[_cell(key, row.get(key)) for key in columns] for row in rows],
        colLabels=[_LABELS.get(key, _axis_label(key)) for key in columns],
        loc="center",
        cellLoc="center",
    )
    table.auto_set_font_size(False)
    table.set_fontsize(8.5)
    for (line, _), cell in table.get_celld().items():
        cell.set_edgecolor("#CCCCCC")
        cell.visible_edges = "B"
        if line == 0:
            cell.set_text_props(weight="bold")
    return ax


def _cell(key: str, value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{100 * value:.1f}" if _is_fraction(key) else f"{value:.4g}"
    return str(value)


# -- labels --------------------------------------------------------------------------------------


def _known(values: Any) -> bool:
    return bool(np.isfinite(values).any())


def _is_fraction(key: str) -> bool:
    return key.endswith(("accuracy", "error")) or key == "published"


def _axis_label(key: str) -> str:
    return key.replace("_", " ") + (" (%)" if _is_fraction(key) else "")


def _label(ax: Axes, x: str, y: str) -> None:
    ax.set_xlabel(_LABELS.get(x, _axis_label(x)))
    ax.set_ylabel(_LABELS.get(y, _axis_label(y)))
    if _is_fraction(y):
        ax.yaxis.set_major_formatter(_IN_PER_CENT)
    if x in ("epoch", "step"):
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
