"""Direct random target projection (DRTP): the target itself is the teaching signal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from oneway.circuits import Circuit
from oneway.rules.base import Rule
from oneway.rules.feedback import with_direct_feedback


@dataclass(frozen=True)
class DirectRandomTargetProjection(Rule, name="drtp"):
    """Direct random target projection (Frenkel et al. 2019).

    δ_l = φ′(h_l) ⊙ B_l y*                  y*: one-hot target, scaled by the loss's 1/batch
    ΔW_{l+1} = −η δ_{l+1} h_lᵀ

    Hidden layers need not wait for the output. The sign of y* against the error's is immaterial,
    since B_l is drawn from a symmetric distribution.

    Parameters
    ----------
    attach : {"all", "blocks"}
        Direct feedback to every hidden population that learns, or to ends of residual blocks only,
        with random feedback inside a block.
    """

    attach: Literal["all", "blocks"] = "all"

    def wire(self, forward: Circuit) -> Circuit:
        wiring = with_direct_feedback(forward, self, source="target", attach=self.attach)
        for w in wiring.learning_drives():  # W: h_l -> h_{l+1}
            wiring.learn_from_error(w)
        return wiring.build()
