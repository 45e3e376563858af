"""Pictures of spiking runs: who fires when and how much, and what became of the weights.

Spikes of a population are a pair of arrays, times in seconds and cells. Where a unit is a pair of
cells, one for each sign, those of the negative one are counted from the population's size on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from .arrays import as_numpy
from .looks import GREY, INK, cycle, finish, name_rows, new_axes, new_grid, shade_phases

Spikes = Mapping[str, tuple[Any, Any]]
Span = tuple[str, float, float]
Rows = dict[str, tuple[int, int]]


def plot_raster(
    spike_times_s: Any,
    spike_ids: Any,
    groups: Mapping[str, tuple[int, int]] | None = None,
    phases: Iterable[Span] = (),
    ax: Axes | None = None,
    negative: Any = None,
    colours: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
) -> Axes:
    """Spikes as ticks over time.

    Parameters
    ----------
    spike_times_s, spike_ids : arrays, length K
        Time in seconds and cell index of each spike.
    groups : mapping of name to (first id, one past the last id), optional
        Populations, each in its own colour and named at the axis.
    phases : iterable of (name, start in s, end in s), optional
        Shaded spans, one shade for each name.
    negative : array of bool, length K, optional
        Spikes that stand for negative activity, in a lighter tone.
    colours, labels : mappings of name to colour and to what is written at the axis, optional
    """
    ax = ax or new_axes((7.0, 4.0))
    times, ids = as_numpy(spike_times_s), as_numpy(spike_ids)
    below = np.zeros(ids.shape, bool) if negative is None else np.asarray(negative, bool)
    groups = groups or {"cells": (0, int(ids.max()) + 1 if ids.size else 1)}
    colours = colours or dict(zip(groups, cycle(len(groups)), strict=True))
    shade_phases(ax, phases)
    for name, (low, high) in groups.items():
        colour = colours[name]
        inside = (ids >= low) & (ids < high)
        for chosen, tone, label in ((~below, colour, name), (below, _lighter(colour), None)):
            shown = inside & chosen
            ax.plot(times[shown], ids[shown], "|", color=tone, ms=3.2, mew=0.8, label=label)
        if low > 0:
            ax.axhline(low - 0.5, color="#CCCCCC", lw=0.7)
    _name_groups(ax, groups, labels or {})
    ax.margins(x=0.01)
    ax.set_xlabel("time (s)")
    ax.set_ylabel("cells")
    finish(ax, grid=False)
    return ax


def _lighter(colour: str) -> tuple[float, ...]:
    return tuple(0.45 * part + 0.55 for part in to_rgb(colour))


def _name_groups(
    ax: Axes, groups: Mapping[str, tuple[int, int]], labels: Mapping[str, str]
) -> None:
    bounds = list(groups.values())
    ax.set_yticks(
        [(low + high - 1) / 2 for low, high in bounds], [labels.get(name, name) for name in groups]
    )
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(min(low for low, _ in bounds) - 1, max(high for _, high in bounds))


def stack_cells(
    spikes: Spikes,
    sizes: Mapping[str, int] | None = None,
    window_s: tuple[float, float] = (-np.inf, np.inf),
    cells: int = 10,
    gap: int = 2,
    rows: Rows | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.int64], Rows, NDArray[np.bool_]]:
    """A few cells of each population as rows of a raster, the first population at the top.

    Parameters
    ----------
    spikes : mapping of population to (times in s, cells)
    sizes : mapping of population to number of units, optional
        Needed where negative activity has cells of its own.
    window_s : (float, float)
        Start and end of what is shown.
    cells, gap : int
        Units of each population at most, and rows left free between two.
    rows : mapping of population to (first row, one past the last), optional
        Where each is to be; by default one above the other.

    Returns
    -------
    times_s, ids, groups, negative
        As `plot_raster` takes them.
    """
    sizes = {name: _size(name, spikes, sizes) for name in spikes}
    rows = rows or _stack(sizes, cells, gap)
    times, ids, negative, groups = [], [], [], {}
    for name in reversed(list(spikes)):
        t, cell = as_numpy(spikes[name][0]), np.asarray(spikes[name][1], dtype=np.int64)
        size, (first, past) = sizes[name], rows[name]
        shown = (t >= window_s[0]) & (t < window_s[1]) & (cell % size < past - first)
        times.append(t[shown])
        ids.append(cell[shown] % size + first)
        negative.append(cell[shown] >= size)
        groups[name] = (first, past)
    if not times:
        return np.zeros(0), np.zeros(0, np.int64), {}, np.zeros(0, bool)
    return np.concatenate(times), np.concatenate(ids), groups, np.concatenate(negative)


def _size(name: str, spikes: Spikes, sizes: Mapping[str, int] | None) -> int:
    cell = np.asarray(spikes[name][1], dtype=np.int64)
    return (sizes or {}).get(name, int(cell.max(initial=0)) + 1)


def _stack(sizes: Mapping[str, int], cells: int, gap: int = 2) -> Rows:
    """Rows for a few units of each, the first at the top."""
    rows, first = {}, 0
    for name in reversed(list(sizes)):
        rows[name] = (first, first + min(cells, sizes[name]))
        first = rows[name][1] + gap
    return rows


def plot_paths(
    spikes: Spikes,
    columns: Mapping[str, Sequence[str]],
    sizes: Mapping[str, int] | None = None,
    phases: Iterable[Span] = (),
    window_s: tuple[float, float] | None = None,
    cells: int = 10,
    axes: Sequence[Axes] | None = None,
    partners: Mapping[str, str | None] | None = None,
) -> list[Axes]:
    """Rasters side by side over the same time, one for each path.

    Partners have one colour and stand in the same rows, so that one that repeats the other shows.
    At the axis it says how many cells (units, where one is a pair) of how many are drawn, below it
    what dark and pale ticks are.

    Parameters
    ----------
    spikes : mapping of population to (times in s, cells)
    columns : mapping of heading to populations, from top to bottom
        Those without an entry in `spikes` are left out.
    phases : iterable of (name, start in s, end in s)
    window_s : (float, float), optional
        By default from the first spike to the last.
    cells : int
        Units of each population at most.
    partners : mapping of population to its partner, optional
    """
    present = {head: [n for n in names if n in spikes] for head, names in columns.items()}
    present = {head: names for head, names in present.items() if names}
    axes = list(new_grid(1, len(present), (9.5, 4.4))[0]) if axes is None else axes
    low, high = window_s or _extent(spikes)
    spans = [(n, max(a, low), min(b, high)) for n, a, b in phases if a < high and b > low]
    sizes = {name: _size(name, spikes, sizes) for name in spikes}
    # A population that is no partner of another comes between those above and below it.
    leader = {name: (partners or {}).get(name) or name for name in spikes}
    ranked = _merged([[leader[name] for name in names] for names in present.values()])
    widest = {key: max(sizes[n] for n in spikes if leader[n] == key) for key in ranked}
    rows = _stack(widest, cells)
    hues = dict(zip(ranked, cycle(len(ranked)), strict=True))
    top = max((past for _, past in rows.values()), default=1)
    for (heading, names), ax in zip(present.items(), axes, strict=True):
        own = {n: (rows[leader[n]][0], rows[leader[n]][0] + min(cells, sizes[n])) for n in names}
        chosen = {name: spikes[name] for name in names}
        times, ids, groups, negative = stack_cells(chosen, sizes, (low, high), rows=own)
        colours = {name: hues[leader[name]] for name in names}
        labels = {name: _how_many(name, cells, sizes[name]) for name in names}
        plot_raster(times, ids, groups, spans, ax, negative, colours, labels)
        ax.set_xlim(low, high)
        ax.set_ylim(-1, top)
        ax.set_title(heading, fontsize=9.5, pad=14)
        ax.set_ylabel("")
        if negative.any():
            note = "dark: cells for positive activity; pale: those for negative"
            ax.annotate(
                note, (1, 0), xycoords="axes fraction", xytext=(0, -42),
                textcoords="offset points", ha="right", va="top", fontsize="small", color=GREY,
            )  # fmt: skip
    return list(axes)


def _how_many(name: str, cells: int, size: int) -> str:
    return f"{name}\n{cells} of {size} cells" if size > cells else f"{name}\nall {size} cells"


def _merged(lists: Sequence[Sequence[str]]) -> list[str]:
    """All names in one order that keeps that of each list, as far as they agree."""
    merged: list[str] = []
    for names in lists:
        at = 0
        for name in names:
            if name in merged:
                at = merged.index(name) + 1
            else:
                merged.insert(at, name)
                at += 1
    return merged


def _extent(spikes: Spikes) -> tuple[float, float]:
    times = [as_numpy(t) for t, _ in spikes.values() if len(t)]
    return (min(t.min() for t in times), max(t.max() for t in times)) if times else (0.0, 1.0)


def plot_rates(rates_hz: Mapping[str, Any], ax: Axes | None = None) -> Axes:
    """Mean rate of every cell as a dot, that of the population as a bar; one row for each.

    Below the axes stands what is what.

    Parameters
    ----------
    rates_hz : mapping of population to array (N,)
    """
    ax = ax or new_axes((5.6, 0.34 * max(len(rates_hz), 3) + 1.0))
    rows = zip(rates_hz.items(), cycle(len(rates_hz)), strict=True)
    for row, ((name, values), colour) in enumerate(rows):
        v = as_numpy(values).reshape(-1)
        # Spread over the row by a fixed sequence that leaves no gaps, not at random.
        spread = 0.52 * (np.arange(v.size) * 0.618034 % 1 - 0.5)
        ax.plot(v, row + spread, "o", color=colour, ms=3, alpha=0.5, mew=0, label=name)
        if v.size:
            ax.plot(v.mean(), row, "|", color=INK, ms=16, mew=1.8)
    dot = ax.plot([], [], "o", color=GREY, ms=3, mew=0, label="one cell")
    bar = ax.plot([], [], "|", color=INK, ms=10, mew=1.8, label="mean of the population")
    ax.legend(
        handles=[*dot, *bar], fontsize="small", frameon=False, ncols=2, loc="upper center",
        bbox_to_anchor=(0.5, 0.0), borderaxespad=4.6, handletextpad=0.4,
    )  # fmt: skip
    name_rows(ax, rates_hz)
    ax.set_xlim(left=min(0.0, ax.get_xlim()[0]))
    ax.set_xlabel("mean rate of a cell (Hz)")
    finish(ax)
    return ax


def plot_weights(
    before: Mapping[str, Any], after: Mapping[str, Any], axes: Any = None
) -> NDArray[Any]:
    """Weight matrices as images, before (left) and after (right); one row for each name.

    Parameters
    ----------
    before, after : mappings of name to (J, I)
        The same names on both sides. Both images of a row share their colours.
    axes : array of Axes (rows, 2), optional
    """
    if axes is None:
        axes = new_grid(len(before), 2, (7.4, 2.1 * max(len(before), 1) + 0.5))
    axes = np.asarray(axes, dtype=object).reshape(-1, 2)
    for row, name in zip(axes, before, strict=True):
        pair = [as_numpy(before[name]), as_numpy(after[name])]
        top = max(float(np.abs(w).max(initial=0)) for w in pair) or 1.0
        for ax, w_JI, when in zip(row, pair, ("before", "after"), strict=True):
            image = ax.imshow(w_JI, cmap="RdBu_r", vmin=-top, vmax=top, aspect="auto")
            ax.set_title(f"{name}, {when}", fontsize=8.5)
            ax.set_xlabel("presynaptic cell", fontsize=8)
            ax.tick_params(labelsize=7.5)
            for axis in (ax.xaxis, ax.yaxis):  # cells are counted
                axis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
        row[0].set_ylabel("postsynaptic cell", fontsize=8)
        row[0].figure.colorbar(image, ax=list(row), label="weight")
    return axes
