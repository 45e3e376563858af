"""`Watch`: whether all that a network has learned is finite, and what grew where it is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

import torch
from torch import Tensor

from oneway.backends.rate import RateNetwork
from oneway.circuits import Projection

from ..config import TrainConfig

# Looks are this many steps apart, so that a GPU need not wait for the CPU in every step, and come
# at first after 1, 2, 4, ... steps: what diverges mostly does so at once.
EVERY = 50
_KINDS = {"weights": "weights", "bias": "bias", "norm": "batch norm"}


@dataclass(frozen=True)
class Trouble:
    """What is not finite, the fix, and the setting that it names, as sentences without an end."""

    what: str
    fix: str
    setting: str | None
    weights_are_finite: bool


class Watch:
    """Looks at the largest absolute value of each parameter and statistic of a network.

    Made when a run begins, before anything is restored: it knows how large all was at the start.

    Parameters
    ----------
    network : RateNetwork
    config : TrainConfig
        Of the run: what to lower is named with its value.

    Attributes
    ----------
    first : dict
        Name, such as ``weights.x -> h1`` → largest absolute value at the start.
    last : dict
        The same when all was finite last.
    """

    def __init__(self, network: RateNetwork, config: TrainConfig) -> None:
        self.network, self.config = network, config
        self.first = self.last = self.sizes()
        self.last_step = 0
        self._losses: list[Tensor] = []

    @staticmethod
    def due(step: int) -> bool:
        """Whether to look after this step.

        Examples
        --------
        >>> [step for step in range(1, 201) if Watch.due(step)]
        [1, 2, 4, 8, 16, 32, 50, 100, 150, 200]
        """
        return step % EVERY == 0 or (step < EVERY and step & (step - 1) == 0)

    @torch.no_grad()
    def sizes(self) -> dict[str, float]:
        """The largest absolute value of each, nan where one of them is; a GPU is waited for."""
        held = {
            ".".join(key): tensor
            for key, tensor in self.network._held().items()
            if tensor is not None and tensor.numel()
        }
        return dict(zip(held, _largest(list(held.values())), strict=True))

    def hear(self, loss: Tensor) -> None:
        """The loss of one more step; kept until all was seen to be finite."""
        self._losses.append(loss)

    def look(
        self, step: int, when: str, loss: float, memory: Sequence[Tensor] = ()
    ) -> Trouble | None:
        """What is not finite after a step; None where all is.

        Parameters
        ----------
        step : int
        when : str
            For people: ``in epoch 3``.
        loss : float
            A sum of all losses since the epoch began, over all processes.
        memory : sequence of Tensor
            What optimizers remember, if that is to be looked at too.
        """
        now = self.sizes()
        lost = [name for name, size in now.items() if not isfinite(size)]
        if isfinite(loss) and not lost and all(map(isfinite, _largest(memory))):
            self.last, self.last_step = now, step
            self._losses.clear()
            return None
        # What grew says more than what is lost: a moment later all of it is.
        grown = self._grown()
        if not isfinite(loss):
            what = f"the loss is not finite any more at step {self._first_lost(step)} {when}"
        elif lost:
            what = f"{_many(lost)} not finite any more at step {step} {when}"
        else:
            what = f"the optimizer's memory is not finite any more at step {step} {when}"
        if grown is not None:
            what += (
                f"; {called(grown)} had grown most, from {self.first[grown]:.3g} to "
                f"{self.last[grown]:.3g} at step {self.last_step}"
            )
        culprit = grown or next(iter(lost), None)
        return Trouble(what, *self._fix(culprit), weights_are_finite=not lost)

    @torch.no_grad()
    def with_cells(self, trouble: Trouble, x: Tensor, y: Tensor) -> Trouble:
        """The same with the cells whose activity or error is lost, where no weight is to blame."""
        if not trouble.weights_are_finite:
            return trouble
        signals = self.network.signals(x, y).items()
        lost = [name for name, signal in signals if not signal.isfinite().all()]
        said = f"; weights are, but {_cells(lost)} not" if lost else ""
        return replace(trouble, what=trouble.what + said)

    def _first_lost(self, step: int) -> int:
        losses = torch.stack(self._losses).tolist() if self._losses else []
        late = next((len(losses) - i for i, loss in enumerate(losses) if not isfinite(loss)), 1)
        return step - late + 1

    def _grown(self) -> str | None:
        """The weights that grew most while all was finite; None where nothing grew much."""
        grown = {
            name: self.last[name] / size
            for name, size in self.first.items()
            if name.startswith("weights.") and size > 0
        }
        most = max(grown, key=grown.__getitem__, default=None)
        return most if most is not None and grown[most] > 2 else None

    def _fix(self, name: str | None) -> tuple[str, str | None]:
        """Which rate to lower, for people and as a setting."""
        projection = self._projection(name)
        if projection is None or projection.plasticity is None:
            return f"Lower lr (now {self.config.lr:g}) or feedback_lr", "lr"
        own = projection.plasticity.rate
        if own is not None:
            return f"Lower the rule's own rate of these synapses (now {own:g})", None
        path = self.network.circuit.populations[projection.post].path
        own_path = path == "feedback" and self.config.feedback_lr is not None
        setting = "feedback_lr" if own_path else "lr"
        return f"Lower {setting} (now {self.config.of_path(path, 'lr'):g})", setting

    def _projection(self, name: str | None) -> Projection | None:
        kind, _, owner = (name or "").partition(".")
        return self.network.circuit.projections.get(owner) if kind == "weights" else None

    # -- what is left at the end -----------------------------------------------------------

    def faded(self, least: float = 1e-3) -> dict[str, tuple[float, float]]:
        """Weights of which less than this part is left: name → largest value first and now."""
        now = self.sizes()
        return {
            name: (size, now[name])
            for name, size in self.first.items()
            if name.startswith("weights.") and now[name] < least * size
        }

    # -- checkpoints -----------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        return {"first": self.first}

    def load_state_dict(self, state: Mapping[str, Any] | None, step: int) -> None:
        """Go on from a saved state, which earlier versions do not have, after that step.

        Raises
        ------
        ValueError
            It is that of another network.
        """
        if state is not None:
            if state["first"].keys() != self.first.keys():
                raise ValueError("it says how large the weights of another network were at first")
            self.first = dict(state["first"])
        self.last, self.last_step = self.sizes(), step


def called(name: str) -> str:
    """What stands behind a name, for people.

    Examples
    --------
    >>> called("weights.x -> h1"), called("norm.x -> h1.mean")
    ("weights of 'x -> h1'", "batch norm of 'x -> h1'")
    """
    kind, _, owner = name.partition(".")
    owner = owner.rpartition(".")[0] if kind == "norm" else owner
    return f"{_KINDS[kind]} of {owner!r}"


def _many(names: Sequence[str]) -> str:
    others = f" and {len(names) - 1} more" if len(names) > 1 else ""
    single = not others and not names[0].startswith("weights.")
    return f"{called(names[0])}{others} {'is' if single else 'are'}"


def _cells(names: Sequence[str]) -> str:
    others = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f"the activity of {names[0]!r}{others} is"


def _largest(tensors: Sequence[Tensor]) -> list[float]:
    if not tensors:
        return []
    # Of all reductions that pass nan on, the fastest on a CPU; a sum of squares could overflow.
    lows, highs = zip(*map(torch.aminmax, tensors), strict=True)
    return torch.stack([*lows, *highs]).double().view(2, -1).abs().amax(0).tolist()
