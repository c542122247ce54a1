"""The chain as a picture: an SVG of steps and what feeds them, once in columns for wide screens and once as a list for phones.

Takes the steps of `Workspace.state`; gives markup in which everything foreign is escaped. An arrow that other arrows imply
is left out: a step that reads the corpus and an exam made from it hangs on the exam.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from luosi.web.words import Words

NODE_W, NODE_H, COLUMN_W, ROW_H = 120, 46, 143, 62
LANE_W, LIST_W, MARGIN = 12, 340, 8
CHARACTER_W = 7.25
MARKS = {"hit": "✓", "running": "▶", "resume": "❚❚", "failed": "✕", "killed": "✕", "build": "○"}
ARROW = Markup(
    '<defs><marker id="{}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path d="M0 0 8 4 0 8z" class="tip"/></marker></defs>'
)
NODE = Markup(
    '<g class="node {state}" transform="translate({x} {y})" tabindex="0" role="button" data-step="{number}"'
    ' aria-label="{label}"><title>{label}</title><rect class="box" width="{w}" height="{h}" rx="8"/>'
    '<rect class="bar" x="1" y="{bar_y}" width="{bar_w}" height="3" rx="1.5" style="--share:{share}"/>'
    '<text class="name" x="10" y="19">{name}</text><text class="state" x="10" y="35">{mark} {word}</text></g>'
)
FRAME = Markup(
    '<svg class="chain {kind}" viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="group" aria-label="{label}">{body}</svg>'
)


@dataclass(frozen=True)
class Place:
    """Where a step stands: upper left corner, in pixels."""

    x: float
    y: float


def parents(steps: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """step -> the steps an arrow comes from: its inputs, but for those that another input already rests on.

    >>> parents([{"step": "a", "inputs": []}, {"step": "b", "inputs": ["a"]}, {"step": "c", "inputs": ["a", "b"]}])
    {'a': [], 'b': ['a'], 'c': ['b']}
    """
    names = {step["step"] for step in steps}
    below: dict[str, set[str]] = {}
    kept: dict[str, list[str]] = {}
    for step in steps:  # in running order: inputs come before what they feed
        inputs = [name for name in dict.fromkeys(step["inputs"]) if name in names]
        implied = set().union(*(below.get(name, set()) for name in inputs))
        kept[step["step"]] = [name for name in inputs if name not in implied]
        below[step["step"]] = implied | set(inputs)
    return kept


@dataclass(frozen=True)
class Grid:
    """Columns by depth, counted from the end. A line that skips columns has a row of its own in each, so that it passes no box."""

    depth: dict[str, int]
    rows: dict[tuple[str, int], int]
    """(step, column) -> row: of the step's box in its own column, of its line in later ones."""

    def place(self, step: str, column: int) -> Place:
        """Where the box, or the line of `step`, is in a column."""
        return Place(MARGIN + column * COLUMN_W, MARGIN + self.rows[step, column] * ROW_H)


def grid(arrows: Mapping[str, Sequence[str]]) -> Grid:
    """Every box and line as near to the row of what it comes from as is free."""
    height: dict[str, int] = {}
    for step in reversed(list(arrows)):
        height[step] = 1 + max((height[name] for name, inputs in arrows.items() if step in inputs), default=-1)
    deepest = max(height.values(), default=-1)
    depth = {step: deepest - height[step] for step in arrows}
    lines = {
        (name, column)
        for step, inputs in arrows.items()
        for name in inputs
        for column in range(depth[name] + 1, depth[step])
    }
    rows: dict[tuple[str, int], int] = {}
    for column in range(deepest + 1):
        wish = {}
        for step, inputs in arrows.items():
            before = [rows[name, column - 1] for name in inputs] if depth[step] == column else []
            if depth[step] == column:
                wish[step, column] = sum(before) / len(before) if before else 0.0
            if (step, column) in lines:
                wish[step, column] = rows[step, column - 1]
        free = 0
        for item in sorted(wish, key=lambda item: wish[item]):
            rows[item] = max(free, int(wish[item]))
            free = rows[item] + 1
    return Grid(depth, rows)


