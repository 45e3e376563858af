"""Command lines in processes of their own, forked from one that has imported torch already.

They begin in milliseconds, so that a thousand of them can be killed. What befalls a child it may
bring about itself: `Trouble` is counted in the calls that change files.
"""

from __future__ import annotations

import builtins
import errno
import io
import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        "oneway.training.cli.train",
        "oneway.training.cli.compare",
        "oneway.training.cli.reproduce",
        "oneway.training.demo.show",
        "sklearn.model_selection",
        "torch._dynamo",  # which the first optimizer imports, for seconds
        "forked",
    ]
)
LATE = 99  # a signal came when the command had ended already


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit code, or minus the signal that killed it, and what it said."""

    code: int
    out: str
    err: str
    pid: int


class Command:
    """A command line that runs in a folder, in a process of its own.

    Parameters
    ----------
    folder : Path
    arguments : sequence of str
    before : callable, optional
        Called in the child before the command.
    """

    _n = 0

    def __init__(
        self, folder: Path, arguments: Sequence[object], before: Callable[[], object] | None = None
    ) -> None:
        Command._n += 1
        # Not beside the folder, where there may be no room.
        self._said = Path(tempfile.gettempdir()) / f"oneway-said-{os.getpid()}-{Command._n}"
        self._ready, ready = _CONTEXT.Pipe(duplex=False)
        words = [str(argument) for argument in arguments]
        self._process = _CONTEXT.Process(
            target=_run, args=(words, str(folder), str(self._said), ready, before)
        )
        os.environ["OMP_NUM_THREADS"] = "1"
        self._process.start()
        ready.close()

    def wait_until_it_runs(self) -> None:
        """Arguments are about to be read, and signals are heeded."""
        self._ready.recv()

    def send(self, number: int) -> None:
        if self._process.exitcode is None:
            os.kill(self.pid, number)

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def end(self, timeout_s: float = 120.0) -> Ended:
        """Wait until it has ended."""
        self._process.join(timeout_s)
        if self._process.exitcode is None:
            self.send(signal.SIGKILL)
            raise TimeoutError(f"{self._said} goes on after {timeout_s} s")
        said = []
        for what in ("out", "err"):
            path = Path(f"{self._said}.{what}")
            said.append(path.read_text("utf-8") if path.exists() else "")
            path.unlink(missing_ok=True)
        return Ended(self._process.exitcode, *said, self.pid)


def run(folder: Path, *arguments: object, before: Callable[[], object] | None = None) -> Ended:
    """Run a command to its end."""
    return Command(folder, arguments, before).end()


def _run(
    words: list[str], folder: str, said: str, ready: Any, before: Callable[[], object] | None
) -> None:
    from importlib import import_module

    import torch

    command = import_module("oneway.training.cli.main")
    os.chdir(folder)
    for number, what in ((1, "out"), (2, "err")):
        file = os.open(f"{said}.{what}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
        os.close(file)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8")
    sys.stderr = os.fdopen(2, "w", 1, encoding="utf-8")
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    parser = command._parser

    def heeded(argv: Sequence[str]) -> Any:
        ready.send(0)
        return parser(argv)

    command._parser = heeded
    if before is not None:
        before()
    try:
        code = command.main(words)
        sys.stdout.flush()
    except KeyboardInterrupt:
        code = LATE
    os._exit(code)


# -- trouble -----------------------------------------------------------------------------------


@dataclass
class Trouble:
    """What befalls the n-th call that changes a file in the folder: writes, halves, renames.

    Parameters
    ----------
    at : int
        Counted from 1; of a write, half is done before.
    how : {"kill", "full"}
        SIGKILL; or no space is left, for this call and all later ones.
    count : Path, optional
        Gets the number of calls, one byte each.
    """

    at: int
    how: str = "kill"
    count: Path | None = None

    def __call__(self) -> None:
        """Bring it about in this process."""
        self._left = self.at
        self._counting = None if self.count is None else os.open(self.count, _NEW)
        self._write = os.write
        for module, name in ((os, "replace"), (os, "fsync"), (os, "mkdir"), (os, "ftruncate")):
            setattr(module, name, self._troubled(getattr(module, name)))
        os.write = self._written(os.write)
        os.open = self._opened(os.open)
        plain = io.open
        io.open = builtins.open = lambda file, mode="r", *a, **k: self._file(
            plain, file, mode, a, k
        )  # type: ignore

    def passes(self, half: Callable[[], object] = lambda: None) -> None:
        """Count one call."""
        if self._counting is not None:
            self._write(self._counting, b".")
        self._left -= 1
        if self._left > 0:
            return
        if self._left == 0:
            half()
        if self.how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _troubled(self, call: Callable) -> Callable:
        def troubled(*arguments: Any, **options: Any) -> Any:
            self.passes()
            return call(*arguments, **options)

        return troubled

    def _written(self, write: Callable) -> Callable:
        def written(descriptor: int, content: bytes) -> int:
            self.passes(lambda: write(descriptor, content[: len(content) // 2]))
            return write(descriptor, content)

        return written

    def _opened(self, open_: Callable) -> Callable:
        def opened(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
            if flags & os.O_CREAT and not os.path.exists(path):
                self.passes()
            return open_(path, flags, *arguments, **options)

        return opened

    def _file(self, open_: Callable, file: Any, mode: str, a: tuple, k: dict[str, Any]) -> Any:
        if not set(mode) & set("wax+") or isinstance(file, int) or str(file) == os.devnull:
            return open_(file, mode, *a, **k)
        self.passes()
        return _Watched(open_(file, mode, *a, **k), self)


_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


class _Watched:
    """A file whose writes count."""

    def __init__(self, file: Any, trouble: Trouble) -> None:
        self._file, self._trouble = file, trouble

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> _Watched:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, content: Any) -> int:
        def half() -> None:
            self._file.write(content[: len(content) // 2])
            self._file.flush()

        self._trouble.passes(half)
        return self._file.write(content)
