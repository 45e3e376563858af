"""`oneway demo`: hands over to the tour."""

from __future__ import annotations

import argparse


def run(arguments: argparse.Namespace) -> int:
    from ..demo.show import run_demo

    report = run_demo(arguments.out, quick=arguments.quick)
    print(f"report: {report}")
    return 0
