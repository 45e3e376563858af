"""`--constraint` of `oneway check`: what is asked of a circuit, and what came of it."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.markup import escape

from oneway.analysis import CONSTRAINTS, Finding, Report, Verdict
from oneway.analysis.constraints import KNOWN

SHOWN = 3

EXAMPLES = """\
examples:
  oneway check mlp:64-32-32-10 --rule kp
  oneway check resnet18:3x32x32-10 --rule asap,gate=local,norm=own --constraint all
  oneway check mlp:64-32-32-10 --rule ss --constraint papers,no-sign-transport,skip-only
  oneway check mlp:64-32-32-10 --rule bp --constraint 'fan-in<=200,return-path>=4'
  oneway check mlp:64-32-32-10 --rules all
"""


def add_constraint(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--constraint",
        default="papers",
        metavar="NAMES",
        help="what must hold, by commas: papers (no reciprocal pair by drive, teach, mimic; "
        f"default), all (gate and norm too), and others: {', '.join(KNOWN[2:])} (with = in place "
        "of <= and >= no quotes are needed). Exit status 1 when one is violated",
    )
    parser.epilog = EXAMPLES
    parser.formatter_class = argparse.RawDescriptionHelpFormatter


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
