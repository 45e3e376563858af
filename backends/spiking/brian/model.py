"""What Brian2 is going to be told: groups, synapses, references, constants. Plain data.

The translation of a circuit ends here. From these `build` makes Brian2 objects and `script` the
same as a text, so that what is shown is what runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

Start = float | int | np.ndarray
Code = str | bool | dict[str, str]
Place = tuple[str, str]  # group, variable
# "weights" and a drive; "bias" and a population; "rest" and a drive: what its cells at rest bring.
Key = tuple[str, str]

WHOLE, EXCITATORY, INHIBITORY = "", "excitatory", "inhibitory"
OTHER = {EXCITATORY: INHIBITORY, INHIBITORY: EXCITATORY}
# The group that everybody knows the time from.
SCHEDULE = "schedule"
SPIKE = "spike"  # what Brian2 calls the event of a spike


@dataclass(frozen=True)
class Equation:
    """What one variable of a group is: its derivative, its value, or a value that is set."""

    name: str
    text: str = ""
    unit: str = "1"
    flag: str = ""
    integrated: bool = False
    kept: bool = False  # from step to step, until a trial that begins at rest puts it back
    comment: str = ""

    def __str__(self) -> str:
        left = f"d{self.name}/dt" if self.integrated else self.name
        right = f" = {self.text}" if self.text else ""
        flag = f" ({self.flag})" if self.flag else ""
        comment = f"  # {self.comment}" if self.comment else ""
        return f"{left}{right} : {self.unit}{flag}{comment}"


@dataclass(frozen=True)
class Reference:
    """A variable of another group, read (and written) as if it were one's own."""

    variable: str
    group: str
    source: str
    index: str | None = None  # the own variable that says which entry is an element's


@dataclass(frozen=True)
class Regular:
    """Code that runs at every tick of the schedule, before a step; that of a low order first."""

    code: str
    order: int = 0


@dataclass(frozen=True)
class Event:
    """Something besides a spike that happens to a cell, and what the cell then does."""

    name: str
    condition: str
    code: str


@dataclass(frozen=True)
class Pathway:
    """What synapses do, beside what they send, at an event of the cells at one end."""

    name: str
    end: str  # "pre" or "post"
    code: str
    event: str = SPIKE


# Learning from the tick that has passed comes before the schedule goes on; what the onset of a
# trial puts back comes last.
SCHEDULED, ONSET = 10, 20
# In a step's slot of synapses: cells that follow fire once they have heard, then they are heard.
FOLLOW, FOLLOWED = 1, 2


@dataclass
class ModelGroup:
    """What `Cells` and `Joined` have in common."""

    name: str
    comment: str = field(default="", kw_only=True)
    equations: list[Equation] = field(default_factory=list, kw_only=True)
    starts: dict[str, Start] = field(default_factory=dict, kw_only=True)  # by variable
    references: list[Reference] = field(default_factory=list, kw_only=True)
    regular: list[Regular] = field(default_factory=list, kw_only=True)
    # By variable: what it holds a part of, and which part; or of what it adds up the change.
    holds: dict[str, tuple[Key, str]] = field(default_factory=dict, kw_only=True)
    tallies: dict[str, tuple[Key, str]] = field(default_factory=dict, kw_only=True)
    # What its code looks things up in: name → number of columns (0: one value a tick).
    tables: dict[str, int] = field(default_factory=dict, kw_only=True)
    # The same, for tables that stay as they are: name → values, one row each.
    curves: dict[str, np.ndarray] = field(default_factory=dict, kw_only=True)

    @property
    def text(self) -> str:
        """The equations as Brian2 reads them."""
        return "\n".join(map(str, self.equations))

    def add(self, name: str, text: str = "", start: Start | None = None, **how: Any) -> str:
        """Give the group a variable, see `Equation`; said twice alike, it is one."""
        self._say(name, Equation(name, text, **how), self.equations, "name")
        if start is not None:
            self.starts[name] = start
        return name

    def integrate(self, name: str, text: str, unit: str = "1", *, kept: bool = True, **how) -> str:
        """Give the group a variable with a derivative."""
        return self.add(name, text, unit=unit, integrated=True, kept=kept, **how)

    def refer(
        self, variable: str, group: str = SCHEDULE, source: str = "", index: str | None = None
    ) -> str:
        """Let the group read another's variable; said twice alike, it is one."""
        reference = Reference(variable, group, source or variable, index)
        self._say(variable, reference, self.references, "variable")
        return variable

    def _say(self, name: str, new: Any, said: list, named: str) -> None:
        before = [one for one in said if getattr(one, named) == name]
        if before and before != [new]:
            raise ValueError(f"{self.name}: {name!r} is to be both '{before[0]}' and '{new}'")
        if not before:
            said.append(new)

    def hold(self, variable: str, key: Key, part: str, start: Start | None = None) -> str:
        """Let a variable hold a part of some weights or biases."""
        self.holds[variable] = key, part
        return self.add(variable, start=start)

    def tally(self, variable: str, key: Key, part: str) -> None:
        """Let a variable add up what a part of some weights or biases would change."""
        self.add(variable)
        self.tallies[variable] = key, part

    def at_tick(self, *lines: str, order: int = 0) -> None:
        """Let code run at every tick."""
        self.regular.append(Regular("\n".join(lines), order))

    def look_up(self, table: str, columns: int = 0) -> str:
        """The name of a table that the schedule brings: one value a tick, or one row a sample."""
        self.tables[table] = columns
        return table

    def draw(self, curve: str, values: np.ndarray) -> str:
        """The name of a curve: its value at (k + 0.5) seconds is that of row k."""
        self.curves[curve] = values
        return curve


