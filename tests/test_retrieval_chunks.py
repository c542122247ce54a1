"""Cutting documents into pieces: nothing lost, no row or sentence cut, headings kept."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luosi.retrieval.chunks import Piece, cut, size_of

HANDBOOK = """\
Welcome.

# Leave

## Sick leave

An employee who is ill has ten days of leave a year. A doctor's note is needed from the third day on. It goes to the office.

## Parental leave

Sixteen weeks.

# Cars

```
# not a heading
```
"""


def pieces(text: str, size: int) -> list[Piece]:
    return list(cut(text, size))


def test_a_piece_knows_the_headings_it_stands_under() -> None:
    found = {piece.text.split()[0]: piece.heading for piece in pieces(HANDBOOK, 400)}
    assert found == {"Welcome.": "", "An": "Leave > Sick leave", "Sixteen": "Leave > Parental leave", "```": "Cars"}


def test_sentences_are_kept_whole_and_pieces_are_about_equal() -> None:
    sick = [piece.text for piece in pieces(HANDBOOK, 60) if piece.heading.endswith("Sick leave")]
    assert sick == [
        "An employee who is ill has ten days of leave a year.",
        "A doctor's note is needed from the third day on.",
        "It goes to the office.",
    ]


def test_chinese_is_cut_after_its_own_full_stops() -> None:
    text = "职工有权休病假。每年十天。第三天起须交医生证明，并送交办公室。"
    assert [piece.text for piece in pieces(text, 40)] == [
        "职工有权休病假。每年十天。",
        "第三天起须交医生证明，",
        "并送交办公室。",
    ]


@pytest.mark.parametrize("rule", ["", "--- | ---\n"], ids=["plain", "Markdown"])
def test_a_table_is_cut_between_rows_and_says_its_header_again(rule: str) -> None:
    rows = [f"substance number {number} | {number} mg\n" for number in range(40)]
    header = "Name | Dose\n" + rule
    found = pieces("# Doses\n\nAs follows.\n\n" + header + "".join(rows) + "\nEnd.", 200)
    assert len(found) > 4
    for piece in found[1:]:
        assert piece.text.startswith(header)
    shown = [line + "\n" for piece in found for line in piece.text.split("\n") if line.startswith("substance")]
    assert shown == rows


def test_small_documents_and_small_paragraphs_stay_together() -> None:
    definition = "Rhizomelia: Disproportionate shortening of the proximal segment of limbs."
    assert [piece.text for piece in pieces(definition, 800)] == [definition]
    assert len(pieces("\n\n".join(["One small paragraph."] * 10), 800)) == 1


def test_a_heading_with_nothing_under_it_is_text() -> None:
    assert [(piece.heading, piece.text) for piece in pieces("# A\n# B\n## C\ntext\n# D\n", 100)] == [
        ("A", "A"),
        ("B > C", "text"),
        ("D", "D"),
    ]


def test_an_endless_line_is_cut_too() -> None:
    for text in ("x" * 100_000, "字" * 30_000, "a | " * 30_000):
        found = pieces(text, 300)
        assert max(size_of(piece.text) for piece in found) <= 4 * 300
        assert re.sub(r"\s", "", "".join(piece.text for piece in found)) == re.sub(r"\s", "", text)


LINES = st.lists(
    st.one_of(
        st.sampled_from(["", "# One", "## Two", "###### Six", "a | b", "--- | ---", "```", "1. item", "第一条 内容。"]),
        st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=60),
        st.text("ab .。中", max_size=200),
    ),
    max_size=30,
)


@settings(deadline=None, max_examples=150)
@given(lines=LINES, size=st.integers(20, 300))
def test_nothing_is_lost_and_pieces_stand_where_they_say(lines: list[str], size: int) -> None:
    text = "\n".join(lines)
    found = pieces(text, size)
    kept = "".join(piece.heading + piece.text for piece in found)
    assert not Counter(re.findall(r"\w", text)) - Counter(re.findall(r"\w", kept))
    starts = [piece.start for piece in found]
    assert starts == sorted(starts)
    for piece in found:
        last = piece.text.rsplit("\n", 1)[-1]
        assert piece.text and last in text
        assert piece.text == piece.text.rstrip() or piece.text.isspace()
