"""Checkpoints: the whole state of a run in one safetensors file, which holds no code.

Tensors (weights, running statistics, optimizer state, generator states) lie in the file under
readable names. What is no tensor (progress, metrics, learning rates) stands in its metadata as
JSON, in which a tensor is named: ``{"tensor": "optimizers/forward/state/0/momentum_buffer"}``.
"""

from __future__ import annotations

import json
import os
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from oneway.circuits.format_version import misread
from oneway.circuits.json_text import parse_json

from .errors import DataError, first_line

CHECKPOINT = "checkpoint.safetensors"
FORMAT, VERSION = "oneway-checkpoint", 1

_TENSOR = "tensor"


class Pace:
    """How often to write: what takes long comes less often, and takes a twentieth of all time.

    Of a large network on a fast GPU, a checkpoint takes as long as an epoch.
    """

    QUICK_S, APART = 0.1, 20

    def __init__(self) -> None:
        self._took, self._written = 0.0, 0.0

    def due(self) -> bool:
        return time.monotonic() - self._written >= self.APART * self.slow_s

    @property
    def slow_s(self) -> float:
        """How long the last one took, where that is why the next one waits."""
        return self._took if self._took >= self.QUICK_S else 0.0

    @contextmanager
    def writing(self) -> Iterator[None]:
        began = time.monotonic()
        yield
        self._written = time.monotonic()
        self._took = self._written - began


def write_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Replace the checkpoint by a newer one; until that is complete on disk, the old one stays.

    A state is made of nested mappings and lists of tensors, numbers, text and None.
    """
    tensors: dict[str, Tensor] = {}
    values = json.dumps(_named(state, "", tensors))
    about = {"format": FORMAT, "version": str(VERSION), "state": values}
    about["checksum"] = _checksum(values, tensors)
    # One name for all attempts, so that those cut short do not pile up.
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        with unfinished.open("wb") as file:
            _write(file, tensors, about)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    finally:  # on a full disk others need the room
        unfinished.unlink(missing_ok=True)
    _to_disk(path.parent)


_DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


def _write(file: BinaryIO, tensors: Mapping[str, Tensor], about: Mapping[str, str]) -> None:
    """Write safetensors' format: the length of a header, the header as JSON, and the values.

    Its own writer has temporary files of its own, which stay where it is killed and which nobody
    else may read, or makes two copies of everything in memory.
    """
    # The widest first, so that each begins where numbers of its size may lie.
    widest_first = sorted(tensors.items(), key=lambda item: -item[1].element_size())
    header: dict[str, Any] = {"__metadata__": about}
    end = 0
    for name, tensor in widest_first:
        begin, end = end, end + tensor.numel() * tensor.element_size()
        kind, shape = _DTYPES[tensor.dtype], list(tensor.shape)
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little") + text)
    for _, tensor in widest_first:
        file.write(_bytes(tensor))


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The state that `write_checkpoint` was given, with lists for tuples and text for keys."""
    try:
        with safe_open(path, framework="pt") as file:
            about = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    # Types that torch has no word for fail in another way than damage.
    except (SafetensorError, OSError, ValueError, TypeError, AttributeError) as error:
        raise DataError(f"checkpoint {str(path)!r} cannot be read ({error}). {_AGAIN}") from error
    _check_form(path, about)
    if about.get("checksum") != _checksum(about["state"], tensors):
        raise DataError(
            f"checkpoint {str(path)!r} is damaged: its content does not have the checksum that it "
            f"states. {_AGAIN}"
        )
    try:
        state = _resolved(parse_json(about["state"]), tensors)
        if set(tensors) != _names(parse_json(about["state"])) or not isinstance(state, dict):
            raise ValueError("it has not the tensors that its state names")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise DataError(
            f"checkpoint {str(path)!r} is damaged: {first_line(error)}. {_AGAIN}"
        ) from error
    return state


_AGAIN = "Start the run again in another folder; nothing was changed"


def _check_form(path: Path, about: Mapping[str, str]) -> None:
    reason = misread(about, FORMAT, VERSION)
    if reason is None and "state" not in about:
        reason = "it has no state"
    if reason:
        raise DataError(f"checkpoint {str(path)!r} cannot be read: {reason}; nothing was changed")


def fingerprint(*tensors: Tensor) -> str:
    """A checksum of values, shapes and types, wherever the tensors lie."""
    checksum = 0
    for tensor in tensors:
        checksum = zlib.crc32(f"{tensor.dtype} {tuple(tensor.shape)}".encode(), checksum)
        checksum = zlib.crc32(_bytes(tensor.detach().cpu().contiguous()), checksum)
    return f"{checksum:08x}"


def _bytes(tensor: Tensor) -> memoryview:
    """What a tensor on the CPU holds; numpy has no word for some of torch's types."""
    return tensor.reshape(-1).view(torch.uint8).numpy().data


def _checksum(values: str, tensors: Mapping[str, Tensor]) -> str:
    # `values` names every tensor, and reading compares: so the names are covered too.
    contents = fingerprint(*(tensors[name] for name in sorted(tensors)))
    return f"{zlib.crc32(values.encode()):08x}-{contents}"


def _named(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """The same with a name in place of each tensor, which goes into `tensors`."""
    if isinstance(value, Tensor):
        # A copy: safetensors refuses tensors that share their storage.
        tensors[name] = value.detach().to("cpu", copy=True).contiguous()
        return {_TENSOR: name}
    if isinstance(value, Mapping):
        prefix = f"{name}/" if name else ""
        return {str(key): _named(item, f"{prefix}{key}", tensors) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_named(item, f"{name}/{i}", tensors) for i, item in enumerate(value)]
    return value


def _resolved(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(value, dict):
        if value.keys() == {_TENSOR}:
            return tensors[value[_TENSOR]]
        return {key: _resolved(item, tensors) for key, item in value.items()}
    return [_resolved(item, tensors) for item in value] if isinstance(value, list) else value


def _names(value: Any) -> set[str]:
    """The tensors that are named in a state."""
    if isinstance(value, dict):
        if value.keys() == {_TENSOR}:
            return {value[_TENSOR]}
        value = list(value.values())
    return set().union(*map(_names, value)) if isinstance(value, list) else set()


def _to_disk(folder: Path) -> None:
    """Wait until what a folder lists has reached the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
