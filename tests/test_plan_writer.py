"""TOML out, the same values back in."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luosi.plan.writer import dump

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
SCALARS = st.one_of(TEXT, st.booleans(), st.integers(-(2**62), 2**62), st.floats(allow_nan=False, allow_infinity=False))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=4)),
    max_leaves=12,
)


@given(st.dictionaries(TEXT, VALUES, max_size=5), st.dictionaries(TEXT, st.text(max_size=40), max_size=3))
def test_any_document_comes_back_whatever_the_comments_say(document: dict[str, Any], notes: dict[str, str]) -> None:
    head = "\n".join(notes.values())
    for inline in ((), tuple(document)[:2]):
        read = tomllib.loads(dump(document, {**notes, **dict.fromkeys(document, head)}, head=head, inline=inline))
        assert read == document
        assert json.dumps(read, sort_keys=True) == json.dumps(document, sort_keys=True)  # 1 stays 1, 1.0 stays 1.0


def test_comments_stand_above_what_they_explain() -> None:
    text = dump(
        {"name": "x", "steps": {"adapt": {"stage": "finetune", "inputs": {"model": "open"}, "tokens": 5}}},
        {"steps.adapt": "the work", "steps.adapt.tokens": "all it pays for"},
        inline=("inputs",),
    )
    assert (
        '# the work\n[steps.adapt]\nstage = "finetune"\ninputs = { model = "open" }\n# all it pays for\ntokens = 5'
        in text
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None, {1, 2}, object()])
def test_what_has_no_form_is_refused_by_name(value: object) -> None:
    with pytest.raises((TypeError, ValueError), match=r"a\.b"):
        dump({"a": {"b": value}}, {})
