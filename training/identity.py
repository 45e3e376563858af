"""What makes a run the one that it is: its settings, its samples, and what it draws."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from oneway.circuits import Circuit, to_json
from oneway.rules import Rule

from .config import RATES, SPEED, TrainConfig
from .data.dataset import Data
from .distributed import Processes
from .errors import ConfigError
from .records import jsonable, wiring_digest

STREAMS = ("order", "augmentation", "noise")
ON_CPU = ("order",)  # drawn there on every device: it must not depend on where the data lie


def identity(
    wired: Circuit,
    rule: Rule | None,
    data: Data,
    config: TrainConfig,
    loss: torch.nn.Module,
    world: int,
) -> dict[str, Any]:
    """What two runs must have in common for one to go on where the other stopped."""
    settings = {
        "circuit": wired.name,
        "rule": None if rule is None else asdict(rule) | {"name": rule.name},
        "wiring": wiring_digest(to_json(wired)),
        "data": data.name,
        "samples": data.fingerprint(),
        # A function's text would name its address, which is another one in every process.
        "loss": getattr(loss, "__qualname__", str(loss)),
        "config": asdict(config),
        "processes": world,
    }
    return jsonable(settings)  # as it is when read back


def check_resumable(
    folder: Path,
    begun: Mapping[str, Any],
    now: Mapping[str, Any],
    done: int = 0,
    new_rates: bool = False,
) -> None:
    """Complain if a folder holds another run, of which so many epochs are done.

    How fast it computed does not matter, nor on which device, nor in how many processes, nor how
    long it was to be, where what is done would have been the same.
    """
    if now["config"]["epochs"] < done:
        raise ConfigError(
            f"the run in {str(folder)!r} has {done} epochs, more than epochs = "
            f"{now['config']['epochs']}. Give it as many or more; nothing was changed"
        )
    fixed = _fixed_length(now["config"])
    free = {*SPEED, "device", *(RATES if new_rates else ()), *(() if fixed else ("epochs",))}
    listed = differences(_without(free, _known(begun, now)), _without(free, now), "there", "now")
    if listed:
        why = f" ({fixed})" if fixed and "config.epochs = " in listed else ""
        other = "" if new_rates else _other_rates(folder, listed)
        raise ConfigError(
            f"folder {str(folder)!r} holds another run: {listed}{why}. Resume with the settings of "
            f"that run, {other}or choose another folder with --out; nothing was changed"
        )


def changes_of(begun: Mapping[str, Any], now: Mapping[str, Any], done: int) -> list[dict[str, Any]]:
    """The rates that a run has from here on, beside those that it had."""
    before, after = _known(begun, now)["config"], now["config"]
    return [
        {"after_epoch": done, "setting": rate, "before": before[rate], "now": after[rate]}
        for rate in RATES
        if before[rate] != after[rate]
    ]


def processes_of(begun: Mapping[str, Any]) -> int:
    """In how many processes a run was; the first ones did not say."""
    return int(begun.get("processes", 1))


def device_of(begun: Mapping[str, Any]) -> str:
    """The kind of device that a run was on: generators differ between kinds alone."""
    return torch.device(begun["config"]["device"]).type


def _fixed_length(config: Mapping[str, Any]) -> str:
    """Why a run cannot have another number of epochs; nothing where it can."""
    if "cosine" in (config["schedule"], config["feedback_schedule"]):
        return "a cosine ends with the run, so all rates so far would have been others"
    return ""


def _other_rates(folder: Path, listed: str) -> str:
    rate = next((rate for rate in RATES if listed.startswith(f"config.{rate} = ")), None)
    said = f"with 'oneway train --resume {folder} --set {rate}=...' (in Python, new_rates=True), "
    return "" if rate is None else said


def _known(begun: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """What a run had, as far as that is asked for now.

    Settings that came into being since then were at what is now their default.
    """
    kept = {key: begun[key] for key in now if key in begun}
    return {"processes": 1} | kept | {"config": jsonable(asdict(TrainConfig())) | begun["config"]}


def _without(names: Collection[str], identity: Mapping[str, Any]) -> dict[str, Any]:
    config = {key: value for key, value in identity["config"].items() if key not in names}
    return {**identity, "config": config, "processes": None}


def check_alike(processes: Processes, mine: Mapping[str, Any]) -> None:
    """Complain if this process would run something else than the first one."""
    lead = processes.from_lead(lambda: mine)
    if lead != mine:
        raise ConfigError(
            f"process {processes.part.rank} would not run what the first one does: "
            f"{differences(lead, mine, 'in the first', 'here')}. Give all of them the same "
            "settings and data files"
        )


def differences(
    there: Mapping[str, Any], here: Mapping[str, Any], at_first: str, at_second: str
) -> str:
    """In which settings two runs differ, for people; nothing where they are the same."""
    one, other = _flat(there), _flat(here)
    differing = [key for key in other | one if one.get(key) != other.get(key)]
    listed = "; ".join(
        f"{key} = {one.get(key)!r} {at_first}, {other.get(key)!r} {at_second}"
        for key in differing[:5]
    )
    return f"{listed} and {len(differing) - 5} more" if len(differing) > 5 else listed


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def generators(config: TrainConfig, rank: int = 0) -> list[torch.Generator]:
    """One generator a stream, so that what one of them draws cannot shift another.

    Noise is another one in every process; order and augmentation are the same.
    """
    drawn = []
    for stream, name in enumerate(STREAMS):
        noise = name == "noise"
        entropy = [config.seed, stream, rank if noise else 0]
        seed = int(np.random.SeedSequence(entropy).generate_state(1)[0])
        device = "cpu" if name in ON_CPU else config.device
        drawn.append(torch.Generator(device=device).manual_seed(seed))
    return drawn
