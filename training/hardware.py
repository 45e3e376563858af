"""What a measurement was made on, in one line."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
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

    float32 means there what torch makes of it: TF32, with 10 significant bits, in convolutions, and
    all 24 in matrix products.
    """
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = before or torch.device(device).type == "cuda"
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


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
