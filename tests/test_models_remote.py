"""Somebody else's models over real sockets: both shapes, every way of not answering, when it is asked again, and where the key goes."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from luosi.errors import UsageError
from luosi.models import remote
from luosi.models.remote import Remote, RemoteTrouble, Reply
from tests.remote_kit import Answer, Seen, Server, serving

CHAT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Capital of France?"}]
KEY = "sk-very-secret"


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """How long it would have waited before trying again."""
    waits: list[float] = []
    monkeypatch.setattr(remote, "sleep", waits.append)
    monkeypatch.setenv("TEST_KEY", KEY + "\n")
    yield waits


def ask(server: Server, shape: remote.Shape = "openai", timeout_s: float = 60) -> Reply:
    return Remote(server.url, "m-1", shape, "TEST_KEY", timeout_s).chat(CHAT, max_tokens=7)


def trouble(server: Server, shape: remote.Shape = "openai", timeout_s: float = 60) -> RemoteTrouble:
    with pytest.raises(RemoteTrouble) as caught:
        ask(server, shape, timeout_s)
    return caught.value


def test_openais_shape() -> None:
    with serving(Answer()) as server:
        reply = ask(server)
    assert (reply.text, reply.prompt_tokens, reply.answer_tokens) == ("Paris", 10, 2)
    assert 0 < reply.seconds < 60
    (seen,) = server.seen
    assert seen.path == "/v1/chat/completions"
    assert seen.body == {"model": "m-1", "max_tokens": 7, "temperature": 0, "messages": CHAT}
    assert seen.headers["authorization"] == f"Bearer {KEY}"


def test_anthropics_shape() -> None:
    with serving(Answer()) as server:
        reply = ask(server, "anthropic")
    assert (reply.text, reply.prompt_tokens, reply.answer_tokens) == ("Paris", 10, 2)
    (seen,) = server.seen
    assert seen.path == "/v1/messages"
    expected = {"model": "m-1", "max_tokens": 7, "temperature": 0, "messages": CHAT[1:], "system": "Be brief."}
    assert seen.body == expected
    assert seen.headers["x-api-key"] == KEY
    assert seen.headers["anthropic-version"] == "2023-06-01"
    assert "authorization" not in seen.headers


def test_content_blocks_are_joined_and_cached_tokens_are_counted() -> None:
    body = (
        b'{"content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Pa"}, {"type": "text", "text": "ris"}],'
        b'"stop_reason": "end_turn", "usage": {"input_tokens": 5, "cache_read_input_tokens": 7, "output_tokens": 3}}'
    )
    with serving(Answer(raw=body)) as server:
        reply = ask(server, "anthropic")
    assert (reply.text, reply.prompt_tokens, reply.answer_tokens) == ("Paris", 12, 3)


@pytest.mark.parametrize("shape", ["openai", "anthropic"])
@pytest.mark.parametrize("usage", [None, (-1, 2), (10**12, 2)])
def test_usage_that_is_missing_or_cannot_be_is_unknown(shape: remote.Shape, usage: tuple[int, int] | None) -> None:
    with serving(Answer(usage=usage)) as server:
        reply = ask(server, shape)
    assert (reply.text, reply.prompt_tokens) == ("Paris", None)


@pytest.mark.parametrize(
    ("shape", "answer", "reason", "detail"),
    [
        ("openai", Answer(text="I", ending="content_filter"), "refused", "content filter"),
        ("anthropic", Answer(text="I will not.", ending="refusal"), "refused", "I will not."),
        ("anthropic", Answer(text=None, ending="refusal"), "refused", "stop_reason"),
        ("openai", Answer(text=""), "empty answer", "stop"),
        ("openai", Answer(text=None, ending="length"), "empty answer", "allow more"),
        ("anthropic", Answer(text=" \n", ending="max_tokens"), "empty answer", "allow more"),
    ],
)
def test_refusals_and_empty_answers_are_named_and_charged(
    shape: remote.Shape, answer: Answer, reason: str, detail: str
) -> None:
    with serving(answer) as server:
        found = trouble(server, shape)
    assert (found.reason, found.may_be_charged) == (reason, True)
    assert detail in found.detail
    assert (found.prompt_tokens, found.answer_tokens) == (10, 2)
    assert len(server.seen) == 1


def test_a_refusal_in_a_field_of_its_own() -> None:
    body = b'{"choices": [{"message": {"content": null, "refusal": "No."}, "finish_reason": "stop"}]}'
    with serving(Answer(raw=body)) as server:
        assert (trouble(server).reason, trouble(server).detail) == ("refused", "No.")


@pytest.mark.parametrize(
    "raw", [b"<html>", b"[]", b"{}", b'{"choices": []}', b'{"choices": [{"message": null}]}', b"\xff"]
)
@pytest.mark.parametrize("shape", ["openai", "anthropic"])
def test_what_is_no_answer_may_have_been_charged(shape: remote.Shape, raw: bytes) -> None:
    with serving(Answer(raw=raw)) as server:
        found = trouble(server, shape)
    assert (found.reason, found.may_be_charged, len(server.seen)) == ("not an answer", True, 1)


@pytest.mark.parametrize(
    ("answer", "reason", "charged"),
    [
        (Answer("no such model", 404), "HTTP 404", False),
        (Answer("bad key", 401), "HTTP 401", False),
        (Answer("broken", 500), "HTTP 500", True),
        (Answer("gateway", 504), "HTTP 504", True),
        (Answer("moved", 307, headers={"location": "http://127.0.0.1:1/v1/elsewhere"}), "HTTP 307", False),
        (Answer(status=0), "connection lost", True),
        (Answer(raw=b"x" * (remote.MAX_ANSWER_BYTES + 1)), "answer too long", True),
    ],
)
def test_other_failures_are_said_at_once(answer: Answer, reason: str, charged: bool) -> None:
    with serving(answer) as server:
        found = trouble(server)
    assert (found.reason, found.may_be_charged, len(server.seen)) == (reason, charged, 1)


@pytest.mark.parametrize("answer", [Answer(wait_s=60), Answer(raw=b" " * 1000, trickle_s=0.05)])
def test_an_answer_that_is_slow_or_trickles_times_out(answer: Answer) -> None:
    with serving(answer) as server:
        found = trouble(server, timeout_s=0.5)
    assert (found.reason, found.may_be_charged, len(server.seen)) == ("timed out", True, 1)


def test_nobody_there_is_tried_again_and_costs_nothing(no_waiting: list[float]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
        with pytest.raises(RemoteTrouble) as caught:
            Remote(url, "m").chat(CHAT, max_tokens=1)
    assert (caught.value.reason, caught.value.may_be_charged) == ("unreachable", False)
    assert len(no_waiting) == remote.TRIES - 1
    assert no_waiting == sorted(no_waiting)


@pytest.mark.parametrize(
    ("answer", "wait"),
    [
        (Answer("slow down", 429, headers={"retry-after": "3"}), 3.0),
        (Answer("overloaded", 529, headers={"retry-after": "1"}), 1.0),
        (Answer("busy", 503, headers={"retry-after": "86400"}), remote.LONGEST_WAIT_S),
        (Answer("busy", 503, headers={"retry-after": "Wed, 21 Oct 2037 07:28:00 GMT"}), remote.LONGEST_WAIT_S),
        (Answer("busy", 503, headers={"retry-after": "nan"}), remote.LONGEST_WAIT_S),
    ],
)
def test_who_asks_to_come_again_is_asked_again(answer: Answer, wait: float, no_waiting: list[float]) -> None:
    with serving(Answer()) as server:
        server.behave = lambda _: answer if len(server.seen) == 1 else Answer()
        assert ask(server).text == "Paris"
        assert no_waiting == [wait]
        server.behave = lambda _: answer
        found = trouble(server)
    assert (found.may_be_charged, len(server.seen)) == (False, 2 + remote.TRIES)


def test_a_model_that_takes_other_parameters_is_asked_as_it_wishes() -> None:
    def picky(seen: Seen) -> Answer:
        if "max_tokens" in seen.body:
            return Answer("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", 400)
        if "temperature" in seen.body:
            return Answer("'temperature' does not support 0 with this model.", 400)
        return Answer()

    with serving(picky) as server:
        model = Remote(server.url, "m-1")
        assert model.chat(CHAT, max_tokens=7).text == "Paris"
        assert server.seen[-1].body == {"model": "m-1", "max_completion_tokens": 7, "messages": CHAT}
        assert model.chat(CHAT, max_tokens=7).text == "Paris"
    assert len(server.seen) == 4


def test_the_key_is_in_no_message() -> None:
    with serving(Answer(f"Incorrect API key provided: {KEY}", 401)) as server:
        found = trouble(server)
    assert KEY not in str(found)
    assert "***" in found.detail
    with serving(Answer(raw=f"you sent {KEY}".encode())) as server:
        assert KEY not in str(trouble(server))


def test_netrc_is_not_read(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password mine\n")  # type: ignore[operator]
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))  # type: ignore[operator]
    with serving(Answer()) as server:
        Remote(server.url, "m").chat(CHAT, max_tokens=1)
    assert "authorization" not in server.seen[0].headers


@pytest.mark.parametrize("url", ["", "host/v1", "ftp://host", "https://me:secret@host/v1", "http://"])
def test_a_wrong_address_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        Remote(url, "m")
    assert "secret" not in str(caught.value)


def test_a_missing_or_broken_key_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_KEY", raising=False)
    with pytest.raises(UsageError, match="NO_KEY is not set"):
        Remote("https://host/v1", "m", key_variable="NO_KEY")
    monkeypatch.setenv("NO_KEY", "two\nlines")
    with pytest.raises(UsageError, match="is not a key"):
        Remote("https://host/v1", "m", key_variable="NO_KEY")
