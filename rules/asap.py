"""Activation sharing with asymmetric paths (ASAP): both paths learn from one earlier activation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from oneway.circuits import ACTIVITY, Circuit, taught_by
from oneway.rules.base import Rule
from oneway.rules.feedback import INDEPENDENT, with_feedback_path
from oneway.rules.sharing import learn_from_shared, matching, note_exceptions, share_activations


@dataclass(frozen=True)
class ASAP(Rule, name="asap"):
    """Activation sharing with asymmetric paths (Woo et al. 2021, sections 3.3 and 4).

    δ_l = φ′(h_l) ⊙ B_{l+1} δ_{l+1}
    ΔW_{l+2} = ΔB_{l+2}ᵀ = −η δ_{l+2} h_lᵀ  (eq. 23; block size k = 2)
    ΔW_{l+3} = ΔB_{l+3}ᵀ = −η δ_{l+3} h_lᵀ  (eq. 24)

    W and Bᵀ get the same change, as in Kolen-Pollack learning, but from the shared h_l: forward
    cells mimic it, and feedback cells are taught it by a skip projection from h_l, which is not
    the partner that they teach. With weight decay W and Bᵀ converge; not so with `gate="local"`,
    where φ′ of the forward cell is in ΔW and not in ΔB, so that the proof by Kolen and Pollack
    (eqs. 21, 22) does not hold.

    Parameters
    ----------
    k : int
        Block size; with k = 1 nothing is shared, which is Kolen-Pollack learning.
    fully_connected : {"auto", "share", "fa"}
        Whether dense layers share too. By default only in circuits without convolutions; in image
        nets they learn by feedback alignment, as in the paper, unless k = 1.
    entrance : {"fixed", "learned"}
        Feedback weights to the population h_l at the entrance of the first block, which has no
        earlier activation to learn from. They bring δ_l, which is there only if something learns
        in h_l: where the first convolution is fixed, its batch norm. `fixed`: they stay as drawn.
        `learned`: as in the released code they change as W does, with h_l itself. Then h_l teaches
        the partner δ_l that it is taught by: a pair joined both ways for each of its cells.
    signals : {"neuron", "synapse"}
        How h_l reaches W_{l+2} and W_{l+3}. `neuron`: their presynaptic cells mimic it, in a phase
        of their own (section 4.2, Fig. 4). `synapse`: it is brought to the postsynaptic cells, to
        each synapse the element that it needs (Fig. 3b), which takes no phase, but one more
        connection for each forward synapse. Both make the same changes.
    """

    k: int = 2
    fully_connected: Literal["auto", "share", "fa"] = "auto"
    entrance: Literal["fixed", "learned"] = "fixed"
    signals: Literal["neuron", "synapse"] = "neuron"

    def wire(self, forward: Circuit) -> Circuit:
        sharing = share_activations(forward, self, self.k, self.fully_connected)
        wiring = with_feedback_path(forward, self, weights=INDEPENDENT, stand_ins=sharing.stand_in)
        learn_from_shared(wiring, sharing, self.signals)  # W: h_l -> h_{l+1}, from h_s
        own = []  # whose feedback weights learn too
        for pair in wiring.pairs():
            w, b = pair.forward, pair.feedback  # B: delta_{l+1} -> delta_l
            shared = sharing.source.get(w.name)
            if shared is None:
                continue
            if shared == w.pre and self.k > 1 and self.entrance == "fixed":
                # To teach delta_l its own partner's h_l would join the pair both ways.
                wiring.note(
                    f"{w.name} learns by feedback alignment: only h_l itself could be shared "
                    "(entrance=learned does so)"
                )
                continue
            wiring.teach(shared, b.post, matching(shared, w.pre))  # h_s -> delta_l, a skip
            wiring.learn(b, pre=ACTIVITY, post=taught_by(shared))
            own.append(w.name)
        same = f"kp in {', '.join(own)} and like fa elsewhere" if own else "fa"
        same = "kp" if self.k == 1 and not sharing.reasons else same
        note_exceptions(wiring, sharing, "learns by feedback alignment", same)
        return wiring.build()
