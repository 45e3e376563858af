"""A drawing before anybody draws it: boxes, arrows and headings with their places and words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..assembly import Assembly
from ..elements import Projection
from ..errors import WiringError
from ..reading import Reading
from .folding import blocks
from .layout import PATHS, Bundle, Group, Layout, bundled, ranked, rows_of
from .looks import TIED_DASHES
from .routes import Point, route
from .words import about, connector_label, pretty, say, shape_of

Pairs = Sequence[tuple[str, str]]

_CHARACTER = 7.0


@dataclass(frozen=True)
class Box:
    """A population, or a block of them."""

    x: float
    y: float
    width: float
    height: float
    path: str
    label: str
    size: str
    says: str
    block: str = ""  # whose drawing shows the inside
    guest: bool = False  # of another block


@dataclass(frozen=True)
class Arrow:
    """Projections between two boxes: a line with a head.

    `points` start with a point; then follow single points of a straight line or threes of a cubic
    curve, as `curved` says.
    """

    names: tuple[str, ...]
    role: str
    kind: str
    learns: bool
    points: tuple[Point, ...]
    curved: bool
    says: str
    lights: tuple[int, ...] = ()  # arrows that learn from this one
    label: str = ""
    path: str = "forward"  # of its column, or of the target if that is at one end

    @property
    def thick(self) -> bool:
        """Weights that learn, or that are read from others that do."""
        return self.learns or self.kind != "independent"

    @property
    def dashes(self) -> tuple[float, ...]:
        return TIED_DASHES.get(self.kind, ())

    @property
    def label_at(self) -> tuple[float, float, str]:
        """Start of the label's base line, and the side of the arrow: towards the middle."""
        (x, y0), (_, y1) = self.points
        side = "left" if self.path == "feedback" else "right"
        return (x - 8 if side == "left" else x + 8), (y0 + y1) / 2 + 4, side


@dataclass(frozen=True)
class Scene:
    """Everything on one drawing; lengths as on a screen, y downwards."""

    name: str
    says: str
    width: float
    narrow: float  # without the target's column, which phones leave out
    height: float
    headings: tuple[tuple[float, float, str], ...]
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    shades: tuple[tuple[float, float, float, float], ...] = ()
    blocks: dict[str, Scene] = field(default_factory=dict)


def draw_scene(circuit: Assembly, shade: Pairs = ()) -> Scene:
    """The whole circuit, every population a box of its own.

    Parameters
    ----------
    circuit : Circuit
    shade : sequence of (str, str)
        Population pairs to put on a band: those that are joined cell by cell in both directions.
    """
    rows = rows_of(circuit)
    groups = [Group((n,), p.path, rows[n]) for n, p in circuit.populations.items()]
    return _scene(circuit, groups, circuit.projections.values(), shade)


def draw_scenes(circuit: Assembly, shade: Pairs = ()) -> Scene:
    """The circuit with the blocks of a deep net folded; `Scene.blocks` has their insides."""
    parts, rows = blocks(circuit), rows_of(circuit)
    if all(len(part) == 1 for part in parts):
        return draw_scene(circuit, shade)
    groups = _folded(circuit, parts, rows)
    scene = _scene(circuit, groups, circuit.projections.values(), shade)
    for part in parts:
        if len(part) > 1:
            scene.blocks[part[-1]] = _inside(circuit, _members(circuit, part, rows), rows, shade)
    return scene


def _members(circuit: Assembly, part: Sequence[str], rows: Mapping[str, int]) -> set[str]:
    """The forward populations of a block and what stands beside them."""
    low, high = rows[part[0]], rows[part[-1]]
    beside = {name for name, row in rows.items() if low <= row <= high}
    return {name for name in beside if circuit.populations[name].path != "target"}


def _folded(
    circuit: Assembly, parts: Sequence[tuple[str, ...]], rows: Mapping[str, int]
) -> list[Group]:
    groups: list[Group] = []
    alone = dict.fromkeys(circuit.populations)
    for part in (part for part in parts if len(part) > 1):
        members = _members(circuit, part, rows)
        for path in PATHS:
            names = [name for name in members if circuit.populations[name].path == path]
            if names:
                names.sort(key=rows.__getitem__)
                groups.append(Group(tuple(names), path, rows[part[-1]], block=part[-1]))
        for name in members:
            del alone[name]
    groups += [Group((name,), circuit.populations[name].path, rows[name]) for name in alone]
    return _closed_up(groups)


def _closed_up(groups: Sequence[Group]) -> list[Group]:
    """Rows that hold nothing any more go."""
    number = ranked({group.last: group.row for group in groups})
    return [replace(group, row=number[group.last]) for group in groups]


