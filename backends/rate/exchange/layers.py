"""What torch users write for the drives of a circuit."""

from __future__ import annotations

from torch import nn

from oneway.circuits import (
    AllToAllConnector,
    AveragePoolConnector,
    BatchNorm,
    Circuit,
    Conv2dConnector,
    DropoutConnector,
    MaxPoolConnector,
    OneToOneConnector,
    Projection,
    ReshapeConnector,
    Shape,
    WiringError,
)


def plain_layers(circuit: Circuit, p: Projection, bias: bool) -> list[nn.Module]:
    """A drive, normalisation left out, as layers of torch; none where it passes on what it gets.

    Raises
    ------
    WiringError
        Torch has no layer for its connector.
    """
    pre, post = circuit.populations[p.pre], circuit.populations[p.post]
    match p.connector:
        case AllToAllConnector():
            flat: list[nn.Module] = [nn.Flatten()] if len(pre.shape) == 3 else []
            folded = [nn.Unflatten(1, post.shape)] if len(post.shape) == 3 else []
            if folded and bias:
                raise WiringError(
                    f"{p.label}: torch's Linear has a bias for each cell, an image one for each "
                    "channel. Drive a dense population and fold that with a ReshapeConnector"
                )
            return [*flat, nn.Linear(pre.size, post.size, bias), *folded]
        case Conv2dConnector(channels, kernel, stride, padding, groups, dilation):
            window = (kernel, stride, padding, dilation, groups)
            return [nn.Conv2d(pre.shape[0], channels, *window, bias)]
        case MaxPoolConnector(kernel, stride, padding):
            return [nn.MaxPool2d(kernel, stride, padding)]
        case AveragePoolConnector(kernel, stride, padding):
            return [nn.AvgPool2d(kernel, stride, padding)]
        case DropoutConnector(share, channels):
            return [nn.Dropout2d(share) if channels else nn.Dropout(share)]
        case ReshapeConnector():
            flat = [nn.Flatten()] if len(pre.shape) == 3 else []
            return flat if len(post.shape) == 1 else [*flat, nn.Unflatten(1, post.shape)]
        case OneToOneConnector():
            return []
    raise WiringError(f"{p.label}: torch has no plain layer for {p.connector}")


def plain_batch_norm(shape: Shape, norm: BatchNorm) -> nn.Module:
    """Batch norm of torch for a population of some shape."""
    kind = nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d
    return kind(shape[0], norm.eps, norm.momentum, norm.affine)
