"""`oneway check CIRCUIT --rules ...`: what rules cost in wiring, side by side."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import asdict

from oneway.analysis.costs import Costs, costs_table, wiring_costs
from oneway.circuits import Circuit, WiringError
from oneway.rules import parse_rule

from ..errors import ConfigError
from ..progress import ProgressBar
from ..rulespage import VARIANTS
from ..terminal import say
from .shared import print_json, tell


def show_rules(circuit: Circuit, arguments: argparse.Namespace) -> int:
    """Print the table; which rules do not fit the circuit is said beside it."""
    if arguments.rule is not None:
        raise ConfigError("--rule and --rules: name one rule for its verdict, or several")
    if circuit.target is not None:
        raise ConfigError(f"{circuit.name!r} is wired already: --rules wires a forward circuit")
    with redirect_stdout(sys.stderr):
        costs = _count(_wire(circuit, arguments))
    if arguments.json:
        print_json({"circuit": circuit.name, "rules": [_as_dict(*each) for each in costs.items()]})
    else:
        say(costs_table(costs))
    return 0


def _count(wired: Mapping[str, Circuit]) -> dict[str, Costs]:
    costs = {}
    with ProgressBar("rules", len(wired)) as progress:
        for name, circuit in wired.items():
            costs[name] = wiring_costs(circuit)
            progress.advance(name)
    return costs


def _wire(circuit: Circuit, arguments: argparse.Namespace) -> dict[str, Circuit]:
    every = arguments.rules == ["all"]
    wired = {}
    for name in VARIANTS if every else arguments.rules:
        rule = parse_rule(name, gate=arguments.gate, norm=arguments.norm)
        try:
            wired[rule.label()] = rule.wire(circuit)
        except WiringError as error:
            if not every:
                raise
            tell(f"{name} is left out: {error}")
    return wired


def _as_dict(name: str, costs: Costs) -> dict:
    counts = {key: value for key, value in asdict(costs).items() if key != "traffic"}
    return {"rule": name, **counts, "cells_read": costs.traffic.elements}
