"""The engine's process: it answers, keeps others out, gives the same alone and in a crowd, and never outlives its parent."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from luosi.errors import EngineError, InputError, MissingDependency
from luosi.models.engine import Engine, measure_speed
from luosi.models.gguf import write_gguf
from tests.models_kit import VOCABULARY, noisy_model, small_shape, tokenizer_folder


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("engine")
    shape = small_shape("qwen3")
    state = noisy_model(shape).state_dict()
    folder = tokenizer_folder(base / "tokenizer")
    write_gguf(base / "a.gguf", shape=shape, state=state, tokenizer_folder=folder, precision="F32", name="small")
    return base / "a.gguf"


@pytest.fixture(scope="module")
def engine(gguf: Path) -> Iterator[Engine]:
    with Engine(gguf, threads=1, context=64, parallel=4, exact=True, alias="small") as running:
        yield running


def gone(pid: int, within_s: float = 20.0) -> bool:
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:  # dead; its new parent may be slow to reap it
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.05)
    return False


def test_it_answers_on_loopback_with_its_key_only(engine: Engine) -> None:
    assert engine.url.startswith("http://127.0.0.1:")
    assert engine.request("GET", "/health") == {"status": "ok"}

    def completion(key: str) -> dict[str, object]:
        body = json.dumps({"model": "small", "prompt": "the licence", "max_tokens": 4}).encode()
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{engine.url}/v1/completions", body, headers)
        with urllib.request.urlopen(request) as response:
            answer: dict[str, object] = json.load(response)
        return answer

    assert completion(engine.api_key)["model"] == "small"
    with pytest.raises(urllib.error.HTTPError, match="401") as caught:
        completion("guessed")
    caught.value.close()
    with urllib.request.urlopen(
        urllib.request.Request(f"{engine.url}/metrics", headers={"Authorization": f"Bearer {engine.api_key}"})
    ) as metrics:
        assert b"llamacpp:" in metrics.read()


def test_every_engine_has_its_own_key_which_no_process_list_shows(engine: Engine, gguf: Path) -> None:
    with Engine(gguf, threads=1, context=64, parallel=1) as other:
        assert other.api_key != engine.api_key
        assert other.url != engine.url
        assert other.api_key not in " ".join(psutil.Process(other.pid).cmdline())


def test_a_crowd_is_answered_like_one(engine: Engine) -> None:
    prompts = [[number, number + 1, 2 * number] for number in range(3, 15)]
    alone = [engine.complete(prompt, tokens=12, ignore_eos=True).tokens for prompt in prompts]
    with ThreadPoolExecutor(12) as pool:
        together = list(pool.map(lambda p: engine.complete(p, tokens=12, ignore_eos=True).tokens, prompts))
    assert together == alone
    assert all(len(tokens) == 12 for tokens in alone)


def test_what_it_refuses_is_said(engine: Engine) -> None:
    with pytest.raises(EngineError, match="400 to /completion"):
        engine.complete([5] * 200, tokens=1)  # longer than the context


def test_speed_is_measured(gguf: Path) -> None:
    speed = measure_speed(gguf, vocab_size=VOCABULARY, context=128, cores=2)
    assert speed.threads in (1, 2)
    assert min(speed.prompt_tokens_per_s, speed.decode_tokens_per_s, speed.load_s) > 0
    assert speed.rss_bytes > gguf.stat().st_size


def test_close_leaves_nothing_behind(gguf: Path) -> None:
    engine = Engine(gguf, threads=1, context=64, parallel=1).wait_ready()
    pid = engine.pid
    engine.close()
    engine.close()
    assert not psutil.pid_exists(pid)  # not even a zombie
    assert not engine.alive
    with pytest.raises(EngineError, match="does not answer"):
        engine.tokenize("x")


def test_a_killed_engine_is_noticed(gguf: Path) -> None:
    with Engine(gguf, threads=1, context=64, parallel=1) as engine:
        os.kill(engine.pid, signal.SIGKILL)
        assert gone(engine.pid)
        with pytest.raises(EngineError, match="does not answer"):
            engine.complete([1], tokens=1)


def test_it_outlives_the_thread_that_started_it(gguf: Path) -> None:
    started: list[Engine] = []
    thread = threading.Thread(
        target=lambda: started.append(Engine(gguf, threads=1, context=64, parallel=1).wait_ready())
    )
    thread.start()
    thread.join()
    time.sleep(0.3)
    with started[0] as engine:
        assert engine.tokenize("the") == engine.tokenize("the")


PARENT = """
import sys, time
from pathlib import Path
from luosi.models.engine import Engine
engine = Engine(Path(sys.argv[1]), threads=1, context=64, parallel=1)
if sys.argv[2] == "ready":
    engine.wait_ready()
print(engine.pid, flush=True)
if sys.argv[3] == "stay":
    time.sleep(60)
"""


@pytest.mark.parametrize("state", ["ready", "loading"])
def test_it_dies_with_a_parent_that_is_killed(state: str, gguf: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(gguf), state, "stay"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        parent.kill()
    assert gone(pid)


def test_it_dies_with_a_parent_that_forgets_it(gguf: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(gguf), "ready", "leave"]
    pid = int(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    assert gone(pid)


def test_what_is_no_model_is_said_with_the_log(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(b"not a model")
    with pytest.raises(EngineError, match=r"did not start: (.|\n)*invalid magic"), Engine(tmp_path / "x.gguf"):
        pass
    with pytest.raises(InputError, match="no model file"):
        Engine(tmp_path / "absent.gguf")


def test_without_its_package_the_pip_line_is_named(gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match="xllamacpp is not installed") as caught:
        Engine(gguf)
    assert "pip install" in caught.value.hint


def test_importing_it_is_light() -> None:
    code = "import sys, luosi.models.engine; print([m for m in ('torch', 'numpy', 'xllamacpp') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
