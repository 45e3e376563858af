"""The Brian2 objects of a circuit, by its own names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from brian2 import Network

from oneway.circuits import WiringError

from ..brian.build import Objects
from ..brian.runs import RuntimeSimulation
from .engine import Engine, Running
from .variables import groups_of

Group: TypeAlias = Any  # NeuronGroup or Synapses, of which Brian2 says no types


@dataclass(frozen=True)
class BrianObjects(Mapping[str, Group]):
    """A Brian2 network, and its groups by population, projection or Brian2's name.

    What is added to `network` stays in it and runs with it. Weights, biases and learning rates are
    set from the `SpikingNetwork` before each run: change them there.

    Parameters
    ----------
    network : brian2.Network
    groups : mapping
        Every group by its Brian2 name.
    names : mapping
        Population, projection, or a part of one such as ``h1.interneurons`` → name of its group.
    """

    network: Network
    groups: Mapping[str, Group]
    names: Mapping[str, str]

    def __getitem__(self, name: str) -> Group:
        found = self.names.get(name, name)
        if found not in self.groups:
            raise KeyError(
                f"no Brian2 object is called {name!r}. There are: "
                f"{', '.join((*self.names, *self.groups))}"
            )
        return self.groups[found]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def brian_objects(engine: Engine) -> BrianObjects:
    """See `SpikingNetwork.brian2`."""
    if engine.target == "cpp_standalone":
        raise WiringError(
            "net.brian2: under target 'cpp_standalone' a compiled program runs, and there are no "
            "Brian2 objects to give. Use target 'numpy' or 'cython', or net.script()"
        )
    phases = engine.circuit.reading
    running = engine.latest or engine.prepare(phases.data_phases or phases.noisy_phases)
    made = _objects(running)
    names = {
        f"{owner}.{part}".rstrip("."): group.name
        for owner in (*engine.circuit.populations, *engine.circuit.projections)
        for part, group in groups_of(running.translation, owner).items()
    }
    return BrianObjects(made.network, made.groups, names)


def _objects(running: Running) -> Objects:
    assert isinstance(running.run, RuntimeSimulation)
    return running.run.objects
