"""The ways of arrows: straight, past other boxes, or across; and their heads."""

from __future__ import annotations

from collections.abc import Sequence
from math import atan2, cos, sin

from .layout import Layout

Point = tuple[float, float]
_HEAD, _HALF = 8.0, 3.6


def route(i: int, layout: Layout) -> tuple[tuple[Point, ...], bool]:
    """The points of an arrow, and whether they are those of a curve."""
    bundle = layout.bundles[i]
    if bundle.straight():
        return _straight(i, layout), False
    start, end = layout.ports[i, False], layout.ports[i, True]
    if Layout.outward(bundle) is not None:
        return _arc(start, end, layout.lane(i)), True
    if abs(start[1] - end[1]) < 1:
        return (start, end), False
    half = 0.55 * (end[0] - start[0])
    return (start, (start[0] + half, start[1]), (end[0] - half, end[1]), end), True


def _straight(i: int, layout: Layout) -> tuple[Point, ...]:
    """Between neighbours of a column; several lie beside each other."""
    bundle = layout.bundles[i]
    alike = layout.beside(i)
    shift = 14 * (alike.index(i) - (len(alike) - 1) / 2)
    a, b = layout.places[bundle.pre], layout.places[bundle.post]
    up = 1 if b.y < a.y else -1
    return (a.x + shift, a.y - up * a.height / 2), (b.x + shift, b.y + up * b.height / 2)


def _arc(start: Point, end: Point, lane: float) -> tuple[Point, ...]:
    """Out to a lane, along it, and back."""
    y0, y1 = start[1], end[1]
    turn = min(abs(y1 - y0) / 2, 12.0) * (1 if y1 > y0 else -1)
    a, b = (lane, y0 + turn), (lane, y1 - turn)
    return (start, (lane, y0), (lane, y0), a, a, b, b, (lane, y1), (lane, y1), end)


# -- heads -----------------------------------------------------------------------------------------


def direction(points: Sequence[Point]) -> float:
    """Angle at which a line ends; control points that coincide with the end say nothing."""
    (x1, y1) = points[-1]
    x0, y0 = next(p for p in reversed(points[:-1]) if p != points[-1])
    return atan2(y1 - y0, x1 - x0)


def short_of(points: Sequence[Point]) -> Point:
    """Where the line meets the head."""
    angle, (x, y) = direction(points), points[-1]
    return x - 0.8 * _HEAD * cos(angle), y - 0.8 * _HEAD * sin(angle)


def head_of(points: Sequence[Point]) -> tuple[Point, Point, Point]:
    """The triangle at the end."""
    angle, (x, y) = direction(points), points[-1]
    back = x - _HEAD * cos(angle), y - _HEAD * sin(angle)
    aside = _HALF * sin(angle), -_HALF * cos(angle)
    return (
        (x, y),
        (back[0] + aside[0], back[1] + aside[1]),
        (back[0] - aside[0], back[1] - aside[1]),
    )
