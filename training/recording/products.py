"""Direct feedback beside the product of the forward weights that it jumps over."""

from __future__ import annotations

import torch
from torch import Tensor

from oneway.backends.rate import RateNetwork
from oneway.backends.rate.connectors import rate_connector
from oneway.backends.rate.observation import direct_drives
from oneway.circuits import (
    AveragePoolConnector,
    Connector,
    DropoutConnector,
    MatchConnector,
    MaxPoolConnector,
    OneToOneConnector,
    Projection,
)


def product_dots(network: RateNetwork, most: int) -> dict[str, Tensor]:
    """P·Bᵀ, P·P and B·B of each direct feedback drive B, as one tensor (3,) in float64.

    P, (outputs, cells of the layer), is the product of the forward weights W from the layer to the
    output: what its activity would make of the output if all between were linear. Routes that part
    and meet again, as shortcuts do, are summed. φ, biases and batch norm (its scale too) are left
    out: P is a product of W alone. A max-pool counts as the mean of its windows, in which each cell
    wins equally often, and dropout as the identity. Where a `MatchConnector` lies on the way there
    is no product, and the drive is left out.

    Unit vectors of the output run back through the forward drives, `most` at a time; no matrix of a
    convolution is ever built.
    """
    circuit = network.circuit
    dots: dict[str, Tensor] = {}
    drives = list(direct_drives(circuit))
    for rows in torch.arange(circuit.output.size).split(most) if drives else ():
        product = _rows_of_products(network, rows)
        for p in drives:
            layer, b_IJ = circuit.populations[p.post].partner, network.weight(p.name)
            if layer in product and b_IJ.shape == (product[layer].shape[1], circuit.output.size):
                p_JI, b_JI = product[layer], b_IJ[:, rows.to(b_IJ.device)].T
                pairs = ((p_JI, b_JI), (p_JI, p_JI), (b_JI, b_JI))
                sums = torch.stack([(one * other).sum(dtype=torch.float64) for one, other in pairs])
                dots[p.name] = dots[p.name] + sums if p.name in dots else sums
    return dots


def _rows_of_products(network: RateNetwork, rows: Tensor) -> dict[str | None, Tensor]:
    """Some rows of P, (rows, cells), for each population that has a linear way to the output."""
    circuit, like = network.circuit, next(iter(network.parameters()))
    size = circuit.output.size
    units = torch.eye(size, dtype=like.dtype, device=like.device)[rows.to(like.device)]
    back = {circuit.output.name: units.reshape(-1, *circuit.output.shape)}
    for name in reversed(circuit.order("forward")):
        onward = list(circuit.select(role="drive", pre=name, path="forward"))
        if onward and all(p.post in back and _linear(p.connector) for p in onward):
            total, *others = (_run_back(network, p, back[p.post]) for p in onward)
            back[name] = sum(others, total)
    return {name: row.flatten(1) for name, row in back.items()}


def _run_back(network: RateNetwork, p: Projection, post: Tensor) -> Tensor:
    """Through a forward drive from its post- to its presynaptic cells."""
    connector = _linear(p.connector)
    assert connector is not None
    half = rate_connector(connector, *network.circuit.shapes(p), network.precision.memory_format)
    if p.weights is None:
        return half.adjoint(post)
    w = network.weight(p.name)
    return half.adjoint(w.transpose(0, 1) if connector.transposed and w.dim() > 1 else w, post)


def _linear(connector: Connector) -> Connector | None:
    """The linear map that a connector is, or stands for here; None if there is none."""
    if isinstance(connector, MaxPoolConnector):
        return AveragePoolConnector(connector.kernel, connector.stride, connector.padding)
    if isinstance(connector, DropoutConnector):
        return OneToOneConnector()
    return None if isinstance(connector, MatchConnector) else connector
