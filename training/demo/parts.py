"""How the report writes numbers, lists and names."""

from __future__ import annotations

from collections.abc import Sequence

_WORDS = "no one two three four five six seven eight nine ten eleven twelve".split()


def count(n: int) -> str:
    """Small numbers as words, as in running text."""
    return _WORDS[n] if n < len(_WORDS) else str(n)


def per_cent(fraction: float | None) -> str:
    return "–" if fraction is None else f"{100 * fraction:.1f}"


def join(parts: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))


def pretty(name: str) -> str:
    """A population or projection as the drawings name it."""
    return name.replace("delta_", "δ ").replace("->", "→")
