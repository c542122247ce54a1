"""The curate stage: no document is lost, families stay on one side, the bytes depend on the texts only, bad input is named."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import re
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from luosi.artifacts import Corpus, Facts
from luosi.cost import Machine
from luosi.errors import InputError
from luosi.stages.curate.clean import clean, drop_reason
from luosi.stages.curate.collect import source_spec
from luosi.stages.curate.config import Config, Source
from luosi.stages.curate.leakage import leak_shares
from luosi.stages.curate.near import ShingleStore, later_copies, similar_pairs
from luosi.stages.curate.split import Member, draw_heldout, families
from luosi.stages.curate.stage import CurateStage
from luosi.stages.curate.work import curate
from luosi.text import sources
from luosi.text.words import jaccard, shingles

VOCABULARY = [f"word{number}" for number in range(3000)]


def prose(seed: object, words: int = 200) -> str:
    draw = random.Random(str(seed))
    sentences = [" ".join(draw.choices(VOCABULARY, k=10)).capitalize() + "." for _ in range(words // 10)]
    return "\n\n".join(" ".join(sentences[place : place + 4]) for place in range(0, len(sentences), 4))


def varied(text: str, share: float, seed: object) -> str:
    """`text` with one word in every 1 / share replaced."""
    draw = random.Random(str(seed))
    return " ".join(draw.choice(VOCABULARY) if draw.random() < share else word for word in text.split(" "))


def source(name: str, *paths: Path, **fields: Any) -> Source:
    found = Source(name=name, paths=tuple(map(str, paths)), sha256="0" * 64, **fields)
    return found.model_copy(update={"sha256": sources.digest(source_spec(found, 20_000))})


def run(tmp_path: Path, config: Config, name: str = "corpus") -> tuple[Corpus, Facts]:
    out, scratch = tmp_path / name, tmp_path / f"{name}-scratch"
    out.mkdir(exist_ok=True)
    scratch.mkdir(exist_ok=True)
    facts = curate(config, out, scratch)
    return Corpus(out), facts


def folder(root: Path, texts: Mapping[str, str | bytes]) -> Path:
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return root


def report(corpus: Corpus) -> Any:
    return corpus.json("report.json")


def digests(corpus: Corpus) -> list[str]:
    return [hashlib.sha256((corpus.path / name).read_bytes()).hexdigest() for name in Corpus.required]


def check_nothing_is_lost(corpus: Corpus) -> None:
    dropped = [json.loads(line) for line in (corpus.path / "dropped.jsonl").read_bytes().splitlines()]
    kept = {split: list(corpus.documents(split)) for split in ("train", "heldout")}
    ids = [row["id"] for row in dropped] + [document.id for part in kept.values() for document in part]
    assert len(set(ids)) == len(ids)
    for name, told in report(corpus)["sources"].items():
        assert told["read"] == told["kept"] + sum(told["dropped"].values())
        assert told["dropped"] == Counter(row["reason"] for row in dropped if row["source"] == name)
        for split, part in kept.items():
            own = [document for document in part if document.source == name]
            assert told[f"{split}_documents"] == len(own)
            assert told[f"{split}_bytes"] == sum(len(document.text.encode()) for document in own)
    sides = [{document.family for document in part} for part in kept.values()]
    assert not sides[0] & sides[1]


def test_a_mixed_folder(tmp_path: Path) -> None:
    texts: dict[str, str | bytes] = {f"{number:02}.txt": prose(number) for number in range(40)}
    texts |= {
        "copy.md": prose(3),
        "near.txt": varied(prose(5), 0.01, "near"),
        "empty.txt": b"",
        "blank.txt": b" \n\t\n\0\0",
        "stars.txt": b"*" * 500,
        "short.txt": b"Too short.",
        "noise.txt": random.Random(0).randbytes(4000),
        "nul.txt": b"A\0 text with zero bytes\0 and one \xff wrong byte, long enough to be kept in the corpus.",
        "broken.pdf": b"%PDF-1.4",
    }
    files = folder(tmp_path / "files", texts)
    corpus, facts = run(tmp_path, Config(sources=(source("mine", files),), heldout_fraction=0.1))
    check_nothing_is_lost(corpus)
    told = report(corpus)["sources"]["mine"]
    assert told["dropped"] == {
        "damaged PDF": 1,
        "no text": 2,
        "all one character": 1,
        "too short": 1,
        "mostly not text": 1,
        "exact duplicate": 1,
        "near duplicate": 1,
    }
    assert told["repaired"]["NUL bytes removed"] >= 4 and told["repaired"]["invalid bytes replaced"] >= 1
    assert facts.documents == told["train_documents"] and facts.heldout_bytes == told["heldout_bytes"]
    assert 0 < told["heldout_bytes"] <= 0.1 * (told["heldout_bytes"] + told["train_bytes"])
    (nul,) = [d for d in corpus.documents("train") if d.id == "mine/nul.txt"]
    assert nul.text.startswith("A text with zero bytes and one \ufffd wrong")


def multipage(pages: list[str]) -> bytes:
    pytest.importorskip("pypdfium2")
    canvas = pytest.importorskip("reportlab.pdfgen.canvas")
    data = io.BytesIO()
    paper = canvas.Canvas(data, invariant=1)
    for page in pages:
        for number, line in enumerate(page.splitlines()):
            paper.drawString(72, 800 - 12 * number, line)
        paper.showPage()
    paper.save()
    return data.getvalue()


def test_documents_know_file_and_page_and_what_was_left_out_is_named(tmp_path: Path) -> None:
    pages = ["\n".join(textwrap.wrap(f"page{number} " + prose(number, 300), 90)) for number in range(1, 13)]
    pages[3] = pages[6] = pages[7] = ""
    files = folder(tmp_path / "files", {"in/handbook.pdf": multipage(pages), "scan.pdf": multipage(["", ""])})
    folder(files, {"photo.png": b"?", "letter.doc": b"?", "plain.txt": prose("plain") + "\f" + prose("more")})
    config = Config(sources=(source("mine", files),), heldout_fraction=0, document_chars=4_000)
    for name in ("out", "scratch"):
        (tmp_path / name).mkdir()
    said: list[str] = []
    facts = curate(config, tmp_path / "out", tmp_path / "scratch", say=said.append)
    corpus = Corpus(tmp_path / "out")
    check_nothing_is_lost(corpus)
    documents = [d for d in corpus.documents("train") if d.file == "in/handbook.pdf"]
    assert len(documents) > 3 and documents[0].page == 1 and documents[-1].page > 8
    starts = {}
    for document in documents:
        assert "\f" not in document.text
        starts |= {int(m[1]): document.page_at(m.start()) for m in re.finditer(r"page(\d+)", document.text)}
    assert starts == {number: number for number in range(1, 13) if number not in (4, 7, 8)}
    plain = [d for d in corpus.documents("train") if d.file == "plain.txt"]
    assert plain and all(d.page == 0 and not d.pages and "\f" not in d.text for d in plain)
    told = report(corpus)["sources"]["mine"]
    layer = "3 of 12 pages have no text layer (pages 4, 7-8)"
    assert told["noted"] == [
        {"file": "in/handbook.pdf", "what": "pages without a text layer", "detail": layer},
        {
            "file": "letter.doc",
            "what": "old Word format (.doc)",
            "detail": "old Word format (.doc): save it as .docx",
        },
        {
            "file": "scan.pdf",
            "what": "scanned PDF, no text layer",
            "detail": "scanned PDF, no text layer: 2 pages; run text recognition (OCR) on it first",
        },
    ]
    assert told["dropped"]["scanned PDF, no text layer"] == told["dropped"]["old Word format (.doc)"] == 1
    assert facts.figures["files with pages without a text layer"] == 1
    assert said[0] == "mine: gave no text: 1 .png; 1 old Word format (.doc): save it as .docx"
    assert f"mine: in/handbook.pdf: {layer}" in said


def test_many_noted_files_are_named_in_the_report_and_counted_to_the_watcher(tmp_path: Path) -> None:
    texts: dict[str, str | bytes] = {f"{number:02}.doc": b"?" for number in range(25)}
    files = folder(tmp_path / "files", texts | {"a.txt": prose(1), "b.txt": prose(2)})
    for name in ("out", "scratch"):
        (tmp_path / name).mkdir()
    said: list[str] = []
    curate(Config(sources=(source("mine", files),)), tmp_path / "out", tmp_path / "scratch", say=said.append)
    assert len(report(Corpus(tmp_path / "out"))["sources"]["mine"]["noted"]) == 25
    assert sum(".doc: " in line for line in said) == 10
    assert "mine: 15 more files not read in full, named in report.json: 15 old Word format (.doc)" in said


class Stop(Exception):
    """Raised out of the stage's progress, as the budget does."""


