"""A schedule of tensor operations that is known before it runs.

The compiler writes operations on numbered values. Because a value is looked up before it is
written, what two synapses both need is computed once; because every use is known, a tensor is
freed after its last one.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum, auto
from types import MappingProxyType
from typing import Any

Value = int
Key = tuple[str, ...]
Kernel = Callable[..., Any]


def parameter_key(kind: str, owner: str) -> Key:
    """Under which a program is given the parameter whose change is ``("change", kind, owner)``."""
    return ("norm", owner, kind) if kind in ("gain", "shift") else (kind, owner)


class Kind(StrEnum):
    """What an operation does; for people, its value is a word."""

    # Synapses: pre to post, post to pre, the product of the two, the last two together.
    APPLY, ADJOINT, CORRELATE, JOINT = "apply", "adjoint", "correlate", "joint"
    WINDOWS, SIGNS, CAST = "windows", "signs", "cast"
    # Cells.
    BIAS, PHI, DERIVATIVE, KEEP_SIGN = "bias", "phi", "derivative", "sign"
    ADD, MINUS, CENTRE = "add", "minus", "centre"
    # Normalisation, and the ways an error passes it.
    NORMALISE, AGAIN = "normalise", "renormalise"
    FULL, SCALE, OWN = "full", "scale", "own"
    # Output and target.
    LOSS, TARGET = "loss", "target"
    # Changes.
    SUM, MEAN, NEGATE, STORE, SCALING = "sum", "mean", "negate", "store", "scaling"
    # For who looks on.
    ANGLE = "angle"


class Part(Enum):
    """What an input is to an operation, for the passes that rewrite programs."""

    WEIGHTS, ROUTE, PRE, POST = auto(), auto(), auto(), auto()
    ERROR, TOLD = auto(), auto()  # of a gate: what it multiplies, what φ′ is worked out from
    INPUT, GAIN, SHIFT, RUNNING_MEAN, RUNNING_VAR = auto(), auto(), auto(), auto(), auto()
    DEVIATION = auto()


@dataclass(frozen=True)
class Operation:
    """One kernel call: takes the input tensors, makes one tensor or a tuple of them.

    `label` says to people which population or projection it is for, `detail` tells it from others
    of its kind, and `parts` what its first inputs are to it. `inplace` is the same kernel on the
    memory of its first input, for when nobody reads that again; `alone` makes the first of several
    outputs, for when nobody reads the others.
    """

    kind: Kind
    kernel: Kernel
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    label: str
    detail: Hashable = None
    inplace: Kernel | None = None
    alone: Kernel | None = None
    parts: tuple[Part, ...] = ()

    def place(self, part: Part) -> int | None:
        """Where among the inputs a part is; None if there is no such."""
        return self.parts.index(part) if part in self.parts else None

    def of(self, part: Part) -> Value:
        """The input that is a part."""
        return self.inputs[self.parts.index(part)]

    def given(self, part: Part, value: Value) -> Operation:
        """The same with another value as a part."""
        place = self.parts.index(part)
        return replace(self, inputs=(*self.inputs[:place], value, *self.inputs[place + 1 :]))


@dataclass
class Program:
    """Operations in the order in which they were first needed.

    A program's `sources` are values given from outside (data, parameters, noise); its `results`
    are values that somebody asked to keep.
    """

    operations: list[Operation] = field(default_factory=list)
    sources: dict[Key, Value] = field(default_factory=dict)
    results: dict[Key, Value] = field(default_factory=dict)
    _known: dict[Hashable, tuple[Value, ...]] = field(default_factory=dict)
    _count: int = 0

    def source(self, key: Key) -> Value:
        """A value given at run time under `key`."""
        if key not in self.sources:
            self.sources[key] = self._new(1)[0]
        return self.sources[key]

    def add(
        self,
        kind: Kind,
        kernel: Kernel,
        *inputs: Value,
        named: Mapping[Part, Value] = MappingProxyType({}),
        detail: Hashable = None,
        hints: tuple[Value, ...] = (),
        inplace: Kernel | None = None,
        alone: Kernel | None = None,
        outputs: int = 1,
        label: str = "",
    ) -> tuple[Value, ...]:
        """Values of `kernel` applied to `inputs`; the same as before if it was asked before.

        Two kernels of one kind and detail compute the same. Before the inputs come `named` ones, by
        what they are to the operation, and after them `hints`, which help the kernel and do not
        change what it computes.
        """
        inputs = (*named.values(), *inputs)
        key = (kind, detail, inputs)
        if key not in self._known:
            self._known[key] = made = self._new(outputs)
            given = (*inputs, *hints)
            self.operations.append(
                Operation(kind, kernel, given, made, label, detail, inplace, alone, tuple(named))
            )
        return self._known[key]

    def new_value(self) -> Value:
        """A value that no operation makes yet."""
        return self._new(1)[0]

    def result(self, key: Key, value: Value) -> None:
        """Keep `value` and return it under `key`."""
        self.results[key] = value

    def _new(self, n: int) -> tuple[Value, ...]:
        first = self._count
        self._count += n
        return tuple(range(first, first + n))

    def finish(self) -> Schedule:
        """Drop what no result needs and note each value's last use."""
        needed = set(self.results.values())
        kept: list[Operation] = []
        for operation in reversed(self.operations):
            if needed.intersection(operation.outputs):
                kept.append(_first_alone(operation, needed))
                needed.update(operation.inputs)
        kept.reverse()
        frees = _last_uses(kept, self.results.values())
        fixed = set(self.sources.values())
        kept = [_in_place(op, dead, fixed) for op, dead in zip(kept, frees, strict=True)]
        return Schedule(kept, frees, dict(self.sources), dict(self.results))