def lanes(arrows: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """For the list: the lane left of it in which each step's line runs down to the last step it feeds; lanes are used again."""
    row = {step: number for number, step in enumerate(arrows)}
    last: dict[str, int] = {}
    for step, inputs in arrows.items():
        for name in inputs:
            last[name] = max(last.get(name, 0), row[step])
    taken: list[int] = []
    lane: dict[str, int] = {}
    for step in (name for name in arrows if name in last):
        spot = next((n for n, until in enumerate(taken) if until <= row[step]), len(taken))
        taken[spot : spot + 1] = [last[step]]
        lane[step] = spot
    return lane


def draw(steps: Sequence[Mapping[str, Any]], words: Words, recipe: str) -> Markup:
    """Both pictures; the style sheet shows the one that fits."""
    arrows = parents(steps)
    label = words("chain_of", recipe=recipe)
    return _wide(steps, arrows, words, label) + _list(steps, arrows, words, label)


def _wide(steps: Sequence[Mapping[str, Any]], arrows: Mapping[str, Sequence[str]], words: Words, label: str) -> Markup:
    places = grid(arrows)
    body = ARROW.format("tip-wide")
    for step, inputs in arrows.items():
        for name in inputs:
            body += Markup('<path class="edge" marker-end="url(#tip-wide)" d="{}"/>').format(_line(places, name, step))
    boxes = {step: places.place(step, places.depth[step]) for step in arrows}
    for number, row in enumerate(steps):
        body += _node(number, row, boxes[row["step"]], NODE_W, words)
    width = max((place.x for place in boxes.values()), default=0) + NODE_W + MARGIN
    height = MARGIN + ROW_H * (1 + max(places.rows.values(), default=0))
    return FRAME.format(kind="wide", w=width, h=height, label=label, body=body)


def _line(places: Grid, start: str, end: str) -> str:
    """An SVG path from box to box, level across the columns between them."""
    path = ""
    bend = (COLUMN_W - NODE_W) * 0.7
    for column in range(places.depth[start], places.depth[end]):
        here = places.place(start, column)
        last = column + 1 == places.depth[end]
        there = places.place(end if last else start, column + 1)
        x1, y1, x2, y2 = here.x + NODE_W, here.y + NODE_H / 2, there.x - (2 if last else 0), there.y + NODE_H / 2
        path += f"{'L' if path else 'M'}{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"
    return path


def _list(steps: Sequence[Mapping[str, Any]], arrows: Mapping[str, Sequence[str]], words: Words, label: str) -> Markup:
    lane = lanes(arrows)
    gutter = MARGIN + LANE_W * (max(lane.values(), default=-1) + 1) + 6
    pitch = NODE_H + 8
    y_of = {step: MARGIN + number * pitch for number, step in enumerate(arrows)}
    body = ARROW.format("tip-list")
    for step, inputs in arrows.items():
        for name in inputs:
            x = gutter - 6 - LANE_W * (lane[name] + 0.5)
            y1, y2 = y_of[name] + NODE_H - 12, y_of[step] + 14
            path = f"M{gutter} {y1}H{x + 5}Q{x} {y1} {x} {y1 + 5}V{y2 - 5}Q{x} {y2} {x + 5} {y2}H{gutter - 2}"
            body += Markup('<path class="edge" marker-end="url(#tip-list)" d="{}"/>').format(path)
    for number, row in enumerate(steps):
        body += _node(number, row, Place(gutter, y_of[row["step"]]), LIST_W - gutter - MARGIN, words)
    return FRAME.format(kind="list", w=LIST_W, h=MARGIN + len(steps) * pitch, label=label, body=body)


def _node(number: int, step: Mapping[str, Any], place: Place, width: float, words: Words) -> Markup:
    state = step["state"] if step["state"] in MARKS else "resume"
    word = words.state(step["state"])
    return NODE.format(
        state=state, x=place.x, y=place.y, number=number, label=f"{step['step']}: {word}", w=width, h=NODE_H,
        bar_y=NODE_H - 5, bar_w=width - 2, share=round(progress(step), 3), name=clip(step["step"], width),
        mark=MARKS[state], word=word,
    )  # fmt: skip


def progress(step: Mapping[str, Any]) -> float:
    """How much of a step is done, 0 to 1."""
    if step["state"] == "hit":
        return 1.0
    return min(1.0, step["done"] / step["total"]) if step["total"] else 0.0


def clip(name: str, width: float) -> str:
    """A name that fits into a box."""
    room = (width - 18) / CHARACTER_W
    for length, character in enumerate(name):
        room -= 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if room < 0:
            return name[: length - 1] + "…"
    return name
