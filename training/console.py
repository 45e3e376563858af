"""The console of rich that commands and bars print on, which obeys no text."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from .terminal import harmless


class Terminal(Console):
    """Escapes in the names that it is given come out as text; its own colours stay."""

    def render_str(self, text: str, **how: Any) -> Text:
        return super().render_str(harmless(text), **how)
