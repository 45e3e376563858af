"""Direct feedback alignment (DFA): the output error reaches every layer at once."""

from __future__ import annotations

from dataclasses import dataclass

from oneway.circuits import Circuit
from oneway.rules.base import Attach, Rule
from oneway.rules.feedback import with_direct_feedback


@dataclass(frozen=True)
class DirectFeedbackAlignment(Rule, name="dfa"):
    """Direct feedback alignment (Nøkland 2016).

    δ_l = φ′(h_l) ⊙ B_l δ_L                 (Woo et al. 2021, eq. 5)
    ΔW_{l+1} = −η δ_{l+1} h_lᵀ              (eq. 2)

    Parameters
    ----------
    attach : {"all", "blocks", "pools"}
        Direct feedback to every hidden population that learns; to ends of residual blocks only,
        with random feedback inside a block; or to the pool in place of a population that drives
        nothing else, as in the published AlexNets.
    """

    attach: Attach = "all"

    def wire(self, forward: Circuit) -> Circuit:
        wiring = with_direct_feedback(forward, self, source="error", attach=self.attach)
        for w in wiring.learning_drives():  # W: h_l -> h_{l+1}
            wiring.learn_from_error(w)
        return wiring.build()
