"""A `Population` as a group of cells."""

from __future__ import annotations

import numpy as np

from oneway.circuits import PHI, Population, Projection

from ..brian.model import ONSET, SCHEDULED, WHOLE, Cells, Joined
from ..dynamics import unit_text
from .activations import derivative, phi
from .context import CHANGING, TRAINS, Context, cells_of
from .dynamics import signalling_of
from .halves import sides
from .lesions import intact, times
from .pairing import trace_spikes
from .plasticity import learn_bias, needs_mean, needs_slope, own_biases, sum_strengths


def translate_population(context: Context, population: Population) -> list[Cells | Joined]:
    """Cells with a variable for each projection that arrives, and what they make of it."""
    title = f"{population.name} {population.shape}"
    cells = Cells(cells_of(population.name), context.holding.cells(population.name), comment=title)
    biases = _bias_cells(context, population, cells)
    for constant, values in context.varied.get(population.name, {}).items():
        unit = unit_text(context.constants[constant])
        cells.add(constant, unit=unit, flag="constant", start=values, comment="of each cell")
    context.when.tell(cells)
    if context.apart(population.name):
        cells.add("side", start=sides(population.size), flag="constant", comment="its sign")
    for p in context.turns.select(post=population.name):
        receive(context, p, cells)
    name, excited = population.name, _excited(context, population, cells, biases)
    gates, noisy, noise = _gates(context, population), context.turns.noisy(population.name), ""
    if noisy and not context.spikes:
        noise = _given(context, population, cells, f"noise_{name}", "noise")
        excited = context.when.either(noisy, noise, excited)
    if context.excitation(name) == "excited":
        cells.add("excited", excited)
        excited = f"excited{gates}"
        if noise:
            excited = context.when.either(noisy, noise, excited)
    signalling = signalling_of(context)
    cells.add("own", signalling.half(excited) if context.apart(name) else excited)
    signalling.fire(cells, population)
    trace_spikes(context, population, cells)
    note_signals(context, population, cells)
    if population.learns is not None and population.bias and context.turns.data:
        learn_bias(context, population, cells, biases)
    sum_strengths(context, population, cells)
    for sent, steps in context.remembered(name).items():
        signalling.remember(cells, sent, steps)
    made = [biases, cells] if biases.holds and biases is not cells else [cells]
    return [*made, *(signalling.couple(cells, population) if context.apart(name) else [])]


def note_signals(context: Context, population: Population, cells: Cells) -> None:
    """What synapses read of a cell: φ′, its mean activity."""
    if needs_slope(context, population):
        a = context.slope_from(population.name)
        a = "activity" if context.spikes and a == "own" else a
        cells.add("slope", derivative(population.activation, a, _least(context)))
    if needs_mean(context, population):
        _note_mean(context, cells)


def receive(context: Context, p: Projection, cells: Cells) -> None:
    """A variable for a projection; one for each branch where only the strongest counts."""
    if not context.brings(p) or context.relayed(p) or not context.conveys(p):
        return
    current = p.role in ("drive", "compare")
    driven = context.when.during(context.turns.driven(p.post)) if current else None
    variable, written, split = context.input_of(p), context.written(p), context.splits(p)
    for part, name in zip(context.parts(p) if split else written, written, strict=True):
        rest = _resting(context, p, cells, name, part if split else WHOLE)
        rest = rest and times(intact(context, p, cells), rest)
        signalling_of(context).arrive(cells, name, context.filtered(p), rest, driven)
    if split:
        cells.add(variable, " - ".join(written))
    elif written != [variable]:
        cells.add(variable, strongest(written))


def strongest(branches: list[str]) -> str:
    """The maximum, written with what every target of Brian2 has."""
    text = branches[0]
    for name in branches[1:]:
        text = f"clip({text}, {name}, inf)"
    return text


def _resting(context: Context, p: Projection, cells: Cells, variable: str, part: str) -> str | None:
    """What presynaptic cells that fire at their baseline bring: nothing that is to be heard."""
    path = context.path(p.pre)
    if not context.resting(p.pre):
        return None
    if p.role in ("drive", "compare") and p.weights is not None:
        return cells.hold(f"rest_{variable}", ("rest", p.name), part)
    pairs = context.pairs(p)
    if p.role == "drive" and pairs.branch is None and pairs.factor != 1:
        # Windows at the border have fewer members.
        counts = np.bincount(pairs.j, minlength=cells.size) * pairs.factor
        return cells.add(f"rest_{variable}", start=counts * context.parameters.rest(path))
    return f"{path}_rest"


