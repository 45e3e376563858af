"""What a reader of the documentation is told to run: code blocks and commands of Markdown pages."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(DOCS.glob("*.md")),
    *sorted(DOCS.glob("start/*.md")),
]
INLINE = "inline"
# A sentence may speak of `oneway train --resume DIR` or `oneway check CIRCUIT [--json]`.
_SYNTAX = re.compile(r"[\[|…]|\b[A-Z]{4,}\b|^oneway \S+$")


@dataclass(frozen=True)
class Block:
    """A code block, or code within a sentence; `language` is empty where it is indented."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}, line {self.line}"


def blocks(page: Path) -> list[Block]:
    """The code blocks of a page, in order."""
    # Without what notebooks begin with, but with its lines.
    text = re.sub(r"\A---\n.*?\n---\n", _empty, page.read_text("utf-8"), flags=re.DOTALL)
    found = []
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        line = token.map[0] + 1 if token.map else 0
        if token.type in ("fence", "code_block"):
            found.append(Block(page, line, token.info.strip(), token.content))
        for child in token.children or ():
            if child.type == "code_inline":
                found.append(Block(page, line, INLINE, child.content.replace("\n", " ")))
    return found


def _empty(match: re.Match[str]) -> str:
    return "\n" * match[0].count("\n")


def commands(block: Block) -> Iterator[list[str]]:
    """The `oneway` commands of a block, as a shell would split them."""
    if block.language in ("", "sh", INLINE):
        for line in block.text.replace("\\\n", " ").splitlines():
            if line.startswith("oneway ") and not _SYNTAX.search(line):
                yield shlex.split(line, comments=True)[1:]
