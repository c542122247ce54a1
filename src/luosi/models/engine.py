"""The inference engine: llama.cpp's server in a process of its own, and a small client for it.

Takes a GGUF file; gives an address on 127.0.0.1 with a random port and a random key, so that nobody gets at the model past the
gateway. `Engine` also answers /tokenize and /completion directly, for proofs and measurements; any HTTP client may use `.url`
with `.api_key` (OpenAI's routes under /v1, /metrics). The process ends with its parent, however that dies. Imports neither torch nor
numpy, and knows nothing of stages or gateways.
"""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import secrets
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import psutil

from luosi.errors import EngineError, InputError, MissingDependency

LOG_LINES = 20


@dataclass(frozen=True)
class Completion:
    """What the engine answered to one prompt; where `stopped` is "eos", `tokens` ends with the token that ended it, `text` not."""

    tokens: list[int]
    text: str
    stopped: Literal["limit", "eos", "word"]
    prompt_tokens: int
    prompt_s: float
    decode_s: float


@dataclass(frozen=True)
class Speed:
    """How fast one stream is answered, and what that takes: tokens per second, seconds, bytes resident, threads that computed."""

    prompt_tokens_per_s: float
    decode_tokens_per_s: float
    load_s: float
    rss_bytes: int
    threads: int


class Engine:
    """A running llama.cpp server for one GGUF file; a context manager that waits until it is ready and closes it.

    Args:
        gguf: The model's file.
        threads: Of the computation; 0 for every core.
        context: Tokens of prompt and answer together, for each of the `parallel` streams.
        parallel: Requests answered at once (continuous batching); more wait in the engine's queue.
        exact: Keep the KV cache in F32 and switch flash attention and the GPU off: slower, for proofs of parity.
        alias: The name /v1/models tells.

    Raises:
        MissingDependency: xllamacpp is not installed.
        InputError: There is no such file.
    """

    def __init__(
        self,
        gguf: Path,
        *,
        threads: int = 0,
        context: int = 4096,
        parallel: int = 4,
        exact: bool = False,
        alias: str = "model",
    ) -> None:
        require_engine()
        if not Path(gguf).is_file():
            raise InputError(f"no model file at {gguf}", hint="give the path of a .gguf file")
        self.api_key = secrets.token_urlsafe(24)
        self.url = ""
        self.load_s = 0.0
        self._started = time.monotonic()
        self._log: deque[str] = deque(maxlen=LOG_LINES)
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(Path(__file__).with_name("engine_process.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        settings = {
            "gguf": str(Path(gguf).resolve()), "alias": alias, "api_key": self.api_key, "parent": os.getpid(),
            "threads": threads or os.cpu_count() or 1, "context": context, "parallel": parallel, "exact": exact,
        }  # fmt: skip
        assert self._process.stdin
        self._process.stdin.write(json.dumps(settings).encode() + b"\n")
        self._process.stdin.flush()
        self._readers = [threading.Thread(target=hear, daemon=True) for hear in (self._hear_address, self._hear_log)]
        for reader in self._readers:
            reader.start()

    def _hear_address(self) -> None:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if line:
            self.load_s = time.monotonic() - self._started
            self.url = json.loads(line)["url"]

    def _hear_log(self) -> None:
        assert self._process.stderr
        for line in self._process.stderr:
            self._log.append(line.decode(errors="replace").rstrip())

    def wait_ready(self, timeout_s: float = 300.0) -> Self:
        """Block until the model is loaded and answers.

        Raises:
            EngineError: The process ended or took longer than `timeout_s`; the message ends with the tail of its log.
        """
        address = self._readers[0]
        address.join(timeout_s)
        if not self.url:
            state = f"was not ready after {timeout_s:g} s" if address.is_alive() else "did not start"
            self.close()
            raise EngineError(
                f"the inference engine {state}: {self.log_tail()}",
                hint="a shorter context or fewer parallel streams need less memory; `luosi verify` finds a damaged file",
            )
        return self

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def rss_bytes(self) -> int:
        """Resident memory now, the mapped model file included."""
        return int(psutil.Process(self.pid).memory_info().rss)

    def log_tail(self) -> str:
        """The last lines of llama.cpp's log."""
        return "\n".join(self._log) or "its log is empty"

    def tokenize(self, text: str, *, document_start: bool = False) -> list[int]:
        """The ids the engine makes of `text`, special tokens recognised; `document_start` adds what the file says begins a text."""
        body = {"content": text, "add_special": document_start, "parse_special": True}
        return list(self.request("POST", "/tokenize", body)["tokens"])

    def complete(
        self, prompt: str | list[int], *, tokens: int, temperature: float = 0.0, **extra: object
    ) -> Completion:
        """Continue `prompt` by at most `tokens` tokens; `extra` goes to llama.cpp's /completion as it is."""
        body = {
            "prompt": prompt, "n_predict": tokens, "temperature": temperature,
            "return_tokens": True, "cache_prompt": False, **extra,
        }  # fmt: skip
        answer = self.request("POST", "/completion", body)
        timings = answer["timings"]
        return Completion(
            tokens=list(answer["tokens"]),
            text=answer["content"],
            stopped=answer["stop_type"],
            prompt_tokens=timings["prompt_n"],
            prompt_s=timings["prompt_ms"] / 1000,
            decode_s=timings["predicted_ms"] / 1000,
        )

    def request(self, method: str, path: str, body: object = None, *, timeout_s: float = 600.0) -> Any:
        """One HTTP request with the key; gives the JSON answer. Several threads may ask at once.

        Raises:
            EngineError: The engine is gone, or refused; says what it said.
        """
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=timeout_s)
        headers = {"Authorization": f"Bearer {self.api_key}", "Content-Type": "application/json"}
        try:
            connection.request(method, path, None if body is None else json.dumps(body).encode(), headers)
            response = connection.getresponse()
            data = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise EngineError(f"the inference engine does not answer ({error!r}): {self.log_tail()}") from error
        finally:
            connection.close()
        if response.status != 200:
            raise EngineError(f"the inference engine answered {response.status} to {path}: {data[:500].decode()}")
        return json.loads(data)

    def close(self) -> None:
        """End the process and wait for it; harmless when done twice."""
        self._process.kill()
        self._process.wait()
        for reader in self._readers:
            reader.join()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            assert stream
            stream.close()

    def __enter__(self) -> Self:
        return self.wait_ready()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def require_engine() -> None:
    """Check that the engine's package is there, without importing it.

    Raises:
        MissingDependency: It is not; names the pip line.
    """
    if importlib.util.find_spec("xllamacpp") is None:
        raise MissingDependency("xllamacpp", needed_for="running a model", install="pip install 'luosi[engine]'")


