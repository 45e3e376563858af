"""Who takes part in a benchmark: autograd, rules in the rate backend, any torch module."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim import SGD, Optimizer

from oneway.backends.rate import RateNetwork
from oneway.backends.rate.autograd import PlainNetwork
from oneway.backends.rate.graphs import UNRECORDED
from oneway.backends.rate.network import FIRST_LOSS_SCALE
from oneway.circuits import Circuit

from ..config import COMPILE_MODES, DTYPES, computed_dtype, stored_dtype
from ..errors import ConfigError, first_line

AUTOGRAD = "autograd"
DEVICES = ("cpu", "cuda")
# So small that nothing runs away on one batch that is learned over and over. torch's fused kernel
# is its fastest on every device, on both sides.
SETTINGS: dict[str, Any] = {"lr": 1e-4, "momentum": 0.9, "weight_decay": 5e-4, "fused": True}


@dataclass(frozen=True)
class BenchConfig:
    """What is measured, and how often.

    Parameters
    ----------
    batch : int
        Samples a step.
    device : str
        ``cpu``, ``cuda`` or one GPU, ``cuda:1``.
    dtype : str
        One of `DTYPES`, on both sides. With 16 bits, weights, optimizer and loss keep 32: autograd
        runs under autocast, which casts the same tensors in the same places as we do (tested).
    channels_last : bool
        Channels of a pixel side by side in memory, on both sides.
    compile : str
        ``no``, or a mode of ``torch.compile`` for forward, loss and backward of both sides. The
        optimizer is torch's fused one: a kernel for many parameters already.
    repeats : int
        Rounds in which every contender has one turn.
    seed : int
        Of weights, data and noise.
    """

    batch: int = 16
    device: str = "cpu"
    dtype: str = "float32"
    repeats: int = 15
    seed: int = 0
    channels_last: bool = False
    compile: str = "no"

    def __post_init__(self) -> None:
        for name, least in (("batch", 2), ("repeats", 3)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} {getattr(self, name)}, expected at least {least}")
        if self.dtype not in DTYPES:
            raise ConfigError(f"dtype {self.dtype!r}, expected one of {', '.join(DTYPES)}")
        if self.compile not in COMPILE_MODES:
            raise ConfigError(
                f"compile {self.compile!r}, expected one of {', '.join(COMPILE_MODES)}"
            )
        _check_device(self.device)

    @property
    def stored(self) -> torch.dtype:
        """Of weights and data."""
        return stored_dtype(self.dtype)

    @property
    def computed(self) -> torch.dtype | None:
        """Of activity and errors, where it is another one."""
        return computed_dtype(self.dtype)

    @property
    def on_gpu(self) -> bool:
        return torch.device(self.device).type == "cuda"

    def for_memory(self) -> BenchConfig:
        """How memory is measured: of a CUDA graph the allocator sees nothing while it runs, and
        tensors are counted one by one on a CPU, where compiled code makes none.
        """
        if not self.on_gpu:
            return replace(self, compile="no")
        return replace(self, compile=UNRECORDED.get(self.compile, self.compile))

    def autocast(self) -> AbstractContextManager:
        if self.computed is None:
            return nullcontext()
        return torch.autocast(torch.device(self.device).type, self.computed)


def _check_device(device: str) -> None:
    if device.partition(":")[0] not in DEVICES:
        raise ConfigError(f"device {device!r}, expected one of {', '.join(DEVICES)}")
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"device {device!r} cannot be used here: {first_line(error)}. Try --device cpu"
        ) from error


@dataclass(frozen=True)
class Contender:
    """One way to take a learning step.

    Each part fills ``.grad``, and the optimizer steps after each: a batch of data; for rules with
    spontaneous phases also a batch of noise.
    """

    name: str
    parts: tuple[Callable[[], object], ...]
    optimizer: Optimizer

    def step(self) -> None:
        for part in self.parts:
            part()
            self.optimizer.step()

    def parameters(self) -> list[Tensor]:
        return [p for group in self.optimizer.param_groups for p in group["params"]]


def random_batch(circuit: Circuit, config: BenchConfig) -> tuple[Tensor, Tensor]:
    """Noise as data, and classes drawn at random."""
    if len(circuit.inputs) != 1:
        names = [population.name for population in circuit.inputs]
        raise ConfigError(f"circuit {circuit.name!r} has inputs {names}, expected exactly one")
    generator = torch.Generator().manual_seed(config.seed)
    x = torch.randn((config.batch, *circuit.inputs[0].shape), generator=generator)
    y = torch.randint(circuit.output.size, (config.batch,), generator=generator)
    last = config.channels_last and x.dim() == 4
    layout = torch.channels_last if last else torch.contiguous_format
    x = x.to(config.device, config.stored).contiguous(memory_format=layout)
    return x, y.to(config.device)


def plain_contender(circuit: Circuit, config: BenchConfig, x: Tensor, y: Tensor) -> Contender:
    """Backpropagation by autograd through torch's own layers."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = PlainNetwork(circuit).to(config.device, config.stored)
    if config.channels_last:
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model_contender(AUTOGRAD, model, x, y, config)


def model_contender(
    name: str, model: torch.nn.Module, x: Tensor, y: Tensor, config: BenchConfig | None = None
) -> Contender:
    """Any torch module that autograd trains; by default uncompiled and in its own type."""
    config = config or BenchConfig()
    optimizer = SGD(model.parameters(), **SETTINGS)
    scale = FIRST_LOSS_SCALE if config.computed == torch.float16 else None

    def loss() -> Tensor:
        with config.autocast():
            return F.cross_entropy(model(x), y)

    compiled = loss
    if config.compile != "no":
        compiled = torch.compile(loss, mode=config.compile, fullgraph=True, dynamic=False)

    def learn() -> None:
        optimizer.zero_grad()
        if config.on_gpu and config.compile != "no":
            torch.compiler.cudagraph_mark_step_begin()
        if scale is None:
            compiled().backward()
        else:
            (scale * compiled()).backward()
            torch._foreach_div_([p.grad for p in model.parameters() if p.grad is not None], scale)

    return Contender(name, (learn,), optimizer)


def rule_contender(
    name: str, wired: Circuit, config: BenchConfig, x: Tensor, y: Tensor
) -> Contender:
    """A wired circuit in the rate backend."""
    net = rate_network(wired, config)
    if config.compile != "no":
        net.compile(mode=config.compile)
    optimizer = SGD(net.parameter_groups(SETTINGS, SETTINGS), **SETTINGS)
    parts: list[Callable[[], object]] = [lambda: net.step(x, y)]
    if any(phase.noisy for phase in wired.phases.values()):
        noise = torch.Generator(device=config.device).manual_seed(config.seed)
        parts.append(lambda: net.spontaneous_step(config.batch, generator=noise))
    return Contender(name, tuple(parts), optimizer)


def rate_network(wired: Circuit, config: BenchConfig) -> RateNetwork:
    """A wired circuit as it is measured."""
    return RateNetwork(
        wired,
        seed=config.seed,
        dtype=config.stored,
        compute_dtype=config.computed,
        channels_last=config.channels_last,
        device=config.device,
        share_changes=True,
    )
