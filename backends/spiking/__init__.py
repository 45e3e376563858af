"""Wired circuits as spiking neurons in Brian2.

Importing this package needs no Brian2; using what it offers does.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .exchange.nir import from_nir, to_nir
    from .exchange.spikes import SpikeData, from_neo, load_spikes, save_spikes, to_neo
    from .network import SpikingNetwork
    from .parameters import SpikingParameters
    from .sessions.engine import Rates
    from .sessions.record import Changes, PhaseInterval, Presentation, Spikes, SpontaneousRecord

_HOME = {
    "Changes": "sessions.record",
    "Presentation": "sessions.record",
    "Rates": "sessions.engine",
    "SpikingNetwork": "network",
    "SpikingParameters": "parameters",
    "PhaseInterval": "sessions.record",
    "Spikes": "sessions.record",
    "SpontaneousRecord": "sessions.record",
    "SpikeData": "exchange.spikes",
    "from_neo": "exchange.spikes",
    "load_spikes": "exchange.spikes",
    "save_spikes": "exchange.spikes",
    "to_neo": "exchange.spikes",
    "from_nir": "exchange.nir",
    "to_nir": "exchange.nir",
}

__all__ = [
    "Changes",
    "PhaseInterval",
    "Presentation",
    "Rates",
    "SpikeData",
    "Spikes",
    "SpikingNetwork",
    "SpikingParameters",
    "SpontaneousRecord",
    "from_neo",
    "from_nir",
    "load_spikes",
    "save_spikes",
    "to_neo",
    "to_nir",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "brian2":
            raise
        raise ModuleNotFoundError(
            f"{name} runs on Brian2, which is not installed: "
            'pip install "oneway[spiking]". Everything else works without it',
            name="brian2",
        ) from error
