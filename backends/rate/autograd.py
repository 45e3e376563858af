"""The same forward circuit as a plain torch model that autograd trains: what ours is held against.

Written as a torch user would write the network: `nn.Conv2d`, `nn.BatchNorm2d`, `nn.Linear`.
"""

from __future__ import annotations

from torch import Tensor, nn

from oneway.circuits import Circuit, Projection

from .activations import TORCH_PHI
from .exchange.layers import plain_batch_norm, plain_layers


class PlainNetwork(nn.Module):
    """A forward circuit for autograd: the baseline of every ratio of time and memory.

    Parameters
    ----------
    circuit : Circuit
        Its forward path is taken; what a rule has added is ignored.

    Raises
    ------
    WiringError
        A connector has no counterpart among torch's layers.
    """

    def __init__(self, circuit: Circuit) -> None:
        super().__init__()
        self.order = circuit.order("forward")
        self.drives = nn.ModuleDict()
        self.phis = nn.ModuleDict()
        self.incoming: dict[str, list[tuple[str, str]]] = {}
        for name in self.order:
            cell = circuit.populations[name]
            drives = list(circuit.select(role="drive", post=name))
            self.incoming[name] = [(p.name, p.pre) for p in drives]
            for i, p in enumerate(drives):
                # The bias belongs to the cell: the first of its drives carries it.
                self.drives[p.name] = _layer(circuit, p, bias=cell.bias and i == 0)
            phi: list[nn.Module] = (
                [TORCH_PHI[cell.activation].module()] if cell.activation != "linear" else []
            )
            if cell.norm is not None:
                phi.append(plain_batch_norm(cell.shape, cell.norm))
            self.phis[name] = nn.Sequential(*phi)

    def forward(self, x: Tensor) -> Tensor:
        h: dict[str, Tensor] = {}
        for name in self.order:
            u = x
            for i, (drive, pre) in enumerate(self.incoming[name]):
                z = self.drives[drive](h[pre])
                u = z if i == 0 else u + z
            h[name] = self.phis[name](u)
        return h[name]


def _layer(circuit: Circuit, p: Projection, bias: bool) -> nn.Module:
    layers = plain_layers(circuit, p, bias)
    if p.norm is not None:
        layers.append(plain_batch_norm(circuit.shapes(p)[1], p.norm))
    return nn.Sequential(*layers)
