"""A matplotlib figure as an element of a page, in the colours of the reader's scheme."""

from __future__ import annotations

import io
import re
from colorsys import hls_to_rgb, rgb_to_hls
from html import escape

from matplotlib.figure import Figure

_COLOUR = re.compile(r"\b(fill|stroke): (#[0-9a-f]{6})\b")
_PAPER_DARK, _INK_DARK = 0.12, 0.9


def inline_svg(figure: Figure, name: str, alt: str) -> str:
    """The figure's ``<svg>``; `name` makes its ids unique in the page, `alt` is read aloud.

    Text stays text, of the page's font, if ``svg.fonttype`` is "none". Each colour has a lighter
    or darker one beside it for pages on dark ground.
    """
    figure.patch.set_visible(False)
    for ax in figure.axes:
        ax.patch.set_visible(False)
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    width, height = (72 * length for length in figure.get_size_inches())
    body = text[text.index("<defs>") : text.rindex("</svg>")]
    # Its style is one for everything in the page; the report's style sheet has it for charts.
    body = re.sub(r"<style.*?</style>", "", body, flags=re.DOTALL)
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r'(href="#|url\(#)', rf"\1{name}-", body).replace("xlink:href", "href")
    body = re.sub(r"font: ([\d.]+px)[^;\"]*", r"font-size: \1; font-family: inherit", body)
    body = _COLOUR.sub(_in_both_schemes, body)
    return (
        f'<svg class="chart" role="img" viewBox="0 0 {width:g} {height:g}" '
        f'aria-label="{escape(alt)}">{body}</svg>'
    )


def _in_both_schemes(found: re.Match) -> str:
    """The colour, and for browsers that know how, one for either scheme."""
    of, colour = found.groups()
    return f"{of}: {colour}; {of}: light-dark({colour}, {dark(colour)})"


def dark(colour: str) -> str:
    """The same hue as far from dark paper as the colour is from white.

    Examples
    --------
    >>> from oneway.training.demo.inline_svg import dark
    >>> dark("#ffffff"), dark("#000000"), dark("#0072b2")
    ('#1f1f1f', '#e6e6e6', '#41bbff')
    """
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    hue, lightness, saturation = rgb_to_hls(red, green, blue)
    turned = _INK_DARK - (_INK_DARK - _PAPER_DARK) * lightness
    return "#" + "".join(f"{round(255 * c):02x}" for c in hls_to_rgb(hue, turned, saturation))
