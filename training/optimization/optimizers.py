"""Optimizers and schedules, one of each for the forward and for the feedback path."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, Adam, Optimizer

from ..config import LEARNING_PATHS, TrainConfig
from .schedules import rate_factor, weight_decay


class BatchManhattan(SGD):
    """Gradient descent on the sign of a batch's gradient.

    Δw = −η · (sign(∂E/∂w) + λ w), with momentum over both terms as in `SGD`

    The variant of Liao et al. (2016) that the sign-symmetry paper discusses at the end of its
    section 3.1: the sign is taken of the sum over the batch, and momentum and decay act on signs.
    Steps have the size of the learning rate, so it must be smaller than SGD's by far.

    Examples
    --------
    >>> import torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0, 1.0, 1.0]))
    >>> w.grad = torch.tensor([3.0, -0.01, 0.0])
    >>> BatchManhattan([w], lr=0.5).step()
    >>> w.tolist()
    [0.5, 1.5, 1.0]
    """

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One update; gradients stay as they are."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        parameters = [p for group in self.param_groups for p in group["params"]]
        gradients = [p.grad for p in parameters]
        for p in parameters:
            p.grad = None if p.grad is None else p.grad.sign()
        super().step()
        for p, gradient in zip(parameters, gradients, strict=True):
            p.grad = gradient
        return loss


_MAKERS: dict[str, Callable[..., Optimizer]] = {
    "sgd": partial(SGD, fused=True),
    "adam": partial(Adam, fused=True),
    "batch_manhattan": BatchManhattan,
}


class Optimizers:
    """The optimizers of a network's paths, stepped and rescheduled together.

    ``groups(forward=settings, feedback=settings)`` gives parameter groups with the path of each:
    `RateNetwork.parameter_groups`. It is asked again in every epoch, with the settings of that
    epoch, and decides itself what they mean for a group of another path.
    """

    def __init__(self, groups: Callable[..., list[dict[str, Any]]], config: TrainConfig) -> None:
        self.epoch = 0
        self._groups, self._config = groups, config
        self._optimizers: dict[str, Optimizer] = {}
        for path, mine in self._groups_by_path().items():
            kind = config.of_path(path, "optimizer") if path in LEARNING_PATHS else "sgd"
            self._optimizers[path] = _MAKERS[kind](mine, lr=config.lr)

    def _groups_by_path(self) -> dict[str, list[dict[str, Any]]]:
        """Parameter groups with the settings of this epoch."""
        settings = {path: _settings(path, self._config, self.epoch) for path in LEARNING_PATHS}
        by_path: dict[str, list[dict[str, Any]]] = {}
        for group in self._groups(**settings):
            by_path.setdefault(group["path"], []).append(group)
        return by_path

    def step(self) -> None:
        """Apply the gradients; each step of the network replaces them all."""
        for optimizer in self._optimizers.values():
            optimizer.step()

    def holder(self, parameter: Tensor) -> tuple[Optimizer, int]:
        """The optimizer that changes a parameter, and which of its groups has the settings.

        A number, since the groups themselves are made anew when an optimizer's state is loaded.
        """
        for optimizer in self._optimizers.values():
            for i, group in enumerate(optimizer.param_groups):
                if any(mine is parameter for mine in group["params"]):
                    return optimizer, i
        raise KeyError("no optimizer changes this parameter")

    def next_epoch(self) -> None:
        """Set the learning rates and weight decays of the next epoch."""
        self.epoch += 1
        self._follow_schedules()

    def _follow_schedules(self) -> None:
        for path, now in self._groups_by_path().items():
            for group, new in zip(self._optimizers[path].param_groups, now, strict=True):
                group |= {name: new[name] for name in ("lr", "weight_decay")}

    @property
    def rates(self) -> dict[str, float]:
        """Path → learning rate in force."""
        return {path: o.param_groups[0]["lr"] for path, o in self._optimizers.items()}

    @property
    def memory(self) -> list[Tensor]:
        """What is remembered of each parameter, such as its momentum; no mere counts."""
        kept = [m for o in self._optimizers.values() for m in o.state.values()]
        tensors = (tensor for memory in kept for tensor in memory.values())
        return [tensor for tensor in tensors if isinstance(tensor, Tensor) and tensor.dim()]

    # -- checkpoints -----------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """What the optimizers remember of earlier steps. Their settings belong to the config."""
        remembered = {path: o.state_dict()["state"] for path, o in self._optimizers.items()}
        return {"epoch": self.epoch, "remembered": remembered}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state, read back as JSON with text for the numbers of parameters."""
        for path, optimizer in self._optimizers.items():
            groups = optimizer.state_dict()["param_groups"]
            mine = {int(number): memory for number, memory in state["remembered"][path].items()}
            optimizer.load_state_dict({"state": mine, "param_groups": groups})
            _lay_out_like_parameters(optimizer)
        self.epoch = state["epoch"]
        self._follow_schedules()


def _lay_out_like_parameters(optimizer: Optimizer) -> None:
    """Fused kernels read parameter and memory in the order of storage and do not ask for it."""
    for parameter, memory in optimizer.state.items():
        if isinstance(optimizer, torch.optim.Adam) and {"step", *_MOMENTS} - set(memory):
            raise ValueError(f"what the optimizer remembers lacks one of step, {_MOMENTS}")
        for name, tensor in memory.items():
            if isinstance(tensor, Tensor) and tensor.shape == parameter.shape:
                memory[name] = torch.empty_like(parameter).copy_(tensor)
            elif name in (*_MOMENTS, "momentum_buffer") and tensor is not None:
                raise ValueError(
                    f"{name} is not of shape {tuple(parameter.shape)}, as its weights are"
                )


_MOMENTS = ("exp_avg", "exp_avg_sq")


def _settings(path: str, config: TrainConfig, epoch: int) -> dict[str, Any]:
    settings = {
        "lr": config.of_path(path, "lr") * rate_factor(config, path)(epoch),
        "weight_decay": weight_decay(config, path)(epoch),
    }
    if config.of_path(path, "optimizer") != "adam":
        settings |= {name: config.of_path(path, name) for name in ("momentum", "nesterov")}
    return settings
