"""Docstrings as they are written here, for Sphinx: equations keep their lines, |w| is a size."""

from __future__ import annotations

import re
from itertools import groupby

from sphinx.application import Sphinx

# Δ…, δ…, h̃… or B…, perhaps after the name of a mode: what a paper would number.
_EQUATION = re.compile(r"^ *(\w+: +)?[ΔδhB]\S* = ", re.MULTILINE)
_SIZE = re.compile(r"(?<![`\w])(\|\w+\|)(?![`\w])")
_ALIAS = re.compile(r"TypeAliasForwardRef\('(\w+)'\)")


def is_equations(paragraph: str) -> bool:
    """Whether a paragraph is made of equations, one a line."""
    return _EQUATION.match(paragraph) is not None


def set_equations(
    app: Sphinx, what: str, name: str, found: object, how: object, lines: list[str]
) -> None:
    """Paragraphs of equations as literal blocks."""
    changed: list[str] = []
    for blank, paragraph in groupby(lines, key=lambda line: not line.strip()):
        own = [_SIZE.sub(r"``\1``", line) for line in paragraph]
        if not blank and is_equations(own[0]):
            own = ["::", "", *(f"    {line}" for line in own)]
        changed += own
    lines[:] = changed


def name_aliases(app: Sphinx, *about: object) -> tuple[str | None, str | None]:
    """Aliases in a union come as ``TypeAliasForwardRef('ArrayLike')``."""
    signature, returns = about[-2:]
    return _plain(signature), _plain(returns)


def _plain(signature: object) -> str | None:
    return _ALIAS.sub(r"\1", signature) if isinstance(signature, str) else None


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", set_equations, priority=400)  # before numpydoc
    app.connect("autodoc-process-signature", name_aliases)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
