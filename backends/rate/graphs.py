"""A program as one graph of `torch.compile`, and uncompiled where a graph would not pay."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any

import torch
from torch import Tensor

from .program import Key

Run = Callable[[Mapping[Key, Any]], dict[Key, Any]]
# What comes new with every call; all else stays where it lies in memory.
PASSING = ("input", "noise", "heard", "y")


class CompiledRun:
    """Runs a program by graphs, one for each batch size that is worth one.

    The first size gets a graph, another one when it comes twice in a row. So the smaller batch at
    the end of an epoch runs uncompiled, and a run takes as many compilations as it has programs.

    `run` is `Schedule.run`, and `options` are those of ``torch.compile``.

    Where ``torch.compile`` records CUDA graphs, a graph writes its results to the same memory every
    time. Changes must be read before a compiled network of this process runs again (`new_step`);
    other results are small and are copied out. Parameters and running statistics are
    said to stay where they are, since a graph that overwrites what may move is not recorded at all.
    """

    def __init__(self, run: Run, options: Mapping[str, Any], on_gpu: bool) -> None:
        self.run, self.options, self.on_gpu = run, options, on_gpu
        self.graphs: dict[int, Run] = {}
        self._last = 0

    def __call__(self, given: Mapping[Key, Any], size: int) -> dict[Key, Any]:
        worth_it, self._last = not self.graphs or size == self._last, size
        if size not in self.graphs:
            if not worth_it:
                return self.run(given)
            self.graphs[size] = self._compile(given)
        results = self.graphs[size](given)
        if self.on_gpu:
            results |= {k: v.clone() for k, v in results.items() if k[0] != "change"}
        return results

    def _compile(self, given: Mapping[Key, Any]) -> Run:
        for key, tensor in given.items():
            if isinstance(tensor, Tensor) and key[0] not in PASSING:
                torch._dynamo.mark_static_address(tensor, guard=False)
        # Sizes are fixed: each has a graph of its own.
        options = {"fullgraph": True, "dynamic": False, **self.options}
        return torch.compile(_with_own_code(self.run), **options)


def new_step() -> None:
    """From here on CUDA graphs may write over the results of earlier ones.

    Said once a step, not once a program: a step may run several, one a phase, and reads what all of
    them have left behind when they are done.
    """
    torch.compiler.cudagraph_mark_step_begin()


def _with_own_code(run: Run) -> Run:
    """A function for one graph: torch.compile limits recompilations by code object."""

    def program(given):
        return run(given)

    code = program.__code__.replace(co_name="program")  # a copy, not the one all would share
    return FunctionType(code, program.__globals__, closure=program.__closure__)
