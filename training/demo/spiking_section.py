"""The report's section on spikes."""

from __future__ import annotations

from .figures import mirror_figure, raster_figure, raster_window
from .parts import (
    card,
    code,
    count,
    course,
    gallery,
    html,
    join,
    paragraph,
    per_cent,
    pretty,
    section,
)
from .tour import SpikingDigits, SpikingTour, Tour

# A rule may well be said to have learned what it cannot see from here on.
NEAR_DEG = 30.0


def spiking_section(tour: Tour) -> str:
    """Raster and angles of the mirror, or why there are none, and digits learned in spikes."""
    title, spiking = "The same circuit, in spikes", tour.spiking
    digits = [] if tour.digits is None else [_digits(tour.digits)]
    if spiking.record is None:
        return section(title, paragraph(html(spiking.problem), "problem"), *digits)
    record = spiking.record
    lowest, highest = min(record.mean_rates_hz.values()), max(record.mean_rates_hz.values())
    compiled = f", after {spiking.compiling_s:.0f} s of compiling" if spiking.compiling_s else ""
    return section(
        title,
        paragraph(
            f"{code(spiking.label)} as leaky integrate-and-fire cells in Brian2, at rates high "
            "enough for seconds. There is no digit and no error here: in turn, each hidden layer "
            "fires noise, the layer above answers, error cells take over what their partners do, "
            "and a feedback synapse strengthens when the two cells it joins fire more than usual "
            f"together. {_found(spiking)}"
        ),
        gallery([_raster_card(spiking), _mirror_card(spiking)]),
        paragraph(
            f"{record.simulated_s:g} s simulated in {record.wall_s:.0f} s{compiled}; mean rates of "
            f"{lowest:.0f} to {highest:.0f} Hz.",
            "note",
        ),
        *digits,
    )


def _found(spiking: SpikingTour) -> str:
    """What came of it, by the angles at the end."""
    assert spiking.record is not None
    left = [angles[-1] for angles in spiking.angles.values()]
    if left and max(left) <= NEAR_DEG:
        return (
            "From that alone it learned the weights that it cannot see, up to an angle of "
            f"{max(left):.0f}°."
        )
    return (
        f"After {spiking.record.simulated_s:g} s simulated it is not there yet: a longer run comes "
        "nearer."
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
    ends = [f"that of {pretty(name)} {course(a[0], a[-1])}" for name, a in spiking.angles.items()]
    text = join([html(end) for end in ends])
    return card(
        mirror_figure(spiking),
        f"Angle between feedback and forward weights over simulated time: {text}.",
        f"Angles between feedback and forward weights change while a layer has its turn: {text}.",
    )


def _digits(digits: SpikingDigits) -> str:
    """A circuit that learned the digits, pass by pass; a recorded run says that it is one."""
    found = digits.found
    passes = [per_cent(accuracy) for accuracy in found["online_accuracy"]]
    ends = [f"that of {html(pretty(n))} {course(*a)}" for n, a in digits.angles.items()]
    when = (
        f"This is a recorded run ({html(digits.recorded)}), since here none was made:"
        if digits.recorded
        else "Made here and now:"
    )
    took = found["wall_s"] - found["compiling_s"]
    return paragraph(
        "<strong>And digits learned in spikes.</strong> "
        f"{code(found['circuit'])}, wired by {code(found['rule'])} and without normalisation, was "
        f"shown {found['train_samples']:,} digits {count(len(passes))} times, each for a tenth of "
        "a second, errors and all synapses at work while it answered. Of the digits as they came "
        f"it named {join(passes)} % right, pass by pass, and then "
        f"<strong>{per_cent(found['accuracy'])} %</strong> of {found['test_samples']} that it had "
        f"not seen. Of the angles between feedback and forward weights, {join(ends)}. {when} "
        f"{code(digits.command)}; {found['simulated_s']:,.0f} s simulated in {took:.0f} s."
    )
