"""Scoring: against the plain forward pass token by token, against whole compressions, through kills, from the file that ships."""

from __future__ import annotations

import lzma
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from luosi.artifacts import Bundle, Corpus, Document, Exam, Facts, Question, Scorecard
from luosi.artifacts.base import write_json, write_jsonl
from luosi.cost import Cost
from luosi.errors import Interrupted, RecipeError, StageError
from luosi.models import likelihood
from luosi.models.choices import continuations
from luosi.models.gguf import write_gguf
from luosi.models.likelihood import LanguageModel
from luosi.models.transformer import Transformer
from luosi.pipeline.journal import Journal
from luosi.pipeline.stage import Input, Inputs, StageRuntime
from luosi.stages.evaluate.answers import OTHER_RULES, mark
from luosi.stages.evaluate.config import Config
from luosi.stages.evaluate.likelihood import document_bits, exam_bits
from luosi.stages.evaluate.stage import EvaluateStage
from luosi.stages.evaluate.windows import OVERLAP_BYTES, WINDOW_BYTES, make_batches, plan_windows
from luosi.stages.evaluate.xz import added_bytes
from tests.evidence_kit import MACHINE, Outside, outside
from tests.models_kit import noisy_model, small_shape, small_tokenizer, tokenizer_folder

START = 0
WORDS = [
    *[
        "the",
        "licence",
        "grants",
        "you",
        "the",
        "right",
        "to",
        "copy",
        "the",
        "work,",
        "with",
        "许可",
        "and",
        "ünïcode;",
    ],
    "",
]


def text(words: int, seed: int) -> str:
    generator = torch.Generator().manual_seed(seed)
    return " ".join(WORDS[n] for n in torch.randint(0, len(WORDS), (words,), generator=generator).tolist())


def language_model(**changes: object) -> LanguageModel:
    return LanguageModel(noisy_model(small_shape(**changes)), small_tokenizer(), START)  # type: ignore[arg-type]


def naive_bits(model: Transformer, before: list[int], tokens: list[int]) -> float:
    """One plain forward pass over all tokens, in double precision from the logits on."""
    with torch.inference_mode():
        logits = model(torch.tensor([[*before, *tokens]]))[0].double().log_softmax(-1) / math.log(2)
    places = range(len(before) - 1, len(before) + len(tokens) - 1)
    return -sum(float(logits[place, token]) for place, token in zip(places, tokens, strict=True))


def nothing(_: float) -> None:
    pass


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Matrices this small only wait for a second thread, at length where the machine is busy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def journal(tmp_path: Path) -> Any:
    with Journal(tmp_path / "journal.jsonl") as journal, torch.inference_mode():
        yield journal


# windows


@given(st.lists(st.integers(1, 40), max_size=600), st.integers(2, 400))
def test_every_token_is_scored_once_with_its_context(lengths: list[int], context: int) -> None:
    first_bytes = [sum(lengths[:n]) for n in range(len(lengths))]
    windows = plan_windows(0, first_bytes, context)
    assert [token for w in windows for token in range(w.scored, w.end)] == list(range(len(lengths)))
    for window in windows:
        assert window.start <= window.scored < window.end
        assert window.length <= context
        full = window.start == 0 or first_bytes[window.scored] - first_bytes[window.start - 1] >= OVERLAP_BYTES
        assert full or window.length > context // 2 or context < 4
        assert first_bytes[window.end - 1] - first_bytes[window.start] < WINDOW_BYTES


def test_windows_are_the_same_bytes_for_every_tokenizer() -> None:
    fine = plan_windows(0, list(range(0, 12_000, 2)), 10**6)
    coarse = plan_windows(0, list(range(0, 12_000, 8)), 10**6)
    assert [(2 * w.start, 2 * w.scored, 2 * w.end) for w in fine] == [
        (8 * w.start, 8 * w.scored, 8 * w.end) for w in coarse
    ]


