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
    postsynaptic,
    set_point,
)

from .connectors import Match, plain_rows, rows_are_channels, takes_fewer_channels
from .kernels import (
    centre,
    centre_in_place,
    mean_change,
    mean_change_in_place,
    scaled,
    sum_cells,
)
from .parameters import check_learnable
from .passes.fold import fold_scales
from .passes.fuse import fuse_products, join_drives
from .passes.repeats import fold_repeats
from .passes.signs import keep_signs_only
from .precision import stored
from .program import Kernel, Kind, Part, Schedule, Value, parameter_key
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
        """The activity of every population that has one in the first phase, for analysis."""
        for name in self.circuit.order():
            if self.reading.settles(name, self.phases[0]):
                self.program.result(("activity", name), self.activity(name, self.phases[0]))
        return self.program.finish()

    def learning(self) -> Schedule:
        """All that learns in these phases."""
        check_learnable(self.circuit)
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
        fold_repeats(self.program, self._matches().get, takes_fewer_channels)
        fuse_products(self.program, self._joint_kernels().get)
        fold_scales(self.program, rows_are_channels)
        return self.program.finish()

    def _top_down(self) -> Iterator[str]:
        for name in self.circuit.order("forward"):
            if self.reading.settles(name, self.phases[0]):
                self.activity(name, self.phases[0])
        yield from self.circuit.order("feedback")

    def _statements(self):
        """Every parameter that learns: key → (error population it waits for, how to write it)."""
        for p in self.circuit.projections.values():
            if p.plasticity is not None and p.plasticity.phase in self.phases:
                yield ("weights", p.name), (self._waits(p), partial(self._learn_weights, p))
        for cell in self.circuit.populations.values():
            phase = self.reading.learning_phase(cell)
            if cell.learns is not None and phase in self.phases:
                waits = self.reading.at_hand(cell.name, cell.learns, phase).origin
                yield ("cell", cell.name), (waits, partial(self._learn_cell, cell, phase))

    def _waits(self, p: Projection) -> str | None:
        """The population whose error the change needs; the last that is worked out, if two."""
        pre, post = self.reading.ends(p)
        return next((signal.origin for signal in (pre, post) if signal.error), None)

    def _joint_kernels(self) -> dict[Hashable, Kernel | None]:
        halves = [self._half(p) for p in self.circuit.select(role="drive")]
        return {half.key: half.joint for half in halves}

    def _matches(self) -> dict[Hashable, tuple[Kernel, int] | None]:
        halves = [self._half(p) for p in self.circuit.projections.values()]
        return {half.key: half.once for half in halves if isinstance(half, Match)}

    # -- plasticity ------------------------------------------------------------------------

    def signal(
        self, signal: Signal, cell: str, phase: str, drive: Projection | None = None
    ) -> Value:
        """A signal at hand in a cell, or at the synapses of a drive to it."""
        at_hand = self.reading.at_hand(cell, signal, phase, drive)
        value = self.own_activity(at_hand.origin, phase)
        if at_hand.through is not None:
            value = self._convey(self.circuit.projections[at_hand.through], value, phase)
        if signal.gated:
            value = self.times_own_derivative(value, cell, phase)
        if signal.centred == "batch":
            value = self._op(Kind.CENTRE, centre, value, inplace=centre_in_place, label=cell)
        elif signal.centred == "baseline":
            value = self._centred_on(value, self.circuit.phases[phase].noise_mean)
        return value

    def _learn_weights(self, p: Projection) -> None:
        """Δw: the product of the two signals on the synapse's own side of any normalisation."""
        plasticity = p.plasticity
        assert plasticity is not None
        phase, post_signal = plasticity.phase, plasticity.post
        if plasticity.pre.centred == post_signal.centred == "batch":
            # Deviations of one side sum to zero, so the mean of the other has no part in the sum.
            post_signal = replace(post_signal, centred="no")
        (pre_cell, pre_signal), (post_cell, _) = p.factors
        pre = self.signal(pre_signal, pre_cell, phase, p)
        post = self.signal(post_signal, post_cell, phase)
        ends = self.reading.ends(p)
        if p.error_norm != "none":
            owner = self.reading.error_passes(p)
            if owner is p and ends[1].error:
                post = self._through_norm(p, post, p.error_norm, phase)
            elif owner is not p and ends[0].error:
                pre = self._through_norm(owner, pre, p.error_norm, phase)
        change = self._product(p, post, pre, plasticity)
        errors = sum(signal.error for signal in ends)
        self._change("weights", p.name, change, errors, self._scaling(p, plasticity))

    def _scaling(self, p: Projection, how: Plasticity) -> Kernel | None:
        """What synaptic scaling makes of a change and of the weights."""
        if how.scaling is None or how.rate is None:
            return None
        cells, strength = postsynaptic(self.circuit, p), how.scaling / how.rate
        keep = set_point(self.circuit, p)
        return lambda change, w: scaled(change, w, cells, keep, strength)

    def _change(
        self, kind: str, owner: str, change: Value, errors: int, scaling: Kernel | None = None
    ) -> None:
        """Keep a change in the type of its parameter, and without the scale of its errors."""
        if self.precision.compute is not None:
            # A hint, since all parameters have one type: synapses that change alike share this too.
            parameter = self.program.source(parameter_key(kind, owner))
            inputs = (change, *self._error_scale(errors))
            change = self._op(Kind.STORE, stored, *inputs, hints=(parameter,), label=owner)
        if scaling is not None:
            w = self.program.source((kind, owner))
            change = self._op(Kind.SCALING, scaling, change, w, detail=owner, label=owner)
        self.program.result(("change", kind, owner), change)

    def _product(self, p: Projection, post: Value, pre: Value, how: Plasticity) -> Value:
        half = self._half(p)
        if p.connector.transposed:
            # The inner connector's own product: synapses that learn alike ask for the very same.
            half, post, pre = half.inner, pre, post
        pre = self._windows(half, pre)
        named = {Part.POST: post, Part.PRE: pre}
        hints = (self.program.source(("weights", p.name)),)
        change = self._op(
            Kind.CORRELATE, half.correlate, named=named, detail=half.key, hints=hints, label=p.name
        )
        if how.reduction == "mean":
            sign = -1 if how.hebbian else 1
            kernel, over = partial(mean_change, sign), partial(mean_change_in_place, sign)
            return self._op(
                Kind.MEAN,
                kernel,
                change,
                post,
                detail=sign,
                # A hint: who has the same product has the same pairs.
                hints=(self.program.source(("pairs", p.name)),),
                inplace=over,
                label=p.name,
            )
        if not how.hebbian:
            return change
        return self._op(Kind.NEGATE, torch.neg, change, inplace=Tensor.neg_, label=p.name)

    def _learn_cell(self, cell: Population, phase: str) -> None:
        """Changes of a cell's bias, its gain and shift, and those of normalised drives to it."""
        assert cell.learns is not None
        error = self.signal(cell.learns, cell.name, phase)
        errors = int(self.reading.at_hand(cell.name, cell.learns, phase).error)
        if cell.bias:
            change = self._op(Kind.SUM, sum_cells, error, label=cell.name)
            self._change("bias", cell.name, change, errors)
        driven = self.reading.when(cell.name, phase)
        for p in self.reading.drives(cell.name, driven):
            if p.norm is not None and p.norm.affine:
                self._learn_norm(p, error, errors, driven)

    def _learn_norm(self, p: Projection, error: Value, errors: int, phase: str) -> None:
        """Gain and shift; a cell that forgets its normalised input cannot learn the gain."""
        if p.error_norm == "full":
            _, gain, shift = self._norm_changes(p, error, phase)
            self._change("gain", p.name, gain, errors)
        else:
            shift = self._op(Kind.SUM, sum_cells, error, label=p.name)
        self._change("shift", p.name, shift, errors)
