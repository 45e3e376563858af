"""A scene as SVG: real text, a title for everything, colours as CSS variables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from math import ceil

from ..assembly import Assembly
from .key import KeyEntry, key_of
from .looks import variables
from .routes import Point, head_of, short_of
from .scenes import Arrow, Box, Pairs, Scene, draw_scene, draw_scenes

# Classes begin with ow-, for in a page the drawing's style is the page's.
STYLE = """
.ow-svg{display:block;width:100%;height:auto;font-family:system-ui,-apple-system,"Segoe UI",\
Roboto,"Liberation Sans",Arial,sans-serif;font-size:13px}
.ow-svg text{fill:var(--ow-ink);text-anchor:middle}
.ow-svg text.ow-soft{fill:var(--ow-soft);font-size:12px}
.ow-svg text.ow-right{text-anchor:start}.ow-svg text.ow-left{text-anchor:end}
.ow-box rect{stroke:var(--ow-edge)}
.ow-guest rect{stroke-dasharray:3 3;fill:var(--ow-ground)}
.ow-block rect{stroke-width:2}
.ow-box-forward rect{fill:var(--ow-forward)}.ow-box-feedback rect{fill:var(--ow-feedback)}
.ow-box-auxiliary rect{fill:var(--ow-auxiliary)}.ow-box-target rect{fill:var(--ow-target)}
.ow-box.ow-guest rect{fill:var(--ow-ground)}
.ow-shade{fill:var(--ow-shade)}
.ow-line{fill:none;stroke:var(--ow-colour);stroke-width:1.2}
.ow-head{fill:var(--ow-colour);stroke:none}
.ow-near{fill:none;stroke:transparent;stroke-width:9;pointer-events:stroke}
.ow-thick .ow-line{stroke-width:2.6}
.ow-arrow:hover .ow-line,.ow-arrow:focus .ow-line,.ow-lit .ow-line{stroke-width:4}
.ow-arrow:focus{outline:none}
.ow-arrow:focus .ow-near{stroke:var(--ow-colour);stroke-opacity:.3}
.ow-lit .ow-near{stroke:var(--ow-colour);stroke-opacity:.45}
.ow-dim .ow-arrow:not(.ow-lit):not(:hover):not(:focus) .ow-line,\
.ow-dim .ow-arrow:not(.ow-lit):not(:hover):not(:focus) .ow-head{opacity:.3}
.ow-svg a:focus rect{stroke:var(--ow-teach);stroke-width:3}.ow-svg a:focus{outline:none}
""".strip()

# The key below a drawing that stands alone.
_KEY_COLUMN, _KEY_ROW, _KEY_LINE, _KEY_GAP = 222.0, 18.0, 24.0, 12.0


def roles_style() -> str:
    """Which colour each role has."""
    names = ("drive", "teach", "gate", "norm", "mimic", "compare", "tied")
    return "".join(f".ow-{name}{{--ow-colour:var(--ow-{name})}}" for name in names)


def draw_svg(circuit: Assembly, shade: Pairs = (), *, fold: bool = False) -> str:
    """A drawing that stands alone, with its key: a file, or what ``<img>`` shows.

    Parameters
    ----------
    circuit : Circuit
    shade : sequence of (str, str), optional
        Population pairs to put on a band, such as those that are joined both ways.
    fold : bool
        Draw the blocks of a deep net as one box each.

    Examples
    --------
    >>> from oneway.circuits import mlp
    >>> from oneway.circuits.drawing import draw_svg
    >>> drawing = draw_svg(mlp((4, 3, 2)))
    >>> drawing.startswith("<svg xmlns"), "all-to-all</text>" in drawing
    (True, True)
    """
    scene = draw_scenes(circuit, shade) if fold else draw_scene(circuit, shade)
    dark = f"@media (prefers-color-scheme:dark){{:root{{{variables(1)}}}}}"
    style = (
        f":root{{{variables(0)}}}{dark}\n{STYLE}{roles_style()}\nsvg{{background:var(--ow-ground)}}"
    )
    key = tuple(key_of(circuit.projections.values(), bool(shade)))
    return svg(scene, "drawing", style=style, key=key)


def svg(
    scene: Scene,
    prefix: str,
    *,
    style: str = "",
    linked: bool = False,
    key: Sequence[KeyEntry] = (),
) -> str:
    """The element; `prefix` makes its ids unique in a page. With `linked`, blocks are links."""
    width = max(scene.width, _KEY_COLUMN) if key else scene.width
    columns = int(width // _KEY_COLUMN)
    height = scene.height + (_KEY_GAP + _KEY_ROW * ceil(len(key) / columns) if key else 0.0)
    size = f"{width:.0f} {height:.0f}"
    standing = f' xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}"'
    parts = [
        f'<svg{standing if style else ""} class="ow-svg" viewBox="0 0 {size}" role="group" '
        f'preserveAspectRatio="xMinYMin slice" aria-labelledby="{prefix}-t {prefix}-d" '
        f'style="--ow-wide:{scene.width:.0f}/{scene.height:.0f};'
        f'--ow-narrow:{scene.narrow:.0f}/{scene.height:.0f}">',
        f'<title id="{prefix}-t">{escape(scene.name)}</title>',
        f'<desc id="{prefix}-d">{escape(scene.says)}</desc>',
        f"<style>{style}</style>" if style else "",
        *(f'<rect class="ow-shade" {_rect(*shade)} rx="6"/>' for shade in scene.shades),
        *(_heading(*heading) for heading in scene.headings),
        *(_arrow(arrow, i) for i, arrow in enumerate(scene.arrows)),
        *(_box(box, prefix, linked) for box in scene.boxes),
        *(
            _key_entry(
                entry, width * (i % columns) / columns, scene.height + _KEY_ROW * (i // columns)
            )
            for i, entry in enumerate(key)
        ),
        "</svg>",
    ]
    return "\n".join(part for part in parts if part)


def _rect(x: float, y: float, width: float, height: float) -> str:
    return f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    of_kind = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{of_kind}>{escape(text)}</text>'


def _heading(x: float, y: float, text: str) -> str:
    return _text(x, y, text, "ow-soft ow-of-target" if text == "target" else "ow-soft")


def _box(box: Box, prefix: str, linked: bool) -> str:
    kinds = ["ow-box", f"ow-box-{box.path}"]
    kinds += ["ow-guest"] * box.guest + ["ow-block"] * bool(box.block)
    kinds += ["ow-of-target"] * (box.path == "target")
    left, top = box.x - box.width / 2, box.y - box.height / 2
    inside = (
        f"<title>{escape(box.says)}</title>"
        f'<rect {_rect(left, top, box.width, box.height)} rx="5"/>'
        + _text(box.x, box.y - 2.5, box.label)
        + _text(box.x, box.y + 12.5, box.size, "ow-soft")
    )
    group = f'<g class="{" ".join(kinds)}">{inside}</g>'
    return f'<a href="#{prefix}-{box.block}">{group}</a>' if linked and box.block else group


def _key_entry(entry: KeyEntry, left: float, top: float) -> str:
    start, y = left + 8, top + _KEY_GAP
    line = key_line(entry, start, start + _KEY_LINE, y)
    return line + _text(start + _KEY_LINE + 6, y + 4, entry.meaning, "ow-soft ow-right")


def key_line(entry: KeyEntry, start: float, end: float, y: float) -> str:
    """The line of a key's entry, as it is drawn."""
    dashed = f' stroke-dasharray="{dash_text(entry.dashes)}"' if entry.dashes else ""
    look = f"stroke:var(--ow-{entry.colour});stroke-width:{entry.width:g}"
    return f'<path style="{look}" d="M{start:g} {y:g}H{end:g}"{dashed}/>'


