"""A built page that would ask a network for anything is a warning, and so an error."""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util import logging

# What a browser fetches by itself; links that a reader follows are another matter.
_FETCHED = re.compile(
    r"""<(?:script|img|iframe|source|link\b[^>]*rel="?stylesheet)[^>]*https?://[^>]*>"""
)


def look_for_requests(app: Sphinx, exception: Exception | None) -> None:
    """Look through all pages once they are written."""
    if exception is None:
        for page in Path(app.outdir).rglob("*.html"):
            for tag in _FETCHED.findall(page.read_text(encoding="utf-8")):
                logging.getLogger(__name__).warning("%s asks a network: %s", page.name, tag)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("build-finished", look_for_requests)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
