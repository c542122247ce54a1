"""Builds an index: passages cut from documents, BM25's arrays, and the passages' vectors if an encoder is given.

`passages.jsonl`, `rows.npy` (where each line begins), `terms.npy`, `starts.npy`, `postings.npy`, `gains.npy` (lexical.py), the files
of word_vectors.py, `vectors.npy` and `vectors_scales.npy` (vectors.py) and `index.json`: {"passages", "passage_chars", "encoder",
"pin"}. Cutting is quick and is done again after a kill; what was learned, and an encoder's vectors block by block, are kept in
`scratch`. Memory does not grow with the text, but for its distinct terms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import orjson

from luosi.artifacts.base import read_jsonl, write_json
from luosi.artifacts.corpus import Document
from luosi.artifacts.retrieval import Passage
from luosi.errors import InputError
from luosi.retrieval import vectors, word_vectors
from luosi.retrieval.chunks import cut
from luosi.retrieval.encoders import TextEncoder, check, load
from luosi.retrieval.lexical import LexicalWriter
from luosi.retrieval.packages import PACKAGES, EncoderName, pin_of

BLOCK = 512
"""Passages whose vectors are made and kept together: what a kill may lose."""

Progress = Callable[[float, float, str], None]


def build(
    documents: Iterable[Document],
    out: Path,
    scratch: Path,
    *,
    passage_chars: int,
    encoder: EncoderName = "none",
    progress: Progress = lambda done, total, unit: None,
    spend: Callable[[int], None] = lambda tokens: None,
    expected_bytes: int = 0,
) -> int:
    """Fill the folder `out` with an index of `documents`; returns the number of passages.

    Args:
        scratch: Survives a kill; the next call with the same arguments goes on from it.
        passage_chars: Size aimed at, see luosi.retrieval.chunks.
        spend: Is told the tokens that the encoder went through, as it goes.
        expected_bytes: Of the documents' text, for `progress` only.

    Raises:
        InputError: There is no text; or the encoder's package is not the one that is pinned.
        MissingDependency: The encoder's package is not installed.
    """
    if encoder != "none":
        check(PACKAGES[encoder])
    reader = load(encoder)
    count = _passages(documents, out, scratch, passage_chars, expected_bytes, progress)
    if not count:
        raise InputError("there is no text to index", hint="give files with text in them")
    if encoder != "none":
        word_vectors.build(lambda: _texts(out), count, out, scratch, progress)
    if reader:
        parts = _vectors(reader, _texts(out), count, scratch, progress, spend)
        vectors.write(out, "vectors", map(np.load, parts), reader.width, count)
    about = {"passages": count, "passage_chars": passage_chars, "encoder": encoder, "pin": pin_of(encoder)}
    write_json(out / "index.json", about)
    return count


def indexed_text(heading: str, text: str) -> str:
    """What a passage is found by: the headings it stands under, and its text."""
    return f"{heading}\n{text}" if heading else text


def _passages(
    documents: Iterable[Document], out: Path, scratch: Path, size: int, expected_bytes: int, progress: Progress
) -> int:
    """Write the passages and the arrays of BM25."""
    words = LexicalWriter(scratch)
    rows = [0]
    done = 0
    with (out / "passages.jsonl").open("wb") as file:
        for document in documents:
            for piece in cut(document.text, size):
                passage = Passage(
                    number=len(rows) - 1,
                    document=document.id,
                    file=document.file or document.id,
                    page=document.page_at(piece.start),
                    heading=piece.heading,
                    text=piece.text,
                )
                line = orjson.dumps(passage.model_dump(), option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_SORT_KEYS)
                file.write(line)
                rows.append(rows[-1] + len(line))
                words.add(indexed_text(piece.heading, piece.text))
            done += len(document.text.encode(errors="surrogatepass"))
            progress(done, max(done, expected_bytes), "bytes")
    words.finish(out)
    np.save(out / "rows.npy", np.array(rows, np.int64))
    return len(rows) - 1


def _texts(out: Path) -> Iterator[str]:
    """What each passage is found by."""
    for row in read_jsonl(out / "passages.jsonl"):
        yield indexed_text(str(row["heading"]), str(row["text"]))


def _vectors(
    encoder: TextEncoder,
    texts: Iterable[str],
    count: int,
    scratch: Path,
    progress: Progress,
    spend: Callable[[int], None],
) -> list[Path]:
    """Files of BLOCK vectors each, made now or by an attempt before this one."""
    parts: list[Path] = []
    held: list[str] = []
    for number, text in enumerate(texts, 1):
        held.append(text)
        if len(held) == BLOCK or number == count:
            part = scratch / f"vectors-{len(parts):06d}.npy"
            if not part.exists():
                before = encoder.tokens
                vectors.save(part, encoder.encode(held, question=False))
                spend(encoder.tokens - before)
            parts.append(part)
            held = []
            progress(min(count, len(parts) * BLOCK), count, "passages")
    return parts
