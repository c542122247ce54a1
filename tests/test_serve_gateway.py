"""The gateway as its users meet it: the official client, a real model in a real engine, and a second gateway in front of the first.

`home` serves the engine; `relay` is another process that resells `home` under another name and at a price. No part is mocked.
"""

from __future__ import annotations

import http.client
import sqlite3
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import openai
import psutil
import pytest

from luosi import serve
from luosi.errors import UsageError
from tests.serving import Running, small_model, start

QUESTION = [{"role": "user", "content": "What is the capital of France?"}]
SHORT: dict[str, Any] = {"max_tokens": 6, "temperature": 0, "seed": 1}
PROMPT_NANO, ANSWER_NANO = 123_456_789, 987_654_321


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("serve")


@pytest.fixture(scope="module")
def home(folder: Path) -> Iterator[Running]:
    with start([{"name": "smol", "gguf": small_model()}], accounts=folder / "home.db") as running:
        until(lambda: status(running) == 200)
        yield running


@pytest.fixture(scope="module")
def relay(home: Running, folder: Path) -> Iterator[Running]:
    row = {"url": home.url + "/v1", "upstream_name": "smol", "prices": [PROMPT_NANO, ANSWER_NANO]}
    with start([{"name": "resold", **row}], accounts=folder / "relay.db") as running:
        yield running


def client(running: Running, key: str = "any") -> openai.OpenAI:
    return openai.OpenAI(base_url=running.url + "/v1", api_key=key, max_retries=0)


def until(true: Callable[[], object], patience_s: float = 120) -> None:
    deadline = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


