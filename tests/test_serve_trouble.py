"""Upstreams that misbehave: a real HTTP server that does every wrong thing, and what our clients are told and charged."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.serving import start

PIECE = b'data: {"id":"1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"hi"}}]}\n\n'
USAGE_BESIDE_CHOICES = (
    b'data: {"id":"1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":7,"completion_tokens":2}}\n\n'
)
DONE = b"data: [DONE]\n\n"


async def misbehave(request: Request) -> Response:
    """The model's name says what to do wrong."""
    body = await request.json()
    how = body["model"]
    if how.isdigit():
        return JSONResponse({"error": {"message": "so it is", "code": 5}}, int(how), {"retry-after": "7"})
    if how == "page":
        return PlainTextResponse("<html>hello from a proxy</html>")
    if how == "redirect":
        return Response(status_code=307, headers={"location": "http://127.0.0.1:1/steal"})
    if how == "no usage":
        return JSONResponse({"choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}}]})

    async def pieces() -> AsyncIterator[bytes]:
        yield PIECE
        if how == "broken":
            yield b'data: {"id": 1, "cho'
        if how == "error":
            yield b'data: {"error": {"message": "out of memory"}}\n\n'
        if how == "usage beside choices":
            yield USAGE_BESIDE_CHOICES + DONE
        if how == "reset":
            await asyncio.sleep(0.05)
            raise ConnectionResetError

    return StreamingResponse(pieces(), media_type="text/event-stream")


@pytest.fixture(scope="module")
def hostile() -> Iterator[str]:
    app = Starlette(routes=[Route("/v1/chat/completions", misbehave, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/v1"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def accounts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trouble") / "accounts.db"


WAYS = ["400", "401", "404", "429", "500", "503", "page", "redirect", "no usage", "broken", "error", "cut", "reset",
        "usage beside choices"]  # fmt: skip


@pytest.fixture(scope="module")
def api(hostile: str, accounts: Path) -> Iterator[openai.OpenAI]:
    models: list[dict[str, Any]] = [{"name": way, "url": hostile, "prices": [10**9, 10**9]} for way in WAYS]
    models.append({"name": "nobody", "url": "http://127.0.0.1:9/v1"})
    with (
        start(models, accounts=accounts) as running,
        openai.OpenAI(base_url=running.url + "/v1", api_key="any", max_retries=0) as client,
    ):
        yield client


def ask(api: openai.OpenAI, model: str, stream: bool) -> list[Any]:
    answer = api.chat.completions.create(model=model, messages=[{"role": "user", "content": "hi"}], stream=stream)
    return list(answer) if stream else [answer]


def last_charge(accounts: Path, model: str) -> tuple[Any, ...] | None:
    with contextlib.closing(sqlite3.connect(accounts)) as database:
        query = "SELECT status, prompt_tokens, completion_tokens, nano FROM charges WHERE model = ? ORDER BY id DESC"
        row: tuple[Any, ...] | None = database.execute(query, (model,)).fetchone()
        return row


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("model", "status", "words", "charged"),
    [
        ("400", 400, "refused: so it is", False),
        ("401", 502, "refuses our key", False),
        ("404", 404, "refused: so it is", False),
        ("429", 429, "is at its limit", False),
        ("500", 502, "answered with status 500", False),
        ("503", 503, "cannot answer now", False),
        ("page", 502, "did not answer in JSON|broke off before its end", True),
        ("redirect", 502, "answered with status 307", False),
        ("nobody", 502, "cannot be reached", False),
    ],
)
def test_trouble_before_the_answer(
    api: openai.OpenAI, accounts: Path, model: str, status: int, words: str, charged: bool, stream: bool
) -> None:
    with pytest.raises(openai.APIStatusError, match=words) as caught:
        ask(api, model, stream)
    assert caught.value.status_code == status
    assert caught.value.response.headers["content-type"] == "application/json"
    assert last_charge(accounts, model) == (("failed", None, None, None) if charged else None)
    if status == 429:
        assert caught.value.response.headers["retry-after"] == "7"


@pytest.mark.parametrize(
    ("model", "words"),
    [("broken", "broke off"), ("error", "out of memory"), ("cut", "broke off"), ("reset", "broke off")],
)
def test_trouble_in_the_middle_is_no_silent_end(api: openai.OpenAI, accounts: Path, model: str, words: str) -> None:
    with pytest.raises(openai.APIError, match=words):
        ask(api, model, stream=True)
    assert last_charge(accounts, model) == ("failed", None, None, None)


def test_an_answer_without_usage_is_charged_as_unknown(api: openai.OpenAI, accounts: Path) -> None:
    assert ask(api, "no usage", stream=False)[0].choices[0].message.content == "hi"
    assert last_charge(accounts, "no usage") == ("done", None, None, None)


def test_usage_in_a_chunk_that_has_choices_is_counted(api: openai.OpenAI, accounts: Path) -> None:
    chunks = ask(api, "usage beside choices", stream=True)
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None, "stop"]
    assert last_charge(accounts, "usage beside choices") == ("done", 7, 2, 9000)
