"""From a wired circuit to programs: forward drives, error, feedback drives, plasticity.

The compiler knows populations, projections and plasticity statements, and no rule.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from oneway.circuits import (
    Plasticity,
    Population,
    Projection,
    Signal,
    TransposeConnector,
    postsynaptic,
    set_point,
)

from .connectors import plain_rows, rows_are_channels
from .fold import fold_scales
from .fuse import fuse_products, join_drives
from .kernels import (
    centre,
    centre_in_place,
    mean_change,
    mean_change_in_place,
    scaled,
    sum_cells,
)
from .precision import stored
from .program import Kernel, Schedule, Value
from .thrift import keep_signs_only
from .values import Values


class Compiler(Values):
    """Writes one program for a run of phases.

    Notes
    -----
    Sources: ``("input", population)``, ``("noise", population)``, ``("y",)``,
    ``("weights", projection)``, ``("scale", projection)``, ``("bias", population)``,
    ``("norm", owner, part)``, ``("training",)`` and, where errors are scaled, ``("loss_scale",)``.
    Results: ``("change", kind, owner)`` for every parameter that learns, ``("loss",)`` and
    ``("output",)``.
    """

    # -- programs --------------------------------------------------------------------------

    def forward(self) -> Schedule:
        """The output population's activity."""
        self.program.result(("output",), self.activity(self.circuit.output.name, self.phases[0]))
        return self.program.finish()

    def signals(self) -> Schedule:
        """The activity of every population, for analysis."""
        for name in self.circuit.order():
            self.program.result(("activity", name), self.activity(name, self.phases[0]))
        return self.program.finish()

    def learning(self) -> Schedule:
        """All that learns in these phases."""
        pending = dict(self._statements())
        for name in self._top_down():
            # Learn as soon as an error is there, so that nothing waits in memory for the end.
            ready = [key for key, (needs, _) in pending.items() if needs in (name, None)]
            for key in ready:
                pending.pop(key)[1]()
        for _, write in pending.values():
            write()
        if not self.circuit.phases[self.phases[0]].noisy:
            self.program.result(("output",), self._comparison()[0])
            self.program.result(("loss",), self._loss_and_error()[0])
        keep_signs_only(self.program)
        join_drives(self.program, plain_rows)
        fuse_products(self.program, self._joint_kernels().get)
        fold_scales(self.program, rows_are_channels)
        return self.program.finish()

    def _top_down(self) -> Iterator[str]:
        for name in self.circuit.order("forward"):
            if not self._silent(name):
                self.activity(name, self.phases[0])
        for name in self.circuit.order("feedback"):
            yield name

    def _silent(self, name: str) -> bool:
        """In a noisy phase only noisy cells and those that they drive are active."""
        phase = self.circuit.phases[self.phases[0]]
        if not phase.noisy or name in phase.noisy:
            return False
        return not any(self.circuit.select(role="drive", post=name, phase=phase.name))

    def _statements(self):
        """Every parameter that learns: key → (error population it waits for, how to write it)."""
        for p in self.circuit.projections.values():
            if p.plasticity is not None and p.plasticity.phase in self.phases:
                yield ("weights", p.name), (self._waits(p), lambda p=p: self._learn_weights(p))
        if any(self.circuit.phases[phase].noisy for phase in self.phases):
            return
        for cell in self.circuit.populations.values():
            if cell.learns is not None:
                yield (
                    ("cell", cell.name),
                    (cell.learns.source, lambda cell=cell: self._learn_cell(cell)),
                )

    def _waits(self, p: Projection) -> str | None:
        assert p.plasticity is not None
        if self.circuit.populations[p.pre].path == "feedback":
            return p.pre
        return p.plasticity.post.source

    def _joint_kernels(self) -> dict[Hashable, Kernel | None]:
        halves = [self._half(p) for p in self.circuit.select(role="drive")]
        return {half.key: half.joint for half in halves}

    # -- plasticity ------------------------------------------------------------------------

    def signal(
        self, signal: Signal, cell: str, phase: str, drive: Projection | None = None
    ) -> Value:
        """A signal at hand in a cell, or at the synapses of a drive to it."""
        if signal.kind == "activity":
            value = self.activity(cell, phase)
        else:
            teach = self.circuit.carrier(signal, cell, phase, drive)
            assert teach is not None  # a circuit is not built unless it arrives
            value = self._convey(teach, self.own_activity(teach.pre, phase))
        if signal.gated:
            population = self.circuit.populations[cell]
            a = self.excitation(cell, self.phases[0])
            value = self._times_derivative(value, a, population.activation)
        if signal.centred == "batch":
            value = self._op("centre", centre, value, inplace=centre_in_place, label=cell)
        elif signal.centred == "baseline":
            value = self._centred_on(value, self.circuit.phases[phase].noise_mean)
        return value

    def _learn_weights(self, p: Projection) -> None:
        """Δw: the product of the two signals on the synapse's own side of any normalisation."""
        plasticity = p.plasticity
        assert plasticity is not None
        post_signal = plasticity.post
        if plasticity.pre.centred == post_signal.centred == "batch":
            # Deviations of one side sum to zero, so the mean of the other has no part in the sum.
            post_signal = replace(post_signal, centred="no")
        (pre_cell, pre_signal), (post_cell, _) = p.factors
        pre = self.signal(pre_signal, pre_cell, plasticity.phase, p)
        post = self.signal(post_signal, post_cell, plasticity.phase)
        noisy = bool(self.circuit.phases[plasticity.phase].noisy)
        if not noisy and p.error_norm != "none":
            if self.circuit.populations[p.pre].path == "feedback":
                owner = self.circuit.projections[p.partner or ""]
                pre = self._through_norm(owner, pre, p.error_norm)
            else:
                post = self._through_norm(p, post, p.error_norm)
        change = self._product(p, post, pre, plasticity)
        errors = sum(self._is_error(signal, at, plasticity.phase) for at, signal in p.factors)
        self._change("weights", p.name, change, errors, self._scaling(p, plasticity))

    def _scaling(self, p: Projection, how: Plasticity) -> Kernel | None:
        """What synaptic scaling makes of a change and of the weights."""
        if how.scaling is None or how.rate is None:
            return None
        cells, strength = postsynaptic(self.circuit, p), how.scaling / how.rate
        keep = set_point(self.circuit, p)
        return lambda change, w: scaled(change, w, cells, keep, strength)

    def _is_error(self, signal: Signal, cell: str, phase: str) -> bool:
        """Whether a signal is proportional to the error, or to the target in its place."""
        source = signal.source or cell
        if signal.kind == "activity":
            for p in self.circuit.select(role="mimic", post=cell, phase=phase):
                source = p.pre
        path = self.circuit.populations[source].path
        return path in ("feedback", "target") and not self.circuit.phases[phase].noisy

    def _change(
        self, kind: str, owner: str, change: Value, errors: int, scaling: Kernel | None = None
    ) -> None:
        """Keep a change in the type of its parameter, and without the scale of its errors."""
        if self.precision.compute is not None:
            where = ("norm", owner, kind) if kind in ("gain", "shift") else (kind, owner)
            # A hint, since all parameters have one type: synapses that change alike share this too.
            parameter = self.program.source(where)
            inputs = (change, *self._error_scale(errors))
            change = self._op("store", stored, *inputs, hints=(parameter,), label=owner)
        if scaling is not None:
            w = self.program.source((kind, owner))
            change = self._op("scaling", scaling, change, w, detail=owner, label=owner)
        self.program.result(("change", kind, owner), change)

    def _product(self, p: Projection, post: Value, pre: Value, how: Plasticity) -> Value:
        half = self._half(p)
        if isinstance(p.connector, TransposeConnector):
            # The inner connector's own product: synapses that learn alike ask for the very same.
            half, post, pre = half.inner, pre, post
        pre = self._windows(half, pre)
        change = self._op(
            "correlate",
            half.correlate,
            post,
            pre,
            detail=half.key,
            hints=(self.program.source(("weights", p.name)),),
            label=p.name,
        )
        if how.reduction == "mean":
            sign = -1 if how.hebbian else 1
            kernel, over = partial(mean_change, sign), partial(mean_change_in_place, sign)
            return self._op("mean", kernel, change, post, detail=sign, inplace=over, label=p.name)
        if not how.hebbian:
            return change
        return self._op("negate", torch.neg, change, inplace=Tensor.neg_, label=p.name)

    def _learn_cell(self, cell: Population) -> None:
        """Changes of a cell's bias, its gain and shift, and those of normalised drives to it."""
        assert cell.learns is not None
        phase = self._learning_phase(cell)
        error = self.signal(cell.learns, cell.name, phase)
        errors = int(self._is_error(cell.learns, cell.name, phase))
        if cell.bias:
            change = self._op("sum", sum_cells, error, label=cell.name)
            self._change("bias", cell.name, change, errors)
        for p in self.circuit.select(role="drive", post=cell.name, phase=self.phases[0]):
            if p.norm is not None and p.norm.affine:
                self._learn_norm(p, error, errors)

    def _learning_phase(self, cell: Population) -> str:
        assert cell.learns is not None
        phases = (
            phase
            for p in self.circuit.select(role="teach", pre=cell.learns.source, post=cell.name)
            for phase in p.phases
        )
        return next(phase for phase in phases if phase in self.phases)

    def _learn_norm(self, p: Projection, error: Value, errors: int) -> None:
        """Gain and shift; a cell that forgets its normalised input cannot learn the gain."""
        if p.error_norm == "full":
            _, gain, shift = self._norm_changes(p, error)
            self._change("gain", p.name, gain, errors)
        else:
            shift = self._op("sum", sum_cells, error, label=p.name)
        self._change("shift", p.name, shift, errors)
