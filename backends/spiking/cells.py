"""A `Population` as a group of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from oneway.circuits import MaxPoolConnector, Population, Projection, TransposeConnector

from .activations import derivative, phi
from .naming import SCHEDULE, cells_of, input_of, path_of
from .plasticity import learn_bias, needs_mean, needs_slope, own_biases
from .specs import SCHEDULED, Cells, Reference, Regular

if TYPE_CHECKING:
    from .translate import Translation

SAMPLE = "(sample + 0.5) * second, i"


def translate_population(translation: Translation, population: Population) -> None:
    """Cells with a variable for each projection that arrives, and what they make of it."""
    title = f"{population.name} {population.shape}"
    cells = Cells(cells_of(population.name), population.size, title)
    cells.references += [
        Reference(name, SCHEDULE, name) for name in ("phase", "sample", "share", "learn", "gather")
    ]
    _receive(translation, population, cells)
    own = _own(translation, population, cells)
    noisy = translation.turns.noisy(population.name)
    if noisy and not translation.how.spikes:
        noise = _given(translation, population, cells, f"noise_{population.name}", "noise")
        own = translation.turns.either(noisy, noise, own)
    cells.equations.append(f"own = {own} : 1")
    translation.how.fire(cells, population, path_of(population))
    if noisy and not translation.how.spikes:
        _send_deviation(translation, population, cells)
    if needs_slope(translation.turns, population):
        a = "activity" if translation.how.spikes else "own"
        slope = derivative(population.activation, a, _least(translation))
        cells.equations.append(f"slope = {slope} : 1")
    if needs_mean(translation.turns, population):
        translation_mean(translation, cells)
    if population.learns is not None and population.bias and translation.turns.data:
        learn_bias(translation, population, cells)
    translation.model.cells.append(cells)


def _receive(translation: Translation, population: Population, cells: Cells) -> None:
    """A variable for each projection; one for each branch where only the strongest counts."""
    for p in translation.turns.select(post=population.name):
        variable = input_of(translation.circuit, p)
        filtered = "tau_syn" if p.role in ("drive", "compare") else "tau_trace"
        if not translation.brings(p):
            continue
        if translation.relayed(p) or (p.role == "drive" and not translation.turns.carrying(p)):
            continue
        driven = None
        if p.role in ("drive", "compare"):
            driven = translation.turns.during(translation.turns.driven(population.name))
        rest = resting(translation, p, cells, variable)
        branches = branch_names(translation, p)
        for name in branches:
            cells.equations.append(translation.how.arriving(name, filtered, rest, driven))
        if len(branches) > 1 or branches[0] != variable:
            cells.equations.append(f"{variable} = {strongest(branches)} : 1")


def branch_names(translation: Translation, p: Projection) -> list[str]:
    """The variables that a projection writes."""
    variable, pairs = input_of(translation.circuit, p), translation.pairs(p)
    if pairs.branch is None or isinstance(p.connector, TransposeConnector):
        return [variable]
    return [f"{variable}_branch{number}" for number in range(pairs.branches)]


def strongest(branches: list[str]) -> str:
    """The maximum, written with what every target of Brian2 has."""
    text = branches[0]
    for name in branches[1:]:
        text = f"clip({text}, {name}, inf)"
    return text


def resting(translation: Translation, p: Projection, cells: Cells, variable: str) -> str | None:
    """What presynaptic cells that fire at their baseline bring: nothing that is to be heard."""
    path = path_of(translation.circuit.populations[p.pre])
    if not translation.resting(path):
        return None
    if p.role not in ("drive", "compare") or p.weights is None:
        factor = translation.pairs(p).factor
        if p.role == "drive":
            pairs = translation.pairs(p)
            if pairs.branch is None and factor != 1:
                # Windows at the border have fewer members.
                counts = np.bincount(pairs.j, minlength=cells.size) * factor
                cells.equations.append(f"rest_{variable} : 1")
                cells.starts[f"rest_{variable}"] = counts * translation.parameters.rest(path)
                return f"rest_{variable}"
        return f"{path}_rest"
    cells.equations.append(f"rest_{variable} : 1")
    translation.rests[cells.name, f"rest_{variable}"] = p
    return f"rest_{variable}"


def _own(translation: Translation, population: Population, cells: Cells) -> str:
    """What a cell makes of its input, mimicry aside."""
    circuit = translation.circuit
    if population.path == "target":
        return f"{_given(translation, population, cells, 'targets')} * share"
    compared = list(translation.turns.select(role="compare", post=population.name))
    if compared:
        return _comparison(translation, compared, cells)
    if population in circuit.inputs:
        return _given(translation, population, cells, "data")
    drives = [
        p
        for p in translation.turns.select(role="drive", post=population.name)
        if translation.turns.carrying(p)
    ]
    if not translation.turns.driven(population.name):
        return "0"
    total = " + ".join(input_of(circuit, p) for p in drives) + _bias(translation, population, cells)
    driven = translation.turns.during(translation.turns.driven(population.name))
    cells.equations.append(translation.how.membrane(total, driven))
    return translation.how.excite(population.activation) + _gates(translation, population)


def _given(
    translation: Translation, population: Population, cells: Cells, table: str, what: str = ""
) -> str:
    """A variable for a row of a table, looked up once for each sample that is presented."""
    variable = f"given_{what or table}"
    cells.equations.append(f"{variable} : 1")
    code = f"{variable} = {translation.table(table, population.size)}({SAMPLE})"
    cells.regular.append(Regular(code, order=SCHEDULED + 1))
    return variable


def _bias(translation: Translation, population: Population, cells: Cells) -> str:
    if not population.bias or not translation.turns.open():
        return ""
    key = ("bias", population.name)
    if own_biases(translation, population):
        translation.keep(key, cells, "bias")
    else:
        channels = population.shape[0]
        own = Cells(f"bias_{population.name}", channels, f"bias of {population.name} by channel")
        translation.keep(key, own, "bias")
        translation.model.cells.append(own)
        channel = np.arange(population.size) // (population.size // population.shape[0])
        cells.equations.append("channel : integer (constant)")
        cells.starts["channel"] = channel
        cells.references.append(Reference("bias", own.name, "bias", "channel"))
    return " + " + translation.turns.times_if(translation.turns.open(), "bias")


def _comparison(translation: Translation, compared: list[Projection], cells: Cells) -> str:
    """The derivative of the loss at the output."""
    circuit = translation.circuit
    by_path = {circuit.populations[p.pre].path: input_of(circuit, p) for p in compared}
    output, target = by_path["forward"], by_path["target"]
    if translation.loss == "squared":
        return f"share * {output} - {target}"
    cells.equations.append("total : 1  # of all output cells")
    cells.starts["total"] = float(cells.size)
    return f"share * exp({output}) / total - {target}"


def _gates(translation: Translation, population: Population) -> str:
    """φ′ of what each gate brings, which multiplies a cell's output."""
    circuit, text = translation.circuit, ""
    for gate in translation.turns.select(role="gate", post=population.name):
        kind = gate.derivative or "linear"
        if kind == "linear":
            continue
        a = input_of(circuit, translation.turns.bringing(gate))
        if circuit.populations[gate.pre].activation != kind:
            # Activity of another kind of cell stands in for the input of φ, not for its output.
            a = phi(kind, a)
        text += f" * {derivative(kind, a, _least(translation))}"
    return text


