"""Weight mirror (WM): in a noisy mode of its own, the feedback path learns the transpose."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import networkx as nx

from oneway.circuits import ACTIVITY, ENGAGED, Circuit, Projection, Signal
from oneway.rules.base import Rule
from oneway.rules.feedback import INDEPENDENT, FeedbackWiring, Pair, with_feedback_path


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
    is averaged over the batch and over the pairs of cells that each weight joins (appendix D.2). In
    the mirror mode feedback cells mimic their partners: every hidden pair is bidirectional.

    Parameters
    ----------
    rate, decay : float
        η_B and λ_WM of the mirror mode (appendix D.2).
    scaling : float
        λ_s of synaptic scaling in the mirror mode; 0 for none.
    noise_std, baseline : float
        σ and β of the noise.
    engaged : {"plain", "baseline"}
        Whether forward cells convey deviations from β in the engaged mode too, y_{l+1} =
        φ(W_{l+1} (y_l − β) + b_{l+1}), and synapses learn from them (eqs. 23, 24).
    layers : {"each", "alternate", "all"}
        Layers take turns one by one; or as many as can without disturbing each other: every second
        layer; or all mirror at once, in one phase in which the first one fires noise and every
        other cell follows (appendix C.4). What follows is correlated from cell to cell, so that the
        deeper B, the larger its angle.
    bias_blocking : bool
        Close off bias currents in the mirror mode, so that ΔB is η_B σ² φ′(0) Wᵀ on average (eq.
        12). The paper's experiments leave them open (section 6), and each cell its own slope φ′(b)
        (eq. 11).
    norm_blocking : {"auto"} or bool
        Leave out normalisation in the mirror mode. In the paper's experiments the noise passes the
        convolution, the bias and the ReLU, and nothing else (appendix D.2). Where all layers mirror
        at once, it is normalisation that keeps the signals centred and of equal variance: `auto`
        leaves it out otherwise and keeps it there.
    centre : {"batch", "baseline"}
        What both cells subtract from their activity: its mean over the batch (as in the
        experiments), or the baseline β (eq. 25).
    """

    rate: float = 0.1
    decay: float = 0.5
    scaling: float = 0.0
    noise_std: float = 1.0
    baseline: float = 0.0
    engaged: Literal["plain", "baseline"] = "plain"
    layers: Literal["each", "alternate", "all"] = "each"
    bias_blocking: bool = False
    norm_blocking: Literal["auto"] | bool = "auto"
    centre: Literal["batch", "baseline"] = "batch"

    def wire(self, forward: Circuit) -> Circuit:
        wiring = with_feedback_path(forward, self, weights=INDEPENDENT)
        sent = ACTIVITY
        if self.engaged == "baseline":
            wiring.phase(ENGAGED, noise_mean=self.baseline)
            sent = Signal("activity", centred="baseline")
        for w in wiring.learning_drives():  # W: h_l -> h_{l+1}
            wiring.learn_from_error(w, pre=sent)
        own = Signal("activity", centred=self.centre)  # what the cell mimics, about its mean
        auto = isinstance(self.norm_blocking, str)
        for pairs in self._turns(wiring.pairs()):
            noisy, drives = self._awake(wiring, pairs)
            phase = "mirror " + "+".join(noisy)
            wiring.phase(
                phase,
                mode="mirror",
                noisy=noisy,
                noise_mean=self.baseline,
                noise_std=self.noise_std,
                bias_blocked=self.bias_blocking,
                norm_blocked=self.layers != "all" if auto else bool(self.norm_blocking),
            )
            for drive in drives:
                wiring.during(drive, phase)
            for pair in pairs:
                w, b = pair.forward, pair.feedback  # B: delta_{l+1} -> delta_l
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

    def _turns(self, pairs: Iterable[Pair]) -> list[list[Pair]]:
        """Pairs that mirror together; no cell is to fire noise and to respond at once."""
        by_source: dict[str, list[Pair]] = {}
        for pair in pairs:
            by_source.setdefault(pair.forward.pre, []).append(pair)
        turns: list[list[Pair]] = []
        for own in by_source.values():
            free = (t for t in turns if self.layers == "all" or not _disturb(t, own))
            turn = None if self.layers == "each" else next(free, None)
            if turn is None:
                turns.append(list(own))
            else:
                turn.extend(own)
        return turns

    def _awake(
        self, wiring: FeedbackWiring, pairs: list[Pair]
    ) -> tuple[tuple[str, ...], list[Projection]]:
        """Who fires noise in a turn, and the drives that carry it on."""
        sources = dict.fromkeys(pair.forward.pre for pair in pairs)
        if self.layers != "all":
            return tuple(sources), [pair.forward for pair in pairs]
        graph = nx.DiGraph(wiring.forward.forward_graph())
        first = tuple(name for name in sources if not sources.keys() & nx.ancestors(graph, name))
        awake = set(first).union(*(nx.descendants(graph, name) for name in first))
        drives = [w for w in wiring.forward_drives() if w.pre in awake]
        return first, drives


def _disturb(turn: list[Pair], others: list[Pair]) -> bool:
    def ends(pairs: list[Pair]) -> tuple[set[str], set[str]]:
        return {p.forward.pre for p in pairs}, {p.forward.post for p in pairs}

    (noisy, driven), (more_noisy, more_driven) = ends(turn), ends(others)
    return bool((noisy | driven) & more_driven or driven & more_noisy)
