"""In a cell of a table, a mean stays on the line of its deviation."""

from __future__ import annotations

import re

from sphinx.application import Sphinx

_ROW = re.compile(r"^\|.*", re.MULTILINE)


def keep_together(app: Sphinx, name: str, content: list[str]) -> None:
    """In rows of tables, no line breaks beside ±."""
    content[0] = _ROW.sub(lambda row: row[0].replace(" ± ", "\u00a0±\u00a0"), content[0])


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", keep_together)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
