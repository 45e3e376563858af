"""Sign-symmetry (SS): feedback weights have the signs of the forward weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from oneway.circuits import Circuit
from oneway.rules.base import Rule
from oneway.rules.feedback import SIGN_TIED, with_feedback_path


@dataclass(frozen=True)
class SignSymmetry(Rule, name="ss"):
    """Sign-symmetry (Liao et al. 2016; Xiao et al. 2019, section 3.1).

    δ_l = φ′(h_l) ⊙ s_l sign(W_{l+1})ᵀ δ_{l+1}
    ΔW_{l+1} = −η δ_{l+1} h_lᵀ

    s_l is the scale with which the layer was initialised. Costs the transport of signs.

    Parameters
    ----------
    scale : {"initial"} or float
        s_l: the standard deviation of the first draw of W_{l+1}, or one number for all layers.
        The paper's is that of a circuit with ``init=sign_symmetry``: √(2 / (k² · channels)) for
        convolutions, √(1 / cells) for dense layers (footnote 2).
    """

    scale: Literal["initial"] | float = "initial"

    def wire(self, forward: Circuit) -> Circuit:
        scale = None if self.scale == "initial" else float(self.scale)
        wiring = with_feedback_path(forward, self, weights=replace(SIGN_TIED, scale=scale))
        for w in wiring.learning_drives():  # W: h_l -> h_{l+1}
            wiring.learn_from_error(w)
        return wiring.build()
