"""What backpropagation would tell each population, for the same weights and the same batch."""

from __future__ import annotations

from torch import Tensor

from oneway.analysis import error_angles
from oneway.backends.rate import RateNetwork
from oneway.rules import Backpropagation


def backpropagation_angles(net: RateNetwork, x: Tensor, y: Tensor) -> dict[str, float]:
    """Angle between each population's error and the one that backpropagation gives, in degrees.

    Parameters
    ----------
    net : RateNetwork
        Wired by any rule.
    x : Tensor, shape (B, *input)
    y : Tensor
        What the loss takes.

    Returns
    -------
    dict
        Error population → mean over the batch; 0 is backpropagation, 90 is chance. Neither weights
        nor running statistics change.

    Examples
    --------
    >>> import torch
    >>> from oneway.circuits import mlp
    >>> from oneway.rules import Backpropagation
    >>> net = RateNetwork(Backpropagation().wire(mlp((4, 8, 3))))
    >>> angles = backpropagation_angles(net, torch.ones(2, 4), torch.tensor([0, 2]))
    >>> round(angles["delta_h1"], 3)
    0.0
    """
    reference = _wired_by_backpropagation(net)
    buffers = {name: buffer.clone() for name, buffer in net.named_buffers()}
    errors = net.signals(x, y)
    for name, buffer in net.named_buffers():
        buffer.copy_(buffers[name])  # normalisation has counted this batch; undo it
    expected = reference.signals(x, y)
    hidden = {p.name for p in net.circuit.populations.values() if p.path == "feedback"}
    return error_angles({name: errors[name] for name in errors if name in hidden}, expected)


def _wired_by_backpropagation(net: RateNetwork) -> RateNetwork:
    """The same forward path, with tied feedback."""
    some = next(net.parameters())
    circuit = Backpropagation().wire(net.circuit.forward_circuit())
    reference = RateNetwork(circuit, loss=net.loss, dtype=some.dtype, device=some.device)
    state = net.state_dict()
    reference.load_state_dict({name: state[name] for name in reference.state_dict()})
    return reference.train(net.training)
