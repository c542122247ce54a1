"""From a token dataset to a trained model's folder: rows, first weights, optimizers, the loop, the files."""

from __future__ import annotations

from functools import partial

import torch

from luosi.artifacts import Facts, ModelShape, TokenDataset, Tokenizer
from luosi.artifacts.base import write_jsonl
from luosi.errors import InputError
from luosi.models.first_weights import initialise, wire
from luosi.models.flops import training_flop
from luosi.models.tokenizer import load_tokenizer
from luosi.models.transformer import Transformer
from luosi.models.weights import save_model
from luosi.pipeline.stage import Context
from luosi.stages.pretrain.config import Config, Runtime
from luosi.stages.pretrain.stage import spared_flop
from luosi.training.batches import dataset_rows, occurrences, stored_tokens
from luosi.training.loop import best_device, train, warn_of_epochs, warn_of_short_documents
from luosi.training.loss import Words
from luosi.training.optimizers import muon_and_adamw
from luosi.training.schedules import Step
from luosi.training.settings import Settings
from luosi.training.sharding import share_out
from luosi.training.state import reproducible
from luosi.training.tokens import document_marks
from luosi.training.word_counts import word_vectors
from luosi.training.workers import everywhere, require_even


def pretrain(config: Config, runtime: Runtime, tokens: TokenDataset, tokenizer: Tokenizer, context: Context) -> Facts:
    """Train a model of `config.shape` and write a BaseModel into `context.out`.

    Raises:
        InputError: The tokens were made with another tokenizer, or a step's rows do not divide among the workers.
        TrainingDiverged, BudgetExceeded, Interrupted: As `luosi.training.loop.train`.
    """
    if tokens.json("index.json").get("tokenizer", tokenizer.digest) != tokenizer.digest:
        raise InputError(
            "the tokens were made with another tokenizer than the one given",
            hint="give pretrain the tokenizer that the step of its tokens was given",
        )
    require_even(config.batch_tokens // config.sequence, runtime.workers, config.sequence)
    return everywhere(runtime.workers, partial(_pretrain, config, runtime, tokens, tokenizer), context)


def _pretrain(config: Config, runtime: Runtime, tokens: TokenDataset, tokenizer: Tokenizer, context: Context) -> Facts:
    shape = config.shape(_padded(load_tokenizer(tokenizer.path).get_vocab_size()))
    marks = document_marks(tokenizer.path)
    rows = dataset_rows(tokens, length=config.sequence, start=marks.start, end=marks.end, seed=config.seed)
    total = config.steps * config.batch_tokens
    warn_of_epochs(total / rows.epoch_positions, context)
    warn_of_short_documents(rows.longest, config.sequence, context)
    model = Transformer(shape)
    _begin(model, config, tokens)
    if runtime.shard:
        share_out(model)
    model.to(best_device())
    optimizers = muon_and_adamw(
        model, matrix_lr=config.matrix_lr, vector_lr=config.vector_lr, weight_decay=config.weight_decay
    )
    words = _words(config, tokens, shape)
    settings = Settings.of(
        config,
        runtime,
        steps=config.steps,
        flop=lambda step: _flop(shape, step, config.sequence, words),
        positions_per_byte=rows.epoch_positions / int(str(tokens.json("index.json")["bytes"])),
        words=words,
    )
    result = train(model, rows, optimizers, settings, context)
    save_model(context.out, model.state_dict(), shape, tokenizer.path)
    write_jsonl(context.out / "curve.jsonl", result.curve())
    figures = result.figures(total / rows.epoch_positions)
    return Facts(shape=shape, tokens=total, figures=figures)


def _begin(model: Transformer, config: Config, tokens: TokenDataset) -> None:
    """The first weights; made on one thread, since sums of several may end in other bits on a busy machine."""
    with reproducible(threads=1):
        initialise(model, config.seed)
        if config.start == "counted":
            shape = model.shape
            wire(model, config.seed, word_vectors(stored_tokens(tokens), shape.vocab_size, shape.width, config.seed))
        elif config.start == "wired":
            wire(model, config.seed)


def _words(config: Config, tokens: TokenDataset, shape: ModelShape) -> Words | None:
    """What the loss is taken over; None where the whole vocabulary costs no more."""
    if best_device().type != "cpu":
        return None
    counted = torch.from_numpy(occurrences(tokens, shape.vocab_size))
    words = Words(
        config.drawn_words,
        counted,
        config.seed,
        round((1 - config.whole_fraction) * config.steps * config.batch_tokens / config.sequence),
    )
    return words if config.draws(words.columns, shape.vocab_size) else None


def _flop(shape: ModelShape, step: Step, sequence: int, words: Words | None) -> float:
    tokens = step.rows * sequence
    whole = training_flop(shape, tokens, sequence)
    if words is None or step.first_row >= words.rows:
        return whole
    return whole - spared_flop(shape, tokens, words.columns)


def _padded(vocab_size: int) -> int:
    """A tokenizer made elsewhere may have any size; the embedding's rows are a multiple of 32."""
    return -(-vocab_size // 32) * 32
