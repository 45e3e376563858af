"""Feedback alignment (FA): fixed random feedback weights."""

from __future__ import annotations

from dataclasses import dataclass

from oneway.circuits import Circuit
from oneway.rules.base import Rule
from oneway.rules.feedback import INDEPENDENT, with_feedback_path


@dataclass(frozen=True)
class FeedbackAlignment(Rule, name="fa"):
    """Feedback alignment (Lillicrap et al. 2016).

    δ_l = φ′(h_l) ⊙ B_{l+1} δ_{l+1}         (Akrout et al. 2019, eq. 3)
    ΔW_{l+1} = −η δ_{l+1} h_lᵀ              (eq. 4)

    B is random and stays; W comes to resemble its transpose while it learns.
    """

    def wire(self, forward: Circuit) -> Circuit:
        wiring = with_feedback_path(forward, self, weights=INDEPENDENT)
        for w in wiring.learning_drives():  # W: h_l -> h_{l+1}
            wiring.learn_from_error(w)
        return wiring.build()
