"""`oneway export`: the network of a finished run as a file that others read."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from oneway.backends.rate import RateNetwork, export_onnx, to_torch

from ..errors import ConfigError
from ..files import whole
from ..networks import copy_run, load_run
from ..terminal import say
from .options.export import FORMATS
from .shared import print_json, tell


def run(arguments: argparse.Namespace) -> int:
    path: Path = arguments.to
    _check(path)
    net = load_run(arguments.folder)
    if not path.suffix:
        copy_run(arguments.folder, path)
    elif path.suffix == ".onnx":
        tell("writing ONNX takes torch some seconds")
        export_onnx(net, path)
    else:
        state = to_torch(net).state_dict()
        with whole(path) as unfinished:
            if path.suffix == ".pt":
                with unfinished.open("wb") as file:  # torch writes a path's name into it
                    torch.save(state, file)
            else:
                save_file({name: t.contiguous() for name, t in state.items()}, unfinished)
    about = _about(net, arguments.folder, path)
    if arguments.json:
        print_json(about)
    else:
        say(
            f"{about['file']}: {about['circuit']}, {about['parameters']:,} parameters, input "
            f"{tuple(about['input'])}, output {tuple(about['output'])} beside the batch"
        )
    return 0


def _check(path: Path) -> None:
    if path.suffix not in FORMATS:
        raise ConfigError(
            f"file {str(path)!r} has the suffix {path.suffix!r}, expected one of "
            f"{', '.join(filter(None, FORMATS))}, or none for a folder"
        )
    if path.exists():
        raise ConfigError(f"file {str(path)!r} is there already: name another one with --to")
    if not path.parent.is_dir():
        raise ConfigError(f"folder {str(path.parent)!r} does not exist: make it first")


def _about(net: RateNetwork, run: str, path: Path) -> dict[str, Any]:
    circuit = net.circuit
    forward = sum(p.numel() for p in to_torch(net).parameters())
    return {
        "run": run,
        "file": str(path),
        "circuit": circuit.name,
        "parameters": forward,
        "input": list(circuit.inputs[0].shape),
        "output": list(circuit.output.shape),
    }
