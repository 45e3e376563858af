"""`SpikingNetwork`: a wired circuit in Brian2."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from brian2 import second

from oneway.circuits import Circuit, WiringError

from .arrays import Arrays, WeightMap, oriented
from .dynamics import DYNAMICS
from .naming import SCHEDULE, cells_of
from .noise import NoisyTurns
from .parameters import SpikingParameters
from .record import Changes, Presentation, Spikes, SpontaneousRecord, joined
from .runs import Place, Recorded, Recording, Report, Run, RuntimeRun
from .schedule import Schedule, Stretch
from .script import script
from .standalone import StandaloneRun
from .translate import LOSSES, Translation
from .trials import Trials, data_rows
from .turns import Turns

TARGETS = ("numpy", "cython", "cpp_standalone")


@dataclass
class Rates:
    """η and λ of the two paths: Δw = −η · post ⊗ pre − λ w, for each sample.

    Synapses whose plasticity states its own rate and decay follow those.
    """

    forward_rate: float = 0.01
    forward_decay: float = 0.0
    feedback_rate: float = 0.01
    feedback_decay: float = 0.0


@dataclass
class Running:
    """A translation, and the run that it became."""

    translation: Translation
    run: Run
    runs: int = 0


class SpikingNetwork:
    """A wired circuit as Brian2 equations: spiking, Poisson or settled to rates.

    Parameters
    ----------
    circuit : Circuit
        A forward circuit, or one that a rule has wired.
    parameters : SpikingParameters, optional
    seed : int
        Of weights and of noise.
    weights, biases : mapping, optional
        What to start from: drive → (post, pre, ...) array, population → array.
    dynamics : {"spiking", "poisson", "settled"}
        Leaky integrate-and-fire cells; cells that fire at random at their rate; or no spikes, in
        which case activity equals the rate backend's.
    target : {"numpy", "cython", "cpp_standalone"}
        How Brian2 generates code. `numpy` needs no compiler and starts at once.
    loss : {"cross_entropy", "squared"}, optional
        What error cells compare the target with: the softmax of all output, or the output itself.
        By default the first when settled, as the rate backend does, and the second with spikes.
    in_turn : bool
        Let phases that data drives follow each other in time even where they could run together.
    threads : int
        For C++ standalone: how many OpenMP threads; 0 for none, which is faster for small networks.
    chunk : int
        For C++ standalone: how many samples the program presents that is built once and run for
        one chunk after another.

    Raises
    ------
    WiringError
        Something has no translation; raised when the phases that it belongs to are first run.

    Examples
    --------
    >>> import numpy as np
    >>> from oneway.backends.spiking import SpikingNetwork
    >>> from oneway.circuits import mlp
    >>> from oneway.rules import parse_rule
    >>> net = SpikingNetwork(parse_rule("kp").wire(mlp((8, 6, 4))), dynamics="settled")
    >>> x, y = np.ones((2, 8)), np.array([0, 3])
    >>> net.signals(x, y)["delta_h1"].shape
    (2, 6)
    >>> net.changes(x, y).weights["delta_output -> delta_h1"].shape
    (6, 4)
    """

    def __init__(
        self,
        circuit: Circuit,
        parameters: SpikingParameters | None = None,
        seed: int = 0,
        weights: WeightMap | None = None,
        target: str = "numpy",
        *,
        biases: WeightMap | None = None,
        dynamics: str = "spiking",
        loss: str | None = None,
        in_turn: bool = False,
        threads: int = 0,
        chunk: int = 240,
    ) -> None:
        _check("target", target, TARGETS)
        _check("dynamics", dynamics, tuple(DYNAMICS))
        self.circuit, self.seed, self.target, self.dynamics = circuit, seed, target, dynamics
        self.parameters = parameters or SpikingParameters()
        self.loss = loss or ("squared" if DYNAMICS[dynamics].spikes else "cross_entropy")
        _check("loss", self.loss, LOSSES)
        self.in_turn, self.threads, self.chunk, self.rates = in_turn, threads, chunk, Rates()
        self.simulated_s = 0.0
        self._arrays = Arrays.drawn(circuit, seed)
        self._arrays.set_weights(weights or {})
        self._arrays.set_biases(biases or {})
        self._running: dict[tuple, Running] = {}

    # -- weights ---------------------------------------------------------------------------

    def weight(self, name: str) -> np.ndarray:
        """Present weights of a drive, (post, pre, ...); tied ones resolved."""
        return self._arrays.weight(name)

    def weights(self) -> dict[str, np.ndarray]:
        """Present weights of every drive that owns its weights."""
        return {name: self.weight(name) for name in self._arrays.weights}

    def biases(self) -> dict[str, np.ndarray]:
        """Present biases of every population that has some."""
        return {name: bias.copy() for name, bias in self._arrays.biases.items()}

    def set_weights(self, weights: WeightMap) -> None:
        """Take over weights by projection name, (post, pre, ...)."""
        self._arrays.set_weights(weights)

    def set_biases(self, biases: WeightMap) -> None:
        """Take over biases by population name."""
        self._arrays.set_biases(biases)

    # -- settled ---------------------------------------------------------------------------

    def signals(self, x: np.ndarray, y: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Activity of every population for a batch, errors included; nothing learns.

        Parameters
        ----------
        x : array (B, *input)
        y : array, optional
            Class numbers (B,) or rows like the output; without it there is no target.

        Notes
        -----
        Errors are those of a mean loss over the batch, as the rate backend's.
        """
        self._settled_only("signals")
        names = self._data_populations()
        places = {(cells_of(name), "own"): self.parameters.dt for name in names}
        trials = self._trials(x, y, batch=True)
        running = self._prepare(self._data_phases, tallying=True)
        recorded = self._go(
            running, trials.schedule(np.zeros(trials.samples)), Recording((), places)
        )
        ticks = trials.reading_ticks
        return {
            name: recorded.states[cells_of(name), "own"][1][ticks].reshape(
                len(ticks), *self.circuit.populations[name].shape
            )
            for name in names
        }

    def changes(self, x: np.ndarray, y: np.ndarray) -> Changes:
        """What one step on a batch would change; nothing does. See `signals`."""
        trials = self._trials(x, y, batch=True)
        running = self._prepare(self._data_phases, tallying=True)
        self._clear(running)
        self._go(running, trials.schedule(), Recording())
        return self._tallied(running)

    def spontaneous_changes(self, noise: Mapping[str, np.ndarray]) -> Changes:
        """What one step of all noisy phases would change, for given noise.

        Parameters
        ----------
        noise : mapping
            Noisy population → array (B, *shape).
        """
        self._settled_only("spontaneous_changes")
        running = self._prepare(self._noisy_phases, tallying=True)
        self._clear(running)
        batch = len(next(iter(noise.values())))
        rows = {f"noise_{name}": np.reshape(values, (batch, -1)) for name, values in noise.items()}
        settling, stretches = len(self.circuit.populations) + 2, []
        for number in running.translation.turns.numbers.values():
            # Means first, then what deviates from them.
            for what in ("gather", "learn"):
                for sample in range(batch):
                    part = 1.0 if what == "learn" else 1 / batch
                    stretches += [
                        Stretch(number, sample, settling, 1 / batch),
                        Stretch(number, sample, 1, 1 / batch, **{what: part}),
                    ]
        self._go(running, Schedule(stretches, rows).closed(), Recording())
        return self._tallied(running)

    def _settled_only(self, method: str) -> None:
        if self.dynamics != "settled":
            raise ValueError(
                f"{method} needs dynamics='settled', but these cells are {self.dynamics}: a spike "
                "train has no value at one moment. Use present(...) and its recorded activity"
            )

    # -- presenting data -------------------------------------------------------------------

    def present(
        self,
        x: np.ndarray,
        y: np.ndarray | None = None,
        *,
        learn: bool = False,
        record: Sequence[str] = (),
        record_every_s: float | None = None,
        report: Report | None = None,
        slowing: tuple[float, float] = (1.0, 1.0),
    ) -> Presentation:
        """Present samples one after another, each for `present_time`.

        Parameters
        ----------
        x : array (samples, *input)
        y : array, optional
            Class numbers (samples,) or rows like the output.
        learn : bool
            Whether synapses learn; `rates` says how fast.
        record : sequence of str
            Populations whose spikes and activity, projections whose weights are kept.
        record_every_s : float, optional
            Interval at which they are; by default once a sample.
        report : callable, optional
            As Brian2's: (elapsed_s, completed, start_s, duration_s).
        slowing : (float, float)
            Learning rates at the first and the last sample, as parts of `rates`; linear between.
        """
        if learn and y is None:
            raise ValueError("learn=True needs y, the class numbers that the output should have")
        began, rows_of = time.perf_counter(), data_rows(self.circuit, x, y)
        x, y, samples = rows_of["data"], None if y is None else rows_of["targets"], len(x)
        size = self.chunk if self.target == "cpp_standalone" else samples
        progress = _Progress(report, began, -(-samples // size))
        factors = np.linspace(*slowing, samples) * learn
        parts = []
        for start in range(0, max(1, samples), size):
            # A program that is built for so many samples gets so many: the last one is repeated.
            rows = np.minimum(np.arange(start, start + size), samples - 1)
            part = np.where(np.arange(start, start + size) < samples, factors[rows], 0.0)
            shown = self._present(
                x[rows], None if y is None else y[rows], part, record, record_every_s, progress.part
            )
            parts.append(shown.first(samples - start))
            progress.parts_done += 1
        return joined(parts, time.perf_counter() - began)

    def _present(
        self,
        x: np.ndarray,
        y: np.ndarray | None,
        factors: np.ndarray,
        record: Sequence[str],
        record_every_s: float | None,
        report: Report | None,
    ) -> Presentation:
        """Present samples in one run, each with its part of the learning rates."""
        began = time.perf_counter()
        trials = self._trials(x, y)
        running = self._prepare(self._data_phases)
        start_s = self.simulated_s
        recording, taken = self._recording(running.translation, record, record_every_s)
        output = (cells_of(self.circuit.output.name), "activity")
        recording.states[output] = trials.read_dt  # type: ignore[index]
        schedule = trials.schedule(factors)
        recorded = self._go(running, schedule, recording, report)
        return self._presentation(trials, recorded, taken, start_s, began)

    def train(
        self,
        x: np.ndarray,
        y: np.ndarray,
        *,
        epochs: int = 1,
        slowing: bool = True,
        report: Report | None = None,
    ) -> list[float]:
        """Learn from every sample in each epoch, in a new order; the online accuracy of each.

        Parameters
        ----------
        slowing : bool
            Let learning rates fall linearly to zero over all epochs.
        """
        order, accuracies = np.random.default_rng(self.seed), []
        for epoch in range(epochs):
            rows = order.permutation(len(x))
            ends = (1 - epoch / epochs, 1 - (epoch + 1) / epochs) if slowing else (1.0, 1.0)
            shown = self.present(x[rows], y[rows], learn=True, report=report, slowing=ends)
            accuracies.append(float(np.mean(shown.answers == np.asarray(y)[rows])))
        return accuracies

    def evaluate(self, x: np.ndarray, y: np.ndarray, report: Report | None = None) -> float:
        """Part of the samples that are classified as `y` says; nothing learns."""
        return float(np.mean(self.present(x, report=report).answers == np.asarray(y)))

    # -- as a program -----------------------------------------------------------------------

    def script(
        self, x: np.ndarray | None = None, y: np.ndarray | None = None, file: str = "circuit.py"
    ) -> tuple[str, dict[str, np.ndarray]]:
        """The generated Brian2 program as a readable text, and the arrays that it loads.

        Parameters
        ----------
        x, y : arrays, optional
            Samples that the program presents, learning from them if there is a target. Without
            them it runs the noisy phases for ten seconds, or one sample of noise where there are
            none.
        file : str
            What the program is going to be called; save the arrays beside it with
            ``numpy.savez(file with .npz, **arrays)``.
        """
        if x is None and self._noisy_phases:
            running = self._prepare(self._noisy_phases)
            turns = NoisyTurns.of(running.translation.turns, self.parameters, 10.0)
            schedule = turns.schedule()
        else:
            running = self._prepare(self._data_phases)
            if x is None:
                shape = (1, *self.circuit.inputs[0].shape)
                x = np.random.default_rng(self.seed).normal(size=shape)
            trials = self._trials(x, y)
            schedule = trials.schedule(np.full(trials.samples, 0.0 if y is None else 1.0))
        model = running.run.model
        for (group, variable), value in running.translation.homes_filled():
            model.groups[group].starts[variable] = value
        for name, value in vars(self.rates).items():
            model.groups[SCHEDULE].starts[name] = value
        target = "numpy" if self.target == "cpp_standalone" else self.target
        return script(model, schedule.tables(model.tables), schedule.ticks, target, file)

    # -- exchange --------------------------------------------------------------------------

    def load(self, rate_network: Any) -> None:
        """Take over weights and biases of a `RateNetwork` of the same circuit, by name.

        Batch norms have no place here; a circuit that has some cannot be run anyway.
        """
        self.set_weights({n: _array(rate_network.weight(n)) for n in rate_network.weights})
        self.set_biases({n: _array(bias) for n, bias in rate_network.biases.items()})

    def store(self, rate_network: Any) -> None:
        """Put weights and biases into a `RateNetwork` of the same circuit, by name."""
        import torch

        for kind, home, mine in (
            ("drive", rate_network.weights, self._arrays.weights),
            ("population", rate_network.biases, self._arrays.biases),
        ):
            for name, value in mine.items():
                if name not in home:
                    raise WiringError(
                        f"the rate network has no {kind} {name!r}, which is {kind} of this one. "
                        f"It has {', '.join(home)}"
                    )
                with torch.no_grad():
                    home[name].copy_(torch.from_numpy(np.ascontiguousarray(value)))

    # -- noise -----------------------------------------------------------------------------

    def run_spontaneous(
        self, duration_s: float = 20.0, record_every_s: float = 1.0, report: Report | None = None
    ) -> SpontaneousRecord:
        """Let noise drive the circuit; its noisy phases take turns.

        A further call goes on from where the last one ended.

        Parameters
        ----------
        duration_s : float
            Simulated time, all phases together.
        record_every_s : float
            Interval of recorded weights.
        report : callable, optional
            As Brian2's: (elapsed_s, completed, start_s, duration_s); `completed` runs from 0 to 1.

        Raises
        ------
        WiringError
            No phase of the circuit names noisy populations.
        """
        if not duration_s > 0 or not record_every_s > 0:
            raise ValueError(
                f"duration_s = {duration_s}, record_every_s = {record_every_s}, expected > 0"
            )
        if not self._noisy_phases:
            raise WiringError(
                f"circuit {self.circuit.name!r} has no spontaneous phase: none of "
                f"{', '.join(self.circuit.phases)} names noisy populations. Add one with "
                "Wiring.phase(name, noisy=...), or wire the circuit with a rule that has a mirror "
                "mode"
            )
        if not DYNAMICS[self.dynamics].spikes:
            raise ValueError(
                "run_spontaneous needs cells that spike, but dynamics = 'settled'. Use "
                "spontaneous_changes(noise), or dynamics 'spiking' or 'poisson'"
            )
        began, start_s = time.perf_counter(), self.simulated_s
        running = self._prepare(self._noisy_phases)
        turns = NoisyTurns.of(running.translation.turns, self.parameters, duration_s)
        learning = [p.name for p in running.translation.turns.select() if p.plasticity]
        names = (*running.translation.turns.populations, *learning)
        recording, taken = self._recording(running.translation, names, record_every_s)
        states = {place: every for place, every in recording.states.items() if place[1] == "w"}
        first = {name: self.weight(name) for name in learning}
        recorded = self._go(running, turns.schedule(), Recording(recording.spikes, states), report)
        return turns.record(
            spikes=self._spikes(recorded, taken, start_s),
            weights={
                name: (
                    first[name],
                    *self._weights_over_time(recorded, name, taken[name]),
                    self.weight(name),
                )
                for name in learning
            },
            sizes={name: cells.size for name, cells in self.circuit.populations.items()},
            start_s=start_s,
            wall_s=time.perf_counter() - began,
        )

    # -- machinery -------------------------------------------------------------------------

    @property
    def _data_phases(self) -> tuple[str, ...]:
        return tuple(phase.name for phase in self.circuit.phases.values() if not phase.noisy)

    @property
    def _noisy_phases(self) -> tuple[str, ...]:
        return tuple(phase.name for phase in self.circuit.phases.values() if phase.noisy)

    def _data_populations(self) -> list[str]:
        return self.circuit.order()

    def _trials(self, x: np.ndarray, y: np.ndarray | None, batch: bool = False) -> Trials:
        turns = Turns(self.circuit, self._data_phases, together=not self.in_turn)
        return Trials.of(self.circuit, turns, self.parameters, self.dynamics, x, y, batch)

    def _prepare(self, phases: tuple[str, ...], tallying: bool = False) -> Running:
        """The translation of some phases as a run, made once, with the present weights."""
        key = (phases, tallying)
        if key not in self._running:
            translation = Translation(
                self.circuit,
                phases,
                self.parameters,
                self.dynamics,
                self._arrays,
                self.loss,
                together=not self.in_turn,
                tallying=tallying,
            )
            self._running[key] = Running(translation, self._new_run(translation))
        return self._running[key]

    def _new_run(self, translation: Translation) -> Run:
        model = translation.run()
        if self.target == "cpp_standalone":
            return StandaloneRun(model, self.threads)
        return RuntimeRun(model, self.target)

    def _go(
        self,
        running: Running,
        schedule: Schedule,
        recording: Recording,
        report: Report | None = None,
    ) -> Recorded:
        run, model = running.run, running.run.model
        for place, value in running.translation.homes_filled():
            run.set(place, value)
        for name, value in vars(self.rates).items():
            run.set((SCHEDULE, name), value)
        # One random stream for all: each run starts it where only the seed and the number of
        # earlier runs say.
        seed = self.seed + 7919 * running.runs
        running.runs += 1
        duration_s = (schedule.ticks - 1) * float(model.tick)  # the closing one aside
        recorded = run.run(
            schedule.tables(model.tables),
            schedule.ticks,
            seed,
            recording,
            report and _in_seconds(report, duration_s),
        )
        running.translation.take_home(run.get)
        self.simulated_s += duration_s
        return recorded

    def _clear(self, running: Running) -> None:
        for place in running.translation.tallies.values():
            running.run.set(place, 0.0)

    def _tallied(self, running: Running) -> Changes:
        weights: dict[str, np.ndarray] = {}
        biases: dict[str, np.ndarray] = {}
        for (kind, name), place in running.translation.tallies.items():
            change = running.run.get(place)
            if kind == "bias":
                biases[name] = change
            else:
                shape = self._arrays.weights[name].shape
                weights[name] = oriented(self.circuit.projections[name], change.reshape(shape))
        return Changes(weights, biases)

    # -- recording -------------------------------------------------------------------------

    def _recording(
        self, translation: Translation, names: Iterable[str], every_s: float | None
    ) -> tuple[Recording, dict[str, Place]]:
        """What to record for the named populations and projections, and where it will be."""
        every = self.parameters.present_time if every_s is None else every_s * second
        spikes, states, taken = [], {}, {}
        known = (*self.circuit.populations, *self._arrays.weights)
        for name in names:
            if name in self.circuit.populations:
                group = cells_of(name)
                spikes += [group] if translation.how.spikes else []
                taken[name] = (group, "activity")
                states[taken[name]] = min(
                    every, translation.model.tick, self.parameters.plasticity_dt
                )
            elif name in self._arrays.weights:
                taken[name] = translation.home(name)
                states[taken[name]] = every
            else:
                raise WiringError(
                    f"record names {name!r}, which is neither a population nor a drive with "
                    f"weights of its own. There are: {', '.join(known)}"
                )
        return Recording(tuple(spikes), states), taken

    def _read(
        self, trials: Trials, recorded: Recorded, taken: Mapping[str, Place]
    ) -> dict[str, np.ndarray]:
        """Mean activity of recorded populations in the reading time of each sample."""
        return {
            name: trials.read(*recorded.states[place])
            for name, place in taken.items()
            if name in self.circuit.populations
        }

    def _weights_over_time(
        self, recorded: Recorded, name: str, place: Place
    ) -> tuple[np.ndarray, np.ndarray]:
        times, flat = recorded.states[place]
        shape, p = self._arrays.weights[name].shape, self.circuit.projections[name]
        return times, np.stack([oriented(p, w.reshape(shape)) for w in flat])

    def _spikes(
        self, recorded: Recorded, taken: Mapping[str, Place], start_s: float
    ) -> dict[str, Spikes]:
        return {
            name: Spikes(recorded.spikes[group][0] + start_s, recorded.spikes[group][1]).before(
                self.simulated_s - 1e-9
            )
            for name, (group, _) in taken.items()
            if group in recorded.spikes
        }

    def _presentation(
        self,
        trials: Trials,
        recorded: Recorded,
        taken: Mapping[str, Place],
        start_s: float,
        began: float,
    ) -> Presentation:
        output = cells_of(self.circuit.output.name), "activity"
        spikes = self._spikes(recorded, taken, start_s)
        duration = self.simulated_s - start_s
        weights, activity, times, activity_times = {}, {}, np.array([]), np.array([])
        for name, place in taken.items():
            if name in self.circuit.populations:
                activity_times, activity[name] = recorded.states[place]
            else:
                times, weights[name] = self._weights_over_time(recorded, name, place)
        return Presentation(
            activities=self._read(trials, recorded, taken),
            outputs=trials.read(*recorded.states[output]),
            spikes=spikes,
            times_s=times + start_s,
            weights=weights,
            activity=activity,
            activity_times_s=activity_times + start_s,
            onsets_s=start_s + trials.onsets_s,
            mean_rates_hz={
                name: len(train) / (self.circuit.populations[name].size * duration)
                for name, train in spikes.items()
            },
            simulated_s=duration,
            wall_s=time.perf_counter() - began,
        )


def _in_seconds(report: Report, duration_s: float) -> Report:
    def on_report(elapsed: Any, completed: Any, start: Any, duration: Any) -> None:
        report(float(elapsed), float(completed), 0.0, duration_s)

    return on_report


class _Progress:
    """Progress of one run of several as progress of them all."""

    def __init__(self, report: Report | None, began: float, parts: int) -> None:
        self.report, self.began, self.parts, self.parts_done = report, began, parts, 0

    @property
    def part(self) -> Report | None:
        """What to report the progress of one run to."""
        return None if self.report is None else self._part

    def _part(self, elapsed: float, completed: float, start: float, duration: float) -> None:
        assert self.report is not None
        done = (self.parts_done + float(completed)) / self.parts
        self.report(time.perf_counter() - self.began, done, 0.0, float(duration) * self.parts)


def _array(value: Any) -> np.ndarray:
    """A tensor of any device and precision as an array."""
    return np.asarray(value.detach().cpu().double().numpy())


def _check(name: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise ValueError(f"{name} {value!r}, expected one of {', '.join(choices)}")
