"""Text of a corpus to token ids: a seeded choice of documents, and their encoding in bounded memory.

What stands in a text is text: "<|endoftext|>" in a document becomes ordinary tokens, never the special one. Knows neither
batches nor models.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from luosi.artifacts import Corpus, Document
from luosi.models.tokenizer import document_start, load_tokenizer, special_ids
from luosi.training.batches import shuffled

CHUNK_CHARS = 1 << 21
"""Text that is encoded at one time, if no single document is longer."""


class Marks(NamedTuple):
    """Ids around a document: what its first token is predicted from, and what its last position predicts."""

    start: int
    end: int


def document_marks(tokenizer_folder: Path) -> Marks:
    """<|endoftext|> for both where the vocabulary has it, else bos and eos, one standing in for the other if it is missing."""
    start, eos = document_start(tokenizer_folder), special_ids(tokenizer_folder).eos
    named_end = load_tokenizer(tokenizer_folder).token_to_id("<|endoftext|>")
    return Marks(start, start if named_end is not None or eos is None else eos)


def sample(corpus: Corpus, sources: Collection[str], *, max_bytes: int, seed: int) -> list[Document]:
    """Whole training documents of `sources`, chosen by `seed` until their text reaches `max_bytes` UTF-8 bytes, in stored order.

    Reads the corpus twice, so that only the chosen documents are ever held.
    """
    sizes = np.array(
        [len(d.text.encode()) if d.source in sources else 0 for d in corpus.documents("train")], dtype=np.int64
    )
    order = shuffled(len(sizes), seed)
    before = np.cumsum(sizes[order]) - sizes[order]
    chosen = set(order[(before < max_bytes) & (sizes[order] > 0)].tolist())
    return [document for number, document in enumerate(corpus.documents("train")) if number in chosen]


def encode(tokenizer_folder: Path, documents: Iterable[Document]) -> Iterator[tuple[Document, npt.NDArray[np.int64]]]:
    """Each document with its token ids; no special token is added or read out of the text."""
    tokenizer = load_tokenizer(tokenizer_folder)
    tokenizer.encode_special_tokens = True
    for chunk in _chunks(documents):
        encodings = tokenizer.encode_batch_fast([document.text for document in chunk], add_special_tokens=False)
        for document, encoding in zip(chunk, encodings, strict=True):
            yield document, np.array(encoding.ids, dtype=np.int64)


def decode(tokenizer_folder: Path, rows: Iterable[npt.NDArray[np.int64]]) -> str:
    """The text of rows of token ids, without special tokens; a character that a row cuts in two is lost."""
    return "".join(load_tokenizer(tokenizer_folder).decode_batch([row.tolist() for row in rows]))


def _chunks(documents: Iterable[Document]) -> Iterator[list[Document]]:
    chunk: list[Document] = []
    chars = 0
    for document in documents:
        chunk.append(document)
        chars += len(document.text)
        if chars >= CHUNK_CHARS:
            yield chunk
            chunk, chars = [], 0
    if chunk:
        yield chunk
