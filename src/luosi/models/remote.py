"""A model that somebody else serves, asked over HTTP: OpenAI's shape (`POST {url}/chat/completions`) or Anthropic's
(`POST {url}/messages`), one question at a time, at temperature 0 where the model takes one.

A request is sent again only where the first cannot have been charged: no connection was made, or the server said that it did not
begin (429; 5xx with Retry-After; 400 for a parameter that this model does not take). Everything else comes back at once as
`RemoteTrouble`, which says whether it may have been charged. The key comes from an environment variable and goes nowhere but into
the request's header. Knows no prices.
"""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any, Literal
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import orjson

from luosi.errors import UsageError

Shape = Literal["openai", "anthropic"]

TRIES = 4
CONNECT_S = 10.0
LONGEST_WAIT_S = 30.0
MAX_ANSWER_BYTES = 4 << 20
SHOWN = 300
ANTHROPIC_VERSION = "2023-06-01"
MOST_TOKENS = 10**9  # more than this in one request is not believed

PATHS: dict[Shape, str] = {"openai": "/chat/completions", "anthropic": "/messages"}


@dataclass(frozen=True)
class Reply:
    """An answer; tokens as the server counted them, None where it did not say. `seconds` are those of the try that answered."""

    text: str
    prompt_tokens: int | None
    answer_tokens: int | None
    seconds: float


class RemoteTrouble(Exception):
    """There is no answer.

    Args:
        reason: A short stable name: "unreachable", "timed out", "refused", "empty answer", "rate limited", "HTTP 401", ...
        detail: What was seen, for people; never holds the key.
        may_be_charged: Whether whoever serves the model may ask money for it.
        prompt_tokens, answer_tokens: As the server counted them, where it did.
    """

    def __init__(
        self,
        reason: str,
        detail: str,
        may_be_charged: bool,
        *,
        prompt_tokens: int | None = None,
        answer_tokens: int | None = None,
    ) -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason, self.detail, self.may_be_charged = reason, detail, may_be_charged
        self.prompt_tokens, self.answer_tokens = prompt_tokens, answer_tokens


class Remote:
    """Somebody else's model.

    Args:
        url: The part before `/chat/completions` or `/messages`, with its version: `https://api.example.com/v1`.
        model: What it is called there.
        shape: Of requests and answers.
        key_variable: Name of the environment variable that holds the key; "" sends none.
        timeout_s: For one try, from connecting to the whole answer.

    Raises:
        UsageError: No http(s) address, one that holds a password, or the variable is not set.
    """

    def __init__(
        self, url: str, model: str, shape: Shape = "openai", key_variable: str = "", timeout_s: float = 60
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
            raise UsageError(
                f"the address of {model} is no http or https URL without a password",
                hint="write it as https://host/v1, and the key into an environment variable",
            )
        self._key = os.environ.get(key_variable, "").strip() if key_variable else ""
        if key_variable and not (self._key and self._key.isascii() and self._key.isprintable()):
            raise UsageError(
                f"environment variable {key_variable} {'is not a key' if self._key else 'is not set'}, "
                f"and {parts.hostname} needs one",
                hint=f"export {key_variable}=... before starting",
            )
        self.model, self.shape, self.timeout_s = model, shape, timeout_s
        self.host = parts.netloc
        self._address = url.rstrip("/") + PATHS[shape]
        # not aiohttp's trust_env: that would also send what ~/.netrc says in place of the key
        self._proxy = None if proxy_bypass(parts.hostname) else getproxies().get(parts.scheme)
        self._limit = "max_tokens"
        self._temperature = True

    def chat(self, messages: Sequence[Mapping[str, str]], *, max_tokens: int) -> Reply:
        """Ask and wait for the whole answer, of at most `max_tokens` tokens. Not from within a running event loop.

        Raises:
            RemoteTrouble: There is none; says why.
        """
        for left in range(TRIES - 1, -1, -1):
            began = monotonic()
            try:
                answer = asyncio.run(self._post(self._body(messages, max_tokens)))
            except _Again as again:
                if not left:
                    raise again.trouble from None
                sleep(again.wait_s if again.wait_s is not None else 2.0 ** (TRIES - 1 - left) / 2)
            else:
                return self._read(answer, monotonic() - began)
        raise AssertionError("the last try returns or raises")

    def _body(self, messages: Sequence[Mapping[str, str]], max_tokens: int) -> bytes:
        turns = [dict(message) for message in messages]
        body: dict[str, Any] = {"model": self.model, self._limit: max_tokens, "messages": turns}
        if self._temperature:
            body["temperature"] = 0
        if self.shape == "anthropic":
            body["messages"] = [turn for turn in turns if turn["role"] != "system"]
            if system := "\n\n".join(turn["content"] for turn in turns if turn["role"] == "system"):
                body["system"] = system
        return orjson.dumps(body)

    def _headers(self) -> dict[str, str]:
        headers = {"content-type": "application/json", "accept": "application/json"}
        if self.shape == "anthropic":
            headers["anthropic-version"] = ANTHROPIC_VERSION
        if self._key:
            name, value = ("x-api-key", "") if self.shape == "anthropic" else ("authorization", "Bearer ")
            headers[name] = value + self._key
        return headers

    async def _post(self, body: bytes) -> bytes:
        """The body of a 200 answer."""
        timeout = aiohttp.ClientTimeout(total=self.timeout_s, sock_connect=min(CONNECT_S, self.timeout_s))
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, headers=self._headers()) as session,
                session.post(self._address, data=body, proxy=self._proxy, allow_redirects=False) as response,
            ):
                data = bytearray()
                async for chunk in response.content.iter_chunked(1 << 16):
                    data += chunk
                    if len(data) > MAX_ANSWER_BYTES:
                        raise RemoteTrouble("answer too long", f"more than {MAX_ANSWER_BYTES} bytes", True)
                if response.status != 200:
                    self._refuse(response.status, response.headers, bytes(data))
                return bytes(data)
        except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError) as error:
            raise _Again(RemoteTrouble("unreachable", self._clean(str(error)), False), None) from None
        except TimeoutError:
            raise RemoteTrouble("timed out", f"no whole answer in {self.timeout_s:g} s", True) from None
        except aiohttp.ClientError as error:
            raise RemoteTrouble("connection lost", self._clean(str(error) or type(error).__name__), True) from None

    def _refuse(self, status: int, headers: Mapping[str, str], data: bytes) -> None:
        """Say what an answer with another status than 200 means."""
        said = self._clean(_message(data))
        if status == 400 and self._adapt(said):
            raise _Again(RemoteTrouble("HTTP 400", said, False), 0.0)
        wait_s = _retry_after(headers)
        if status == 429:
            raise _Again(RemoteTrouble("rate limited", said, False), wait_s)
        if status >= 500 and wait_s is not None:
            raise _Again(RemoteTrouble(f"HTTP {status}", said, False), wait_s)
        raise RemoteTrouble(f"HTTP {status}", said, status >= 500)

    def _adapt(self, said: str) -> bool:
        """Leave out what this model says it does not take; whether there was such a thing."""
        if self._limit == "max_tokens" and "max_completion_tokens" in said:
            self._limit = "max_completion_tokens"
            return True
        if self._temperature and "temperature" in said.lower():
            self._temperature = False
            return True
        return False

    def _read(self, data: bytes, seconds: float) -> Reply:
        try:
            answer = orjson.loads(data)
            text, ending, refused, usage = (_openai if self.shape == "openai" else _anthropic)(answer)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError):
            raise RemoteTrouble("not an answer", self._clean(data[:SHOWN].decode(errors="replace")), True) from None
        prompt, completion = usage
        tokens = {"prompt_tokens": prompt, "answer_tokens": completion}
        if refused:
            raise RemoteTrouble("refused", self._clean(refused), True, **tokens)
        if not text.strip():
            thought = "all its tokens went elsewhere: allow more" if ending in ("length", "max_tokens") else ending
            raise RemoteTrouble("empty answer", self._clean(thought), True, **tokens)
        return Reply(text, prompt, completion, seconds)

    def _clean(self, text: str) -> str:
        """Text of others as it can be shown and kept: short, on one line, without the key."""
        text = text.replace(self._key, "***") if self._key else text
        return " ".join(text.split())[:SHOWN]


