"""The relay: one request to one upstream and its answer back, chunk by chunk, with usage counted and charged on the way.

Fields it does not know pass through both ways; model names are rewritten both ways. Usage is always asked of the upstream,
for the accounts, and handed on only to clients that asked. Knows nothing of the server in front of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from luosi.cost import Money
from luosi.serve.accounts import Accounts, Charge, Status
from luosi.serve.grounded import Grounding
from luosi.serve.prices import Usage
from luosi.serve.upstreams import ServedModel, Upstream
from luosi.serve.wire import ApiError, events, shorten

MAX_ANSWER_BYTES = 64 * 2**20
CONNECT_S = 10.0
LOADING_S = 60.0
"""A request that comes while its model is loaded waits so long for it."""
SILENCE_S = 1800.0
"""An upstream may think this long between two bytes: a whole answer, not streamed, on a busy CPU."""


async def loaded(upstream: Upstream, within_s: float = LOADING_S) -> None:
    """Wait while a model is being loaded; what it has to say then is said by its `target`."""
    latest = time.monotonic() + within_s
    while upstream.state == "starting" and time.monotonic() < latest:
        await asyncio.sleep(0.1)


@dataclass
class Receipt:
    """What is known of one request so far; complete when the relay has ended."""

    model: ServedModel
    usage: Usage | None = None
    cost: Money | None = None
    owed: bool = False
    """Whether the upstream may charge for it: it has it, and did not refuse it."""

    def read(self, answer: dict[str, Any]) -> None:
        """Take the usage an answer or chunk reports, if any, and price it."""
        usage = Usage.read(answer)
        if usage is not None:
            self.usage = usage
            self.cost = self.model.price.charge(usage) if self.model.price else None


def new_session() -> aiohttp.ClientSession:
    """The one client session of a gateway; make it inside the running loop."""
    timeout = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=CONNECT_S, sock_read=SILENCE_S)
    connector = aiohttp.TCPConnector(limit=0)
    return aiohttp.ClientSession(timeout=timeout, connector=connector, cookie_jar=aiohttp.DummyCookieJar())


class Relay:
    """Sends requests on and keeps the accounts of them."""

    def __init__(self, session: aiohttp.ClientSession, accounts: Accounts | None) -> None:
        self._session = session
        self._accounts = accounts

    async def whole(self, receipt: Receipt, route: str, body: dict[str, Any]) -> dict[str, Any]:
        """The whole answer; `receipt` then holds its usage and cost.

        Raises:
            ApiError: The upstream refused (4xx) or failed (502, 503, 504).
        """
        grounding = await _ground(receipt.model, route, body)
        async with self._charged(receipt), self._post(receipt, route, grounding.body) as response:
            answer = read_object(await read_up_to(response, MAX_ANSWER_BYTES))
            receipt.read(answer)
        answer["model"] = receipt.model.name
        return answer | grounding.extra(_said(answer, "message"))

    async def stream(self, receipt: Receipt, route: str, body: dict[str, Any]) -> AsyncGenerator[dict[str, Any]]:
        """The answer's chunks as they come; the generator ends only after `receipt` is in the accounts. Close it to cancel.

        Raises:
            ApiError: As `whole`; also in the middle, when the upstream breaks off.
        """
        options = body.get("stream_options") or {}
        asked = bool(options.get("include_usage"))
        grounding = await _ground(receipt.model, route, body)
        body = grounding.body | {"stream": True, "stream_options": {**options, "include_usage": True}}
        text = ""
        last: dict[str, Any] | None = None
        async with (
            self._charged(receipt),
            self._post(receipt, route, body) as response,
            contextlib.aclosing(_chunks(response)) as chunks,
        ):
            async for chunk in chunks:
                receipt.read(chunk)
                chunk["model"] = receipt.model.name
                text += _said(chunk, "delta")
                if any(choice.get("finish_reason") for choice in _choices(chunk)):
                    chunk |= grounding.extra(text)
                if not chunk.get("choices") and chunk.get("usage"):
                    last = chunk  # held back until its cost is in the accounts
                else:
                    yield chunk if asked else {name: value for name, value in chunk.items() if name != "usage"}
        if last is not None and asked:
            yield last | ({"luosi_cost": receipt.cost.model_dump()} if receipt.cost else {})

    @contextlib.asynccontextmanager
    async def _charged(self, receipt: Receipt) -> AsyncIterator[None]:
        try:
            yield
        except ApiError:
            await self._record(receipt, "failed")
            raise
        except BaseException:  # cancelled, or closed by its reader: nobody is left to wait for the accounts
            self._record(receipt, "cancelled")
            raise
        await self._record(receipt, "done")  # nobody is told an end that is not in the accounts

    def _record(self, receipt: Receipt, status: Status) -> asyncio.Future[None]:
        if self._accounts is None or not receipt.owed:
            nothing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            nothing.set_result(None)
            return nothing
        model = receipt.model
        charge = Charge(model.name, model.upstream.label, status, receipt.usage, receipt.cost)
        return asyncio.wrap_future(self._accounts.record(charge))

    @contextlib.asynccontextmanager
    async def _post(self, receipt: Receipt, route: str, body: dict[str, Any]) -> AsyncIterator[aiohttp.ClientResponse]:
        model = receipt.model
        await loaded(model.upstream)
        target = model.upstream.target()
        payload = orjson.dumps(body | {"model": model.upstream_name or model.name})
        headers = {"content-type": "application/json", **target.headers}
        who = f"the upstream of {model.name} ({model.upstream.label})"
        receipt.owed = True
        try:
            async with self._session.post(
                f"{target.base_url}/{route}", data=payload, headers=headers, allow_redirects=False
            ) as response:
                if response.status != 200:
                    receipt.owed = False
                    raise refusal(who, response, await read_up_to(response, MAX_ANSWER_BYTES))
                yield response
        except aiohttp.ClientConnectorError as error:
            receipt.owed = False
            raise ApiError(502, f"{who} cannot be reached: {error.strerror}", code="upstream_unreachable") from error
        except TimeoutError as error:
            raise ApiError(504, f"{who} was silent for too long", code="upstream_timeout") from error
        except (aiohttp.ClientError, OSError) as error:
            raise ApiError(502, f"{who} broke off: {error or type(error).__name__}", code="upstream_error") from error


async def _ground(model: ServedModel, route: str, body: dict[str, Any]) -> Grounding:
    if model.files is None or route != "chat/completions":
        return Grounding(body)
    return await model.files.ground(body)


def _choices(answer: dict[str, Any]) -> list[dict[str, Any]]:
    choices = answer.get("choices")
    return [choice for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []


def _said(answer: dict[str, Any], field: str) -> str:
    """The words of the first choice in an answer or chunk."""
    told = [choice.get(field) for choice in _choices(answer) if not choice.get("index")]
    return "".join(str(part.get("content") or "") for part in told if isinstance(part, dict))


async def _chunks(response: aiohttp.ClientResponse) -> AsyncGenerator[dict[str, Any]]:
    """The chunks of a streamed answer up to its [DONE]; without one it was cut short."""
    async with contextlib.aclosing(events(response.content.iter_any())) as stream:
        async for data in stream:
            if data.strip() == b"[DONE]":
                return
            chunk = read_object(data)
            if chunk.get("error"):
                raise ApiError(502, f"the upstream failed in the middle: {message_of(chunk)}", code="upstream_error")
            yield chunk
    raise ApiError(502, "the upstream's answer broke off before its end", code="upstream_error")


async def read_up_to(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The whole body.

    Raises:
        ApiError: 502, it is larger than `limit` bytes.
    """
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > limit:
            raise ApiError(502, f"the upstream's answer is over {limit} bytes", code="upstream_error")
    return bytes(body)


