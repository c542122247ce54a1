"""The gateway: OpenAI's API over several models, as a Starlette application. Takes what to serve and where the accounts are;
gives an ASGI app whose lifespan starts and stops the engines. Pages are put beside it by whoever knows them.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Sequence
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from luosi.errors import LuosiError, UsageError
from luosi.serve.accounts import Accounts
from luosi.serve.guard import Guard
from luosi.serve.prices import exact
from luosi.serve.relay import Receipt, Relay, new_session
from luosi.serve.upstreams import ServedModel
from luosi.serve.wire import DONE, REQUESTS, ApiError, check, event, read_request, unknown_model

MAX_BODY_BYTES = 16 * 2**20


class Gateway:
    """The served models and the relay to them; in `app.state.gateway`, for pages that chat without going through HTTP."""

    def __init__(self, models: Sequence[ServedModel], accounts_path: Path | None) -> None:
        self.models = {model.name: model for model in models}
        if len(self.models) < len(models):
            raise UsageError("two served models have the same name", hint="give each its own name")
        self.accounts: Accounts | None = None
        self._accounts_path = accounts_path
        self._relay: Relay | None = None
        self._born = int(time.time())

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Open the accounts and start the upstreams; on the way out, close them in the other order."""
        upstreams = {id(model.upstream): model.upstream for model in self.models.values()}.values()
        if self._accounts_path is not None:
            self.accounts = await asyncio.to_thread(Accounts, self._accounts_path)
        try:
            async with new_session() as session:
                self._relay = Relay(session, self.accounts)
                for upstream in upstreams:
                    upstream.start()
                yield
        finally:
            await asyncio.gather(*(asyncio.to_thread(upstream.close) for upstream in upstreams))
            if self.accounts is not None:
                await asyncio.to_thread(self.accounts.close)

    def describe(self, model: ServedModel) -> dict[str, Any]:
        """A model as /v1/models shows it."""
        return {"id": model.name, "object": "model", "created": self._born, "owned_by": model.upstream.label}

    def receipt(self, body: dict[str, Any]) -> Receipt:
        """A blank receipt for a checked request.

        Raises:
            ApiError: 404, no such model.
        """
        model = self.models.get(body["model"])
        if model is None:
            raise unknown_model(body["model"], self.models)
        return Receipt(model)

    async def whole(self, receipt: Receipt, route: str, body: dict[str, Any]) -> dict[str, Any]:
        """See `Relay.whole`."""
        assert self._relay is not None, "the application's lifespan has not begun"
        return await self._relay.whole(receipt, route, body)

    def stream(self, receipt: Receipt, route: str, body: dict[str, Any]) -> AsyncGenerator[dict[str, Any]]:
        """See `Relay.stream`."""
        assert self._relay is not None, "the application's lifespan has not begun"
        check(route, body)
        return self._relay.stream(receipt, route, body)


class Endpoint:
    """POST /v1/{route}: an ASGI application, because it has to hear the client leave while the upstream still thinks."""

    def __init__(self, gateway: Gateway, route: str) -> None:
        self._gateway, self._route = gateway, route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        try:
            body = read_request(self._route, await read_body(request))
            receipt = self._gateway.receipt(body)
        except ClientDisconnect:
            return
        except ApiError as error:
            await error_response(error)(scope, receive, send)
            return
        answer = self._stream if body.get("stream") else self._whole
        await until_disconnect(receive, answer(receipt, body, scope, send))

    async def _whole(self, receipt: Receipt, body: dict[str, Any], scope: Scope, send: Send) -> None:
        try:
            answer = await self._gateway.whole(receipt, self._route, body)
            headers = {"x-luosi-cost": exact(receipt.cost)} if receipt.cost else {}
            response = JSONResponse(answer, headers=headers)
        except (ApiError, LuosiError) as error:
            response = error_response(error)
        await response(scope, _never, send)

    async def _stream(self, receipt: Receipt, body: dict[str, Any], scope: Scope, send: Send) -> None:
        begun = False
        async with contextlib.aclosing(self._gateway.stream(receipt, self._route, body)) as chunks:
            try:
                async for chunk in chunks:
                    if not begun:
                        begun = True
                        await send(STREAM_BEGINS)
                    await send_body(send, event(chunk))
            except (ApiError, LuosiError) as error:
                response = error_response(error)
                if not begun:
                    await response(scope, _never, send)
                    return
                await send_body(send, b"data: " + bytes(response.body) + b"\n\n", more=False)
                return
        if not begun:
            await send(STREAM_BEGINS)
        await send_body(send, DONE, more=False)


