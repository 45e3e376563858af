"""The parameters of a circuit: how they are drawn, named, read and grouped for an optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from scipy.sparse import csr_array
from torch import Tensor, nn

from oneway.circuits import (
    Circuit,
    Projection,
    WiringError,
    first_draw,
    sign_magnitude,
    weighted_adjacency,
)

from .program import Key


class CircuitParameters(nn.Module):
    """Weights, biases and normalisation of a circuit; `seed` is that of `first_draw`."""

    def __init__(self, circuit: Circuit, seed: int) -> None:
        super().__init__()
        self.circuit, self.seed = circuit, seed
        self.weights = nn.ParameterDict()
        self.biases = nn.ParameterDict()
        self.norms = nn.ModuleDict()
        self._scales: dict[str, float] = {}
        self._pairs: dict[str, Tensor] = {}  # that each weight joins, where changes are means
        self._add_parameters()

    def _add_parameters(self) -> None:
        for p in self.circuit.projections.values():
            if p.norm is not None:
                learns = self.circuit.populations[p.post].learns is not None
                self.norms[p.name] = Norm(self.circuit.shapes(p)[1][0], p.norm.affine)
                if p.norm.affine:
                    self.norms[p.name].gain.requires_grad_(learns and p.error_norm == "full")
                    self.norms[p.name].shift.requires_grad_(learns)
            if p.weights is None:
                continue
            if p.plasticity is not None and p.plasticity.reduction == "mean":
                pairs = torch.from_numpy(p.connector.pairs_per_weight(*self.circuit.shapes(p)))
                self._pairs[p.name] = pairs.clamp(min=1).double()  # who joins none changes by 0
            if p.weights.kind == "independent":
                drawn = torch.from_numpy(first_draw(self.circuit, p, self.seed))
                self.weights[p.name] = nn.Parameter(drawn, requires_grad=p.plasticity is not None)
            elif p.weights.kind == "sign-tied":
                self._scales[p.name] = sign_magnitude(self.circuit, p)
        for cell in self.circuit.populations.values():
            if cell.bias:
                bias = torch.zeros(cell.shape[0], dtype=torch.float64)
                self.biases[cell.name] = nn.Parameter(bias, requires_grad=cell.learns is not None)
            if cell.norm is not None:
                self.norms[cell.name] = Norm(cell.shape[0], cell.norm.affine)

    def _apply(self, fn, recurse=True):
        # No buffers: those may not have every name that a projection may have.
        self._pairs = {name: fn(pairs) for name, pairs in self._pairs.items()}
        return super()._apply(fn, recurse)

    def _held(self) -> dict[Key, Tensor | None]:
        """Parameters and running statistics by their keys in programs; None where there are none.

        From torch's own dicts: its containers take longer to look into than a GPU for a step.
        """
        held: dict[Key, Tensor | None] = {}
        held |= {("weights", name): w for name, w in self.weights._parameters.items()}
        held |= {("bias", name): bias for name, bias in self.biases._parameters.items()}
        for name, norm in self.norms._modules.items():
            assert norm is not None
            parts: dict[str, Tensor | None] = {**norm._parameters, **norm._buffers}
            held |= {("norm", name, part): tensor for part, tensor in parts.items()}
        return held

    @torch.no_grad()
    def weight(self, name: str) -> Tensor:
        """Weights of a drive as the circuit uses them, in (post, pre, ...) orientation.

        Tied and sign-tied weights are resolved. A feedback drive's are turned into its own
        direction, so that ``weight("h1 -> h2") - weight("delta_h2 -> delta_h1").T`` is the gap
        between the two.
        """
        w = self._stored(self.circuit.projections[name])
        transposed = self.circuit.projections[name].connector.transposed
        return w.transpose(0, 1) if transposed and w.dim() > 1 else w

    def adjacency(self, projection: str | None = None) -> csr_array:
        """Weights between single cells, rows pre and columns post: `oneway.circuits.adjacency`.

        Parameters
        ----------
        projection : str, optional
            Of this drive alone, between the cells of its two populations. By default of every
            drive with weights, tied ones resolved, between all cells (`oneway.circuits.cells`).
        """
        return weighted_adjacency(self.circuit, lambda p: self.weight(p).cpu().numpy(), projection)

    def _stored(self, p: Projection) -> Tensor:
        if p.weights is None:
            raise KeyError(f"{p.label} has no weights")
        if p.weights.kind == "independent":
            return self.weights[p.name].detach()
        forward = self._stored(self.circuit.projections[p.weights.to or ""])
        return forward if p.weights.kind == "tied" else self._scales[p.name] * forward.sign()

    def parameter_groups(
        self,
        forward: Mapping[str, Any] | None = None,
        feedback: Mapping[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """Groups for a torch optimizer: forward path, feedback path, synapses with own rates.

        Parameters
        ----------
        forward, feedback : mapping, optional
            Optimizer settings of the path (lr, momentum, weight_decay, ...); missing ones are the
            optimizer's defaults.

        Notes
        -----
        A synapse whose plasticity has its own rate η and decay λ follows Δw = −η·grad − λw exactly:
        its group has lr η, weight decay λ/η and no momentum. With a rate alone, weight decay is
        that of its path.

        Raises
        ------
        WiringError
            Synapses learn from pairs of spikes.
        """
        check_learnable(self.circuit)
        paths: list[dict[str, Any]] = [
            {"path": "forward", **(forward or {})},
            {"path": "feedback", **(feedback or {})},
        ]
        groups = [{"params": [], **path} for path in paths]
        groups[0]["params"] += [b for b in self.biases.values() if b.requires_grad]
        for norm in self.norms.values():
            groups[0]["params"] += [part for part in norm.parameters() if part.requires_grad]
        own: dict[tuple[float, float | None, bool], list[nn.Parameter]] = {}
        for p in self.circuit.projections.values():
            if p.plasticity is None:
                continue
            how, parameter = p.plasticity, self.weights[p.name]
            is_feedback = self.circuit.populations[p.post].path == "feedback"
            if how.rate is not None:
                own.setdefault((how.rate, how.decay, is_feedback), []).append(parameter)
            else:
                groups[int(is_feedback)]["params"].append(parameter)
        for (rate, decay, is_feedback), parameters in own.items():
            group: dict[str, Any] = {"params": parameters, "path": "own rate", "lr": rate}
            group |= {"momentum": 0.0, "nesterov": False}
            inherited = {k: v for k, v in paths[is_feedback].items() if k == "weight_decay"}
            groups.append(group | (inherited if decay is None else {"weight_decay": decay / rate}))
        return [group for group in groups if group["params"]]


def check_learnable(circuit: Circuit) -> None:
    """Raise `WiringError` at the first synapse that learns from what rates do not have."""
    for p in circuit.projections.values():
        if p.plasticity is not None and p.plasticity.window is not None:
            raise WiringError(
                f"{p.label}: its synapses learn from the order of pairs of spikes, which rates do "
                "not have. Run it as spikes (oneway spike, backends.spiking.SpikingNetwork), or "
                "state what such pairs come to where noise drives one cell and the other follows, "
                "a Hebbian covariance: pre and post Signal(centred='batch'), hebbian=True"
            )


class Norm(nn.Module):
    """Gain, shift and running statistics of one normalisation."""

    parts = ("gain", "shift", "mean", "var")

    def __init__(self, channels: int, affine: bool) -> None:
        super().__init__()
        if affine:
            self.gain = nn.Parameter(torch.ones(channels, dtype=torch.float64))
            self.shift = nn.Parameter(torch.zeros(channels, dtype=torch.float64))
        else:
            self.register_parameter("gain", None)
            self.register_parameter("shift", None)
        self.register_buffer("mean", torch.zeros(channels, dtype=torch.float64))
        self.register_buffer("var", torch.ones(channels, dtype=torch.float64))
