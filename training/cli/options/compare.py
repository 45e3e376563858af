"""Options of `oneway compare`."""

from __future__ import annotations

import argparse
from pathlib import Path

from .shared import add_examples, add_json

ALL = "all"
# As run_figures has them.
FIGURES = (
    "overview",
    "accuracy",
    "errors",
    "learning",
    "matrix-angles",
    "delta-angles",
    "direct-angles",
    "weights",
    "norm-ratios",
    "gap",
)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folders",
        nargs="+",
        type=Path,
        metavar="DIR",
        help="folders of runs that 'oneway train' left, or folders above them",
    )
    pictures = parser.add_argument_group("pictures")
    pictures.add_argument(
        "--plot",
        type=Path,
        metavar="FILE",
        help="draw accuracies and angles, or what --figure says, into a .png, .svg or .pdf file",
    )
    pictures.add_argument(
        "--figure",
        action="append",
        choices=[*FIGURES, ALL],
        metavar="NAME",
        help=f"what --plot draws: {', '.join(FIGURES)}, or {ALL} that the runs have (default: "
        "overview). May be given several times: each figure then has a file of its own, FILE with "
        "its name before the suffix",
    )
    add_json(parser)
    add_examples(
        parser,
        "oneway compare runs",
        "oneway compare runs/kp runs/fa --plot angles.png --figure matrix-angles",
        "oneway compare runs --json",
    )
