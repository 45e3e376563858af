"""First weights of the drives, (post, pre)."""

from __future__ import annotations

from collections.abc import Mapping
from zlib import crc32

import numpy as np

from oneway.circuits import (
    AllToAllConnector,
    Circuit,
    Connector,
    Projection,
    TransposeConnector,
    WiringError,
)

WeightMap = Mapping[str, np.ndarray]


def is_all_to_all(connector: Connector) -> bool:
    """Whether every pair is joined, whichever way the weights are stored."""
    inner = connector.inner if isinstance(connector, TransposeConnector) else connector
    return isinstance(inner, AllToAllConnector)


def first_weights(circuit: Circuit, given: WeightMap | None, seed: int) -> dict[str, np.ndarray]:
    """Weights of every all-to-all drive that owns its weights: as given, or its own draw.

    Each drive has a generator of its own, seeded by `seed` and its name, so that no draw depends
    on what else is wired.
    """
    given = dict(given or {})
    own = {
        p.name: p
        for p in circuit.select(role="drive")
        if is_all_to_all(p.connector) and p.weights is not None and p.weights.kind == "independent"
    }
    for name in given:
        if name not in own:
            raise WiringError(
                f"weights= names {name!r}, which is not an all-to-all drive with weights of its "
                f"own. There are: {', '.join(own)}"
            )
    weights = {
        name: _checked(circuit, p, given[name]) if name in given else _draw(circuit, p, seed)
        for name, p in own.items()
    }
    for name, p in own.items():
        if name not in given and _start(p) == "aligned":
            weights[name] = _aligned(circuit, p, weights)
    return weights


def _start(p: Projection) -> str | None:
    return p.weights.start if p.weights else None


def _shape(circuit: Circuit, p: Projection) -> tuple[int, int]:
    return circuit.populations[p.post].size, circuit.populations[p.pre].size


def _checked(circuit: Circuit, p: Projection, value: np.ndarray) -> np.ndarray:
    value = np.array(value, dtype=float)
    if value.shape != _shape(circuit, p):
        raise WiringError(
            f"{p.label}: weights have shape {value.shape}, but (post, pre) = "
            f"{_shape(circuit, p)}. Did you pass the transpose?"
        )
    return value


def _draw(circuit: Circuit, p: Projection, seed: int) -> np.ndarray:
    pre, post = circuit.populations[p.pre], circuit.populations[p.post]
    fan_in = p.connector.fan_in(pre.shape, post.shape)
    generator = np.random.default_rng([seed, crc32(p.name.encode())])
    if _start(p) == "kaiming_normal":
        return generator.normal(0.0, np.sqrt(2 / fan_in), _shape(circuit, p))
    bound = 1 / np.sqrt(fan_in)
    return generator.uniform(-bound, bound, _shape(circuit, p))


def _aligned(circuit: Circuit, p: Projection, weights: WeightMap) -> np.ndarray:
    source = circuit.projections[p.weights.to]  # type: ignore[union-attr, index]
    copy = weights[source.name].copy()
    return copy.T if p.connector == source.connector.transpose else copy