@pytest.fixture
def many(tmp_path: Path) -> Config:
    """A source of 60 files that need repair, repeat one another and are cut in pieces."""
    texts: dict[str, str | bytes] = {f"{n:02}.txt": prose(n % 50, 900) + "\0" * (n % 3) for n in range(60)}
    files = folder(tmp_path / "files", texts | {"25.pdf": multipage([prose(1, 20), ""]), "55.doc": b"?"})
    return Config(sources=(source("s", files),), heldout_fraction=0.1, document_chars=3_000)


def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files read from now on."""
    taken: list[str] = []
    real = sources.read

    def read(spec: sources.SourceSpec, file: sources.SourceFile) -> Iterator[Any]:
        taken.append(file.name)
        return real(spec, file)

    monkeypatch.setattr(sources, "read", read)
    return taken


@pytest.mark.parametrize("phase", ["read", "later"])
def test_a_stopped_run_goes_on_where_it_was(
    tmp_path: Path, many: Config, phase: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, facts = run(tmp_path, many, "whole")
    out, scratch = tmp_path / "out", tmp_path / "scratch"
    out.mkdir()
    scratch.mkdir()

    def stop(done: float, total: float, unit: str) -> None:
        if done > (30 if phase == "read" else 70):
            raise Stop

    taken = reads(monkeypatch)
    with pytest.raises(Stop):
        curate(many, out, scratch, progress=stop)
    before = len(taken)
    assert curate(many, out, scratch) == facts and digests(Corpus(out)) == digests(whole)
    again = set(taken[:before]) & set(taken[before:])
    assert len(again) <= 1 and len(set(taken)) == 62 and (before < 62 or not taken[before:])


KILLED = """
import os, signal, sys
from pathlib import Path
from luosi.stages.curate.config import Config
from luosi.stages.curate.work import curate
calls = 0
def progress(done, total, unit):
    global calls
    calls += 1
    if calls == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
