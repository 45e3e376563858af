"""Damaged inputs, and the limits within which a reader has to answer them.

Two ways to damage: bytes of a good file are changed, taken out or repeated; or the tree that a file
says (an object of JSON, a state, named arrays) has one of its parts replaced, and is written as it
should be, with every checksum right.
"""

from __future__ import annotations

import copy
import resource
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

SECONDS = 20
MEMORY = 2 << 30

# What numbers, names and marks in a file may turn into.
TOKENS = (
    *(b"0", b"-1", b"1e999", b"nan", b"99999999999999999999", b"4294967295", b"1e-999", b"65536"),
    *(b"", b"\0", b"\xff\xfe", b"\n", b'"', b"{", b"}", b"[", b"]", b",", b"null", b"true", b"<"),
    *("é".encode(), b"\x1b[2J", b"&a;", b"\x1f\x8b", b"[" * 3000, b"a" * 5000),
)
# What a part of a tree may turn into.
ODD: tuple[Any, ...] = (
    *(None, True, 0, -1, 3, 2**31, 2**63, 10**30, 0.5, 1e308, float("nan"), float("inf")),
    *("", "\0", "x", "é", "\x1b[2J", "10", [], {}, [[]], [1, [2]], {"": None}, {"type": "Signal"}),
    *([0] * 50, ["a", "b"], {"tensor": "x"}, {"array": "x"}, {"mapping": 3}),
)


@st.composite
def damaged_bytes(draw: st.DrawFn, files: Sequence[bytes]) -> bytes:
    """One of the files with one to four changes."""
    content = bytearray(draw(st.sampled_from(files)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)))
        length = draw(st.sampled_from((0, 1, 2, 4, 8, 40)))
        change = draw(st.sampled_from(("flip", "token", "drop", "repeat", "end", "bytes")))
        if change == "flip" and at < len(content):
            content[at] ^= 1 << draw(st.integers(0, 7))
        elif change == "token":
            content[at : at + length] = draw(st.sampled_from(TOKENS))
        elif change == "drop":
            del content[at : at + length]
        elif change == "repeat":
            content[at:at] = content[at : at + length] * draw(st.sampled_from((1, 2, 300)))
        elif change == "end":
            del content[at:]
        else:
            content[at : at + length] = draw(st.binary(max_size=8))
    return bytes(content)


@st.composite
def damaged_trees(draw: st.DrawFn, trees: Sequence[Any], odd: Sequence[Any] = ODD) -> Any:
    """One of the trees with one to three of its parts replaced, left out, or put elsewhere."""
    tree = copy.deepcopy(draw(st.sampled_from(trees)))
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(tree))
        if not places:
            break
        home, key = draw(st.sampled_from(places))
        change = draw(st.sampled_from(("odd", "odd", "odd", "drop", "other", "rename")))
        if change == "drop":
            del home[key]
        elif change == "rename" and isinstance(home, dict):
            home[draw(st.sampled_from(("x", "", "\0", f"{key}/", f"{key}2")))] = home.pop(key)
        elif change == "other":
            elsewhere, name = draw(st.sampled_from(places))
            home[key] = copy.deepcopy(elsewhere[name])
        else:
            home[key] = copy.deepcopy(draw(st.sampled_from(list(odd))))
    return tree


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Where every part of a tree hangs: what holds it, and its key or index there."""
    keys = list(tree) if isinstance(tree, dict) else range(len(tree))
    for key in keys:
        yield tree, key
        if isinstance(tree[key], dict | list):
            yield from _places(tree[key])


class Hangs(BaseException):
    """It took too long."""


@contextmanager
def limits(seconds: int = SECONDS, memory: int = MEMORY) -> Iterator[None]:
    """What takes longer raises `Hangs`, and what asks for more memory `MemoryError`."""

    def stop(*_: object) -> None:
        raise Hangs(f"more than {seconds} s")

    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    before = signal.signal(signal.SIGALRM, stop)
    resource.setrlimit(resource.RLIMIT_AS, (in_use + memory, hard))
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.signal(signal.SIGALRM, before)


def answers(read: Callable[[], Any], errors: tuple[type[Exception], ...]) -> str:
    """What becomes of a reading: "read" or "refused", with a clear word; all else is raised."""
    with limits():
        try:
            read()
        except errors as error:
            refusal = " ".join(str(error).split())
        else:
            return "read"
    assert refusal, "an error that says nothing"
    return "refused"
