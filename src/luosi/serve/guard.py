"""The guard in front of everything: keys, and browsers sent here by other sites. Knows nothing of models.

Three checks on every request and every WebSocket: it must be addressed to this machine (a name that a hostile site rebinds
to 127.0.0.1 is not), it must not come from a page of another origin, and it must show the key if one is set: as a bearer
token, or in the cookie that /login gives to browsers.
"""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request, cookie_parser
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from luosi.serve.wire import ApiError

COOKIE = "luosi_key"
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
OPEN_PATHS = {"/health", "/login"}
LOGIN = """<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Luosi</title><link rel="icon" href="data:,">
<style>*{box-sizing:border-box}body{margin:0;font:16px system-ui;display:grid;place-items:center;min-height:90vh;background:#f6f7f9;color:#1d2733}
form{background:#fff;padding:2rem;border-radius:12px;border:1px solid #dde3ea;display:grid;gap:.8rem;width:min(20rem,86vw)}
input,button{font:inherit;padding:.6rem;border-radius:8px;border:1px solid #b6c0cc}
button{background:#0b63a5;color:#fff;border:0}</style>
<form method="post"><label for="key">API key · 密钥</label><input id="key" name="key" type="password" autofocus required>
<button>OK</button></form>"""


class Guard:
    """ASGI middleware.

    Args:
        api_key: The key to ask for; "" asks for none.
        local_only: Whether the Host header must be a loopback name.
    """

    def __init__(self, app: ASGIApp, *, api_key: str, local_only: bool) -> None:
        self._app, self._key, self._local_only = app, api_key, local_only
        self._ticket = hashlib.sha256(b"luosi pages\0" + api_key.encode()).hexdigest()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through or answer it here."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        response = self._foreign(headers) or await self._keyless(scope, headers, receive)
        if response is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            await response(scope, receive, send)

    def _foreign(self, headers: Headers) -> Response | None:
        host = headers.get("host", "")
        if self._local_only and urlsplit(f"//{host}").hostname not in LOOPBACK:
            return refuse(403, f"this gateway answers on this machine only, not as {host!r}", "wrong_host")
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return refuse(403, f"requests from pages of {origin} are not answered", "wrong_origin")
        return None

    async def _keyless(self, scope: Scope, headers: Headers, receive: Receive) -> Response | None:
        if not self._key:
            return None
        path = scope["path"]
        if path == "/login":
            return await self._login(Request(scope, receive)) if scope["type"] == "http" else refuse_key()
        shown = headers.get("authorization", "").removeprefix("Bearer ").encode()
        ticket = cookie_parser(headers.get("cookie", "")).get(COOKIE, "").encode()
        if path in OPEN_PATHS or same(shown, self._key.encode()) or same(ticket, self._ticket.encode()):
            return None
        wants_page = "text/html" in headers.get("accept", "") and not path.startswith("/v1/")
        return RedirectResponse("/login", status_code=303) if wants_page else refuse_key()

    async def _login(self, request: Request) -> Response:
        if request.method != "POST":
            return HTMLResponse(LOGIN)
        form = b""
        async for piece in request.stream():
            form += piece
            if len(form) > 4096:
                return refuse(413, "that is no key", "request_too_large")
        shown = parse_qs(form.decode(errors="replace")).get("key", [""])[0]
        if not same(shown.encode(), self._key.encode()):
            return HTMLResponse(LOGIN, status_code=401)
        response = RedirectResponse("/", status_code=303)
        secure = request.url.scheme == "https"
        response.set_cookie(COOKIE, self._ticket, httponly=True, samesite="strict", secure=secure)
        return response


def same(shown: bytes, expected: bytes) -> bool:
    """Equality that takes the same time wherever the first difference is."""
    return hmac.compare_digest(shown, expected)


def refuse(status: int, message: str, code: str) -> JSONResponse:
    """An error response in OpenAI's shape."""
    error = ApiError(status, message, code=code)
    return JSONResponse(error.body(), status_code=status)


def refuse_key() -> JSONResponse:
    """401: no key, or a wrong one."""
    return refuse(401, "the API key is missing or wrong; send it as Authorization: Bearer KEY", "invalid_api_key")
