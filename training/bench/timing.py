"""Time and memory of contenders that take turns.

A B C A B C ..., and a ratio is taken within each round: what else the machine does then slows both
sides of a ratio alike, and the median over rounds shrugs off the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from statistics import quantiles
from time import perf_counter

import torch
from torch import Tensor

from oneway.backends.rate.memory import LiveTensors

from ..errors import ConfigError, first_line
from .contenders import BenchConfig, Contender

# A turn shorter than this would measure the clock.
TURN_S = 0.02
# A CUDA graph is recorded in the second step and runs in the third.
WARM_UP_STEPS = 3


def warm_up(contender: Contender, config: BenchConfig) -> int:
    """First steps, which compile and allocate; gives how many steps make a turn long enough."""
    try:
        for _ in range(WARM_UP_STEPS):
            contender.step()
        once = _seconds_a_step(contender, 1, config.device)
    except RuntimeError as error:  # NotImplementedError and running out of memory among them
        raise ConfigError(
            f"{contender.name}: torch cannot take a step of {config.batch} samples in "
            f"{config.dtype} on {config.device}: {first_line(error)}. Try another --dtype, a "
            "smaller --batch, or --compile no"
        ) from error
    return max(1, ceil(TURN_S / max(once, 1e-9)))


def alternate(
    contenders: Sequence[Contender],
    config: BenchConfig,
    after_turn: Callable[[str], None] = lambda name: None,
) -> dict[str, list[float]]:
    """Seconds a step of every contender in every round, taking turns: A B C A B C ..."""
    steps = {contender.name: warm_up(contender, config) for contender in contenders}
    seconds: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for _ in range(config.repeats):
        for contender in contenders:
            taken = _seconds_a_step(contender, steps[contender.name], config.device)
            seconds[contender.name].append(taken)
            after_turn(contender.name)
    return seconds


def _seconds_a_step(contender: Contender, steps: int, device: str) -> float:
    _wait(device)
    start = perf_counter()
    for _ in range(steps):
        contender.step()
    _wait(device)
    return (perf_counter() - start) / steps


def _wait(device: str) -> None:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)


@dataclass(frozen=True)
class Peak:
    """The most bytes that a step takes at any time.

    `total` counts the changes of parameters that it leaves behind, `activity` does not; on a GPU
    the allocator cannot tell them apart, and both are alike.
    """

    activity: int
    total: int


def peak(contender: Contender, device: str) -> Peak:
    """Peak memory of a step: tensors counted one by one on a CPU, the allocator's peak on a GPU."""
    measure = _allocator_peak if torch.device(device).type == "cuda" else _counted_peak
    peaks = [measure(part, contender.parameters()) for part in contender.parts]
    return Peak(max(p.activity for p in peaks), max(p.total for p in peaks))


def _counted_peak(part: Callable[[], object], parameters: Sequence[Tensor]) -> Peak:
    _clear_changes(parameters)
    with LiveTensors() as live:
        part()
    changes = [p.grad for p in parameters if p.grad is not None]
    return Peak(live.peak_without(changes), live.peak)


def _allocator_peak(part: Callable[[], object], parameters: Sequence[Tensor]) -> Peak:
    _clear_changes(parameters)
    device = parameters[0].device
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    part()
    torch.cuda.synchronize(device)
    total = torch.cuda.max_memory_allocated(device) - before
    return Peak(total, total)


def _clear_changes(parameters: Sequence[Tensor]) -> None:
    for parameter in parameters:
        parameter.grad = None


@dataclass(frozen=True)
class Ratio:
    """Median and quartiles of the ratios of all rounds."""

    median: float
    low: float
    high: float

    @property
    def spread(self) -> float:
        """Distance of the quartiles as a fraction of the median."""
        return (self.high - self.low) / self.median


def paired_ratio(seconds: Sequence[float], baseline: Sequence[float]) -> Ratio:
    """Ratio of two contenders, taken round by round."""
    ratios = [a / b for a, b in zip(seconds, baseline, strict=True)]
    low, middle, high = quantiles(ratios, n=4, method="inclusive")
    return Ratio(middle, low, high)