def _excited(context: Context, population: Population, cells: Cells, biases: Cells) -> str:
    """What a cell makes of its input, mimicry and gates aside."""
    turns, name = context.turns, population.name
    if population.path == "target":
        return f"{_given(context, population, cells, 'targets')} * {cells.refer('share')}"
    compared = list(turns.select(role="compare", post=name))
    if compared:
        return _comparison(context, compared, cells)
    if population in context.circuit.inputs and turns.data:
        return _data(context, population, cells)
    if population.bias and (turns.open(name) or turns.data):
        _hold_biases(context, population, cells, biases)
    if not turns.driven(name):
        return "0"
    drives = [p for p in turns.select(role="drive", post=name) if turns.carrying(p)]
    total = " + ".join(map(context.input_of, drives))
    if turns.open(name):
        total += f" + {context.when.times_if(turns.open(name), 'bias')}"
    dynamics = signalling_of(context)
    dynamics.sum_up(cells, population, total, context.when.during(turns.driven(name)))
    return dynamics.excite(population)


def _data(context: Context, population: Population, cells: Cells) -> str:
    """What the input is given: a value, values in time, or, where it is told when to fire, none."""
    if context.given == TRAINS:
        return "0"
    if context.given != CHANGING:
        return _given(context, population, cells, "data")
    cells.add("row_time", unit="second", flag="shared", start=1.0, comment="of each row of data")
    row = "(int((t - begin + dt / 2) / row_time) + 0.5) * second, i"
    return cells.add("given_data", f"{cells.look_up('data', population.size)}({row})")


def _given(
    context: Context, population: Population, cells: Cells, table: str, what: str = ""
) -> str:
    """A variable for a row of a table, looked up once for each sample that is presented."""
    variable = cells.add(f"given_{what or table}")
    unit = f"i % {population.size}" if context.apart(population.name) else "i"
    row = f"({cells.refer('sample')} + 0.5) * second, {unit}"
    table = cells.look_up(table, population.size)
    cells.at_tick(f"{variable} = {table}({row})", order=SCHEDULED + 1)
    return variable


def _bias_cells(context: Context, population: Population, cells: Cells) -> Cells:
    """The group that biases are in: the cells themselves, or one with an entry a channel."""
    if own_biases(context, population):
        return cells
    name, comment = f"bias_{population.name}", f"bias of {population.name} by channel"
    return Cells(name, population.shape[0], comment=comment)


def _hold_biases(context: Context, population: Population, cells: Cells, owner: Cells) -> None:
    key = ("bias", population.name)
    owner.hold("bias", key, WHOLE, context.holding.parts(key)[WHOLE])
    if owner is not cells:
        channel = np.arange(population.size) // (population.size // owner.size)
        cells.add("channel", unit="integer", flag="constant", start=channel)
        cells.refer("bias", owner.name, index="channel")


def _comparison(context: Context, compared: list[Projection], cells: Cells) -> str:
    """The derivative of the loss at the output."""
    populations, share = context.circuit.populations, cells.refer("share")
    by_path = {populations[p.pre].path: context.input_of(p) for p in compared}
    output, target = by_path["forward"], by_path["target"]
    if context.loss == "squared":
        return f"{share} * {output} - {target}"
    units = float(populations[compared[0].post].size)
    cells.add("total", start=units, comment="of all output cells")
    return f"{share} * exp({output}) / total - {target}"


def _gates(context: Context, population: Population) -> str:
    """φ′ of what each gate brings, which multiplies a cell's output."""
    text = ""
    for gate in context.turns.select(role="gate", post=population.name):
        kind = gate.derivative or "linear"
        if PHI[kind].linear:
            continue
        a = context.input_of(context.bringing(gate))
        if PHI[kind].from_value and context.circuit.populations[gate.pre].activation != kind:
            # Activity of another kind of cell stands in for the input of φ, not for its output.
            a = phi(kind, a)
        factor = derivative(kind, a, _least(context))
        text += f" * ({context.when.either(context.turns.gated(gate), factor, '1')})"
    return text


def _least(context: Context) -> str:
    return "gate_threshold" if context.spikes else "0"


def _note_mean(context: Context, cells: Cells) -> None:
    """The mean of a cell's activity: over a batch, or running where time goes on."""
    if context.spikes:  # which remembers for longer than a trial, by its purpose
        mean = "(activity - mean_activity) / tau_mean"
        cells.integrate("mean_activity", mean, kept=False)
    else:
        cells.add("mean_activity")
        kept = f"(1 - {cells.refer('onset')}) * mean_activity"
        cells.at_tick(f"mean_activity = {kept} + {cells.refer('gather')} * activity")


def begin_at_rest(cells: Cells) -> None:
    """Let membranes, currents and traces of cells be at each onset what they are at first."""
    lines = []
    for name, unit in [(one.name, one.unit) for one in cells.equations if one.kept]:
        first = cells.starts.get(name, 0.0)
        put_back = ""
        if np.any(first):
            cells.add(f"{name}_at_rest", unit=unit, flag="constant", start=first)
            put_back = f"onset * {name}_at_rest + "
        lines.append(f"{name} = {put_back}(1 - onset) * {name}")
    if lines:
        cells.refer("onset")
        cells.at_tick(*lines, order=ONSET)
