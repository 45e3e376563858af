"""Forward alignment: weights learn from the activity of a second, random forward path."""

from __future__ import annotations

from dataclasses import dataclass

from oneway.circuits import Circuit, Weights, scheme
from oneway.rules.base import Rule
from oneway.rules.feedback import TIED, FeedbackWiring, with_feedback_path


@dataclass(frozen=True)
class ForwardAlignment(Rule, name="forward_alignment"):
    """Forward alignment (Woo et al. 2021, section 3.2), the mirror image of feedback alignment.

    h̃_{l+1} = φ(C_{l+1} h̃_l),  h̃_0 = h_0    (eq. 14, with φ), C random and fixed
    δ_l = φ′(h_l) ⊙ W_{l+1}ᵀ δ_{l+1}          (eq. 15)
    ΔW_{l+1} = −η δ_{l+1} h̃_lᵀ                (eq. 16)

    The forward cells mimic h̃_l while W learns. Costs weight transport in the feedback path.
    """

    def wire(self, forward: Circuit) -> Circuit:
        wiring = with_feedback_path(forward, self, weights=TIED)
        wiring.phase("mimic", mode="mimic")
        _add_random_path(wiring)
        for w in wiring.learning_drives():  # W: h_l -> h_{l+1}
            if w.pre in _inputs(wiring):
                wiring.learn_from_error(w)
            else:
                wiring.mimic(_random(w.pre), w.pre, "mimic")  # h~_l -> h_l
                wiring.learn_from_error(w, phase="mimic")
        return wiring.build()


def _random(name: str) -> str:
    return f"random_{name}"


def _inputs(wiring: FeedbackWiring) -> set[str]:
    return {p.name for p in wiring.forward.inputs}


def _add_random_path(wiring: FeedbackWiring) -> None:
    """h̃: the forward circuit once more, up to the last hidden layer, with fixed weights C."""
    inputs, output = _inputs(wiring), wiring.forward.output.name
    for name in wiring.forward.order():
        if name not in inputs and name != output:
            h = wiring.forward.populations[name]
            wiring.population(
                _random(name), h.shape, path="auxiliary", activation=h.activation, norm=h.norm
            )
    for w in wiring.forward_drives():
        if w.post != output:
            wiring.connect(
                w.pre if w.pre in inputs else _random(w.pre),
                _random(w.post),
                w.connector,
                weights=Weights(start=scheme(wiring.forward, w)) if w.weights else None,
                norm=w.norm,
                name=f"random {w.name}",
            )
