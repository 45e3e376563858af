"""`oneway demo`: hands over to the tour."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("demo"),
        metavar="DIR",
        help="folder of the report (default: %(default)s)",
    )
    parser.add_argument(
        "--quick", action="store_true", help="fewer epochs and seeds, to see the report in seconds"
    )


def run(arguments: argparse.Namespace) -> int:
    from ..demo.show import run_demo

    report = run_demo(arguments.out, quick=arguments.quick)
    print(f"report: {report}")
    return 0
