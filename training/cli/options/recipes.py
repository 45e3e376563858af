"""Options of `oneway recipes`."""

from __future__ import annotations

import argparse

from .shared import add_allow_code, add_examples, add_json


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action",
        nargs="?",
        metavar="ACTION",
        default="list",
        choices=("list", "show", "check"),
        help="list: those of which every given word is in the name, data, network or rule (the "
        "default); show: one recipe's settings; check: whether recipes are in order, all that come "
        "with oneway or those named",
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="words, the name of a recipe, or TOML files"
    )
    add_allow_code(parser)
    add_json(parser)
    add_examples(
        parser,
        "oneway recipes list cifar10 asap",
        "oneway recipes show asap-table1/cifar10-resnet18/asap",
        "oneway recipes check examples/mnist_mlp.toml",
    )
