"""`SpikeWindow`: what a pair of spikes counts, by the time between them."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp

from .errors import WiringError

Lobe = tuple[float, float]


@dataclass(frozen=True)
class SpikeWindow:
    """A learning window K(Δt) of pairs of spikes, Δt = t_post − t_pre.

    Each side is a sum of exponentials: K(Δt) = Σ A exp(−|Δt| / τ) over `after` where the
    postsynaptic spike comes after the presynaptic one, over `before` where it comes before. Two
    spikes in one step have no order and do not count, K(0) = 0. All other pairs do, by as many
    exponential traces as there are terms (Song, Miller and Abbott 2000, and Brian2's example).

    Parameters
    ----------
    after, before : tuple of (float, float)
        Amplitude A and time constant τ in ms of each term.

    Examples
    --------
    >>> from oneway.circuits import SpikeWindow
    >>> window = SpikeWindow.exponential(1.0, -1.05, 20, 20)
    >>> window.before
    ((-1.05, 20),)
    >>> round(window(10.0), 3), round(window(-10.0), 3), round(window.area_ms, 3)
    (0.607, -0.637, -1.0)
    """

    after: tuple[Lobe, ...] = ()
    before: tuple[Lobe, ...] = ()

    def __post_init__(self) -> None:
        for side in ("after", "before"):
            lobes = tuple((amplitude, tau_ms) for amplitude, tau_ms in getattr(self, side))
            object.__setattr__(self, side, lobes)
            for _, tau_ms in lobes:
                if not tau_ms > 0:
                    raise WiringError(
                        f"spike window: {side} = {lobes}, in which τ = {tau_ms:g} ms, expected > 0"
                    )
        if not any(amplitude for amplitude, _ in (*self.after, *self.before)):
            raise WiringError(
                f"spike window: after = {self.after}, before = {self.before}, so that no pair of "
                "spikes counts. Give one side an (amplitude, τ in ms)"
            )

    @classmethod
    def exponential(
        cls, a_plus: float, a_minus: float, tau_plus_ms: float = 20, tau_minus_ms: float = 20
    ) -> SpikeWindow:
        """One exponential each: `a_plus` where post follows pre, `a_minus` where it leads."""
        return cls(((a_plus, tau_plus_ms),), ((a_minus, tau_minus_ms),))

    def __call__(self, delta_ms: float) -> float:
        """K at Δt = t_post − t_pre."""
        lobes = self.after if delta_ms > 0 else self.before if delta_ms < 0 else ()
        return sum(amplitude * exp(-abs(delta_ms) / tau_ms) for amplitude, tau_ms in lobes)

    @property
    def reversed(self) -> SpikeWindow:
        """The same with time turned round, K(−Δt)."""
        return SpikeWindow(self.before, self.after)

    @property
    def area_ms(self) -> float:
        """∫ K dt: what unrelated spikes add up to, for each product of two rates."""
        return sum(amplitude * tau_ms for amplitude, tau_ms in (*self.after, *self.before))