def _first_alone(op: Operation, needed: set[Value]) -> Operation:
    """Leave out all outputs but the first, where nobody reads the others."""
    if op.alone is None or needed.intersection(op.outputs[1:]):
        return op
    return replace(op, kernel=op.alone, outputs=op.outputs[:1])


def _in_place(op: Operation, dead: tuple[Value, ...], fixed: set[Value]) -> Operation:
    """Overwrite an input that is read for the last time, unless it was given from outside."""
    if op.inplace is None:
        return op
    free = op.inputs[0] in dead and op.inputs[0] not in fixed and op.inputs[0] not in op.inputs[1:]
    return replace(op, kernel=op.inplace) if free else op


def readers_of(operations: Iterable[Operation]) -> dict[Value, list[Operation]]:
    """The operations that read each value."""
    readers: dict[Value, list[Operation]] = {}
    for op in operations:
        for value in op.inputs:
            readers.setdefault(value, []).append(op)
    return readers


def _last_uses(operations: Sequence[Operation], results: Any) -> list[tuple[Value, ...]]:
    """For each operation the values that nobody needs after it."""
    alive = set(results)
    frees: list[tuple[Value, ...]] = []
    for operation in reversed(operations):
        values = dict.fromkeys((*operation.inputs, *operation.outputs))
        frees.append(tuple(value for value in values if value not in alive))
        alive.update(operation.inputs)
    frees.reverse()
    return frees


@dataclass(frozen=True)
class Schedule:
    """A finished program."""

    operations: list[Operation]
    frees: list[tuple[Value, ...]]
    sources: dict[Key, Value]
    results: dict[Key, Value]

    # What runs, in plain tuples: torch.compile before 2.13 cannot call the field of an object.
    _plain: list[tuple[Kernel, tuple[Value, ...], tuple[Value, ...], tuple[Value, ...]]] = field(
        init=False, repr=False
    )

    def __post_init__(self) -> None:
        pairs = zip(self.operations, self.frees, strict=True)
        plain = [(op.kernel, op.inputs, op.outputs, dead) for op, dead in pairs]
        object.__setattr__(self, "_plain", plain)

    def run(self, given: Mapping[Key, Any]) -> dict[Key, Any]:
        """Run with the given sources and return the results."""
        values = {value: given[key] for key, value in self.sources.items() if key in given}
        for kernel, inputs, outputs, dead in self._plain:
            out = kernel(*[values[v] for v in inputs])
            if len(outputs) == 1:
                values[outputs[0]] = out
            else:
                values.update(zip(outputs, out, strict=True))
            del out
            for value in dead:
                values.pop(value, None)
        return {key: values[value] for key, value in self.results.items()}
