"""One writer at a time: a lock on a folder, which ends with the process that holds it."""

from __future__ import annotations

import os
import socket
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from .errors import ConfigError
from .files import unwritable

try:
    import fcntl
except ImportError:  # Windows: nothing is locked there
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"
# Between two looks whether it is free.
_PATIENCE_S = 0.1

_descriptors: set[int] = set()
_ours: ContextVar[frozenset[Path]] = ContextVar("_ours", default=frozenset())


class Taken(ConfigError):
    """Another process writes to a folder: `by` says which one."""

    def __init__(self, by: str) -> None:
        super().__init__(
            f"{by}. Wait until that ends, or choose another folder with --out; nothing was changed"
        )
        self.by = by


@contextmanager
def locked(folder: Path, wait: Callable[[str], object] | None = None) -> Iterator[None]:
    """Be the only one that writes to a folder, which must be there.

    Who holds the lock may take it again further in. A process that is killed leaves the file `LOCK`
    behind, but no lock.

    Parameters
    ----------
    folder : Path
    wait : callable, optional
        To wait for another one that holds it: what is told so, once.

    Raises
    ------
    Taken
        Another one holds it, and is not waited for.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> with locked(Path(mkdtemp())):
    ...     pass
    """
    place = folder.resolve()
    if place in _ours.get() or fcntl is None:
        yield
        return
    descriptor = _taken(folder) if wait is None else _waited_for(folder, wait)
    _descriptors.add(descriptor)
    token = _ours.set(_ours.get() | {place})
    try:
        yield
    finally:
        _ours.reset(token)
        _descriptors.discard(descriptor)
        with suppress(OSError):  # while it is held, so that nobody can lock what is no more
            (place / LOCK).unlink()
        os.close(descriptor)


def _waited_for(folder: Path, tell: Callable[[str], object]) -> int:
    told = False
    while True:
        try:
            return _taken(folder)
        except Taken as taken:
            if not told:
                tell(f"waiting: {taken.by}")
            told = True
        time.sleep(_PATIENCE_S)


def _taken(folder: Path) -> int:
    """The open file that holds the lock."""
    path = folder / LOCK
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise unwritable(folder, error) from error
        try:
            _lock(descriptor, path)
            if _is_there(descriptor, path):
                _sign(descriptor)
                return descriptor
        except BaseException:  # Ctrl-C too: nobody would let go of it
            os.close(descriptor)
            raise
        os.close(descriptor)  # who had it has just removed it


def _sign(descriptor: int) -> None:
    """Say who holds the lock; on a full disk it is held all the same."""
    now = time.strftime("%Y-%m-%d %H:%M:%S")
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        who = f"process {os.getpid()} on {socket.gethostname()} since {now}"
        os.write(descriptor, who.encode())


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise Taken(_taken_by(path)) from error
    except OSError as error:  # some network file systems cannot
        warnings.warn(
            f"folder {str(path.parent)!r} cannot be locked ({error.strerror}): see to it that no "
            "second process writes to it",
            RuntimeWarning,
            stacklevel=5,
        )


def _is_there(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _taken_by(path: Path) -> str:
    who = ""
    for _ in range(20):  # who has just taken it is about to say so
        with suppress(OSError):
            who = path.read_text("utf-8", "replace")
        if who:
            break
        time.sleep(0.01)
    return f"folder {str(path.parent)!r} is being written by {who or 'another process'}"


def _leave_to_the_parent() -> None:
    """A forked worker would keep the lock while it lives, whatever becomes of its parent."""
    while _descriptors:
        with suppress(OSError):
            os.close(_descriptors.pop())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_the_parent)