@given(st.lists(st.integers(1, 900), min_size=1, max_size=40), st.integers(1, 2000))
def test_batches_hold_every_window_once(lengths: list[int], limit: int) -> None:
    windows = [w for n, length in enumerate(lengths) for w in plan_windows(n, list(range(length)), 10**6)]
    batches = make_batches(windows, limit)
    assert sorted(map(repr, (w for batch in batches for w in batch))) == sorted(map(repr, windows))
    assert all(len(batch) == 1 or len(batch) * max(w.length for w in batch) <= limit for batch in batches)


# likelihood


@pytest.mark.parametrize("family", ["qwen3", "qwen2", "llama"])
def test_documents_score_as_by_one_plain_forward_pass(family: str, journal: Journal) -> None:
    lm = language_model(family=family, context=2000)
    documents = [Document(id=str(n), source="s", text=text(words, n)) for n, words in enumerate((1, 40, 300))]
    found = document_bits(lm, documents, journal, nothing)
    for document, bits in zip(documents, found, strict=True):
        expected = naive_bits(lm.model, [START], lm.encode(document.text)[0])
        assert bits == pytest.approx(expected, rel=2e-6)


def test_long_documents_score_each_window_after_its_context(journal: Journal) -> None:
    lm = language_model(context=10_000)
    document = Document(id="long", source="s", text=text(2500, 1))
    ids, first_bytes = lm.encode(document.text)
    assert len(document.text.encode()) > 2 * WINDOW_BYTES
    expected, edge = 0.0, WINDOW_BYTES
    spans = [(0, 0, WINDOW_BYTES)]
    while edge < len(document.text.encode()):
        spans.append((edge - OVERLAP_BYTES, edge, edge + WINDOW_BYTES - OVERLAP_BYTES))
        edge = spans[-1][2]
    for context, scored, end in spans:
        before = [token for token, place in zip(ids, first_bytes, strict=True) if context <= place < scored]
        own = [token for token, place in zip(ids, first_bytes, strict=True) if scored <= place < end]
        expected += naive_bits(lm.model, [START, *before], own)
    assert document_bits(lm, [document], journal, nothing)[0] == pytest.approx(expected, rel=2e-6)


