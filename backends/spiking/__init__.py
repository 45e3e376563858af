"""Wired circuits as spiking neurons in Brian2.

Importing this package needs no Brian2; using what it offers does. Its rooms, of which each knows
only those below it:

============  ==================================================================================
network       the public face; beside it parameters, weights and cell models, which all floors know
exchange      spike trains, NIR graphs, rate networks and the Brian2 program, out and back
sessions      what is done with a circuit: samples presented, noise let in, one step; and records
translation   populations, projections and plasticity as groups of cells and synapses
brian         what Brian2 is told, as plain data; and what runs: objects, programs, a script
============  ==================================================================================
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .dynamics import Dynamics
    from .exchange.carriers import Carriers
    from .exchange.nir import from_nir, nir_losses, to_nir
    from .exchange.spikes import from_neo, load_spikes, save_spikes, to_neo
    from .models import adaptive, conductance, two_compartment
    from .network import SpikingNetwork
    from .parameters import SpikingParameters
    from .sessions.engine import Rates
    from .sessions.limits import IdleWarning, SaturationWarning, at_limit_said
    from .sessions.objects import BrianObjects
    from .sessions.record import (
        Changes,
        PhaseInterval,
        Presentation,
        SpikeData,
        Spikes,
        SpontaneousRecord,
        Trace,
    )

_NAMES = {
    "exchange.carriers": "Carriers",
    "exchange.nir": "from_nir nir_losses to_nir",
    "exchange.spikes": "from_neo load_spikes save_spikes to_neo",
    "dynamics": "Dynamics",
    "models": "adaptive conductance two_compartment",
    "network": "SpikingNetwork",
    "parameters": "SpikingParameters",
    "sessions.engine": "Rates",
    "sessions.limits": "IdleWarning SaturationWarning at_limit_said",
    "sessions.objects": "BrianObjects",
    "sessions.record": "Changes PhaseInterval Presentation SpikeData Spikes SpontaneousRecord "
    "Trace",
}
_HOME = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = [
    "BrianObjects",
    "Carriers",
    "Changes",
    "Dynamics",
    "IdleWarning",
    "PhaseInterval",
    "Presentation",
    "Rates",
    "SaturationWarning",
    "SpikeData",
    "Spikes",
    "SpikingNetwork",
    "SpikingParameters",
    "SpontaneousRecord",
    "Trace",
    "adaptive",
    "at_limit_said",
    "conductance",
    "from_neo",
    "from_nir",
    "load_spikes",
    "nir_losses",
    "save_spikes",
    "to_neo",
    "to_nir",
    "two_compartment",
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
