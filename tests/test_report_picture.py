"""The picture of quality against cost: every route in its place, names that hide nothing, figures as people read them."""

from __future__ import annotations

import doctest
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luosi.report import figures, labels, names, picture, words
from luosi.report.labels import Box, text_width
from luosi.report.names import named
from luosi.report.picture import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Mark, Text
from luosi.report.words import Words
from luosi.stages.verdict.costs import RouteMoney
from tests.test_stages_verdict import usd

EN = Words("en")


def line(number: int, nano: int, own: float, half: float = 0.1) -> RouteMoney:
    return RouteMoney(
        route=("open", "adapt", "rent")[number % 3], model=f"m{number}", step="", arm=f"a{number}", files=number % 2 == 1,
        cost_per_1000=usd(nano), own=own, own_low=max(0.0, own - half), own_high=min(1.0, own + half), recommended=number == 0,
    )  # fmt: skip


@pytest.mark.parametrize("module", [figures, labels, names, picture, words])
def test_examples(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


routes = st.lists(st.tuples(st.integers(1, 10**12), st.floats(0, 1), st.floats(0, 0.4)), min_size=1, max_size=9)


@given(routes)
def test_everything_lies_on_the_sheet(rows: list[tuple[int, float, float]]) -> None:
    lines = [line(number, *row) for number, row in enumerate(rows)]
    drawn = picture.picture(named(lines, EN), EN)
    assert drawn is not None and not drawn.absent
    marks = [shape for shape in drawn.shapes if isinstance(shape, Mark)]
    assert len(marks) == len(rows) + 1, "and a ring around the one taken"
    spread = len(rows) * picture.APART
    for mark in marks:
        assert LEFT - spread <= mark.x <= WIDTH - RIGHT + spread and TOP - 1 <= mark.y <= HEIGHT - BOTTOM + 1


def test_better_is_up_cheaper_is_left_and_equal_costs_stand_side_by_side() -> None:
    lines = [line(0, 10**7, 0.2), line(1, 10**9, 0.9), line(2, 10**9, 0.5), line(3, 10**9 + 1, 0.4)]
    drawn = picture.picture(named(lines, EN), EN)
    assert drawn is not None
    first, _ring, second, third, fourth = (shape for shape in drawn.shapes if isinstance(shape, Mark))
    assert first.x < second.x and first.y > second.y
    assert (first.kind, second.kind) == ("disc", "square")
    assert [round(right.x - left.x, 6) for left, right in ((second, third), (third, fourth))] == [picture.APART] * 2


def test_names_hide_neither_marks_nor_each_other() -> None:
    near = [0.62, 0.63, 0.61, 0.6, 0.64, 0.3, 0.31]
    drawn = picture.picture(named([line(n, 10**8 + n * 10**6, own, 0.12) for n, own in enumerate(near)], EN), EN)
    assert drawn is not None
    texts = [t for t in drawn.shapes if isinstance(t, Text) and t.colour == picture.INK]
    boxes = [Box(t.x, t.y - 10, t.x + text_width(t.words, t.size), t.y + 3) for t in texts]
    marks = [Box(m.x - 5, m.y - 5, m.x + 5, m.y + 5) for m in drawn.shapes if isinstance(m, Mark)]
    assert len(texts) == len(near)
    assert not any(one.overlap(other) for one, other in combinations(boxes, 2))
    assert not any(box.overlap(mark) for box in boxes for mark in marks)


def test_what_cannot_be_drawn_is_named() -> None:
    lines = [line(0, 10**8, 0.5), line(1, 10**8, 0.5).model_copy(update={"cost_per_1000": None})]
    drawn = picture.picture(named(lines, EN), EN)
    assert drawn is not None and drawn.absent == ("B adapted + files",)
    assert picture.picture(named(lines[1:], EN), EN) is None


def test_bits_per_byte_are_drawn_where_nobody_was_asked() -> None:
    blank = {"own": None, "own_low": None, "own_high": None}
    lines = [
        line(n, 10**8, 0.5).model_copy(update={**blank, "bpb": bpb, "bpb_se": 0.01}) for n, bpb in enumerate((0.9, 0.8))
    ]
    drawn = picture.picture(named(lines, EN), EN)
    assert drawn is not None
    worse, _ring, better = (shape for shape in drawn.shapes if isinstance(shape, Mark))
    assert better.y < worse.y, "fewer bits are better, so higher"


def test_routes_of_one_kind_are_told_apart_by_their_models() -> None:
    lines = [line(0, 1, 0.5), line(6, 1, 0.5), line(2, 1, 0.5)]
    assert [route.full for route in named(lines, EN)] == ["A open model: m0", "B open model: m6", "C rented"]
