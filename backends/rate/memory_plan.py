"""What a learning step keeps in memory until when, for people.

A schedule is run on tensors that have shapes but no memory (torch's `meta` device), and what it
holds is counted after each operation. So the plan of a deep net with a large batch costs no more
than looking at it.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from oneway.circuits.summary import Row, aligned

from .compiler import Compiler
from .memory import LiveTensors
from .network import RateNetwork
from .program import Key, Kind, Operation, Schedule, Value

MIB = 2**20
# Means, deviations and the like, of which there are many, share one line.
SMALL = 1 / 200


@dataclass(frozen=True)
class Kept:
    """Memory that the forward part leaves for the time after the loss.

    `made`, `freed` and `readers` are numbers of operations: the one that made it, the one after
    which it is free (None: it is a result), and those after the loss that read it.
    """

    label: str
    kind: str
    shape: tuple[int, ...]
    bytes: int
    made: int
    freed: int | None
    readers: tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    """One step: how much memory it holds, and what for.

    Bytes are of tensors made in the step; parameters, data and optimizer state are not among them.
    `held` are those after each operation, once what it read for the last time is free, `peaks` the
    most in the course of each, and `changes_bytes` those that the step leaves for the optimizer.
    The loss is made by operation `loss_at`, by none in a noisy phase.
    """

    operations: tuple[str, ...]
    loss_at: int | None
    kept: tuple[Kept, ...]
    held: tuple[int, ...]
    peaks: tuple[int, ...]
    changes_bytes: int

    @property
    def kept_bytes(self) -> int:
        """Bytes held when the loss has been computed."""
        return 0 if self.loss_at is None else self.held[self.loss_at]

    @property
    def peak_bytes(self) -> int:
        """The most bytes held at any time."""
        return max(self.peaks)

    @property
    def peak_at(self) -> int:
        """Number of the operation with the peak."""
        return self.peaks.index(self.peak_bytes)

    def __str__(self) -> str:
        return "\n".join(aligned(_rows(self) + _totals(self)))


def plan(net: RateNetwork, x: Tensor, y: Tensor) -> str:
    """What ``net.step(x, y)`` keeps in memory until when.

    Parameters
    ----------
    net : RateNetwork
        Left as it is, running statistics included.
    x, y : Tensor
        As for `RateNetwork.step`; only shape and dtype matter, and they may be on `meta`.

    Examples
    --------
    >>> import torch
    >>> from oneway.circuits import mlp
    >>> from oneway.rules import parse_rule
    >>> net = RateNetwork(parse_rule("fa").wire(mlp((1024, 1024, 10))))
    >>> print(plan(net, torch.zeros(256, 1024), torch.zeros(256, dtype=torch.long)))
    kept for the time after the loss  shape         MiB  made ...
    phi h1                            256 x 1024  1.000 ...
    ...
    held when the loss is computed                1.0...
    peak, changes included ...
    changes left for the optimizer                4.043
    """
    return str(plan_step(net, x, y))


def plan_step(net: RateNetwork, x: Tensor, y: Tensor) -> Plan:
    """The plan of ``net.step(x, y)``: see `plan`."""
    # A twin: connectors move their index tensors to where they are used, and meta holds no numbers.
    twin = copy.deepcopy(net).to("meta")
    schedule = twin._schedule("step", Compiler.learning)
    return describe(schedule, twin._given(x=x.to("meta"), y=y.to("meta")))


def describe(schedule: Schedule, given: Mapping[Key, Any]) -> Plan:
    """Run a schedule and note what it holds after each operation, besides what is given."""
    with torch.no_grad(), LiveTensors() as live:
        recorder = _Recorder(schedule, given, live)
        for number, operation in enumerate(schedule.operations):
            recorder.run(number, operation)
    return recorder.plan()


class _Recorder:
    """Runs operations one by one and follows the memory behind their values.

    Values that share memory (a view, an activity written over its input) are one thing kept.
    """

    def __init__(self, schedule: Schedule, given: Mapping[Key, Any], live: LiveTensors) -> None:
        self.schedule, self.live = schedule, live
        self.values = {v: given[key] for key, v in schedule.sources.items() if key in given}
        self.outside = {_memory(t) for t in self.values.values() if isinstance(t, Tensor)}
        self.made: dict[Value, int] = {}
        self.held: list[int] = []
        self.peaks: list[int] = []
        self.loss_at: int | None = None
        self.waiting: dict[int, Kept] = {}
        self.done: list[Kept] = []

    def run(self, number: int, operation: Operation) -> None:
        self.live.peak = self.live.bytes
        out = operation.kernel(*[self.values[v] for v in operation.inputs])
        outputs = (out,) if len(operation.outputs) == 1 else out
        self.values.update(zip(operation.outputs, outputs, strict=True))
        self.made.update(dict.fromkeys(operation.outputs, number))
        del out, outputs
        self.peaks.append(self.live.peak)
        for value in self.schedule.frees[number]:
            self.values.pop(value, None)
        self.held.append(self.live.bytes)
        if self.loss_at is None and operation.kind == Kind.LOSS:
            self.loss_at = number
            self.waiting = {memory: self._kept(vs) for memory, vs in self._alive().items()}
        elif self.waiting:
            self._note_what_is_freed(number)

    def _alive(self) -> dict[int, list[Value]]:
        """Memory made in the step -> the values in it, the newest last."""
        alive: dict[int, list[Value]] = {}
        for value, tensor in self.values.items():
            if value in self.made and isinstance(tensor, Tensor):
                memory = _memory(tensor)
                if memory not in self.outside:
                    alive.setdefault(memory, []).append(value)
        return alive

    def _kept(self, values: Sequence[Value]) -> Kept:
        operations, newest = self.schedule.operations, values[-1]
        maker, tensor = operations[self.made[newest]], self.values[newest]
        late = range((self.loss_at or 0) + 1, len(operations))
        readers = tuple(n for n in late if set(values).intersection(operations[n].inputs))
        size = tensor.untyped_storage().nbytes()
        shape = tuple(tensor.shape)
        return Kept(maker.label, maker.kind, shape, size, self.made[newest], None, readers)

    def _note_what_is_freed(self, number: int) -> None:
        # An address may be given out again, but only after it was noted as free here.
        for memory in self.waiting.keys() - self._alive().keys():
            self.done.append(replace(self.waiting.pop(memory), freed=number))

    def plan(self) -> Plan:
        results = {key: self.values[v] for key, v in self.schedule.results.items()}
        changes = {_memory(t): t for key, t in results.items() if key[0] == "change"}
        kept = sorted([*self.done, *self.waiting.values()], key=lambda item: item.made)
        return Plan(
            tuple(f"{op.kind} {op.label}".strip() for op in self.schedule.operations),
            self.loss_at,
            tuple(kept),
            tuple(self.held),
            tuple(self.peaks),
            sum(t.untyped_storage().nbytes() for t in changes.values()),
        )


def _memory(tensor: Tensor) -> int:
    """What tells one piece of memory from another; also on the meta device."""
    return tensor.untyped_storage()._cdata


# -- text --------------------------------------------------------------------------------------


def _rows(plan: Plan) -> list[Row]:
    rows: list[Row] = [
        ("kept for the time after the loss", "shape", "MiB", "made", "read by", "freed after")
    ]
    small = [k for k in plan.kept if k.bytes < SMALL * plan.kept_bytes]
    for k in plan.kept:
        if k not in small:
            shape = " x ".join(map(str, k.shape)) or "1"
            # Kinds of the operations that will read it, in their order.
            users = ", ".join(dict.fromkeys(plan.operations[n].split(" ")[0] for n in k.readers))
            end = "result" if k.freed is None else f"{k.freed} {plan.operations[k.freed]}"
            rows.append((f"{k.kind} {k.label}", shape, _mib(k.bytes), f"{k.made}", users, end))
    if small:
        rows.append((f"{len(small)} smaller", "", _mib(sum(k.bytes for k in small)), "", "", ""))
    return rows


def _totals(plan: Plan) -> list[Row]:
    peak = plan.operations[plan.peak_at]
    loss_at = "" if plan.loss_at is None else f"{plan.loss_at}"
    return [
        ("held when the loss is computed", "", _mib(plan.kept_bytes), loss_at, "", ""),
        ("peak, changes included", "", _mib(plan.peak_bytes), f"{plan.peak_at}", "", f"in {peak}"),
        ("changes left for the optimizer", "", _mib(plan.changes_bytes), "", "", ""),
    ]


def _mib(size: int) -> str:
    return f"{size / MIB:.3f}"
