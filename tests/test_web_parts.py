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
from markupsafe import Markup

from luosi.cost import Money
from luosi.errors import InputError
from luosi.serve.feedback import Feedback, Mark
from luosi.web import answer, answered, chain, charts, curves, figures, questions, reply, slider, verdict, volume
from luosi.web.routes import named
from luosi.web.tables import badge, table, two_lines
from luosi.web.texts import WORDS
from luosi.web.words import LANGUAGES, Words
from tests.web_example import CHAIN, HOSTILE, IMAGE, ROUTES, Example, race_answers, race_report

SOURCES = "\n".join(path.read_text() for path in Path(chain.__file__).parent.glob("*.py"))
EN, ZH = Words("en"), Words("zh")


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


TITLES = {"own": "O", "bpb": "B", "accuracy": "A", "cost_per_1000": "C", "cost_to_make": "M", "level": "{name}"}
RACED = named(race_report().model_dump(mode="json")["routes"], EN)


@pytest.mark.parametrize("quality", ["bpb", "accuracy"])
@pytest.mark.parametrize("cost", ["cost_per_1000", "cost_to_make"])
def test_the_picture_draws_each_route_once_and_names_the_rest(quality: str, cost: str) -> None:
    rows = named(ROUTES, EN)
    options, missing = charts.routes(rows, quality, cost, TITLES)
    drawn = {series["name"] for series in options["series"]}
    assert drawn == {row.full for row in rows if row.get(quality) is not None}
    assert {row.full for row in missing} == {row.full for row in rows} - drawn
    first = next(series for series in options["series"] if series["type"] == "custom")
    low, high = first["data"][0][1:3]
    scale = 100 if quality == "accuracy" else 1
    assert (high - low) / 2 == pytest.approx(1.96 * ROUTES[0][f"{quality}_se"] * scale, rel=1e-3)


def test_own_accuracy_is_drawn_with_its_own_interval_on_a_logarithmic_axis() -> None:
    options, missing = charts.routes(RACED, "own", "cost_per_1000", TITLES)
    bars = {one["name"]: one["data"][0] for one in options["series"] if one["type"] == "custom"}
    assert missing == [] and len(bars) == len(RACED) == 6
    for row in RACED:
        price, low, high, _ = bars[row.full]
        money = row.get("cost_per_1000")["nano"] / 1e9
        assert (price, low, high) == pytest.approx((money, 100 * row.get("own_low"), 100 * row.get("own_high")))
        assert options["xAxis"]["min"] < price < options["xAxis"]["max"]
    assert options["xAxis"]["type"] == "log" and len(options["xAxis"]["axisTick"]["customValues"]) >= 2


@given(st.lists(st.floats(1e-9, 1e6), min_size=1, max_size=8))
def test_marks_of_one_price_stand_side_by_side_in_order(prices: list[float]) -> None:
    aside = charts.beside(prices)
    for price in set(prices):
        same = [aside[n] for n, other in enumerate(prices) if other == price]
        assert sorted(set(same)) == same
    options = charts._cost_axis("cost", prices)
    assert options["min"] < min(prices) and options["max"] > max(prices)


def test_routes_are_told_apart_without_colour() -> None:
    signs = [row.sign for row in RACED]
    assert [sign.letter for sign in signs] == list("ABCDEF") and [sign.files for sign in signs] == [False, True] * 3
    assert [row.name for row in RACED[:2]] == ["open model", "open model + files"]
    assert [row.name for row in named(ROUTES, ZH)] == [row["model"] for row in ROUTES]
    hostile = named([{"route": IMAGE, "model": HOSTILE, "files": True, "arm": "a", "note": IMAGE}], ZH)
    assert "<img" not in verdict.key_of_signs(hostile) and "<script" not in verdict.key_of_signs(hostile)


def usd(nano: int) -> Money:
    return Money(nano=nano, currency="USD")


AMOUNT = st.integers(0, 10**15)


@given(AMOUNT, AMOUNT, AMOUNT, AMOUNT, st.integers(1, 1_000_000))
def test_a_route_pays_from_the_first_volume_whose_year_is_no_dearer(
    make: int, own: int, rent_make: int, rent: int, per_day: int
) -> None:
    def dearer(per_day: int) -> bool:
        return (make - rent_make) * volume.ANSWERS > (rent - own) * per_day * volume.DAYS

    pays = volume.pays_from(usd(make), usd(own), usd(rent_make), usd(rent))
    if pays is None:
        assert rent <= own
    else:
        assert not dearer(pays) and (pays == 1 or dearer(pays - 1))
    year = volume.first_year(usd(make), usd(own), per_day)
    assert year is not None  # in whole numbers: a float has 53 bits
    assert 0 <= (year.nano - make) * volume.ANSWERS - own * per_day * volume.DAYS < 2 * volume.ANSWERS


