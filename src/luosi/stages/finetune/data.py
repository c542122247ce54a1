"""What finetune trains on, as numbered rows: a corpus's text with replay, or pairs put as questions with replay beside them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from luosi.artifacts import Corpus, ModelArtifact, Pairs
from luosi.artifacts.retrieval import Pair
from luosi.errors import InputError
from luosi.models.chat import Chat
from luosi.pipeline.stage import Context, Inputs
from luosi.retrieval.prompt import messages
from luosi.stages.finetune.config import Config
from luosi.training.batches import MixedRows, PackedRows, Rows, ShuffledRows
from luosi.training.covering import MOST_POSITIONS, CoveringRows
from luosi.training.examples import Example, ExampleRows
from luosi.training.loop import MAX_EPOCHS, warn_of_epochs, warn_of_short_documents
from luosi.training.tokens import decode, document_marks, encode, sample

SPARE_BYTES_PER_TOKEN = 8
"""So much text is encoded for each token that is needed: above any tokenizer's mean, so that none is read twice for want of text."""
CHOICE_BYTES_PER_TOKEN = 64
MOST_CHOICE_BYTES = 32_000_000
"""And so much where rows are chosen, up to this bound, or SPARE_BYTES_PER_TOKEN if that is more."""
DECODED_ROWS = 512
"""Of so many rows the bytes are counted."""


@dataclass(frozen=True)
class Supply:
    """Rows, how many steps to take of them, how often what the model is for goes by, the share of positions learned from, and how many
    of them a byte of text makes (0 where that is not known)."""

    rows: Rows
    steps: int
    epochs: float
    learned_share: float = 1.0
    positions_per_byte: float = 0.0


@dataclass(frozen=True)
class _Text:
    """Rows of documents."""

    rows: ShuffledRows
    positions_per_byte: float


def supply(config: Config, tokenizer_folder: Path, inputs: Inputs, context: Context) -> Supply:
    """What the inputs give to train on.

    Raises:
        InputError: Neither corpus nor pairs are given, settings for pairs are given without any, or there is nothing to train on.
    """
    corpus = inputs.artifact("corpus", Corpus) if inputs.all("corpus") else None
    if inputs.all("pairs"):
        longest = inputs.artifact("model", ModelArtifact).shape().context
        return _of_pairs(config, tokenizer_folder, inputs.artifact("pairs", Pairs), corpus, context, longest)
    if corpus is None:
        raise InputError("finetune has nothing to train on", hint="give it a corpus, or pairs, or both")
    if config.epochs or config.system_prompt:
        field = "epochs" if config.epochs else "system_prompt"
        raise InputError(f"{field} is for pairs, and none are given", hint="set tokens instead, or give pairs")
    return _of_corpus(config, tokenizer_folder, corpus, context)


def _of_corpus(config: Config, tokenizer_folder: Path, corpus: Corpus, context: Context) -> Supply:
    first, *others = corpus.sources()
    needed = config.steps * config.batch_tokens
    share = config.replay if _has_text(corpus, others) else 0.0
    if config.replay and not share and (others or "replay" in config.model_fields_set):
        context.say(f"nothing is replayed: {first} is the corpus's only source with text to train on")
    count = needed // config.sequence
    replayed_count = int(count * share)
    main = _packed(config, tokenizer_folder, corpus, [first], count - replayed_count, choose=config.choose)
    if config.choose and main.rows.epoch_positions > MOST_POSITIONS:
        context.say(f"rows are drawn by chance: of more than {MOST_POSITIONS:,} tokens none are chosen")
    warn_of_short_documents(main.rows.longest, config.sequence, context)
    epochs = needed * (1 - share) / main.rows.epoch_positions
    warn_of_epochs(epochs, context)
    if not share:
        return Supply(main.rows, config.steps, epochs, positions_per_byte=main.positions_per_byte)
    replayed = _replayed(config, tokenizer_folder, corpus, others, replayed_count, context)
    bytes_per_position = (1 - share) / main.positions_per_byte + share / replayed.positions_per_byte
    rows = MixedRows(main.rows, replayed.rows, share)
    return Supply(rows, config.steps, epochs, positions_per_byte=1 / bytes_per_position)


