"""Models of one's own: free answers from the engine that will serve them, choices by their likelihood under the file that ships.

Engines and weights are loaded when they are needed, and as many stay as fit into half of the machine's memory.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeVar

from luosi.artifacts import Bundle, Question
from luosi.artifacts.retrieval import Passage
from luosi.models.choices import take
from luosi.models.engine import Engine
from luosi.retrieval.prompt import messages
from luosi.stages.race.said import Asking, Said

if TYPE_CHECKING:
    from luosi.models.likelihood import LanguageModel
    from luosi.models.precision import Precision

MOST_CONTEXT = 8192
"""Tokens of context an engine is given: room for five passages in any language; more would only take memory."""
SPARE = 8
NO_THOUGHTS = {"enable_thinking": False}
"""For chat templates that ask (Qwen3's): thoughts would fill a short answer."""

T = TypeVar("T")
Turns = Sequence[Mapping[str, str]]


class Loaded:
    """Engines and weights in memory, the ones used last; a context manager that closes them.

    Args:
        most_bytes: That they may take together; one that is larger by itself is loaded alone.
    """

    def __init__(self, most_bytes: float) -> None:
        self._most = most_bytes
        self._held: OrderedDict[str, tuple[Any, float]] = OrderedDict()

    def get(self, name: str, size: float, load: Callable[[], T]) -> T:
        """What is held as `name`, loaded if it is not, in place of the longest unused."""
        if name not in self._held:
            while self._held and sum(size for _, size in self._held.values()) + size > self._most:
                self._drop()
            self._held[name] = (load(), size)
        self._held.move_to_end(name)
        held: T = self._held[name][0]
        return held

    def _drop(self) -> None:
        _, (oldest, _) = self._held.popitem(last=False)
        if isinstance(oldest, Engine):
            oldest.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        while self._held:
            self._drop()


class OwnModel:
    """A bundle that answers.

    Args:
        bundle: Its files.
        key: Of the artifact.
        loaded: Where its engine and weights are kept.
        threads: Of the engine.
        precision: Of likelihoods.
    """

    def __init__(self, bundle: Bundle, key: str, loaded: Loaded, *, threads: int, precision: Precision) -> None:
        self.gguf, self.shape, self.key = bundle.gguf, bundle.shape(), key
        self.name = f"{bundle.json('bundle.json')['name']}, {bundle.precision}"
        self.context = min(self.shape.context, MOST_CONTEXT)
        self._loaded, self._threads, self._precision = loaded, threads, precision

    def answer(self, asking: Asking, who: str) -> Said:
        """By likelihood where the question has choices, else as text."""
        return self._choose(asking) if asking.question.choices else self._write(asking, who)

    def chat(self, turns: Turns, answer_tokens: int, who: str) -> Said:
        """The text that goes on from a chat, or the trouble that it is too long for the model's context."""
        engine = self._engine()
        if self._tokens(engine, turns) > self.context - answer_tokens - SPARE:
            return Said(trouble=f"too long for the model's context of {self.context} tokens")
        began = time.monotonic()
        body = {
            "messages": list(turns), "max_tokens": answer_tokens, "temperature": 0, "cache_prompt": False,
            "chat_template_kwargs": NO_THOUGHTS,
        }  # fmt: skip
        answer = engine.request("POST", "/v1/chat/completions", body)
        text = str(answer["choices"][0]["message"].get("content") or "")
        return Said(
            text=text,
            prompt_tokens=answer["usage"]["prompt_tokens"],
            answer_tokens=answer["usage"]["completion_tokens"],
            seconds=time.monotonic() - began,
            trouble="" if text.strip() else "empty answer",
        )

    def _write(self, asking: Asking, who: str) -> Said:
        """Passages that do not fit are left out from the last; then the question is cut from its left."""
        answer_tokens = min(asking.answer_tokens, self.context // 4)
        prompt, shown = asking.question.prompt, len(asking.passages)
        engine, room = self._engine(), self.context - answer_tokens - SPARE
        while True:
            turns = messages(prompt, passages=asking.passages[:shown], system=asking.system)
            tokens = self._tokens(engine, turns)
            if tokens <= room or not prompt:
                break
            if shown:
                shown -= 1
            else:
                prompt = prompt[len(prompt) - int(0.9 * len(prompt) * max(room, 0) / tokens) :]
        said = self.chat(turns, answer_tokens, who)
        fitted = shown < len(asking.passages) or len(prompt) < len(asking.question.prompt)
        return said.model_copy(update={"shown": shown, "fitted": fitted})

    def _choose(self, asking: Asking) -> Said:
        import torch

        from luosi.models.likelihood import choice_bits
        from luosi.models.precision import autocast

        question = asking.question
        lm = self._language_model()
        began = time.monotonic()
        with torch.inference_mode(), autocast(self._precision, lm.device.type):
            answers = [len(lm.encode(choice)[0]) for choice in question.choices]
            room = self.context - max(answers) - SPARE
            shown = len(asking.passages)
            while (tokens := len(lm.encode(_text(question, asking.passages[:shown]))[0])) > room and shown:
                shown -= 1
            bits = choice_bits(lm, _text(question, asking.passages[:shown]), question.choices)
        taken = take(question.choices, question.answer, bits)
        return Said(
            text=question.choices[taken.chosen],
            chosen=taken.chosen,
            tie_mark=taken.mark,
            shown=shown,
            fitted=shown < len(asking.passages) or tokens > room,
            prompt_tokens=tokens,
            answer_tokens=answers[taken.chosen],
            seconds=time.monotonic() - began,
        )

    def _tokens(self, engine: Engine, turns: Turns) -> int:
        body = {"messages": list(turns), "chat_template_kwargs": NO_THOUGHTS}
        return len(engine.tokenize(engine.request("POST", "/apply-template", body)["prompt"], document_start=True))

    def _engine(self) -> Engine:
        shape = self.shape
        cache = 4 * self.context * shape.layers * shape.kv_heads * shape.head_dim
        size = 1.1 * self.gguf.stat().st_size + cache + 100e6

        def load() -> Engine:
            engine = Engine(self.gguf, threads=self._threads, context=self.context, parallel=1)
            return engine.wait_ready()

        return self._loaded.get(f"engine {self.key}", size, load)

    def _language_model(self) -> LanguageModel:
        from luosi.models.likelihood import open_language_model

        def load() -> LanguageModel:
            return open_language_model(self.gguf, self._precision)

        return self._loaded.get(f"weights {self.key}", 4.5 * self.shape.parameters + 300e6, load)


def _text(question: Question, passages: Sequence[Passage]) -> str:
    """Plain text that ends in the question, the best passage next to it, for what is cut is cut from the left."""
    shown = [f"{passage.heading}\n{passage.text}".strip() for passage in reversed(passages)]
    return "\n\n".join([*shown, question.prompt])