def test_the_cheapest_changes_with_the_volume_and_other_currencies_are_not_compared() -> None:
    rows: list[dict[str, Any]] = [
        {"route": "open", "model": "free to make", "cost_to_make": money(0), "cost_per_1000": money(10**9), "latency_s": 10.0},
        {"route": "adapt", "model": "dear to make", "cost_to_make": money(10**12), "cost_per_1000": money(10**6)},
        {"route": "rent", "model": "elsewhere", "cost_to_make": money(0, "EUR"), "cost_per_1000": money(1, "EUR")},
        {"route": "baseline", "model": "xz", "cost_to_make": money(0), "cost_per_1000": None},
    ]  # fmt: skip
    routes = named(rows, EN)
    few, many = volume.costs(routes, 1), volume.costs(routes, 1_000_000)
    assert [line.route.name for line in few] == ["free to make", "dear to make", "elsewhere"]
    cheap = [volume.cheapest(lines) for lines in (few, many)]
    assert [line.route.name for line in cheap if line] == ["free to make", "dear to make"]
    assert [line.pays_from for line in few] == [None, None, None]
    assert many[0].machines == 116 and few[0].machines == 1 and many[1].machines is None
    assert "116" in slider.volume_table(many, EN) and "<td" in slider.volume_table(few, ZH)
    assert volume.VOLUMES[0] == 1 and volume.VOLUMES[-1] == 1_000_000 and list(volume.VOLUMES) == sorted(volume.VOLUMES)


def money(nano: int, currency: str = "USD") -> dict[str, Any]:
    return {"nano": nano, "currency": currency}


def test_the_sentences_name_the_cheapest_and_the_best() -> None:
    lines = volume.costs(RACED, 1000)
    said = slider.cheapest_sentences(lines, 1000, EN)
    assert "A open model" in said and "22 %" in said and "F rented + files" in said and "72 %" in said
    assert "不计质量" in slider.cheapest_sentences(volume.costs(named(ROUTES, ZH), 1000), 1000, ZH)


def test_answers_are_counted_by_kind_and_a_persons_word_comes_first() -> None:
    asked = race_answers()
    made = answered.rounds(asked, [], [])
    kinds = answered.kinds("rent_files")
    counts = {kind: sum(map(fits, made)) for kind, fits in kinds.items()}
    assert counts["all"] == len(made) == 500 and 0 < counts["differ"] < 500
    wrong = [one for one in made if kinds["best_wrong"](one)]
    assert counts["unanswered"] == sum(any(a.trouble for a in row["answers"]) for row in asked)
    one, text = wrong[0], wrong[0].answers["rent_files"].text
    mark = Mark("rent_files", one.question.id, True, text, "", "2026-11-22")
    stale = Mark("open_files", one.question.id, True, "another answer", "", "2026-11-22")
    unknown = Mark("open", "own/none", True, "", "", "2026-11-22")
    again = answered.rounds(asked, [mark, stale, unknown], [])
    assert sum(map(kinds["best_wrong"], again)) == counts["best_wrong"] - 1
    assert again[one.number - 1].marks == {"rent_files": True}


def test_the_judge_is_held_against_people_where_both_decided() -> None:
    asked = race_answers()
    judged = next(row for row in asked if all(one.judgement for one in row["answers"]))
    marks = [
        Mark(one.arm, judged["question"].id, not one.judgement.first if n == 0 else one.judgement.first, "", "", "")
        for n, one in enumerate(judged["answers"])
    ]
    name, found = answered.judge_and_people(answered.rounds(asked, marks, []))
    assert name == "judge-large" and found.n == len(marks) and found.share == pytest.approx(1 - 1 / len(marks))
    assert answered.judge_and_people(answered.rounds(asked, [], []))[1].n == 0


