"""`SpikingNetwork`: a wired circuit in Brian2."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from brian2 import (
    BrianLogger,
    Network,
    NeuronGroup,
    SpikeMonitor,
    StateMonitor,
    Synapses,
    prefs,
    second,
)
from brian2 import seed as set_seed

from oneway.circuits import Circuit, WiringError

from .cells import build_cells
from .parameters import SpikingParameters
from .phases import SpontaneousPhase, spontaneous_phases, take_turns
from .record import PhaseInterval, Spikes, SpontaneousRecord
from .synapses import build_drive, build_mimicry, dense_weights
from .weights import WeightMap, first_weights

# Brian2 warns of objects that were never run. A network that is built, read and dropped is fine.
BrianLogger.suppress_name("unused_brian_object")

Report = Callable[[float, float, float, float], None]
TARGETS = ("numpy", "cython")


class SpikingNetwork:
    """A wired circuit as leaky integrate-and-fire cells, in the phases that noise drives.

    A noisy population fires Poisson spikes at the baseline β, whatever σ and β its phase states
    for rates; populations that it drives fire around β by themselves and are modulated; a
    mimicking population fires whenever its source has fired; synapses learn from the filtered
    spike trains of their own two cells. Whatever φ a population has, here it is the response of
    an integrate-and-fire cell around β, which is positive and rising (Akrout et al. 2019,
    appendix C.2). Bias currents have not been learned and are absent.

    Parameters
    ----------
    circuit : Circuit
        Its spontaneous phases may use dense populations, all-to-all drives and one-to-one mimicry.
    parameters : SpikingParameters, optional
    seed : int
        Of weights and of noise.
    weights : mapping, optional
        Drive name → (post, pre) array to start from.
    target : {"numpy", "cython"}
        How Brian2 generates code. `numpy` needs no compiler and starts at once.

    Raises
    ------
    WiringError
        The circuit has no spontaneous phase, or something in one has no spiking translation.

    Examples
    --------
    >>> from oneway.backends.spiking import SpikingNetwork
    >>> from oneway.circuits import mlp
    >>> from oneway.rules import parse_rule
    >>> net = SpikingNetwork(parse_rule("wm").wire(mlp((8, 6, 4))))
    >>> record = net.run_spontaneous(0.2, record_every_s=0.1)
    >>> record.weights["delta_output -> delta_h1"].shape
    (3, 6, 4)
    """

    def __init__(
        self,
        circuit: Circuit,
        parameters: SpikingParameters | None = None,
        seed: int = 0,
        weights: WeightMap | None = None,
        target: str = "numpy",
    ) -> None:
        if target not in TARGETS:
            raise ValueError(f"target {target!r}, expected one of {', '.join(TARGETS)}")
        self.circuit, self.seed, self.target = circuit, seed, target
        self.parameters = parameters or SpikingParameters()
        self.phases = spontaneous_phases(circuit)
        self._first_weights = first_weights(circuit, weights, seed)
        self._runs = 0
        with _codegen(target):
            self._cells = self._build_cells()
            self._drives = self._build_drives()
            self._mimics = self._build_mimics()
            self._network = Network(*self._objects)

    # -- one translator per element --------------------------------------------------------

    def _build_cells(self) -> dict[str, NeuronGroup]:
        names = dict.fromkeys(name for phase in self.phases for name in phase.populations)
        return {
            name: build_cells(self.circuit.populations[name], self.parameters) for name in names
        }

    def _build_drives(self) -> dict[str, Synapses]:
        drives = {p.name: p for phase in self.phases for p in (*phase.drives, *phase.plastic)}
        return {
            p.name: build_drive(
                p,
                self._cells[p.pre],
                self._cells[p.post],
                self._first_weights[p.name],
                self.parameters,
                f"drive{i}_{p.pre}_{p.post}",
            )
            for i, p in enumerate(drives.values())
        }

    def _build_mimics(self) -> dict[str, Synapses]:
        mimics = {p.name: p for phase in self.phases for p in phase.mimics}
        return {
            p.name: build_mimicry(p, self._cells[p.pre], self._cells[p.post], self.parameters)
            for p in mimics.values()
        }

    @property
    def _objects(self) -> list:
        return [*self._cells.values(), *self._drives.values(), *self._mimics.values()]

    @property
    def _plastic(self) -> dict[str, Synapses]:
        names = dict.fromkeys(p.name for phase in self.phases for p in phase.plastic)
        return {name: self._drives[name] for name in names}

    # -- reading ---------------------------------------------------------------------------

    @property
    def simulated_s(self) -> float:
        """Simulated time since the network was built."""
        return float(self._network.t)

    def weight(self, name: str) -> np.ndarray:
        """Present weights of a drive, (post, pre)."""
        if name in self._drives:
            synapses = self._drives[name]
            return dense_weights(synapses, np.asarray(synapses.w))
        if name not in self._first_weights:
            raise WiringError(
                f"no spiking drive {name!r}. There are: {', '.join(self._first_weights)}"
            )
        return self._first_weights[name].copy()

    # -- running ---------------------------------------------------------------------------

    def run_spontaneous(
        self, duration_s: float = 20.0, record_every_s: float = 1.0, report: Report | None = None
    ) -> SpontaneousRecord:
        """Let noise drive the circuit; its spontaneous phases take turns.

        A further call goes on from where the last one ended.

        Parameters
        ----------
        duration_s : float
            Simulated time, all phases together.
        record_every_s : float
            Interval of recorded weights.
        report : callable, optional
            Called about every second of real time with (elapsed_s, completed, start_s,
            duration_s), as Brian2's report functions; `completed` runs from 0 to 1.
        """
        if not duration_s > 0 or not record_every_s > 0:
            raise ValueError(
                f"duration_s = {duration_s}, record_every_s = {record_every_s}, expected > 0"
            )
        began, start_s, first = time.perf_counter(), self.simulated_s, self._plastic_weights()
        with _codegen(self.target), self._monitored(record_every_s) as (spikes, weights):
            # Brian2 has one random stream for all: each call starts it where only the seed and
            # the number of earlier calls say.
            set_seed(self.seed + 7919 * self._runs)
            self._runs += 1
            intervals = self._run_turns(duration_s, _progress(report, began, duration_s))
        times_s = next((np.asarray(m.t) for m in weights.values()), np.array([]))
        # Brian2 records at multiples of the interval, so that the start may be among them or not.
        later = times_s > start_s
        return SpontaneousRecord(
            spikes={name: _spikes(monitor) for name, monitor in spikes.items()},
            times_s=np.concatenate([[start_s], times_s[later], [self.simulated_s]]),
            weights={
                name: np.stack([first[name], *self._recorded(name, m)[later], self.weight(name)])
                for name, m in weights.items()
            },
            intervals=intervals,
            mean_rates_hz=self._mean_rates(spikes, intervals),
            simulated_s=self.simulated_s - start_s,
            wall_s=time.perf_counter() - began,
        )

    def _run_turns(self, duration_s: float, progress) -> tuple[PhaseInterval, ...]:
        intervals, first_s = [], self.simulated_s
        for phase, seconds in take_turns(self.phases, duration_s, self.parameters):
            self._enter(phase)
            start_s = self.simulated_s
            self._network.run(
                seconds * second,
                report=progress and progress(start_s - first_s),
                report_period=1 * second,
                namespace={},
            )
            intervals.append(PhaseInterval(phase.name, start_s, self.simulated_s))
        return tuple(intervals)

    def _enter(self, phase: SpontaneousPhase) -> None:
        """Switch cells and projections to what they do in `phase`."""
        for name, cells in self._cells.items():
            cells.active = name in phase.populations  # idle cells are frozen and cost nothing
            cells.own = 1 if name in phase.driven else 0
            cells.noisy = name in phase.noisy
            cells.mimicked = False
        relaying = {p.name for p in (*phase.drives, *phase.mimics)}
        learning = {p.name for p in phase.plastic}
        for name, synapses in {**self._drives, **self._mimics}.items():
            synapses.pre.active = name in relaying
            if synapses.state_updater is not None:
                synapses.state_updater.active = name in learning
        for name in phase.driven:
            self._adapt(name, phase)

    def _adapt(self, name: str, phase: SpontaneousPhase) -> None:
        """Start driven cells adapted to the mean drive that awaits them in this phase."""
        volts = sum(
            self.weight(p.name) @ np.asarray(self._cells[p.pre].trace_mean)
            for p in phase.drives
            if p.post == name
        ) * float(self.parameters.gain / self.parameters.unit)
        cells = self._cells[name]
        cells.drive_, cells.drive_mean_ = volts, volts

    # -- recording -------------------------------------------------------------------------

    @contextmanager
    def _monitored(self, record_every_s: float) -> Iterator[tuple[dict, dict]]:
        spikes = {name: SpikeMonitor(cells) for name, cells in self._cells.items()}
        weights = {
            name: StateMonitor(synapses, "w", record=True, dt=record_every_s * second)
            for name, synapses in self._plastic.items()
        }
        monitors = [*spikes.values(), *weights.values()]
        self._network.add(*monitors)
        try:
            yield spikes, weights
        finally:
            self._network.remove(*monitors)

    def _recorded(self, name: str, monitor: StateMonitor) -> np.ndarray:
        return dense_weights(self._drives[name], np.asarray(monitor.w).T)

    def _plastic_weights(self) -> dict[str, np.ndarray]:
        return {name: self.weight(name) for name in self._plastic}

    def _mean_rates(self, monitors: dict[str, SpikeMonitor], intervals) -> dict[str, float]:
        took_part = dict.fromkeys(self._cells, 0.0)
        by_name = {phase.name: phase for phase in self.phases}
        for interval in intervals:
            for name in by_name[interval.phase].populations:
                took_part[name] += interval.duration_s
        return {
            name: float(monitor.num_spikes / (self._cells[name].N * took_part[name]))
            for name, monitor in monitors.items()
        }


@contextmanager
def _codegen(target: str) -> Iterator[None]:
    """Brian2's code generation target, put back afterwards."""
    before = prefs.codegen.target
    prefs.codegen.target = target
    try:
        yield
    finally:
        prefs.codegen.target = before


def _spikes(monitor: SpikeMonitor) -> Spikes:
    return Spikes(np.array(monitor.t / second), np.array(monitor.i))


def _progress(report: Report | None, began: float, duration_s: float):
    """From what Brian2 reports of one turn to what is done of the whole run."""
    if report is None:
        return None

    def of_turn(before_s: float):
        def on_report(elapsed, completed, start, duration) -> None:
            done = float(before_s + completed * float(duration)) / duration_s
            report(time.perf_counter() - began, done, float(start) - before_s, duration_s)

        return on_report

    return of_turn
