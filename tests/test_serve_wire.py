"""Requests checked and events cut: whatever the bytes, the same events; whatever the fault, the field is named."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luosi.serve import wire


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[start:end] for start, end in itertools.pairwise(edges)]


def read_events(pieces: list[bytes]) -> list[bytes]:
    async def source() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    async def collect() -> list[bytes]:
        return [data async for data in wire.events(source())]

    return asyncio.run(collect())


@settings(deadline=None)
@given(
    st.lists(st.dictionaries(st.text(), st.text() | st.integers(-(2**53), 2**53)), max_size=5),
    st.lists(st.integers(0, 10_000), max_size=8),
    st.sampled_from([b"\n", b"\r\n"]),
    st.booleans(),
)
def test_events_do_not_depend_on_how_the_bytes_were_cut(
    values: list[dict[str, object]], places: list[int], newline: bytes, comments: bool
) -> None:
    noise = b": keep-alive" + newline + newline if comments else b""
    stream = b"".join(noise + b"data: " + orjson.dumps(value) + newline * 2 for value in values)
    assert [orjson.loads(data) for data in read_events(cut(stream, places))] == values


def test_a_boundless_event_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_EVENT_BYTES", 1000)
    with pytest.raises(wire.ApiError) as caught:
        read_events([b"data: "] + [b"x" * 100] * 20)
    assert caught.value.status == 502


USER = {"role": "user", "content": "hello"}


@pytest.mark.parametrize(
    ("route", "body", "param"),
    [
        ("chat/completions", {"messages": [USER]}, "model"),
        ("chat/completions", {"model": "m"}, "messages"),
        ("chat/completions", {"model": 5, "messages": [USER]}, "model"),
        ("chat/completions", {"model": "m", "messages": []}, "messages"),
        ("chat/completions", {"model": "m", "messages": "hello"}, "messages"),
        ("chat/completions", {"model": "m", "messages": [USER, {"role": "ghost", "content": ""}]}, "messages.1.role"),
        ("chat/completions", {"model": "m", "messages": [{"role": "user", "content": 3}]}, "messages.0.content"),
        ("chat/completions", {"model": "m", "messages": [USER], "stream": "yes"}, "stream"),
        ("chat/completions", {"model": "m", "messages": [USER], "max_tokens": -1}, "max_tokens"),
        ("chat/completions", {"model": "m", "messages": [USER], "max_tokens": "9"}, "max_tokens"),
        ("chat/completions", {"model": "m", "messages": [USER], "temperature": 9}, "temperature"),
        ("chat/completions", {"model": "m", "messages": [USER], "stream_options": {}}, "stream_options"),
        ("completions", {"model": "m"}, "prompt"),
        ("completions", {"model": "m", "prompt": {"text": "hello"}}, "prompt"),
    ],
)
def test_a_wrong_field_is_named(route: str, body: dict[str, object], param: str) -> None:
    with pytest.raises(wire.ApiError) as caught:
        wire.read_request(route, orjson.dumps(body))
    assert (caught.value.status, caught.value.param) == (400, param)
    assert set(caught.value.body()["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff", b'"text"', b"NaN", b"[" * 5000])
def test_what_is_not_a_json_object_is_refused(raw: bytes) -> None:
    with pytest.raises(wire.ApiError) as caught:
        wire.read_request("completions", raw)
    assert (caught.value.status, caught.value.code) == (400, "invalid_json")


def test_unknown_fields_pass() -> None:
    body = {"model": "m", "messages": [{**USER, "name": "x"}], "top_k": 3, "stream": True, "stream_options": {"odd": 1}}
    assert wire.read_request("chat/completions", orjson.dumps(body)) == body


def test_the_nearest_model_is_named() -> None:
    assert "did you mean luosi-legal?" in wire.unknown_model("luosi-legl", ["luosi-legal", "other"]).message
    assert "known models: a, b" in wire.unknown_model("zzzz", ["b", "a"]).message
