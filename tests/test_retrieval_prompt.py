"""How questions are put to models, and which passages an answer rests on."""

from __future__ import annotations

import pytest

from luosi.artifacts.retrieval import Passage
from luosi.retrieval.prompt import cited, is_chinese, messages

PASSAGES = (
    Passage(
        number=4, document="a", file="handbook.pdf", page=12, heading="Leave > Sick leave", text="Ten days a year."
    ),
    Passage(number=9, document="b", file="cars.txt", text="A company car may be used on weekends."),
    Passage(number=2, document="c", file="假期.docx", heading="病假", text="职工每年享有十天病假。"),
)


def test_a_question_alone_asks_for_a_short_answer() -> None:
    assert messages("How long? ", system="Be kind.") == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Answer the question briefly.\n\nQuestion: How long?"},
    ]


def test_passages_stand_before_the_question_the_best_next_to_it() -> None:
    (only,) = messages("How long?", passages=PASSAGES[:2])
    assert only["content"] == (
        "A company car may be used on weekends.\n\n"
        "Leave > Sick leave\nTen days a year.\n\n"
        "Answer the question briefly from the text above.\n\n"
        "Question: How long?"
    )


def test_choices_are_lettered_and_chinese_is_asked_in_chinese() -> None:
    (only,) = messages("病假几天？", choices=["三天", "十天"], passages=PASSAGES[2:])
    assert only["content"] == (
        "病假\n职工每年享有十天病假。\n\n请参考以上材料，回答正确选项的字母。\n\n问题：病假几天？\nA. 三天\nB. 十天"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [("HTTP 协议是什么？", True), ("What does 螺丝 mean here?", False), ("病", True), ("", False), ("42?", False)],
)
def test_the_script_decides_the_language(text: str, expected: bool) -> None:
    assert is_chinese(text) == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Ten days [1].", {1}),
        ("Both say so [1, 3], also 【2】", {1, 2, 3}),
        ("Cars on weekends", {2}),
        ("See [7]: the company car", {2}),
        ("每年十天病假", {3}),
        ("No idea whatsoever", set()),
        ("", set()),
    ],
)
def test_an_answer_rests_on_what_it_names_or_shares_most_with(answer: str, expected: set[int]) -> None:
    found = cited(answer, PASSAGES)
    assert [one.number for one in found] == [1, 2, 3]
    assert found[0].place == "handbook.pdf, p. 12"
    assert {one.number for one in found if one.cited} == expected
    assert cited(answer, ()) == ()
