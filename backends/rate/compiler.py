"""From a wired circuit to programs: forward drives, error, feedback drives, plasticity.

The compiler asks for values by what they are (the activity of a population in a phase, what a
synapse learns from) and writes the operations that make them. It knows populations, projections
and plasticity statements, and no rule.
"""

from __future__ import annotations

import functools
from collections.abc import Hashable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from oneway.circuits import (
    Circuit,
    Plasticity,
    Population,
    Projection,
    Signal,
    TransposeConnector,
    WiringError,
)

from . import norms
from .activations import (
    PHI,
    PHI_IN_PLACE,
    TIMES_DERIVATIVE,
    TIMES_DERIVATIVE_IN_PLACE,
)
from .connectors import RateConnector, rate_connector, rows_are_channels
from .fold import fold_scales
from .fuse import fuse_products
from .loss import OutputError
from .pooled_norms import PooledNorms, Stack
from .precision import AS_GIVEN, Precision, computed, stored
from .program import Kernel, Program, Schedule, Value
from .thrift import keep_signs_only


def _once(method):
    """Ask a question of the circuit once: a deep residual net has exponentially many paths."""

    @functools.wraps(method)
    def remembered(self, subject, *rest):
        key = (method.__name__, getattr(subject, "name", subject), *rest)
        if key not in self._answers:
            self._answers[key] = method(self, subject, *rest)
        return self._answers[key]

    return remembered