class _Again(Exception):
    """The try cannot have been charged: another one may be made after `wait_s` seconds (None: as usual)."""

    def __init__(self, trouble: RemoteTrouble, wait_s: float | None) -> None:
        super().__init__(str(trouble))
        self.trouble, self.wait_s = trouble, wait_s


_Parts = tuple[str, str, str, tuple[int | None, int | None]]
"""Text, how it ended, what the refusal says ("" for none), (prompt tokens, answer tokens)."""


def _openai(answer: Any) -> _Parts:
    choice = answer["choices"][0]
    message, ending = choice["message"], str(choice.get("finish_reason"))
    refused = message.get("refusal") or ("stopped by a content filter" if ending == "content_filter" else "")
    usage = answer.get("usage") or {}
    return (
        str(message.get("content") or ""),
        ending,
        str(refused),
        (_count(usage, "prompt_tokens"), _count(usage, "completion_tokens")),
    )


def _anthropic(answer: Any) -> _Parts:
    ending = str(answer.get("stop_reason"))
    text = "".join(str(block["text"]) for block in answer["content"] if block["type"] == "text")
    usage = answer.get("usage") or {}
    prompt = _count(usage, "input_tokens")
    cached = [_count(usage, name) or 0 for name in ("cache_creation_input_tokens", "cache_read_input_tokens")]
    refused = (text or "stop_reason is refusal") if ending == "refusal" else ""
    return text, ending, refused, (None if prompt is None else prompt + sum(cached), _count(usage, "output_tokens"))


def _count(usage: Mapping[str, Any], name: str) -> int | None:
    """A number of tokens; None where it is absent or cannot be believed."""
    value = usage.get(name)
    return value if type(value) is int and 0 <= value <= MOST_TOKENS else None


def _message(data: bytes) -> str:
    """What an error answer says: `error.message` where it has one, else its beginning."""
    try:
        return str(orjson.loads(data)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return data[:SHOWN].decode(errors="replace")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that Retry-After asks to wait, at most `LONGEST_WAIT_S`; None where it is absent. A date is taken as the longest."""
    value = headers.get("Retry-After")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        return LONGEST_WAIT_S
    return min(max(seconds, 0.0), LONGEST_WAIT_S) if math.isfinite(seconds) else LONGEST_WAIT_S
