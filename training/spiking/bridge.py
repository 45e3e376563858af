"""Weights between the two backends, by projection name: from a run as rates, and into a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from torch import Tensor

from oneway.backends.rate import RateNetwork
from oneway.circuits import Circuit
from oneway.circuits.format_version import misread

from ..checkpoint import CHECKPOINT
from ..data.dataset import DataSet
from ..errors import DataError
from ..files import whole
from ..run_state import read_run_state

WEIGHTS = "weights.safetensors"
FORMAT, VERSION = "oneway-weights", 1
Arrays = Mapping[str, np.ndarray]
# Samples on which activity is looked at.
SEEN = 200


@dataclass(frozen=True)
class Learned:
    """What a circuit has learned; `missing` feedback weights start from their own draw."""

    weights: dict[str, np.ndarray]  # drive → (post, pre, ...)
    biases: dict[str, np.ndarray]
    missing: list[str] = field(default_factory=list)


def save_weights(path: Path, circuit: Circuit, weights: Arrays, biases: Arrays) -> Path:
    """Weights as ``weights/PROJECTION``, (post, pre, ...), and biases as ``biases/POPULATION``."""
    arrays = {f"weights/{name}": w for name, w in weights.items()}
    arrays |= {f"biases/{name}": b for name, b in biases.items()}
    about = {"format": FORMAT, "version": str(VERSION), "circuit": circuit.name}
    content = save({name: np.ascontiguousarray(a) for name, a in arrays.items()}, about)
    with whole(path) as unfinished:
        unfinished.write_bytes(content)
    return path


def read_weights(source: str | Path, wired: Circuit) -> Learned:
    """What a run of ``oneway train`` or ``oneway spike`` has learned, for a circuit.

    `source` is its folder, or the safetensors file in it; another rule may have wired the circuit.

    Raises
    ------
    DataError
        There is nothing, it is damaged, or its weights do not fit the circuit.
    """
    path = _file(Path(source).expanduser())
    rates = RateNetwork(wired, dtype=torch.float64)
    found = _own_file(path) or _checkpoint(path, rates)
    weights, biases, missing = {}, {}, []
    for name in rates.weights:
        p = wired.projections[name]
        if name in found.weights:
            expected = tuple(rates.weight(name).shape)
            weights[name] = _fitting(path, p.label, found.weights[name], expected)
        elif wired.populations[p.post].path == "forward":
            raise DataError(
                f"{str(path)!r} has no weights for {p.label}; it has "
                f"{', '.join(found.weights) or 'none at all'}. Was it a run of this circuit?"
            )
        else:
            missing.append(name)
    for name, bias in rates.biases.items():
        if name in found.biases:
            label, expected = f"population {name!r}", tuple(bias.shape)
            biases[name] = _fitting(path, label, found.biases[name], expected)
    return Learned(weights, biases, missing)


def _file(path: Path) -> Path:
    if path.is_file():
        return path
    for name in (CHECKPOINT, WEIGHTS):
        if (path / name).is_file():
            return path / name
    raise DataError(
        f"{str(path)!r} holds no weights: expected a safetensors file, or a folder with "
        f"{CHECKPOINT} (of oneway train) or {WEIGHTS} (of oneway spike)"
    )


def _own_file(path: Path) -> Learned | None:
    """What `save_weights` wrote; None for another safetensors file."""
    try:
        with safe_open(path, framework="np") as file:
            about = file.metadata() or {}
            if about.get("format") != FORMAT:
                return None
            arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    # Types that numpy has no word for fail in another way than damage.
    except (SafetensorError, OSError, ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{str(path)!r} cannot be read as safetensors ({error})") from error
    if reason := misread(about, FORMAT, VERSION):
        raise DataError(f"weights in {str(path)!r} cannot be read: {reason}")
    return Learned(_below("weights/", arrays), _below("biases/", arrays))


def _below(prefix: str, arrays: Mapping[str, Any]) -> dict[str, Any]:
    return {k.removeprefix(prefix): a for k, a in arrays.items() if k.startswith(prefix)}


def _checkpoint(path: Path, rates: RateNetwork) -> Learned:
    """Weights in a checkpoint, turned into (post, pre, ...) by the rate network itself."""
    state: Mapping[str, Tensor] = read_run_state(path)["network"]
    weights, biases = (
        {name: tensor.double().numpy() for name, tensor in _below(prefix, state).items()}
        for prefix in ("weights.", "biases.")
    )
    for name, w in rates.weights.items():
        if name in weights and weights[name].shape == w.shape:
            with torch.no_grad():
                w.copy_(torch.as_tensor(weights[name]))
            weights[name] = rates.weight(name).numpy().copy()
    return Learned(weights, biases)


def _fitting(path: Path, label: str, a: np.ndarray, expected: tuple[int, ...]) -> np.ndarray:
    """The array, if it has the shape that its owner needs."""
    if a.shape != expected:
        raise DataError(
            f"{str(path)!r}: what it holds for {label} has shape {a.shape}, expected {expected}. "
            "Was it a run of this circuit?"
        )
    if a.dtype.kind not in "fiu":
        raise DataError(f"{str(path)!r}: {label} holds {a.dtype}, expected real numbers")
    if not np.isfinite(a).all():
        raise DataError(f"{str(path)!r}: {label} holds values that are not finite numbers")
    return a


def rates_accuracy(wired: Circuit, data: DataSet, weights: Arrays, biases: Arrays) -> float:
    """Test accuracy of given forward weights as rates."""
    rates = as_rates(wired.forward_circuit(), weights, biases)
    answers = rates(data.normalise(data.test_x, torch.float64)).argmax(1)
    return float((answers == data.test_y).double().mean())


def largest_activity(wired: Circuit, data: DataSet, learned: Learned) -> float:
    """Of hidden cells as rates, on some training samples: what spikes will have to stand for."""
    rates = as_rates(wired, learned.weights, learned.biases)
    x = data.normalise(data.train_x[:SEEN], torch.float64)
    signals = rates.signals(x, data.train_y[:SEEN])
    ends = {wired.inputs[0].name, wired.output.name}
    hidden = [name for name in wired.order("forward") if name not in ends]
    return max((float(signals[name].abs().max()) for name in hidden), default=0.0)


def as_rates(circuit: Circuit, weights: Arrays, biases: Arrays) -> RateNetwork:
    """The circuit as rates, with given weights, (post, pre, ...); others as drawn."""
    rates = RateNetwork(circuit, dtype=torch.float64)
    put(rates, weights, biases)
    return rates


@torch.no_grad()
def put(rates: RateNetwork, weights: Arrays, biases: Arrays) -> None:
    """Give a network as rates these weights, as far as it has such."""
    for name in rates.weights:
        if name in weights:
            rates.weight(name).copy_(torch.as_tensor(weights[name]))  # a view of what is stored
    for name, bias in rates.biases.items():
        if name in biases:
            bias.copy_(torch.as_tensor(biases[name]))
