"""Graders on answers as models give them: what is right, what only looks right, and what holds for every answer."""

from __future__ import annotations

import calendar
import datetime
import random
from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from luosi.artifacts import Question
from luosi.artifacts.answers import Cited
from luosi.grading import agreement, fits, grade, grader_for
from luosi.grading.choices import choice
from luosi.grading.citation import same_file
from luosi.grading.dates import as_date, date
from luosi.grading.numerals import numerals
from luosi.grading.overlap import exact, f1, passage
from luosi.grading.quantities import as_quantity, number
from luosi.grading.words import words

RIGHT_NUMBERS = [
    ("30", "30", ""), ("thirty days", "30 days", ""), ("三十天", "30 days", ""), ("１，２００", "1200", ""), ("1\u202f200 people", "1200", ""),
    ("1.5 million", "1,500,000", ""), ("about 150万", "1.5 million", ""), ("1.2万", "12000", ""), ("3亿", "300,000,000", ""),
    ("12%", "12 %", ""), ("0.12", "12%", ""), ("12", "12%", ""), ("12 percent", "0.12", ""), ("百分之十二", "12%", ""), ("33.3%", "33%", ""),
    ("3.14159", "3.14", ""), ("30.0", "30", ""), ("It is 30 days.", "30 days", ""), ("See section 4.2: it is 30 days [3].", "30", ""),
    ("第四条规定为三十日。", "30日", ""), ("一般为十五日。", "15日", ""), ("5000 m", "5 km", ""), ("24 hours", "1 day", ""), ("一年", "12个月", ""),
    ("More than 30 degrees.", "30 degrees", ""), ("100 beats per minute", "100 bpm", ""), ("5 km²", "500 hectares", ""), ("120 mmHg", "120 mm Hg", ""),
    ("In 2021 there were 45.", "45", "How many were there in 2021?"), ("On 3 March 1998.", "1998", ""), ("nineteen ninety-eight", "1998", ""),
    ("I first thought 20. The answer is 25.", "25", ""), ("-5 degrees", "-5", ""), ("US$ 1,200", "$1,200", ""), ("One day.", "1 day", ""),
    ("三百二十", "320", ""), ("The COVID-19 limit is 30.", "30", ""), ("It is 30 days.\n\nThere were 12 cases and 3 more.", "30", ""),
]  # fmt: skip
WRONG_NUMBERS = [
    ("30 or 45 days", "30 days", ""), ("30 days, that is 4 weeks", "30 days", ""), ("5-10 days", "5 days", ""), ("34%", "33%", ""),
    ("3.1", "3.14", ""), ("12,000", "12,345", ""), ("30.4", "30", ""), ("5 kg", "5 km", ""), ("180 degrees", "30 degrees", ""), ("100 g/l", "100 mmol/l", ""), ("¥1,200", "$1,200", ""), ("5", "-5", ""),
    ("The numbers 1, 2, 3, 4, 5, 6, 7", "5", ""), ("12 people and 3 dogs", "12", ""), ("No one knows.", "1", ""), ("COVID-19", "19", ""),
    ("", "5", ""), ("Version 2.1.3", "2.1", ""), ("the answer is 20. It could be 25.", "25", ""), ("一般情况", "1", ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "accepted", "question"), RIGHT_NUMBERS)
def test_the_answers_number_is_found(text: str, accepted: str, question: str) -> None:
    assert number(text, accepted, question) == 1


@pytest.mark.parametrize(("text", "accepted", "question"), WRONG_NUMBERS)
def test_a_number_in_the_text_is_not_yet_the_answer(text: str, accepted: str, question: str) -> None:
    assert number(text, accepted, question) == 0


DIGITS = "零一二三四五六七八九"


