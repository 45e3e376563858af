"""Kolen-Pollack learning (KP): feedback weights get the same changes as forward weights."""

from __future__ import annotations

from dataclasses import dataclass

from oneway.circuits import ACTIVITY, Circuit, taught_by
from oneway.rules.base import Rule
from oneway.rules.feedback import INDEPENDENT, with_feedback_path


@dataclass(frozen=True)
class KolenPollack(Rule, name="kp"):
    """Kolen-Pollack learning in a reciprocal circuit.

    ΔW_{l+1} = −η δ_{l+1} h_lᵀ − λ W_{l+1}  (Akrout et al. 2019, eq. 16)
    ΔB_{l+1} = −η h_l δ_{l+1}ᵀ − λ B_{l+1}  (eq. 17)

    W and Bᵀ get the same change and so converge, their gap shrinking by 1 − λ a step, with time
    constant (1 − momentum) / (lr · weight decay) steps. Each feedback cell must be told h_l by
    its partner, while it teaches the partner δ_l: every hidden pair is bidirectional.
    """

    def wire(self, forward: Circuit) -> Circuit:
        wiring = with_feedback_path(forward, self, weights=INDEPENDENT)
        for w in wiring.learning_drives():  # W: h_l -> h_{l+1}
            wiring.learn_from_error(w)
        for pair in wiring.pairs():
            w, b = pair.forward, pair.feedback  # B: delta_{l+1} -> delta_l
            wiring.teach(w.pre, b.post)  # h_l -> delta_l
            wiring.learn(b, pre=ACTIVITY, post=taught_by(w.pre))
        return wiring.build()