def test_an_answer_says_what_became_of_it_and_stays_text() -> None:
    one = answered.rounds(race_answers(), [], [])[0]
    hostile = one.answers["open"].model_copy(update={"trouble": IMAGE, "text": ""})
    assert words_of(answer.mark_badge(None, None, EN)) == "not asked"
    assert words_of(answer.mark_badge(hostile, None, EN)) == "✕ not answered"
    assert words_of(answer.mark_badge(hostile, True, ZH)) == "✓ 正确（人工判定）"
    partly = one.answers["open"].model_copy(update={"mark": 0.4})
    assert words_of(answer.mark_badge(partly, None, EN)) == "✕ 40 % right"
    shown = answer.strip(named([{"route": IMAGE, "model": "m", "arm": "open"}], EN), one, EN)
    assert "<img" not in shown and "right" in shown


def words_of(markup: Markup) -> str:
    return markup.striptags()


def test_passages_of_another_shape_are_left_out() -> None:
    good = {"number": 1, "file": "a.pdf", "page": 2, "heading": "", "text": "t", "cited": True}
    given = [good, {"number": "x"}, "no", {**good, "unknown": 1}]
    assert [one.place for one in reply.passages_of({"luosi": {"passages": given}})] == ["a.pdf, p. 2"]
    assert [reply.passages_of(chunk) for chunk in ({}, {"luosi": 3}, {"luosi": {"passages": {}}})] == [[], [], []]


@pytest.mark.parametrize(
    "name", ["q.jsonl", "../../etc/q.jsonl", "..", "", "a\0b.jsonl", "题.jsonl", "x" * 300 + ".jsonl"]
)
def test_an_uploaded_file_may_be_called_anything(tmp_path: Path, name: str) -> None:
    content = b'{"question": "Who?", "answer": "me"}\n{"question": "", "answer": "x"}\n'
    with Feedback(tmp_path / "accounts.db") as feedback:
        if name.endswith(".jsonl"):
            done = questions.import_file(feedback, name, content)
            assert (done.added, len(done.refused)) == (1, 1)
            assert questions.import_file(feedback, name, content).same == 1
        else:
            with pytest.raises(InputError, match="JSONL"):
                questions.import_file(feedback, name, content)


@given(st.lists(st.floats(-1e6, 1e6), max_size=3000))
def test_long_curves_are_thinned_and_keep_their_end_and_their_spikes(values: list[float]) -> None:
    points = [[float(x), value] for x, value in enumerate(values)]
    raw, mean = (line["data"] for line in curves.curve("loss", points, "tokens")["series"])
    assert len(raw) <= curves.MAX_POINTS and len(mean) <= curves.MAX_POINTS
    assert raw == sorted(raw) and all(point in points for point in raw)
    if points:
        assert raw[-1] == points[-1]
        assert {min(values), max(values)} <= {value for _, value in raw}
    if mean:
        assert mean[-1][0] == points[-1][0] and min(values) - 1 <= min(y for _, y in mean)
        assert max(values) + 1 >= max(y for _, y in mean)


def test_a_smoothed_curve_follows_the_trend_without_its_noise_or_a_lag() -> None:
    points = [[float(x), 5 - x / 1000 + (-1) ** x * 0.3] for x in range(1000)]
    mean = curves.smoothed(points)
    assert all(abs(y - (5 - x / 1000)) < 0.02 for x, y in mean[20:])
    assert curves.smoothed(points[:10]) == []


@given(st.lists(st.tuples(st.integers(0, 30), st.floats(0, 9)), max_size=60))
def test_what_was_done_again_is_drawn_once_and_as_it_was_done_last(points: list[tuple[int, float]]) -> None:
    shown = curves.in_order(points)
    assert [x for x, _ in shown] == sorted({x for x, _ in shown})
    assert not points or shown[-1] == points[-1]
    assert all(x <= points[-1][0] for x, _ in shown)


def test_one_curve_stands_for_those_of_its_shape() -> None:
    points = [[1.0, 2.0]]
    names = ("mfu", "loss", "arms", "bpb", "tokens_per_s", "flop_per_s", "empty")
    metrics = {name: [] if name == "empty" else points for name in names}
    assert list(curves.drawn(metrics)) == ["loss", "arms", "tokens_per_s"]
    assert list(curves.drawn({"mfu": points, "bpb": points})) == ["bpb", "mfu"]


def test_the_example_has_the_shape_the_workspace_gives() -> None:
    state = Example().state("demo")
    assert {"step", "stage", "key", "state", "done", "total", "unit", "inputs", "metrics", "message"} <= set(
        state["steps"][0]
    )
