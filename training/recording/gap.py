"""The gap between weights that change alike: measured, and as decay alone would close it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor
from torch.optim import SGD

from oneway.backends.rate import RateNetwork
from oneway.circuits import Projection

from ..optimization.clock import paired_feedback
from ..optimization.optimizers import Optimizers
from .weights import pair

_SETTINGS = ("lr", "weight_decay", "momentum", "nesterov")
# Asked for in every step: a schedule changes the settings.
Settings = Callable[[], Mapping[str, Any]]


class Fading:
    """What SGD makes of the difference of two weights that get the same change, per unit.

    g ← g − η m, m ← μ m + λ g      (with Nesterov's momentum g ← g − η (μ m + λ g))

    The changes cancel, whatever they are; decay λ is left, at the rate η and with the momentum μ
    that are in force. Without momentum this is the (1 − ηλ)ᵗ of the direct Kolen-Pollack paper's
    eq. 11. Where the two weights take steps of another size, nothing cancels: g is None from there.

    Examples
    --------
    >>> plain = {"lr": 0.1, "weight_decay": 0.5, "momentum": 0.0, "nesterov": False}
    >>> fading = Fading(lambda: plain, lambda: plain)
    >>> fading.step()
    >>> fading.left
    0.95
    """

    def __init__(self, forward: Settings, feedback: Settings) -> None:
        self.forward, self.feedback = forward, feedback
        self.left: float | None = 1.0
        self.momentum = 0.0

    def step(self) -> None:
        """One step of the optimizer."""
        if self.left is None:
            return
        forward, feedback = (
            [settings()[name] for name in _SETTINGS] for settings in (self.forward, self.feedback)
        )
        if forward != feedback:
            self.left = None
            return
        rate, decay, momentum, nesterov = forward
        pull = decay * self.left
        self.momentum = momentum * self.momentum + pull
        self.left -= rate * (pull + momentum * self.momentum if nesterov else self.momentum)


class Gaps:
    """|W − Bᵀ| over that at the start, of each pair that gets equal changes and takes equal steps.

    Made when the run begins, before anything is restored: the first draws are the start.
    """

    def __init__(self, network: RateNetwork, optimizers: Optimizers) -> None:
        self.network = network
        self._of: dict[tuple[int, ...], Fading] = {}
        self._pairs: list[tuple[Projection, Fading]] = []
        for p in paired_feedback(network.circuit):
            fading = self._fading(p, optimizers)
            if fading is not None:
                self._pairs.append((p, fading))
        self.starts = {p.name: float(self._gap(p)) for p, _ in self._pairs}

    def _fading(self, p: Projection, optimizers: Optimizers) -> Fading | None:
        """Pairs in the same groups of parameters fade together; None where no law is known."""
        weights = self.network.weights
        one, i = optimizers.holder(weights[p.partner or ""])
        other, j = optimizers.holder(weights[p.name])
        scaled = p.plasticity is not None and p.plasticity.scaling is not None
        if scaled or type(one) is not type(other) or not isinstance(one, SGD):
            return None
        fading = Fading(lambda: one.param_groups[i], lambda: other.param_groups[j])
        return self._of.setdefault((id(one), i, id(other), j), fading)

    def _gap(self, p: Projection) -> Tensor:
        w, b = pair(self.network, p)
        return (w - b).norm()

    def step(self) -> None:
        """The optimizers have made a step that errors asked for."""
        for fading in self._of.values():
            fading.step()

    def measure(self) -> dict[str, dict[str, dict[str, Any]]]:
        """``gap``: feedback drive → ``measured`` and ``predicted``, 1 at the start."""
        return {
            "gap": {
                p.name: {"measured": self._gap(p) / self.starts[p.name], "predicted": fading.left}
                for p, fading in self._pairs
                if fading.left is not None and self.starts[p.name] > 0
            }
        }

    # -- checkpoints -----------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        fading = [[fading.left, fading.momentum] for fading in self._of.values()]
        return {"fading": fading, "starts": self.starts}

    def load_state_dict(self, state: Mapping[str, Any] | list[list[Any]] | None) -> None:
        """Go on from a saved state.

        Earlier versions had none, and go on unpredicted, or no starts: it was what was drawn.
        """
        saved: Mapping[str, Any] = state if isinstance(state, Mapping) else {"fading": state}
        self.starts = dict(saved.get("starts", self.starts))
        for i, fading in enumerate(self._of.values()):
            known = saved["fading"]
            fading.left, fading.momentum = (None, 0.0) if known is None else known[i]