def dash_text(dashes: Sequence[float]) -> str:
    return " ".join(f"{d:g}" for d in dashes)


def _arrow(arrow: Arrow, i: int) -> str:
    kinds = ["ow-arrow", f"ow-{arrow.role}" if arrow.kind == "independent" else "ow-tied"]
    kinds += ["ow-thick"] * arrow.thick + ["ow-of-target"] * (arrow.path == "target")
    dashed = f' stroke-dasharray="{dash_text(arrow.dashes)}"' if arrow.dashes else ""
    line, head = _path(arrow), " ".join(f"{x:.1f},{y:.1f}" for x, y in head_of(arrow.points))
    label = ""
    if arrow.label:
        x, y, side = arrow.label_at
        label = _text(x, y, arrow.label, f"ow-soft ow-{side}")
    lights = f' data-lights="{" ".join(map(str, arrow.lights))}"' if arrow.lights else ""
    return (
        f'<g class="{" ".join(kinds)}" data-arrow="{i}"{lights} tabindex="0" role="img">'
        f"<title>{escape(arrow.says)}</title>"
        f'<path class="ow-near" d="{line}"/><path class="ow-line" d="{line}"{dashed}/>'
        f'<polygon class="ow-head" points="{head}"/>{label}</g>'
    )


def _path(arrow: Arrow) -> str:
    """Up to the head, whose point is where the arrow ends."""
    points = [*arrow.points[:-1], short_of(arrow.points)]
    start, rest = points[0], points[1:]
    return f"M{_xy([start])}" + "".join(f"{letter}{_xy(p)}" for letter, p in _steps(arrow, rest))


def _steps(arrow: Arrow, rest: Sequence[Point]) -> Iterator[tuple[str, Sequence[Point]]]:
    if not arrow.curved:
        yield "L", rest
        return
    for k in range(0, len(rest), 3):
        yield "C", rest[k : k + 3]


def _xy(points: Sequence[Point]) -> str:
    return " ".join(f"{x:.1f} {y:.1f}" for x, y in points)
