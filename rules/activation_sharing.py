"""Activation sharing (AS): a block of layers learns from one activation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from oneway.circuits import Circuit
from oneway.rules.base import Rule
from oneway.rules.feedback import TIED, with_feedback_path
from oneway.rules.sharing import learn_from_shared, note_exceptions, share_activations


@dataclass(frozen=True)
class ActivationSharing(Rule, name="as"):
    """Activation sharing with symmetric paths (Woo et al. 2021, section 3.2).

    δ_l = φ′(h_l) ⊙ W_{l+1}ᵀ δ_{l+1}        (eq. 3)
    ΔW_{l+2} = −η δ_{l+2} h_lᵀ, ΔW_{l+3} = −η δ_{l+3} h_lᵀ     (eqs. 19, 20; k = 2)

    Presynaptic cells mimic the shared h_l while W learns. Costs weight transport.

    Parameters
    ----------
    k : int
        Block size; with k = 1 nothing is shared, which is backpropagation.
    fully_connected : {"auto", "share", "fa"}
        Whether dense layers share too; by default only in circuits without convolutions.
    """

    k: int = 2
    fully_connected: Literal["auto", "share", "fa"] = "auto"

    def wire(self, forward: Circuit) -> Circuit:
        sharing = share_activations(forward, self, self.k, self.fully_connected)
        wiring = with_feedback_path(forward, self, weights=TIED, stand_ins=sharing.stand_in)
        learn_from_shared(wiring, sharing)
        note_exceptions(wiring, sharing, "learns from its own input", "bp")
        return wiring.build()
