"""OpenAI's shapes on the wire: requests checked, errors spoken, server-sent events cut. Knows nothing of who answers or what it costs."""

from __future__ import annotations

import difflib
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

MAX_EVENT_BYTES = 8 * 2**20
Count = Annotated[int, Field(ge=1)]


class ApiError(Exception):
    """An answer that is an error, in OpenAI's shape: {"error": {"message", "type", "param", "code"}}.

    Args:
        status: HTTP status.
        message: What is wrong and what to do.
        code: A short stable name of the case.
        param: The field at fault, dotted.
        retry_after_s: When it may be worth trying again.
    """

    def __init__(
        self, status: int, message: str, *, code: str, param: str | None = None, retry_after_s: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.retry_after_s = retry_after_s

    def body(self) -> dict[str, dict[str, str | None]]:
        """The error as JSON."""
        kinds = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
        kind = kinds.get(self.status, "server_error" if self.status >= 500 else "invalid_request_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    def headers(self) -> dict[str, str]:
        """Headers that belong to it."""
        return {} if self.retry_after_s is None else {"retry-after": str(self.retry_after_s)}


class StreamOptions(BaseModel):
    """How a streamed answer is to be sent."""

    model_config = ConfigDict(extra="allow", strict=True)

    include_usage: bool | None = None


class _Request(BaseModel):
    """What both kinds of request share; fields not listed here pass through unseen."""

    model_config = ConfigDict(extra="allow", strict=True)

    model: str
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Field(ge=0)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = None
    n: Count | None = None
    stop: str | list[str] | None = None
    seed: int | None = None


class Message(BaseModel):
    """One turn of a chat; content is text, parts, or absent beside tool calls."""

    model_config = ConfigDict(extra="allow", strict=True)

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[dict[str, Any]] | None = None


class ChatRequest(_Request):
    """The body of POST /v1/chat/completions."""

    messages: Annotated[list[Message], Field(min_length=1)]
    max_completion_tokens: Count | None = None


class CompletionRequest(_Request):
    """The body of POST /v1/completions."""

    prompt: str | list[str] | list[int] | list[list[int]]


REQUESTS: dict[str, type[ChatRequest] | type[CompletionRequest]] = {
    "chat/completions": ChatRequest,
    "completions": CompletionRequest,
}


def read_request(route: str, raw: bytes) -> dict[str, Any]:
    """The request body as it came, once it is known to be well-formed.

    Raises:
        ApiError: 400 with the field at fault, what it holds and what was expected.
    """
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise ApiError(400, f"the body is not JSON: {error}", code="invalid_json") from error
    if not isinstance(body, dict):
        raise ApiError(400, f"the body is a JSON {type(body).__name__}, expected an object", code="invalid_json")
    check(route, body)
    return body


def check(route: str, body: dict[str, Any]) -> None:
    """Refuse a body whose known fields have the wrong type or range."""
    try:
        request = REQUESTS[route].model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        # pydantic names the branch of a union it tried ("str", "list[str]"); those are no field of the request
        path = [part for part in first["loc"] if isinstance(part, int) or part.isidentifier()]
        param = ".".join(str(part) for part in path if part not in ("str", "int"))
        code = "missing_required_parameter" if first["type"] == "missing" else "invalid_value"
        seen = "" if first["type"] == "missing" else f", got {shorten(first['input'])}"
        raise ApiError(400, f"{param}: {first['msg']}{seen}", code=code, param=param) from error
    if request.stream_options is not None and not request.stream:
        raise ApiError(
            400, "stream_options is only allowed when stream is true", code="invalid_value", param="stream_options"
        )


def shorten(value: object, limit: int = 80) -> str:
    """A value as it can stand in a message."""
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def unknown_model(name: str, known: Iterable[str]) -> ApiError:
    """404 that names the nearest model, or all of them."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    advice = f"did you mean {near[0]}?" if near else "known models: " + ", ".join(names)
    return ApiError(404, f"model {shorten(name)} is not served here; {advice}", code="model_not_found", param="model")


async def events(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """The data of each server-sent event, however the bytes were cut; comments and other fields are left out.

    Raises:
        ApiError: 502 when one event grows past `MAX_EVENT_BYTES`.
    """
    rest = b""
    data: list[bytes] = []
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            line = line.removesuffix(b"\r")
            if line.startswith(b"data:"):
                data.append(line[5:].removeprefix(b" "))
            elif not line and data:
                yield b"\n".join(data)
                data = []
        if len(rest) + sum(map(len, data)) > MAX_EVENT_BYTES:
            raise ApiError(502, f"the upstream sent an event of over {MAX_EVENT_BYTES} bytes", code="upstream_error")
    if data:
        yield b"\n".join(data)


def event(value: dict[str, Any]) -> bytes:
    """One server-sent event."""
    return b"data: " + orjson.dumps(value) + b"\n\n"


DONE = b"data: [DONE]\n\n"
