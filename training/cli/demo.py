"""`oneway demo`: hands over to the tour."""

from __future__ import annotations

import argparse

from ..terminal import say


def run(arguments: argparse.Namespace) -> int:
    from ..demo.show import run_demo

    report = run_demo(arguments.out, quick=arguments.quick)
    say(f"report: {report}")
    return 0
