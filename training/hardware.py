"""What a measurement was made on, in one line."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import torch

from .errors import ConfigError


def hardware_line(device: str = "cpu") -> str:
    """Processor or GPU, threads, versions, and how busy the machine was when asked."""
    if torch.device(device).type == "cuda":
        where = torch.cuda.get_device_name(device)
    else:
        used = torch.get_num_threads()
        threads = f"{used} thread{'s' if used > 1 else ''}"
        where = f"{processor()}, {os.cpu_count()} cores, {threads}"
    return f"{where}; torch {torch.__version__}, Python {platform.python_version()}{_load()}"


@contextmanager
def fastest_kernels(device: str = "cpu") -> Iterator[None]:
    """Let cuDNN try its convolutions on a GPU and keep the fastest for each shape.

    On a CPU memory is kept for the next tensor (`kept_memory`).

    float32 means there what torch makes of it: TF32, with 10 significant bits, in convolutions, and
    all 24 in matrix products.
    """
    before = torch.backends.cudnn.benchmark
    on_gpu = torch.device(device).type == "cuda"
    torch.backends.cudnn.benchmark = before or on_gpu
    try:
        with nullcontext() if on_gpu else kept_memory():
            yield
    finally:
        torch.backends.cudnn.benchmark = before


# Parameters of glibc's mallopt, and what they are at rest: blocks mapped one by one, free memory
# at the end of the heap before it is given back (the most that glibc itself would set).
_MMAP_MAX, _MAPPED_AT_REST = -4, 65536
_TRIM_THRESHOLD, _FREE_AT_REST = -1, 2**26


@contextmanager
def kept_memory() -> Iterator[None]:
    """Let glibc keep what tensors free for the next ones, rather than give it back to the system.

    Which hands it out again page by page, each set to zero first: a third of a step's time for
    images on a CPU. Elsewhere than on Linux with glibc nothing changes.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None:
        yield
        return
    mallopt(_MMAP_MAX, 0)
    mallopt(_TRIM_THRESHOLD, 2**31 - 1)
    try:
        yield
    finally:
        mallopt(_MMAP_MAX, _MAPPED_AT_REST)
        mallopt(_TRIM_THRESHOLD, _FREE_AT_REST)


@contextmanager
def threads(number: int | None) -> Iterator[None]:
    """Let torch use so many threads on the CPU for a while; None leaves it as it is."""
    if number is not None and number < 1:
        raise ConfigError(f"threads {number}, expected at least 1")
    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def processor() -> str:
    """What Linux calls it, since Python only knows the architecture there."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _load() -> str:
    """Load average of the last minute; some systems have none."""
    try:
        return f"; load {os.getloadavg()[0]:.2f}"
    except (AttributeError, OSError):
        return ""
