"""What all pictures share: axes of a size, colours in their order, frames, shaded phases."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from numpy.typing import NDArray

from .arrays import as_numpy

# Okabe and Ito's palette, told apart by colour-blind readers too.
INK, BLUE, ORANGE, GREEN = "#333333", "#0072B2", "#E69F00", "#009E73"
VERMILION, PURPLE, GREY = "#D55E00", "#CC79A7", "#6B6B6B"

COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, "#56B4E9", INK)
SHADES = ("#F1F1F1", "#E3EEF7", "#FBF0DC", "#E4F3EC")


def new_axes(size: tuple[float, float]) -> Axes:
    """Axes in a figure of their own, width and height in inches."""
    return new_grid(1, 1, size)[0, 0]


def new_grid(rows: int, columns: int, size: tuple[float, float]) -> NDArray[Any]:
    """Axes in rows and columns of a figure of their own, at least one of each."""
    shape = (max(rows, 1), max(columns, 1))
    return plt.subplots(*shape, figsize=size, layout="constrained", squeeze=False)[1]


def name_rows(ax: Axes, names: Collection[str]) -> None:
    """A row of the axes for each name, the first at the top."""
    ax.set_yticks(range(len(names)), list(names))
    ax.set_ylim(len(names) - 0.4, -0.6)


def cycle(n: int) -> list[str]:
    """The first n colours, from the start again where there are more."""
    return [COLOURS[i % len(COLOURS)] for i in range(n)]


def depth_colours(n: int) -> list[str]:
    """Dark for the first, light for the last."""
    return [to_hex(shade) for shade in mpl.colormaps["viridis"](np.linspace(0.0, 0.9, n))]


def draw_repeats(ax: Axes, points: Mapping[float, Sequence[float]], **look: Any) -> None:
    """Mean over the values at each x as a line, with a band from least to most."""
    xs = sorted(points)
    values = [as_numpy(points[at]) for at in xs]
    # A single point is no line yet.
    marker = "o" if len(xs) == 1 else ""
    (line,) = ax.plot(xs, [v.mean() for v in values], marker=marker, ms=3.5, **look)
    if any(v.size > 1 for v in values):
        low, high = [v.min() for v in values], [v.max() for v in values]
        ax.fill_between(xs, low, high, color=line.get_color(), alpha=0.14, lw=0)


def mark_level(ax: Axes, y: float, text: str = "") -> None:
    """A dashed line right across, with its meaning beside it, where no line can run over it."""
    ax.axhline(y, color=GREY, lw=0.9, ls=(0, (4, 3)))
    ax.annotate(
        text, (1, y), xycoords=("axes fraction", "data"), xytext=(4, 0),
        textcoords="offset points", ha="left", va="center", fontsize="small", color=GREY,
    )  # fmt: skip


def mark_moment(ax: Axes, x: float, text: str = "") -> None:
    """A dashed line from bottom to top, with its meaning above."""
    ax.axvline(x, color=GREY, lw=0.9, ls=(0, (4, 3)))
    ax.annotate(
        text, (x, 1.0), xycoords=("data", "axes fraction"), xytext=(0, 2),
        textcoords="offset points", ha="center", fontsize="small", color=GREY,
    )  # fmt: skip


def shade_phases(ax: Axes, phases: Iterable[tuple[str, float, float]]) -> None:
    """Shade spans (name, start, end); each name is written once, over its widest span."""
    spans = list(phases)
    names = list(dict.fromkeys(name for name, _, _ in spans))
    for name, start, end in spans:
        ax.axvspan(start, end, color=SHADES[names.index(name) % len(SHADES)], lw=0, zorder=0)
    for name in names:
        widest = max((span for span in spans if span[0] == name), key=lambda s: s[2] - s[1])
        ax.annotate(
            name, (sum(widest[1:]) / 2, 1.0), xycoords=("data", "axes fraction"),
            xytext=(0, 2), textcoords="offset points", ha="center", fontsize="small", color=GREY,
        )  # fmt: skip


def finish(ax: Axes, legend: str | None = None, grid: bool = True) -> None:
    """Frame, grid and legend."""
    ax.spines[["top", "right"]].set_visible(False)
    if grid:
        ax.grid(True, color="#E6E6E6", lw=0.7)
        ax.set_axisbelow(True)
    if legend is not None:
        # Beside the lines, where it can hide none of them.
        ax.legend(
            title=legend or None, fontsize="small", title_fontsize="small", frameon=False,
            loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=2.4,
        )  # fmt: skip
