"""What lesions do to learning: a run for each of them, over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from .looks import BLUE, GREEN, INK, PURPLE, VERMILION, finish, mark_level, mark_moment

_LOOKS = (INK, BLUE, VERMILION, GREEN, PURPLE)
_DASHES = ("solid", (0, (5, 1.6)), (0, (1.4, 1.2)), (0, (6, 1.5, 1.2, 1.5)), (0, (3, 1)))


def plot_lesions(
    curves: Mapping[str, Sequence[Mapping[str, Any]]],
    at_s: float,
    axes: Sequence[Axes],
    lesions: Sequence[str] = (),
) -> Sequence[Axes]:
    """Online accuracy above, and below it the angle of each B to its Wᵀ; a line for each lesion.

    Parameters
    ----------
    curves : mapping of lesion to records
        Each record holds ``simulated_s``, perhaps ``online_accuracy`` (a fraction), and
        ``angles_deg`` by feedback drive, as the curve of a spiking run does.
    at_s : float
        When the cut is made.
    axes : sequence of Axes
        One more than there are feedback drives.
    lesions : sequence of str, optional
        All lesions, also those that are missing here: each has a look of its own by its place.
    """
    accuracy, *below = axes
    order = list(lesions or curves)
    for name, records in curves.items():
        place = order.index(name)
        look: dict[str, Any] = {
            "label": name,
            "color": _LOOKS[place % len(_LOOKS)],
            "ls": _DASHES[place % len(_DASHES)],
            "lw": 2.6 - 0.3 * min(place, 4),  # so that what lies below is seen
        }
        shown = [record for record in records if record.get("online_accuracy") is not None]
        times = [record["simulated_s"] for record in shown]
        accuracy.plot(times, [record["online_accuracy"] for record in shown], **look)
        for ax, drive in zip(below, records[-1]["angles_deg"], strict=True):
            times = [record["simulated_s"] for record in records]
            ax.plot(times, [record["angles_deg"][drive] for record in records], **look)
            ax.set_ylabel(f"{drive}\nangle to Wᵀ (°)")
    accuracy.set_ylabel("online accuracy (%)")
    accuracy.set_ylim(0, 1.02)
    accuracy.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=""))
    for ax in below:
        ax.set_ylim(0, 99)
        ax.set_yticks((0, 30, 60, 90))
        mark_level(ax, 90)
    for ax in axes:
        mark_moment(ax, at_s, "cut" if ax is accuracy else "")
        finish(ax)
    axes[-1].set_xlabel("simulated time (s)")
    return axes
