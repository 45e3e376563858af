"""Training in several processes, one a device, as torchrun starts them.

Every process holds the whole network and runs its part of each batch. Changes are averaged before
an optimizer sees them, so the weights stay the same everywhere; the first process alone speaks and
writes files.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from itertools import count
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from .config import PATIENCE_S, TrainConfig
from .data.dataset import WHOLE, Part
from .errors import ConfigError, TrainingError
from .launcher import local_rank, number, several

T = TypeVar("T")

# Changes travel together in buffers of so many numbers: few messages, little extra memory.
BUFFER = 2**24
_ROUND_S = 2.0  # in which all notice that one is missing


class Processes:
    """Those that train one network together, of which this is one: by itself the only one.

    Parameters
    ----------
    part : Part
        What this process runs of each batch.

    Attributes
    ----------
    stack : callable or None
        Stacks a tensor of every process, the same in all; None where there is but one.
    """

    stack: Callable[[Tensor], Tensor] | None = None

    def __init__(self, part: Part = WHOLE) -> None:
        self.part = part

    @property
    def leads(self) -> bool:
        """Whether this one speaks and writes files."""
        return self.part.rank == 0

    def check(self, config: TrainConfig, loss: Any, n_train: int) -> None:
        """Complain about what cannot be shared out."""

    def average_changes(self, parameters: Iterable[Tensor], share: float) -> None:
        """Make each gradient the mean over the processes, which have these shares of the batch."""

    def copy_lead(self, tensors: Iterable[Tensor]) -> None:
        """Make each tensor what it is in the first process."""

    def average(self, tensors: Iterable[Tensor]) -> None:
        """Make each tensor the mean over the processes."""

    def total(self, tensor: Tensor) -> Tensor:
        """The sum over the processes."""
        return tensor

    def from_lead(self, ask: Callable[[], T]) -> T:
        """What the first process answers; the others do not ask."""
        return ask()

    def from_each(self, value: T) -> list[T]:
        """The value of every process, in their order."""
        return [value]


class Team(Processes):
    """Several processes, over torch.distributed's default group.

    Parameters
    ----------
    part : Part
    store : torch.distributed.Store, optional
        Where those that miss one of them say so.
    """

    def __init__(self, part: Part, store: dist.Store | None = None) -> None:
        super().__init__(part)
        self.stack, self._store = self._stack, store

    def _stack(self, tensor: Tensor) -> Tensor:
        parts = tensor.new_empty(self.part.world, *tensor.shape)
        with self._in_touch():
            dist.all_gather(list(parts), tensor.contiguous())
        return parts

    def check(self, config: TrainConfig, loss: Any, n_train: int) -> None:
        world = self.part.world
        if config.batch_size % world:
            raise ConfigError(
                f"batch_size = {config.batch_size} cannot be shared by {world} processes: it is "
                f"that of all together. Take a multiple of {world}"
            )
        if n_train < self.part.least:
            raise ConfigError(
                f"{n_train} training samples are too few for {world} processes, which need two "
                "each. Start fewer"
            )
        if getattr(loss, "reduction", "mean") != "mean":
            raise ConfigError(
                f"{loss} with reduction {loss.reduction!r} in {world} processes, which average "
                "what they learn: take a loss that is a mean over the batch"
            )
        kind = torch.device(config.device).type
        if kind == "cuda":
            _check_gpu(config.device)
        elif kind != "cpu":
            raise ConfigError(
                f"device = {config.device!r} in {world} processes, expected cpu or cuda"
            )

    def average_changes(self, parameters: Iterable[Tensor], share: float) -> None:
        # Synapses that change alike may have one tensor between them.
        changes = {p.grad.data_ptr(): p.grad for p in parameters if p.grad is not None}
        self._all([change.mul_(share) for change in changes.values()], dist.all_reduce)

    def copy_lead(self, tensors: Iterable[Tensor]) -> None:
        self._all(tensors, partial(dist.broadcast, src=0))

    def average(self, tensors: Iterable[Tensor]) -> None:
        self._all([tensor.div_(self.part.world) for tensor in tensors], dist.all_reduce)

    def total(self, tensor: Tensor) -> Tensor:
        summed = tensor.clone()
        with self._in_touch():
            dist.all_reduce(summed)
        return summed

    def from_lead(self, ask: Callable[[], T]) -> T:
        answer: list[Any] = [ask() if self.leads else None]
        with self._in_touch():
            dist.broadcast_object_list(answer)
        return answer[0]

    def from_each(self, value: T) -> list[T]:
        values: list[Any] = [None] * self.part.world
        with self._in_touch():
            dist.all_gather_object(values, value)
        return values

    def _all(self, tensors: Iterable[Tensor], collective: Callable[[Tensor], Any]) -> None:
        """Let a collective change tensors, whatever their layout, a buffer at a time."""
        for together in _buffers(tensors):
            flat = torch.cat([tensor.reshape(-1) for tensor in together])
            with self._in_touch():
                collective(flat)
            pieces = flat.split([tensor.numel() for tensor in together])
            for tensor, piece in zip(together, pieces, strict=True):
                tensor.copy_(piece.view_as(tensor))

    @contextmanager
    def _in_touch(self) -> Iterator[None]:
        """Whatever the engine reports when it cannot reach the others, as an error of ours."""
        try:
            yield
        except RuntimeError as error:
            reason = str(error).splitlines()[0].partition(". ")[0]
            raise TrainingError(
                f"{self._missing()} ended or cannot be reached ({reason}). Once the cause is gone, "
                "go on with --resume"
            ) from error

    def _missing(self) -> str:
        """Those that do not say in turn that they miss somebody."""
        rank, world = self.part.rank, self.part.world
        try:
            if self._store is not None:
                self._store.set(f"here/{rank}", "")
                time.sleep(_ROUND_S)
                gone = [r for r in range(world) if not self._store.check([f"here/{r}"])]
                if gone:
                    return f"process {', '.join(map(str, gone))} of {world} (counted from 0) has"
        except RuntimeError:
            pass  # where they met is gone, too
        return "another process has"


def _buffers(tensors: Iterable[Tensor]) -> Iterator[list[Tensor]]:
    """Tensors of one type in groups of about `BUFFER` numbers."""
    open_groups: dict[torch.dtype, list[Tensor]] = {}
    for tensor in tensors:
        group = open_groups.setdefault(tensor.dtype, [])
        group.append(tensor)
        if sum(member.numel() for member in group) >= BUFFER:
            yield open_groups.pop(tensor.dtype)
    yield from open_groups.values()


# -- starting and ending -----------------------------------------------------------------------


@contextmanager
def joined(patience_s: float = PATIENCE_S) -> Iterator[Processes]:
    """Join the processes that torchrun started next to this one; alone if there are none.

    Parameters
    ----------
    patience_s : float
        How many seconds they wait for one that does not answer. Then all end with an error that
        names it.

    Notes
    -----
    On a machine with GPUs, ``cuda`` is from here on the one of this process.

    Examples
    --------
    >>> with joined() as processes:
    ...     processes.leads, processes.part.world
    (True, 1)
    """
    if dist.is_available() and dist.is_initialized():  # by somebody else, who will end it
        yield Team(Part(dist.get_rank(), dist.get_world_size()))
    elif not several():
        yield Processes()
    else:
        rank, world = number("RANK"), number("WORLD_SIZE")
        if torch.cuda.is_available():
            torch.cuda.set_device(local_rank() % torch.cuda.device_count())
        yield Team(Part(rank, world), _meet(rank, world, patience_s))
        # Not after an error: others may wait for this process, and it would wait for them.
        dist.destroy_process_group()


_meetings = count()


def _meet(rank: int, world: int, patience_s: float) -> dist.Store:
    engines = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    try:
        store, _, _ = next(dist.rendezvous("env://"))
        # Where processes meet a second time, addresses of the first must not mislead them.
        store = dist.PrefixStore(f"oneway/{next(_meetings)}", store)
        patience = timedelta(seconds=patience_s)
        dist.init_process_group(engines, timeout=patience, store=store, rank=rank, world_size=world)
        return store
    except (ValueError, RuntimeError) as error:
        raise ConfigError(
            f"process {rank} of {world} cannot join the others ({str(error).splitlines()[0]}). "
            "Start them with torchrun"
        ) from error


def _check_gpu(device: str) -> None:
    if ":" in device:
        raise ConfigError(
            f"device = {device!r} in several processes: they would all use it. Set device = "
            "cuda, and each takes its own"
        )
    if local_rank() >= torch.cuda.device_count():
        raise ConfigError(
            f"process {local_rank()} of this machine finds no GPU of its own: there are "
            f"{torch.cuda.device_count()}. Start as many processes as there are GPUs "
            "(--nproc-per-node), or set device = cpu"
        )
