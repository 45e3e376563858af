"""Links to other projects' documentation, without a network, and from types to our own pages."""

from __future__ import annotations

import tomllib
import zlib
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

EXTERNALS = Path(__file__).with_name("externals.toml")


def write_inventories(folder: Path) -> dict[str, tuple[str, str]]:
    """An inventory a project, of the names in `externals.toml`; as intersphinx wants them."""
    folder.mkdir(parents=True, exist_ok=True)
    mapping = {}
    for project, names in tomllib.loads(EXTERNALS.read_text(encoding="utf-8")).items():
        url, file = names.pop("url"), folder / f"{project}.inv"
        head = f"# Sphinx inventory version 2\n# Project: {project}\n# Version:\n"
        head += "# The remainder of this file is compressed using zlib.\n"
        lines = "".join(f"{name} py:class 1 {place} -\n" for name, place in names.items())
        file.write_bytes(head.encode() + zlib.compress(lines.encode()))
        mapping[project] = (url, str(file))
    return mapping


def leave_types(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.Element
) -> nodes.Element | None:
    """A type in a signature that has no page stays text; what a page refers to must be there."""
    written = "refwarn" in node  # by a role, as in :py:class:`...`
    return content if node.get("refdomain") == "py" and not written else None


def setup(app: Sphinx) -> dict[str, bool]:
    # After intersphinx, which has 500.
    app.connect("missing-reference", leave_types, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
