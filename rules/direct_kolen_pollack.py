"""Direct Kolen-Pollack learning (DKP): direct feedback weights that learn."""

from __future__ import annotations

from dataclasses import dataclass

from oneway.circuits import ACTIVITY, Circuit, taught_by
from oneway.rules.base import Attach, Rule
from oneway.rules.feedback import with_direct_feedback


@dataclass(frozen=True)
class DirectKolenPollack(Rule, name="dkp"):
    """Direct Kolen-Pollack learning (anonymous 2021, "Learning the connections in DFA").

    δ_l = φ′(h_l) ⊙ B_l δ_L                 (eq. 3)
    ΔW_{l+1} = −η δ_{l+1} h_lᵀ − λ W_{l+1}  (eq. 8)
    ΔB_l = −η h_l δ_Lᵀ − λ B_l              (eq. 8)

    B_l comes to approximate, linearly, what the layers above h_l compute. As in Kolen-Pollack
    learning each feedback cell is told h_l by its partner: every hidden pair is bidirectional.

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
        for h, b in wiring.direct_drives():  # B: delta_L -> delta_l
            wiring.teach(h, b.post)  # h_l -> delta_l
            wiring.learn(b, pre=ACTIVITY, post=taught_by(h))
        return wiring.build()