def _least(translation: Translation) -> str:
    return "gate_threshold" if translation.how.spikes else "0"


def _send_deviation(translation: Translation, population: Population, cells: Cells) -> None:
    """A drive from a noisy cell conveys its deviation from the mean of the noise."""
    sent = "activity"
    for phase in translation.turns.phases:
        if population.name in phase.noisy and phase.noise_mean != 0:
            mean = translation.turns.times_if([phase.name], f"{phase.noise_mean}")
            sent += f" - {mean}"
    cells.equations.append(f"sent = {sent} : 1")


def translation_mean(translation: Translation, cells: Cells) -> None:
    """The mean of a cell's activity: over a batch, or running where time goes on."""
    if translation.how.spikes:
        cells.equations.append("dmean_activity/dt = (activity - mean_activity) / tau_mean : 1")
    else:
        cells.equations.append("mean_activity : 1")
        cells.regular.append(Regular("mean_activity += gather * activity"))


def sends_deviation(translation: Translation, population: str) -> bool:
    return bool(translation.turns.noisy(population)) and not translation.how.spikes


def routes(p: Projection) -> bool:
    """Whether a projection runs back through a connector of which only the strongest counted."""
    inner = getattr(p.connector, "inner", None)
    return isinstance(inner, MaxPoolConnector)
