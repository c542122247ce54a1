"""The pages' parts that need no browser: both languages, the chain's drawing, figures, charts; hostile text stays text."""

from __future__ import annotations

import re
import string
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luosi.web import chain, charts, figures
from luosi.web.tables import badge, table, two_lines
from luosi.web.words import LANGUAGES, WORDS, Words
from tests.web_example import CHAIN, HOSTILE, IMAGE, ROUTES, Example

SOURCES = "\n".join(path.read_text() for path in Path(chain.__file__).parent.glob("*.py"))


def fields(text: str) -> set[str | None]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("key", WORDS)
def test_every_text_is_there_in_both_languages_with_the_same_blanks(key: str) -> None:
    texts = WORDS[key]
    assert len(texts) == len(LANGUAGES) and all(texts)
    assert fields(texts[0]) == fields(texts[1])
    assert re.search("[一-鿿]", texts[1]) or fields(texts[1]), "the Chinese text has no Chinese in it"


def test_the_pages_use_no_word_that_is_not_there() -> None:
    used = set(re.findall(r"""words\(\s*["'](\w+)["']""", SOURCES))
    assert used and used <= set(WORDS)


def step(name: str, inputs: list[str], state: str = "build") -> dict[str, Any]:
    return {"step": name, "inputs": inputs, "state": state, "done": 0, "total": 0}


@st.composite
def graphs(draw: st.DrawFn) -> list[dict[str, Any]]:
    names = [f"s{number}" for number in range(draw(st.integers(0, 12)))]
    return [
        step(name, draw(st.lists(st.sampled_from(names[:n]), max_size=4)) if n else []) for n, name in enumerate(names)
    ]


def reachable(arrows: dict[str, list[str]], start: str) -> set[str]:
    return set(arrows[start]).union(*(reachable(arrows, name) for name in arrows[start]))


@settings(deadline=None)
@given(graphs())
def test_left_out_arrows_are_implied_and_nothing_overlaps(steps: list[dict[str, Any]]) -> None:
    arrows = chain.parents(steps)
    for one in steps:
        assert reachable(arrows, one["step"]) >= set(one["inputs"])
    grid = chain.grid(arrows)
    assert len({(column, row) for (_, column), row in grid.rows.items()}) == len(grid.rows)
    assert all(grid.depth[name] < grid.depth[one] for one, inputs in arrows.items() for name in inputs)
    row, lane = {name: number for number, name in enumerate(arrows)}, chain.lanes(arrows)
    spans = [(lane[s], row[s], max(row[t] for t, inputs in arrows.items() if s in inputs)) for s in lane]
    for place, (its_lane, start, end) in enumerate(spans):
        assert all(other != its_lane or a >= end or b <= start for other, a, b in spans[place + 1 :])


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_drawing_is_well_formed_whatever_the_names(language: Any) -> None:
    steps = [step(f"{IMAGE}{name}{HOSTILE}]]>&", inputs, state) for name, _, state, inputs in CHAIN]
    drawing = str(chain.draw(steps, Words(language), HOSTILE))
    root = ElementTree.fromstring(f"<both>{drawing}</both>")
    assert {element.tag for element in root.iter()} <= {
        "both",
        "svg",
        "defs",
        "marker",
        "path",
        "g",
        "title",
        "rect",
        "text",
    }
    assert len(root.findall(".//g")) == 2 * len(steps)
    chain.draw([], Words(language), "")


def test_names_are_clipped_to_their_box() -> None:
    assert chain.clip("score_adapt_q8", chain.NODE_W) == "score_adapt_q8"
    assert chain.clip("a_very_long_step_name", chain.NODE_W).endswith("…")
    assert len(chain.clip("很长的步骤名称很长的步骤名称", chain.NODE_W)) <= 8


def test_tables_escape_what_they_are_given() -> None:
    made = table(HOSTILE, [HOSTILE, HOSTILE], [[HOSTILE, two_lines(HOSTILE, IMAGE)]], [HOSTILE, badge(IMAGE, HOSTILE)])
    assert "<script" not in made and "<img" not in made and made.count("<span") == 2


@given(st.floats(0, 1e30))
def test_any_figure_can_be_shown(value: float) -> None:
    for text in (figures.duration(value), figures.large(value, "J"), figures.share(value - 1)):
        assert re.search(r"\d", text) and "e" not in text


@given(st.integers(-(10**21), 10**21))
def test_any_amount_of_money_can_be_shown(nano: int) -> None:
    assert re.fullmatch(r"-?[\d,]+\.\d+ USD", figures.money({"nano": nano, "currency": "USD"}))


TITLES = {"bpb": "B", "accuracy": "A", "cost_per_1000": "C", "cost_to_make": "M", "level": "{name}"}


@pytest.mark.parametrize("quality", ["bpb", "accuracy"])
@pytest.mark.parametrize("cost", ["cost_per_1000", "cost_to_make"])
def test_the_picture_draws_each_route_once_and_names_the_rest(quality: str, cost: str) -> None:
    options, missing = charts.routes(ROUTES, quality, cost, TITLES)
    drawn = {series["name"] for series in options["series"]}
    assert drawn == {row["model"] for row in ROUTES if row[quality] is not None}
    assert set(missing) == {row["model"] for row in ROUTES} - drawn
    first = next(series for series in options["series"] if series["type"] == "custom")
    low, high = first["data"][0][1:]
    scale = 100 if quality == "accuracy" else 1
    assert (high - low) / 2 == pytest.approx(1.96 * ROUTES[0][f"{quality}_se"] * scale, rel=1e-3)


def test_long_curves_are_thinned_and_keep_their_end() -> None:
    points = [[float(x), 1 / (x + 1)] for x in range(10_001)]
    shown = charts.curve("loss", points, "tokens")["series"][0]["data"]
    assert len(shown) <= charts.MAX_POINTS and shown[-1] == points[-1]


def test_the_example_has_the_shape_the_workspace_gives() -> None:
    state = Example().state("demo")
    assert {"step", "stage", "key", "state", "done", "total", "unit", "inputs", "metrics", "message"} <= set(
        state["steps"][0]
    )
