"""Programs for who looks on: a circuit's errors beside those of another feedback path.

Both circuits have the same forward path. Their operations are written into one program, which does
once what both ask for: activity is worked out once, and each circuit's errors on their way back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torch import Tensor

from oneway.circuits import Circuit, Projection

from .kernels import sample_angles
from .loss import OutputError
from .precision import Precision
from .program import Kind, Part, Schedule, Value
from .values import Values


def error_angles(
    circuit: Circuit,
    reference: Circuit,
    loss: Callable[[Tensor, Tensor], Tensor],
    precision: Precision,
) -> Schedule:
    """A program of angles (B,), in degrees, for `RateNetwork.observe`.

    Parameters
    ----------
    circuit, reference : Circuit
        On the same forward path; populations and drives there have the same names.
    loss, precision
        Of the network that will run the program.

    Notes
    -----
    Results: ``("error", population)``, for each error population of `circuit` whose partner has one
    in `reference` too, the angle between the two as the partner learns from them, after φ′; and
    ``("direct", drive)``, for each drive B from the output error or the target straight to the
    error cells of a, the angle between Bᵀa and the input of the output cells.
    """
    phase = circuit.reading.data_phases[0]
    compare = OutputError(loss)
    ours = Values(circuit, circuit.reading.data_phases, compare, precision)
    theirs = Values(reference, reference.reading.data_phases, compare, precision)
    theirs.program = program = ours.program
    # As learning does it: forward first, then from the output down, so that errors are freed.
    for name in circuit.order("forward"):
        ours.activity(name, phase)
    for drive in direct_drives(circuit):
        program.result(("direct", drive.name), _direct_angle(ours, drive, phase))
    for name in circuit.order("feedback"):
        partner = circuit.populations[name].partner
        other = reference.partner_of(partner) if partner else None
        if partner and other and circuit.reading.settles(name, phase):
            error = _as_learned_from(ours, name, partner, phase)
            expected = theirs.own_activity(other.name, theirs.phases[0])
            program.result(("error", name), _angle(ours, error, expected, name))
    return program.finish()


def direct_drives(circuit: Circuit) -> Iterator[Projection]:
    """Weighted drives from the output error or the target straight to other error cells."""
    ends = [cell.name for cell in (circuit.output_error, circuit.target) if cell]
    for p in circuit.select(role="drive", path="feedback"):
        partner = circuit.populations[p.post].partner
        if p.weights is not None and p.partner is None and p.pre in ends and partner:
            yield p


def _as_learned_from(values: Values, name: str, partner: str, phase: str) -> Value:
    """The activity of error cells, times φ′ of the partner where nobody else multiplies by it."""
    error = values.own_activity(name, phase)
    learns = values.circuit.populations[partner].learns
    gated = learns is not None and learns.source == name and learns.gated
    return values.times_own_derivative(error, partner, phase) if gated else error


def _direct_angle(values: Values, drive: Projection, phase: str) -> Value:
    half = values._half(drive)
    a = values.own_activity(values.circuit.populations[drive.post].partner or "", phase)
    named = {**values._strengths(drive), Part.POST: a}
    estimate = values._op(
        Kind.ADJOINT, half.adjoint, named=named, detail=half.key, label=drive.name
    )
    output = values.input_of(values.circuit.output.name, phase)
    return _angle(values, estimate, output, drive.name)


def _angle(values: Values, a: Value, b: Value, label: str) -> Value:
    return values._op(Kind.ANGLE, sample_angles, a, b, label=label)
