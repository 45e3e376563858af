"""What drawings say of a population or a projection: in titles, and below the picture."""

from __future__ import annotations

from ..assembly import Assembly
from ..connectors import (
    AllToAllConnector,
    AveragePoolConnector,
    Connector,
    Conv2dConnector,
    MaxPoolConnector,
    OneToOneConnector,
    TransposeConnector,
    both,
)
from ..elements import Population, Projection
from ..errors import WiringError
from ..reading import Reading
from .looks import ROLE_MEANINGS


def pretty(name: str) -> str:
    """A population as the papers write it: error cells are δ."""
    return "δ " + name.removeprefix("delta_") if name.startswith("delta_") else name


def shape_of(population: Population) -> str:
    """`32 cells`, or `64×8×8` for an image."""
    shape = "×".join(map(str, population.shape))
    return f"{shape} cells" if len(population.shape) == 1 else shape


def about(population: Population) -> str:
    """Name, path, size and what the cells do with their input."""
    phi = "" if population.activation == "linear" else f", φ = {population.activation}"
    return f"{population.name}: {population.path} path, {shape_of(population)}{phi}"


def connector_label(connector: Connector) -> str:
    """How it joins cells, in a word."""
    inner = connector.inner if isinstance(connector, TransposeConnector) else connector
    end = " ᵀ" if inner is not connector else ""
    if isinstance(inner, AllToAllConnector):
        return "all-to-all"
    if isinstance(inner, OneToOneConnector):
        return "one-to-one"
    if isinstance(inner, Conv2dConnector | MaxPoolConnector | AveragePoolConnector):
        kinds = {Conv2dConnector: "conv", MaxPoolConnector: "max-pool"}
        kind = kinds.get(type(inner), "mean-pool")
        return f"{kind} {'×'.join(map(str, both(inner.kernel)))}{end}"
    return type(inner).__name__.removesuffix("Connector") + end


def say(circuit: Assembly, p: Projection) -> str:
    """Ends, role, weights and plasticity of a projection, in a few sentences.

    Examples
    --------
    >>> from oneway.circuits import mlp
    >>> from oneway.circuits.drawing import say
    >>> net = mlp((4, 3, 2))
    >>> say(net, net.projections["x -> h1"])
    'x → h1. Drive: adds to the input. Weights of its own, all-to-all. Fixed.'
    """
    role = ROLE_MEANINGS[p.role]
    sentences = [
        f"{p.pre} -> {p.post}",
        role[0].upper() + role[1:],
        _weights(p),
        _plasticity(circuit, p),
    ]
    said = ". ".join(sentence for sentence in sentences if sentence) + "."
    return said.replace("delta_", "δ ").replace("->", "→")


def _weights(p: Projection) -> str:
    how = connector_label(p.connector)
    if p.weights is None:
        return f"No weights, {how}"
    whose = {
        "independent": "Weights of its own",
        "tied": f"Weights of {p.weights.to!r}: weight transport",
        "sign-tied": f"Signs of the weights of {p.weights.to!r}: sign transport",
    }[p.weights.kind]
    return f"{whose}, {how}{', batch norm' if p.norm else ''}"


def _plasticity(circuit: Assembly, p: Projection) -> str:
    if p.weights is None:
        return ""
    if p.plasticity is None:
        return "Fixed" if p.weights.kind == "independent" else ""
    try:
        pre, post = Reading(circuit).ends(p)
    except WiringError:  # a circuit may be drawn that has not been checked
        return f"Learns in phase {p.plasticity.phase!r}"
    product = "spike pairs" if p.plasticity.window is not None else "the product"
    return f"Learns in phase {p.plasticity.phase!r} from {product} of two signals: {pre}; {post}"
