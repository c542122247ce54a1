"""Models that answer from the files: what the upstream is asked, and what clients are told the answer rests on."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import orjson
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from luosi.retrieval.search import Searcher
from luosi.serve.gateway import create_app
from luosi.serve.grounded import Files, with_files
from luosi.serve.upstreams import Address, ServedModel
from tests.retrieval_kit import small_index


async def repeat(request: Request) -> Response:
    """An upstream that answers with the request it got, and then cites passage 2 if it was asked to say so."""
    body = await request.json()
    last = body["messages"][-1]["content"]
    text = orjson.dumps([body["model"], body["messages"]]).decode() + (" See [2]." if "say two" in str(last) else "")
    if not body.get("stream"):
        return JSONResponse({"choices": [{"index": 0, "message": {"role": "assistant", "content": text}}]})

    def chunk(delta: dict[str, str], reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return b"data: " + orjson.dumps({"object": "chat.completion.chunk", "choices": [choice]}) + b"\n\n"

    pieces = [chunk({"content": text[:9]}), chunk({"content": text[9:]}), chunk({}, "stop"), b"data: [DONE]\n\n"]
    return StreamingResponse(iter(pieces), media_type="text/event-stream")


@contextlib.contextmanager
def served(app: Starlette) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/v1"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openai.OpenAI]:
    folder: Path = small_index(tmp_path_factory.mktemp("grounded"))
    with served(Starlette(routes=[Route("/v1/chat/completions", repeat, methods=["POST"])])) as upstream:
        plain = ServedModel("small", Address(upstream))
        files = Files(Searcher(folder), passages=2)
        with (
            served(create_app([plain, with_files(plain, files)])) as gateway,
            openai.OpenAI(base_url=gateway, api_key="any", max_retries=0) as client,
        ):
            yield client


def told(answer: Any) -> dict[str, Any]:
    return (answer.model_extra or {}).get("luosi", {})


QUESTION = "How many days of leave for an employee who is ill? And company cars?"


def test_the_last_question_comes_with_passages_and_the_rest_as_it_was(client: openai.OpenAI) -> None:
    turns = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": QUESTION}]
    answer = client.chat.completions.create(model="small+files", messages=turns)
    model, (system, user) = orjson.loads(answer.choices[0].message.content)
    assert answer.model == "small+files" and model == "small"
    assert system == turns[0]
    assert "Leave > Sick leave\nAn employee who is ill" in user["content"]
    assert user["content"].endswith(QUESTION)
    passages = told(answer)["passages"]
    assert [(p["number"], p["file"], p["page"], p["heading"]) for p in passages] == [
        (1, "handbook.pdf", 1, "Leave > Sick leave"),
        (2, "handbook.pdf", 3, "Cars"),
    ]
    assert passages[0]["text"] == "An employee who is ill has ten days of leave a year."


@pytest.mark.parametrize("stream", [False, True])
def test_the_passage_that_the_answer_names_is_marked(client: openai.OpenAI, stream: bool) -> None:
    turns = [{"role": "user", "content": QUESTION + " Then say two."}]
    answer = client.chat.completions.create(model="small+files", messages=turns, stream=stream)
    parts = list(answer) if stream else [answer]
    shown = [told(part) for part in parts if told(part)]
    assert len(shown) == 1
    assert [passage["cited"] for passage in shown[0]["passages"]][1]


def test_words_among_pictures_are_the_question(client: openai.OpenAI) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    content = [{"type": "text", "text": "公司车辆周末可以使用吗？"}, picture]
    answer = client.chat.completions.create(model="small+files", messages=[{"role": "user", "content": content}])
    _, (user,) = orjson.loads(answer.choices[0].message.content)
    assert user["content"][0] == picture
    assert "车辆\n公司车辆周末可以使用" in user["content"][1]["text"]


def test_what_needs_no_files_passes_as_it_is(client: openai.OpenAI) -> None:
    turns = [{"role": "user", "content": QUESTION}]
    plain = client.chat.completions.create(model="small", messages=turns)
    assert orjson.loads(plain.choices[0].message.content) == ["small", turns] and not told(plain)
    silent = [{"role": "user", "content": " "}]
    nothing = client.chat.completions.create(model="small+files", messages=silent)
    assert orjson.loads(nothing.choices[0].message.content) == ["small", silent] and not told(nothing)


def test_a_question_like_nothing_in_the_files_is_still_asked(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="small+files", messages=[{"role": "user", "content": "zzz qqq"}])
    assert "zzz qqq" in answer.choices[0].message.content and told(answer) == {"passages": []}
