"""Options of `oneway export`."""

from __future__ import annotations

import argparse
from pathlib import Path

from .shared import add_examples, add_json

FORMATS = {
    ".onnx": "an ONNX graph with the weights, for any batch (extra: onnx)",
    ".pt": "a state_dict, which the module's own class loads (torch.load)",
    ".safetensors": "the same as safetensors",
    "": "without one, a folder: the run itself, for load_run, without the optimizer's memory",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="RUN", help="folder of a finished run")
    formats = "; ".join(f"{suffix}: {what}".removeprefix(": ") for suffix, what in FORMATS.items())
    parser.add_argument(
        "--to",
        required=True,
        type=Path,
        metavar="FILE",
        help="the file or folder to write, which must not be there; its suffix says what. "
        f"{formats}",
    )
    add_json(parser)
    add_examples(
        parser,
        "oneway export runs/asap --to asap.onnx",
        "oneway export runs/asap --to asap.pt",
        "oneway export runs/asap --to asap-without-optimizer",
    )
