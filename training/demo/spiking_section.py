"""What the report shows of spikes; what it says of them is worded in `wording`."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from .figures import RASTER_CELLS, mirror_picture, raster_picture, raster_window
from .parts import count, join, pretty
from .tour import SpikingDigits, SpikingTour, Tour
from .wording import courses, digits_made, digits_said, mirror_cost, mirror_said


@dataclass(frozen=True)
class Digits:
    """A circuit that learned the digits: how, when, and the command that does it."""

    said: str
    made: str
    command: str


@dataclass(frozen=True)
class SpikingSection:
    """Raster and angles of the mirror with what is said of them, or why there are none."""

    problem: str = ""
    label: str = ""
    found: str = ""
    raster: Markup | None = None
    raster_says: str = ""
    mirror: Markup | None = None
    mirror_says: str = ""
    cost: str = ""
    digits: Digits | None = None


def spikes(tour: Tour) -> SpikingSection:
    spiking, digits = tour.spiking, None if tour.digits is None else _digits(tour.digits)
    if spiking.record is None:
        return SpikingSection(problem=spiking.problem, digits=digits)
    ends = courses({pretty(name): angles for name, angles in spiking.angles.items()})
    between = "between feedback and forward weights"
    return SpikingSection(
        label=spiking.label,
        found=mirror_said(spiking),
        raster=raster_picture(spiking, _raster_alt(spiking)),
        raster_says=f"Spikes of {count(RASTER_CELLS)} cells of each population, around a change of "
        "mode. Error cells (δ) repeat what their partners fire; populations that take no part are "
        "silent.",
        mirror=mirror_picture(spiking, f"Angle {between} over simulated time: {ends}."),
        mirror_says=f"Angles {between} change while a layer has its turn: {ends}.",
        cost=mirror_cost(spiking),
        digits=digits,
    )


def _raster_alt(spiking: SpikingTour) -> str:
    assert spiking.record is not None
    start, stop = raster_window(spiking)
    return (
        f"Raster of spikes of {count(RASTER_CELLS)} cells each of "
        f"{join(list(spiking.record.spikes))}, from {start:.1f} to {stop:.1f} s."
    )


def _digits(digits: SpikingDigits) -> Digits:
    return Digits(digits_said(digits), digits_made(digits), digits.command)
