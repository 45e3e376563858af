"""Options of `oneway check`."""

from __future__ import annotations

import argparse
from pathlib import Path

from . import graph
from .shared import add_examples, add_json

MANY_NEURONS = 100_000
# As analysis.constraints has them.
CONSTRAINTS = (
    "papers",
    "all",
    "papers@population",
    "all@population",
    "papers@path",
    "all@path",
    "no-weight-transport",
    "no-sign-transport",
    "one-to-one",
    "dale",
    "no-autapse",
    "no-multapse",
    "skip-only",
    "skip-only@all",
    "fan-in<=N",
    "fan-in@all<=N",
    "return-path>=N",
    "return-path@all>=N",
)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.usage = "%(prog)s CIRCUIT [--rule RULE] [options]"
    parser.add_argument(
        "circuit",
        metavar="CIRCUIT",
        help="builder string (mlp:64-32-32-10, resnet34), circuit file (JSON, GraphML), or any "
        "directed graph (table, matrix, GraphML, ...)",
    )
    _add_wiring(parser.add_argument_group("the rule that wires it"))
    _add_questions(parser.add_argument_group("what is asked"))
    graph.add_options(parser)
    add_json(parser)
    add_examples(
        parser,
        "oneway check mlp:64-32-32-10 --rule kp",
        "oneway check mlp:64-32-32-10 --rule my_rule.py",
        "oneway check resnet18:3x32x32-10 --rule asap,gate=local,norm=own --constraint all",
        "oneway check mlp:64-32-32-10 --rule ss --constraint papers,no-sign-transport,skip-only",
        "oneway check mlp:64-32-32-10 --rule bp --constraint 'fan-in<=200,return-path>=4'",
        "oneway check mlp:64-32-32-10 --rules all",
        "oneway check resnet18 --rule kp --draw kp.html",
        *graph.EXAMPLES,
    )


def _add_wiring(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--rule",
        metavar="RULE",
        help="rule that wires it (kp, asap,k=4), or a file defining one; 'oneway rules' lists them",
    )
    group.add_argument("--gate", help="how φ′ enters the feedback path: exact, shared, local")
    group.add_argument("--norm", help="how errors pass batch norm: full, scale, own")
    group.add_argument(
        "--rules",
        nargs="+",
        metavar="RULE",
        help="instead of a verdict, a table of what rules cost in wiring (docs/rules.md): all, or "
        "their names, as in --rules bp kp asap,k=4",
    )


def _add_questions(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--constraint",
        default="papers",
        metavar="NAMES",
        help="what must hold, by commas: papers (no reciprocal pair by drive, teach, mimic; "
        f"default), all (gate and norm too), and others: {', '.join(CONSTRAINTS[2:])} (with = in "
        "place of <= and >= no quotes are needed). Exit status 1 when one is violated",
    )
    group.add_argument("--locality", action="store_true", help="list what each synapse learns from")
    group.add_argument(
        "--signals",
        action="store_true",
        help="what carries each signal as spikes, what every cell is told, and what synapses read "
        "beyond their own two cells (docs/spiking_signals.md)",
    )
    group.add_argument(
        "--draw",
        type=Path,
        metavar="FILE",
        help="draw the wired circuit, pairs joined both ways shaded, blocks of deep nets folded: "
        "as .html, which explains what is pointed at, .svg, .png or .pdf",
    )
    group.add_argument(
        "--return-paths",
        action="store_true",
        help=f"follow return paths in circuits of more than {MANY_NEURONS:,} neurons and in large "
        "graphs too",
    )
