"""Keys: frozen, independent of order, and refusing what has no single form."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luosi.pipeline.key import artifact_key, canonical
from tests.small_stages import SlowConfig

GOLDEN = Path(__file__).parent / "golden" / "keys.json"


def test_keys_are_frozen() -> None:
    """A key that changes orphans every artifact in the world: bump FORMAT if the form must change."""
    for case in json.loads(GOLDEN.read_text())["cases"]:
        assert artifact_key(case["stage"], case["version"], SlowConfig(**case["config"]), case["inputs"]) == case["key"]


def test_what_is_not_identity_is_left_out() -> None:
    base = SlowConfig(text="a", lines=1)
    key = artifact_key("slow", 1, base, {})
    assert artifact_key("slow", 1, base.model_copy(update={"where": "elsewhere"}), {}) == key
    assert artifact_key("slow", 1, base.model_copy(update={"rate": 1}), {}) == key, "1 and 1.0 are one float setting"
    assert artifact_key("slow", 1, base, {"parts": []}) == key
    assert artifact_key("slow", 1, base.model_copy(update={"suffix": "!"}), {}) != key
    assert artifact_key("slow", 2, base, {}) != key
    assert artifact_key("slow", 1, base, {"parts": ["k1-0"]}) != key
    assert "suffix" not in canonical(base)  # type: ignore[operator]


@given(
    st.dictionaries(st.text(), st.one_of(st.integers(), st.text(), st.booleans(), st.none()), max_size=6), st.randoms()
)
def test_order_of_fields_does_not_matter(fields: dict[str, object], random: object) -> None:
    shuffled = list(fields.items())
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert json.dumps(canonical(dict(shuffled))) == json.dumps(canonical(fields))


@pytest.mark.parametrize("value", [math.nan, math.inf, {1, 2}, print, {1: "a"}, object(), b"bytes"])
def test_values_without_one_form_are_refused(value: object) -> None:
    with pytest.raises(TypeError, match=r"config\.deep"):
        canonical({"deep": [value]})


@given(st.text(), st.integers(1, 10**6), st.text(), st.integers(1, 10**6))
def test_different_configs_have_different_keys(text: str, lines: int, text2: str, lines2: int) -> None:
    same = (text, lines) == (text2, lines2)
    one = artifact_key("slow", 1, SlowConfig(text=text, lines=lines), {})
    two = artifact_key("slow", 1, SlowConfig(text=text2, lines=lines2), {})
    assert (one == two) == same
