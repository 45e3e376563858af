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

from oneway.circuits import PHI, Circuit, Population, Projection

from . import norms
from .activations import TORCH_PHI
from .connectors import RateConnector, rate_connector
from .kernels import add_bias, add_bias_in_place, signs
from .loss import OutputError
from .pooled_norms import PooledNorms, Stack
from .precision import AS_GIVEN, Precision, computed
from .program import Kind, Part, Program, Value


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
        self.reading = circuit.reading
        self.precision = precision
        self.norms: Any = norms if stack is None else PooledNorms(stack)
        self.program = Program()
        self._answers: dict[Hashable, Any] = {}

    # -- activity --------------------------------------------------------------------------

    def activity(self, name: str, phase: str) -> Value:
        """What the cells convey in a phase: what they mimic, or else their own activity."""
        mimic = self.reading.mimicked(name, phase)
        if mimic is None:
            return self.own_activity(name, phase)
        return self._convey(mimic, self.own_activity(mimic.pre, phase), phase)

    @_once
    def own_activity(self, name: str, phase: str) -> Value:
        """What the cells make of their input, mimicry aside; the one law of all cells."""
        cell, phase = self.circuit.populations[name], self.reading.when(name, phase)
        given = self._given_to(name, phase)
        if given is not None:
            return given
        a = self.excitation(name, phase)
        if cell.norm is not None and self.reading.normalises(phase):
            a = self._normalise(cell, a)[0]
        for gate in self.reading.gates(name, phase):
            a = self._gated(a, gate, phase)
        return a

    @_once
    def excitation(self, name: str, phase: str) -> Value:
        """φ of the cells' input, before any normalisation after φ and before gates."""
        phi, u = self.circuit.populations[name].activation, self.input_of(name, phase)
        if PHI[phi].linear or self._given_to(name, self.reading.when(name, phase)) is not None:
            return u
        return self._phi(phi, u, name)

    @_once
    def input_of(self, name: str, phase: str) -> Value:
        """What φ is taken of: summed drives, past the partner's normalisation, and the bias."""
        cell, phase = self.circuit.populations[name], self.reading.when(name, phase)
        given = self._given_to(name, phase)
        if given is not None:
            return given
        u = self._summed_drives(cell, phase)
        if cell.error_norm != "none":
            u = self._through_norm(self._partner(cell), u, cell.error_norm, phase)
        if self.reading.biased(name, phase):
            bias = self._computed(self.program.source(("bias", name)), name)
            u = self._op(Kind.BIAS, add_bias, u, bias, inplace=add_bias_in_place, label=name)
        return u

    def _given_to(self, name: str, phase: str) -> Value | None:
        """The activity of cells that follow no input: noise, data, target, comparison."""
        if self.reading.noisy(name, phase):
            return self.program.source(("noise", name))
        if self.reading.compares(name):
            return self._loss_and_error()[1]
        if not self.reading.given(name):
            return None
        if self.circuit.populations[name].path != "target":
            return self.program.source(("input", name))
        (x,) = self.circuit.inputs
        inputs = (self.program.source(("input", x.name)), self.program.source(("y",)))
        kernel = functools.partial(self.loss.target, self.circuit.populations[name].size)
        return self._op(Kind.TARGET, kernel, *inputs, *self._error_scale(1), label=name)

    def _loss_and_error(self) -> tuple[Value, ...]:
        inputs = (*self._comparison(), *self._error_scale(1))
        return self.program.add(Kind.LOSS, self.loss, *inputs, outputs=2, label="loss")

    def _comparison(self) -> tuple[Value, Value]:
        output = self.activity(self.circuit.output.name, self.phases[0])
        return output, self.program.source(("y",))

    def _summed_drives(self, cell: Population, phase: str) -> Value:
        total, *others = (self._drive(p, phase) for p in self.reading.drives(cell.name, phase))
        for value in others:
            total = self._op(
                Kind.ADD, torch.add, total, value, inplace=Tensor.add_, label=cell.name
            )
        return total

    @_once
    def _drive(self, p: Projection, phase: str) -> Value:
        """What a projection adds to the input of its target."""
        z = self._drive_before_norm(p, phase)
        if p.norm is None or not self.reading.normalises(phase):
            return z
        return self._normalise(p, z)[0]

    @_once
    def _drive_before_norm(self, p: Projection, phase: str) -> Value:
        pre = self._centred_on(self.activity(p.pre, phase), self.reading.baseline(p, phase))
        owner = self.reading.error_passes(p)
        if owner is not p and p.error_norm != "none":
            pre = self._through_norm(owner, pre, p.error_norm, phase)
        return self._convey(p, pre, phase)

    def _centred_on(self, value: Value, baseline: float) -> Value:
        if baseline == 0:
            return value
        return self._op(Kind.MINUS, lambda t: t - baseline, value, detail=baseline)

    # -- gates -----------------------------------------------------------------------------

    def _gated(self, value: Value, gate: Projection, phase: str) -> Value:
        phi = gate.derivative or "linear"
        if PHI[phi].linear:
            return value
        return self._times_derivative(value, self._told(gate, phi, phase), phi)

    def _told(self, gate: Projection, phi: str, phase: str) -> Value:
        """What φ′ is worked out from: φ's value, or what it is taken of if that is needed."""
        alike = self.circuit.populations[gate.pre].activation == phi
        if alike and not PHI[phi].from_value:
            return self._convey(gate, self.input_of(gate.pre, phase), phase)
        a = self._convey(gate, self.excitation(gate.pre, phase), phase)
        # Activity of another kind of cell stands in for the input of φ, not for its output.
        return a if alike or not PHI[phi].from_value else self._phi(phi, a, gate.name)

    def times_own_derivative(self, value: Value, name: str, phase: str) -> Value:
        """A value at hand in a cell times the cell's own φ′, which it knows."""
        phi = self.circuit.populations[name].activation
        ask = self.excitation if PHI[phi].from_value else self.input_of
        return self._times_derivative(value, ask(name, phase), phi)

    def _phi(self, phi: str, u: Value, label: str) -> Value:
        kernels = TORCH_PHI[phi]
        over = kernels.phi_in_place
        return self._op(Kind.PHI, kernels.phi, u, detail=phi, inplace=over, label=label)

    def _times_derivative(self, value: Value, a: Value, phi: str) -> Value:
        if PHI[phi].linear:
            return value
        kernels = TORCH_PHI[phi]
        return self._op(
            Kind.DERIVATIVE,
            kernels.times_derivative,
            named={Part.ERROR: value, Part.TOLD: a},
            detail=phi,
            inplace=kernels.times_derivative_in_place,
            label="gate",
        )

    # -- synapses --------------------------------------------------------------------------

    def _convey(self, p: Projection, pre: Value, phase: str) -> Value:
        """`pre` through the synapses of a projection."""
        half = self._half(p)
        if half.identity:
            return pre
        if p.connector.transposed:
            inner = half.inner
            if inner.routed:
                parts = {Part.ROUTE: self._route(p, phase), Part.POST: pre}
            else:
                parts = {**self._strengths(p), Part.POST: pre}
            return self._op(
                Kind.ADJOINT, inner.adjoint, named=parts, detail=inner.key, label=p.name
            )
        if half.routed:
            return self._routed(p, pre)[0]
        parts = {**self._strengths(p), Part.PRE: self._windows(half, pre)}
        return self._op(Kind.APPLY, half.apply, named=parts, detail=half.key, label=p.name)

    def _strengths(self, p: Projection) -> dict[Part, Value]:
        return {} if p.weights is None else {Part.WEIGHTS: self._weights(p)}

    def _routed(self, p: Projection, pre: Value) -> tuple[Value, ...]:
        """(activity, route)"""
        half = self._half(p)
        drawn = (self.program.source(("heard", p.name)),) if p.connector.random else ()
        return self.program.add(
            Kind.APPLY,
            half.apply,
            *drawn,
            named={Part.PRE: pre},
            detail=half.key,
            alone=half.activity,
            outputs=2,
            label=p.name,
        )

    def _windows(self, half: RateConnector, pre: Value) -> Value:
        """What the synapses read, written out once for the drive and for what learns from it.

        Only where noise drives the circuit: data waits for its error, and windows for nothing.
        """
        if half.windows is None or not self.circuit.phases[self.phases[0]].noisy:
            return pre
        return self._op(Kind.WINDOWS, half.windows, pre, detail=half.key)

    def _route(self, p: Projection, phase: str) -> Value:
        """Which presynaptic cells counted in the max-pool or dropout that `p` runs against."""
        pool = self.circuit.projections[p.partner or ""]
        pre = self.activity(pool.pre, self.reading.when(pool.post, phase))
        return self._routed(pool, pre)[1]

    @_once
    def _half(self, p: Projection) -> RateConnector:
        populations = self.circuit.populations
        shapes = (populations[p.pre].shape, populations[p.post].shape)
        return rate_connector(p.connector, *shapes, self.precision.memory_format)

    def _weights(self, p: Projection) -> Value:
        assert p.weights is not None
        owner = self.reading.owner(p).name
        w = self._computed(self.program.source(("weights", owner)), owner)
        if p.weights.kind != "sign-tied":
            return w
        return self._op(Kind.SIGNS, signs, w, self.program.source(("scale", p.name)), label=p.name)

    # -- normalisation ---------------------------------------------------------------------

    def _partner(self, cell: Population) -> Population:
        return self.circuit.populations[cell.partner or ""]

    def _through_norm(
        self, owner: Projection | Population, error: Value, how: str, phase: str
    ) -> Value:
        """An error at the output of a normalisation, taken to its input."""
        if not self.reading.normalises(phase):
            return error
        if how == "full":
            return self._norm_changes(owner, error, phase)[0]
        _, _, scale = self._normalise(owner, self._norm_input(owner, phase))
        gain = self.program.source(("norm", owner.name, "gain"))
        kind, kernel = {
            "scale": (Kind.SCALE, norms.scale_only),
            "own": (Kind.OWN, self.norms.own),
        }[how]
        parts = {Part.ERROR: error, Part.GAIN: gain, Part.DEVIATION: scale}
        return self._op(kind, kernel, named=parts, label=owner.name)

    def _norm_input(self, owner: Projection | Population, phase: str) -> Value:
        if isinstance(owner, Projection):
            return self._drive_before_norm(owner, self.reading.when(owner.post, phase))
        return self.excitation(owner.name, phase)

    def _normalise(self, owner: Projection | Population, z: Value) -> tuple[Value, ...]:
        """(normalised, mean, inverse deviation)"""
        norm = owner.norm
        assert norm is not None
        parts = {
            Part.INPUT: z,
            Part.GAIN: self.program.source(("norm", owner.name, "gain")),
            Part.SHIFT: self.program.source(("norm", owner.name, "shift")),
            Part.RUNNING_MEAN: self.program.source(("norm", owner.name, "mean")),
            Part.RUNNING_VAR: self.program.source(("norm", owner.name, "var")),
        }
        return self.program.add(
            Kind.NORMALISE,
            lambda *tensors: self.norms.normalise(norm, *tensors),
            self.program.source(("training",)),
            named=parts,
            outputs=3,
            label=owner.name,
        )

    def _norm_changes(
        self, owner: Projection | Population, error: Value, phase: str
    ) -> tuple[Value, ...]:
        """(error at the input, change of gain, change of shift)"""
        norm = owner.norm
        assert norm is not None
        z = self._norm_input(owner, phase)
        _, mean, scale = self._normalise(owner, z)
        gain, running_mean, running_var = (
            self.program.source(("norm", owner.name, part)) for part in ("gain", "mean", "var")
        )
        training = self.program.source(("training",))
        return self.program.add(
            Kind.FULL,
            lambda *tensors: self.norms.full_derivative(norm, *tensors),
            error,
            z,
            gain,
            mean,
            scale,
            running_mean,
            running_var,
            training,
            outputs=3,
            label=owner.name,
        )

    # -- operations ------------------------------------------------------------------------

    def _computed(self, parameter: Value, label: str) -> Value:
        """A parameter in the type of the activity: made once a step, freed at its last use."""
        compute = self.precision.compute
        if compute is None:
            return parameter
        cast = functools.partial(computed, compute)
        return self._op(Kind.CAST, cast, parameter, detail=compute, label=label)

    def _error_scale(self, errors: int) -> tuple[Value, ...]:
        """What errors are multiplied by, once for each of them in a product."""
        scaled = self.precision.scales_errors and errors
        return (self.program.source(("loss_scale",)),) * errors if scaled else ()

    def _op(self, kind: Kind, kernel, *inputs: Value, **properties) -> Value:
        return self.program.add(kind, kernel, *inputs, **properties)[0]
