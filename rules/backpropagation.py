"""Backpropagation (BP): the circuit that the others are measured against."""

from __future__ import annotations

from dataclasses import dataclass

from oneway.circuits import Circuit
from oneway.rules.base import Rule
from oneway.rules.feedback import TIED, with_feedback_path


@dataclass(frozen=True)
class Backpropagation(Rule, name="bp"):
    """Backpropagation through a separate feedback path.

    δ_l = φ′(h_l) ⊙ W_{l+1}ᵀ δ_{l+1}        (Akrout et al. 2019, eq. 2)
    ΔW_{l+1} = −η δ_{l+1} h_lᵀ              (eq. 4)

    Costs weight transport: each feedback drive uses the very weights of its forward drive.
    """

    def wire(self, forward: Circuit) -> Circuit:
        wiring = with_feedback_path(forward, self, weights=TIED)
        for w in wiring.learning_drives():  # W: h_l -> h_{l+1}
            wiring.learn_from_error(w)
        return wiring.build()
