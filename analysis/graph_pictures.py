"""Pictures of graphs: the triad census against a null, and what runs between classes of cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import cos, isfinite, pi, sin
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch
from matplotlib.ticker import PercentFormatter
from matplotlib.transforms import ScaledTranslation, Transform, blended_transform_factory
from numpy.typing import ArrayLike

from .graphs import TRIADS, NullComparison
from .looks import BLUE, GREY, INK, VERMILION, finish, new_axes

# An instance of each class: who projects to whom of cells 0 (on top), 1 and 2.
TRIAD_EDGES: dict[str, tuple[tuple[int, int], ...]] = {
    "003": (),
    "012": ((1, 2),),
    "102": ((1, 2), (2, 1)),
    "021D": ((0, 1), (0, 2)),
    "021U": ((1, 0), (2, 0)),
    "021C": ((1, 0), (0, 2)),
    "111D": ((0, 1), (1, 0), (2, 0)),
    "111U": ((0, 1), (1, 0), (0, 2)),
    "030T": ((0, 1), (0, 2), (1, 2)),
    "030C": ((0, 1), (1, 2), (2, 0)),
    "201": ((0, 1), (1, 0), (0, 2), (2, 0)),
    "120D": ((0, 1), (0, 2), (1, 2), (2, 1)),
    "120U": ((1, 0), (2, 0), (1, 2), (2, 1)),
    "120C": ((1, 0), (0, 2), (1, 2), (2, 1)),
    "210": ((0, 1), (0, 2), (2, 0), (1, 2), (2, 1)),
    "300": ((0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1)),
}
_CORNERS = [(sin(turn), cos(turn)) for turn in (0, 4 * pi / 3, 2 * pi / 3)]
_RADIUS_IN, _BELOW_IN = 0.13, 0.23


def plot_triads(figures: Mapping[str, NullComparison], ax: Axes | None = None) -> Axes:
    """How many times as often as by chance three cells are joined in each way.

    Bars go up from 1 (as often as in the random graphs) or down, on a logarithmic axis; above each
    stands z, below it a drawing of the triad. The grey band is one standard deviation of the random
    graphs; triads that they never have are written instead of drawn.

    Parameters
    ----------
    figures : mapping of str to NullComparison
        As `compare_to_null` and `describe` give them; those that are no triads are left out.
    """
    ax = ax or new_axes((8.2, 3.6))
    shown = [figures[name] for name in TRIADS if name in figures]
    for at, compared in enumerate(shown):
        _bar(ax, at, compared)
        _draw_triad(ax, at, compared.measure)
    ax.axhline(1, color=INK, lw=0.9)
    ax.set_yscale("log")
    _make_room(ax)
    ax.set_xlim(-0.7, len(shown) - 0.3)
    ax.set_xticks(range(len(shown)), [compared.measure for compared in shown], fontsize=8)
    ax.tick_params(axis="x", length=0, pad=34)
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}×")
    null = shown[0].null if shown else "the null"
    ax.set_ylabel(f"observed / mean of random graphs\n({null}, numbers: z)")
    finish(ax)
    ax.grid(False, axis="x")
    return ax


def _bar(ax: Axes, at: int, compared: NullComparison) -> None:
    if compared.observed <= 0 or compared.mean <= 0:
        text = "none" if compared.observed <= 0 else "only\nhere"
        ax.annotate(text, (at, 1), (0, 3), textcoords="offset points", ha="center", fontsize=7.5)
        return
    ratio = compared.observed / compared.mean
    ax.bar(at, ratio - 1, bottom=1, width=0.62, color=BLUE if ratio >= 1 else VERMILION)
    if compared.sd > 0:
        low, high = (max(1 + s * compared.sd / compared.mean, 1e-3) for s in (-1, 1))
        ax.fill_between([at - 0.42, at + 0.42], low, high, color=GREY, alpha=0.4, lw=0, zorder=0.5)
    up = ratio >= 1
    z = "" if compared.z is None or not isfinite(compared.z) else f"{compared.z:+.0f}"
    ax.annotate(
        z, (at, ratio), (0, 2 if up else -2), textcoords="offset points", ha="center",
        va="bottom" if up else "top", fontsize=7.5, color=INK,
    )  # fmt: skip


def _make_room(ax: Axes) -> None:
    """For what is written above the highest and below the lowest bar."""
    low, high = ax.get_ylim()
    reach = (min(high, 1e9) / max(low, 1e-9)) ** 0.08
    ax.set_ylim(max(low, 1e-9) / reach, high * reach)


def _draw_triad(ax: Axes, at: int, name: str) -> None:
    """Below the axis: as large in every figure, whatever its axes."""
    figure: Any = ax.get_figure(root=True)
    corner: Any = blended_transform_factory(ax.transData, ax.transAxes)
    place = figure.dpi_scale_trans + ScaledTranslation(at, 0, corner)
    cells = [(x * _RADIUS_IN, y * _RADIUS_IN - _BELOW_IN) for x, y in _CORNERS]
    for pre, post in TRIAD_EDGES[name]:
        mutual = (post, pre) in TRIAD_EDGES[name]
        if not mutual or pre < post:
            colour = VERMILION if mutual else GREY
            _draw_edge(ax, cells[pre], cells[post], "<|-|>" if mutual else "-|>", colour, place)
    xs, ys = zip(*cells, strict=True)
    ax.plot(xs, ys, "o", ms=3, color=INK, transform=place, clip_on=False, zorder=4)


def _draw_edge(ax: Axes, pre: Any, post: Any, style: str, colour: str, place: Transform) -> None:
    arrow = FancyArrowPatch(
        pre, post, arrowstyle=style, mutation_scale=5, lw=0.9, color=colour, shrinkA=2.5,
        shrinkB=2.5, transform=place, clip_on=False, zorder=3,
    )  # fmt: skip
    ax.add_patch(arrow)


def plot_class_matrix(
    matrix: ArrayLike,
    names: Sequence[str],
    label: str = "edges",
    ax: Axes | None = None,
) -> Axes:
    """A value for every two classes of cells as colours: pre in rows, post in columns.

    Where names stand in forward order, what lies below the diagonal runs against the flow.

    Parameters
    ----------
    matrix : array, shape (K, K)
        As `GraphCircuit.matrix` gives it; nan is left white.
    names : sequence of str, length K
    label : str
        What it is. Values from 0 to 1 are shown in per cent, others, as numbers of edges, on a
        logarithmic scale.
    """
    values = np.asarray(matrix, float)
    side = 0.27 * len(names) + 2.2
    ax = ax or new_axes((side + 0.9, side))
    fractions = not np.nanmax(values, initial=0) > 1
    shown = np.where(values > 0, values, np.nan) if not fractions else values
    image = ax.imshow(shown, cmap="YlGnBu", norm=None if fractions else "log", aspect="equal")
    ax.plot([-0.5, len(names) - 0.5], [-0.5, len(names) - 0.5], color=VERMILION, lw=0.8)
    ax.set_xticks(range(len(names)), list(names), rotation=90, fontsize=8)
    ax.set_yticks(range(len(names)), list(names), fontsize=8)
    ax.set_xlabel("to")
    ax.set_ylabel("from")
    figure: Any = ax.get_figure(root=True)
    bar = figure.colorbar(image, ax=ax, label=label, shrink=0.8)
    if fractions:
        bar.ax.yaxis.set_major_formatter(PercentFormatter(1.0))
    finish(ax, grid=False)
    return ax
