"""Who answers: an engine of our own (a GGUF in a child process of llama.cpp, restarted when it dies) or any OpenAI-compatible
address. Both come down to a URL and headers for the relay. Knows nothing of prices or of the client.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol
from urllib.parse import urlsplit

from luosi.errors import LuosiError, UsageError
from luosi.models.engine import Engine
from luosi.serve.prices import TokenPrice
from luosi.serve.wire import ApiError

if TYPE_CHECKING:
    from luosi.serve.grounded import Files

State = Literal["starting", "ready", "down"]
LOOK_S = 0.5
LONGEST_PAUSE_S = 30.0
NAME_CHARS = 200
OUTCOMES = frozenset(
    ("left", "right", "model_a", "model_b", "a", "b", "model_left", "model_right", "model_1", "model_2", "tie", "draw", "equal",
     "both_bad", "bothbad", "tie (bothbad)", "tie (both bad)", "both bad", "bad")
)  # fmt: skip
"""What files of votes call their outcomes (`luosi.ranking.votes.WORDS`, without numpy): a model of that name could not be told from one."""


@dataclass(frozen=True)
class Target:
    """Where to send a request."""

    base_url: str
    """The part before `/chat/completions`."""
    headers: dict[str, str]


class Upstream(Protocol):
    """One place that answers requests."""

    label: str
    """What the accounts and error messages call it; no secrets."""

    @property
    def state(self) -> State:
        """Whether it can answer now."""

    def start(self) -> None:
        """Begin to get ready; returns at once."""

    def close(self) -> None:
        """Stop; blocks until done."""

    def target(self) -> Target:
        """Where requests go now.

        Raises:
            ApiError: 503 when it cannot answer now; says why.
        """


class Address:
    """An OpenAI-compatible server of someone else.

    Args:
        base_url: As the official client wants it, with its version: `https://api.example.com/v1`.
        key_variable: Name of the environment variable that holds the key; "" sends none.

    Raises:
        UsageError: No http(s) address, or the variable is not set.
    """

    state: State = "ready"

    def __init__(self, base_url: str, *, key_variable: str = "") -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(
                f"upstream address {base_url!r} is no http or https URL", hint="write it as https://host/v1"
            )
        key = os.environ.get(key_variable, "") if key_variable else ""
        if key_variable and not key:
            raise UsageError(
                f"environment variable {key_variable} is not set, and {parts.hostname} needs a key",
                hint=f"export {key_variable}=... before starting",
            )
        self.label = parts.hostname + (f":{parts.port}" if parts.port else "")
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self._target = Target(base_url.rstrip("/"), headers)

    def start(self) -> None:
        """Nothing to start."""

    def close(self) -> None:
        """Nothing to stop."""

    def target(self) -> Target:
        """The address and the key."""
        return self._target


class LocalEngine:
    """A GGUF file served by llama.cpp in a child process of ours; started by `start`, started again when it dies.

    Args:
        gguf: The model file.
        threads: CPU threads of the engine; 0 for every core.
        context: Tokens of context for each of the `parallel` requests it works on at once.
        parallel: Requests worked on at once; more wait.
    """

    def __init__(self, gguf: Path, *, threads: int = 0, context: int = 4096, parallel: int = 4) -> None:
        self.label = "engine"
        self._gguf, self._threads, self._context, self._parallel = gguf, threads, context, parallel
        self._engine: Engine | None = None
        self._trouble = ""
        self._stop = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name=f"engine {gguf.name}", daemon=True)

    @property
    def state(self) -> State:
        """Ready once the model is loaded; down between a death and the end of the next start."""
        engine = self._engine
        if engine is not None and engine.alive:
            return "ready"
        return "down" if self._trouble else "starting"

    def start(self) -> None:
        """Load the model in the background."""
        self._keeper.start()

    def close(self) -> None:
        """End the child process."""
        self._stop.set()
        if self._keeper.is_alive():
            self._keeper.join()

    def target(self) -> Target:
        """The engine's address on loopback and its random key."""
        engine = self._engine
        if engine is None or not engine.alive:
            reason = "it is loading" if self.state == "starting" else f"its engine is being restarted: {self._trouble}"
            raise ApiError(503, f"the model cannot answer yet: {reason}", code="engine_not_ready", retry_after_s=2)
        return Target(f"{engine.url}/v1", {"authorization": f"Bearer {engine.api_key}"})

    def _keep(self) -> None:
        pause = LOOK_S
        while not self._stop.is_set():
            try:
                if self._run_once():
                    pause = LOOK_S
                self._trouble = "the process ended"
            except LuosiError as error:
                self._trouble = error.message
            self._stop.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)

    def _run_once(self) -> bool:
        """One life of the engine; True if it ever was ready."""
        engine = Engine(self._gguf, threads=self._threads, context=self._context, parallel=self._parallel)
        try:
            while not engine.url and engine.alive:
                if self._stop.wait(0.05):
                    return False
            self._engine = engine.wait_ready()
            while engine.alive and not self._stop.wait(LOOK_S):
                pass
            return True
        finally:
            self._engine = None
            engine.close()


@dataclass(frozen=True)
class ServedModel:
    """A model as clients see it.

    Raises:
        UsageError: Its name cannot be shown, kept in a log of votes and read back from there as it is.
    """

    name: str
    upstream: Upstream
    upstream_name: str = ""
    """What the upstream calls it; "" for the same."""
    price: TokenPrice | None = None
    """None is "unknown": charges are then recorded without an amount, never as 0."""
    files: Files | None = None
    """What it answers chats from; see grounded.py."""

    def __post_init__(self) -> None:
        seen = self.name if len(self.name) <= NAME_CHARS else self.name[:NAME_CHARS] + "…"
        if not self.name.isprintable() or not 0 < len(self.name) <= NAME_CHARS or self.name != self.name.strip():
            raise UsageError(
                f"a model cannot be served as {seen!r}: expected 1 to {NAME_CHARS} printable characters, no blank at either end",
                hint="give it another name",
            )
        if self.name.lower() in OUTCOMES:
            raise UsageError(
                f"a model cannot be served as {seen!r}: votes use that word for their outcome",
                hint="give it another name: --upstream NAME=URL",
            )
