"""What Brian2 is going to be told: groups, synapses, references, constants. Plain data.

The translation of a circuit ends here. From these `build` makes Brian2 objects and `script` the
same as a text, so that what is shown is what runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Start = float | int | np.ndarray


@dataclass(frozen=True)
class Reference:
    """A variable of another group, read (and written) as if it were one's own.

    Parameters
    ----------
    variable : str
        Its name here.
    group, source : str
        The group that owns it and its name there.
    index : str, optional
        The own variable that says which entry belongs to an element; None for a shared variable.
    """

    variable: str
    group: str
    source: str
    index: str | None = None


@dataclass(frozen=True)
class Regular:
    """Code that runs at every tick of the schedule.

    Parameters
    ----------
    code : str
    order : int
        All run before a step; those of a low order first. Learning from the tick that has passed
        comes before the schedule goes on, which has order `SCHEDULED`; what the onset of a trial
        puts back comes last.
    """

    code: str
    order: int = 0


SCHEDULED, ONSET = 10, 20
# In a step's slot of synapses: cells that follow fire once they have heard, then they are heard.
FOLLOW, FOLLOWED = 1, 2


@dataclass
class Cells:
    """A `NeuronGroup`; one that `follows` fires within the step in which it hears a spike."""

    name: str
    size: int
    comment: str = ""
    equations: list[str] = field(default_factory=list)
    threshold: str | None = None
    reset: str | None = None
    refractory: str | bool = False
    follows: bool = False
    starts: dict[str, Start] = field(default_factory=dict)
    references: list[Reference] = field(default_factory=list)
    regular: list[Regular] = field(default_factory=list)

    @property
    def paired(self) -> bool:
        """Whether each unit is two cells, with `side` to say which of them fires."""
        return any(equation.startswith("side =") for equation in self.equations)


@dataclass
class Joined:
    """A `Synapses`, with its synapses listed: `i` presynaptic, `j` postsynaptic."""

    name: str
    pre: str
    post: str
    i: np.ndarray
    j: np.ndarray
    comment: str = ""
    equations: list[str] = field(default_factory=list)
    on_pre: str | None = None
    starts: dict[str, Start] = field(default_factory=dict)
    references: list[Reference] = field(default_factory=list)
    regular: list[Regular] = field(default_factory=list)


@dataclass
class Model:
    """A whole circuit.

    Parameters
    ----------
    name : str
    dt, tick : Quantity
        Steps of cells and of the schedule.
    cells, synapses : lists
    constants : dict
        Name → quantity, for all equations.
    tables : dict
        Name → number of columns (0: none) of the arrays that a schedule brings.
    """

    name: str
    dt: Any
    tick: Any
    cells: list[Cells] = field(default_factory=list)
    synapses: list[Joined] = field(default_factory=list)
    constants: dict[str, Any] = field(default_factory=dict)
    tables: dict[str, int] = field(default_factory=dict)

    @property
    def groups(self) -> Mapping[str, Cells | Joined]:
        groups: list[Cells | Joined] = [*self.cells, *self.synapses]
        return {group.name: group for group in groups}