def measure_speed(gguf: Path, *, vocab_size: int, context: int, cores: int) -> Speed:
    """How fast the engine answers one stream with its usual settings: a prompt of 128 tokens, 16 tokens of answer (fewer where the
    model's `context` is shorter); the best of five runs, fewer where they take longer than 5 s together.

    All `cores` compute, less those that other processes keep busy now: threads that wait for one without a core would say nothing
    about the model.
    """
    busy = psutil.cpu_percent(interval=0.3) / 100
    threads = max(1, round(cores * (1 - busy)))
    prompt_tokens, answer_tokens = min(128, context // 2), min(16, context // 4)
    runs: list[Completion] = []
    with Engine(gguf, threads=threads, context=min(context, 256), parallel=1) as engine:
        began = time.monotonic()
        while len(runs) < 5 and (not runs or time.monotonic() - began < 5):
            prompt = [(len(runs) + 7919 * number) % vocab_size for number in range(prompt_tokens)]
            runs.append(engine.complete(prompt, tokens=answer_tokens, ignore_eos=True))
        return Speed(
            prompt_tokens_per_s=prompt_tokens / max(min(run.prompt_s for run in runs), 1e-6),
            decode_tokens_per_s=max(answer_tokens - 1, 1) / max(min(run.decode_s for run in runs), 1e-6),
            load_s=engine.load_s,
            rss_bytes=engine.rss_bytes,
            threads=threads,
        )