def chinese(value: int) -> str:
    """A numeral the long way, written here apart from the parser."""
    if value >= 10**8:
        rest = value % 10**8
        return chinese(value // 10**8) + "亿" + (("零" if rest < 10**7 else "") + chinese(rest) if rest else "")
    if value >= 10**4:
        rest = value % 10**4
        return chinese(value // 10**4) + "万" + (("零" if rest < 1000 else "") + chinese(rest) if rest else "")
    text = ""
    for unit, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit = value // unit % 10
        text += DIGITS[digit] + name if digit else "零" if text and not text.endswith("零") else ""
    return text.rstrip("零") or "零"


@example(100_000_000_001)
@given(st.integers(0, 10**12 - 1))
def test_a_number_reads_the_same_however_it_is_written(value: int) -> None:
    forms = [str(value), f"{value:,}", chinese(value)]
    if value % 10**6 == 0 and value:
        forms += [f"{value // 10**6} million", f"{value // 10**4}万"]
    for form in forms:
        assert [one.value for one in numerals(form)] == [Decimal(value)], form
        found = as_quantity(form)
        assert found is not None and number(f"It is {form}.", str(value), "") == 1


RIGHT_DATES = [
    ("2021-03-03", "3 March 2021"), ("March 3rd, 2021", "2021-03-03"), ("2021年3月3日", "2021-03-03"), ("二〇二一年三月三日", "2021-03-03"),
    ("3 Mar 2021", "2021-03-03"), ("03/04/2021", "2021-04-03"), ("03/04/2021", "2021-03-04"), ("3 March 2021", "3 March"),
    ("3 March 2021", "March 2021"), ("自2021年1月1日起施行。", "2021年1月1日"), ("the 3rd of March 2021", "2021-03-03"), ("2021.3.3", "2021-03-03"),
    ("2021年3月", "2021年"), ("Not 1 May. The answer is 3 March 2021", "2021-03-03"),
]  # fmt: skip
WRONG_DATES = [
    ("03/04/2021", "2021-03-05"), ("3 March", "3 March 2021"), ("March 2021", "2021-03-03"), ("2021-02-30", "2021-02-28"),
    ("It was 3 March 2021 or 4 March 2021", "2021-03-03"), ("Passed on 1 May 2020, it took effect on 3 March 2021.", "2021-03-03"), ("never", "2021-03-03"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "accepted"), RIGHT_DATES)
def test_a_date_in_another_form_is_the_same(text: str, accepted: str) -> None:
    assert date(text, accepted, "When?") == 1


@pytest.mark.parametrize(("text", "accepted"), WRONG_DATES)
def test_another_or_a_vaguer_date_is_wrong(text: str, accepted: str) -> None:
    assert date(text, accepted, "When?") == 0


def test_a_date_that_the_question_states_is_not_the_answer() -> None:
    text, asked = (
        "Passed on 1 May 2020, it took effect on 3 March 2021.",
        "It was passed on 1 May 2020. When did it take effect?",
    )
    assert date(text, "2021-03-03", asked) == 1


@given(st.dates(datetime.date(1000, 1, 1), datetime.date(2999, 12, 31)))
def test_every_day_reads_the_same_in_every_form(day: datetime.date) -> None:
    month = calendar.month_name[day.month]
    forms = [
        day.isoformat(),
        f"{day.day} {month} {day.year}",
        f"{month} {day.day}, {day.year}",
        f"{day.year}年{day.month}月{day.day}日",
    ]
    for form in forms:
        found = as_date(form)
        assert found is not None and [(d.year, d.month, d.day) for d in found.readings] == [
            (day.year, day.month, day.day)
        ]
        assert date(f"It was on {form}.", day.isoformat(), "") == 1
    slashed = as_date(f"{day.day:02}/{day.month:02}/{day.year}")
    assert slashed is not None and len(slashed.readings) == (2 if day.day <= 12 and day.day != day.month else 1)


COLOURS = ("red", "green", "dark red", "blue")
CHOSEN = [
    ("B", 1), ("(b)", 1), ("b.", 1), ("**B**", 1), ("Ｂ", 1), ("The answer is B.", 1), ("答案是B", 1), ("选B", 1), ("答案：B。", 1), ("应选B项", 1), ("正确答案为 D", 3),
    ("B. green", 1), ("B) because it is", 1), ("green", 1), ("Green.", 1), ("It is dark red.", 2), ("I think option C is right", 2), ("A dog is green", 1),
    ("The correct answer is: (D) blue", 3), ("answer: d", 3), ("B\nBecause A is wrong", 1), ("The colour is green. It is not red.", 1), ("Option C", 2),
]  # fmt: skip
NOT_CHOSEN = [
    "red or green", "A and B", "A, B", "B、C", "The answer is a dog.", "It is not red.", "the answer is A. The answer is B.", "E", "", "a a a word", "？",
    "Among all the many things that one could say of it on such an occasion there is hardly one that would not in some way or other bring "
    "to mind what people used to call green",
]  # fmt: skip


@pytest.mark.parametrize(("text", "index"), CHOSEN)
def test_the_choice_is_taken_out_of_the_answer(text: str, index: int) -> None:
    assert choice(text, COLOURS) == index


@pytest.mark.parametrize("text", NOT_CHOSEN)
def test_what_takes_no_choice_or_two_takes_none(text: str) -> None:
    assert choice(text, COLOURS) is None


def test_exact_and_f1() -> None:
    assert exact("The answer is: the  ＰＡＲＩＳ!", "Paris") == 1 and exact("Paris, France", "Paris") == 0
    assert exact("->", "->") == 1 and exact("<-", "->") == 0
    assert f1("Paris", "Paris") == 1 and f1("Rome", "Paris") == 0 and f1("", "Paris") == 0
    assert f1("用人单位应当支付", "用人单位支付") == pytest.approx(2 * 6 / (8 + 6))  # by characters, as CMRC has it
    assert words("1,200 people's dogs") == ["1200", "peoples", "dogs"]


REFERENCE = "Employees may carry over at most five days of unused leave into the first quarter of the following year."


def test_passage_rewards_a_short_answer_from_the_passage_only() -> None:
    asked = "How much unused leave can be carried over?"
    right, parrot = (
        passage("At most five days, into the first quarter.", REFERENCE, asked),
        passage(asked, REFERENCE, asked),
    )
    other, padded = (
        passage("Twenty weeks of parental pay.", REFERENCE, asked),
        passage(REFERENCE + " lorem ipsum dolor" * 60, REFERENCE, asked),
    )
    assert right > 0.8 and parrot == 0 and other < 0.2 and padded < 0.2
    han = "劳动者提前三十日以书面形式通知用人单位，可以解除劳动合同。"
    assert (
        passage("提前三十日书面通知", han, "怎样解除劳动合同？")
        > 0.6
        > passage("支付经济补偿金", han, "怎样解除劳动合同？")
        == 0
    )


def cited(file: str, page: int, *, named: bool = True) -> Cited:
    return Cited(number=1, file=file, page=page, heading="", text="x", cited=named)


def test_a_citation_hits_the_file_and_the_page() -> None:
    asked = Question(id="1", source="own", prompt="q", answers=("x",), grader="f1", file="Leave.pdf", page=12)
    hits = [cited("hr/leave.pdf", 12), cited("hr/leave.pdf", 11)]
    misses = [cited("hr/leave.pdf", 13), cited("hr/sick-leave.pdf", 12), cited("hr/leave.pdf", 12, named=False)]
    assert all(grade(asked, "x", [one]).marks["citation"] == 1 for one in hits)
    assert grade(asked, "x", misses).marks["citation"] == 0 and "citation" not in grade(asked, "x", []).marks
    assert grade(asked, "x", misses).mark == 1, "where it was found is not whether it is right"
    assert same_file("a\\b.docx", "all.zip/a/b.docx") and not same_file("b.docx", "ab.docx")


def ask(grader: str = "", *answers: str, **fields: object) -> Question:
    return Question.model_validate(
        {
            "id": "1",
            "source": "own",
            "prompt": "Which one?",
            "answers": answers,
            "grader": grader or grader_for((), answers),
            **fields,
        }
    )


def test_the_best_of_several_answers_counts_and_all_marks_are_told() -> None:
    graded = grade(ask("", "25 days", "five weeks"), "Five weeks", ())
    assert graded.mark == graded.marks["number"] == graded.marks["exact"] == graded.marks["f1"] == 1
    mixed = grade(ask("f1", "25 days", "a lot"), "25 days", ())
    assert mixed.marks == {"exact": 1, "f1": 1, "number": 1} and mixed.chosen is None
    chosen = grade(Question(id="1", source="own", prompt="q", choices=COLOURS, answer=1), "B", ())
    assert (chosen.mark, chosen.chosen) == (1, 1)
    waiting = grade(ask("judge", "Paris"), "It is Paris", ())
    assert waiting.mark == waiting.marks["f1"] < 1


@pytest.mark.parametrize(
    ("answers", "grader"),
    [(("25",), "number"), (("25 days", "five weeks"), "number"), (("25 days", "a lot"), "f1"), (("2021-03-03",), "date"), (("3月3日",), "date"),
     (("03/04/2021",), "f1"), (("Paris",), "f1"), (("Article 5",), "f1"), (("1998",), "number"), (("2021年",), "date"), ((), "passage")],
)  # fmt: skip
def test_the_grader_follows_from_the_answers_form(answers: tuple[str, ...], grader: str) -> None:
    assert grader_for((), answers) == grader


SNIPPETS = st.sampled_from(
    [
        "30",
        "30 days",
        "Paris",
        "三百",
        "B",
        "(b)",
        "not",
        "green",
        "red",
        "the answer is",
        "答案是",
        "2021-03-03",
        "。",
        ". ",
        "\n",
        "%",
        "[1]",
        "一",
        "-",
        ",",
        " ",
    ]
)
ANSWER = st.one_of(st.text(max_size=60), st.lists(SNIPPETS, max_size=12).map(" ".join))
QUESTIONS = st.one_of(
    st.sampled_from(
        [
            ask("", "30 days"),
            ask("", "2021-03-03"),
            ask("", "Paris"),
            ask("judge", "300"),
            ask("passage", passage=REFERENCE),
        ]
    ),
    st.just(Question(id="1", source="own", prompt="q", choices=COLOURS, answer=1)),
    st.text(min_size=1, max_size=20).map(lambda answer: ask("f1", answer)),
)


@settings(max_examples=300, deadline=None)
@given(QUESTIONS, ANSWER)
def test_every_answer_gets_marks_between_nothing_and_all(question: Question, text: str) -> None:
    graded = grade(question, text, ())
    assert all(0 <= mark <= 1 for mark in (graded.mark, *graded.marks.values()))
    assert (graded.chosen is None) or graded.marks["choice"] == (graded.chosen == question.answer)
    assert graded == grade(question, text, ())


@given(st.one_of(st.text(min_size=1, max_size=40), SNIPPETS))
def test_the_accepted_answer_itself_is_right(answer: str) -> None:
    for grader in ("exact", "f1", "number", "date"):
        if fits(grader, answer) and answer.strip():  # type: ignore[arg-type]
            assert grade(ask(grader, answer), answer, ()).mark == 1


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["30 days", "2021-03-03", "Paris", "the first quarter"]))
def test_a_long_answer_that_merely_contains_the_right_words_is_not_right(seed: int, answer: str) -> None:
    draw = random.Random(seed)
    filler = [draw.choice(["alpha", "beta", "12 weeks", "7", "4 May 1999", "gamma", "Rome"]) for _ in range(200)]
    filler[60:60] = ["19 weeks", "1 June 1980"]
    text = " ".join([*filler[:100], answer, *filler[100:]])
    graded = grade(ask("", answer, passage=REFERENCE), text, ())
    assert graded.mark < 0.1 and graded.marks["exact"] == 0 and graded.marks["passage"] < 0.3
    assert choice(text, ("Rome", answer, "Berlin")) is None


@pytest.mark.parametrize(
    "part", ["1 ", "one ", "the answer is ", "一万", "1,000", "[1,", "3 March ", "not ", "option ", "( "]
)
def test_an_answer_without_end_is_marked_too(part: str) -> None:
    assert grade(ask("number", "30 days"), part * (200_000 // len(part)), ()).mark == 0


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60))
def test_agreement_is_a_share_with_its_interval(pairs: list[tuple[bool, bool]]) -> None:
    found, other = agreement(pairs), agreement([(b, a) for a, b in pairs])
    assert found == other and found.n == len(pairs)
    if found.share is None:
        assert not pairs
        return
    assert 0 <= found.low <= found.share <= found.high <= 1
    assert found.kappa is None or -1 <= found.kappa <= 1
    assert (found.kappa == 1) == (found.share == 1 and len({a for a, _ in pairs}) == 2)