def _inside(circuit: Assembly, own: set[str], rows: Mapping[str, int], shade: Pairs) -> Scene:
    """A block's populations with everything that arrives at them, from other blocks too."""
    arriving = [p for p in circuit.projections.values() if p.post in own]
    shown = {p.pre for p in arriving} | own
    groups = [
        Group((name,), circuit.populations[name].path, rows[name], guest=name not in own)
        for name in circuit.populations
        if name in shown
    ]
    return _scene(circuit, _closed_up(groups), arriving, shade)


# -- putting it together ---------------------------------------------------------------------------


def _scene(
    circuit: Assembly, groups: Sequence[Group], projections: Iterable[Projection], shade: Pairs
) -> Scene:
    projections = list(projections)
    bundles = bundled(projections, groups)
    place = Layout(groups, bundles)
    learners = _learners(circuit, bundles)
    return Scene(
        name=circuit.name,
        says=_summary(circuit, groups, projections),
        width=place.width,
        narrow=place.narrow,
        height=place.height,
        headings=tuple(
            (x, 15.0, path if path == "target" else f"{path} path")
            for path, x in place.columns.items()
        ),
        boxes=tuple(_box(circuit, group, place) for group in groups),
        arrows=tuple(_arrow(circuit, i, place, learners[i]) for i in range(len(bundles))),
        shades=tuple(_shades(groups, place, shade)),
    )


def _summary(circuit: Assembly, groups: Sequence[Group], projections: Sequence) -> str:
    own = [name for group in groups if not group.guest for name in group.names]
    learning = sum(p.plasticity is not None for p in projections)
    return (
        f"Circuit {circuit.name}: {len(own)} populations and {len(projections)} projections, of "
        f"which {learning} learn. Activity climbs in the forward path, errors descend in the "
        "feedback path."
    )


def _box(circuit: Assembly, group: Group, layout: Layout) -> Box:
    at = layout.places[group]
    members = [circuit.populations[name] for name in group.names]
    room = int((at.width - 8) / _CHARACTER)
    label, size = shortened(pretty(group.last), room), shape_of(members[-1])
    if group.block:
        label = "▸ " + shortened(pretty(group.last), room - 2)
        size = f"{len(members)} populations" if len(members) > 1 else size
    return Box(
        at.x, at.y, at.width, at.height, group.path, label, size,
        "\n".join(map(about, members)),
        block=group.block,
        guest=group.guest,
    )  # fmt: skip


def shortened(text: str, room: int) -> str:
    """At most `room` characters, with an ellipsis in the middle."""
    if len(text) <= room:
        return text
    tail = (room - 1) // 2
    return f"{text[: room - 1 - tail]}…{text[len(text) - tail :]}"


def _shades(groups: Sequence[Group], layout: Layout, pairs: Pairs):
    of = {name: layout.places[group] for group in groups for name in group.names}
    for one, two in dict.fromkeys((of[a], of[b]) for a, b in pairs if a in of and b in of):
        left, right = min(one.side(False), two.side(False)), max(one.side(True), two.side(True))
        top = min(one.y - one.height / 2, two.y - two.height / 2)
        bottom = max(one.y + one.height / 2, two.y + two.height / 2)
        yield left - 6, top - 6, right - left + 12, bottom - top + 12


def _learners(circuit: Assembly, bundles: Sequence[Bundle]) -> list[tuple[int, ...]]:
    """For each arrow, those whose synapses learn from it."""
    reading = Reading(circuit)
    arrow = {p.name: i for i, bundle in enumerate(bundles) for p in bundle.projections}
    found: list[dict[int, None]] = [{} for _ in bundles]
    for i, bundle in enumerate(bundles):
        for p in bundle.projections if bundle.learns else ():
            for name in _sources(reading, p):
                if name in arrow:
                    found[arrow[name]][i] = None
    return [tuple(one) for one in found]


def _sources(reading: Reading, p: Projection) -> list[str]:
    try:
        return [source.name for source in reading.sources(p)]
    except WiringError:  # it cannot run, but it can be drawn
        return []


def _arrow(circuit: Assembly, i: int, layout: Layout, lights: tuple[int, ...]) -> Arrow:
    bundle = layout.bundles[i]
    points, curved = route(i, layout)
    p = bundle.first
    named = bundle.straight() and not layout.deep and len(layout.beside(i)) == 1
    label = connector_label(p.connector).removesuffix(" ᵀ") if named else ""
    return Arrow(
        tuple(one.name for one in bundle.projections),
        p.role,
        bundle.kind,
        bundle.learns,
        points,
        curved,
        "\n".join(say(circuit, one) for one in bundle.projections),
        lights,
        label,
        path="target" if "target" in (bundle.pre.path, bundle.post.path) else bundle.post.path,
    )
