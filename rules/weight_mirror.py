"""Weight mirror (WM): in a noisy mode of its own, the feedback path learns the transpose."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from oneway.circuits import Circuit, Signal
from oneway.rules.base import Rule
from oneway.rules.feedback import INDEPENDENT, Pair, with_feedback_path


@dataclass(frozen=True)
class WeightMirror(Rule, name="wm"):
    """Weight mirror (Akrout et al. 2019, section 4).

    engaged: δ_l = φ′(h_l) ⊙ B_{l+1} δ_{l+1},   ΔW_{l+1} = −η δ_{l+1} h_lᵀ     (eqs. 3, 4)
    mirror:  h_l fires noise, h_{l+1} = φ(W_{l+1} h_l), δ_l = h_l, δ_{l+1} = h_{l+1}   (eq. 6)
             ΔB_{l+1} = η_B δ_l δ_{l+1}ᵀ − λ_WM B_{l+1}                        (eqs. 7, 21)

    `scaling` keeps B small in place of λ_WM or beside it, as the paper suggests below eq. 11:
    each cell multiplies the synapses that it receives, so that their mean |B| stays near that of a
    first draw.

    On average ΔB is η_B σ² φ′(b) Wᵀ (eq. 11), so that B turns to Wᵀ, cell by cell. The product
    is averaged over the batch and, in convolutions, over positions (appendix D.2). In the mirror
    mode feedback cells mimic their partners: every hidden pair is bidirectional.

    Parameters
    ----------
    rate, decay : float
        η_B and λ_WM of the mirror mode (appendix D.2).
    scaling : float
        λ_s of synaptic scaling in the mirror mode; 0 for none.
    noise_std, baseline : float
        σ and β of the noise.
    layers : {"each", "alternate"}
        Layers take turns one by one, or as many as can without disturbing each other: every second
        layer (appendix C.4).
    bias_blocking : bool
        Close off bias currents in the mirror mode, so that ΔB is η_B σ² φ′(0) Wᵀ on average (eq.
        12). The paper's experiments leave them open (section 6), and each cell its own slope φ′(b)
        (eq. 11).
    norm_blocking : bool
        Leave out normalisation in the mirror mode. In the paper's experiments the noise passes the
        convolution, the bias and the ReLU, and nothing else (appendix D.2).
    centre : {"batch", "baseline"}
        What both cells subtract from their activity: its mean over the batch (as in the
        experiments), or the baseline β (eq. 25).
    """

    rate: float = 0.1
    decay: float = 0.5
    scaling: float = 0.0
    noise_std: float = 1.0
    baseline: float = 0.0
    layers: Literal["each", "alternate"] = "each"
    bias_blocking: bool = False
    norm_blocking: bool = True
    centre: Literal["batch", "baseline"] = "batch"

    def wire(self, forward: Circuit) -> Circuit:
        wiring = with_feedback_path(forward, self, weights=INDEPENDENT)
        for w in wiring.learning_drives():  # W: h_l -> h_{l+1}
            wiring.learn_from_error(w)
        own = Signal("activity", centred=self.centre)  # what the cell mimics, about its mean
        for phase, pairs in self._turns(wiring.pairs()).items():
            noisy = tuple(dict.fromkeys(pair.forward.pre for pair in pairs))
            wiring.phase(
                phase,
                mode="mirror",
                noisy=noisy,
                noise_mean=self.baseline,
                noise_std=self.noise_std,
                bias_blocked=self.bias_blocking,
                norm_blocked=self.norm_blocking,
            )
            for pair in pairs:
                w, b = pair.forward, pair.feedback  # B: delta_{l+1} -> delta_l
                wiring.during(w, phase)
                wiring.mimic(w.pre, b.post, phase)  # h_l -> delta_l
                wiring.mimic(w.post, b.pre, phase)  # h_{l+1} -> delta_{l+1}
                wiring.learn(
                    b,
                    pre=own,
                    post=own,
                    phase=phase,
                    hebbian=True,
                    reduction="mean",
                    rate=self.rate,
                    decay=self.decay,
                    scaling=self.scaling or None,
                )
        return wiring.build()

    def _turns(self, pairs: Iterable[Pair]) -> dict[str, list[Pair]]:
        """Phase name → pairs mirrored in it; no cell is to fire noise and to respond at once."""
        by_source: dict[str, list[Pair]] = {}
        for pair in pairs:
            by_source.setdefault(pair.forward.pre, []).append(pair)
        turns: list[list[Pair]] = []
        for own in by_source.values():
            free = (turn for turn in turns if not _disturb(turn, own))
            turn = next(free, None) if self.layers == "alternate" else None
            if turn is None:
                turns.append(list(own))
            else:
                turn.extend(own)
        return {"mirror " + "+".join(dict.fromkeys(p.forward.pre for p in t)): t for t in turns}


def _disturb(turn: list[Pair], others: list[Pair]) -> bool:
    def ends(pairs: list[Pair]) -> tuple[set[str], set[str]]:
        return {p.forward.pre for p in pairs}, {p.forward.post for p in pairs}

    (noisy, driven), (more_noisy, more_driven) = ends(turn), ends(others)
    return bool((noisy | driven) & more_driven or driven & more_noisy)
