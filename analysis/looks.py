"""What all pictures share: axes of a size, colours in their order, frames, shaded phases."""

from __future__ import annotations

from collections.abc import Iterable

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from .drawing import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, VERMILION

COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, "#56B4E9", INK)
SHADES = ("#F1F1F1", "#E3EEF7", "#FBF0DC", "#E4F3EC")


def new_axes(size: tuple[float, float]) -> Axes:
    """Axes in a figure of their own, width and height in inches."""
    _, ax = plt.subplots(figsize=size, layout="constrained")
    return ax


def cycle(n: int) -> list[str]:
    """The first n colours, from the start again where there are more."""
    return [COLOURS[i % len(COLOURS)] for i in range(n)]


def shade_phases(ax: Axes, phases: Iterable[tuple[str, float, float]]) -> None:
    """Shade spans (name, start, end); each name is written once, over its widest span."""
    spans = list(phases)
    names = list(dict.fromkeys(name for name, _, _ in spans))
    for name, start, end in spans:
        ax.axvspan(start, end, color=SHADES[names.index(name) % len(SHADES)], lw=0, zorder=0)
    for name in names:
        _, start, end = max((span for span in spans if span[0] == name), key=_length)
        ax.annotate(
            name, ((start + end) / 2, 1.0), xycoords=("data", "axes fraction"),
            xytext=(0, 2), textcoords="offset points", ha="center", fontsize=7.5, color=GREY,
        )  # fmt: skip


def _length(span: tuple[str, float, float]) -> float:
    return span[2] - span[1]


def finish(ax: Axes, legend: str | None = None, grid: bool = True) -> None:
    """Frame, grid and legend."""
    ax.spines[["top", "right"]].set_visible(False)
    if grid:
        ax.grid(True, color="#E6E6E6", lw=0.7)
        ax.set_axisbelow(True)
    if legend is not None:
        # Beside the lines, where it can hide none of them.
        ax.legend(
            title=legend, fontsize=8, title_fontsize=8, frameon=False,
            loc="center left", bbox_to_anchor=(1.0, 0.5), handlelength=2.4,
        )  # fmt: skip
