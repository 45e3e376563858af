"""What a measurement was made on, in one line."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import torch


def hardware_line(device: str = "cpu") -> str:
    """Processor or GPU, threads, versions, and how busy the machine was when asked."""
    if torch.device(device).type == "cuda":
        where = torch.cuda.get_device_name(device)
    else:
        used = torch.get_num_threads()
        threads = f"{used} thread{'s' if used > 1 else ''}"
        where = f"{processor()}, {os.cpu_count()} cores, {threads}"
    return f"{where}; torch {torch.__version__}, Python {platform.python_version()}{_load()}"


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
