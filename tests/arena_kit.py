"""A gateway with an arena over a real workspace, in a process of its own: `python -m tests.arena_kit JSON`; `start` runs it.

Beside models of the real engine it can serve addresses; `fill` makes battles without a browser.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import random
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from luosi.cost import Money
from luosi.serve.arena import Arena
from luosi.serve.battles import OUTCOMES, SIDES, Answer, Outcome, Side, Status
from luosi.serve.prices import Usage
from tests.serving import Running, served, started


def said(text: str = "an answer", status: Status = "done", nano: int | None = 700, **more: object) -> Answer:
    cost = None if nano is None else Money(nano=nano, currency="USD")
    return Answer(text, status, "", Usage(prompt_tokens=3, completion_tokens=5), cost, 0.25, **more)  # type: ignore[arg-type]


def fought(
    arena: Arena, outcome: Outcome | None, *, voter: str = "v", prompt: str = "Who?", topic: str = "", **answers: Answer
) -> int:
    """One battle of one turn, with a vote if there is an outcome; its number."""
    battle = arena.begin(voter, "s", prompt, topic=topic)
    given: dict[Side, Answer] = {side: answers.get(side, said()) for side in SIDES}
    arena.answer(battle, given)
    if outcome is not None:
        arena.vote(battle.id, outcome)
    return battle.id


def fill(arena: Arena, votes: int, *, voters: int = 5, seed: int = 0, nano: Mapping[str, int] | None = None) -> None:
    """So many battles with votes by chance; `nano` is what an answer costs, by model."""
    draw = random.Random(seed)
    for number in range(votes):
        battle = arena.begin(f"v{number % voters}", "s", f"question {number % 17}?")
        arena.answer(battle, {side: said(nano=(nano or {}).get(battle.model(side), 700)) for side in SIDES})
        arena.vote(battle.id, draw.choice(OUTCOMES))


class Upstream(http.server.BaseHTTPRequestHandler):
    """An OpenAI-shaped server: "endless" speaks until it is left, "hasty" at once, "telling" fails with its own name, others politely."""

    left = 0
    """How many callers of "endless" have gone."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        name, prompt = asked["model"], asked["messages"][-1]["content"]
        if name == "telling":
            self.send_error(500, "telling is my name")
            return
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        try:
            while name == "endless":
                self.say("word ")
                time.sleep(0.02)
            begin = "At once" if name == "hasty" else "After thought"
            for word in f"{begin}: {prompt}<img src=x onerror=window.hacked=1>".split(" "):
                self.say(word + " ")
                time.sleep(0 if name == "hasty" else 0.02)
            end = {
                "choices": [{"delta": {}, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 7, "completion_tokens": 9},
            }
            self.wfile.write(b"data: " + json.dumps(end).encode() + b"\n\ndata: [DONE]\n\n")
        except OSError:
            type(self).left += 1

    def say(self, text: str) -> None:
        self.wfile.write(b"data: " + json.dumps({"choices": [{"delta": {"content": text}}]}).encode() + b"\n\n")
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def upstream() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upstream) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


@contextlib.contextmanager
def start(root: Path, models: list[dict[str, object]], prompts: Path | None = None) -> Iterator[Running]:
    """Serve `models` ({"name", "gguf"} or {"name", "url", "upstream_name"}, with "prices") over the workspace `root`."""
    with started("tests.arena_kit", {"root": root, "models": models, "prompts": prompts}) as running:
        yield running


def main(settings: dict[str, object]) -> None:
    from luosi import Workspace, serve
    from luosi.serve.prompts import read_prompts
    from luosi.web import mount

    place = Workspace(str(settings["root"]))
    pool = read_prompts(Path(str(settings["prompts"])))[0] if settings["prompts"] else []
    serve.run(
        [served(row) for row in settings["models"]],
        accounts=place.root / "accounts.db",
        port=0,
        pages=lambda app: mount(app, place, pool),
        announce=lambda url: print(url, flush=True),
    )


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