@dataclass
class Cells(ModelGroup):
    """A `NeuronGroup`; one that `follows` fires within the step in which it hears a spike."""

    size: int
    threshold: str | None = None
    reset: str | None = None
    refractory: str | bool = False
    follows: bool = False
    events: list[Event] = field(default_factory=list)

    @property
    def codes(self) -> dict[str, Code]:
        """What it is told beside its equations."""
        codes: dict[str, Code] = {
            "threshold": self.threshold or "",
            "reset": self.reset or "",
            "refractory": self.refractory,
            "events": {event.name: event.condition for event in self.events},
        }
        return {name: code for name, code in codes.items() if code}

    @property
    def paired(self) -> bool:
        """Whether each unit is two cells in one, with `side` to say which of them fires."""
        return any(one.name == "side" and one.flag != "constant" for one in self.equations)


@dataclass
class Joined(ModelGroup):
    """A `Synapses`, with its synapses listed: `i` presynaptic, `j` postsynaptic."""

    pre: str
    post: str
    i: np.ndarray
    j: np.ndarray
    on_pre: str | None = None
    pathways: list[Pathway] = field(default_factory=list)
    delay: Any = None  # of a spike on its way

    @property
    def codes(self) -> dict[str, Code]:
        """What it is told beside its equations."""
        if not self.pathways:
            return {"on_pre": self.on_pre} if self.on_pre else {}
        sent = {"pre": self.on_pre} if self.on_pre else {}
        ends = {
            f"on_{end}": {one.name: one.code for one in self.pathways if one.end == end}
            for end in ("pre", "post")
        }
        ends["on_pre"] = sent | ends["on_pre"]
        events = {one.name: one.event for one in self.pathways if one.event != SPIKE}
        return {name: code for name, code in (ends | {"on_event": events}).items() if code}


@dataclass
class Model:
    """A whole circuit."""

    name: str
    dt: Any  # steps of cells
    tick: Any  # and of the schedule
    cells: list[Cells] = field(default_factory=list)  # behind those that they refer to
    synapses: list[Joined] = field(default_factory=list)
    constants: dict[str, Any] = field(default_factory=dict)
    functions: list[str] = field(default_factory=list)  # that Brian2 does not have

    @property
    def groups(self) -> Mapping[str, Cells | Joined]:
        groups: list[Cells | Joined] = [*self.cells, *self.synapses]
        return {group.name: group for group in groups}

    @property
    def tables(self) -> dict[str, int]:
        """The arrays that a schedule brings: name → number of columns (0: none)."""
        return {table: n for group in self.groups.values() for table, n in group.tables.items()}

    @property
    def curves(self) -> dict[str, np.ndarray]:
        """The curves that groups look things up in."""
        return {name: v for group in self.groups.values() for name, v in group.curves.items()}

    def add(self, groups: Iterable[Cells | Joined]) -> None:
        """Take in what a translator has made."""
        for group in groups:
            if isinstance(group, Cells):
                self.cells.append(group)
            else:
                self.synapses.append(group)

    def relays(self, joined: Joined) -> bool:
        """Whether synapses bring spikes of cells that follow, which are heard in the same step."""
        pre = self.groups[joined.pre]
        return isinstance(pre, Cells) and pre.follows and joined.on_pre is not None

    def homes(self, kind: Literal["holds", "tallies"]) -> dict[Key, dict[str, Place]]:
        """Where each part of what is held is, or of what changes are added up."""
        homes: dict[Key, dict[str, Place]] = {}
        for group in self.groups.values():
            for variable, (key, part) in getattr(group, kind).items():
                homes.setdefault(key, {})[part] = (group.name, variable)
        return homes
