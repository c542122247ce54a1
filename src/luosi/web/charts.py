"""Options for ECharts: the routes as quality against cost with error bars. Pure data, no page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from luosi.cost import NANO
from luosi.web.routes import COLOURS, Named

MUTED, LINE = "#5c6b7a", "#e3e8ee"
Z95 = 1.959963984540054
SIDE_BY_SIDE = 0.07
"""Share of the cost axis within which two marks would cover each other on a phone."""
MARK_PX, ASIDE_PX, MARGIN = 22, 24, 1.6
BAR = """(params, api) => {
  const low = api.coord([api.value(0), api.value(1)]), high = api.coord([api.value(0), api.value(2)]), w = 5;
  const aside = api.value(3), x = low[0] + aside;
  const line = (x1, y1, x2, y2) => ({type: "line", shape: {x1, y1, x2, y2}, style: {stroke: api.visual("color"), lineWidth: 1.5}});
  return {type: "group", children: [line(x, low[1], x, high[1]), line(x - w, low[1], x + w, low[1]), line(x - w, high[1], x + w, high[1])]};
}"""
SCALE = {"own": 100, "accuracy": 100, "bpb": 1}
"""Qualities that can be drawn, with what they are multiplied by."""


def axis(name: str, **more: object) -> dict[str, Any]:
    """A value axis with its title beside it, in the pages' colours."""
    return {
        "type": "value", "name": name, "nameLocation": "middle", "nameTextStyle": {"color": MUTED, "fontSize": 12}, "nameTruncate": {"maxWidth": 240},
        "axisLabel": {"color": MUTED, "hideOverlap": True}, "splitLine": {"lineStyle": {"color": LINE}},
        "axisLine": {"lineStyle": {"color": MUTED}}, **more,
    }  # fmt: skip


def routes(
    rows: Sequence[Named], quality: str, cost: str, titles: Mapping[str, str]
) -> tuple[dict[str, Any], list[Named]]:
    """The routes as lettered marks with 95 % bars; those whose marks would cover each other are drawn side by side.

    Args:
        rows: Of the verdict.
        quality: One of `SCALE`; bits per byte are drawn upside down: better is up.
        cost: "cost_per_1000" or "cost_to_make".
        titles: Axis titles by field, and "level", a pattern for the name of a route without cost.

    Returns:
        The options, and the routes that have no such quality and are not drawn.
    """
    shown = [row for row in rows if row.get(quality) is not None]
    currency = next((row.get(cost)["currency"] for row in shown if row.get(cost)), "")
    priced = [(row, price) for row in shown if (price := _price(row, cost, currency)) is not None]
    prices = [price for _, price in priced]
    series = [
        one
        for (row, price), aside in zip(priced, beside(prices), strict=True)
        for one in _mark(row, quality, price, aside)
    ]
    unpriced = [row for row in shown if _price(row, cost, currency) is None]
    series += [one for row in unpriced for one in _level(row, quality, titles["level"])]
    title = titles[quality] + (" (%)" if SCALE[quality] == 100 else "")
    options = {
        "animation": False, "grid": {"left": 62, "right": 28, "top": 20, "bottom": 46},
        "tooltip": {"trigger": "item", "renderMode": "richText", "confine": True},
        "xAxis": _cost_axis(f"{titles[cost]} ({currency})" if currency else titles[cost], prices),
        "yAxis": axis(title, nameGap=42, scale=True, inverse=quality == "bpb"),
        "series": series,
    }  # fmt: skip
    return options, [row for row in rows if row.get(quality) is None]


def bounds(row: Named, quality: str) -> tuple[float, float] | None:
    """The 95 % interval of a quality: the one computed, else by its standard error; None where there is neither."""
    low, high = row.get(f"{quality}_low"), row.get(f"{quality}_high")
    if low is not None and high is not None:
        return float(low), float(high)
    middle, half = row.get(quality), Z95 * (row.get(f"{quality}_se") or 0)
    return (middle - half, middle + half) if half else None


def _price(row: Named, cost: str, currency: str) -> float | None:
    money = row.get(cost)
    return money["nano"] / NANO if money and money["currency"] == currency else None


def beside(prices: Sequence[float]) -> list[int]:
    """Pixels by which each mark is moved sideways, so that marks of about the same price stand side by side.

    >>> beside([1.0, 100.0, 1.01])
    [-12, 0, 12]
    """
    place = math.log if all(price > 0 for price in prices) else float
    spots = sorted((place(price), number) for number, price in enumerate(prices))
    room = SIDE_BY_SIDE * ((spots[-1][0] - spots[0][0]) or 1.0) if spots else 0.0
    moved = [0] * len(prices)
    group: list[int] = []
    for at, (spot, number) in enumerate(spots):
        group.append(number)
        if at + 1 == len(spots) or spots[at + 1][0] - spot > room:
            for rank, member in enumerate(group):
                moved[member] = round((rank - (len(group) - 1) / 2) * ASIDE_PX)
            group = []
    return moved


def _cost_axis(name: str, prices: Sequence[float]) -> dict[str, Any]:
    """Logarithmic, with marks at 1, 2 and 5 times the powers of ten; from 0 on where something costs nothing."""
    if not prices:
        return axis(name, min=0, max=1, axisLabel={"show": False}, axisTick={"show": False}, splitLine={"show": False})
    if min(prices) <= 0:
        return axis(name, nameGap=30, min=0)
    low, high = min(prices) / MARGIN, max(prices) * MARGIN
    ticks = [
        float(f"{step}e{power}")
        for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)))
        for step in (1, 2, 5)
    ]
    ticks = [tick for tick in ticks if low <= tick <= high]
    marks = {"customValues": ticks}
    label = {"color": MUTED, "hideOverlap": True, ":formatter": "(value) => String(+value.toPrecision(3))", **marks}
    return axis(
        name, nameGap=30, type="log", min=low, max=high, axisLabel=label, axisTick=marks, splitLine={"show": False}
    )


def _mark(row: Named, quality: str, price: float, aside: int) -> list[dict[str, Any]]:
    """The letter of a route, and its bar."""
    scale, sign = SCALE[quality], row.sign
    middle, ends = row.get(quality) * scale, bounds(row, quality)
    style = {"name": row.full, "itemStyle": {"color": COLOURS[sign.colour], "opacity": 1}}
    mark = {
        **style, "type": "scatter", "data": [[price, middle]], "symbolSize": MARK_PX, "symbolOffset": [aside, 0], "z": 3,
        "symbol": "roundRect" if sign.files else "circle",
        "label": {"show": True, "formatter": sign.letter, "color": "#fff", "fontWeight": "bold", "fontSize": 12},
    }  # fmt: skip
    if ends is None:
        return [mark]
    bar = {
        **style, "type": "custom", ":renderItem": BAR, "silent": True, "encode": {"x": 0, "y": [1, 2]},
        "data": [[price, ends[0] * scale, ends[1] * scale, aside]],
    }  # fmt: skip
    return [mark, bar]


def _level(row: Named, quality: str, pattern: str) -> list[dict[str, Any]]:
    """A level line where the cost is not known."""
    colour = COLOURS[row.sign.colour]
    line = {"yAxis": row.get(quality) * SCALE[quality], "name": pattern.format(name=row.full)}
    mark = {
        "symbol": "none", "silent": True, "data": [line], "lineStyle": {"type": "dashed", "color": colour},
        "label": {"position": "insideEndTop", "formatter": "{b}", "color": colour},
    }  # fmt: skip
    return [{"name": row.full, "itemStyle": {"color": colour}, "type": "line", "data": [], "markLine": mark}]
