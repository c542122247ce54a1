"""What a step reported, as curves: which of its metrics are drawn, put in order, thinned for the screen, smoothed. Pure data, no page.

The smoothed line is made from all points given, and a thinned one keeps the highest and the lowest of what it leaves out, so that
a spike is still seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import Any

from luosi.web.charts import axis
from luosi.web.figures import large, short
from luosi.web.routes import COLOURS

MAX_POINTS = 400
SMOOTHED_SHARE = 0.04
"""Width of the window of the running mean, as a share of all points."""
FEWEST = 20
"""Points below which nothing is smoothed."""
SAME = {"bpb": "loss", "flop_per_s": "tokens_per_s", "mfu": "tokens_per_s"}
"""Curves that look like another one: drawn only where that is not; their figures are told beside the progress."""

Points = Sequence[Sequence[float]]


def drawn(metrics: Mapping[str, Points]) -> dict[str, Points]:
    """The curves worth drawing, losses first, at most four, each in order; see `in_order`."""
    there = {name: points for name, points in metrics.items() if points}
    shown = [name for name in there if SAME.get(name) not in there]
    shown.sort(key=lambda name: ("loss" not in name, name))
    return {name: in_order(there[name]) for name in shown[:4]}


def in_order(points: Points) -> Points:
    """The points by work done, without what a kill or a rollback lost and was done again.

    >>> in_order([[1, 3.0], [2, 2.5], [3, 9.0], [2, 2.5], [3, 2.2]])
    [[1, 3.0], [2, 2.5], [3, 2.2]]
    """
    kept: list[Sequence[float]] = []
    for point in reversed(points):
        if not kept or point[0] < kept[-1][0]:
            kept.append(point)
    return kept[::-1]


def thinned(points: Points, most: int = MAX_POINTS) -> list[list[float]]:
    """At most `most` of the points: of each stretch the lowest and the highest, and the last of all."""
    if len(points) <= most:
        return [list(point) for point in points]
    size = math.ceil(2 * (len(points) - 1) / (most - 1))
    kept: list[list[float]] = []
    for begin in range(0, len(points) - 1, size):
        stretch = range(begin, min(begin + size, len(points) - 1))
        ends = {min(stretch, key=lambda at: points[at][1]), max(stretch, key=lambda at: points[at][1])}
        kept += [list(points[at]) for at in sorted(ends)]
    return [*kept, list(points[-1])]


def smoothed(points: Points) -> list[list[float]]:
    """The running mean over `SMOOTHED_SHARE` of all points, centred; [] for too few points.

    It is narrower at the steep beginning; at the end, where the future is not known, it is the mean of what is.
    """
    count = len(points)
    if count < FEWEST:
        return []
    sums = [0.0, *accumulate(value for _, value in points)]
    half = max(2, round(SMOOTHED_SHARE * count / 2))
    means = []
    for at, (done, _) in enumerate(points):
        begin, end = max(0, at - half), min(at + min(half, at), count - 1) + 1
        means.append([done, (sums[end] - sums[begin]) / (end - begin)])
    stride = math.ceil(count / MAX_POINTS)
    return means[::-1][::stride][::-1]


def curve(name: str, points: Points, unit: str, smooth_name: str = "") -> dict[str, Any]:
    """Options for ECharts: one metric over the work done, as it came and, over that, smoothed.

    Args:
        name: The axis's title.
        points: [done, value], in order.
        unit: Of the work done.
        smooth_name: What the smoothed line is called.
    """
    mean, raw = smoothed(points), thinned(points)
    faint = {"width": 1, "opacity": 0.4} if mean else {"width": 2}
    series = [
        {
            "type": "line", "name": name, "data": raw, "showSymbol": len(raw) < 2, "lineStyle": faint,
            "itemStyle": {"color": COLOURS[0], "opacity": 0.4 if mean else 1},
        },
        {
            "type": "line", "name": smooth_name, "data": mean, "showSymbol": False, "lineStyle": {"width": 2},
            "itemStyle": {"color": COLOURS[0]},
        },
    ]  # fmt: skip
    return {
        "animation": False, "grid": {"left": 62, "right": 18, "top": 14, "bottom": 44},
        "tooltip": {"trigger": "axis", "renderMode": "richText", "confine": True, ":valueFormatter": "(value) => String(+Number(value).toPrecision(4))"},
        "xAxis": axis(unit, nameGap=28, splitLine={"show": False}),
        "yAxis": axis(name, nameGap=46, scale=True),
        "series": series,
    }  # fmt: skip


def now(metrics: Mapping[str, Points]) -> dict[str, str]:
    """The latest value of every metric, as people read it.

    >>> now({"mfu": [[1, 0.3384]], "loss": [[1, 3.41234]], "flop_per_s": [[1, 1.28e11]], "arms": [[1, 3]]})
    {'loss': '3.412', 'flop_per_s': '128 GFLOP/s', 'mfu': '34 %', 'arms': '3'}
    """
    latest = {name: points[-1][1] for name, points in metrics.items() if points}
    known = [name for name in FIGURES if name in latest]
    return {name: FIGURES.get(name, short)(latest[name]) for name in [*known, *(n for n in latest if n not in FIGURES)]}


FIGURES: dict[str, Callable[[float], str]] = {
    "loss": lambda value: f"{value:.3f}",
    "bpb": lambda value: f"{value:.3f}",
    "tokens_per_s": lambda value: f"{value:,.0f}",
    "flop_per_s": lambda value: large(value, "FLOP/s"),
    "mfu": lambda value: f"{value * 100:.{int(value < 0.1)}f} %",
}
