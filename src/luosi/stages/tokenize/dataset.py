"""Writes a TokenDataset: encodes in the corpus's order into scratch, then copies document by document in seeded order."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import orjson

from luosi.artifacts import Corpus, Document, Facts, TokenDataset, Tokenizer
from luosi.artifacts.base import write_json
from luosi.errors import InputError
from luosi.models.tokenizer import load_tokenizer
from luosi.pipeline.stage import Context
from luosi.stages.tokenize.config import Config
from luosi.training.batches import shuffled
from luosi.training.tokens import document_marks, encode


def write(config: Config, corpus: Corpus, tokenizer: Tokenizer, context: Context) -> Facts:
    """Encode the training documents of `corpus` into `context.out`.

    Raises:
        InputError: There is no training text.
    """
    vocab_size = load_tokenizer(tokenizer.path).get_vocab_size()
    dtype = np.dtype("<u2" if vocab_size <= 1 << 16 else "<u4")
    ids, lengths, text_bytes = [], [], 0
    unordered = context.scratch / "tokens.bin"
    with unordered.open("wb") as file:
        for document, tokens in encode(tokenizer.path, _counted(corpus, context)):
            file.write(tokens.astype(dtype).tobytes())
            ids.append(document.id)
            lengths.append(len(tokens))
            text_bytes += len(document.text.encode())
    if not sum(lengths):
        raise InputError("the corpus has no training text", hint="its report says what was dropped and why")
    order = shuffled(len(ids), config.seed)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    source = np.memmap(unordered, dtype=dtype, mode="r")
    with (context.out / "tokens.bin").open("wb") as file:
        for document_number in order:
            file.write(source[starts[document_number] : starts[document_number + 1]].tobytes())
    offsets = np.concatenate([[0], np.cumsum(np.array(lengths)[order])]).astype("<u8")
    (context.out / "offsets.bin").write_bytes(offsets.tobytes())
    (context.out / "ids.json").write_bytes(orjson.dumps([ids[number] for number in order]))
    index = {
        "dtype": f"uint{dtype.itemsize * 8}",
        "documents": len(ids),
        "tokens": int(offsets[-1]),
        "bytes": text_bytes,
        "eos": document_marks(tokenizer.path).end,
        "tokenizer": tokenizer.digest,
    }
    write_json(context.out / "index.json", index)
    TokenDataset(context.out)
    return Facts(documents=len(ids), tokens=int(offsets[-1]), text_bytes=text_bytes)


def _counted(corpus: Corpus, context: Context) -> Iterator[Document]:
    """The training documents, with progress told as they are read."""
    total = (corpus.path / "train.jsonl").stat().st_size
    done = 0
    for document in corpus.documents("train"):
        yield document
        done += len(document.text.encode())
        context.progress(min(done, total), total, "byte")
