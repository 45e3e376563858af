"""A scene as a piece of HTML: the drawing, what is pointed at, the insides of blocks, a key.

A page needs `drawing_style` once and, for what lights up, `drawing_script`; without the script
everything is still there, in titles.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from html import escape
from itertools import count
from pathlib import Path

from ..assembly import Assembly
from ..elements import Projection
from .key import KeyEntry, key_of
from .looks import variables
from .scenes import Pairs, Scene, draw_scenes
from .svg import STYLE, key_line, roles_style, svg

HERE = Path(__file__).parent
HINT = "Point at an arrow, or reach it by Tab and step with the arrow keys: this says what it is."
_DRAWN = count()


def drawing_style() -> str:
    """CSS for all drawings of a page, dark where the reader's scheme is."""
    own = (HERE / "drawing.css").read_text(encoding="utf-8")
    schemes = own.replace("/*light*/", variables(0)).replace("/*dark*/", variables(1))
    return f"{schemes}\n{STYLE}\n{roles_style()}"


def drawing_script() -> str:
    """JavaScript for all drawings of a page: what is pointed at is said, and what learns lit."""
    return (HERE / "drawing.js").read_text(encoding="utf-8")


def draw_html(
    circuit: Assembly, shade: Pairs = (), *, prefix: str | None = None, alone: bool = True
) -> str:
    """The circuit for a page or a notebook; blocks of deep nets are folded, and open on a click.

    Parameters
    ----------
    circuit : Circuit
    shade : sequence of (str, str), optional
        Population pairs to put on a band, such as those that are joined both ways.
    prefix : str, optional
        What its ids begin with, unique in the page; by default from a counter and the circuit.
    alone : bool
        With style, script and key of its own; a page of many drawings has these once.

    Examples
    --------
    >>> from oneway.circuits import mlp
    >>> from oneway.circuits.drawing import draw_html
    >>> page = draw_html(mlp((4, 3, 2)), prefix="net", alone=False)
    >>> page.startswith('<div class="oneway"'), "<style>" in page
    (True, False)
    """
    scene = draw_scenes(circuit, shade)
    mark = sha256(repr(circuit).encode()).hexdigest()[:6]
    prefix = prefix or f"ow{next(_DRAWN)}{mark}"
    drawn = _with_blocks(scene, prefix) if scene.blocks else _figure(scene, prefix)
    key = key_html(circuit.projections.values(), bool(shade)) if alone else ""
    script = f"<script>{drawing_script()}</script>" if alone else ""
    style = f"<style>{drawing_style()}</style>" if alone else ""
    return f'<div class="oneway" id="{prefix}">{style}{key}{drawn}{script}</div>'


def _figure(scene: Scene, prefix: str, *, linked: bool = False) -> str:
    drawing = svg(scene, prefix, linked=linked)
    says = f'<p class="ow-says" aria-live="polite" data-hint="{HINT}">{HINT}</p>'
    most = f"max-width:{1.4 * scene.width:.0f}px"  # larger, its text would be a headline
    return f'<div class="ow-figure" style="{most}">{drawing}{says}</div>'


def _with_blocks(scene: Scene, prefix: str) -> str:
    """The folded net, and beside or below it one block at a time."""
    insides = "\n".join(
        f'<details id="{prefix}-{name}" name="{prefix}"><summary>inside {escape(name)}</summary>'
        f"{_figure(inside, f'{prefix}-{name}-in')}</details>"
        for name, inside in scene.blocks.items()
    )
    return (
        f'<div class="ow-deep">{_figure(scene, prefix, linked=True)}'
        f'<div class="ow-insides"><p class="ow-note">Blocks (▸) are folded: choose one. Dashed '
        f"boxes belong to its neighbours.</p>{insides}</div></div>"
    )


# -- key -------------------------------------------------------------------------------------------


def key_html(projections: Iterable[Projection], shaded: bool) -> str:
    """What lines mean, as a list; only what occurs among the projections."""
    entries = key_of(projections, shaded)
    items = "".join(f"<li>{_swatch(entry)}{escape(entry.meaning)}</li>" for entry in entries)
    return f'<ul class="ow-key">{items}</ul>'


def _swatch(entry: KeyEntry) -> str:
    line = key_line(entry, 1, 39, 6)
    return f'<svg viewBox="0 0 40 12" aria-hidden="true">{line}</svg>'
