"""`--constraint` of `oneway check`: what is asked of a circuit, and what came of it."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape

from oneway.analysis import CONSTRAINTS, Finding, Report, Verdict

SHOWN = 3


def headline(verdict: Verdict) -> str:
    """What is said of reciprocal pairs, and by which constraint."""
    counted = f"over {', '.join(CONSTRAINTS[verdict.constraint])} (constraint {verdict.constraint})"
    output = f"the output comparator's {verdict.output:,}" if verdict.output else ""
    if verdict.ok:
        apart = f" apart from {output}" if output else ""
        return f"[green]one-way[/] {counted}: no reciprocal pair{apart}"
    pairs = verdict.reciprocal_pairs[verdict.constraint]
    apart = f", besides {output}" if output else ""
    return f"[red]reciprocal[/] {counted}: {pairs:,} pairs of cells joined both ways{apart}"


def show_findings(console: Console, report: Report, remedies: bool = True) -> None:
    """Each constraint that was asked for; what holds in a line, violations with their remedy.

    What the headline says is not said again; without `remedies`, nor where it is violated.
    """
    for finding in report.findings:
        said = finding.constraint.name in CONSTRAINTS and (finding.ok or not remedies)
        if not said:
            _show_finding(console, finding)


def _show_finding(console: Console, finding: Finding) -> None:
    word = "[green]holds[/]" if finding.ok else "[red]violated[/]"
    name, says = escape(finding.constraint.name), escape(finding.constraint.meaning)
    console.print(f"{name}: {word}: {says}", soft_wrap=True, highlight=False)
    for violation in finding.violations[:SHOWN]:
        for line in (f"  {violation}", f"    {violation.remedy}"):
            console.print(escape(line), soft_wrap=True, highlight=False)
    if more := finding.violations[SHOWN:]:
        console.print(f"  and {len(more)} more like these (--json lists all)")
