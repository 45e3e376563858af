"""What cells fire and what errors reach them, as values of a program.

Values are asked for by what they are (the activity of a population in a phase, an error past its
partner's normalisation), and the operations that make them are written on the way.
"""

from __future__ import annotations

import functools
from collections.abc import Hashable
from typing import Any

import torch
from torch import Tensor

from oneway.circuits import Circuit, Population, Projection, TransposeConnector, WiringError

from . import norms
from .activations import (
    PHI,
    PHI_IN_PLACE,
    TIMES_DERIVATIVE,
    TIMES_DERIVATIVE_IN_PLACE,
)
from .connectors import RateConnector, rate_connector
from .kernels import add_bias, add_bias_in_place, signs
from .loss import OutputError
from .pooled_norms import PooledNorms, Stack
from .precision import AS_GIVEN, Precision, computed
from .program import Program, Value


def _once(method):
    """Ask a question of the circuit once: a deep residual net has exponentially many paths."""

    @functools.wraps(method)
    def remembered(self, subject, *rest):
        key = (method.__name__, getattr(subject, "name", subject), *rest)
        if key not in self._answers:
            self._answers[key] = method(self, subject, *rest)
        return self._answers[key]

    return remembered


class Values:
    """Writes the operations that make activities and errors.

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
            u = self._op("bias", add_bias, u, bias, inplace=add_bias_in_place, label=cell.name)
        if cell.activation == "linear":
            return u
        phi = cell.activation
        over = PHI_IN_PLACE.get(phi)
        return self._op("phi", PHI[phi], u, detail=phi, inplace=over, label=cell.name)

    def _normalised_activity(self, cell: Population, phase: str) -> Value:
        a = self.excitation(cell.name, phase)
        if cell.norm is None or self.circuit.phases[phase].norm_blocked:
            return a
        return self._normalise(cell, a)[0]

    @_once
    def _drive(self, p: Projection, phase: str) -> Value:
        """What a projection adds to the input of its target."""
        if self.circuit.populations[p.pre].path == "feedback":
            return self._convey(p, self._sent_error(p, phase))
        z = self._drive_before_norm(p, phase)
        if p.norm is None or self.circuit.phases[phase].norm_blocked:
            return z
        return self._normalise(p, z)[0]

    @_once
    def _drive_before_norm(self, p: Projection, phase: str) -> Value:
        pre = self.activity(p.pre, phase)
        period = self.circuit.phases[phase]
        if p.pre in period.noisy:
            pre = self._centred_on(pre, period.noise_mean)
        return self._convey(p, pre)

    def _centred_on(self, value: Value, baseline: float) -> Value:
        if baseline == 0:
            return value
        return self._op("minus", lambda t: t - baseline, value, detail=baseline)

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
        pre = self._windows(half, pre)
        return self._op("apply", half.apply, *weights, pre, detail=half.key, label=p.name)

    def _windows(self, half: RateConnector, pre: Value) -> Value:
        """What the synapses read, written out once for the drive and for what learns from it.

        Only where noise drives the circuit: data waits for its error, and windows for nothing.
        """
        if half.windows is None or not self.circuit.phases[self.phases[0]].noisy:
            return pre
        return self._op("windows", half.windows, pre, detail=half.key)

    def _route(self, p: Projection) -> Value:
        """Which presynaptic cell won each window of the max-pool that `p` runs against."""
        pool = self.circuit.projections[p.partner or ""]
        half = self._half(pool)
        pre = self.activity(pool.pre, self.phases[0])
        return self.program.add(
            "apply", half.apply, pre, detail=half.key, outputs=2, label=pool.name
        )[1]

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
        return self._op("signs", signs, forward, scale, label=p.name)

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

    def _summed_drives(self, cell: Population, phase: str) -> Value:
        drives = self.circuit.select(role="drive", post=cell.name, phase=phase)
        values = [self._drive(p, phase) for p in drives]
        if not values:
            raise WiringError(f"nothing drives population {cell.name!r} in phase {phase!r}")
        total = values[0]
        for value in values[1:]:
            total = self._op("add", torch.add, total, value, inplace=Tensor.add_, label=cell.name)
        return total

    # -- operations ------------------------------------------------------------------------

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

    def _op(self, kind: str, kernel, *inputs: Value, **properties) -> Value:
        return self.program.add(kind, kernel, *inputs, **properties)[0]
