"""A program as one graph of `torch.compile`, and uncompiled where a graph would not pay.

On a GPU the graph is recorded as a CUDA graph of our own, which the processor starts in one go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any

import torch
from torch import Tensor

from .program import Key

Given = Mapping[Key, Any]
Run = Callable[[Given], dict[Key, Any]]
# Modes in which torch.compile would record CUDA graphs, and what is left of them without.
UNRECORDED = {"reduce-overhead": "default", "max-autotune": "max-autotune-no-cudagraphs"}
# Runs of a compiled program before it is recorded: the first one compiles, and in the second one
# nothing is chosen or loaded any more.
RUNS_BEFORE = 2


class CompiledRun:
    """Runs a program by graphs, one for each batch size that is worth one.

    The first size gets a graph, another one when it comes twice in a row. So the smaller batch at
    the end of an epoch runs uncompiled, and a run takes as many compilations as it has programs.

    Parameters
    ----------
    run : callable
        `Schedule.run`.
    options : mapping
        Of ``torch.compile``.
    staying : callable, optional
        Gives the addresses of all memory that stays from call to call. Modes of ``torch.compile``
        that record CUDA graphs do so only if it is known.
    """

    def __init__(
        self,
        run: Run,
        options: Mapping[str, Any],
        staying: Callable[[], set[int]] | None = None,
    ) -> None:
        mode = options.get("mode")
        self.run, self.options = run, dict(options)
        self.staying = staying if mode in UNRECORDED else None
        if self.staying:
            self.options["mode"] = UNRECORDED[str(mode)]
        self.graphs: dict[int, Run] = {}
        self._last = 0

    def __call__(self, given: Given, size: int) -> dict[Key, Any]:
        worth_it, self._last = not self.graphs or size == self._last, size
        if size not in self.graphs:
            if not worth_it:
                return self.run(given)
            self.graphs[size] = self._compile()
        return self.graphs[size](given)

    def _compile(self) -> Run:
        # Sizes are fixed: each has a graph of its own.
        options = {"fullgraph": True, "dynamic": False, **self.options}
        compiled = torch.compile(_with_own_code(self.run), **options)
        return RecordedRun(compiled, self.staying) if self.staying else compiled


class RecordedRun:
    """A program recorded as a CUDA graph after its first runs, and from then on replayed.

    What stays in memory is read where it lies, and where that has moved the program is recorded
    again; all else (data, noise, what dropout silences) is copied to where the graph reads it.
    Recording runs nothing, so that running statistics see each batch once.

    Results lie in the same memory every time. Changes must be read before the program runs again;
    other results are small and are copied out.
    """

    def __init__(self, run: Run, staying: Callable[[], set[int]]) -> None:
        self.run, self.staying = run, staying
        # Whatever is no tensor is part of the program: one recording to learn, one to be used.
        self._recordings: dict[Any, _Recording] = {}
        self._runs: dict[Any, int] = {}

    def __call__(self, given: Given) -> dict[Key, Any]:
        kind = given.get(("training",))
        self._runs[kind] = self._runs.get(kind, 0) + 1
        if self._runs[kind] <= RUNS_BEFORE:
            return self.run(given)
        recording = self._recordings.get(kind)
        if recording is None or not recording.fits(given):
            recording = self._recordings[kind] = _Recording(self.run, given, self.staying())
        return recording.replay(given)


class _Recording:
    """One CUDA graph, with the memory that it reads and writes."""

    def __init__(self, run: Run, given: Given, staying: set[int]) -> None:
        tensors = {key: value for key, value in given.items() if isinstance(value, Tensor)}
        places = {key: tensor.data_ptr() for key, tensor in tensors.items()}
        self._lying = {key: place for key, place in places.items() if place in staying}
        self._read = {key: tensors[key].clone() for key in tensors if key not in self._lying}
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._results = run({**given, **self._read})

    def fits(self, given: Given) -> bool:
        return all(given[key].data_ptr() == place for key, place in self._lying.items())

    def replay(self, given: Given) -> dict[Key, Any]:
        for key, memory in self._read.items():
            memory.copy_(given[key])
        self._graph.replay()
        return {k: v if k[0] == "change" else v.clone() for k, v in self._results.items()}


def _with_own_code(run: Run) -> Run:
    """A function for one graph: torch.compile limits recompilations by code object."""

    def program(given):
        return run(given)

    code = program.__code__.replace(co_name="program")  # a copy, not the one all would share
    return FunctionType(code, program.__globals__, closure=program.__closure__)
