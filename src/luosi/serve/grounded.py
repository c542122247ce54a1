"""Answers from the files: passages are put before the last question of a chat, and the answer says on which of them it rests.

The answer (a streamed one: the chunk that ends it) carries one field more, `luosi`: {"passages": [{"number", "file", "page", "heading",
"text", "cited"}]}, numbered as the model was shown them. Other routes and other turns pass as they are. Knows nothing of upstreams.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from luosi.artifacts.retrieval import Passage
from luosi.retrieval.prompt import cited, messages
from luosi.serve.upstreams import ServedModel

if TYPE_CHECKING:
    from luosi.retrieval.search import Searcher

SUFFIX = "+files"


@dataclass(frozen=True)
class Grounding:
    """A request as it goes to the upstream, and the passages that were put into it; None where it was left as it came."""

    body: dict[str, Any]
    passages: tuple[Passage, ...] | None = None

    def extra(self, answer: str) -> dict[str, Any]:
        """The field that is added to an answer of this text; {} where nothing was put in."""
        if self.passages is None:
            return {}
        return {"luosi": {"passages": [one.model_dump() for one in cited(answer, self.passages)]}}


class Files:
    """The files as a served model sees them.

    Args:
        searcher: Of the index.
        passages: Shown with each question.
    """

    def __init__(self, searcher: Searcher, *, passages: int) -> None:
        self._searcher, self._passages = searcher, passages

    async def ground(self, body: dict[str, Any]) -> Grounding:
        """The chat request with passages before its last question; searched in a thread."""
        turns = body["messages"]
        place = next((n for n in reversed(range(len(turns))) if turns[n]["role"] == "user"), None)
        question = "" if place is None else _text(turns[place].get("content"))
        if place is None or not question.strip():
            return Grounding(body)
        hits = await asyncio.to_thread(self._searcher.search, question, self._passages)
        passages = tuple(hit.passage for hit in hits)
        asked = messages(question, passages=passages)[-1]["content"]
        turn = turns[place] | {"content": _with_text(turns[place]["content"], asked)}
        return Grounding(body | {"messages": [*turns[:place], turn, *turns[place + 1 :]]}, passages)


def with_files(model: ServedModel, files: Files) -> ServedModel:
    """The same model once more, as NAME+files, answering from the files; both share one upstream."""
    return replace(model, name=model.name + SUFFIX, upstream_name=model.upstream_name or model.name, files=files)


def _text(content: str | Sequence[dict[str, Any]] | None) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    return "\n".join(str(part.get("text", "")) for part in content if part.get("type") == "text")


def _with_text(content: str | Sequence[dict[str, Any]], text: str) -> str | list[dict[str, Any]]:
    """The content with `text` for its words; pictures and the like stay."""
    if isinstance(content, str):
        return text
    return [*(part for part in content if part.get("type") != "text"), {"type": "text", "text": text}]
