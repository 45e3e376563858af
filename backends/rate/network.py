"""`RateNetwork`: a wired circuit as a torch module that learns without autograd."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import torch
from torch import Tensor, nn

from oneway.circuits import (
    Circuit,
    FromListConnector,
    Population,
    Projection,
    TransposeConnector,
    WiringError,
)

from .compiler import Compiler
from .initial import first_draw, initial_std
from .loss import OutputError
from .program import Key, Schedule


@dataclass(frozen=True)
class Step:
    """Result of one learning step.

    Parameters
    ----------
    loss : Tensor, shape ()
    output : Tensor, shape (B, classes)
    """

    loss: Tensor
    output: Tensor


class RateNetwork(nn.Module):
    """Runs any wired circuit as rates.

    Parameters
    ----------
    circuit : Circuit
        A forward circuit (inference only) or one that a rule has wired.
    loss : callable, optional
        Any torch loss; cross entropy by default.
    seed : int
        Every weight is drawn by its own generator, seeded by this and the projection's name: the
        same forward weights whatever the rule.
    dtype, device
        Of parameters and activity.

    Examples
    --------
    >>> import torch
    >>> from oneway.circuits import mlp
    >>> from oneway.rules import KolenPollack
    >>> net = RateNetwork(KolenPollack().wire(mlp((4, 8, 3))), seed=1)
    >>> optimizer = torch.optim.SGD(net.parameter_groups(), lr=0.1, weight_decay=0.1)
    >>> step = net.step(torch.ones(2, 4), torch.tensor([0, 2]))
    >>> optimizer.step()
    >>> step.output.shape
    torch.Size([2, 3])
    """

    def __init__(
        self,
        circuit: Circuit,
        *,
        loss: Callable[[Tensor, Tensor], Tensor] | None = None,
        seed: int = 0,
        dtype: torch.dtype = torch.float32,
        device: str | torch.device = "cpu",
    ) -> None:
        super().__init__()
        if len(circuit.inputs) != 1:
            raise WiringError(
                f"circuit {circuit.name!r} has input populations "
                f"{[p.name for p in circuit.inputs]}; the rate backend takes exactly one"
            )
        self.circuit, self.seed = circuit, seed
        self.loss = loss or nn.CrossEntropyLoss()
        self.weights = nn.ParameterDict()
        self.biases = nn.ParameterDict()
        self.norms = nn.ModuleDict()
        self._scales: dict[str, float] = {}
        self._add_parameters()
        self.to(device=device, dtype=dtype)
        self._schedules: dict[str, Schedule] = {}
        self._runners: dict[str, Callable[[Mapping[Key, Any]], dict[Key, Any]]] = {}
        self._compile_options: dict[str, Any] | None = None

    # -- running ---------------------------------------------------------------------------

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """Output for a batch x of shape (B, *input); fills no gradient."""
        run = self._runner("forward", lambda compiler: compiler.forward())
        return run(self._given(x=x))[("output",)]

    @torch.no_grad()
    def signals(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """Activity of every population for one batch, errors included; nothing learns."""
        schedule = self._schedule("signals", lambda compiler: compiler.signals())
        results = schedule.run(self._given(x=x, y=y))
        return {name: tensor for (_, name), tensor in results.items()}

    @torch.no_grad()
    def step(self, x: Tensor, y: Tensor) -> Step:
        """One driven step: activity, errors, and the change of all that learns, into ``.grad``.

        Parameters
        ----------
        x : Tensor, shape (B, *input)
        y : Tensor
            What the loss takes: class numbers (B,) or targets shaped like the output.
        """
        run = self._runner("step", lambda compiler: compiler.learning())
        results = run(self._given(x=x, y=y))
        self._fill_gradients(results)
        return Step(results[("loss",)], results[("output",)])

    @torch.no_grad()
    def spontaneous_step(self, batch_size: int, generator: torch.Generator | None = None) -> None:
        """Run every phase in which cells fire noise, and fill ``.grad`` of what learns there.

        Parameters
        ----------
        batch_size : int
            Independent noise patterns in each phase.
        generator : torch.Generator, optional
        """
        changes: dict[Key, Any] = {}
        for phase in self.circuit.phases.values():
            if phase.noisy:
                run = self._runner(phase.name, lambda compiler: compiler.learning(), (phase.name,))
                given = self._given()
                # Noise is no data: it must not enter the running statistics of normalisation.
                given[("training",)] = False
                for name in phase.noisy:
                    given[("noise", name)] = self._noise(name, phase, batch_size, generator)
                changes |= run(given)
        self._fill_gradients(changes)

    def _noise(self, name: str, phase, batch_size: int, generator) -> Tensor:
        like = next(iter(self.parameters()))
        shape = (batch_size, *self.circuit.populations[name].shape)
        noise = torch.randn(shape, generator=generator, dtype=like.dtype, device=like.device)
        return phase.noise_mean + phase.noise_std * noise

    def _schedule(
        self,
        kind: str,
        write: Callable[[Compiler], Schedule],
        phases: tuple[str, ...] | None = None,
    ) -> Schedule:
        if kind not in self._schedules:
            driven = tuple(p.name for p in self.circuit.phases.values() if not p.noisy)
            compiler = Compiler(self.circuit, phases or driven, OutputError(self.loss))
            self._schedules[kind] = write(compiler)
        return self._schedules[kind]

    def compile(self, **options: Any) -> None:
        """Let ``torch.compile`` turn each program into one graph, when it next runs.

        Parameters
        ----------
        **options
            Of ``torch.compile``: mode, backend, dynamic, ...

        Notes
        -----
        The whole step is one graph: forward drives, loss, feedback and plasticity. Results are
        those of the uncompiled step to rounding.
        """
        self._compile_options = {"fullgraph": True, **options}
        self._runners.clear()

    def _runner(self, kind: str, *how: Any) -> Callable[[Mapping[Key, Any]], dict[Key, Any]]:
        if kind not in self._runners:
            run = self._schedule(kind, *how).run
            if self._compile_options is not None:
                run = torch.compile(_with_own_code(run), **self._compile_options)
            self._runners[kind] = run
        return self._runners[kind]

    def _given(self, x: Tensor | None = None, y: Tensor | None = None) -> dict[Key, Any]:
        given: dict[Key, Any] = {("training",): self.training}
        for kind, tensors in (
            ("weights", self.weights),
            ("bias", self.biases),
            ("scale", self._scales),
        ):
            given.update(((kind, name), tensor) for name, tensor in tensors.items())
        for name, norm in self.norms.items():
            given |= {("norm", name, part): getattr(norm, part) for part in _Norm.parts}
        if x is not None:
            (population,) = self.circuit.inputs
            given[("input", population.name)] = self._checked(x, population)
        if y is not None:
            given[("y",)] = y
        return given

    @staticmethod
    def _checked(x: Tensor, population: Population) -> Tensor:
        if tuple(x.shape[1:]) != population.shape:
            raise ValueError(
                f"input population {population.name!r} has shape {population.shape}, but the batch "
                f"has {tuple(x.shape)}, expected (B, {', '.join(map(str, population.shape))})"
            )
        return x

    def _fill_gradients(self, changes: Mapping[Key, Any]) -> None:
        """Changes become gradients; what did not learn in this step has none."""
        for parameter in self.parameters():
            parameter.grad = None
        given: set[int] = set()
        for (kind, *owner), change in changes.items():
            if kind == "change":
                # Two synapses may share one product; each optimizer entry needs its own tensor.
                memory = change.untyped_storage().data_ptr()
                shared = memory in given
                self._parameter(*owner).grad = change.clone() if shared else change
                given.add(memory)

    def _parameter(self, kind: str, owner: str) -> nn.Parameter:
        if kind == "weights":
            return self.weights[owner]
        if kind == "bias":
            return self.biases[owner]
        return getattr(self.norms[owner], kind)

    # -- parameters ------------------------------------------------------------------------

    def _add_parameters(self) -> None:
        for p in self.circuit.projections.values():
            if p.norm is not None:
                learns = self.circuit.populations[p.post].learns is not None
                self.norms[p.name] = _Norm(self._channels(p.post), p.norm.affine)
                if p.norm.affine:
                    self.norms[p.name].gain.requires_grad_(learns and p.error_norm == "full")
                    self.norms[p.name].shift.requires_grad_(learns)
            if p.weights is None:
                continue
            if p.weights.kind == "independent":
                learns = p.plasticity is not None
                self.weights[p.name] = nn.Parameter(self._draw(p), requires_grad=learns)
            elif p.weights.kind == "sign-tied":
                forward = self.circuit.projections[p.weights.to or ""]
                self._scales[p.name] = p.weights.scale or self._std(forward)
        for cell in self.circuit.populations.values():
            if cell.bias:
                bias = torch.zeros(cell.shape[0], dtype=torch.float64)
                self.biases[cell.name] = nn.Parameter(bias, requires_grad=cell.learns is not None)
            if cell.norm is not None:
                self.norms[cell.name] = _Norm(cell.shape[0], cell.norm.affine)

    def _channels(self, population: str) -> int:
        return self.circuit.populations[population].shape[0]

    def _draw(self, p: Projection) -> Tensor:
        assert p.weights is not None
        if p.weights.start == "aligned":
            return self.weights[p.weights.to or ""].detach().clone()
        pre, post = self._ends(p)
        listed = p.connector
        if isinstance(listed, FromListConnector) and listed.initial_weights is not None:
            return torch.tensor(listed.initial_weights, dtype=torch.float64)
        digest = hashlib.sha256(f"{self.seed}:{p.name}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
        shape, fan_in = p.connector.weight_shape(pre, post), p.connector.fan_in(pre, post)
        return first_draw(p.weights.start, shape, fan_in, generator)

    def _std(self, p: Projection) -> float:
        assert p.weights is not None
        return initial_std(p.weights.start, p.connector.fan_in(*self._ends(p)))

    def _ends(self, p: Projection):
        return self.circuit.populations[p.pre].shape, self.circuit.populations[p.post].shape

    @torch.no_grad()
    def weight(self, name: str) -> Tensor:
        """Weights of a drive as the circuit uses them, in (post, pre, ...) orientation.

        Tied and sign-tied weights are resolved. A feedback drive's are turned into its own
        direction, so that ``weight("h1 -> h2") - weight("delta_h2 -> delta_h1").T`` is the gap
        between the two.
        """
        w = self._stored(self.circuit.projections[name])
        transposed = isinstance(self.circuit.projections[name].connector, TransposeConnector)
        return w.transpose(0, 1) if transposed and w.dim() > 1 else w

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
        its group has lr η, weight decay λ/η and no momentum.
        """
        groups = [
            {"params": [], "path": "forward", **(forward or {})},
            {"params": [], "path": "feedback", **(feedback or {})},
        ]
        groups[0]["params"] += [b for b in self.biases.values() if b.requires_grad]
        for norm in self.norms.values():
            groups[0]["params"] += [part for part in norm.parameters() if part.requires_grad]
        own: dict[tuple[float, float], list[nn.Parameter]] = {}
        for p in self.circuit.projections.values():
            if p.plasticity is None:
                continue
            how, parameter = p.plasticity, self.weights[p.name]
            if how.rate is not None:
                own.setdefault((how.rate, how.decay or 0.0), []).append(parameter)
            else:
                is_feedback = self.circuit.populations[p.post].path == "feedback"
                groups[int(is_feedback)]["params"].append(parameter)
        for (rate, decay), parameters in own.items():
            fixed = {"lr": rate, "weight_decay": decay / rate, "momentum": 0.0, "nesterov": False}
            groups.append({"params": parameters, "path": "own rate", **fixed})
        return [group for group in groups if group["params"]]


def _with_own_code(run: Callable) -> Callable:
    """A function for one schedule: torch.compile limits recompilations by code object."""

    def program(given):
        return run(given)

    code = program.__code__.replace(co_name="program")  # a copy, not the one all would share
    return FunctionType(code, program.__globals__, closure=program.__closure__)


class _Norm(nn.Module):
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
