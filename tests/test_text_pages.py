"""Pages survive cutting and cleaning: every word is found on the page it was written on."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luosi.artifacts import Document
from luosi.stages.curate.clean import clean, clean_pages
from luosi.text.decoding import PAGE_BREAK
from luosi.text.reading import cut

GAPS = st.text(" \n\r\t\u00a0\u200b\u2028\x85\x0b\x07", min_size=1, max_size=4).map(lambda gap: gap + " ")
PAGES = st.lists(st.lists(GAPS, max_size=12), min_size=1, max_size=12)


def written(pages: list[list[str]]) -> list[str]:
    """Pages whose words name their page: "p3w7"."""
    return [
        "".join(f"{gap}p{number}w{place}" for place, gap in enumerate(gaps)) for number, gaps in enumerate(pages, 1)
    ]


@given(PAGES, st.integers(24, 200), st.integers(1, 50))
def test_page_at_is_right_after_cut_and_clean(pages: list[list[str]], limit: int, block: int) -> None:
    text = PAGE_BREAK.join(written(pages))
    blocks = [text[start : start + block] for start in range(0, len(text), block)]
    found = []
    for raw in cut("a.pdf", blocks, limit, file="a.pdf", paged=True):
        cleaned, page, offsets = clean_pages(raw.text, raw.page, Counter())
        assert "\f" not in cleaned and cleaned == clean(cleaned, Counter()) and list(offsets) == sorted(offsets)
        assert all(0 < offset < len(cleaned) for offset in offsets)
        document = Document(id=raw.name, source="s", text=cleaned, file=raw.file, page=page, pages=offsets)
        words = list(re.finditer(r"p(\d+)w\d+", cleaned))
        assert all(document.page_at(place) == int(word[1]) for word in words for place in word.span()[:1])
        assert all(document.page_at(word.end() - 1) == int(word[1]) for word in words)
        found += [word[0] for word in words]
        assert not words or page == int(words[0][1])
    assert found == [f"p{number}w{place}" for number, gaps in enumerate(pages, 1) for place in range(len(gaps))]


def test_a_form_feed_is_no_page_in_a_text_without_pages() -> None:
    (raw,) = cut("a.txt", ["one\ftwo"], 100, file="a.txt")
    assert raw.page == 0 and clean_pages(raw.text, raw.page, Counter()) == ("one\ntwo", 0, ())


@pytest.mark.parametrize(
    ("text", "page", "expected"),
    [
        ("one\n\f\ntwo", 1, ("one\n\ntwo", 1, (5,))),
        ("\n\f\ntwo", 4, ("two", 5, ())),
        ("one\n\f\n\n\f\nthree\n\f\n", 1, ("one\n\nthree", 1, (5, 5))),
        ("\f \f", 7, ("", 7, ())),
    ],
)
def test_empty_pages(text: str, page: int, expected: tuple[str, int, tuple[int, ...]]) -> None:
    assert clean_pages(text, page, Counter()) == expected
