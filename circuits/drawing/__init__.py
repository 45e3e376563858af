"""A circuit as a picture: SVG with real text, a piece of HTML that explains itself, or a scene.

Like its summary, the drawing says what the description says and needs nothing else: no simulator,
no plotting library, and no analysis. What an analysis found, such as pairs of populations that are
joined both ways, is handed in.
"""

from .html import draw_html, drawing_script, drawing_style, key_html
from .key import KeyEntry, key_of
from .looks import COLOURS
from .scenes import Arrow, Box, Scene, draw_scene, draw_scenes
from .svg import draw_svg
from .words import say

__all__ = [
    "COLOURS",
    "Arrow",
    "Box",
    "KeyEntry",
    "Scene",
    "draw_html",
    "draw_scene",
    "draw_scenes",
    "draw_svg",
    "drawing_script",
    "drawing_style",
    "key_html",
    "key_of",
    "say",
]