def _of_pairs(
    config: Config, tokenizer_folder: Path, pairs: Pairs, corpus: Corpus | None, context: Context, longest: int
) -> Supply:
    examples, positions_per_byte = _examples(config, tokenizer_folder, pairs, context, longest)
    rows = ExampleRows(
        examples,
        length=config.sequence,
        filler=document_marks(tokenizer_folder).start,
        seed=config.seed,
    )
    replay = config.replay if corpus and _has_text(corpus, corpus.sources()) else 0.0
    batch_rows = config.batch_tokens // config.sequence
    wanted = round(config.epochs * rows.epoch_rows / (1 - replay))
    steps = max(1, -(-wanted // batch_rows)) if config.epochs else config.steps
    epochs = steps * batch_rows * (1 - replay) / rows.epoch_rows
    if epochs >= MAX_EPOCHS and not config.epochs:
        context.say(
            f"warning: every pair is read {epochs:.1f} times, by heart: give more pairs, or set epochs instead of tokens"
        )
    if not corpus or not replay:
        return Supply(rows, steps, epochs, rows.learned_share, positions_per_byte)
    count = int(steps * batch_rows * replay)
    replayed = _replayed(config, tokenizer_folder, corpus, corpus.sources(), count, context)
    answered = (1 - replay) * rows.learned_share
    size = answered / positions_per_byte + replay / replayed.positions_per_byte
    learned = answered + replay
    return Supply(MixedRows(rows, replayed.rows, replay), steps, epochs, learned, learned / size)


def _examples(
    config: Config, tokenizer_folder: Path, pairs: Pairs, context: Context, longest: int
) -> tuple[list[Example], float]:
    """The pairs as the model is asked and should answer, with as many passages as a row has room for, the right one before others;
    and how many positions are learned for a byte of answer. A row of the model's may have `longest` tokens.

    Those longer than a row are left out, and how many is said.
    """
    chat = Chat(tokenizer_folder)
    examples, long, answered = [], 0, 0
    for pair in pairs.pairs():
        example = _example(chat, pair, config.system_prompt)
        while example.positions > config.sequence and (
            others := [p for p in pair.passages if p.document != pair.document]
        ):
            pair = pair.model_copy(update={"passages": tuple(p for p in pair.passages if p is not others[-1])})
            example = _example(chat, pair, config.system_prompt)
        if example.positions <= config.sequence:
            examples.append(example)
            answered += len(pair.answer.encode())
        else:
            long += 1
    if long:
        context.say(f"{long} of {long + len(examples)} pairs are longer than {config.sequence} tokens and are left out")
    if long and not examples:
        more = (
            f"set a longer sequence, of up to {longest} tokens"
            if config.sequence < longest
            else "take a model of more context"
        )
        raise InputError(
            f"every pair is longer than {config.sequence} tokens",
            hint=f"{more}, or shorter passages or a shorter system_prompt",
        )
    learned = sum(len(example.tokens_N) - example.said for example in examples)
    return examples, learned / max(answered, 1)


def _example(chat: Chat, pair: Pair, system: str) -> Example:
    turn = chat.turn(messages(pair.question, passages=pair.passages, system=system), pair.answer)
    return Example(pair.id, np.array(turn.prompt_ids + turn.answer_ids, dtype=np.int64), len(turn.prompt_ids))


def _has_text(corpus: Corpus, sources: Collection[str]) -> bool:
    """Whether there is a training document of one of them."""
    return bool(sources) and any(document.source in sources for document in corpus.documents("train"))


def _replayed(
    config: Config, tokenizer_folder: Path, corpus: Corpus, sources: Collection[str], count: int, context: Context
) -> _Text:
    """Text of `sources` against forgetting, `count` rows of it; says so where it is read too often."""
    text = _packed(config, tokenizer_folder, corpus, sources, count)
    warn_of_epochs(count * config.sequence / text.rows.epoch_positions, context, "the text that is replayed")
    return text


def _packed(
    config: Config,
    tokenizer_folder: Path,
    corpus: Corpus,
    sources: Collection[str],
    count: int,
    *,
    choose: bool = False,
) -> _Text:
    """Text of `sources` of which `count` rows are going to be read."""
    tokens = count * config.sequence
    most = SPARE_BYTES_PER_TOKEN * tokens
    if choose:
        most = max(most, min(CHOICE_BYTES_PER_TOKEN * tokens, MOST_CHOICE_BYTES))
    documents = sample(corpus, sources, max_bytes=most + 1, seed=config.seed)
    if not documents:
        raise InputError(
            f"the corpus has no training text of {', '.join(sources)}", hint="its report says what was dropped and why"
        )
    encoded = [(document.id, ids) for document, ids in encode(tokenizer_folder, documents)]
    names, parts = zip(*encoded, strict=True)
    offsets = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)
    marks = document_marks(tokenizer_folder)
    packed = PackedRows(
        np.concatenate(parts), offsets, names,
        length=config.sequence, start=marks.start, end=marks.end, seed=config.seed,
    )  # fmt: skip
    rows = (
        CoveringRows(packed, config.sequence, count, config.seed)
        if choose
        else ShuffledRows(packed, config.sequence, config.seed)
    )
    some = [rows.row(number).tokens_T for number in range(min(max(count, 1), DECODED_ROWS))]
    size = len(decode(tokenizer_folder, some).encode())
    return _Text(rows, len(some) * config.sequence / max(size, 1))
