"""The report's section on spikes."""

from __future__ import annotations

from .figures import mirror_figure, raster_figure, raster_window
from .parts import card, code, gallery, html, join, paragraph, pretty, section
from .tour import SpikingDigits, SpikingTour, Tour
from .wording import courses, digits_made, digits_said, mirror_cost, mirror_said


def spiking_section(tour: Tour) -> str:
    """Raster and angles of the mirror, or why there are none, and digits learned in spikes."""
    title, spiking = "The same circuit, in spikes", tour.spiking
    digits = [] if tour.digits is None else [_digits(tour.digits)]
    if spiking.record is None:
        return section(title, paragraph(html(spiking.problem), "problem"), *digits)
    return section(
        title,
        paragraph(
            f"{code(spiking.label)} as leaky integrate-and-fire cells in Brian2, at rates high "
            "enough for seconds. There is no digit and no error here: in turn, each hidden layer "
            "fires noise, the layer above answers, error cells take over what their partners do, "
            "and a feedback synapse strengthens when the two cells it joins fire more than usual "
            f"together. {html(mirror_said(spiking))}"
        ),
        gallery([_raster_card(spiking), _mirror_card(spiking)]),
        paragraph(html(mirror_cost(spiking)), "note"),
        *digits,
    )


def _raster_card(spiking: SpikingTour) -> str:
    assert spiking.record is not None
    start, stop = raster_window(spiking)
    names = join([html(name) for name in spiking.record.spikes])
    return card(
        raster_figure(spiking),
        f"Raster of spikes of ten cells each of {names}, from {start:.1f} to {stop:.1f} s.",
        "Spikes of ten cells of each population, around a change of mode. Error cells (δ) repeat "
        "what their partners fire; populations that take no part are silent.",
    )


def _mirror_card(spiking: SpikingTour) -> str:
    text = html(courses({pretty(name): a for name, a in spiking.angles.items()}))
    return card(
        mirror_figure(spiking),
        f"Angle between feedback and forward weights over simulated time: {text}.",
        f"Angles between feedback and forward weights change while a layer has its turn: {text}.",
    )


def _digits(digits: SpikingDigits) -> str:
    said, made = html(digits_said(digits)), html(digits_made(digits))
    return paragraph(
        f"<strong>And digits learned in spikes.</strong> {said} {made} {code(digits.command)}"
    )
