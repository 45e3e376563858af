"""Pictures of what is measured in every layer while a network learns, first layer to last.

One sequential colour map from the input to the output, as the papers have it; the key beside the
axes names the layers, at any depth as many as there is room for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from math import ceil

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from .looks import INK, depth_colours, draw_repeats, finish, new_axes

# What one layer has: x -> values of repeats (seeds).
Course = Mapping[float, Sequence[float]]

_NAMES_IN_KEY = 16


def layer_colours(layers: Iterable[str]) -> dict[str, str]:
    """A colour for each layer, dark for the first and light for the last.

    Examples
    --------
    >>> from oneway.analysis.plots import layer_colours
    >>> list(layer_colours(["h1", "h2", "output"]))
    ['h1', 'h2', 'output']
    """
    names = list(dict.fromkeys(layers))
    return dict(zip(names, depth_colours(len(names)), strict=True))


def plot_layers(
    layers: Mapping[str, Course],
    ax: Axes | None = None,
    *,
    expected: Mapping[str, Course] | None = None,
    colours: Mapping[str, str] | None = None,
    xlabel: str = "epoch",
    ylabel: str = "angle (°)",
    log: bool = False,
) -> Axes:
    """A line for each layer: the mean over repeats, with a thin band from least to most.

    Parameters
    ----------
    layers : mapping of layer to mapping of x to values
        One value for each repeat (seed); layers from input to output.
    expected : mapping of layer to mapping of x to values, optional
        What theory says of some of them: dashed, in front.
    colours : mapping of layer to colour, optional
        To keep a layer's colour from plot to plot; by default `layer_colours`. See `name_layers`
        for the key.
    log : bool
        Logarithmic axis of y; values that are not positive leave gaps.

    Examples
    --------
    >>> from oneway.analysis.plots import plot_layers
    >>> two_seeds = {"h1": {1: [88, 90], 2: [70, 75]}, "h2": {1: [86, 89], 2: [40, 42]}}
    >>> ax = plot_layers(two_seeds)
    >>> [float(y) for y in ax.lines[0].get_ydata()]
    [89.0, 72.5]
    """
    ax = ax or new_axes((5.4, 3.6))
    colours = layer_colours(layers) if colours is None else colours
    for name, course in layers.items():
        draw_repeats(ax, course, label=name, color=colours[name], lw=1.5)
    rim = [withStroke(linewidth=2.4, foreground=INK)]  # light in dark: they show on any line
    for course in (expected or {}).values():
        draw_repeats(ax, course, color="white", lw=1.0, linestyle=(0, (4, 3)), path_effects=rim)
    if log:
        _log_axis(ax)
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    finish(ax)
    return ax


def _log_axis(ax: Axes) -> None:
    """Ticks as plain numbers, also where the values span no decade, or many."""
    ax.set_yscale("log", nonpositive="mask")
    low, high = ax.get_ylim()
    if high < 30 * low:
        ax.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    else:
        ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 3.0) if high < 1000 * low else (1.0,)))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_locator(NullLocator())


def name_layers(axes: Sequence[Axes], colours: Mapping[str, str], title: str = "layer") -> None:
    """The key of `plot_layers`, right of these axes: the first layer at the top.

    Of more than 16 layers every second (third...) is named, first and last always.
    """
    if not colours:
        return
    n = len(colours)
    norm = BoundaryNorm(np.arange(n + 1) - 0.5, n)
    scale = ScalarMappable(norm, ListedColormap(list(colours.values())))
    shown = _named(n)
    key = axes[0].figure.colorbar(
        scale, ax=list(axes), ticks=shown, aspect=28, pad=0.015, fraction=0.04
    )
    key.ax.invert_yaxis()
    key.ax.set_yticklabels([list(colours)[i] for i in shown], fontsize=7.5)
    key.ax.tick_params(which="both", length=0)
    key.ax.set_title(title, fontsize=8, loc="left")
    key.outline.set_visible(False)


def _named(n: int) -> Collection[int]:
    """Evenly spaced indices, 0 and n - 1 among them."""
    step = ceil((n - 1) / (_NAMES_IN_KEY - 1)) or 1
    return sorted({*range(0, max(n - step, 1), step), n - 1})
