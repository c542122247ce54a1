"""Quality against money as a picture: each model's rating with its interval over what 1,000 answers cost, and the line of those that
nobody beats in both; and these with their money as a table. Pure: takes what luosi.plan.worth found, gives SVG.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup

from luosi.cost import NANO, Money
from luosi.plan.worth import Line, Worth
from luosi.plan.worth_words import interval, level
from luosi.report.labels import Box, place, text_width
from luosi.web.figures import money
from luosi.web.tables import table, two_lines
from luosi.web.words import Words

TOP, BOTTOM, LEFT, RIGHT = 14.0, 46.0, 54.0, 14.0
SIZES = {"wide": (820.0, 380.0), "list": (350.0, 340.0)}
"""On a desk, and on a phone; the style sheet shows one of them."""
NAMED = 12
"""Up to so many models all are named, beyond it those on the line."""
NAME_CHARS = 26
FAR_PX = 16.0
"""A name farther from its mark is joined to it by a thin line."""


@dataclass(frozen=True)
class Axes:
    """From figures to the plane: money as its logarithm, quality upwards."""

    width: float
    height: float
    least: float
    most: float
    low: float
    high: float

    def x(self, amount: float) -> float:
        """Of money in units."""
        share = (math.log10(amount) - self.least) / (self.most - self.least)
        return LEFT + share * (self.width - LEFT - RIGHT)

    def y(self, rating: float) -> float:
        """Of a rating."""
        return TOP + (self.high - rating) / (self.high - self.low) * (self.height - TOP - BOTTOM)


def pictures(found: Worth, words: Words) -> Markup:
    """Both sizes; "" where no two models can be compared."""
    lines = [
        line
        for line in found.compared
        if line.per_1000 is not None and line.per_1000.nano > 0 and line.entry.rating is not None
    ]
    if len(lines) < 2:
        return Markup("")
    return Markup("").join(_picture(lines, found, size, words) for size in SIZES)


def figures(found: Worth, words: Words) -> Markup:
    """What those on the line cost, the cheapest first; "" where there are none."""
    rows = [
        [
            Markup("<bdi>{}</bdi>").format(line.entry.model),
            two_lines(level(line.entry.rating or 0.0, found.scale), interval(line, found.scale)),
            *(money(amount.model_dump() if amount else None) for amount in (line.month, line.per_1000, line.per_million)),
        ]
        for line in found.frontier
    ]  # fmt: skip
    heads = [words(key) for key in ("model", "rating", "all_costs_month", "all_costs_1000", "all_costs_million")]
    return table(words("nobody_beats"), heads, rows) if rows else Markup("")


def _picture(lines: Sequence[Line], found: Worth, size: str, words: Words) -> Markup:
    axes = _axes(lines, *SIZES[size])
    body = Markup("").join([*_grid(axes, found.currency, words), _frontier(lines, axes), *_marks(lines, found, axes)])
    return Markup('<svg class="frontier {}" viewBox="0 0 {:.0f} {:.0f}" role="img" aria-label="{}">{}</svg>').format(
        size,
        axes.width,
        axes.height,
        words("frontier_of", names=", ".join(line.entry.model[:NAME_CHARS] for line in found.frontier)),
        body,
    )


def _units(line: Line) -> float:
    assert line.per_1000 is not None, "only lines with a price are drawn"
    return line.per_1000.nano / NANO


def _ends(line: Line) -> tuple[float, float, float]:
    rating = line.entry.rating or 0.0
    return (
        (rating if line.entry.low is None else line.entry.low),
        rating,
        (rating if line.entry.high is None else line.entry.high),
    )


def _axes(lines: Sequence[Line], width: float, height: float) -> Axes:
    logs = [math.log10(_units(line)) for line in lines]
    room = max(0.2, 0.1 * (max(logs) - min(logs)))
    low, high = min(_ends(line)[0] for line in lines), max(_ends(line)[2] for line in lines)
    more = 0.06 * (high - low) or 10.0
    return Axes(width, height, min(logs) - room, max(logs) + room, low - more, high + more)


def _grid(axes: Axes, currency: str, words: Words) -> Iterator[Markup]:
    floor, right = axes.height - BOTTOM, axes.width - RIGHT
    line = Markup('<line class="grid" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>')
    text = Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>')
    for rating in _ratings(axes.low, axes.high):
        yield line.format(LEFT, axes.y(rating), right, axes.y(rating)) + text.format(
            LEFT - 6, axes.y(rating) + 4, "end", f"{rating:g}"
        )
    for amount in _amounts(axes.least, axes.most, 4 if axes.width < 500 else 9):
        shown = money(Money(nano=round(amount * NANO), currency=currency).model_dump()).rsplit(" ", 1)[0]
        yield line.format(axes.x(amount), TOP, axes.x(amount), floor) + text.format(
            axes.x(amount), floor + 16, "middle", shown
        )
    yield text.format((LEFT + right) / 2, axes.height - 8, "middle", f"{words('all_costs_1000')} ({currency})")
    turned = Markup('<text transform="translate(13 {:.1f}) rotate(-90)" text-anchor="middle">{}</text>')
    yield turned.format((TOP + floor) / 2, words("rating"))


def _frontier(lines: Sequence[Line], axes: Axes) -> Markup:
    """Steps from the cheapest to the best."""
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in _corners(lines, axes))
    return Markup('<polyline class="edge best" points="{}"/>').format(points)


def _corners(lines: Sequence[Line], axes: Axes) -> list[tuple[float, float]]:
    return sorted((axes.x(_units(line)), axes.y(line.entry.rating or 0.0)) for line in lines if line.frontier)


def _along(corners: Sequence[tuple[float, float]]) -> list[Box]:
    """Where the line runs, so that no name lies on it."""
    found = []
    for (x1, y1), (x2, y2) in pairwise(corners):
        steps = max(1, int(math.hypot(x2 - x1, y2 - y1) / 8))
        for step in range(steps + 1):
            x, y = x1 + (x2 - x1) * step / steps, y1 + (y2 - y1) * step / steps
            found.append(Box(x - 4, y - 2, x + 4, y + 2))
    return found


def _marks(lines: Sequence[Line], found: Worth, axes: Axes) -> Iterator[Markup]:
    bar = Markup(
        '<path class="{}" d="M{x:.1f} {low:.1f}V{high:.1f}M{a:.1f} {low:.1f}H{b:.1f}M{a:.1f} {high:.1f}H{b:.1f}"/><circle class="{}" cx="{x:.1f}" cy="{y:.1f}" r="{}"><title>{}</title></circle>'
    )
    taken = _along(_corners(lines, axes))
    spots = []
    for line in lines:
        x, (low, middle, high) = axes.x(_units(line)), (axes.y(end) for end in _ends(line))
        kind, reach = "on" if line.frontier else "off", 14 if line is found.choice else 9
        spots.append((line, x, middle))
        taken += [Box(x - 4, high, x + 4, low), Box(x - reach, middle - reach, x + reach, middle + reach)]
        yield bar.format(
            kind,
            kind,
            6.5 if line is found.choice else 5,
            line.entry.model,
            x=x,
            y=middle,
            low=low,
            high=high,
            a=x - 4,
            b=x + 4,
        )
        if line is found.choice:
            yield Markup('<circle class="ring" cx="{:.1f}" cy="{:.1f}" r="11"/>').format(x, middle)
    frame = Box(LEFT + 2, TOP, axes.width - 2, axes.height - BOTTOM - 2)
    for line, x, y in spots:
        if not line.frontier and len(lines) > NAMED:
            continue
        name = line.entry.model if len(line.entry.model) <= NAME_CHARS else line.entry.model[: NAME_CHARS - 1] + "…"
        box = place(x, y, text_width(name, 12.0), 14.0, frame, taken)
        taken.append(box)
        near_x, near_y = min(max(x, box.x1), box.x2), min(max(y, box.y1), box.y2)
        if math.hypot(near_x - x, near_y - y) > FAR_PX:
            yield Markup('<line class="grid" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>').format(
                x, y, near_x, near_y
            )
        yield Markup('<text class="label" x="{:.1f}" y="{:.1f}">{}</text>').format(box.x1, box.y2 - 3, name)


def _ratings(low: float, high: float) -> list[float]:
    """Round values, about five.

    >>> _ratings(940, 1180)
    [950.0, 1000.0, 1050.0, 1100.0, 1150.0]
    """
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(nice * power for nice in (1, 2, 5, 10) if nice * power >= rough)
    return [round(n * step, 6) for n in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _amounts(least: float, most: float, count: int) -> list[float]:
    """1, 2 and 5 times the powers of ten between two logarithms, fewer digits of them where there are more than `count`.

    >>> _amounts(-1.0, 0.5, 9)
    [0.1, 0.2, 0.5, 1.0, 2.0]
    """
    found: list[float] = []
    for digits in ((1, 2, 5), (1, 3), (1,)):
        every = [digit * 10.0**power for power in range(math.floor(least), math.ceil(most) + 1) for digit in digits]
        found = [amount for amount in every if least - 1e-9 <= math.log10(amount) <= most + 1e-9]
        if len(found) <= count:
            break
    return found
