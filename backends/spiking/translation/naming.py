"""Names of Brian2 objects and variables, made from the names in the circuit."""

from __future__ import annotations

from oneway.circuits import Circuit, Population, Projection

SCHEDULE = "schedule"


def cells_of(population: str) -> str:
    """The group of a population."""
    return f"cells_{population}"


def interneurons_of(population: str) -> str:
    """The group that repeats a population's spikes, to inhibit."""
    return f"interneurons_{population}"


def input_of(circuit: Circuit, p: Projection) -> str:
    """The variable of the target cell that a projection writes: `drive_h1`, `teach_delta_h1`."""
    alike = list(circuit.select(role=p.role, pre=p.pre, post=p.post))
    number = [other.name for other in alike].index(p.name)
    return f"{p.role}_{p.pre}" + (f"_{number + 1}" if number else "")


def synapses_of(circuit: Circuit, p: Projection) -> str:
    """The synapses of a projection."""
    return f"{input_of(circuit, p)}_to_{p.post}"


def weights_of(circuit: Circuit, p: Projection) -> str:
    """The group that holds weights which several synapses share."""
    return f"weights_{synapses_of(circuit, p)}"


def path_of(population: Population) -> str:
    """Whether a population codes activity or errors."""
    return "error" if population.path == "feedback" else "forward"
