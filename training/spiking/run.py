"""A wired circuit as spikes: it mirrors, learns a task, is tested, and is measured on the way."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from oneway.analysis import weight_angles
from oneway.circuits import Circuit, WiringError
from oneway.rules import RULES, SPIKE_RULES

from ..data.dataset import DataSet
from ..errors import ConfigError
from ..progress import ProgressBar, keep_quiet
from .config import WORTH_COMPILING_S, Lesion, SpikingConfig
from .keeping import SpikeKeeper, Window
from .probe import PROBE, SHOWN_NOISE_S, Excerpt, Probe, take_excerpt
from .result import SpikingResult

if TYPE_CHECKING:
    from oneway.backends.spiking import (
        Presentation,
        SpikingNetwork,
        SpikingParameters,
        SpontaneousRecord,
    )

# A compiled program is of one length, so that the last few samples cost as much as these; fewer
# would start it too often. That of the few that angles are measured on is another.
CHUNK = 240
WORTH_TELLING_S = 30.0
TRIED_SAMPLES = 5
# Part of a run, and seconds of it, after which it is judged whether units fire as fast as they can.
WORTH_JUDGING, WORTH_JUDGING_S = 0.2, 10.0


class SpikingRun:
    """One run.

    Parameters
    ----------
    data : DataSet or None
        None: noise alone drives the circuit.
    weights, biases : mappings, optional
        To start from, (post, pre, ...).
    network : SpikingNetwork, optional
        Of an earlier run, to be used again with the seed of this one: compiled programs stay.
    keep : Window, optional
        The simulated time whose spikes the result has, all of it included; none by default.
    notify : callable, optional
        Gets what a person should know, a sentence at a time.
    """

    def __init__(
        self,
        wired: Circuit,
        data: DataSet | None,
        config: SpikingConfig,
        *,
        weights: Mapping[str, np.ndarray] | None = None,
        biases: Mapping[str, np.ndarray] | None = None,
        parameters: SpikingParameters | None = None,
        network: SpikingNetwork | None = None,
        keep: Window | None = None,
        notify: Callable[[str], None] = keep_quiet,
        label: str = "spiking",
    ) -> None:
        self.wired, self.data, self.config, self.notify = wired, data, config, notify
        self.label = label
        self.noisy = [phase.name for phase in wired.phases.values() if phase.noisy]
        if data is None and not self.noisy:
            raise ConfigError(
                f"circuit {wired.name!r} has no phase in which noise drives it, so that without a "
                f"task nothing happens. Leave out --no-task{_noisy_rules(wired)}"
            )
        drives = wired.select(role="drive", path="forward")
        if config.unshared and not any(p.connector.convolutional for p in drives):
            raise ConfigError(
                f"circuit {wired.name!r} has no convolution, so that no synapses share a weight. "
                "Leave out --unshared"
            )
        if network is None:
            self.network = self._network(weights, biases, parameters)
        else:
            network.restart(config.seed)
            self.network, self.parameters, self.target = network, network.parameters, network.target
        self.compiled_s = self.network.compiling_s
        self._cut(config.lesions)
        self.keeper = None if keep is None else SpikeKeeper(wired, keep)
        seen = {"seen": self.keeper.see_samples} if self.keeper else {}
        self.probe = Probe(wired, data, config.dynamics, **seen) if data is not None else None
        self.curve: list[dict[str, Any]] = []
        self.noise: SpontaneousRecord | None = None
        self.rates_hz: dict[str, float] = {}
        self._shown_s, self._at_limit_s = 0.0, dict[str, np.ndarray]()
        # What has been said: populations at their limit, idle sleeps.
        self._told_of: set[str] = set()

    def _network(self, weights, biases, parameters) -> SpikingNetwork:
        with clear():
            from oneway.backends.spiking import SpikingNetwork, SpikingParameters

            how = {"presentation": self.config.presentation}
            usual = SpikingParameters.usual(self.config.dynamics, **how)
            self.parameters = replace(parameters, **how) if parameters else usual
            self.target = self.config.target_for(self.duration_s())
            network = SpikingNetwork(
                self.wired,
                self.parameters,
                seed=self.config.seed,
                weights=weights,
                biases=biases,
                dynamics=self.config.dynamics,
                target=self.target,
                shared=not self.config.unshared,
                dale=self.config.dale,
                in_turn=self.config.in_turn,
                input=self.config.input,
                pairs=self.config.pairs,
                threads=self.config.threads,
                chunk=CHUNK,
                cache=not self.config.no_cache,
            )
        network.rates.forward_rate = network.rates.feedback_rate = self.config.rate
        network.rates.forward_decay = network.rates.feedback_decay = self.config.decay
        return network

    def _cut(self, lesions: Iterable[Lesion]) -> None:
        """Tell the network what is cut when, before anything is compiled."""
        with clear():
            from brian2 import second

            for lesion in lesions:
                if lesion.at_s >= self.duration_s():
                    raise ConfigError(
                        f"lesion of {lesion.projection!r} at {lesion.at_s:g} s, but the run ends "
                        f"after about {self.duration_s():.4g} s simulated. Give an earlier moment"
                    )
                self.network.lesion(lesion.projection, at=lesion.at_s * second)

    def script(self, file: str, inline: bool = False) -> tuple[str, dict[str, np.ndarray]]:
        """A Brian2 program that shows a few samples, or noise, and the arrays that it loads."""
        with clear():
            if self.probe is None:
                return self.network.script(file=file, inline=inline)
            x, y = self.probe.x.numpy(), self.probe.y.numpy()
            return self.network.script(x, y, file, inline)

    # -- how long it will be ---------------------------------------------------------------

    def duration_s(self) -> float:
        """Simulated time of the whole run, nearly."""
        if self.data is None:
            return self.config.seconds
        c = self.config
        asleep_s = c.seconds + c.epochs * c.interlude if c.epochs else 0.0
        learned = c.epochs * self.data.n_train
        measured = (min(c.measurements, learned) + 2) * bool(c.epochs) * PROBE
        trials = learned + self.data.n_test + measured
        return len(self.noisy) * asleep_s + trials * self.present_s

    @property
    def present_s(self) -> float:
        """How long a sample is presented, in all phases."""
        from oneway.backends.spiking.sessions.engine import settling_steps

        p = self.parameters
        settling = (settling_steps(self.wired, p, self.config.dale) + 2) * p.dt
        turns = len(self.wired.reading.data_phases) if self.config.in_turn else 1
        return turns * float(settling if self.config.dynamics == "settled" else p.present_time)

    def _warn_if_long(self) -> None:
        """Say how long it will take, from a few samples, where one would wonder."""
        short = self.duration_s() < WORTH_COMPILING_S
        if short or self.target == "cpp_standalone" or self.probe is None:
            return
        self.probe.present(self.network, TRIED_SAMPLES)  # builds the objects
        began = time.perf_counter()
        self.probe.present(self.network, TRIED_SAMPLES)
        per_second = (time.perf_counter() - began) / (TRIED_SAMPLES * self.present_s)
        self._tell_length(per_second, self.duration_s())

    def _tell_length(self, per_second: float, left_s: float) -> None:
        if per_second * left_s > WORTH_TELLING_S:
            self.notify(
                f"about {_time(per_second * left_s)} to go: {left_s:,.0f} s to simulate on "
                f"{self.target}, at {per_second:.2g} s for each. --samples, --epochs and --target "
                "change that"
            )

    # -- running ---------------------------------------------------------------------------

    def run(self) -> SpikingResult:
        began, compiled_s = time.perf_counter(), self.network.compiling_s
        first = self.network.weights()
        accuracy: float | None = None
        online: tuple[float, ...] = ()
        with (
            clear(),
            warnings.catch_warnings(),
            SimulationBar(self.label, self.duration_s()) as self.bar,
        ):
            warnings.simplefilter("ignore", UserWarning)  # of what is at its limit: told below
            self._warn_if_long()
            if self.target == "cpp_standalone":
                self.notify("a program of each kind of run is compiled before it first runs")
            if self.config.in_turn and self.config.epochs and self.config.dynamics != "settled":
                self.notify(
                    "--in-turn is for looking: what a phase leaves to the next is held as it is at "
                    "one moment, from which spiking cells learn badly. Learn without it"
                )
            if self.data is None:
                self._noise(self.config.seconds, self.config.measurements)
            else:
                online = tuple(self._learn(self.data))
                x, y = samples(self.data, "test")
                accuracy = float(np.mean(self._present(x).answers == y))
            errors = self._last_error_angles()
            angles = weight_angles(self.wired, self.network.weight)
            weights, biases = self.network.weights(), self.network.biases()
            curve = tuple(self.curve)
            # Last, since noise goes on to teach.
            excerpt = self._excerpt()
        return SpikingResult(
            self.wired,
            self.config,
            self.parameters,
            self.target,
            angles,
            errors,
            {**self.rates_hz, **excerpt.mean_rates_hz},
            accuracy,
            online,
            curve,
            first,
            weights,
            biases,
            excerpt,
            self.network.simulated_s,
            time.perf_counter() - began,
            self.network.compiling_s - compiled_s,
            None if self.keeper is None else self.keeper.data(self.network.simulated_s),
        )

    def _learn(self, data: DataSet) -> Iterator[float]:
        """Every epoch, chunk by chunk; the online accuracy of each."""
        if not self.config.epochs:
            return
        if self.noisy:
            self._sleep(self.config.seconds)
        x, y = samples(data, "train")
        order = np.random.default_rng(self.config.seed)
        rows = [order.permutation(len(y)) for _ in range(self.config.epochs)]
        right: list[bool] = []
        self._measure(None)
        shown = np.concatenate(rows)
        # At least one sample from one measurement to the next.
        for chunk in np.array_split(shown, min(self.config.measurements, len(shown))):
            right += self._learn_chunk(x[chunk], y[chunk], len(right), len(shown))
        for epoch in np.split(np.array(right), self.config.epochs):
            yield float(epoch.mean())

    def _present(self, x: np.ndarray, y: np.ndarray | None = None, **how: Any) -> Presentation:
        if self._kept(len(x) * self.present_s):
            how |= {"record": [f"{name}.spikes" for name in self.wired.populations]}
        shown = self.network.present(x, y, report=self.bar.report, **how)
        self._tell_compiled()
        if self.keeper is not None and shown.spikes:
            self.keeper.see_samples(shown)
        self.bar.done_s(shown.simulated_s)
        self._note_limits(shown)
        return shown

    def _note_limits(self, shown: Presentation) -> None:
        """Name units that fire as fast as they can for a good part of the run, once."""
        from oneway.backends.spiking import at_limit_said

        self._shown_s += shown.simulated_s
        for name, part in shown.at_limit.items():
            before = self._at_limit_s.get(name, 0.0)
            self._at_limit_s[name] = before + part * shown.simulated_s
        # Errors of a network that knows nothing are large, which passes.
        if self._shown_s < max(WORTH_JUDGING * self.duration_s(), WORTH_JUDGING_S):
            return
        parts = {name: of / self._shown_s for name, of in self._at_limit_s.items()}
        for name in set(parts) - self._told_of:
            for text in at_limit_said({name: parts[name]}, self.parameters, self.wired):
                self._told_of.add(name)
                self.notify(text)

    def _kept(self, length_s: float) -> bool:
        """Whether spikes are to be kept of what comes next."""
        now_s, phases = self.network.simulated_s, max(len(self.wired.phases), 1)
        return self.keeper is not None and self.keeper.window.overlaps(
            now_s, now_s + phases * length_s
        )

    def _learn_chunk(self, x: np.ndarray, y: np.ndarray, done: int, total: int) -> list[bool]:
        began, compiled_s = time.perf_counter(), self.network.compiling_s
        slowing = (1 - done / total, 1 - (done + len(y)) / total)
        shown = self._present(x, y, learn=True, slowing=slowing)
        right = (shown.answers == y).tolist()
        epoch = total // self.config.epochs
        ended = (done + len(y)) // epoch > done // epoch
        if ended and self.noisy and self.config.interlude:
            self._sleep(self.config.interlude)
        self._measure(float(np.mean(right)))
        if not done and self.target == "cpp_standalone":
            left_s = (total - len(y)) * self.present_s
            took_s = time.perf_counter() - began - (self.network.compiling_s - compiled_s)
            self._tell_length(took_s / shown.simulated_s, left_s)
        return right

    def _sleep(self, seconds: float) -> None:
        """Noise for every layer, in parts of one length, since a compiled program is of one."""
        if self.target != "cpp_standalone" or not self.config.interlude:
            self._noise(len(self.noisy) * seconds, 5)
            return
        for _ in range(max(round(seconds / self.config.interlude), 1)):
            self._noise(len(self.noisy) * self.config.interlude, 1)

    def _noise(self, duration_s: float, measurements: int) -> None:
        """Let noise drive the circuit, and note the angles on the way."""
        from oneway.backends.spiking import IdleWarning

        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", IdleWarning)
            record = self.network.run_spontaneous(
                duration_s, duration_s / measurements, report=self.bar.report
            )
        for one in said:
            if issubclass(one.category, IdleWarning) and str(one.message) not in self._told_of:
                self._told_of.add(str(one.message))
                self.notify(f"{one.message} (--seconds, --interlude)")
        self._tell_compiled()
        self.noise = record
        if self.keeper is not None:
            self.keeper.see_noise(record)
        self.bar.done_s(record.simulated_s)
        self.rates_hz |= record.mean_rates_hz
        for i, at in enumerate(record.times_s):
            now = {name: weights[i] for name, weights in record.weights.items()}
            weight = lambda name, now=now: now.get(name, self.network.weight(name))  # noqa: E731
            self.curve.append(
                {"simulated_s": float(at), "angles_deg": weight_angles(self.wired, weight)}
            )

    def _measure(self, online: float | None) -> None:
        assert self.probe is not None
        self.curve.append(
            {
                "simulated_s": self.network.simulated_s,
                "angles_deg": weight_angles(self.wired, self.network.weight),
                "error_angles_deg": self.probe.error_angles(self.network),
                "online_accuracy": online,
            }
        )
        self._tell_compiled()

    def _tell_compiled(self) -> None:
        """Say how long it took to compile what has run now for the first time."""
        before_s, self.compiled_s = self.compiled_s, self.network.compiling_s
        if self.compiled_s - before_s > 1:
            self.notify(f"compiled in {_time(self.compiled_s - before_s)}")

    def _last_error_angles(self) -> dict[str, float]:
        """Nothing has learned since the last measurement, if there was one."""
        if self.probe is None:
            return {}
        if self.curve:
            return self.curve[-1]["error_angles_deg"]
        return self.probe.error_angles(self.network)

    def _excerpt(self) -> Excerpt:
        if self.config.dynamics == "settled":
            return Excerpt(None, {})
        if self.probe is None:
            return take_excerpt(self.wired, self.noise, None)
        if self.noise is not None:
            compiled = self.target == "cpp_standalone"
            self._sleep(self.config.interlude if compiled else SHOWN_NOISE_S / len(self.noisy))
        return take_excerpt(self.wired, self.noise, self.probe.present(self.network))


def _noisy_rules(wired: Circuit) -> str:
    """Advice to use a rule that gives this circuit a phase of noise, where there is one."""
    forward, names = wired.forward_circuit(), []
    for name, rule in (RULES | SPIKE_RULES).items():
        with suppress(WiringError):
            if any(phase.noisy for phase in rule().wire(forward).phases.values()):
                names.append(name)
    return f", or use a rule that has one: {', '.join(names)}" if names else ""


def samples(data: DataSet, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Inputs, with zero mean and unit variance, and classes of the training or test part."""
    x, y = getattr(data, f"{part}_x"), getattr(data, f"{part}_y")
    return data.normalise(x).numpy().astype(float), y.numpy()


@contextmanager
def clear() -> Iterator[None]:
    """What cannot be done here, in a sentence that names the fix."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ConfigError(str(error)) from error
    except ValueError as error:
        if type(error) is not ValueError:
            raise
        raise ConfigError(str(error)) from error


def _time(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


class SimulationBar(ProgressBar):
    """Counts simulated seconds; Brian2 reports on one part of the run at a time."""

    def __init__(self, label: str, duration_s: float) -> None:
        super().__init__(f"{label} (s simulated)", max(round(duration_s), 1))
        self._before_s = 0.0

    def report(self, elapsed_s: float, completed: float, start_s: float, length_s: float) -> None:
        """As Brian2 calls it."""
        while self.done < min(round(self._before_s + completed * float(length_s)), self.total):
            self.advance()

    def done_s(self, simulated_s: float) -> None:
        """A part is over."""
        self._before_s += simulated_s
        self.report(0.0, 0.0, 0.0, 0.0)
