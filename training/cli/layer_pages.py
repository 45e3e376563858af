"""Pages of what runs measured in every layer: a column for each case, a line for each layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from textwrap import fill
from typing import TYPE_CHECKING, Any

from ..compare import Case, Group
from ..layers import Courses, by_layer, in_order
from ..rule_names import full_name
from .run_pages import new_page

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_MOST_COLUMNS = 5

Bound = tuple[float, str]


def below(degrees: float) -> Bound:
    """The paper states it of all layers of its ResNet-50."""
    return degrees, f"published, ResNet-50: < {degrees:g}°"


def above(degrees: float) -> Bound:
    """The paper states it of most layers of its ResNet-18 and ResNet-50."""
    return degrees, f"published, most layers: > {degrees:g}°"


@dataclass(frozen=True)
class LayerPage:
    """Rules beside each other, each with its layers from input to output.

    Parameters
    ----------
    title : str
        With the paper's figure.
    needs : str
        Key in ``metrics.jsonl``.
    source : str
        Who records it.
    ylabel : str
        An angle's ends in (°).
    part, expected : str, optional
        Where a layer has several values: the one to draw, and what theory says of it.
    bounds : mapping of rule to bound
        What the paper states of that rule: `below` or `above`.
    level : float, optional
        A value to compare with.
    log : bool
        Logarithmic axis.
    """

    title: str
    needs: str
    source: str
    ylabel: str
    part: str | None = None
    expected: str | None = None
    bounds: Mapping[str, Bound] = field(default_factory=dict)
    level: float | None = None
    log: bool = False

    def draw(self, groups: Sequence[Group]) -> Figure | None:
        """None where no run recorded the key."""
        found = [(group, self._cases(group)) for group in groups]
        found = [(group, cases) for group, cases in found if cases]
        if not found:
            return None
        columns = _columns(max(len(cases) for _, cases in found))
        rows = [ceil(len(cases) / columns) for _, cases in found]
        page, parts = new_page(
            self.title, [group for group, _ in found], 2.7 * columns + 1.8, [2.6 * n for n in rows]
        )
        for (group, cases), part, n in zip(found, parts, rows, strict=True):
            grid = part.subplots(n, columns, sharex=True, sharey=True, squeeze=False)
            self._draw_group(group, cases, grid)
        return page

    def _cases(self, group: Group) -> list[tuple[Case, Courses]]:
        """Those that recorded it."""
        found = [(case, by_layer(case, self.needs, self.part)) for case in group.cases]
        return [(case, courses) for case, courses in found if courses]

    def _draw_group(
        self, group: Group, cases: Sequence[tuple[Case, Courses]], grid: NDArray[Any]
    ) -> None:
        from oneway.analysis.plots import layer_colours, name_layers

        names = dict.fromkeys(name for _, courses in cases for name in courses)
        colours = layer_colours(in_order(names, group.runs))
        used, spare = grid.flat[: len(cases)], grid.flat[len(cases) :]
        for ax, (case, courses) in zip(used, cases, strict=True):
            self._draw_case(case, courses, colours, ax)
            ax.label_outer()
        for ax in spare:
            ax.set_axis_off()
        for ax in used[-grid.shape[1] :]:  # the lowest of each column, in whatever row
            ax.set_xlabel("epoch")
            ax.tick_params(labelbottom=True)
        if self.ylabel.endswith("(°)"):
            used[0].set_ylim(bottom=0)
        name_layers(list(used), {_readable(name): colour for name, colour in colours.items()})

    def _draw_case(
        self, case: Case, courses: Courses, colours: Mapping[str, str], ax: Axes
    ) -> None:
        from oneway.analysis.plots import mark_level, plot_layers

        expected = by_layer(case, self.needs, self.expected) if self.expected else None
        plot_layers(
            courses, ax, expected=expected, colours=colours, ylabel=self.ylabel, log=self.log
        )
        ax.set_title(
            "\n".join([fill(full_name(case.label), 34), *self._published(case, ax)]), fontsize=9
        )
        if self.level is not None:
            mark_level(ax, self.level)

    def _published(self, case: Case, ax: Axes) -> list[str]:
        """Marks the paper's bound; its words go into the title, where no line is."""
        from oneway.analysis.plots import mark_level

        rule = case.label.replace(",", " ").split()[0]
        if rule not in self.bounds or "init=aligned" in case.label:  # no paper has that
            return []
        degrees, words = self.bounds[rule]
        mark_level(ax, degrees)
        return [f"(dashed: {words})"]


def _columns(panels: int) -> int:
    """Of the fewest rows that hold them, all about as long."""
    return ceil(panels / ceil(panels / _MOST_COLUMNS))


def _readable(layer: str) -> str:
    return layer.replace("delta_", "δ ").replace("->", "→")
