"""Where everything lies: rows by forward order, a column for each path, ports, lanes.

Lengths are those of the screen when a drawing has its natural width. Without the target's column a
drawing is at most `PHONE` wide: on a phone, which leaves it 340 pixels, text of 12 is 11 still.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..assembly import Assembly
from ..elements import Path, Population, Projection
from .looks import ROLES

PHONE = 368.0
HEADING = 26.0
ROW_GAP, FLAT_GAP = 40.0, 26.0
PORT = 7.0
TARGET_WIDTH, TARGET_GAP = 84.0, 32.0
PATHS: tuple[Path, ...] = ("auxiliary", "forward", "feedback", "target")


@dataclass(frozen=True)
class Group:
    """Populations of one path that are drawn as one box, of a block or one alone."""

    names: tuple[str, ...]
    path: Path
    row: int
    block: str = ""  # its uppermost forward population
    guest: bool = False

    @property
    def last(self) -> str:
        return self.names[-1]


@dataclass(frozen=True)
class Bundle:
    """Projections that are drawn as one arrow: of two groups, one role and one kind."""

    pre: Group
    post: Group
    projections: tuple[Projection, ...]

    @property
    def first(self) -> Projection:
        return self.projections[0]

    @property
    def learns(self) -> bool:
        return any(p.plasticity is not None for p in self.projections)

    @property
    def kind(self) -> str:
        return kind_of(self.first)

    def straight(self) -> bool:
        """Drives between neighbours of a column."""
        beside = abs(self.pre.row - self.post.row) == 1
        return self.pre.path == self.post.path and self.first.role == "drive" and beside


def kind_of(p: Projection) -> str:
    return p.weights.kind if p.weights is not None else "independent"


def rows_of(circuit: Assembly) -> dict[str, int]:
    """A row for each population: partners beside each other, no two of one path in one row."""
    forward = circuit.order("forward")
    rows = {name: float(i) for i, name in enumerate(forward)}
    taken = {("forward", row) for row in rows.values()}
    for population in circuit.populations.values():
        if population.name not in rows:
            row = _row(circuit, population, rows)
            while (population.path, row) in taken:
                row += 1 / 64
            rows[population.name] = row
            taken.add((population.path, row))
    return ranked(rows)


def ranked(rows: Mapping[str, float]) -> dict[str, int]:
    """Row numbers without gaps, in the same order."""
    number = {row: i for i, row in enumerate(sorted(set(rows.values())))}
    return {name: number[row] for name, row in rows.items()}


def _row(circuit: Assembly, population: Population, rows: Mapping[str, float]) -> float:
    """Beside what it is paired with, mimicked by, or compared to; else one row above its source."""
    if population.partner is not None:
        return rows.get(population.partner, 0.0)
    for p in circuit.select(role="mimic", pre=population.name):
        if p.post in rows:
            return rows[p.post]
    if population.path == "target" and circuit.output_error is not None:
        return rows.get(circuit.output_error.partner or "", max(rows.values()))
    below = [rows[p.pre] for p in circuit.select(post=population.name) if p.pre in rows]
    return max(below, default=0.0) + 1


def bundled(projections: Iterable[Projection], groups: Sequence[Group]) -> list[Bundle]:
    """Arrows between groups; what stays inside a block is not drawn."""
    of = {name: group for group in groups for name in group.names}
    alike: dict[tuple, list[Projection]] = {}
    for p in projections:
        if p.pre not in of or p.post not in of:
            continue
        pre, post = of[p.pre], of[p.post]
        if pre is post and pre.block:
            continue
        # Single populations keep an arrow for each projection, which has a name of its own.
        apart = None if pre.block or post.block else p.name
        learns = p.plasticity is not None
        alike.setdefault((pre, post, p.role, kind_of(p), learns, apart), []).append(p)
    return [Bundle(key[0], key[1], tuple(members)) for key, members in alike.items()]


@dataclass(frozen=True)
class Place:
    """A box: its centre and its size."""

    x: float
    y: float
    width: float
    height: float

    def side(self, right: bool) -> float:
        return self.x + self.width / 2 * (1 if right else -1)


class Layout:
    """Places of groups, ports of bundles on them, and lanes for arcs past other boxes."""

    def __init__(self, groups: Sequence[Group], bundles: Sequence[Bundle]) -> None:
        self.groups, self.bundles = groups, bundles
        self.deep = max(group.row for group in groups) > 8
        self.lanes = {True: self._assign_lanes(True), False: self._assign_lanes(False)}
        self.ends = self._assign_ends()
        self.columns, self.widths, self.width, self.narrow = self._columns()
        self.places, self.height = self._rows()
        self.ports = self._assign_ports()

    # -- sides and lanes -------------------------------------------------------------------

    @staticmethod
    def outward(bundle: Bundle) -> bool | None:
        """The side on which it bends out, right is True; None if it does not stay in a column."""
        if bundle.pre.path != bundle.post.path or bundle.straight():
            return None
        return bundle.pre.path in ("feedback", "target")

    def _assign_lanes(self, right: bool) -> dict[int, int]:
        """Number of the lane of each arc on a side: short ones inside, none through another."""
        spans = {
            i: (min(b.pre.row, b.post.row), max(b.pre.row, b.post.row), b.pre.path)
            for i, b in enumerate(self.bundles)
            if self.outward(b) is right
        }
        lanes: dict[int, int] = {}
        for i in sorted(spans, key=lambda i: (spans[i][1] - spans[i][0], spans[i][0])):
            low, high, path = spans[i]
            taken = {
                lanes[j]
                for j in lanes
                if spans[j][2] == path and spans[j][0] <= high and low <= spans[j][1]
            }
            lanes[i] = next(n for n in range(len(spans)) if n not in taken)
        return lanes

    def _assign_ends(self) -> dict[tuple[Group, bool], list[tuple[int, bool]]]:
        """On each side of a box the arrow ends there, from top to bottom: (bundle, arrives)."""
        ends: dict[tuple[Group, bool], list[tuple[int, bool]]] = {}
        for i, b in enumerate(self.bundles):
            if b.straight():
                continue
            out = self.outward(b)
            for group, other, arrives in ((b.pre, b.post, False), (b.post, b.pre, True)):
                right = PATHS.index(group.path) < PATHS.index(other.path) if out is None else out
                ends.setdefault((group, right), []).append((i, arrives))
        for (group, _), found in ends.items():
            found.sort(key=lambda end: self._height(group, *end))
        return ends

    def _height(self, group: Group, i: int, arrives: bool) -> tuple:
        b = self.bundles[i]
        other = b.pre if arrives else b.post
        beyond = other.row - group.row
        up = (beyond > 0) - (beyond < 0)
        far = -float(beyond)
        if self.outward(b) is not None:  # nested arcs do not cross: the outer ones lie between
            far = up * self.lanes[self.outward(b) is True][i]
        return (-up, far, ROLES.index(b.first.role), i, arrives)

    # -- columns and rows --------------------------------------------------------------------

    def _columns(self) -> tuple[dict[str, float], dict[str, float], float, float]:
        """Centres and widths of the columns; widths of the drawing with and without the target."""
        present = [path for path in PATHS if any(group.path == path for group in self.groups)]
        inner = [path for path in present if path != "target"]
        left, right = (self._margin(side) for side in (False, True))
        free, n = PHONE - left - right, max(len(inner), 1)
        box = min({1: 150.0, 2: 118.0, 3: 90.0}[n], (free - 24 * (n - 1)) / n)
        gap = min((free - box * n) / max(n - 1, 1), 84.0)
        columns: dict[str, float] = {}
        x = left
        for path in inner:
            columns[path] = x + box / 2
            x += box + gap
        narrow = x - gap + right
        widths: dict[str, float] = dict.fromkeys(inner, box)
        if "target" in present:
            columns["target"] = narrow - right + max(right, TARGET_GAP) + TARGET_WIDTH / 2
            widths["target"] = TARGET_WIDTH
        full = (
            max(narrow, columns["target"] + TARGET_WIDTH / 2 + 8) if "target" in columns else narrow
        )
        return columns, widths, full, narrow

    def _margin(self, right: bool) -> float:
        """Room beside the boxes: for a shade's rim, or for the outermost lane."""
        n = self._lanes_of(right)
        return self._out(right, n - 1) + 4 if n else 8.0

    def _out(self, right: bool, number: int) -> float:
        """How far a lane lies beside the boxes."""
        return 16 + number * min(9.0, 26 / max(self._lanes_of(right) - 1, 1))

    def _lanes_of(self, right: bool) -> int:
        return max(self.lanes[right].values(), default=-1) + 1

    def _rows(self) -> tuple[dict[Group, Place], float]:
        """Boxes as high as their ports ask for, one row above the other."""
        least = 36.0 if self.deep else 40.0
        heights: dict[int, float] = {}
        for group in self.groups:
            ports = max(len(self.ends.get((group, side), ())) for side in (True, False))
            heights[group.row] = max(heights.get(group.row, least), PORT * (ports + 1))
        gap = FLAT_GAP if self.deep else ROW_GAP
        y, centres = HEADING + 4, {}
        for row in sorted(heights, reverse=True):
            centres[row] = y + heights[row] / 2
            y += heights[row] + gap
        places = {
            group: Place(
                self.columns[group.path],
                centres[group.row],
                self.widths[group.path],
                heights[group.row],
            )
            for group in self.groups
        }
        return places, y - gap + 8

    def _assign_ports(self) -> dict[tuple[int, bool], tuple[float, float]]:
        """Where each arrow leaves (False) and arrives (True)."""
        ports = {}
        for (group, right), ends in self.ends.items():
            place = self.places[group]
            step = min(place.height / (len(ends) + 1), 12.0)
            for k, end in enumerate(ends):
                y = place.y + (k - (len(ends) - 1) / 2) * step
                ports[end] = (place.side(right), y)
        return ports

    def beside(self, i: int) -> list[int]:
        """The straight arrows between the same two boxes as this one, it among them."""
        bundle = self.bundles[i]
        ends = {bundle.pre, bundle.post}
        return [j for j, b in enumerate(self.bundles) if b.straight() and {b.pre, b.post} == ends]

    def lane(self, i: int) -> float:
        """x of an arc's lane."""
        b = self.bundles[i]
        right = self.outward(b)
        assert right is not None
        out = self._out(right, self.lanes[right][i])
        return self.places[b.pre].side(right) + (out if right else -out)
