"""`SpikingParameters`: every physical quantity of the spiking backend, in one place."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import lru_cache
from math import pi, sqrt

from brian2 import Hz, Quantity, have_same_dimensions, ms, mV, second
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import erfcx

# How far a threshold that is only looked at every dt seems to recede from a diffusing membrane, in
# standard deviations of one step: -zeta(1/2) / sqrt(2 pi) (Broadie, Glasserman & Kou 1997).
_DISCRETE_THRESHOLD = 0.5826


@dataclass(frozen=True)
class SpikingParameters:
    """Physical quantities of cells and synapses.

    Rates code signals by their deviation from a baseline (Akrout et al. 2019, appendix C.2): an
    activity of 1 is a filtered spike train `unit` above `baseline`.

    Parameters
    ----------
    dt : second
        Time step of cells and spikes.
    tau_mem, tau_syn : second
        Membrane, and the current that a drive's spike evokes.
    tau_trace : second
        Filter through which a cell's spike train becomes its activity.
    tau_mean : second
        Running means: of a cell's activity, and of the drive that it adapts to.
    baseline : Hz
        β, the rate at rest and the mean rate of noisy cells.
    refractory : second
    v_rest, v_reset, v_threshold : volt
    noise : volt
        Standard deviation of a resting membrane.
    gain : volt
        Lasting depolarisation by a synapse of weight 1 whose presynaptic activity is 1.
    batch_time : second
        Simulated time that counts as one batch: a plasticity of rate η and decay λ changes its
        weight by η · mean(post · pre) − λ w in this time.
    plasticity_dt : second
        Time step of weight changes; a fraction of `tau_trace` suffices.
    phase_time : second
        How long a phase lasts before the next one takes its turn.
    """

    dt: Quantity = field(default_factory=lambda: 1 * ms)
    tau_mem: Quantity = field(default_factory=lambda: 10 * ms)
    tau_syn: Quantity = field(default_factory=lambda: 5 * ms)
    tau_trace: Quantity = field(default_factory=lambda: 20 * ms)
    tau_mean: Quantity = field(default_factory=lambda: 2 * second)
    baseline: Quantity = field(default_factory=lambda: 100 * Hz)
    refractory: Quantity = field(default_factory=lambda: 2 * ms)
    v_rest: Quantity = field(default_factory=lambda: -70 * mV)
    v_reset: Quantity = field(default_factory=lambda: -60 * mV)
    v_threshold: Quantity = field(default_factory=lambda: -50 * mV)
    noise: Quantity = field(default_factory=lambda: 5 * mV)
    gain: Quantity = field(default_factory=lambda: 30 * mV)
    batch_time: Quantity = field(default_factory=lambda: 3 * second)
    plasticity_dt: Quantity = field(default_factory=lambda: 5 * ms)
    phase_time: Quantity = field(default_factory=lambda: 4 * second)

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            usual = item.default_factory()  # type: ignore[operator, misc, unused-ignore]
            if not have_same_dimensions(value, usual):
                raise ValueError(
                    f"SpikingParameters: {item.name} = {value}, expected a quantity such as "
                    f"{usual}. Multiply the number by its Brian2 unit"
                )
            if not item.name.startswith("v_") and not value > 0 * usual:
                raise ValueError(f"SpikingParameters: {item.name} = {value}, expected > 0")
        if not self.v_reset < self.v_threshold:
            raise ValueError(
                f"SpikingParameters: v_reset = {self.v_reset} must lie below v_threshold = "
                f"{self.v_threshold}"
            )
        if self.baseline * self.dead_time >= 1:
            raise ValueError(
                f"SpikingParameters: cells cannot fire at baseline = {self.baseline} with a "
                f"refractory period of {self.refractory}. Lower one of them"
            )

    @property
    def unit(self) -> Quantity:
        """Deviation from baseline that means 1: what Poisson firing at β makes of itself."""
        return (self.baseline / (2 * self.tau_trace)) ** 0.5

    @property
    def dead_time(self) -> Quantity:
        """Time lost after a spike; on a grid a period of `refractory` skips one step less."""
        return max(self.refractory - self.dt, 0 * ms)

    @property
    def hazard(self) -> Quantity:
        """Rate of a noisy cell while it is not refractory, so that its mean rate is β."""
        return self.baseline / (1 - self.baseline * self.dead_time)

    @property
    def baseline_drive(self) -> Quantity:
        """Constant drive above rest that makes an undriven noisy membrane fire at β."""
        volts = _drive_for_rate(
            float(self.baseline),
            float(self.tau_mem),
            float(self.dead_time),
            sqrt(2) * float(self.noise),
            float(self.v_threshold - self.v_rest) + float(self._receding),
            float(self.v_reset - self.v_rest),
        )
        return volts * 1000 * mV

    @property
    def _receding(self) -> Quantity:
        return _DISCRETE_THRESHOLD * self.noise * (2 * self.dt / self.tau_mem) ** 0.5


def lif_rate(
    drive: float, tau_mem: float, dead_time: float, sigma: float, threshold: float, reset: float
) -> float:
    """Rate of a leaky integrate-and-fire cell in white noise (Siegert 1951), SI units.

    `sigma` is √2 times the standard deviation of the resting membrane.
    """
    low, high = (reset - drive) / sigma, (threshold - drive) / sigma
    area, _ = quad(lambda u: erfcx(-u), low, high)
    return 1 / (dead_time + tau_mem * sqrt(pi) * area)


@lru_cache(maxsize=32)
def _drive_for_rate(
    rate: float, tau_mem: float, dead_time: float, sigma: float, threshold: float, reset: float
) -> float:
    def excess(drive: float) -> float:
        return lif_rate(drive, tau_mem, dead_time, sigma, threshold, reset) - rate

    # Five standard deviations below threshold a cell is silent; the upper end fires as fast as
    # a noiseless cell that needs less than one membrane time constant in all.
    low, high = threshold - 5 * sigma, threshold + sigma
    while excess(high) < 0:
        high += threshold - reset
        if high > 1e3 * (threshold - reset):
            raise ValueError(f"no drive makes these cells fire at {rate} Hz. Lower baseline")
    while excess(low) > 0:
        low -= sigma
    return brentq(excess, low, high)
