"""Options for ECharts: curves of a step, and the routes as quality against cost with error bars. Pure data, no page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from luosi.cost import NANO

INK, MUTED, LINE = "#1c2733", "#5c6b7a", "#e3e8ee"
COLOURS = ["#0b63a5", "#c2571a", "#2f7d4f", "#8a4fb5", "#b0892a", "#b23a5c", "#3a8f95"]
Z95 = 1.959963984540054
MAX_POINTS = 400
BAR = """(params, api) => {
  const low = api.coord([api.value(0), api.value(1)]), high = api.coord([api.value(0), api.value(2)]), w = 5;
  const line = (x1, y1, x2, y2) => ({type: "line", shape: {x1, y1, x2, y2}, style: {stroke: api.visual("color"), lineWidth: 1.5}});
  return {type: "group", children: [line(low[0], low[1], high[0], high[1]),
    line(low[0] - w, low[1], low[0] + w, low[1]), line(high[0] - w, high[1], high[0] + w, high[1])]};
}"""


def _axis(name: str, **more: object) -> dict[str, Any]:
    return {
        "type": "value", "name": name, "nameLocation": "middle", "nameTextStyle": {"color": MUTED, "fontSize": 12}, "nameTruncate": {"maxWidth": 240},
        "axisLabel": {"color": MUTED, "hideOverlap": True}, "splitLine": {"lineStyle": {"color": LINE}},
        "axisLine": {"lineStyle": {"color": MUTED}}, **more,
    }  # fmt: skip


def curve(name: str, points: Sequence[Sequence[float]], unit: str) -> dict[str, Any]:
    """One metric over the work done; at most `MAX_POINTS` points, the last one kept."""
    stride = -(-len(points) // MAX_POINTS) or 1
    shown = [list(point) for point in points[::-1][::stride][::-1]]
    return {
        "animation": False, "color": COLOURS, "grid": {"left": 62, "right": 18, "top": 14, "bottom": 44},
        "tooltip": {"trigger": "axis", "renderMode": "richText"},
        "xAxis": _axis(unit, nameGap=28, splitLine={"show": False}),
        "yAxis": _axis(name, nameGap=46, scale=True),
        "series": [{"type": "line", "name": name, "data": shown, "showSymbol": len(shown) < 2, "lineStyle": {"width": 2}}],
    }  # fmt: skip


def routes(
    rows: Sequence[Mapping[str, Any]], quality: str, cost: str, titles: Mapping[str, str]
) -> tuple[dict[str, Any], list[str]]:
    """The routes as points with 95 % bars.

    Args:
        rows: Of the verdict.
        quality: "accuracy" or "bpb" (drawn upside down: better is up).
        cost: "cost_per_1000" or "cost_to_make".
        titles: Axis titles by field, and "level", a pattern for the name of a route without cost.

    Returns:
        The options, and the names of routes that have no such quality and are not drawn.
    """
    shown = [row for row in rows if row[quality] is not None]
    currency = next((row[cost]["currency"] for row in shown if row[cost]), "")
    series: list[dict[str, Any]] = []
    for number, row in enumerate(shown):
        price = row[cost]["nano"] / NANO if row[cost] and row[cost]["currency"] == currency else None
        series += _route(row, quality, price, COLOURS[number % len(COLOURS)], titles["level"])
    prices = [one["data"][0][0] for one in series if one["type"] == "scatter"]
    wide = len(prices) > 1 and min(prices) > 0 and max(prices) / min(prices) > 20
    spread = {"type": "log"} if wide else {"min": 0}
    title = titles[quality] + (" (%)" if quality == "accuracy" else "")
    options = {
        "animation": False, "grid": {"left": 62, "right": 24, "top": 56, "bottom": 46},
        "tooltip": {"trigger": "item", "renderMode": "richText"},
        "legend": {"type": "scroll", "top": 0, "textStyle": {"color": INK}, "icon": "circle"},
        "xAxis": _axis(f"{titles[cost]} ({currency})" if currency else titles[cost], nameGap=30, **spread),
        "yAxis": _axis(title, nameGap=42, scale=True, inverse=quality == "bpb"),
        "series": series,
    }  # fmt: skip
    return options, [row["model"] for row in rows if row[quality] is None]


def _route(row: Mapping[str, Any], quality: str, price: float | None, colour: str, level: str) -> list[dict[str, Any]]:
    """A point and its bar, or a level line where the cost is not known."""
    scale = 100 if quality == "accuracy" else 1
    middle, half = row[quality] * scale, Z95 * (row[f"{quality}_se"] or 0) * scale
    style = {"name": row["model"], "itemStyle": {"color": colour}}
    if price is None:
        mark = {"yAxis": middle, "name": level.format(name=row["model"])}
        return [{**style, "type": "line", "data": [], "markLine": _level(mark, colour)}]
    point = {**style, "type": "scatter", "symbolSize": 11, "data": [[price, middle]]}
    bar = {
        **style, "type": "custom", ":renderItem": BAR, "silent": True, "encode": {"x": 0, "y": [1, 2]},
        "data": [[price, middle - half, middle + half]],
    }  # fmt: skip
    return [point, bar] if half else [point]


def _level(level: dict[str, Any], colour: str) -> dict[str, Any]:
    return {
        "symbol": "none", "silent": True, "data": [level], "lineStyle": {"type": "dashed", "color": colour},
        "label": {"position": "insideEndTop", "formatter": "{b}", "color": colour},
    }  # fmt: skip
