"""The routes as a picture of quality against the cost of an answer, with error bars: lines, marks and texts on a plane, y downwards.

Both forms of the report draw these. Costs are on a log scale; marks of about the same cost stand side by side; names are put where
they hide nothing, joined to their mark by a thin line where they had to move away.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from luosi.cost import NANO, Money
from luosi.report.figures import money
from luosi.report.labels import Box, place, text_width
from luosi.report.names import Named
from luosi.report.words import Words

WIDTH, HEIGHT = 680.0, 380.0
LEFT, RIGHT, TOP, BOTTOM = 58.0, 16.0, 14.0, 50.0
INK, MUTED, GRID = "#1c2733", "#5c6b7a", "#e3e8ee"
COLOURS = {"rent": "#c2571a", "open": "#0b63a5", "adapt": "#2f7d4f", "scratch": "#8a4fb5", "baseline": "#5c6b7a"}
SIZE = 5.0
"""Half the width of a mark."""
APART = 15.0
"""Least distance of two marks from left to right."""
Z95 = 1.959963984540054


@dataclass(frozen=True)
class Line:
    """From one point to another."""

    x1: float
    y1: float
    x2: float
    y2: float
    colour: str
    width: float = 1.0


@dataclass(frozen=True)
class Mark:
    """A disc, a square, or a ring around either."""

    x: float
    y: float
    kind: str
    colour: str
    radius: float = SIZE


@dataclass(frozen=True)
class Text:
    """Words; `anchor` is start, middle or end; `turned` ones run upwards."""

    x: float
    y: float
    words: str
    anchor: str = "start"
    colour: str = MUTED
    size: float = 11.0
    turned: bool = False


@dataclass(frozen=True)
class Picture:
    """What is drawn, and the names of routes that are not because a figure is missing."""

    shapes: tuple[Line | Mark | Text, ...]
    absent: tuple[str, ...]


@dataclass(frozen=True)
class _Point:
    route: Named
    cost: float
    value: float
    low: float
    high: float


def picture(routes: Sequence[Named], words: Words) -> Picture | None:
    """The picture by accuracy on the user's own questions, else by bits per byte, else on the self-made exam; None without a point."""
    for quality in ("own", "bpb", "accuracy"):
        currency = next(
            (r.line.cost_per_1000.currency for r in routes if _drawable(r, quality) and r.line.cost_per_1000), ""
        )
        points = [_point(route, quality) for route in routes if _drawable(route, quality, currency)]
        if points:
            drawn = {id(point.route) for point in points}
            absent = tuple(route.full for route in routes if id(route) not in drawn)
            return Picture(tuple(_shapes(points, quality, currency, words)), absent)
    return None


def _drawable(route: Named, quality: str, currency: str = "") -> bool:
    cost = route.line.cost_per_1000
    known = cost is not None and cost.nano > 0 and currency in ("", cost.currency)
    return known and getattr(route.line, quality) is not None


def _point(route: Named, quality: str) -> _Point:
    line, cost = route.line, route.line.cost_per_1000
    value = getattr(line, quality)
    assert cost is not None and value is not None, "only drawable routes have points"
    if quality == "own":
        low, high = (line.own_low, line.own_high)
    else:
        half = Z95 * (getattr(line, f"{quality}_se") or 0.0)
        low, high = value - half, value + half
    scale = 1.0 if quality == "bpb" else 100.0
    ends = (value if low is None else low, value if high is None else high)
    return _Point(route, cost.nano / NANO, scale * value, scale * ends[0], scale * ends[1])


@dataclass(frozen=True)
class _Axes:
    """From figures to the plane: cost as its logarithm, quality upwards (bits per byte downwards: fewer are better)."""

    least: float
    most: float
    bottom: float
    top: float

    def x(self, cost: float) -> float:
        share = (math.log10(cost) - self.least) / (self.most - self.least)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        share = (value - self.bottom) / (self.top - self.bottom)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def _shapes(points: Sequence[_Point], quality: str, currency: str, words: Words) -> Iterator[Line | Mark | Text]:
    axes = _axes(points, quality)
    yield from _grid(axes, quality, currency, words)
    places = _side_by_side([axes.x(point.cost) for point in points])
    taken: list[Box] = []
    for point, x in zip(points, places, strict=True):
        colour = COLOURS[point.route.line.route]
        y, low, high = (axes.y(value) for value in (point.value, point.low, point.high))
        for end in (low, high):
            yield Line(x - 4, end, x + 4, end, colour, 1.4)
        yield Line(x, low, x, high, colour, 1.4)
        yield Mark(x, y, "square" if point.route.line.files else "disc", colour)
        if point.route.line.recommended:
            yield Mark(x, y, "ring", INK, SIZE + 4.5)
        taken += [Box(x - 5, min(low, high), x + 5, max(low, high)), Box(x - 11, y - 11, x + 11, y + 11)]
    yield from _labels(points, places, axes, taken)