def read_object(raw: bytes) -> dict[str, Any]:
    """A JSON object from an upstream.

    Raises:
        ApiError: 502, it is something else.
    """
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise ApiError(502, f"the upstream did not answer in JSON: {shorten(raw)}", code="upstream_error")
    return value


def message_of(answer: dict[str, Any]) -> str:
    """The words of an error answer, in any of the shapes servers use."""
    error = answer.get("error", answer.get("detail", answer.get("message", answer)))
    return str(error.get("message", error) if isinstance(error, dict) else error)[:1000]


def refusal(who: str, response: aiohttp.ClientResponse, raw: bytes) -> ApiError:
    """What to tell the client when an upstream answers with another status than 200."""
    try:
        answer = orjson.loads(raw)
    except orjson.JSONDecodeError:
        answer = {}
    error = answer.get("error") if isinstance(answer, dict) else None
    details = error if isinstance(error, dict) else {}
    words = message_of(answer) if isinstance(answer, dict) and answer else shorten(raw.decode(errors="replace"))
    status = response.status
    if status in (401, 403):
        return ApiError(502, f"{who} refuses our key ({status}): {words}", code="upstream_refused_key")
    if status == 429:
        after = response.headers.get("retry-after", "")
        wait = int(after) if after.isdigit() else None
        return ApiError(429, f"{who} is at its limit: {words}", code="upstream_rate_limit", retry_after_s=wait)
    if details.get("type") == "exceed_context_size_error" or details.get("code") == "context_length_exceeded":
        return ApiError(400, f"the prompt is too long: {words}", code="context_length_exceeded", param="messages")
    if 400 <= status < 500:
        code, param = details.get("code"), details.get("param")
        code = code if isinstance(code, str) else "upstream_refused"
        return ApiError(status, f"{who} refused: {words}", code=code, param=param if isinstance(param, str) else None)
    if status in (503, 504):
        return ApiError(status, f"{who} cannot answer now: {words}", code="upstream_unavailable", retry_after_s=2)
    return ApiError(502, f"{who} answered with status {status}: {words}", code="upstream_error")
