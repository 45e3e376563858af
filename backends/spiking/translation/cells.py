"""A `Population` as a group of cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from oneway.circuits import MaxPoolConnector, Population, Projection, TransposeConnector

from ..brian.model import SCHEDULED, Cells, Reference, Regular
from .activations import derivative, phi
from .holding import WHOLE
from .naming import SCHEDULE, cells_of, input_of, path_of
from .plasticity import learn_bias, needs_mean, needs_slope, own_biases

if TYPE_CHECKING:
    from .translate import Translation

SAMPLE = "(sample + 0.5) * second, i"


def translate_population(translation: Translation, population: Population) -> None:
    """Cells with a variable for each projection that arrives, and what they make of it."""
    title = f"{population.name} {population.shape}"
    cells = Cells(cells_of(population.name), population.size, title)
    know_schedule(cells)
    for p in translation.turns.select(post=population.name):
        receive(translation, p, cells)
    own = _own(translation, population, cells)
    noisy = translation.turns.noisy(population.name)
    if noisy and not translation.how.spikes:
        noise = _given(translation, population, cells, f"noise_{population.name}", "noise")
        own = translation.turns.either(noisy, noise, own)
    cells.equations.append(f"own = {own} : 1")
    translation.how.fire(cells, population, path_of(population))
    if noisy and not translation.how.spikes:
        send_deviation(translation, population, cells)
    note_signals(translation, population, cells)
    if population.learns is not None and population.bias and translation.turns.data:
        learn_bias(translation, population, cells)
    translation.model.cells.append(cells)


def know_schedule(cells: Cells) -> None:
    """Let cells read what the schedule says."""
    shared = ("phase", "sample", "share", "learn", "gather")
    cells.references += [Reference(name, SCHEDULE, name) for name in shared]


def note_signals(translation: Translation, population: Population, cells: Cells) -> None:
    """φ′ and the mean of their activity, for synapses that learn from them."""
    if needs_slope(translation.turns, population):
        a = "activity" if translation.how.spikes else "own"
        slope = derivative(population.activation, a, _least(translation))
        cells.equations.append(f"slope = {slope} : 1")
    if needs_mean(translation.turns, population):
        translation_mean(translation, cells)


def receive(translation: Translation, p: Projection, cells: Cells) -> None:
    """A variable for a projection; one for each branch where only the strongest counts."""
    if not translation.brings(p):
        return
    if translation.relayed(p) or (p.role == "drive" and not translation.turns.carrying(p)):
        return
    filtered, driven = "tau_trace", None
    if p.role in ("drive", "compare"):
        filtered = "tau_syn"
        driven = translation.turns.during(translation.turns.driven(p.post))
    variable, written = input_of(translation.circuit, p), written_by(translation, p)
    split = translation.splits(p)
    for part, name in zip(translation.parts(p) if split else written, written, strict=True):
        rest = resting(translation, p, cells, name, part if split else WHOLE)
        cells.equations.append(translation.how.arriving(name, filtered, rest, driven))
    if split:
        cells.equations.append(f"{variable} = {' - '.join(written)} : 1")
    elif len(written) > 1 or written[0] != variable:
        cells.equations.append(f"{variable} = {strongest(written)} : 1")


def written_by(translation: Translation, p: Projection) -> list[str]:
    """The variables that a projection writes: of each part, or of each branch."""
    variable, pairs = input_of(translation.circuit, p), translation.pairs(p)
    if translation.splits(p):
        return [f"{variable}_{part}" for part in translation.parts(p)]
    if pairs.branch is None or isinstance(p.connector, TransposeConnector):
        return [variable]
    return [f"{variable}_branch{number}" for number in range(pairs.branches)]


def strongest(branches: list[str]) -> str:
    """The maximum, written with what every target of Brian2 has."""
    text = branches[0]
    for name in branches[1:]:
        text = f"clip({text}, {name}, inf)"
    return text


def resting(
    translation: Translation, p: Projection, cells: Cells, variable: str, part: str
) -> str | None:
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
    translation.rests[cells.name, f"rest_{variable}"] = p, part
    return f"rest_{variable}"


def _own(translation: Translation, population: Population, cells: Cells) -> str:
    """What a cell makes of its input, mimicry aside."""
    circuit = translation.circuit
    if population.path == "target":
        return f"{_given(translation, population, cells, 'targets')} * share"
    compared = list(translation.turns.select(role="compare", post=population.name))
    if compared:
        return _comparison(translation, compared, cells)
    if population in circuit.inputs and translation.turns.data:
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


def send_deviation(translation: Translation, population: Population, cells: Cells) -> None:
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
