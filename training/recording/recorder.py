"""`Recorder`: what the papers plot, every few epochs, at little cost and at no risk for the run."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from oneway.backends.rate import RateNetwork

from ..config import TrainConfig
from ..data.dataset import Data
from ..errors import first_line
from ..optimization.optimizers import Optimizers
from .errors import Shadow, fixed_batch
from .gap import Gaps
from .weights import feedback_weights, forward_weights

# Samples that errors are compared on, or a batch where that is smaller, to need no more memory.
SAMPLES = 256
FEW = 32

Found = dict[str, Any]  # nested, with tensors () at its ends


class Recorder:
    """Looks on while a network learns, and changes nothing: docs/records.md lists what it sees.

    Parameters
    ----------
    network, optimizers, data, config
        Of the run; at its start, before a checkpoint is restored.
    """

    def __init__(
        self,
        network: RateNetwork,
        optimizers: Optimizers,
        data: Data,
        config: TrainConfig,
    ) -> None:
        self.network, self.data, self.config = network, data, config
        self.samples = min(SAMPLES, max(FEW, config.batch_size))
        with torch.no_grad():
            self.gaps = Gaps(network, optimizers)
        self._shadow: tuple[Shadow, Tensor, Tensor] | None = None
        self._parts: dict[str, Callable[[], Found]] = {
            "weights": partial(forward_weights, network),
            "feedback weights": partial(feedback_weights, network, self.samples),
            "gaps": self.gaps.measure,
            "errors": self._errors,
        }

    def due(self, epoch: int) -> bool:
        """Whether an epoch, counted from 1, is recorded: every so many, and the last."""
        return epoch % self.config.record_every == 0 or epoch == self.config.epochs

    @torch.no_grad()
    def measure(self) -> Found:
        """What there is to record now; what does not apply is left out.

        A part that fails is left out from then on, with a warning: no run is lost for a record.
        """
        found: Found = {}
        training = self.network.training
        for name in list(self._parts):
            try:
                found |= _numbers(self._parts[name]())
            except Exception as error:
                del self._parts[name]
                warnings.warn(
                    f"{name} cannot be recorded ({type(error).__name__}: {first_line(error)}); "
                    "the run goes on without them",
                    RuntimeWarning,
                    stacklevel=2,
                )
        self.network.train(training)
        return {key: value for key, value in found.items() if value}

    def _errors(self) -> Found:
        if self._shadow is None:
            self._shadow = Shadow(self.network), *fixed_batch(self.data, self.samples)
        shadow, x, y = self._shadow
        # As it learns: batch norm uses the statistics of the batch.
        self.network.train()
        return shadow(self.data.normalise(x, self.config.torch_dtype), y)


def _numbers(found: Found) -> Found:
    """The same with numbers for tensors, for which a GPU is waited for once."""
    held = list(_tensors(found))
    if held:
        numbers = torch.stack([tensor.double() for *_, tensor in held]).tolist()
        for (home, key, _), number in zip(held, numbers, strict=True):
            home[key] = number
    return found


def _tensors(found: Found) -> Iterator[tuple[Found, str, Tensor]]:
    for key, item in found.items():
        if isinstance(item, dict):
            yield from _tensors(item)
        elif isinstance(item, Tensor):
            yield found, key, item