def status(running: Running, path: str = "/health", **headers: str) -> int:
    request = urllib.request.Request(running.url + path, headers=headers)
    try:
        return int(urllib.request.urlopen(request, timeout=30).status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def charges(path: Path, state: str = "done") -> list[tuple[Any, ...]]:
    query = "SELECT model, upstream, prompt_tokens, completion_tokens, nano, currency FROM charges WHERE status = ?"
    with closing(sqlite3.connect(path)) as database:
        return database.execute(query + " ORDER BY id", (state,)).fetchall()


def engine_of(running: Running) -> psutil.Process:
    return psutil.Process(running.process.pid).children()[0]


def test_the_models_are_listed(relay: Running) -> None:
    with client(relay) as api:
        assert [model.id for model in api.models.list()] == ["resold"]
        assert api.models.retrieve("resold").owned_by.startswith("127.0.0.1:")


def test_streamed_and_whole_answers_agree_in_text_usage_and_charge(relay: Running, folder: Path) -> None:
    before = len(charges(folder / "relay.db"))
    asked = {"model": "resold", "messages": QUESTION, **SHORT}
    with client(relay) as api:
        raw = api.chat.completions.with_raw_response.create(**asked)
        whole = raw.parse()
        chunks = list(api.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
        silent = list(api.chat.completions.create(**asked, stream=True))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content and text
    assert {chunk.model for chunk in chunks} == {whole.model} == {"resold"}
    usage = chunks[-1].usage
    assert usage and whole.usage and not chunks[-1].choices
    counts = (usage.prompt_tokens, usage.completion_tokens)
    assert counts == (whole.usage.prompt_tokens, whole.usage.completion_tokens) and counts[1] == 6
    assert all(chunk.usage is None and chunk.choices for chunk in silent)

    nano = -(-(counts[0] * PROMPT_NANO + counts[1] * ANSWER_NANO) // 10**6)
    assert raw.headers["x-luosi-cost"] == f"0.{nano:09d} USD"
    assert chunks[-1].model_extra and chunks[-1].model_extra["luosi_cost"] == {"nano": nano, "currency": "USD"}
    upstream = relay_upstream(folder)
    assert charges(folder / "relay.db")[before:] == [("resold", upstream, *counts, nano, "USD")] * 3
    assert charges(folder / "home.db")[-3:] == [("smol", "engine", *counts, None, None)] * 3


def relay_upstream(folder: Path) -> str:
    return str(charges(folder / "relay.db")[-1][1])


def test_plain_completions_and_fields_we_do_not_know(relay: Running) -> None:
    asked = {"model": "resold", "prompt": "The capital of France is", "extra_body": {"grammar": 'root ::= "zebra"'}}
    with client(relay) as api:
        whole = api.completions.create(**asked, **SHORT)
        streamed = list(api.completions.create(**asked, **SHORT, stream=True))
    assert whole.choices[0].text == "".join(chunk.choices[0].text for chunk in streamed) == "zebra"


def test_mistakes_are_answered_in_the_clients_own_terms(relay: Running) -> None:
    with client(relay) as api:
        with pytest.raises(openai.NotFoundError, match="did you mean resold") as unknown:
            api.chat.completions.create(model="resolt", messages=QUESTION)
        assert (unknown.value.code, unknown.value.param) == ("model_not_found", "model")
        with pytest.raises(openai.BadRequestError, match="max_tokens: Input should be a valid integer, got 'many'"):
            api.chat.completions.create(model="resold", messages=QUESTION, max_tokens="many")
        for stream in (False, True):
            with pytest.raises(openai.BadRequestError, match="the prompt is too long") as long:
                api.completions.create(model="resold", prompt="word " * 3000, stream=stream)
            assert long.value.code == "context_length_exceeded"
        with pytest.raises(openai.NotFoundError, match="there is no POST /v1/embeddings here"):
            api.embeddings.create(model="resold", input="x")


def test_a_body_too_large_is_refused_without_reading_it_all(home: Running) -> None:
    connection = http.client.HTTPConnection(home.url.removeprefix("http://"), timeout=60)
    connection.putrequest("POST", "/v1/completions")
    connection.putheader("content-length", str(10**12))
    connection.endheaders()
    for _ in range(17):
        connection.send(b" " * 2**20)
    response = connection.getresponse()
    assert response.status == 413 and b"request_too_large" in response.read()
    connection.close()


def test_a_client_that_leaves_stops_the_work_all_the_way_up(relay: Running, folder: Path) -> None:
    cancelled = len(charges(folder / "home.db", "cancelled"))
    with client(relay) as api:
        endless: dict[str, Any] = {"max_tokens": 900, "extra_body": {"ignore_eos": True}}
        with api.chat.completions.create(model="resold", messages=QUESTION, stream=True, **endless) as stream:
            next(iter(stream))
        with pytest.raises(openai.APITimeoutError):
            api.chat.completions.create(model="resold", messages=QUESTION, timeout=1, **endless)
    for name in ("relay.db", "home.db"):
        until(lambda name=name: len(charges(folder / name, "cancelled")) == cancelled + 2)
    assert charges(folder / "relay.db", "cancelled")[-1][2:] == (None, None, None, None)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [({}, 200), ({"Host": "evil.example"}, 403), ({"Origin": "http://evil.example"}, 403), ({"Origin": "null"}, 403)],
)
def test_other_sites_cannot_use_a_browser_to_get_in(home: Running, headers: dict[str, str], expected: int) -> None:
    assert status(home, "/v1/models", **headers) == expected


def test_an_engine_that_dies_is_started_again(home: Running) -> None:
    killed = engine_of(home)
    killed.kill()
    with client(home) as api:
        with pytest.raises((openai.InternalServerError, openai.APIStatusError)) as dead:
            api.chat.completions.create(model="smol", messages=QUESTION, **SHORT)
        assert dead.value.status_code in (502, 503) and str(dead.value.code).startswith(("engine_", "upstream_"))
        until(lambda: status(home) == 200 and engine_of(home).pid != killed.pid)
        assert api.chat.completions.create(model="smol", messages=QUESTION, **SHORT).choices


def test_a_question_asked_while_the_model_is_loaded_waits_for_it() -> None:
    with start([{"name": "smol", "gguf": small_model()}]) as running, client(running) as api:
        assert api.chat.completions.create(model="smol", messages=QUESTION, **SHORT).choices


def test_sigterm_ends_server_and_engine_in_order(folder: Path) -> None:
    with start([{"name": "smol", "gguf": small_model()}]) as running:
        until(lambda: status(running) == 200)
        engine = engine_of(running)
        assert running.stop() == 0
        until(lambda: not engine.is_running())


def test_a_key_is_asked_for_and_anything_else_stays_on_this_machine(
    folder: Path, home: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match=r"refusing to listen on 0\.0\.0\.0 without an API key"):
        serve.run([], host="0.0.0.0")
    with pytest.raises(UsageError, match="cannot listen on"):
        serve.run([], port=int(home.url.rsplit(":", 1)[1]))
    monkeypatch.setenv("HOME_KEY", "wrong")
    key = {"name": "again", "key_variable": "HOME_KEY", "upstream_name": "resold"}
    with (
        start([{"name": "resold", "url": home.url + "/v1", "upstream_name": "smol"}], api_key="secret") as locked,
        start([{**key, "url": locked.url + "/v1"}]) as stranger,
    ):
        assert status(locked, "/health") == 200
        assert status(locked, "/v1/models") == 401
        with client(locked) as api, pytest.raises(openai.AuthenticationError):
            api.models.list()
        with client(locked, "secret") as api:
            assert api.chat.completions.create(model="resold", messages=QUESTION, **SHORT).choices
        with client(stranger) as api, pytest.raises(openai.InternalServerError, match="refuses our key") as refused:
            api.chat.completions.create(model="again", messages=QUESTION)
        assert refused.value.status_code == 502


def test_an_address_that_cannot_be_used_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    with pytest.raises(UsageError, match="NO_SUCH_KEY is not set"):
        serve.Address("https://api.example.com/v1", key_variable="NO_SUCH_KEY")
    with pytest.raises(UsageError, match="no http or https URL"):
        serve.Address("api.example.com/v1")
