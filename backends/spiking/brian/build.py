"""Brian2 objects from a model, and their runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from brian2 import (
    BrianLogger,
    Clock,
    Network,
    NeuronGroup,
    Quantity,
    Synapses,
    TimedArray,
    prefs,
    second,
)
from brian2.core.variables import ArrayVariable

from .functions import FUNCTIONS
from .model import FOLLOW, FOLLOWED, Cells, Joined, Model, Place

# A network that is built, read and dropped is fine; delays are multiples of the clock's step, since
# others are refused.
BrianLogger.suppress_name("unused_brian_object")
BrianLogger.suppress_name("synapses_dt_mismatch")
# A constant of which cells have values of their own is in the namespace too, for all others.
BrianLogger.suppress_name("resolution_conflict")
# A cell that relays spikes hears one other, so that no order matters among its synapses.
BrianLogger.suppress_hierarchy("brian2.codegen.generators.base")


class Objects:
    """A model as Brian2 objects."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.groups: dict[str, NeuronGroup | Synapses] = {}
        # Pathways without delay: compiled programs need no queue of spikes that are under way.
        self.prompt: set[str] = set()
        # Two clocks for all: with one each, Brian2 would look at every clock in every step.
        self.clock = Clock(model.dt, name="steps")
        same = float(model.tick) == float(model.dt)
        self.ticks = self.clock if same else Clock(model.tick, name="ticks")
        for spec in model.cells:
            self.groups[spec.name] = self._cells(spec)
        for joined in model.synapses:
            self.groups[joined.name] = self._synapses(joined)
        for joined in model.synapses:  # which may refer to one another
            self._refer(self.groups[joined.name], joined)
        for group in model.groups.values():
            self._complete(group)
        self.network = Network(*self.groups.values())

    def _cells(self, spec: Cells) -> NeuronGroup:
        group = NeuronGroup(spec.size, spec.text, **self._told(spec))
        for event in spec.events:
            group.run_on_event(event.name, event.code)
        if spec.follows:
            group.thresholder["spike"].when = "synapses"
            group.thresholder["spike"].order = FOLLOW
        # At once: synapses that read an expression of these cells look up what stands in it.
        self._refer(group, spec)
        return group

    def _synapses(self, spec: Joined) -> Synapses:
        ends = self.groups[spec.pre], self.groups[spec.post]
        delay = spec.delay
        if spec.on_pre and delay is None:
            delay = 0 * second
        synapses = Synapses(*ends, spec.text, delay=delay, **self._told(spec))
        if spec.on_pre and spec.delay is None:
            self.prompt.add(synapses.pre.name)
        if self.model.relays(spec):
            synapses.pre.order = FOLLOWED
        synapses.connect(i=spec.i, j=spec.j)
        return synapses

    def _told(self, spec: Cells | Joined) -> dict[str, Any]:
        return {**spec.codes, "method": "euler", "clock": self.clock, "name": spec.name}

    def _refer(self, group: NeuronGroup | Synapses, spec: Cells | Joined) -> None:
        for reference in spec.references:
            group.variables.add_reference(
                reference.variable, self.groups[reference.group], reference.source, reference.index
            )

    def _complete(self, spec: Cells | Joined) -> None:
        """First values and what runs regularly, once all groups are there."""
        group = self.groups[spec.name]
        for name, value in spec.starts.items():
            setattr(group, name + "_", value)
        for number, regular in enumerate(spec.regular):
            group.run_regularly(
                regular.code,
                clock=self.ticks,
                when="before_start",
                order=regular.order,
                name=f"{spec.name}_regular_{number}",
            )

    @property
    def changing(self) -> dict[Place, ArrayVariable]:
        """What may change in the groups: everything but constants and indices."""
        return {
            (spec.name, name): variable
            for spec in self.model.groups.values()
            for name, variable in self.groups[spec.name].variables.items()
            if _own(variable, spec.name, name)
            and not (variable.constant or name.startswith("_") or name in ("N", "delay"))
        }

    def state(self) -> dict[str, Any]:
        """All that may change, spikes on their way included: Brian2's store, as plain data."""
        t = self.network.t
        for clock in self._clocks:
            clock._set_t_update_dt(target_t=t)
        state = {one.name: _changing(one, one._full_state()) for one in self._stateful}
        clocks = {clock.name: clock._full_state() for clock in self._clocks}
        return {"t": float(t), "clocks": clocks, "groups": state}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Be as `state` says. Connections and constants are those that were built."""
        self.network.t_ = state["t"]
        for one in self._stateful:
            one._restore_from_full_state(dict(state["groups"][one.name]))
        for clock in self._clocks:
            clock._restore_from_full_state(state["clocks"][clock.name])

    @property
    def _clocks(self) -> list[Clock]:
        return [self.clock] if self.ticks is self.clock else [self.clock, self.ticks]

    @property
    def _stateful(self) -> list[Any]:
        """Groups, and the pathways that spikes travel along."""
        parts = (part for group in self.groups.values() for part in group.contained_objects)
        pathways = [part for part in parts if hasattr(part, "_full_state")]
        return [*self.groups.values(), *pathways]

    def run(
        self, tables: Mapping[str, np.ndarray], ticks: int, report: Callable | str | None
    ) -> None:
        """Run for some ticks from now on, with what equations find outside their groups."""
        tick, namespace = self.model.tick, {"begin": self.network.t, "second": second}
        namespace |= self.model.constants
        namespace |= {name: FUNCTIONS[name]() for name in self.model.functions}
        for name, values in tables.items():
            step = second if values.ndim == 2 else tick
            namespace[name] = TimedArray(values, dt=step, name=f"table_{name}")
        for name, values in self.model.curves.items():
            namespace[name] = TimedArray(values, dt=second, name=f"curve_{name}")
        period = 1 * second
        how = {"report": report, "report_period": period, "namespace": namespace}
        run_whole(self.network, ticks * tick, **how)


def _changing(group: Any, state: Mapping[str, Any]) -> dict[str, Any]:
    """A group's state without what stays as it was built."""
    arrays = {n: v for n, v in group.variables.items() if isinstance(v, ArrayVariable)}
    fixed = {name for name, v in arrays.items() if v.constant and v.read_only}
    return {name: value for name, value in state.items() if name not in fixed}


def _own(variable: Any, group: str, name: str) -> bool:
    """Whether a variable is an array of the group itself, not one that it refers to."""
    own = isinstance(variable, ArrayVariable) and variable.owner is not None
    return own and variable.owner.name == group and variable.name == name


def run_whole(network: Network, duration: Quantity, **how: Any) -> None:
    """Run a network to the end, or raise `KeyboardInterrupt`.

    At Ctrl-C Brian2 lets a run end early, after a whole step, and goes on as if it were done.
    """
    end_s = float(network.t) + float(duration)
    network.run(duration, **how)
    t_s = float(network.t)
    if Network._globally_stopped or t_s < end_s - 1e-9:
        raise KeyboardInterrupt(f"Stopped at {t_s:.4g} s of {end_s:.4g} s simulated")


@contextmanager
def codegen(target: str) -> Iterator[None]:
    """Brian2's code generation target, put back afterwards."""
    before = prefs.codegen.target
    prefs.codegen.target = target
    try:
        yield
    finally:
        prefs.codegen.target = before
