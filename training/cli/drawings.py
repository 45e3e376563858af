"""Drawings of circuits as files: .html explains itself, .svg, .png and .pdf stand still.

matplotlib is slow to import and only .png and .pdf need it.
"""

from __future__ import annotations

from pathlib import Path

from oneway.analysis import Verdict
from oneway.circuits import Circuit
from oneway.circuits.drawing import draw_html, draw_svg

from ..errors import ConfigError
from ..files import whole, write_text

SUFFIXES = (".svg", ".html", ".png", ".pdf")
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>body {{ margin: 0; padding: 1rem; background: Canvas; color: CanvasText; \
font-family: system-ui, sans-serif; }} .oneway {{ padding: .5rem; }}</style>
</head>
<body>
<h1>{title}</h1>
{drawing}
</body>
</html>
"""


def check_file(option: str, path: Path) -> None:
    """Before anything is drawn.

    Raises
    ------
    ConfigError
        The name says no format that we write, or its folder is not there.
    """
    if path.suffix not in SUFFIXES:
        raise ConfigError(
            f"{option} {str(path)!r}: expected a file that ends in .svg, .html, .png or .pdf"
        )
    if not path.expanduser().parent.is_dir():
        raise ConfigError(f"{option} {str(path)!r}: folder {str(path.parent)!r} is not there")


def write_drawing(path: Path, circuit: Circuit, verdict: Verdict) -> Path:
    """Draw the circuit, blocks of deep nets folded; pairs that offend the verdict are shaded.

    In the page (.html) blocks open on a click, and what is pointed at is explained.
    """
    path = path.expanduser()
    shade = [(pair.first, pair.second) for pair in verdict.offenders]
    if path.suffix == ".html":
        drawing = draw_html(circuit, shade, prefix="circuit")
        write_text(path, _PAGE.format(title=circuit.name, drawing=drawing))
    elif path.suffix == ".svg":
        write_text(path, draw_svg(circuit, shade, fold=True))
    else:
        _paint(path, circuit, verdict)
    return path


def _paint(path: Path, circuit: Circuit, verdict: Verdict) -> None:
    from matplotlib import pyplot as plt

    from oneway.analysis.plots import draw_circuit

    draw_circuit(circuit, verdict=verdict, fold=True)
    with whole(path) as unfinished:
        plt.savefig(unfinished, dpi=200, bbox_inches="tight")
    plt.close()
