"""How much memory tensors take, counted rather than sampled: the same number every time."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from itertools import accumulate
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter


class LiveTensors(TorchDispatchMode):
    """Counts the bytes of every tensor made while it is active and not freed yet.

    Storage that existed before (parameters, data) is not counted. Works for any torch code, what
    autograd keeps for its backward pass included.

    Attributes
    ----------
    bytes, peak : int
        Now, and the most there has been.

    Examples
    --------
    >>> import torch
    >>> with LiveTensors() as live:
    ...     a = torch.zeros(250)
    ...     b = a + 1
    ...     del a
    >>> live.bytes, live.peak
    (1000, 2000)
    """

    def __init__(self) -> None:
        super().__init__()
        self.bytes = self.peak = 0
        self._seen: set[int] = set()
        self._events: list[tuple[int, int]] = []  # (address, bytes taken or given back)

    def __torch_dispatch__(self, function, types, args=(), kwargs=None) -> Any:
        for given in tree_iter((args, kwargs)):
            if isinstance(given, torch.Tensor):
                self._ignore(given)
        result = function(*args, **(kwargs or {}))
        for made in tree_iter(result):
            if isinstance(made, torch.Tensor):
                self._count(made)
        return result

    def _ignore(self, tensor: torch.Tensor) -> None:
        """Storage that comes in from outside was there before."""
        storage = tensor.untyped_storage()
        if storage._cdata not in self._seen:
            self._seen.add(storage._cdata)
            weakref.finalize(storage, self._seen.discard, storage._cdata)

    def _count(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage._cdata in self._seen:
            return
        self._seen.add(storage._cdata)
        self._events.append((storage._cdata, storage.nbytes()))
        self.bytes += storage.nbytes()
        self.peak = max(self.peak, self.bytes)
        weakref.finalize(storage, self._freed, storage._cdata, storage.nbytes())

    def _freed(self, address: int, nbytes: int) -> None:
        self._seen.discard(address)
        self._events.append((address, -nbytes))
        self.bytes -= nbytes

    def peak_without(self, left: Iterable[torch.Tensor]) -> int:
        """The peak if the memory of these tensors, still there, had never been taken.

        A rule that learns both its paths leaves twice the changes of backpropagation behind.
        Taking them all off the peak would praise it for changes that were not there yet.
        """
        last = {tensor.untyped_storage()._cdata for tensor in left}
        sizes = []
        for address, size in reversed(self._events):
            # An address is given out many times; the last time it is what was left.
            if address in last and size > 0:
                last.remove(address)
            else:
                sizes.append(size)
        return max(accumulate(reversed(sizes), initial=0))
