"""Options of `oneway bench`."""

from __future__ import annotations

import argparse

from .shared import add_examples, add_json

DEFAULT_CIRCUIT = "resnet18:3x32x32-10,width=16"
DEFAULT_RULES = ("bp,fa,kp,dfa,wm,asap,asap,k=4",)


def add_options(parser: argparse.ArgumentParser) -> None:
    _add_contenders(parser.add_argument_group("who is measured"))
    _add_measuring(parser.add_argument_group("how it is measured"))
    add_json(parser)
    add_examples(
        parser,
        "oneway bench --circuit mlp:64-32-32-10 --rules bp,kp,asap --repeats 5",
        "oneway bench --circuit mlp:64-32-32-10 --rules kp --plan",
        "oneway bench --device cuda --batch 256 --dtype bfloat16 --channels-last",
    )


def _add_contenders(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--circuit",
        default=DEFAULT_CIRCUIT,
        help="builder string or circuit file, not wired (default: %(default)s)",
    )
    group.add_argument(
        "--rules",
        nargs="+",
        metavar="RULE",
        help="rules, separated by commas or blanks; what has an equals sign is an option of the "
        "rule before it: bp,fa,asap,k=4,gate=local,kp or bp fa asap,k=4 (default: "
        f"{DEFAULT_RULES[0]}), but for blocks that the circuit is not deep enough for",
    )


def _add_measuring(group: argparse._ArgumentGroup) -> None:
    _add_number(group, "batch", 16, "samples a step")
    group.add_argument("--device", default="cpu", help="cpu or cuda (default: %(default)s)")
    group.add_argument(
        "--dtype",
        default="float32",
        help="float32, float64, bfloat16 or float16, on both sides; with 16 bits, weights, "
        "optimizer and loss keep 32, for autograd by torch.autocast (default: %(default)s)",
    )
    group.add_argument(
        "--channels-last",
        action="store_true",
        help="channels of a pixel side by side in memory, on both sides",
    )
    group.add_argument(
        "--compile",
        default="no",
        metavar="MODE",
        help="torch.compile forward, loss and backward of both sides: no, default, "
        "reduce-overhead, max-autotune or max-autotune-no-cudagraphs; minutes a rule before "
        "anything is timed. "
        "Both optimizers are torch's fused ones. Memory is measured without CUDA graphs, on a CPU "
        "uncompiled (default: %(default)s)",
    )
    _add_number(group, "repeats", 15, "rounds in which everyone has one turn")
    _add_number(group, "threads", None, "threads on the CPU (default: as torch chooses)")
    group.add_argument(
        "--plan",
        action="store_true",
        help="show what each rule's step keeps in memory until when, and measure nothing",
    )


def _add_number(group: argparse._ArgumentGroup, name: str, default: int | None, help: str) -> None:
    if default is not None:
        help += " (default: %(default)s)"
    group.add_argument(f"--{name}", type=int, default=default, metavar="N", help=help)
