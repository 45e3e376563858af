"""What a launcher, such as torchrun, tells the processes that it starts."""

from __future__ import annotations

import os
from datetime import timedelta

import torch.distributed as dist

from .errors import ConfigError

PATIENCE = timedelta(seconds=10)


def several() -> bool:
    """Whether this process is one of several."""
    return "RANK" in os.environ and number("WORLD_SIZE", "1") > 1


def number(variable: str, default: str | None = None) -> int:
    """A number in the environment."""
    text = os.environ.get(variable, default)
    try:
        return int(text or "")
    except ValueError as error:
        raise ConfigError(
            f"environment variable {variable} = {text!r}, expected a number as torchrun sets it"
        ) from error


def local_rank() -> int:
    """This process among those on the same machine."""
    return number("LOCAL_RANK", os.environ.get("RANK", "0"))


def first_to_fail() -> bool:
    """Whether to say what went wrong: of processes that fail together, one does."""
    try:
        if not (several() and dist.is_torchelastic_launched()):
            return True
        # torchrun's own, which outlives the processes.
        address = os.environ["MASTER_ADDR"], number("MASTER_PORT")
        store = dist.TCPStore(*address, is_master=False, timeout=PATIENCE)
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        return store.add(f"oneway/failed/{attempt}", 1) == 1
    except (RuntimeError, KeyError, ConfigError):
        return True
