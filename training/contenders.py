"""Who takes part in a benchmark: autograd, rules in the rate backend, any torch module."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim import SGD, Optimizer

from oneway.backends.rate import RateNetwork
from oneway.backends.rate.plain import PlainNetwork
from oneway.circuits import Circuit

from .errors import ConfigError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float64": torch.float64}
AUTOGRAD = "autograd"
DEVICES = ("cpu", "cuda")
# So small that nothing runs away on one batch that is learned over and over.
SETTINGS: dict[str, Any] = {"lr": 1e-4, "momentum": 0.9, "weight_decay": 5e-4}


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
        One of `DTYPES`: of weights and activity, on both sides.
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

    def __post_init__(self) -> None:
        for name, least in (("batch", 2), ("repeats", 3)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} {getattr(self, name)}, expected at least {least}")
        if self.dtype not in DTYPES:
            raise ConfigError(f"dtype {self.dtype!r}, expected one of {', '.join(DTYPES)}")
        _check_device(self.device)


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

    Parameters
    ----------
    name : str
    parts : tuple of callables
        Each fills ``.grad``, and the optimizer steps after each: a batch of data; for rules with
        spontaneous phases also a batch of noise.
    optimizer : Optimizer
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
    return x.to(config.device, DTYPES[config.dtype]), y.to(config.device)


def plain_contender(circuit: Circuit, config: BenchConfig, x: Tensor, y: Tensor) -> Contender:
    """Backpropagation by autograd through torch's own layers."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = PlainNetwork(circuit).to(config.device, DTYPES[config.dtype])
    return model_contender(AUTOGRAD, model, x, y)


def model_contender(name: str, model: torch.nn.Module, x: Tensor, y: Tensor) -> Contender:
    """Any torch module that autograd trains."""
    optimizer = SGD(model.parameters(), **SETTINGS)

    def learn() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()

    return Contender(name, (learn,), optimizer)


def rule_contender(
    name: str, wired: Circuit, config: BenchConfig, x: Tensor, y: Tensor
) -> Contender:
    """A wired circuit in the rate backend."""
    net = rate_network(wired, config)
    optimizer = SGD(net.parameter_groups(SETTINGS, SETTINGS), **SETTINGS)
    parts: list[Callable[[], object]] = [lambda: net.step(x, y)]
    if any(phase.noisy for phase in wired.phases.values()):
        noise = torch.Generator(device=config.device).manual_seed(config.seed)
        parts.append(lambda: net.spontaneous_step(config.batch, generator=noise))
    return Contender(name, tuple(parts), optimizer)


def rate_network(wired: Circuit, config: BenchConfig) -> RateNetwork:
    """A wired circuit as it is measured."""
    dtype = DTYPES[config.dtype]
    return RateNetwork(wired, seed=config.seed, dtype=dtype, device=config.device)


def first_line(error: BaseException) -> str:
    """What an error says, short enough for a message of ours."""
    return str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else repr(error)
