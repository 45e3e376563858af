"""The report's section on spikes."""

from __future__ import annotations

from .figures import mirror_figure, raster_figure, raster_window
from .parts import card, code, gallery, html, join, paragraph, pretty, section
from .tour import SpikingTour, Tour


def spiking_section(tour: Tour) -> str:
    """Raster and falling angle of the spiking run, or why there is none."""
    spiking = tour.spiking
    title = "The same circuit, in spikes"
    if spiking.record is None:
        return section(title, paragraph(html(spiking.problem), "problem"))
    record = spiking.record
    lowest, highest = min(record.mean_rates_hz.values()), max(record.mean_rates_hz.values())
    return section(
        title,
        paragraph(
            f"{code(spiking.label)} as leaky integrate-and-fire cells in Brian2, at rates high "
            "enough for seconds. There is no digit and no error here: in turn, each hidden layer "
            "fires noise, the layer above answers, error cells take over what their partners do, "
            "and a feedback synapse strengthens when the two cells it joins fire more than usual "
            "together. From that alone it learns the weights that it cannot see."
        ),
        gallery([_raster_card(spiking), _mirror_card(spiking)]),
        paragraph(
            f"{record.simulated_s:g} s simulated in {record.wall_s:.0f} s; mean rates of "
            f"{lowest:.0f} to {highest:.0f} Hz.",
            "note",
        ),
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
    ends = [
        f"{pretty(name)} from {a[0]:.0f}° to {a[-1]:.0f}°" for name, a in spiking.angles.items()
    ]
    text = join([html(end) for end in ends])
    return card(
        mirror_figure(spiking),
        f"Angle between feedback and forward weights over simulated time: {text}.",
        f"The angle falls while a layer has its turn: {text}.",
    )
