"""`report.html`: what the tour found, in one file that needs neither network nor script."""

from __future__ import annotations

from pathlib import Path
from string import Template

from .learning_section import accuracies, angles
from .parts import count, html, join, paragraph, per_cent, section
from .spiking_section import spiking_section
from .tour import RuleTour, Tour
from .wiring_section import drawings, verdicts
from .wording import A_RULE_OF_ONES_OWN, GOING_ON

HERE = Path(__file__).parent


def write_report(tour: Tour, path: Path) -> Path:
    """Write the report of a tour; returns its path."""
    path.write_text(render(tour), encoding="utf-8")
    return path


def render(tour: Tour) -> str:
    """The report as one HTML document."""
    sizes = [tour.forward.populations[name].size for name in tour.forward.order("forward")]
    template = Template((HERE / "report.html").read_text(encoding="utf-8"))
    sections = (verdicts, drawings, accuracies, angles, spiking_section, going_on)
    return template.substitute(
        css=(HERE / "report.css").read_text(encoding="utf-8"),
        n_rules=count(len(tour.rules)),
        size="-".join(map(str, sizes)),
        n_train=f"{tour.samples[0]:,}",
        facts=_facts(tour),
        sections="\n".join(part(tour) for part in sections),
        colophon=_colophon(tour),
    )


# -- above the fold ----------------------------------------------------------------------------


def _facts(tour: Tour) -> str:
    checked = [(rule, rule.verdict) for rule in tour.rules if rule.verdict]
    apart = [rule for rule, verdict in checked if verdict.all == 0]
    honest = [rule for rule, verdict in checked if verdict.weight_transport == "none"]
    facts = (
        _learned(tour),
        f"<strong>{len(honest)} of {len(checked)}</strong> wirings let no synapse look up another "
        "one's weight",
        f"<strong>{len(apart)} of {len(checked)}</strong> leave no hidden cell joined with its "
        f"error cell in both directions{_scored(apart)}",
    )
    return '<ul class="facts">' + "".join(f"<li>{fact}</li>" for fact in facts) + "</ul>"


def _learned(tour: Tour) -> str:
    above = [rule for rule in tour.ranked if tour.beats_floor(rule)]
    return (
        f"<strong>{len(above)} of {len(tour.rules)}</strong> classify better than the floor of "
        f"{per_cent(tour.floor_mean)} %, where only the output layer learns"
    )


def _scored(rules: list[RuleTour]) -> str:
    trained = [f"{per_cent(rule.mean)} %" for rule in rules if rule.mean is not None]
    return f"; accuracy {join(trained)}" if trained else ""


# -- the end -----------------------------------------------------------------------------------


def going_on(tour: Tour) -> str:
    width = max(len(command) for command, _ in GOING_ON)
    lines = "\n".join(
        f'{html(command):<{width}}  <span class="soft"># {html(why)}</span>'
        for command, why in GOING_ON
    )
    return section(
        "Go on",
        f'<pre tabindex="0" aria-label="Commands to go on with">{lines}</pre>',
        paragraph(html(A_RULE_OF_ONES_OWN)),
    )


def _colophon(tour: Tour) -> str:
    versions = ", ".join(f"{html(name)} {html(value)}" for name, value in tour.host.items())
    return (
        f"<p>Made in {tour.seconds:.0f} seconds. {versions}. Circuit "
        f"<code>{html(tour.forward.name)}</code>; seeds {', '.join(map(str, tour.seeds))}. All "
        "numbers are in <code>results.json</code> beside this file.</p>"
    )
