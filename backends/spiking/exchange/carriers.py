"""What carries each signal of a circuit, read off what Brian2 is told: spikes, and what is not.

Nothing here knows how a projection is translated. Groups of cells and synapses say what they hear,
what they refer to and what they share.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ..brian.model import SCHEDULE, Cells, Joined, Model, ModelGroup
from ..sessions.engine import Engine
from ..translation.translate import Translation

SPIKES, TRACE = "spikes, as a current", "a trace of spikes"
REPEATED, VALUE = "spikes, repeated by who hears them", "its value, in every step: no spikes"
NOTHING = "nothing: they only learn"
GIVEN = "given to each cell from outside"
_FADING = {"tau_syn": SPIKES, "tau_trace": TRACE}


@dataclass(frozen=True)
class Carried:
    """What a set of synapses brings, `by` what, how many they are, and what drives them then."""

    signal: str
    by: str
    synapses: int
    driven: str = ""


@dataclass(frozen=True)
class Told:
    """What the schedule or the data say, and which cells and synapses read it."""

    what: str
    meaning: str
    cells: tuple[str, ...]
    synapses: tuple[str, ...]


@dataclass(frozen=True)
class Read:
    """What synapses or cells read in a group that is neither theirs nor one of their two ends.

    So many `readers` read a `variable` of another group, of which there are so many `values`; or
    one of their cell's that all its synapses add up.
    """

    reader: str
    variable: str
    of: str
    readers: int
    values: int


@dataclass(frozen=True)
class Doubled:
    """Weighted synapses of units that are two cells: between `real` ones, with so few weights."""

    signal: str
    synapses: int
    real: int
    weights: int
    driven: str = ""


@dataclass(frozen=True)
class Carriers:
    """What carries the signals of a circuit.

    Cells that data drives and cells that noise drives may do it in different ways; `driven` says
    for which a row is.

    Parameters
    ----------
    carried : tuple of Carried
        By set of synapses: spikes, a trace of spikes, or neither.
    told : tuple of Told
        What no synapse brings, since every cell knows it or data says it.
    read : tuple of Read
        What is read beyond a synapse's own two cells.
    pairs : tuple of (str, int)
        Populations whose units are two cells that share a membrane, with the number of units.
    doubled : tuple of Doubled
        Weights that the cells of such pairs share.
    """

    carried: tuple[Carried, ...]
    told: tuple[Told, ...]
    read: tuple[Read, ...]
    pairs: tuple[tuple[str, int], ...]
    doubled: tuple[Doubled, ...]


def carriers(engine: Engine) -> Carriers:
    """See `SpikingNetwork.carriers`."""
    reading = engine.circuit.reading
    phases = {"data": reading.data_phases, "noise": reading.noisy_phases}
    translations = {by: engine.translated(some) for by, some in phases.items() if some}
    models = {by: translation.model for by, translation in translations.items()}
    return Carriers(
        _when({by: list(_carried(translation)) for by, translation in translations.items()}),
        tuple(_told(models.values())),
        _distinct(row for model in models.values() for row in _read(model)),
        _distinct((_title(g), g.size) for m in models.values() for g in m.cells if g.paired),
        _when({by: list(_doubled(model)) for by, model in models.items()}),
    )


def _distinct(rows: Iterable) -> tuple:
    return tuple(dict.fromkeys(rows))


def _when(rows: Mapping[str, list]) -> tuple:
    """Rows of each kind of drive, those that are alike as one."""
    return tuple(
        replace(row, driven=" and ".join(by for by, among in rows.items() if row in among))
        for row in _distinct(row for among in rows.values() for row in among)
    )


def _title(group: ModelGroup) -> str:
    return group.comment or group.name


# -- what synapses bring -----------------------------------------------------------------------


def _carried(translation: Translation) -> Iterator[Carried]:
    numbers = Counter[tuple[str, str]]()
    for joined in translation.model.synapses:
        numbers[_title(joined), _by(translation.model, joined)] += len(joined.i)
    for (signal, by), number in numbers.items():
        yield Carried(signal, by, number)
    context = translation.context
    for p in context.turns.select():
        bringing = context.bringing(p)
        if bringing is not p:
            yield Carried(f"{p.name} ({p.role})", f"the same as {bringing.name}", 0)


def _by(model: Model, joined: Joined) -> str:
    if joined.on_pre is None:
        summed = any(equation.flag == "summed" for equation in joined.equations)
        return VALUE if summed else NOTHING
    if re.search(r"\bheard_post = t\b", joined.on_pre):
        return REPEATED
    written = re.findall(r"(\w+)_post \+=", joined.on_pre)
    equations = model.groups[joined.post].equations
    fading = " ".join(e.text for e in equations if e.name in written and e.integrated)
    tau = re.search(r"tau_\w+$", fading)
    return _FADING.get(tau.group() if tau else "", "spikes")


# -- what everybody is told --------------------------------------------------------------------


def _told(models: Iterable[Model]) -> Iterator[Told]:
    meanings: dict[str, str] = {}
    readers: dict[str, list[ModelGroup]] = {}
    for model in models:
        schedule = model.groups[SCHEDULE]
        meanings |= {equation.name: equation.comment for equation in schedule.equations}
        for group in model.groups.values():
            read = [one.source for one in group.references if one.group == SCHEDULE]
            given = [] if group is schedule else list(group.tables)
            for what in (*read, *given):
                readers.setdefault(what, []).append(group)
    for what, among in readers.items():
        cells = _distinct(_title(g) for g in among if isinstance(g, Cells))
        synapses = _distinct(_title(g) for g in among if isinstance(g, Joined))
        yield Told(what, meanings.get(what, GIVEN), cells, synapses)


# -- what is read beyond -----------------------------------------------------------------------


def _read(model: Model) -> Iterator[Read]:
    for group in model.groups.values():
        own = {SCHEDULE, group.name}
        if isinstance(group, Joined):
            own |= {group.pre, group.post}
            yield from _added_up(model, group)
        for one in group.references:
            if one.group not in own:
                owner = model.groups[one.group]
                alike = _title(owner) == _title(group)
                reader, of = (g.name if alike else _title(g) for g in (group, owner))
                yield Read(reader, one.source, of, _size(group), _size(owner))


def _added_up(model: Model, joined: Joined) -> Iterator[Read]:
    """What all synapses of a cell add up in it, and read again."""
    code = "\n".join(regular.code for regular in joined.regular)
    for variable in dict.fromkeys(re.findall(r"(\w+)_post \+=", code)):
        post = model.groups[joined.post]
        comment = next((e.comment for e in post.equations if e.name == variable), "")
        yield Read(_title(joined), comment or variable, _title(post), _size(joined), _size(post))


def _size(group: Cells | Joined) -> int:
    return group.size if isinstance(group, Cells) else len(group.i)


# -- pairs -------------------------------------------------------------------------------------


def _doubled(model: Model) -> Iterator[Doubled]:
    paired = {cells.name for cells in model.cells if cells.paired}
    found: dict[tuple[str, int], np.ndarray] = {}
    for joined in model.synapses:
        ends = (joined.pre in paired) + (joined.post in paired)
        stored = _weights(model, joined)
        if ends and stored:
            row, listed = (_title(joined), ends), len(joined.i)
            found[row] = found.get(row, 0) + np.array([listed, listed * 2**ends, stored])
    for (signal, _), numbers in found.items():
        here, real, weights = map(int, numbers)
        yield Doubled(signal, here, real, weights)


def _weights(model: Model, joined: Joined) -> int:
    """How many weights synapses have among them."""
    owners = [model.groups[one.group] for one in joined.references if one.variable == "w"]
    return sum(map(_size, owners)) if owners else len(joined.i) * ("w" in joined.holds)
