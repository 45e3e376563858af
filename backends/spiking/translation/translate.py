"""From a wired circuit to what Brian2 is told; one translator for each kind of element.

It knows populations, projections, phases and plasticity statements, and no rule.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

import numpy as np

from oneway.circuits import Circuit, Projection

from ..brian.model import SCHEDULED, Cells, Joined, Model, Reference, Regular
from ..parameters import SpikingParameters
from ..weights import Arrays
from .cells import translate_population
from .checks import check_translatable
from .connectors import Pairs
from .dale import translate_interneurons
from .dynamics import DYNAMICS, Dynamics
from .holding import EXCITATORY, INHIBITORY, WHOLE, Holding, Key
from .naming import SCHEDULE, path_of
from .onset import begin_at_rest
from .synapses import translate_projection
from .turns import Turns

Place = tuple[str, str]
LOSSES = ("cross_entropy", "squared")


@dataclass
class Translation:
    """All that the translators of single elements need to know.

    Parameters
    ----------
    circuit : Circuit
    phases : tuple of str
        Which of its phases to run.
    parameters : SpikingParameters
    dynamics : str
    holding : Holding
        Weights and biases, as synapses and cells hold them.
    loss : {"cross_entropy", "squared"}
        Whether error cells compare the target with the output's share in all output (softmax), or
        with the output itself.
    together : bool
        Whether phases that only change what synapses learn from run at the same time.
    tallying : bool
        Synapses note what they would change and keep their weights.
    """

    circuit: Circuit
    phases: tuple[str, ...]
    parameters: SpikingParameters
    dynamics: str
    holding: Holding
    loss: str = "cross_entropy"
    together: bool = True
    tallying: bool = False
    turns: Turns = field(init=False)
    how: Dynamics = field(init=False)
    model: Model = field(init=False)
    homes: dict[Key, dict[str, Place]] = field(default_factory=dict, init=False)
    tallies: dict[Key, dict[str, Place]] = field(default_factory=dict, init=False)
    rests: dict[Place, tuple[Projection, str]] = field(default_factory=dict, init=False)
    overheard: list[tuple[Projection, str]] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self.turns = Turns(self.circuit, self.phases, self.together)
        self.how = DYNAMICS[self.dynamics](self.turns, self.parameters)
        if not self.turns.data:
            self.parameters = self.parameters.for_noise()
        check_translatable(self.turns, self.how.spikes)
        p = self.parameters
        tick = p.dt
        if self.how.spikes:
            tick = p.tick if self.turns.data else p.plasticity_dt
        self.model = Model(self.circuit.name, p.dt, tick)

    def run(self) -> Model:
        """Translate everything."""
        for population in self.turns.populations.values():
            translate_population(self, population)
            translate_interneurons(self, population)
        for p in self._owners_first():
            translate_projection(self, p)
        for p, interneurons in self.overheard:
            translate_projection(self, p, interneurons)
        if self.how.spikes:
            self.model.constants |= self.parameters.constants()
        if self.starts_at_rest:
            for cells in self.model.cells:
                begin_at_rest(cells)
        for group in self.model.groups.values():
            group.references = [one for one in group.references if _is_read(one, group)]
        self.model.cells.insert(0, schedule_cells(self, self._read_of_schedule()))
        return self.model

    def _read_of_schedule(self) -> set[str]:
        references = (one for group in self.model.groups.values() for one in group.references)
        return {one.source for one in references if one.group == SCHEDULE}

    def _owners_first(self) -> list[Projection]:
        """Weights must be there before others refer to them."""
        projections = list(self.turns.select())
        return sorted(
            projections, key=lambda p: p.weights is not None and p.weights.kind != "independent"
        )

    def pairs(self, p: Projection) -> Pairs:
        """The synapses of a projection."""
        return self.holding.pairs(p)

    def brings(self, p: Projection) -> bool:
        """Whether a projection needs synapses: not for φ′ = 1, nor for what is there already."""
        linear = p.role == "gate" and p.derivative == "linear"
        return p.role != "norm" and not linear and self.turns.bringing(p) is p

    def paired(self, p: Projection) -> bool:
        """Whether presynaptic cells come in pairs, one for each sign."""
        return self.how.paired(self.circuit.populations[p.pre])

    def splits(self, p: Projection) -> bool:
        """Whether a projection has excitatory synapses, and inhibitory ones of interneurons."""
        signed = p.weights is not None or self.paired(p)
        return self.holding.dale and p.role == "drive" and signed

    def parts(self, p: Projection) -> tuple[str, ...]:
        """Of which sets of synapses a projection is made."""
        return (EXCITATORY, INHIBITORY) if self.splits(p) else (WHOLE,)

    def relayed(self, p: Projection) -> bool:
        """Whether a projection makes its target fire whenever its source has fired."""
        return p.role == "mimic" and self.how.spikes and p.name in self.turns.mimicking(p.post)

    def resting(self, path: str) -> bool:
        """Whether cells of a path fire even when they have nothing to say."""
        return self.how.spikes and self.parameters.rest(path) != 0

    @property
    def starts_at_rest(self) -> bool:
        """Whether every sample finds cells as the first one does."""
        trials = self.parameters.presentation == "trials"
        return trials and self.how.spikes and self.turns.data

    # -- where weights and biases are ------------------------------------------------------

    def keep(self, key: Key, group: Cells | Joined, variable: str, part: str = WHOLE) -> None:
        """Let a variable of a group hold a part of some weights or biases."""
        group.equations.append(f"{variable} : 1")
        group.starts[variable] = self.holding.parts(key)[part]
        self.homes.setdefault(key, {})[part] = (group.name, variable)

    def tally(self, key: Key, group: Cells | Joined, variable: str, part: str = WHOLE) -> None:
        """Let a variable of a group add up what a part of some weights or biases would change."""
        group.equations.append(f"{variable} : 1")
        self.tallies.setdefault(key, {})[part] = (group.name, variable)

    def homes_filled(self) -> Iterator[tuple[Place, np.ndarray]]:
        """Every place of weights and biases, and of what follows from them, filled."""
        for key, places in self.homes.items():
            parts = self.holding.parts(key)
            yield from ((place, parts[part]) for part, place in places.items())
        for place, (p, part) in self.rests.items():
            size = self.circuit.populations[p.post].size
            total = np.bincount(self.pairs(p).j, self.strengths(p, part), minlength=size)
            path = path_of(self.circuit.populations[p.pre])
            yield place, total * self.parameters.rest(path)

    def take_home(self, get: Callable[[Place], np.ndarray]) -> None:
        """Weights and biases as a run left them."""
        for key, places in self.homes.items():
            self.holding.put(key, {part: get(place) for part, place in places.items()})

    def strengths(self, p: Projection, part: str = WHOLE) -> np.ndarray:
        """The weight of every synapse of a drive, or of a part of it."""
        assert p.weights is not None
        own = p.weights.kind == "independent"
        held = self.holding.parts(("weights", p.name if own else p.weights.to or ""))[part]
        pairs = self.pairs(p)
        w = held[pairs.weight] if pairs.shared else held
        return w if p.weights.kind != "sign-tied" else self.arrays.scale(p) * np.sign(w)

    @property
    def arrays(self) -> Arrays:
        """Weights and biases of the circuit."""
        return self.holding.arrays

    def table(self, name: str, columns: int = 0) -> str:
        """A name for values that the schedule brings: one a tick, or one row a sample."""
        self.model.tables[name] = columns
        return name


def schedule_cells(translation: Translation, read: Collection[str]) -> Cells:
    """One cell that everybody knows the time from: of phase, sample and so on what is read."""
    shared = {
        "phase": "integer",  # which phase of the circuit it is
        "sample": "integer",  # which row of the data is presented
        "share": "1",  # what one sample counts of its batch
        "learn": "1",  # which part of a sample's learning falls to this tick
        "gather": "1",  # the same for means
        "onset": "1",  # whether a trial begins
    }
    shared = {name: kind for name, kind in shared.items() if name in read}
    cells = Cells(SCHEDULE, 1, "when what happens")
    cells.equations = [f"{name} : {kind} (shared)" for name, kind in shared.items()]
    lines = []
    for name, kind in shared.items():
        now = f"{translation.table(f'{name}_at')}(t - begin)"
        lines.append(f"{name} = int({now} + 0.5)" if kind == "integer" else f"{name} = {now}")
    for path in ("forward", "feedback"):
        cells.equations += [
            f"{path}_rate : 1 (shared)  # η of the {path} path",
            f"{path}_decay : 1 (shared)  # λ of the {path} path",
        ]
    if lines:
        cells.regular.append(Regular("\n".join(lines), order=SCHEDULED))
    return cells


def _is_read(reference: Reference, group: Cells | Joined) -> bool:
    """Whether a group says anything of a variable that it refers to."""
    texts = [*group.equations, *(regular.code for regular in group.regular)]
    texts += [group.on_pre or ""] if isinstance(group, Joined) else [group.threshold or ""]
    return any(re.search(rf"\b{reference.variable}\b", text) for text in texts)
