"""`RateNetwork`: a wired circuit as a torch module that learns without autograd."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn

from oneway.circuits import Circuit, DropoutConnector, Population, WiringError

from .compiler import Compiler
from .connectors import Dropout
from .exchange.names import Names
from .graphs import CompiledRun
from .loss import OutputError
from .parameters import CircuitParameters
from .pooled_norms import Stack
from .precision import Precision, check_stored
from .program import Key, Schedule, parameter_key

# Small enough for any mean loss; who adapts it to what overflows can start higher.
FIRST_LOSS_SCALE = 1024.0


@dataclass(frozen=True)
class Step:
    """Result of one learning step: the loss, (), and the output, (B, classes)."""

    loss: Tensor
    output: Tensor


class RateNetwork(CircuitParameters):
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
    dtype : torch.dtype
        Of parameters and running statistics, float32 or float64; of activity too, unless:
    compute_dtype : torch.dtype, optional
        bfloat16 or float16, of drives, activity and errors. Weights are cast once a step, the loss
        stays in 32 bits and changes come in `dtype`. With float16 errors are multiplied by
        `loss_scale` (1024 at first; any tensor operation may change it) and changes divided by it.
    channels_last : bool
        Images, and weights of convolutions, lie in memory with a pixel's channels side by side.
    device
    share_changes : bool
        Synapses that change alike have one tensor as their ``.grad``, not a copy each: less memory
        and time where nothing changes gradients in place, as torch's optimizers do not (clipping
        does, and would do it twice).
    stack : callable, optional
        Batch norm over all of a batch of which several processes hold a part each: takes a tensor
        and gives that of every part, ``(parts, *shape)``, the same in all processes.

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

    loss_scale: Tensor | None
    # Which module it was imported from; see `exchange.from_torch`.
    names: Names | None = None

    def __init__(
        self,
        circuit: Circuit,
        *,
        loss: Callable[[Tensor, Tensor], Tensor] | None = None,
        seed: int = 0,
        dtype: torch.dtype = torch.float32,
        compute_dtype: torch.dtype | None = None,
        channels_last: bool = False,
        device: str | torch.device = "cpu",
        share_changes: bool = False,
        stack: Stack | None = None,
    ) -> None:
        check_stored(dtype)
        self.precision = Precision(compute_dtype, channels_last)
        if len(circuit.inputs) != 1:
            raise WiringError(
                f"circuit {circuit.name!r} has input populations "
                f"{[p.name for p in circuit.inputs]}; the rate backend takes exactly one"
            )
        circuit.reading.check(tuple(circuit.phases))
        super().__init__(circuit, seed)
        self.share_changes, self.stack = share_changes, stack
        self.loss = loss or nn.CrossEntropyLoss()
        self._schedules: dict[str, Schedule] = {}
        self._compiled: dict[str, CompiledRun] = {}
        self._compile_options: dict[str, Any] | None = None
        self._dropouts = _dropouts(circuit)
        scale = torch.tensor(FIRST_LOSS_SCALE) if self.precision.scales_errors else None
        self.register_buffer("loss_scale", scale, persistent=False)
        self.to(device=device, dtype=dtype)
        if channels_last:
            self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    # -- running ---------------------------------------------------------------------------

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """Output for a batch x of shape ``(B, *input)``; fills no gradient.

        In training mode batch norm uses the statistics of the batch, and dropout draws.
        """
        self._begin(learns=False)
        given = self._given(x=x)
        return self._run("forward", Compiler.forward, given, len(x))[("output",)]

    @torch.no_grad()
    def signals(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        """Activity of every population for one batch, errors included; nothing learns."""
        schedule = self._schedule("signals", Compiler.signals)
        given = self._given(x=x, y=y)
        if self.precision.scales_errors:
            given[("loss_scale",)] = torch.ones_like(given[("loss_scale",)])
        results = schedule.run(given)
        return {name: tensor for (_, name), tensor in results.items()}

    @torch.no_grad()
    def step(
        self,
        x: Tensor,
        y: Tensor,
        *,
        accumulate: bool = False,
        generator: torch.Generator | None = None,
    ) -> Step:
        """One driven step: activity, errors, and the change of all that learns, into ``.grad``.

        Parameters
        ----------
        x : Tensor, shape ``(B, *input)``
        y : Tensor
            What the loss takes: class numbers (B,) or targets shaped like the output.
        accumulate : bool
            Add the changes to what ``.grad`` holds, as ``backward()`` does. By default they take
            its place, and what does not learn in this step has none.
        generator : torch.Generator, optional
            Draws which cells dropout silences; by default torch's own.

        Raises
        ------
        WiringError
            One sample, where batch norm has no other value to compare it with.
        """
        self._begin(accumulate=accumulate)
        given = self._given(x=x, y=y, generator=generator)
        results = self._run("step", Compiler.learning, given, len(x))
        self._fill_gradients(results, accumulate)
        return Step(results[("loss",)], results[("output",)])

    @torch.no_grad()
    def spontaneous_step(
        self,
        batch_size: int,
        generator: torch.Generator | None = None,
        *,
        accumulate: bool = False,
    ) -> None:
        """Run every phase in which cells fire noise, and fill ``.grad`` of what learns there.

        Each phase has `batch_size` independent patterns of noise. Dropout silences nobody there.
        Changes are accumulated as in `step`.
        """
        self._begin(accumulate=accumulate)
        changes: dict[Key, Any] = {}
        for phase in self.circuit.phases.values():
            if phase.noisy:
                if not phase.norm_blocked:
                    self._check_samples(batch_size)
                # Noise is no data: it is normalised by its own statistics, which are not kept.
                given = self._given() | {("training",): True} | self._copied_statistics()
                for name in phase.noisy:
                    given[("noise", name)] = self._noise(name, phase, batch_size, generator)
                how = (Compiler.learning, given, batch_size, (phase.name,))
                changes |= self._run(phase.name, *how)
        self._fill_gradients(changes, accumulate)

    @torch.no_grad()
    def observe(self, x: Tensor, y: Tensor, program: Schedule) -> dict[Key, Tensor]:
        """Results of a program for one batch, of which the network keeps nothing.

        Nothing learns, dropout silences nobody, and running statistics stay. `observation.py` has
        programs; they may be of another circuit that has the same parameters.
        """
        (population,) = self.circuit.inputs
        _check_batch(x, population)
        if self.training:
            self._check_samples(len(x))
        given = self._given(y=y) | self._copied_statistics()
        return program.run(given | {("input", population.name): self.precision.given(x)})

    def _copied_statistics(self) -> dict[Key, Tensor]:
        parts = product(self.norms.items(), ("mean", "var"))
        return {("norm", name, part): getattr(norm, part).clone() for (name, norm), part in parts}

    def _noise(self, name: str, phase, batch_size: int, generator) -> Tensor:
        like = next(iter(self.parameters()))
        shape = (batch_size, *self.circuit.populations[name].shape)
        noise = torch.randn(shape, generator=generator, dtype=like.dtype, device=like.device)
        if (phase.noise_mean, phase.noise_std) != (0, 1):
            noise.mul_(phase.noise_std).add_(phase.noise_mean)
        return self.precision.given(noise)

    def _schedule(
        self,
        kind: str,
        write: Callable[[Compiler], Schedule],
        phases: tuple[str, ...] | None = None,
    ) -> Schedule:
        if kind not in self._schedules:
            driven = tuple(p.name for p in self.circuit.phases.values() if not p.noisy)
            error = OutputError(self.loss)
            compiler = Compiler(self.circuit, phases or driven, error, self.precision, self.stack)
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
        those of the uncompiled step to rounding. The first batch size gets a graph, another one
        when it comes twice in a row; a smaller last batch thus runs uncompiled.

        With ``mode="reduce-overhead"`` the graph is recorded as a CUDA graph, which puts changes
        into the same memory every time: let the optimizer read ``.grad`` before the network runs
        again, be it forward only.
        """
        self._compile_options = options
        self._compiled.clear()

    def __getstate__(self) -> dict[str, Any]:
        """For copy and pickle: programs are written and compiled anew when they are needed."""
        return self.__dict__ | {"_schedules": {}, "_compiled": {}}

    def _apply(self, *arguments: Any, **options: Any) -> RateNetwork:
        # Parameters may come to lie elsewhere, or in another type.
        self._compiled.clear()
        return super()._apply(*arguments, **options)

    @property
    def _on_gpu(self) -> bool:
        return any(parameter.is_cuda for parameter in self.parameters())

    def _staying(self) -> set[int]:
        """Where the memory begins that stays from step to step."""
        stays = (*self.parameters(), *self.buffers(), *self._pairs.values())
        return {tensor.data_ptr() for tensor in stays}

    def _begin(self, learns: bool = True, accumulate: bool = False) -> None:
        if learns and accumulate and self._compile_options is not None and self._on_gpu:
            for parameter in self.parameters():  # what a graph left would be written over
                parameter.grad = None if parameter.grad is None else parameter.grad.clone()
        if learns and not accumulate:
            # What does not learn has none, and the last step's memory is free.
            for tensor in self._held().values():
                if tensor is not None:
                    tensor.grad = None

    def _run(
        self,
        kind: str,
        write: Callable[[Compiler], Schedule],
        given: Mapping[Key, Any],
        size: int,
        phases: tuple[str, ...] | None = None,
    ) -> dict[Key, Any]:
        run = self._schedule(kind, write, phases).run
        try:
            if self._compile_options is None:
                return run(given)
            if kind not in self._compiled:
                # What several processes exchange in a step no graph can hold.
                staying = self._staying if self._on_gpu and self.stack is None else None
                self._compiled[kind] = CompiledRun(run, self._compile_options, staying)
            return self._compiled[kind](given, size)
        except RuntimeError as error:
            self._check_implemented(error)
            raise

    def _check_implemented(self, error: RuntimeError) -> None:
        """Say what to do where a device has no kernel for 16 bits."""
        if self.precision.compute is not None and "not implemented for" in str(error):
            raise NotImplementedError(
                f"compute_dtype {self.precision.compute} cannot be computed on "
                f"{next(self.parameters()).device}: torch says {str(error).splitlines()[0]}. "
                "Choose the other of bfloat16 and float16, or None"
            ) from error

    def _given(
        self,
        x: Tensor | None = None,
        y: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> dict[Key, Any]:
        given: dict[Key, Any] = {("training",): self.training, **self._held()}
        given |= {("scale", name): scale for name, scale in self._scales.items()}
        given |= {("pairs", name): pairs for name, pairs in self._pairs.items()}
        given |= {("heard", name): None for name in self._dropouts}
        if self.loss_scale is not None:
            given[("loss_scale",)] = self.loss_scale
        if x is not None:
            (population,) = self.circuit.inputs
            _check_batch(x, population)
            x = given[("input", population.name)] = self.precision.given(x)
            if self.training:
                self._check_samples(len(x))
                for name, dropout in self._dropouts.items():
                    given[("heard", name)] = dropout.draw(len(x), x, generator)
        if y is not None:
            given[("y",)] = y
        return given

    def _check_samples(self, n: int) -> None:
        """Batch norm has nothing to learn from one value a channel; see torch, which refuses it."""
        if self.stack is not None:
            return
        for name in self.norms:
            projection = self.circuit.projections.get(name)
            shape = self.circuit.populations[projection.post if projection else name].shape
            if n * math.prod(shape[1:]) == 1:
                raise WiringError(
                    f"batch norm of {name!r} gets one value per channel from a batch of one "
                    f"sample, shape {(n, *shape)}, and has no variance to divide by. Give it two "
                    "samples or more, or let it use its running statistics with net.eval()"
                )

    def _fill_gradients(self, changes: Mapping[Key, Any], accumulate: bool = False) -> None:
        """Changes become gradients, or are added to them."""
        given: set[int] = set()
        held = self._held()
        for (kind, *owner), change in changes.items():
            if kind == "change":
                # Two synapses may share one product.
                memory = change.untyped_storage().data_ptr()
                copy = memory in given and not self.share_changes
                parameter = held[parameter_key(*owner)]
                assert parameter is not None
                # Fused optimizers read both in the order of memory and do not ask for it.
                alike = change.stride() == parameter.stride()
                laid_out = change if alike else torch.empty_like(parameter).copy_(change)
                if accumulate and parameter.grad is not None:
                    # Not in place: two synapses may share what is there.
                    parameter.grad = parameter.grad + laid_out
                    continue
                parameter.grad = laid_out.clone() if copy and alike else laid_out
                given.add(memory)


def _dropouts(circuit: Circuit) -> dict[str, Dropout]:
    """What draws which cells are heard, in the order in which activity comes to them."""
    drives = (p for name in circuit.order() for p in circuit.select(role="drive", post=name))
    return {
        p.name: Dropout(p.connector, *circuit.shapes(p))
        for p in drives
        if isinstance(p.connector, DropoutConnector)
    }


def _check_batch(x: Tensor, population: Population) -> None:
    if tuple(x.shape[1:]) != population.shape:
        raise ValueError(
            f"input population {population.name!r} has shape {population.shape}, but the batch "
            f"has {tuple(x.shape)}, expected (B, {', '.join(map(str, population.shape))})"
        )
