"""`report.html`: what the tour found, in one file that needs no network."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from oneway.circuits.drawing import drawing_script, drawing_style

from ..files import write_text
from .learning_section import learning
from .parts import count, join, per_cent, pretty
from .spiking_section import spikes
from .tour import RuleTour, Tour
from .wiring_section import wiring
from .wording import A_RULE_OF_ONES_OWN, GOING_ON

HERE = Path(__file__).parent


def write_report(tour: Tour, path: Path) -> Path:
    """Write the report of a tour; returns its path."""
    write_text(path, render(tour))
    return path


def render(tour: Tour) -> str:
    """The report as one HTML document."""
    sizes = [tour.forward.populations[name].size for name in tour.forward.order("forward")]
    script = drawing_script()
    style = (HERE / "report.css").read_text(encoding="utf-8") + drawing_style()
    return (
        _environment()
        .get_template("report.html")
        .render(
            tour=tour,
            size="-".join(map(str, sizes)),
            facts=_facts(tour),
            wiring=wiring(tour),
            learning=learning(tour),
            spiking=spikes(tour),
            going_on=GOING_ON,
            own_rule=A_RULE_OF_ONES_OWN,
            style=Markup(style),
            script=Markup(script),
            # The browser runs this script and no other.
            script_hash=b64encode(sha256(script.encode()).digest()).decode(),
        )
    )


def _environment() -> Environment:
    """Everything is escaped that is not marked as markup; a slip in a name is an error."""
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined
    )
    environment.filters |= {"count": count, "pretty": pretty}
    return environment


# -- above the fold ----------------------------------------------------------------------------


def _facts(tour: Tour) -> list[tuple[str, str]]:
    """A few numbers and what they count."""
    checked = [(rule, rule.verdict) for rule in tour.rules if rule.verdict]
    apart = [rule for rule, verdict in checked if verdict.all == 0]
    honest = [rule for rule, verdict in checked if verdict.weight_transport == "none"]
    above = [rule for rule in tour.ranked if tour.beats_floor(rule)]
    return [
        (
            f"{len(above)} of {len(tour.rules)}",
            f"classify better than the floor of {per_cent(tour.floor_mean)} %, where only the "
            "output layer learns",
        ),
        (
            f"{len(honest)} of {len(checked)}",
            "wirings let no synapse look up another one's weight",
        ),
        (
            f"{len(apart)} of {len(checked)}",
            "leave no hidden cell joined with its error cell in both directions" + _scored(apart),
        ),
    ]


def _scored(rules: list[RuleTour]) -> str:
    trained = [f"{per_cent(rule.mean)} %" for rule in rules if rule.mean is not None]
    return f"; accuracy {join(trained)}" if trained else ""