curate(Config.model_validate_json(sys.argv[1]), Path(sys.argv[3]), Path(sys.argv[4]), progress=progress)
"""


def test_kills_anywhere_give_the_same_bytes(tmp_path: Path, many: Config) -> None:
    whole, facts = run(tmp_path, many, "whole")
    out, scratch = tmp_path / "out", tmp_path / "scratch"
    out.mkdir()
    scratch.mkdir()
    kept = []
    for calls in (40, 90, 260, 400):
        command = [sys.executable, "-c", KILLED, many.model_dump_json(), str(calls), str(out), str(scratch)]
        assert subprocess.run(command).returncode == -9
        kept.append((scratch / "read.jsonl").read_bytes().count(b'\n{"end"'))
    assert 0 < kept[0] < kept[1] < 62 == kept[-1]
    assert curate(many, out, scratch) == facts and digests(Corpus(out)) == digests(whole)


@pytest.mark.parametrize("harm", ["torn line", "no journal", "no texts", "other texts", "short texts", "not JSON"])
def test_a_damaged_journal_costs_time_only(
    tmp_path: Path, many: Config, harm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, facts = run(tmp_path, many, "whole")
    scratch, out = tmp_path / "whole-scratch", tmp_path / "again"
    out.mkdir()
    journal, texts = scratch / "read.jsonl", scratch / "texts.bin"
    lines = journal.read_bytes().splitlines(keepends=True)
    if harm == "torn line":
        journal.write_bytes(b"".join(lines)[:-20])
    elif harm == "not JSON":
        journal.write_bytes(b"".join([*lines[:40], b"\0" * 50 + b"\n", *lines[40:]]))
    elif harm == "other texts":
        data = texts.read_bytes()
        texts.write_bytes(data[: len(data) // 2] + bytes(1000) + data[len(data) // 2 + 1000 :])
    elif harm == "short texts":
        texts.write_bytes(texts.read_bytes()[:-1])
    else:
        (journal if harm == "no journal" else texts).unlink()
    taken = reads(monkeypatch)
    assert curate(many, out, scratch) == facts and digests(Corpus(out)) == digests(whole)
    assert (len(taken) == 62) == (harm in ("no journal", "no texts")) and taken


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.text(max_size=300) | st.integers(0, 6).map(prose), min_size=1, max_size=12),
    fraction=st.sampled_from([0.0, 0.1, 0.5]),
    max_bytes=st.sampled_from([0, 3000]),
)
def test_any_texts_are_kept_or_counted(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], fraction: float, max_bytes: int
) -> None:
    root = tmp_path_factory.mktemp("any")
    rows = [json.dumps({"text": text}) for text in texts]
    folder(root / "a", {"rows.jsonl": "\n".join(rows)})
    config = Config(sources=(source("a", root / "a", max_bytes=max_bytes),), heldout_fraction=fraction, min_chars=5)
    try:
        corpus, _ = run(root, config)
    except InputError as error:
        assert f"{len(texts)} documents read" in error.message
        return
    check_nothing_is_lost(corpus)
    assert report(corpus)["sources"]["a"]["read"] == len(texts)


def test_families_stay_together_and_sources_keep_their_rank(tmp_path: Path) -> None:
    legal = {f"{base}-{version}.txt": varied(prose(base), 0.06, version) for base in range(30) for version in range(3)}
    general = {f"g{number}.txt": prose(f"g{number}") for number in range(30)} | {"stolen.txt": legal["4-1.txt"]}
    folder(tmp_path / "legal", legal)
    folder(tmp_path / "general", general)
    config = Config(
        sources=(source("legal", tmp_path / "legal"), source("general", tmp_path / "general")), heldout_fraction=0.1
    )
    corpus, _ = run(tmp_path, config)
    check_nothing_is_lost(corpus)
    assert corpus.sources() == ["legal", "general"]
    assert report(corpus)["sources"]["general"]["dropped"] == {"exact duplicate": 1}
    for split in ("train", "heldout"):
        for document in corpus.documents(split, "legal"):
            assert document.family.split("/")[1].split("-")[0] == document.id.split("/")[1].split("-")[0]
    assert list(corpus.documents("heldout", "legal")) and list(corpus.documents("heldout", "general"))
    other, _ = run(tmp_path, config.model_copy(update={"seed": 1}), "other")
    assert {d.id for d in other.documents("heldout")} != {d.id for d in corpus.documents("heldout")}


def test_same_bytes_whatever_the_order_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {f"d{number % 4}/{number}.txt": varied(prose(number // 3), 0.1, number) for number in range(60)}
    one = folder(tmp_path / "one", texts)
    two = folder(tmp_path / "two", dict(reversed(texts.items())))
    first, _ = run(tmp_path, Config(sources=(source("s", one),), heldout_fraction=0.1), "first")
    walk = os.walk

    def shuffled(top: Path) -> Iterator[tuple[str, list[str], list[str]]]:
        for parent, names, leaves in walk(top):
            names.reverse()
            random.Random(5).shuffle(leaves)
            yield parent, names, leaves

    monkeypatch.setattr(os, "walk", shuffled)
    second, _ = run(tmp_path, Config(sources=(source("s", two),), heldout_fraction=0.1), "second")
    assert digests(first) == digests(second)
    again, _ = run(
        tmp_path, Config(sources=(source("s", two),), heldout_fraction=0.1), "second"
    )  # over what a killed run left
    assert digests(again) == digests(first)


def test_max_bytes_takes_whole_documents_by_seed(tmp_path: Path) -> None:
    files = folder(tmp_path / "files", {f"{number}.txt": prose(number) for number in range(50)})
    kept: list[set[str]] = []
    for seed in (0, 0, 1):
        config = Config(sources=(source("s", files, max_bytes=30_000),), seed=seed)
        corpus, facts = run(tmp_path, config, f"seed{len(kept)}")
        check_nothing_is_lost(corpus)
        assert 25_000 < (facts.text_bytes or 0) + (facts.heldout_bytes or 0) <= 30_000
        kept.append({d.id for d in corpus.documents("train")})
    assert kept[0] == kept[1] != kept[2]


def test_one_long_file_still_has_a_heldout_part(tmp_path: Path) -> None:
    files = folder(tmp_path / "files", {"book.txt": prose("book", 40_000), "note.txt": prose("note", 20)})
    corpus, facts = run(tmp_path, Config(sources=(source("s", files),), heldout_fraction=0.1))
    check_nothing_is_lost(corpus)
    whole = (facts.text_bytes or 0) + (facts.heldout_bytes or 0)
    assert 0.03 * whole < (facts.heldout_bytes or 0) <= 0.1 * whole


def test_large_files_do_not_crowd_out_the_small_ones_that_can_be_held_out(tmp_path: Path) -> None:
    large = {f"large{number}.txt": prose(number, 4_000) for number in range(40)}
    small = {f"small{number}.txt": prose(f"s{number}", 300) for number in range(12)}
    files = folder(tmp_path / "files", large | small)
    config = Config(sources=(source("s", files),), heldout_fraction=0.02, heldout_max_bytes=12_000)
    _, facts = run(tmp_path, config)
    assert (facts.heldout_documents or 0) >= 3 and (facts.heldout_bytes or 0) >= 6_000


def test_pieces_of_one_file_stay_together_where_files_are_many(tmp_path: Path) -> None:
    texts = {f"{number}.txt": prose(number, 800) for number in range(40)}
    files = folder(tmp_path / "files", texts)
    config = Config(sources=(source("s", files),), heldout_fraction=0.2, document_chars=3_000)
    corpus, _ = run(tmp_path, config)
    held = {d.id.split("#")[0] for d in corpus.documents("heldout")}
    assert held and not held & {d.id.split("#")[0] for d in corpus.documents("train")}


def test_heldout_text_that_is_in_training_is_replaced_or_dropped(tmp_path: Path) -> None:
    whole = prose("shared", 1000)
    words = whole.split()
    texts = {f"{n:02}.txt": " ".join(words[n * 50 : n * 50 + 50]) + " " + prose(n, 40) for n in range(20)}
    files = folder(tmp_path / "files", texts | {"whole.txt": whole, "own.txt": prose("own", 100)})
    corpus, _ = run(tmp_path, Config(sources=(source("s", files),), heldout_fraction=0.05))
    check_nothing_is_lost(corpus)
    assert [d.id for d in corpus.documents("heldout")] == ["s/own.txt"]
    leakage = report(corpus)["leakage"]["s"]
    assert leakage["largest_share"] <= 0.3


def test_leak_shares_are_exact() -> None:
    text = prose("leak", 300)
    train = " ".join(text.split()[:150])
    others = [(2, train), (3, prose("other"))]
    assert leak_shares([(1, text)], others) == [pytest.approx(138 / 288)]
    assert leak_shares([(1, text)], [(1, text), *others]) == [pytest.approx(138 / 288)]
    assert leak_shares([(1, text), (2, train)], [(1, text), *others]) == [pytest.approx(138 / 288), 1.0]
    assert leak_shares([(2, text)], others) == [0.0]
    assert leak_shares([(1, text)], []) == [0.0] and leak_shares([], [(1, text)]) == []


def test_where_everything_leaks_the_least_is_kept_and_said(tmp_path: Path) -> None:
    notice = prose("notice", 200)
    texts = {f"{number}.txt": f"{notice}\n\n{prose(number, 100 + 20 * number)}" for number in range(6)}
    files = folder(tmp_path / "files", texts)
    config = Config(sources=(source("s", files),), family=0.8, heldout_fraction=0.3)
    said: list[str] = []
    for name in ("out", "scratch"):
        (tmp_path / name).mkdir()
    curate(config, tmp_path / "out", tmp_path / "scratch", say=said.append)
    corpus = Corpus(tmp_path / "out")
    check_nothing_is_lost(corpus)
    assert [d.id for d in corpus.documents("heldout")] == ["s/5.txt"]
    assert report(corpus)["leakage"]["s"]["passed_over"] == 6 and "word for word" in said[-1]


def test_every_pair_of_likes_is_found(tmp_path: Path) -> None:
    texts = [varied(prose(number // 6, 300), random.Random(number).uniform(0, 0.12), number) for number in range(240)]
    arrays = [shingles(text, 5) for text in texts]
    store = ShingleStore(tmp_path)
    for array in arrays:
        store.add(array)
    found = similar_pairs(store, 0.4, lambda done, total: None)
    exact = {(i, j): jaccard(arrays[i], arrays[j]) for j in range(240) for i in range(j)}
    assert all(index == exact[i, j] for i, j, index in found)
    likes = {pair for pair, index in exact.items() if index >= 0.4}
    certain = {pair for pair, index in exact.items() if index >= 0.6}
    got = {(i, j) for i, j, _ in found}
    assert got <= likes and certain <= got and len(got) > 0.95 * len(likes) > 50


def test_no_and_empty_documents_have_no_likes(tmp_path: Path) -> None:
    assert similar_pairs(ShingleStore(tmp_path), 0.4, lambda done, total: None) == []
    store = ShingleStore(tmp_path)
    for _ in range(3):
        store.add(np.zeros(0, np.uint64))
    assert similar_pairs(store, 0.4, lambda done, total: None) == []


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20), st.floats(0, 1)), max_size=60))
def test_later_copies_are_like_something_kept(pairs: list[tuple[int, int, float]]) -> None:
    unique = {(min(i, j), max(i, j)): index for i, j, index in pairs if i != j}
    dropped = later_copies([(i, j, index) for (i, j), index in unique.items()], 0.8)
    for number, (first, index) in dropped.items():
        assert first < number and first not in dropped and unique[first, number] == index >= 0.8
    for (i, j), index in unique.items():
        assert index < 0.8 or i in dropped or j in dropped


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=40), st.integers(0, 5))
def test_heldout_draws_whole_families_within_the_target(pairs: list[tuple[int, int]], seed: int) -> None:
    members = [Member(f"{number:02}", "ab"[number % 2], 10 + number, f"{number}") for number in range(31)]
    roots = families(31, pairs)
    taken = draw_heldout(members, roots, {"a": 100, "b": 80}, seed)
    assert {roots[place] for place in taken}.isdisjoint({roots[p] for p in range(31) if p not in taken})
    owners = Counter(members[root].source for root in set(roots))
    for name, target in (("a", 100), ("b", 80)):
        size = sum(members[place].bytes for place in taken if members[place].source == name)
        own = {root for root in roots if members[root].source == name}
        fits = [sum(members[p].bytes for p in range(31) if roots[p] == root) <= target for root in own]
        if owners[name] > 1 and any(fits):
            assert any(roots[place] in own for place in taken) or size > 0


@given(st.text())
def test_clean_is_stable_and_leaves_no_controls(text: str) -> None:
    once = clean(text, Counter())
    assert clean(once, Counter()) == once
    assert not any(char in once for char in "\0\r\x1b\u200b\ufeff") and "\n\n\n" not in once


def test_clean_keeps_structure_and_counts_repairs() -> None:
    repaired = Counter[str]()
    text = clean("\ufeffdef f():\r\n    return 1  \r\n\r\n\r\n\r\ncafe\u0301\u00a0\x07au\ud800lait\0", repaired)
    assert text == "def f():\n    return 1\n\ncafé au\ufffdlait"
    assert repaired == {
        "NUL bytes removed": 1,
        "control characters removed": 1,
        "invisible characters removed": 1,
        "surrogates replaced": 1,
    }


def test_drop_reasons() -> None:
    assert drop_reason("", 5) == "no text"
    assert drop_reason("= = = = \n=", 5) == "all one character"
    assert drop_reason("Hi.", 5) == "too short"
    assert drop_reason("12 34 | 56 78 ++ 90", 5) == "mostly not text"
    assert drop_reason("这是一个很好的文本。", 5) == ""


def test_changed_files_are_refused_with_both_digests(tmp_path: Path) -> None:
    files = folder(tmp_path / "files", {"a.txt": prose(1), "b.txt": prose(2)})
    config = Config(sources=(source("s", files),))
    (files / "a.txt").write_text(prose(3))
    now = source("s", files).sha256
    with pytest.raises(InputError) as caught:
        run(tmp_path, config)
    assert config.sources[0].sha256 in caught.value.message and now in caught.value.message
    assert now in caught.value.hint


def test_an_empty_corpus_tells_the_reasons(tmp_path: Path) -> None:
    files = folder(tmp_path / "files", {"a.txt": "", "b.txt": "x" * 99, "c.pdf": "?", "d.txt": "short"})
    with pytest.raises(InputError) as caught:
        run(tmp_path, Config(sources=(source("s", files),)))
    assert "4 documents read, dropped: 1 all one character, 1 damaged PDF, 1 no text, 1 too short" in str(caught.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "a b"},
        {"kind": "package"},
        {"kind": "package", "paths": ("x",), "distributions": ("a==1",)},
        {"distributions": ("a==1",)},
        {"sha256": "12"},
        {"max_bytes": -1},
        {"colour": "red"},
    ],
)
def test_wrong_sources_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Source(**({"name": "a", "paths": ("x",), "sha256": "0" * 64} | fields))


def test_wrong_configs_are_refused() -> None:
    one = Source(name="a", paths=("x",), sha256="0" * 64)
    for fields in ({"sources": ()}, {"sources": (one, one)}, {"sources": (one,), "family": 0.9}):
        with pytest.raises(ValidationError):
            Config(**fields)


def test_prediction_and_price(machine: Machine) -> None:
    big = Source(name="a", paths=("x",), sha256="0" * 64, bytes=20_000_000)
    few = big.model_copy(update={"name": "b", "max_bytes": 100_000})
    stage = CurateStage()
    facts = stage.predict(Config(sources=(big, few)), {})
    assert facts.source_bytes == {"a": 16_000_000 - 50_000, "b": 98_000}
    assert facts.heldout_bytes == 52_000 and facts.text_bytes == sum(facts.source_bytes.values())
    estimates = [stage.estimate(Config(sources=(s,)), {}, machine) for s in (big, big.model_copy(update={"bytes": 1}))]
    assert estimates[0].seconds.p50 > 5 * estimates[1].seconds.p50


@pytest.fixture
def machine() -> Machine:
    return Machine(name="test", cores=2, memory_bytes=8_000_000_000, fp32_flops=1e11, bf16_flops=4e11, watts_busy=40.0)


@pytest.mark.slow
def test_licence_texts_are_curated(tmp_path: Path) -> None:
    legal = Source(
        name="legal",
        kind="package",
        distributions=("licensedcode-data==32.1.0",),
        include=("licensedcode/data/licenses/*.LICENSE",),
        front_matter=True,
        sha256="64d38e8cc6e47c7f0ff30dd451054e334d643245465ab0e7bf876a729bf852a3",
    )
    corpus, facts = run(tmp_path, Config(sources=(legal,)))
    check_nothing_is_lost(corpus)
    told = report(corpus)["sources"]["legal"]
    assert told["read"] > 2_300 and told["dropped"]["near duplicate"] > 300
    assert (facts.text_bytes or 0) > 10_000_000 and 40_000 < told["heldout_bytes"] <= 50_000
    held, train = list(corpus.documents("heldout")), list(corpus.documents("train"))
    assert not any(document.text.startswith("---\nkey:") for document in held + train)
    seen = [shingles(document.text, 5) for document in train]
    for document in held:
        own = shingles(document.text, 5)
        assert max(jaccard(own, other) for other in seen) < 0.4
    assert report(corpus)["leakage"]["legal"]["largest_share"] <= 0.3
