"""`SpikingParameters`: every physical quantity of the spiking backend, in one place."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, get_args

from brian2 import Hz, Quantity, have_same_dimensions, ms, mV, second

Coding = Literal["push_pull", "baseline"]
Regime = Literal["sequence", "trials", "continuous"]
_CHOICES = {"coding": get_args(Coding), "presentation": get_args(Regime)}
_MAY_BE_ZERO = "noise refractory learn_time read_from gate_threshold adapt_time noise_tone".split()
_CONSTANTS = "tau_mem tau_mem_signed tau_syn tau_trace tau_mean noise_tau_trace".split()
_IN_EQUATIONS = (
    "tau_mem tau_mem_signed tau_syn tau_trace tau_mean v_rest v_threshold noise refractory "
    "baseline gate_threshold noise_gain noise_tone"
).split()


@dataclass(frozen=True)
class SpikingParameters:
    """Physical quantities of cells, synapses and trials.

    An activity of 1 is a filtered spike train of `unit`; errors have a unit of their own, because
    small errors need many spikes.

    Parameters
    ----------
    dt : second
        Time step of cells and spikes: at most half of each time constant.
    tau_mem, tau_mem_signed : second
        Membranes: of cells that fire for one sign only, and of pairs that fire for both. A leaky
        pair is deaf to input below 1 / (unit τ), so that small errors are silent.
    tau_syn : second
        The current that a drive's spike evokes.
    tau_trace : second
        Filter through which a cell's spike train becomes its activity, for its own synapses and,
        one to one, for cells that it teaches, gates or is mimicked by.
    tau_mean : second
        Running mean of a cell's activity, for synapses that learn from deviations.
    v_rest, v_threshold : volt
        A spike sets a cell back by the difference of the two, so that no input is lost.
    noise : volt
        Standard deviation of a resting membrane, of cells that integrate.
    refractory : second
        Time after a spike in which a cell fires no other: none fires faster than `max_rate`, with
        any `dt`. The membrane goes on integrating meanwhile, except about a baseline. What a cell
        could not fire for that is made up for later, but no more than `backlog` spikes.
    coding : {"push_pull", "baseline"}
        How spikes, which have no sign, stand for activity that has one. `push_pull`: two cells for
        each unit, of which one fires for positive and one for negative activity. `baseline`: one
        cell, whose rate deviates from β (Akrout et al. 2019, appendix C.2).
    unit, error_unit : Hz
        Rate, or deviation from baseline, that means an activity or an error of 1.
    baseline : Hz
        β: rate at rest about a baseline, and of cells that fire noise.
    gate_threshold : float
        Activity above which a cell counts as active where φ′ is asked for: a filtered spike train
        is never exactly zero.
    present_time : second
        How long a sample is presented.
    presentation : {"sequence", "trials", "continuous"}
        How samples follow one another. `sequence`: cells go on from where the last sample left
        them, and synapses learn in its `learn_time`. `trials`: each sample begins at rest, with
        membranes, currents and traces as they were at first, so that no answer depends on what
        came before. `continuous`: nothing marks a sample's end; synapses learn all the time,
        every `plasticity_dt`, as much from a sample as else.
    read_from : second
        When, after its onset, the output begins to be read.
    learn_time : second
        Synapses learn during this last part of a sample, every `plasticity_dt`; with 0 once, at
        its end.
    plasticity_dt : second
        Time step of weight changes; a fraction of `tau_trace` suffices.
    batch_time : second
        Simulated time that counts as one batch where noise drives the circuit: a plasticity of
        rate η and decay λ changes its weight by η · mean(post · pre) − λ w in this time.
    noise_deviation : float
        The deviation from its mean that the activity of a cell firing noise counts as. Weights
        that learn from noise grow with its square; those of error cells must be large, since a
        small error is silent.
    phase_time : second
        How long a noisy phase lasts before the next one takes its turn.
    adapt_time : second
        First part of each turn, in which running means settle and nothing is learned.
    noise_tau_trace : second
        `tau_trace` where noise drives the circuit: there the correlation of two cells counts, and
        a shorter filter has more independent moments.
    noise_gain : float
        By how much more strongly cells respond where noise drives the circuit.
    noise_tone : float
        Further current, in units of the threshold, of cells that noise drives and that fire for
        one sign only: at rest they would miss every other deviation.
    """

    dt: Quantity = field(default_factory=lambda: 1 * ms)
    tau_mem: Quantity = field(default_factory=lambda: 20 * ms)
    tau_mem_signed: Quantity = field(default_factory=lambda: 60 * ms)
    tau_syn: Quantity = field(default_factory=lambda: 2 * ms)
    tau_trace: Quantity = field(default_factory=lambda: 20 * ms)
    tau_mean: Quantity = field(default_factory=lambda: 0.5 * second)
    v_rest: Quantity = field(default_factory=lambda: -70 * mV)
    v_threshold: Quantity = field(default_factory=lambda: -50 * mV)
    noise: Quantity = field(default_factory=lambda: 0 * mV)
    refractory: Quantity = field(default_factory=lambda: 1 * ms)
    coding: Coding = "push_pull"
    unit: Quantity = field(default_factory=lambda: 200 * Hz)
    error_unit: Quantity = field(default_factory=lambda: 1000 * Hz)
    baseline: Quantity = field(default_factory=lambda: 100 * Hz)
    gate_threshold: float = 0.05
    present_time: Quantity = field(default_factory=lambda: 100 * ms)
    presentation: Regime = "sequence"
    read_from: Quantity = field(default_factory=lambda: 40 * ms)
    learn_time: Quantity = field(default_factory=lambda: 0 * ms)
    plasticity_dt: Quantity = field(default_factory=lambda: 2 * ms)
    batch_time: Quantity = field(default_factory=lambda: 15 * second)
    noise_deviation: float = 5.5
    phase_time: Quantity = field(default_factory=lambda: 4 * second)
    adapt_time: Quantity = field(default_factory=lambda: 1 * second)
    noise_tau_trace: Quantity = field(default_factory=lambda: 5 * ms)
    noise_gain: float = 2.0
    noise_tone: float = 2.0

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            choices = _CHOICES.get(item.name)
            if choices is None:
                self._check(item.name, value, _usual(item))
            elif value not in choices:
                raise ValueError(
                    f"SpikingParameters: {item.name} = {value!r}, expected one of "
                    f"{', '.join(choices)}"
                )
        if not self.v_rest < self.v_threshold:
            self._refuse(f"v_rest must lie below v_threshold = {self.v_threshold}", "v_rest")
        self._check_times()
        self._check_rates()

    def _check_times(self) -> None:
        """Steps must be short beside what they resolve, and parts of what they divide."""
        for name in _CONSTANTS:
            if 2 * self.dt > getattr(self, name):
                self._refuse(
                    f"time steps of dt = {self.dt} are too long for it, expected at most half of "
                    "it. Lower dt",
                    name,
                )
        learning = self._learning_time > 0 * ms
        parts = [("plasticity_dt", "dt"), ("refractory", "dt"), ("present_time", "dt")]
        if learning:
            parts += [("present_time", "plasticity_dt"), ("learn_time", "plasticity_dt")]
        for whole, part in parts:
            steps = float(getattr(self, whole) / getattr(self, part))
            if abs(steps - round(steps)) > 1e-6 * max(steps, 1):
                self._refuse(f"expected a multiple of {part} = {getattr(self, part)}", whole)
        for name in ("read_from", "learn_time"):
            if getattr(self, name) > self.present_time:
                self._refuse(f"it is longer than present_time = {self.present_time}", name)
        if self.presentation == "continuous" and 0 * ms < self.learn_time < self.present_time:
            self._refuse(
                "with presentation = 'continuous' synapses learn all the time. Leave it out",
                "learn_time",
            )

    def _check_rates(self) -> None:
        """An activity of 1 must be something that a cell can say."""
        for name in ("unit", "error_unit", "baseline"):
            if getattr(self, name) > self.max_rate * (1 + 1e-9):
                self._refuse(
                    f"cells fire at {self.max_rate} at most, with a refractory period of "
                    f"{self.refractory} in steps of dt = {self.dt}. Lower one of them",
                    name,
                )

    def _refuse(self, why: str, name: str) -> None:
        raise ValueError(f"SpikingParameters: {name} = {getattr(self, name)}: {why}")

    def _check(self, name: str, value: Any, usual: Any) -> None:
        if not have_same_dimensions(value, usual):
            raise ValueError(
                f"SpikingParameters: {name} = {value}, expected a quantity such as "
                f"{usual}. Multiply the number by its Brian2 unit"
            )
        if name.startswith("v_"):
            return
        zero = name in _MAY_BE_ZERO
        if value < 0 * value or (value == 0 * value and not zero):
            raise ValueError(
                f"SpikingParameters: {name} = {value}, expected {'>= 0' if zero else '> 0'}"
            )

    @classmethod
    def about_baseline(cls, **changes: Any) -> SpikingParameters:
        """Cells that fire about a baseline of 100 Hz, with noisy membranes: for mirrors.

        They do not learn the digits: the noise of a trace is as large as an activity of 1.
        """
        usual: dict[str, Any] = {
            "coding": "baseline",
            "unit": 50 * Hz,
            "error_unit": 50 * Hz,
            "tau_mem": 10 * ms,
            "noise": 1 * mV,
            "refractory": 2 * ms,
        }
        return cls(**usual | changes)

    @classmethod
    def usual(cls, dynamics: str, **changes: Any) -> SpikingParameters:
        """Those with which cells of a dynamics learn best of what has been tried.

        Spikes at random need to be averaged: Poisson cells have longer currents and samples, and
        learn all through the second half of each.
        """
        longer: dict[str, Any] = {
            "tau_syn": 10 * ms,
            "present_time": 200 * ms,
            "read_from": 80 * ms,
            "learn_time": 100 * ms,
        }
        if changes.get("presentation") == "continuous":  # they learn all the time
            del longer["learn_time"]
        return cls(**(longer if dynamics == "poisson" else {}) | changes)

    @classmethod
    def precise(cls, **changes: Any) -> SpikingParameters:
        """Integrate-and-fire cells whose spikes, counted over T, differ from rates as 1 / T.

        Two things keep the usual ones from it. Pairs that leak are deaf to small input. And a cell
        that is rectified follows the mean of its input only where that is smooth: currents of 2 ms
        swing to either side of the threshold, of which one half counts. Here pairs do not leak and
        currents last; cells follow more slowly, so present samples for a second, and begin to
        read after half of it or later.
        """
        usual: dict[str, Any] = {
            "tau_mem_signed": 1000 * second,
            "tau_mem": 100 * ms,
            "tau_syn": 100 * ms,
            "present_time": 2 * second,
            "read_from": 1 * second,
        }
        return cls(**usual | changes)

    def check_used(self, dynamics: Any) -> None:
        """Raise `ValueError` where a quantity has been set that cells of a dynamics do not have."""
        unused = {
            "poisson": "tau_mem_signed v_rest v_threshold noise noise_gain noise_tone".split(),
            "settled": [name for name in _IN_EQUATIONS if name != "baseline"],
        }.get(dynamics, [])
        usual = SpikingParameters()
        for name in unused:
            if getattr(self, name) != getattr(usual, name):
                self._refuse(f"cells that are {dynamics!r} have none. Leave it out", name)

    def for_noise(self) -> SpikingParameters:
        """The same where noise drives the circuit: there is one unit, for there are no errors."""
        return replace(self, tau_trace=self.noise_tau_trace, error_unit=self.unit)

    # -- what follows from them ------------------------------------------------------------

    def rest(self, path: str) -> float:
        """The activity that spikes at the baseline alone would stand for."""
        return float(self.baseline / self.unit_of(path))

    def unit_of(self, path: str) -> Quantity:
        """The rate that means 1 on a path."""
        return self.error_unit if path == "error" else self.unit

    @property
    def max_rate(self) -> Quantity:
        """The fastest that a cell can fire."""
        return 1 / max(self.refractory, self.dt)

    @property
    def backlog(self) -> float:
        """Spikes that a cell may be behind by: what it can fire while a trace remembers."""
        return float(self.tau_trace * self.max_rate)

    @property
    def dead_time(self) -> Quantity:
        """Time lost after a spike; on a grid a period of `refractory` skips one step less."""
        return max(self.refractory - self.dt, 0 * ms)

    @property
    def hazard(self) -> Quantity:
        """Rate of a noisy cell while it is not refractory, so that its mean rate is β."""
        return self.baseline / (1 - self.baseline * self.dead_time)

    @property
    def noise_power(self) -> float:
        """Variance of the activity of a cell that fires noise, in the unit that it counts in."""
        variance = float(self.baseline / (2 * self.tau_trace * self.unit**2))
        return variance / self.noise_deviation**2

    @property
    def tick(self) -> Quantity:
        """Step of the schedule in which samples are presented."""
        return self.plasticity_dt if self._learning_time > 0 * ms else self.present_time

    @property
    def learn_ticks(self) -> int:
        """How many times synapses learn from one sample."""
        return max(1, round(float(self._learning_time / self.plasticity_dt)))

    @property
    def _learning_time(self) -> Quantity:
        return self.present_time if self.presentation == "continuous" else self.learn_time

    def constants(self) -> dict[str, Any]:
        """What equations of cells and synapses refer to by name."""
        named = {name: getattr(self, name) for name in _IN_EQUATIONS}
        for path in ("forward", "error"):
            named[f"{path}_unit"] = self.unit_of(path)
            named[f"{path}_rest"] = self.rest(path)
        return {
            **named,
            "max_rate": self.max_rate,
            "backlog": self.backlog,
            "noise_power": self.noise_power,
            "dead_time": self.dead_time,
            "hazard": self.hazard,
        }


def _usual(item) -> Any:
    return item.default if isinstance(item.default, float) else item.default_factory()
