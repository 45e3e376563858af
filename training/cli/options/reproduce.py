"""Options of `oneway reproduce`."""

from __future__ import annotations

import argparse
from pathlib import Path

from .shared import add_allow_code, add_examples, add_json

RULE = """\
Without --budget every cell is run at full length, the first seeds of all cells before the second
ones; rows come as in the table, and in each row backpropagation and the floor first. With
--budget, whole rows are taken as long as they fit. Of the first row that does not, single cells
are taken, and what is left of the budget goes to all of this row once more, shortened to the
greatest length that all its cells can have; those are cells of their own (cifar10/asap @ 30
epochs). Their schedules shrink with them: a cosine ends with the run, warm-ups, milestones and
steps come at the same part of it. Time spent on measuring counts, a tenth of the rest is kept in
reserve, and a run that would go past the budget is not begun. Exit code: 0, or 1 where a cell
failed, 2 where nothing can be run, 130 after Ctrl-C."""


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "table",
        nargs="?",
        metavar="TABLE",
        help="a table that 'oneway recipes' lists or a TOML file, or a row or cell of it, as in "
        "asap-table1/cifar10-resnet18",
    )
    _add_choice(parser.add_argument_group("how much of it"))
    _add_folder(parser.add_argument_group("where, and going on"))
    _add_hardware(parser.add_argument_group("data, hardware and speed"))
    add_allow_code(parser)
    add_json(parser)
    add_examples(
        parser,
        "oneway reproduce asap-table1/cifar10-resnet18 --data-dir DATA --budget 25m",
        "oneway reproduce asap-table1 --rules bp asap --data-dir DATA --plan --out table",
        "oneway reproduce --resume --out table",
        "oneway reproduce --resume --out table --data-dir DATA   (which lie elsewhere now)",
        about=RULE,
    )


def _add_choice(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--rows", nargs="+", metavar="ROW", help="only these rows")
    group.add_argument("--rules", nargs="+", metavar="COLUMN", help="only these columns")
    group.add_argument(
        "--budget", metavar="TIME", help="what all may take, as in 25m, 90s or 1h30m (default: any)"
    )
    group.add_argument(
        "--epochs",
        type=int,
        metavar="N",
        help="run all cells at this length, as cells of their own",
    )
    group.add_argument(
        "--seeds",
        type=int,
        metavar="N",
        help="runs of each cell (default: as the table says, or 1)",
    )
    group.add_argument(
        "--plan",
        action="store_true",
        help="measure, print the plan and stop; with --out the plan is kept for --resume",
    )


def _add_folder(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--out", type=Path, metavar="DIR", help="an empty folder (default: a new one in runs/)"
    )
    group.add_argument(
        "--resume",
        action="store_true",
        help="go on in --out with all that is missing there, what a budget had left out too, as "
        "long as --budget lets it; of the settings, --data-dir, --device, --compile and "
        "--channels-last may change; several calls at once share what there is to do",
    )


def _add_hardware(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--data-dir", metavar="DIR", help="folder with the official data files")
    group.add_argument("--device", help="torch device (default: as the table says, or cpu)")
    group.add_argument("--dtype", help="floating point type, as for 'oneway train'")
    group.add_argument(
        "--channels-last", action="store_true", default=None, help="as for 'oneway train'"
    )
    group.add_argument("--compile", metavar="MODE", help="torch.compile, as for 'oneway train'")
