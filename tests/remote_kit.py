"""Somebody else's model as a real HTTP server on loopback, in OpenAI's or Anthropic's shape, that can be told how to misbehave."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Answer:
    """What is sent back; `status` 0 closes the connection without a word."""

    text: str | None = "Paris"
    status: int = 200
    usage: tuple[int, int] | None = (10, 2)
    ending: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    wait_s: float = 0.0
    raw: bytes | None = None
    trickle_s: float = 0.0
    """Between two bytes of the body."""


@dataclass
class Seen:
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def prompt(self) -> str:
        return str(self.body["messages"][-1]["content"])


Behave = Callable[[Seen], Answer]


class Server:
    """Answers by `behave`; keeps every request it saw."""

    def __init__(self, behave: Behave) -> None:
        self.behave = behave
        self.seen: list[Seen] = []
        kit = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                seen = Seen(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
                kit.seen.append(seen)
                answer = kit.behave(seen)
                time.sleep(answer.wait_s)
                with contextlib.suppress(OSError):
                    self._send(answer, seen)

            def _send(self, answer: Answer, seen: Seen) -> None:
                if answer.status == 0:
                    return
                data = answer.raw if answer.raw is not None else json.dumps(_body(answer, seen)).encode()
                self.send_response(answer.status)
                for name, value in {"content-length": str(len(data)), **answer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                for piece in [data] if not answer.trickle_s else [data[n : n + 1] for n in range(len(data))]:
                    self.wfile.write(piece)
                    time.sleep(answer.trickle_s)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _body(answer: Answer, seen: Seen) -> dict[str, Any]:
    if answer.status != 200:
        return {"error": {"message": answer.text, "type": "error"}}
    if seen.path.endswith("/messages"):
        content = [] if answer.text is None else [{"type": "text", "text": answer.text}]
        body: dict[str, Any] = {"content": content, "stop_reason": answer.ending or "end_turn"}
        names = ("input_tokens", "output_tokens")
    else:
        message = {"role": "assistant", "content": answer.text}
        body = {"choices": [{"index": 0, "message": message, "finish_reason": answer.ending or "stop"}]}
        names = ("prompt_tokens", "completion_tokens")
    return body | ({} if answer.usage is None else {"usage": dict(zip(names, answer.usage, strict=True))})


@contextlib.contextmanager
def serving(behave: Behave | Answer) -> Iterator[Server]:
    """A server for the time of a test."""
    server = Server(behave if callable(behave) else lambda _: behave)
    try:
        yield server
    finally:
        server.close()