class Compiler:
    """Writes one program for a run of phases.

    Parameters
    ----------
    circuit : Circuit
    phases : tuple of str
        The phases that the program runs through, in order.
    loss : OutputError
        Compares output and target.
    precision : Precision, optional
        Types of numbers and layout of images; by default everything as it is given.
    stack : callable, optional
        Where other processes hold the rest of the batch: a tensor of each, (parts, *shape).

    Notes
    -----
    Sources: ``("input", population)``, ``("noise", population)``, ``("y",)``,
    ``("weights", projection)``, ``("scale", projection)``, ``("bias", population)``,
    ``("norm", owner, part)``, ``("training",)`` and, where errors are scaled, ``("loss_scale",)``.
    Results: ``("change", kind, owner)`` for every parameter that learns, ``("loss",)`` and
    ``("output",)``.
    """

    def __init__(
        self,
        circuit: Circuit,
        phases: tuple[str, ...],
        loss: OutputError,
        precision: Precision = AS_GIVEN,
        stack: Stack | None = None,
    ) -> None:
        self.circuit, self.phases, self.loss = circuit, phases, loss
        self.precision = precision
        self.norms: Any = norms if stack is None else PooledNorms(stack)
        self.program = Program()
        self._answers: dict[Hashable, Any] = {}

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

    # -- activity --------------------------------------------------------------------------

    def activity(self, name: str, phase: str) -> Value:
        """What the cells fire in a phase: what they mimic, or else their own."""
        for p in self.circuit.select(role="mimic", post=name, phase=phase):
            return self._convey(p, self.own_activity(p.pre, phase))
        return self.own_activity(name, phase)

    @_once
    def own_activity(self, name: str, phase: str) -> Value:
        """What the cells' own input makes of them, mimicry aside."""
        cell = self.circuit.populations[name]
        phase = self._when_driven(cell, phase)
        if name in self.circuit.phases[phase].noisy:
            return self.program.source(("noise", name))
        if cell.path == "target":
            scale = self._error_scale(1)
            return self._op("target", self.loss.target, *self._comparison(), *scale, label=name)
        if any(self.circuit.select(role="compare", post=name)):
            return self._loss_and_error()[1]
        if cell.path == "feedback":
            return self._error_activity(cell, phase)
        if cell in self.circuit.inputs:
            return self.program.source(("input", name))
        return self._normalised_activity(cell, phase)

    def _loss_and_error(self) -> tuple[Value, ...]:
        inputs = (*self._comparison(), *self._error_scale(1))
        return self.program.add("loss", self.loss, *inputs, outputs=2, label="loss")

    def _comparison(self) -> tuple[Value, Value]:
        output = self.activity(self.circuit.output.name, self.phases[0])
        return output, self.program.source(("y",))

    def _when_driven(self, cell: Population, phase: str) -> str:
        """The last phase up to `phase` in which the cells were driven; they hold their activity."""
        position = self.phases.index(phase)
        for earlier in reversed(self.phases[: position + 1]):
            driven = any(self.circuit.select(role="drive", post=cell.name, phase=earlier))
            if driven or cell.name in self.circuit.phases[earlier].noisy:
                return earlier
        if self.circuit.phases[phase].noisy:
            raise WiringError(
                f"population {cell.name!r} is silent in phase {phase!r}, but a synapse learns from "
                "its activity there: make a drive to it active in that phase"
            )
        return self.phases[0]

    @_once
    def excitation(self, name: str, phase: str) -> Value:
        """φ of the summed input, before any normalisation after φ."""
        cell = self.circuit.populations[name]
        u = self._summed_drives(cell, phase)
        if cell.bias and not self.circuit.phases[phase].bias_blocked:
            bias = self._computed(self.program.source(("bias", cell.name)), cell.name)
            u = self._op("bias", _add_bias, u, bias, inplace=_add_bias_in_place, label=cell.name)
        if cell.activation == "linear":
            return u
        phi = cell.activation
        over = PHI_IN_PLACE.get(phi)
        return self._op("phi", PHI[phi], u, detail=phi, inplace=over, label=cell.name)

    def _normalised_activity(self, cell: Population, phase: str) -> Value:
        a = self.excitation(cell.name, phase)
        if cell.norm is None or self.circuit.phases[phase].bias_blocked:
            return a
        return self._normalise(cell, a)[0]

    @_once
    def _drive(self, p: Projection, phase: str) -> Value:
        """What a projection adds to the input of its target."""
        if self.circuit.populations[p.pre].path == "feedback":
            return self._convey(p, self._sent_error(p, phase))
        z = self._drive_before_norm(p, phase)
        if p.norm is None or self.circuit.phases[phase].bias_blocked:
            return z
        return self._normalise(p, z)[0]

    @_once
    def _drive_before_norm(self, p: Projection, phase: str) -> Value:
        pre = self.activity(p.pre, phase)
        period = self.circuit.phases[phase]
        if p.pre in period.noisy:
            pre = self._centred_on(pre, period.noise_mean)
        return self._convey(p, pre)

    def _convey(self, p: Projection, pre: Value) -> Value:
        """`pre` through the synapses of a projection."""
        half = self._half(p)
        if half.identity:
            return pre
        if isinstance(p.connector, TransposeConnector):
            inner = half.inner
            through = () if p.weights is None else (self._weights(p),)
            through = (self._route(p),) if inner.routed else through
            return self._op("adjoint", inner.adjoint, *through, pre, detail=inner.key, label=p.name)
        if half.routed:
            return self.program.add(
                "apply", half.apply, pre, detail=half.key, outputs=2, label=p.name
            )[0]
        weights = () if p.weights is None else (self._weights(p),)
        return self._op("apply", half.apply, *weights, pre, detail=half.key, label=p.name)

    def _route(self, p: Projection) -> Value:
        """Which presynaptic cell won each window of the max-pool that `p` runs against."""
        pool = self.circuit.projections[p.partner or ""]
        half = self._half(pool)
        pre = self.activity(pool.pre, self.phases[0])
        return self.program.add(
            "apply", half.apply, pre, detail=half.key, outputs=2, label=pool.name
        )[1]

    def _joint_kernels(self) -> dict[Hashable, Kernel | None]:
        halves = [self._half(p) for p in self.circuit.select(role="drive")]
        return {half.key: half.joint for half in halves}

    @_once
    def _half(self, p: Projection) -> RateConnector:
        populations = self.circuit.populations
        shapes = (populations[p.pre].shape, populations[p.post].shape)
        return rate_connector(p.connector, *shapes, self.precision.memory_format)

    def _weights(self, p: Projection) -> Value:
        assert p.weights is not None
        if p.weights.kind == "independent":
            return self._computed(self.program.source(("weights", p.name)), p.name)
        forward = self._weights(self.circuit.projections[p.weights.to or ""])
        if p.weights.kind == "tied":
            return forward
        scale = self.program.source(("scale", p.name))
        return self._op("signs", _signs, forward, scale, label=p.name)

    # -- errors ----------------------------------------------------------------------------

    @_once
    def _error_activity(self, cell: Population, phase: str) -> Value:
        """δ: the summed feedback, through what the partner does to its own input."""
        error = self._summed_drives(cell, phase)
        if cell.error_norm != "none":
            partner = self.circuit.populations[cell.partner or ""]
            error = self._through_norm(partner, error, cell.error_norm)
        for gate in self.circuit.select(role="gate", post=cell.name, phase=phase):
            error = self._gated(error, gate)
        return error

    def _gated(self, error: Value, gate: Projection) -> Value:
        phi = gate.derivative or "linear"
        if phi == "linear":
            return error
        source = self.circuit.populations[gate.pre]
        ask = self.own_activity if source.norm is None else self.excitation
        a = self._convey(gate, ask(source.name, self.phases[0]))
        if source.activation != phi:
            # Activity of another kind of cell stands in for the input of φ, not for its output.
            a = self._op("phi", PHI[phi], a, detail=phi, label=gate.name)
        return self._times_derivative(error, a, phi)

    def _times_derivative(self, error: Value, a: Value, phi: str) -> Value:
        kernel, over = TIMES_DERIVATIVE[phi], TIMES_DERIVATIVE_IN_PLACE.get(phi)
        return self._op("derivative", kernel, error, a, detail=phi, inplace=over, label="gate")

    def _sent_error(self, p: Projection, phase: str) -> Value:
        """The error as a feedback projection sends it: past its partner's normalisation."""
        error = self.activity(p.pre, phase)
        if p.error_norm == "none":
            return error
        return self._through_norm(self.circuit.projections[p.partner or ""], error, p.error_norm)

    def _through_norm(self, owner: Projection | Population, error: Value, how: str) -> Value:
        """An error at the output of a normalisation, taken to its input."""
        if how == "full":
            return self._norm_changes(owner, error)[0]
        _, _, scale = self._normalise(owner, self._norm_input(owner))
        gain = self.program.source(("norm", owner.name, "gain"))
        kernel = {"scale": norms.scale_only, "own": self.norms.own}[how]
        return self._op(how, kernel, error, gain, scale, label=owner.name)

    def _norm_input(self, owner: Projection | Population) -> Value:
        if isinstance(owner, Projection):
            return self._drive_before_norm(owner, self.phases[0])
        return self.excitation(owner.name, self.phases[0])

    def _normalise(self, owner: Projection | Population, z: Value) -> tuple[Value, ...]:
        """(normalised, mean, inverse deviation)"""
        norm = owner.norm
        assert norm is not None
        parts = [
            self.program.source(("norm", owner.name, part))
            for part in ("gain", "shift", "mean", "var")
        ]
        training = self.program.source(("training",))
        return self.program.add(
            "normalise",
            lambda *tensors: self.norms.normalise(norm, *tensors),
            z,
            *parts,
            training,
            detail=norm,
            outputs=3,
            label=owner.name,
        )

    def _norm_changes(self, owner: Projection | Population, error: Value) -> tuple[Value, ...]:
        """(error at the input, change of gain, change of shift)"""
        norm = owner.norm
        assert norm is not None
        z = self._norm_input(owner)
        _, mean, scale = self._normalise(owner, z)
        gain, running_mean, running_var = (
            self.program.source(("norm", owner.name, part)) for part in ("gain", "mean", "var")
        )
        training = self.program.source(("training",))
        return self.program.add(
            "full",
            lambda *tensors: self.norms.full_derivative(norm, *tensors),
            error,
            z,
            gain,
            mean,
            scale,
            running_mean,
            running_var,
            training,
            detail=norm,
            outputs=3,
            label=owner.name,
        )

    # -- plasticity ------------------------------------------------------------------------

    def signal(self, signal: Signal, cell: str, phase: str) -> Value:
        """A signal at hand in a cell."""
        if signal.kind == "activity":
            value = self.activity(cell, phase)
        else:
            (teach,) = self.circuit.select(role="teach", pre=signal.source, post=cell, phase=phase)
            value = self._convey(teach, self.own_activity(teach.pre, phase))
        if signal.gated:
            population = self.circuit.populations[cell]
            a = self.excitation(cell, self.phases[0])
            value = self._times_derivative(value, a, population.activation)
        if signal.centred == "batch":
            value = self._op("centre", _centre, value, label=cell)
        elif signal.centred == "baseline":
            value = self._centred_on(value, self.circuit.phases[phase].noise_mean)
        return value

    def _centred_on(self, value: Value, baseline: float) -> Value:
        if baseline == 0:
            return value
        return self._op("minus", lambda t: t - baseline, value, detail=baseline)

    def _learn_weights(self, p: Projection) -> None:
        """Δw: the product of the two signals on the synapse's own side of any normalisation."""
        plasticity = p.plasticity
        assert plasticity is not None
        post_signal = plasticity.post
        if plasticity.pre.centred == post_signal.centred == "batch":
            # Deviations of one side sum to zero, so the mean of the other has no part in the sum.
            post_signal = replace(post_signal, centred="no")
        pre = self.signal(plasticity.pre, p.pre, plasticity.phase)
        post = self.signal(post_signal, p.post, plasticity.phase)
        noisy = bool(self.circuit.phases[plasticity.phase].noisy)
        if not noisy and p.error_norm != "none":
            if self.circuit.populations[p.pre].path == "feedback":
                owner = self.circuit.projections[p.partner or ""]
                pre = self._through_norm(owner, pre, p.error_norm)
            else:
                post = self._through_norm(p, post, p.error_norm)
        change = self._product(p, post, pre, plasticity)
        errors = sum(
            self._is_error(signal, cell, plasticity.phase)
            for signal, cell in ((plasticity.pre, p.pre), (plasticity.post, p.post))
        )
        self._change("weights", p.name, change, errors)

    # -- precision -------------------------------------------------------------------------

    def _computed(self, parameter: Value, label: str) -> Value:
        """A parameter in the type of the activity: made once a step, freed at its last use."""
        compute = self.precision.compute
        if compute is None:
            return parameter
        cast = functools.partial(computed, compute)
        return self._op("cast", cast, parameter, detail=compute, label=label)

    def _error_scale(self, errors: int) -> tuple[Value, ...]:
        """What errors are multiplied by, once for each of them in a product."""
        scaled = self.precision.scales_errors and errors
        return (self.program.source(("loss_scale",)),) * errors if scaled else ()

    def _is_error(self, signal: Signal, cell: str, phase: str) -> bool:
        """Whether a signal is proportional to the error, or to the target in its place."""
        source = signal.source or cell
        if signal.kind == "activity":
            for p in self.circuit.select(role="mimic", post=cell, phase=phase):
                source = p.pre
        path = self.circuit.populations[source].path
        return path in ("feedback", "target") and not self.circuit.phases[phase].noisy

    def _change(self, kind: str, owner: str, change: Value, errors: int) -> None:
        """Keep a change in the type of its parameter, and without the scale of its errors."""
        if self.precision.compute is not None:
            where = ("norm", owner, kind) if kind in ("gain", "shift") else (kind, owner)
            # A hint, since all parameters have one type: synapses that change alike share this too.
            parameter = self.program.source(where)
            inputs = (change, *self._error_scale(errors))
            change = self._op("store", stored, *inputs, hints=(parameter,), label=owner)
        self.program.result(("change", kind, owner), change)

    def _product(self, p: Projection, post: Value, pre: Value, how: Plasticity) -> Value:
        half = self._half(p)
        if isinstance(p.connector, TransposeConnector):
            # The inner connector's own product: synapses that learn alike ask for the very same.
            half, post, pre = half.inner, pre, post
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
            change = self._op(
                "mean", _mean_change, change, post, inplace=_mean_change_in_place, label=p.name
            )
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
            change = self._op("sum", _sum_cells, error, label=cell.name)
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
            shift = self._op("sum", _sum_cells, error, label=p.name)
        self._change("shift", p.name, shift, errors)

    def _op(self, kind: str, kernel, *inputs: Value, **properties) -> Value:
        return self.program.add(kind, kernel, *inputs, **properties)[0]

    def _summed_drives(self, cell: Population, phase: str) -> Value:
        drives = self.circuit.select(role="drive", post=cell.name, phase=phase)
        values = [self._drive(p, phase) for p in drives]
        if not values:
            raise WiringError(f"nothing drives population {cell.name!r} in phase {phase!r}")
        total = values[0]
        for value in values[1:]:
            total = self._op("add", torch.add, total, value, inplace=Tensor.add_, label=cell.name)
        return total


def _add_bias(u: Tensor, bias: Tensor) -> Tensor:
    return u + bias.reshape(1, -1, *[1] * (u.dim() - 2))


def _add_bias_in_place(u: Tensor, bias: Tensor) -> Tensor:
    return u.add_(bias.reshape(1, -1, *[1] * (u.dim() - 2)))


def _sum_cells(error: Tensor) -> Tensor:
    """Sum over batch and positions: cells of one channel share their bias."""
    return error.sum(dim=[0, *range(2, error.dim())])


def _centre(value: Tensor) -> Tensor:
    return value - value.mean(dim=0, keepdim=True)


def _mean_change(change: Tensor, post: Tensor) -> Tensor:
    """Sum to mean, over the batch and the positions that share a weight."""
    return change / (post.numel() / post.shape[1])


def _mean_change_in_place(change: Tensor, post: Tensor) -> Tensor:
    return change.div_(post.numel() / post.shape[1])


def _signs(w: Tensor, scale: Tensor) -> Tensor:
    return scale * torch.sign(w)