def _labels(points: Sequence[_Point], places: Sequence[float], axes: _Axes, taken: list[Box]) -> Iterator[Line | Text]:
    frame = Box(LEFT + 2, TOP, WIDTH - 2, HEIGHT - BOTTOM - 2)
    for point, x in zip(points, places, strict=True):
        name, y = point.route.full, axes.y(point.value)
        box = place(x, y, text_width(name, 11.0), 13.0, frame, taken)
        taken.append(box)
        near_x, near_y = min(max(x, box.x1), box.x2), min(max(y, box.y1), box.y2)
        if math.hypot(near_x - x, near_y - y) > 16:
            yield Line(x, y, near_x, near_y, MUTED, 0.6)
        yield Text(box.x1, box.y2 - 3, name, colour=INK)


def _axes(points: Sequence[_Point], quality: str) -> _Axes:
    logs = [math.log10(point.cost) for point in points]
    room = max(0.15, 0.12 * (max(logs) - min(logs)))
    if quality != "bpb":
        top = min(100.0, 10 * math.ceil((max(p.high for p in points) + 1) / 10))
        bottom = max(0.0, 10 * math.floor((min(p.low for p in points) - 1) / 10))
        return _Axes(min(logs) - room, max(logs) + room, bottom, top)
    low, high = min(point.low for point in points), max(point.high for point in points)
    more = 0.08 * (high - low) or 0.1
    return _Axes(min(logs) - room, max(logs) + room, high + more, low - more)


def _grid(axes: _Axes, quality: str, currency: str, words: Words) -> Iterator[Line | Text]:
    floor, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    for value in _ticks(min(axes.bottom, axes.top), max(axes.bottom, axes.top)):
        y = axes.y(value)
        yield Line(LEFT, y, right, y, GRID)
        yield Text(LEFT - 7, y + 4, f"{value:g}" + (" %" if quality != "bpb" else ""), "end")
    for cost in _costs(axes.least, axes.most):
        x = axes.x(cost)
        yield Line(x, TOP, x, floor, GRID)
        yield Text(x, floor + 16, money(Money(nano=round(cost * NANO), currency=currency)).split()[0], "middle")
    yield Line(LEFT, floor, right, floor, MUTED)
    yield Text((LEFT + right) / 2, HEIGHT - 10, f"{words('per_1000')} ({currency})", "middle", size=12.0)
    yield Text(14, (TOP + floor) / 2, words(quality), "middle", size=12.0, turned=True)


def _ticks(low: float, high: float) -> list[float]:
    """Round values between `low` and `high`, about six.

    >>> _ticks(0, 100)
    [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]
    """
    rough = (high - low) / 6
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(nice * power for nice in (1, 2, 5, 10) if nice * power >= rough)
    return [round(n * step, 9) for n in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _costs(least: float, most: float) -> list[float]:
    """1, 2 and 5 times the powers of ten between two logarithms; powers alone where those are many.

    >>> _costs(-1.0, 0.5)
    [0.1, 0.2, 0.5, 1.0, 2.0]
    """
    digits = (1, 2, 5) if most - least < 2.5 else (1,)
    every = [digit * 10.0**power for power in range(math.floor(least), math.ceil(most) + 1) for digit in digits]
    return [cost for cost in every if least - 1e-9 <= math.log10(cost) <= most + 1e-9]


def _side_by_side(places: Sequence[float]) -> list[float]:
    """The same order, those nearer to each other than APART spread around their middle.

    >>> _side_by_side([100.0, 100.0, 300.0])
    [92.5, 107.5, 300.0]
    """
    order = sorted(range(len(places)), key=lambda number: places[number])
    groups: list[list[int]] = []
    for number in order:
        near = groups and places[number] - places[groups[-1][-1]] < APART
        groups[-1].append(number) if near else groups.append([number])
    found = list(places)
    for group in groups:
        middle = sum(places[number] for number in group) / len(group)
        for rank, number in enumerate(group):
            found[number] = middle + (rank - (len(group) - 1) / 2) * APART
    return found
