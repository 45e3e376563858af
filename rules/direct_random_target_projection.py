"""Direct random target projection (DRTP): the target itself is the teaching signal."""

from __future__ import annotations

from dataclasses import dataclass

from oneway.circuits import Circuit
from oneway.rules.base import Attach, Rule
from oneway.rules.feedback import with_direct_feedback


@dataclass(frozen=True)
class DirectRandomTargetProjection(Rule, name="drtp"):
    """Direct random target projection (Frenkel et al. 2019).

    δ_l = φ′(h_l) ⊙ B_l y*                  y*: one-hot target
    ΔW_{l+1} = −η δ_{l+1} h_lᵀ

    Hidden layers need not wait for the output. The sign of y* against the error's is immaterial,
    since B_l is drawn from a symmetric distribution. Of a batch, y* has the 1/batch of a mean loss,
    as the output's error has it; the released code leaves it out, so that there hidden layers learn
    as many times faster than the output layer as a batch has samples.

    Parameters
    ----------
    attach : {"all", "blocks", "pools"}
        Direct feedback to every hidden population that learns; to ends of residual blocks only,
        with random feedback inside a block; or to the pool in place of a population that drives
        nothing else, as in the published AlexNets.
    """

    attach: Attach = "all"

    def wire(self, forward: Circuit) -> Circuit:
        wiring = with_direct_feedback(forward, self, source="target", attach=self.attach)
        for w in wiring.learning_drives():  # W: h_l -> h_{l+1}
            wiring.learn_from_error(w)
        return wiring.build()