def test_bits_do_not_depend_on_the_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lm = language_model(context=1000)
    documents = [Document(id=str(n), source="s", text=text(25 * n + 1, n)) for n in range(8)]
    found = []
    for tokens, logits in ((1, 1), (300, 7 * 320), (4096, 1 << 25)):
        monkeypatch.setattr("luosi.stages.evaluate.likelihood.BATCH_TOKENS", tokens)
        monkeypatch.setattr("luosi.models.logits.CACHED_LOGITS", logits // 3)
        monkeypatch.setattr(likelihood, "LOGITS", logits)
        with Journal(tmp_path / f"{tokens}.jsonl") as journal, torch.inference_mode():
            found.append(document_bits(lm, documents, journal, nothing))
    assert found[0] == pytest.approx(found[1], rel=2e-6)
    assert found[0] == pytest.approx(found[2], rel=2e-6)


def test_a_model_that_knows_nothing_spends_the_logarithm_of_its_vocabulary(journal: Journal) -> None:
    lm = language_model()
    torch.nn.init.zeros_(lm.model.head_weight)
    document = Document(id="d", source="s", text=text(100, 3))
    (bits,) = document_bits(lm, [document], journal, nothing)
    assert bits == pytest.approx(len(lm.encode(document.text)[0]) * math.log2(lm.model.shape.vocab_size), rel=1e-6)


def test_special_tokens_in_text_are_spelt_out() -> None:
    lm = language_model()
    ids, first_bytes = lm.encode("a<|endoftext|>许b")
    assert START not in ids
    assert lm.tokenizer.decode(ids) == "a<|endoftext|>许b"
    assert first_bytes[-1] == len("a<|endoftext|>许".encode())


def test_cached_choices_score_as_uncached_ones(journal: Journal) -> None:
    lm = language_model(context=500)
    choices = (text(9, 5), text(30, 6), text(1, 7), "许可")
    question = Question(id="q", source="s", prompt=text(60, 4), choices=choices, answer=0)
    (found,) = exam_bits(lm, [question], journal, nothing)
    prompt, texts = continuations(question.prompt, question.choices)
    before = [START, *lm.encode(prompt)[0]]
    encoded = [lm.encode(text)[0] for text in texts]
    expected = [naive_bits(lm.model, prefix, ids) for prefix in (before, [START]) for ids in encoded]
    assert found == pytest.approx(expected, rel=2e-6)


def test_what_does_not_fit_the_context_is_cut_from_the_prompts_left(journal: Journal) -> None:
    lm = language_model(context=64)
    question = Question(id="q", source="s", prompt=text(200, 4), choices=(text(3, 5), text(6, 6)), answer=0)
    (found,) = exam_bits(lm, [question], journal, nothing)
    prompt, texts = continuations(question.prompt, question.choices)
    encoded = [lm.encode(text)[0] for text in texts]
    room = 64 - 1 - max(map(len, encoded))
    before = [START, *lm.encode(prompt)[0][-room:]]
    assert found[:2] == pytest.approx([naive_bits(lm.model, before, ids) for ids in encoded], rel=2e-6)


# marks


def question(choices: tuple[str, ...] = ("a", "bb", "ccc", "d"), answer: int = 1, prompt: str = "p") -> Question:
    return Question(id="q", source="s", prompt=prompt, choices=choices, answer=answer)


def test_the_choice_whose_bits_the_prompt_saves_most_is_chosen() -> None:
    bits = [9.0, 20.0, 30.0, 8.0, 10.0, 25.0, 32.0, 8.5]
    assert (mark(question(), bits).correct, mark(question(), bits).chosen) == (1.0, 1)
    assert mark(question(), bits, OTHER_RULES["accuracy_by_total_bits"]).chosen == 3
    assert mark(question(), bits, OTHER_RULES["accuracy_by_bits_per_byte"]).chosen == 3


def test_ties_share_the_mark() -> None:
    assert mark(question(), [5.0, 5.0, 5.0, 9.0, *[6.0] * 4]).correct == pytest.approx(1 / 3)
    assert mark(question(answer=3), [5.0, 5.0, 5.0, 9.0, *[6.0] * 4]).correct == 0.0


@pytest.mark.parametrize(
    ("prompt", "choice", "expected"),
    [
        ("one", "two", ("one", " two")),
        ("one\n\n", "two", ("one", "\n\ntwo")),
        ("one ", " two", ("one", " two")),
        ("一。", "二", ("一。", "二")),
        ("", "two", ("", " two")),
    ],
)
def test_white_space_goes_to_the_choice(prompt: str, choice: str, expected: tuple[str, str]) -> None:
    stem, texts = continuations(prompt, (choice, "x"))
    assert (stem, texts[0]) == expected


# journal


@pytest.mark.parametrize("tail", [b"", b'["b', b'["b",[1', b"\x00\x00\x00", b'{"b": 1}\n'])
def test_a_torn_line_is_cut_off_and_the_rest_kept(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.add("a", [1.5, 0.1])
    path.write_bytes(path.read_bytes() + tail)
    with Journal(path) as journal:
        assert journal.done == {"a": [1.5, 0.1]}
        journal.add("c", [2.0])
    with Journal(path) as journal:
        assert journal.done == {"a": [1.5, 0.1], "c": [2.0]}


# xz


def compressed(data: bytes) -> int:
    lzma1 = {"id": lzma.FILTER_LZMA1, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 1 << 20}
    return len(lzma.compress(data, lzma.FORMAT_RAW, filters=[lzma1]))


def test_xz_adds_what_compressing_all_again_would_add() -> None:
    prefix = text(20_000, 1).encode()
    texts = [prefix[5000:6000], text(50, 2).encode(), bytes(range(256)) * 3, b""]
    expected = [compressed(prefix + some) - compressed(prefix) for some in texts]
    assert list(added_bytes(prefix, texts, nothing)) == expected
    assert expected[0] < 20


def test_a_compressor_whose_asker_is_gone_ends() -> None:
    command = [sys.executable, "-m", "luosi.stages.evaluate.compressor"]
    request = b'{"dictionary": 4096, "prefix": 100, "texts": [3]}\nabc'
    assert subprocess.run(command, input=request, capture_output=True, timeout=60, check=True).stdout == b""


def test_a_failed_compressor_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("luosi.stages.evaluate.xz.DICTIONARY_BYTES", 0)
    with pytest.raises(StageError, match="process failed"):
        list(added_bytes(b"abc", [b"abc"], nothing))


# the stage


def inputs(folder: Path, *roles: str) -> Inputs:
    """A corpus of two sources, an exam on the first, and a small bundle in Q8_0."""
    corpus, exam, bundle = folder / "corpus", folder / "exam", folder / "bundle"
    for path in (corpus, exam, bundle):
        path.mkdir()
    rows = [{"id": f"{s}{n}", "source": s, "text": text(120, n)} for n in range(6) for s in ("law", "other")]
    write_jsonl(corpus / "heldout.jsonl", list(reversed(rows)))
    write_jsonl(corpus / "train.jsonl", [{"id": s, "source": s, "text": text(3000, 9)} for s in ("law", "other")])
    write_jsonl(corpus / "dropped.jsonl", [])
    write_json(corpus / "report.json", {"order": ["law", "other"]})
    write_jsonl(exam / "questions.jsonl", [
        {"id": f"q{n}", "source": "law", "prompt": text(30, n), "choices": [text(9, 10 * n + k) for k in range(4)],
         "answer": n % 4, "document": f"law{n // 2}"} for n in range(8)
    ])  # fmt: skip
    write_json(exam / "report.json", {})
    tokenizer_folder(folder / "tokenizer")
    shape = small_shape(context=600)
    gguf = bundle / "model.gguf"
    state = noisy_model(shape).state_dict()
    write_gguf(gguf, shape=shape, state=state, tokenizer_folder=folder / "tokenizer", precision="Q8_0", name="small")
    write_json(bundle / "bundle.json", {"name": "small", "precision": "Q8_0"})
    write_json(bundle / "shape.json", shape.model_dump())
    (bundle / "tokenizer.json").write_bytes((folder / "tokenizer" / "tokenizer.json").read_bytes())
    given = {"corpus": Corpus(corpus), "exam": Exam(exam), "bundle": Bundle(bundle)}
    facts = Facts(text_bytes=12_345)
    return Inputs({role: [Input(f"k1-{role}", role, given[role], facts)] for role in roles})


def run(config: Config, given: Inputs, context: Outside) -> Facts:
    return EvaluateStage().run(config, StageRuntime(), given, context)


FP32, XZ = Config(precision="fp32"), Config(baseline="xz", prefix_bytes=5000)


def test_a_bundle_is_scored_from_its_file(tmp_path: Path) -> None:
    context = outside(tmp_path, "one")
    facts = run(FP32, inputs(tmp_path, "bundle", "corpus", "exam"), context)
    card = Scorecard(context.out)
    summary = card.summary()
    assert summary.model == "small, Q8_0 as shipped"
    assert list(summary.bits_per_byte) == ["law", "other"]
    assert set(summary.accuracy) == {"all", "law"}
    assert (summary.chance, summary.accuracy["all"].clusters) == (0.25, 4)
    assert [d.source for d in card.documents()] == ["law"] * 6 + ["other"] * 6
    assert {q.cluster for q in card.questions()} == {f"law{n}" for n in range(4)}
    assert facts.figures["bundle"] == "k1-bundle"
    assert (facts.text_bytes, facts.heldout_documents, facts.questions, facts.precision) == (12_345, 12, 8, "Q8_0")
    assert context.spent.tokens > 1000
    assert context.calls[-1][0] == pytest.approx(context.calls[-1][1])


def test_bf16_scores_nearly_as_fp32(tmp_path: Path) -> None:
    given = inputs(tmp_path, "bundle", "corpus")
    found = {}
    for precision in ("fp32", "bf16"):
        context = outside(tmp_path, precision)
        run(Config(precision=precision), given, context)  # type: ignore[arg-type]
        found[precision] = Scorecard(context.out).summary().bits_per_byte["law"].mean
    assert found["bf16"] == pytest.approx(found["fp32"], rel=0.01)
    assert found["bf16"] != found["fp32"]


@pytest.mark.parametrize("config", [FP32, XZ], ids=["bundle", "xz"])
def test_a_stopped_scoring_goes_on_and_ends_in_the_same_bytes(tmp_path: Path, config: Config) -> None:
    given = inputs(tmp_path, *["bundle"] * (not config.baseline), "corpus", "exam")
    whole = outside(tmp_path, "whole")
    run(config, given, whole)
    spent = Cost()
    for stop_after in (1, 3, 6):
        context = outside(tmp_path, "stopped", stop_after)
        with pytest.raises(Interrupted):
            run(config, given, context)
        spent += context.spent
    context = outside(tmp_path, "stopped")
    run(config, given, context)
    spent += context.spent
    for name in ("scorecard.json", "documents.jsonl", "questions.jsonl"):
        assert (whole.out / name).read_bytes() == (context.out / name).read_bytes()
    assert spent.tokens == whole.spent.tokens


def test_xz_takes_exam_and_documents(tmp_path: Path) -> None:
    context = outside(tmp_path, "xz")
    run(XZ, inputs(tmp_path, "corpus", "exam"), context)
    summary = Scorecard(context.out).summary()
    assert (summary.what, summary.precision) == ("xz", "exact")
    assert 0 < summary.bits_per_byte["law"].mean < 4
    assert summary.accuracy["all"].clusters == 4


def test_questions_without_choices_are_not_asked_and_counted(tmp_path: Path) -> None:
    given = inputs(tmp_path, "bundle", "corpus", "exam")
    for config, name in ((FP32, "bundle"), (XZ, "xz")):
        roles = ["bundle"] * (not config.baseline) + ["corpus", "exam"]
        some = Inputs({role: given.all(role) for role in roles})
        before = outside(tmp_path, f"{name}-before")
        run(config, some, before)
        exam = tmp_path / "exam" / "questions.jsonl"
        kept = exam.read_bytes()
        free = b'{"id":"free","source":"own","prompt":"Who?","answers":["They"],"grader":"exact"}\n'
        exam.write_bytes(free + kept)
        after = outside(tmp_path, f"{name}-after")
        facts = run(config, some, after)
        assert (facts.questions, facts.figures["questions_not_asked"]) == (8, 1)
        for file in ("scorecard.json", "questions.jsonl"):
            assert (before.out / file).read_bytes() == (after.out / file).read_bytes()
        exam.write_bytes(kept)


def test_nothing_to_score_is_an_error(tmp_path: Path) -> None:
    given = inputs(tmp_path, "bundle", "corpus")
    write_jsonl(tmp_path / "corpus" / "heldout.jsonl", [])
    with pytest.raises(StageError, match="nothing to score"):
        run(FP32, given, outside(tmp_path, "one"))


def test_predict_asks_for_a_bundle_or_a_baseline_and_estimate_prices_both() -> None:
    stage = EvaluateStage()
    corpus = Facts(heldout_bytes=50_000, heldout_documents=10, text_bytes=10_000_000, source_bytes={"law": 10_000_000})
    roles = {"corpus": [corpus], "exam": [Facts(questions=60)]}
    bundle = {**roles, "bundle": [Facts(shape=small_shape(context=600))]}
    for config, wrong in ((Config(), roles), (XZ, bundle)):
        with pytest.raises(RecipeError, match="expected one of the two"):
            stage.predict(config, wrong)
    assert stage.predict(Config(), bundle).questions == 60
    estimate = stage.estimate(Config(), bundle, MACHINE)
    assert estimate.flop > 0
    assert stage.estimate(FP32, bundle, MACHINE).seconds.p50 > estimate.seconds.p50
    assert stage.estimate(Config(baseline="xz"), roles, MACHINE).seconds.p50 > 5
