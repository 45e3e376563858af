"""Activation traffic: which cells' activity must be fetched again so that synapses can learn.

Between the forward pass and the moment at which a synapse learns, an activity has to wait
somewhere: in a chip's external memory, a GPU's, or in the cell itself. How much of it learning asks
for can be read off the wiring, without running anything (Woo et al. 2021, section 6 and appendix F:
sharing activations in blocks of k layers leaves about 1/k of what backpropagation reads).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from oneway.circuits import Circuit
from oneway.circuits.summary import aligned

from .locality import locality

# Errors are made when they are read, and the target comes from outside: neither has to wait.
WAITING_PATHS = ("forward", "auxiliary")
DRIVEN = "driven"


@dataclass(frozen=True)
class ActivationRead:
    """One plastic projection reads one activity, per sample.

    The activity of `source` stands at the synapse in `cell`, and comes to be there as `how` says
    (`SignalAtHand.kind`). The source fired it on an `occasion`: ``driven`` by the data of the step,
    or a noisy phase. Only reads that are the `first` of a step count in the totals.
    """

    projection: str
    phase: str
    cell: str
    source: str
    how: str
    occasion: str
    elements: int
    bytes: int
    first: bool


@dataclass(frozen=True)
class Traffic:
    """Activities that plasticity reads in one step, per sample, in the circuit's order."""

    circuit: str
    reads: tuple[ActivationRead, ...]

    @property
    def activations(self) -> tuple[ActivationRead, ...]:
        """Distinct activities: the first read of each."""
        return tuple(read for read in self.reads if read.first)

    @property
    def elements(self) -> int:
        """Cells whose activity is read; each counts once in a step."""
        return sum(read.elements for read in self.activations)

    @property
    def bytes(self) -> int:
        """The same in bytes."""
        return sum(read.bytes for read in self.activations)

    def readers(self, source: str, occasion: str = DRIVEN) -> tuple[str, ...]:
        """Projections that learn from what `source` fired on that occasion."""
        wanted = (source, occasion)
        found = (r.projection for r in self.reads if (r.source, r.occasion) == wanted)
        return tuple(dict.fromkeys(found))

    def relative_to(self, other: Traffic) -> float:
        """Bytes read as a fraction of what `other` reads, backpropagation usually."""
        if other.bytes == 0:
            raise ValueError(
                f"nothing in circuit {other.circuit!r} learns from a forward activity, so there is "
                "nothing to compare with: wire it by a rule (parse_rule('bp').wire(circuit))"
            )
        return self.bytes / other.bytes


def activation_traffic(circuit: Circuit, bytes_per_element: int = 4) -> Traffic:
    """What the synapses of a wired circuit read of the forward path when they learn.

    Parameters
    ----------
    circuit : Circuit
    bytes_per_element : int
        4 for float32, 2 for bfloat16.

    Notes
    -----
    An activity counts once a step, however many synapses learn from it: all that a block of ASAP
    shares is one read, and a Kolen-Pollack pair reads no more than its forward half. What cells
    fire in a noisy phase is another activity than what data made of them. Not counted are errors,
    and what gates and normalisation read: `gate` and `norm` projections say where those are.

    Examples
    --------
    >>> from oneway.circuits import mlp
    >>> from oneway.rules import parse_rule
    >>> net = mlp((8, 8, 8, 8, 8, 8, 3))
    >>> bp, asap = (activation_traffic(parse_rule(r).wire(net)) for r in ("bp", "asap,k=2"))
    >>> bp.elements, asap.elements, asap.relative_to(bp)
    (48, 24, 0.5)
    """
    if bytes_per_element < 1:
        raise ValueError(f"bytes_per_element = {bytes_per_element}, expected at least 1")
    reads: list[ActivationRead] = []
    seen: set[tuple[str, str]] = set()
    for learning in locality(circuit):
        # Driven phases share their activities, every noisy one makes its own.
        occasion = learning.phase if circuit.phases[learning.phase].noisy else DRIVEN
        for hand in (learning.pre, learning.post):
            source = circuit.populations[hand.origin]
            if source.path in WAITING_PATHS:
                made = (source.name, occasion)
                size = (source.size, source.size * bytes_per_element)
                who = (learning.projection, learning.phase, hand.cell, source.name, hand.kind)
                reads.append(ActivationRead(*who, occasion, *size, first=made not in seen))
                seen.add(made)
    return Traffic(circuit.name, tuple(reads))


# -- for people --------------------------------------------------------------------------------


def traffic_table(traffics: Mapping[str, Traffic]) -> str:
    """Traffic of several rules, one a line, relative to the first.

    Parameters
    ----------
    traffics : mapping
        Name of the rule → its traffic.

    Examples
    --------
    >>> from oneway.circuits import mlp
    >>> from oneway.rules import parse_rule
    >>> net = mlp((8, 8, 8, 8, 8, 8, 3))
    >>> rules = ("bp", "asap,k=2")
    >>> print(traffic_table({r: activation_traffic(parse_rule(r).wire(net)) for r in rules}))
    rule      activities  cells  KiB a sample  relative
    bp                 6     48          0.19     1.000
    asap,k=2           3     24          0.09     0.500
    """
    if not traffics:
        raise ValueError("traffic_table got no rule: give a mapping from names to Traffic")
    baseline = next(iter(traffics.values()))
    rows = [("rule", "activities", "cells", "KiB a sample", "relative")]
    for name, traffic in traffics.items():
        rows.append(
            (
                name,
                f"{len(traffic.activations)}",
                f"{traffic.elements:,}",
                f"{traffic.bytes / 1024:,.2f}",
                f"{traffic.relative_to(baseline):.3f}",
            )
        )
    return "\n".join(aligned(rows))


def reads_table(traffic: Traffic) -> str:
    """Every distinct activity that is read, and which projections learn from it."""
    rows = [("activity of", "occasion", "cells", "KiB a sample", "synapses that learn from it")]
    for read in traffic.activations:
        readers = ", ".join(traffic.readers(read.source, read.occasion))
        rows.append(
            (read.source, read.occasion, f"{read.elements:,}", f"{read.bytes / 1024:,.2f}", readers)
        )
    return "\n".join(aligned(rows))
