"""Byte-level BPE by Hugging Face's `tokenizers`, set up so that every reader of its files splits text alike."""

from __future__ import annotations

from collections.abc import Iterator

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from luosi.artifacts import Corpus, Document, Facts
from luosi.errors import InputError
from luosi.models.gguf_tokenizer import WORD_RULES
from luosi.models.tokenizer import CHATML, END_OF_TEXT, SPECIAL_TOKENS, write_tokenizer
from luosi.pipeline.stage import Context
from luosi.stages.train_tokenizer.config import Config
from luosi.training.tokens import sample

SPARE = tuple(f"<|spare_{number}|>" for number in range(13))
"""Special tokens without a meaning yet: a chat or tool format can take them without a new vocabulary."""

CONTEXT = 2048
"""Longest input that the tokenizer's files name; a model's own limit stands in its configuration."""


def train(config: Config, corpus: Corpus, context: Context) -> Facts:
    """Learn `config.vocab_size` tokens from `corpus` and write the tokenizer's files into `context.out`.

    Raises:
        InputError: There is too little text for so many tokens.
    """
    documents = sample(corpus, corpus.sources(), max_bytes=config.max_bytes, seed=config.seed)
    tokenizer = _untrained()
    trainer = trainers.BpeTrainer(
        vocab_size=config.vocab_size,
        special_tokens=[*SPECIAL_TOKENS, *SPARE],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(documents, context), trainer, length=len(documents))
    text_bytes = sum(len(document.text.encode()) for document in documents)
    found = tokenizer.get_vocab_size()
    if found < config.vocab_size:
        raise InputError(
            f"{text_bytes} bytes of text hold only {found} tokens worth having, {config.vocab_size} were asked for",
            hint=f"lower vocab_size to {max(320, found // 32 * 32)} or less, or give more text",
        )
    write_tokenizer(
        context.out, tokenizer, bos=END_OF_TEXT, eos=END_OF_TEXT, pad=END_OF_TEXT, chat_template=CHATML, context=CONTEXT
    )
    return Facts(text_bytes=text_bytes, documents=len(documents), figures={"vocab_size": found})


def _untrained() -> Tokenizer:
    """Splits text as Qwen2 does, which llama.cpp knows by name; any other rule could not be shipped as a GGUF."""
    words = WORD_RULES["qwen2"].pre_tokenizer["pretokenizers"][0]["pattern"]["Regex"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(words), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _texts(documents: list[Document], context: Context) -> Iterator[str]:
    for number, document in enumerate(documents, 1):
        yield document.text
        context.progress(number, len(documents), "document")
