"""Spike-timing mirror (STDP): a weight mirror that learns from the order of spikes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from oneway.circuits import ACTIVITY, ENGAGED, Circuit, SpikeWindow, taught_by
from oneway.rules.base import Rule
from oneway.rules.feedback import INDEPENDENT, FeedbackWiring, Pair, with_feedback_path


@dataclass(frozen=True)
class SpikeTimingMirror(Rule, name="stdp"):
    """Pairs of spikes in the mirror mode, with a window whose area is zero.

    engaged: δ_l = φ′(h_l) ⊙ B_{l+1} δ_{l+1},   ΔW_{l+1} = −η δ_{l+1} h_lᵀ
    mirror:  h_l fires noise, h_{l+1} = φ(W_{l+1} h_l), δ_l and δ_{l+1} repeat their spikes
             ΔB_{l+1} = η_B Σ K(Δt) − λ B_{l+1},   Δt = t(δ_l) − t(δ_{l+1}), all pairs of spikes

    A spike of h_l drives h_{l+1} afterwards, never before. So what has no cause falls out of a
    window of area zero, and W_{l+1}ᵀ remains, whatever the rates: no cell subtracts a mean. The
    wiring is that of `wm`; what differs is the plasticity statement, which rates do not have.

    Order survives data, too: in `mode` engaged there is no noise and no mode, δ_l and δ_{l+1} are
    taught what h_l and h_{l+1} fire, and B learns from pairs of those spikes while data drive the
    circuit.

    K `mirrored`: e^(Δt/τ) where δ_l leads, −e^(−Δt/τ) where it follows. That is STDP (Song, Miller
    and Abbott 2000) with time turned round, as Burbank (2015, "Mirrored STDP") has it at feedback
    synapses. Spike-based alignment learning (Gierlich et al. 2025) counts the two orders with
    opposite signs, too, always and without a mode; but there W and B act on the same two cells, so
    that this is not it.
    K `stdwi`: e^(Δt/τ) − ⅕ e^(Δt/5τ) where δ_l leads, 0 where it follows: fast less slow trace
    (Ahmad, Ambrogioni and van Gerven 2021, whose code has τ = 40 ms; its weights decay with each
    spike, ours with time).

    Parameters
    ----------
    window : {"mirrored", "stdwi"}
        The kernel K, above.
    tau : float
        Its τ, in ms.
    mode : {"mirror", "engaged"}
        When B learns.
    rate : {"auto"} or float
        η_B, for each pair of spikes (`auto`: 0.002 from noise, 0.01 from data).
    decay : {"auto"} or float
        λ, for each batch of noise (`auto`: 0.5, as in `wm`) or for each sample (`auto`: 0.01).
    bias_blocking : bool
        Close off bias currents in the mirror mode.
    """

    needs_spikes: ClassVar[bool] = True

    window: Literal["mirrored", "stdwi"] = "mirrored"
    tau: float = 10.0
    mode: Literal["mirror", "engaged"] = "mirror"
    rate: Literal["auto"] | float = "auto"
    decay: Literal["auto"] | float = "auto"
    bias_blocking: bool = False

    def wire(self, forward: Circuit) -> Circuit:
        wiring = with_feedback_path(forward, self, weights=INDEPENDENT)
        for w in wiring.learning_drives():  # W: h_l -> h_{l+1}
            wiring.learn_from_error(w)
        mirrors = self.mode == "mirror"
        usual = {"rate": 0.002, "decay": 0.5} if mirrors else {"rate": 0.01, "decay": 0.01}
        stated = {"rate": self.rate, "decay": self.decay}
        how = {k: usual[k] if v == "auto" else v for k, v in stated.items()}
        for pair in wiring.pairs():
            w, b = pair.forward, pair.feedback  # B: delta_{l+1} -> delta_l
            phase = self._mirror(wiring, pair) if mirrors else ENGAGED
            pre, post = (ACTIVITY, ACTIVITY) if mirrors else (taught_by(w.post), taught_by(w.pre))
            if not mirrors:
                wiring.teach(w.pre, b.post)  # h_l -> delta_l
                wiring.teach(w.post, b.pre)  # h_{l+1} -> delta_{l+1}
            wiring.learn(b, pre=pre, post=post, phase=phase, window=self.kernel, **how)
        return wiring.build()

    def _mirror(self, wiring: FeedbackWiring, pair: Pair) -> str:
        """A phase in which h_l fires noise, and feedback cells do what their partners do."""
        w, b = pair.forward, pair.feedback
        phase, how = f"mirror {w.pre}", {"bias_blocked": self.bias_blocking}
        wiring.phase(phase, mode="mirror", noisy=w.pre, norm_blocked=True, **how)
        wiring.during(w, phase)
        wiring.mimic(w.pre, b.post, phase)  # h_l -> delta_l
        wiring.mimic(w.post, b.pre, phase)  # h_{l+1} -> delta_{l+1}
        return phase

    @property
    def kernel(self) -> SpikeWindow:
        """K."""
        if self.window == "mirrored":
            return SpikeWindow.exponential(1.0, -1.0, self.tau, self.tau).reversed
        return SpikeWindow(before=((1.0, self.tau), (-0.2, 5 * self.tau)))
