"""Small changes of a file, by the operators of mutmut, and samples of them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import libcst as cst
import libcst.matchers as m
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation.mutators import mutation_operators

ROOT = Path(__file__).resolve().parents[2]
TEXT_FUNCTIONS = ("__repr__", "__str__", "_wanted", "_shown", "untaught")
TEXT_NAMES = ("label", "why", "no_fix", "text", "reason")


@dataclass(frozen=True)
class Mutant:
    """One change of a file: the lines of its statement, and what makes the changed source."""

    path: str
    number: int
    lines: tuple[int, int]
    mutated: Callable[[], str]


class _Places(cst.CSTVisitor):
    """Collects what is mutated, and in which lines."""

    METADATA_DEPENDENCIES = (PositionProvider,)
    # Types, texts for people, and what can only fail: assertions narrow types and check no input.
    left_out = (
        m.Annotation()
        | m.Decorator()
        | m.Raise()
        | m.Assert()
        | m.Import()
        | m.ImportFrom()
        | m.Assign(targets=[m.AssignTarget(m.Name("__all__"))])
        | m.Assign(targets=[m.AssignTarget(m.Name(m.MatchRegex("[A-Z][a-z]+.*")))])  # of a type
        | m.FunctionDef(name=m.OneOf(*map(m.Name, TEXT_FUNCTIONS)))
        | m.Call(func=m.Name("TypeVar") | m.Name("cast") | m.Name("len") | m.Name("isinstance"))
        | m.Call(func=m.Attribute(m.Name("warnings"), m.Name("warn")))
        | m.Call(func=m.Attribute(attr=m.Name("note")))
        | m.Arg(keyword=m.OneOf(*map(m.Name, ("strict", *TEXT_NAMES))))
        | m.Assign(targets=[m.AssignTarget(m.OneOf(*map(m.Name, TEXT_NAMES)))])
    )

    def __init__(self) -> None:
        self.found: list[tuple[tuple[int, int], cst.CSTNode, cst.CSTNode]] = []
        self.lines = (1, 1)

    def on_visit(self, node: cst.CSTNode) -> bool:
        if m.matches(node, self.left_out):
            return False
        if isinstance(node, (cst.BaseSmallStatement, cst.BaseCompoundStatement)):
            self.lines = self._span(node)
        if isinstance(node, cst.SimpleString) and " " in node.value:
            return True  # people read it
        for kind, operator in mutation_operators:
            if isinstance(node, kind):
                self.found += [(self.lines, node, new) for new in operator(node)]
        return True

    def _span(self, node: cst.CSTNode) -> tuple[int, int]:
        where = self.get_metadata(PositionProvider, node)
        last = where.end.line
        if isinstance(node, cst.BaseCompoundStatement):
            last = max(
                where.start.line, self.get_metadata(PositionProvider, node.body).start.line - 1
            )
        return where.start.line, last


def _says(old: cst.CSTNode, new: cst.CSTNode) -> bool:
    """Whether only an argument differs that people read, or that only checks."""
    if not isinstance(old, cst.Call) or not isinstance(new, cst.Call):
        return False
    lost = [arg for arg in old.args if not any(arg is other for other in new.args)]
    return bool(lost) and all(
        arg.keyword and arg.keyword.value in ("strict", *TEXT_NAMES) for arg in lost
    )


def mutants(path: str) -> list[Mutant]:
    """All changes of a file that Python can compile.

    Left out: annotations, types, decorators, imports, assertions, `raise` statements, `cast`,
    `len`, `isinstance` and `strict` of a `zip`; and what people read: strings with a blank,
    warnings, notes, `__repr__`, `__str__` and other functions that word an error, and what is
    called label, why, no_fix, text or reason.
    """
    wrapper = MetadataWrapper(cst.parse_module((ROOT / path).read_text("utf-8")))
    places = _Places()
    wrapper.visit(places)

    def source(old: cst.CSTNode, new: cst.CSTNode) -> Callable[[], str]:
        return lambda: wrapper.module.deep_replace(old, new).code

    return [
        Mutant(path, number, lines, source(old, new))
        for number, (lines, old, new) in enumerate(places.found)
        if not _says(old, new)
    ]


def sample(everything: dict[str, list[Mutant]], n: int, seed: int) -> list[Mutant]:
    """Of each module its share, at least two."""
    total = sum(map(len, everything.values()))
    draw = random.Random(seed)
    chosen: list[Mutant] = []
    for _, all_ in sorted(everything.items()):
        share = max(2, round(n * len(all_) / total))
        chosen += draw.sample(all_, min(share, len(all_)))
    draw.shuffle(chosen)
    return chosen