STREAM_BEGINS = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-cache"),
        (b"x-accel-buffering", b"no"),
    ],
}


async def send_body(send: Send, data: bytes, *, more: bool = True) -> None:
    """One piece of a response's body."""
    await send({"type": "http.response.body", "body": data, "more_body": more})


async def _never() -> Any:
    raise AssertionError("a plain response does not listen")


async def until_disconnect(receive: Receive, work: Coroutine[Any, Any, None]) -> None:
    """Do `work`, but cancel it as soon as the client goes away; what it holds is closed before this returns."""

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    tasks = [asyncio.create_task(work), asyncio.create_task(gone())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        outcome, _ = await asyncio.gather(*tasks, return_exceptions=True)
    if isinstance(outcome, Exception):
        raise outcome


async def read_body(request: Request) -> bytes:
    """The whole body.

    Raises:
        ApiError: 413, it is larger than `MAX_BODY_BYTES`; the rest is not read.
    """
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY_BYTES:
            message = f"the body is larger than {MAX_BODY_BYTES // 2**20} MiB; send less text"
            raise ApiError(413, message, code="request_too_large")
    return bytes(body)


def error_response(error: Exception) -> JSONResponse:
    """Any exception as an answer in OpenAI's shape."""
    if isinstance(error, LuosiError):
        error = ApiError(500, f"the charge could not be recorded: {error.message}", code="accounts_unavailable")
    if isinstance(error, HTTPException):
        error = ApiError(
            error.status_code, error.detail, code="not_found" if error.status_code == 404 else "http_error"
        )
    if not isinstance(error, ApiError):
        error = ApiError(500, "the gateway failed; its log says more", code="internal_error")
    return JSONResponse(error.body(), status_code=error.status, headers=error.headers())


def create_app(
    models: Sequence[ServedModel], accounts: Path | None = None, *, api_key: str = "", local_only: bool = True
) -> Starlette:
    """The gateway as an ASGI application.

    Args:
        models: What is served; the first is the pages' default.
        accounts: accounts.db, made if absent; None keeps no accounts.
        api_key: What clients must show as a bearer token; "" asks for none.
        local_only: Answer only requests addressed to this machine by a loopback name.
    """
    app = Starlette(lifespan=lifespan, exception_handlers={HTTPException: on_error, Exception: on_error})
    app.add_middleware(Guard, api_key=api_key, local_only=local_only)
    gateway = app.state.gateway = Gateway(models, accounts)
    app.router.routes += [
        *(Route(f"/v1/{route}", Endpoint(gateway, route), methods=["POST"]) for route in REQUESTS),
        Route("/v1/models", list_models),
        Route("/v1/models/{name:path}", one_model),
        Route("/health", health),
        Route("/v1/{rest:path}", nothing_here, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
    ]
    return app


@contextlib.asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    """Run the gateway as long as the server runs."""
    async with app.state.gateway.running():
        yield


async def list_models(request: Request) -> Response:
    """GET /v1/models."""
    gateway = request.app.state.gateway
    data = [gateway.describe(model) for model in gateway.models.values()]
    return JSONResponse({"object": "list", "data": data})


async def one_model(request: Request) -> Response:
    """GET /v1/models/{name}."""
    gateway, name = request.app.state.gateway, request.path_params["name"]
    model = gateway.models.get(name)
    return JSONResponse(gateway.describe(model)) if model else error_response(unknown_model(name, gateway.models))


async def health(request: Request) -> Response:
    """GET /health: 200 while any model can answer, else 503. Open to all, so it names nothing."""
    states = [model.upstream.state for model in request.app.state.gateway.models.values()]
    ready = states.count("ready")
    word = "ok" if ready == len(states) else "degraded" if ready else "starting" if "starting" in states else "down"
    body = {"status": word, "models": len(states), "ready": ready}
    return JSONResponse(body, status_code=200 if ready or not states else 503)


async def nothing_here(request: Request) -> Response:
    """Any other path under /v1."""
    return error_response(ApiError(404, f"there is no {request.method} {request.url.path} here", code="not_found"))


async def on_error(_: Request, error: Exception) -> Response:
    """What Starlette itself refuses, and our own mistakes."""
    return error_response(error)
