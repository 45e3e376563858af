"""Options of `oneway spike`."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import Field, fields
from pathlib import Path

from ...recipes.recipe import recipe_keys
from ...spiking.config import SpikingConfig
from .shared import add_examples, add_json, explained

DATA = ("data", "data_dir", "test_fraction")
CELLS = ("dynamics", "presentation", "input", "in_turn", "unshared", "dale", "pairs")
PROGRAM = ("target", "threads", "no_cache")


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.usage = "%(prog)s CIRCUIT --rule RULE [options]"
    parser.add_argument(
        "circuit",
        metavar="CIRCUIT",
        help="builder string (mlp:64-48-48-10) or circuit file (JSON, GraphML)",
    )
    settings = {described.name: described for described in fields(SpikingConfig)}
    apart = {*CELLS, *PROGRAM, "lesions"}
    _add_task(parser.add_argument_group("rule, data and weights to start from"))
    cells = parser.add_argument_group("cells, synapses and delays")
    _add_settings(cells, (settings[name] for name in CELLS))
    _add_connections(cells, settings["lesions"])
    learning = parser.add_argument_group("how it learns, and for how long")
    _add_settings(learning, (s for name, s in settings.items() if name not in apart))
    _add_settings(parser.add_argument_group("how it is run"), (settings[name] for name in PROGRAM))
    _add_results(parser.add_argument_group("what is written"))
    add_json(parser)
    add_examples(
        parser,
        "oneway spike mlp:64-48-48-10 --rule kp --samples 240 --out spikes",
        "oneway spike mlp:50-50-10 --rule wm --no-task --seconds 40",
        "oneway spike mlp:64-48-48-10 --rule kp --weights RUN",
        "oneway spike mlp:64-12-10 --rule kp --show-code > kp.py",
        "oneway spike mlp:64-48-48-10 --rule kp --show-code --out script",
    )


def _add_task(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--rule", metavar="RULE", help="rule that wires it (kp, asap,gate=local)")
    group.add_argument("--gate", help="how φ′ enters the feedback path: exact, shared, local")
    group.add_argument(
        "--no-task",
        dest="task",
        action="store_false",
        help="no data: only the phases in which noise drives the circuit (a mirror's)",
    )
    for key in DATA:
        help, metavar = explained(recipe_keys()[key]), key.rpartition("_")[2].upper()
        group.add_argument(f"--{key.replace('_', '-')}", metavar=metavar, help=help)
    group.add_argument(
        "--samples",
        dest="limit",
        metavar="N",
        help="use only N training samples, or N,M with M for the test",
    )
    group.add_argument(
        "--weights",
        metavar="FILE",
        help="start from what a run of oneway train or spike has learned: its folder or "
        "safetensors file; only tests, unless --epochs is given",
    )


def _add_connections(group: argparse._ArgumentGroup, lesions: Field) -> None:
    group.add_argument(
        "--delay",
        action="append",
        metavar="MS",
        help="milliseconds that spikes are on their way; 'PROJECTION=MS' for one projection alone, "
        "and again for others",
    )
    group.add_argument(
        "--lesion",
        dest="lesions",
        action="append",
        metavar="PROJECTION@SECONDS",
        help=explained(lesions),
    )


def _add_results(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--rates-too",
        action="store_true",
        help="also the accuracy of the same weights as rates, and of the circuit trained as rates",
    )
    group.add_argument(
        "--out", type=Path, metavar="DIR", help="folder for result, weights, spikes and pictures"
    )
    group.add_argument(
        "--spikes",
        type=Path,
        metavar="FILE",
        help="write the spikes of all populations as npz, or as NWB where FILE ends in .nwb: of "
        "the whole run, or of --spikes-window",
    )
    group.add_argument(
        "--spikes-window",
        metavar="START:END",
        help="of which simulated seconds --spikes writes; all by default, which of long runs is "
        "much",
    )
    group.add_argument("--nir", type=Path, metavar="FILE", help="write the forward net as NIR")
    group.add_argument(
        "--show-code",
        action="store_true",
        help="print the circuit as a Brian2 script that runs without oneway, and stop: with its "
        "weights in it as long as it has no more than 100 kB; with --out DIR script and weights "
        "are put there, in a file each",
    )


def _add_settings(group: argparse._ArgumentGroup, settings: Iterable[Field]) -> None:
    for described in settings:
        option, help = f"--{described.name.replace('_', '-')}", explained(described)
        if described.default is False:
            group.add_argument(option, action="store_true", default=None, help=help)
        else:
            metavar = "NAME" if described.metadata["choices"] else described.name[0].upper()
            group.add_argument(option, type=type(described.default), metavar=metavar, help=help)
