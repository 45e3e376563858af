"""Pages of pictures: a row for each group of runs, a column for each quantity, a line a case.

matplotlib is slow to import, and only pictures need it: functions here import it themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING, Any

from ..compare import Case, Group, curves
from ..rule_names import full_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

# At the right edge of the axes.
_PUBLISHED: dict[str, Any] = {
    "marker": "D", "ls": "none", "ms": 5.5, "mfc": "none", "clip_on": False, "zorder": 5
}  # fmt: skip


@dataclass(frozen=True)
class Overview:
    """Accuracies, their course and the mean angle of feedback weights."""

    needs: str = "test_accuracy"
    source: str = "a run has it from its first epoch on"

    def draw(self, groups: Sequence[Group]) -> Figure | None:
        from matplotlib.figure import Figure

        groups = [group for group in groups if any(run.history for run in group.runs)]
        if not groups:
            return None
        heights = [max(3.8, 2.0 + sum(0.3 + 0.18 * n for n in _lines(group))) for group in groups]
        figure = Figure(figsize=(17, sum(heights)), layout="constrained")
        rows = figure.subplots(len(groups), 3, squeeze=False, height_ratios=heights)
        for group, axes in zip(groups, rows, strict=True):
            _draw_overview(group, axes)
        return figure


def _draw_overview(group: Group, axes: Sequence[Axes]) -> None:
    from oneway.analysis.plots import plot_comparison, plot_curves, styles

    style = styles(case.label for case in group.cases)
    results = {_named(case): case.values("test_accuracy") for case in group.cases}
    published = {_named(c): c.published for c in group.cases if c.published is not None}
    if any(results.values()):
        plot_comparison(results, floor=group.floor, published=published, ax=axes[0])
    else:
        _leave_out(axes[0], "no run here is finished yet")
    axes[0].set_title(f"{group.data}, {group.circuit}", fontsize=9, loc="left")
    axes[0].set_ylabel("")
    records = curves(group)
    plot_curves(records, by="case", ax=axes[1], style=style, legend=False)
    _name_cases(group, axes)
    if all(record["angle_deg"] is None for record in records):
        _leave_out(axes[2], "no run here has angles between W and Bᵀ")
        return
    plot_curves(records, y="angle_deg", by="case", ax=axes[2], style=style, legend=False)
    axes[2].set_ylim(0, 97)
    axes[2].set_ylabel("mean angle between W and Bᵀ (°)")
    axes[2].axhline(90, color="#6B6B6B", lw=0.9, ls=(0, (4, 3)), zorder=1)


def _named(case: Case) -> str:
    return fill(full_name(case.label), 30)


def _lines(group: Group) -> list[int]:
    """Of the name of each case."""
    return [_named(case).count("\n") + 1 for case in group.cases]


def _leave_out(ax: Axes, why: str) -> None:
    """In place of axes with nothing in them."""
    ax.set_axis_off()
    ax.text(0.5, 0.5, why, transform=ax.transAxes, ha="center", va="center", fontsize=9)


# -- one axes a quantity, a line a case ----------------------------------------------------------


@dataclass(frozen=True)
class Panel:
    """A quantity over the epochs; `y` is a key of the records that `curves` gives."""

    y: str
    ylabel: str
    title: str

    def published(self, case: Case) -> float | None:
        """The paper's figure for the end of the run."""
        given = case.published
        of = {"test_accuracy": given, "test_error": None if given is None else 1 - given}
        return of.get(self.y)

    def shown(self, records: Sequence[Mapping[str, Any]]) -> bool:
        return any(record.get(self.y) is not None for record in records)


@dataclass(frozen=True)
class CurvePage:
    """Panels beside each other; those that no run has data for are left out."""

    source: str  # who records what it needs
    panels: tuple[Panel, ...]
    title: str = ""
    needs: str = "test_accuracy"

    def draw(self, groups: Sequence[Group]) -> Figure | None:
        rows = {id(group): curves(group) for group in groups}
        groups = [g for g in groups if any(self._has(record) for record in rows[id(g)])]
        panels = [p for p in self.panels if any(p.shown(rows[id(g)]) for g in groups)]
        if not panels:
            return None
        width = 3.4 * len(panels) + 2.0
        # As much as their legends need.
        heights = [max(3.1, 0.3 + sum(0.08 + 0.15 * n for n in _lines(g))) for g in groups]
        page, parts = new_page(self.title, groups, width, heights)
        for group, part in zip(groups, parts, strict=True):
            axes = part.subplots(1, len(panels), squeeze=False)[0]
            for panel, ax in zip(panels, axes, strict=True):
                _draw_panel(panel, group, rows[id(group)], ax)
            _one_scale(panels, axes)
            _name_cases(group, axes)
        return page

    def _has(self, record: Mapping[str, Any]) -> bool:
        return record.get(self.needs) not in (None, {})


def _one_scale(panels: Sequence[Panel], axes: Sequence[Axes]) -> None:
    """What is measured in the same unit, a share of the samples, is compared across a row."""
    for unit in ("accuracy", "error"):
        alike = [ax for panel, ax in zip(panels, axes, strict=True) if panel.y.endswith(unit)]
        alike = [ax for ax in alike if ax.lines]
        limits = [ax.get_ylim() for ax in alike]
        for ax in alike:
            ax.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))


def _draw_panel(panel: Panel, group: Group, records: Sequence[Any], ax: Axes) -> None:
    from oneway.analysis.plots import plot_curves

    if not panel.shown(records):
        ax.set_axis_off()
        return
    style = _styles(group)
    plot_curves(records, y=panel.y, by="case", ax=ax, style=style, legend=False)
    ax.set_title(panel.title, fontsize=8.5)
    ax.set_ylabel(panel.ylabel)
    for case in group.cases:
        value = panel.published(case)
        if value is not None:
            look = {**_PUBLISHED, "mec": style[case.label]["color"]}
            ax.plot(1, value, transform=ax.get_yaxis_transform(), **look)


def _styles(group: Group) -> dict[str, dict[str, Any]]:
    from oneway.analysis.plots import styles

    return styles(case.label for case in group.cases)


def _name_cases(group: Group, axes: Sequence[Axes]) -> None:
    """One legend right of the last axes."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], lw=1.8, label=_named(case), **_styles(group)[case.label])
        for case in group.cases
    ]
    if any(line.get_marker() == "D" for ax in axes for line in ax.lines):
        handles.append(Line2D([], [], label="published", mec="#555555", **_PUBLISHED))
    axes[-1].legend(
        handles=handles, fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1.04, 0.5)
    )


# -- pages ---------------------------------------------------------------------------------------


def new_page(
    title: str, groups: Sequence[Group], width: float, heights: Sequence[float]
) -> tuple[Figure, list[SubFigure]]:
    """A page under a title, and for each group a part of it of a height; in inches."""
    from matplotlib.figure import Figure

    lines = fill(title, int(10 * width), break_on_hyphens=False)
    heights = [height + 0.3 for height in heights]
    page = Figure(figsize=(width, sum(heights) + 0.2 * lines.count("\n")), layout="constrained")
    if title:
        page.suptitle(lines, fontsize=11)
    parts = page.subfigures(len(groups), 1, squeeze=False, height_ratios=heights)[:, 0]
    for group, part in zip(groups, parts, strict=True):
        part.suptitle(f"{group.data}, {group.circuit}", fontsize=9, x=0.01, ha="left")
    return page, list(parts)
