"""From a token dataset to a trained model's folder: rows, first weights, optimizers, the loop, the files."""

from __future__ import annotations

from luosi.artifacts import Facts, TokenDataset, Tokenizer
from luosi.artifacts.base import write_jsonl
from luosi.models.flops import training_flop
from luosi.models.tokenizer import load_tokenizer
from luosi.models.transformer import Transformer, initialise
from luosi.models.weights import save_model
from luosi.pipeline.stage import Context
from luosi.stages.pretrain.config import Config, Runtime
from luosi.training.batches import dataset_rows
from luosi.training.loop import Settings, best_device, train, warn_of_epochs
from luosi.training.optimizers import muon_and_adamw
from luosi.training.tokens import document_marks


def pretrain(config: Config, runtime: Runtime, tokens: TokenDataset, tokenizer: Tokenizer, context: Context) -> Facts:
    """Train a model of `config.shape` and write a BaseModel into `context.out`.

    Raises:
        TrainingDiverged, BudgetExceeded, Interrupted: As `luosi.training.loop.train`.
    """
    shape = config.shape(_padded(load_tokenizer(tokenizer.path).get_vocab_size()))
    marks = document_marks(tokenizer.path)
    rows = dataset_rows(tokens, length=config.sequence, start=marks.start, end=marks.end, seed=config.seed)
    total = config.steps * config.batch_tokens
    warn_of_epochs(total / rows.epoch_positions, context)
    model = Transformer(shape)
    initialise(model, config.seed)
    model.to(best_device())
    optimizers = muon_and_adamw(
        model, matrix_lr=config.matrix_lr, vector_lr=config.vector_lr, weight_decay=config.weight_decay
    )
    settings = Settings(
        steps=config.steps,
        batch_rows=config.batch_tokens // config.sequence,
        row_tokens=config.sequence,
        warmup_fraction=config.warmup_fraction,
        decay_fraction=config.decay_fraction,
        precision=config.precision,
        compile=config.compile,
        seed=config.seed,
        step_flop=training_flop(shape, config.batch_tokens, config.sequence),
        threads=runtime.threads,
        checkpoint_every_s=runtime.checkpoint_every_s,
    )
    result = train(model, rows, optimizers, settings, context)
    save_model(context.out, model.state_dict(), shape, tokenizer.path)
    write_jsonl(context.out / "curve.jsonl", result.curve())
    figures: dict[str, float | int | str | bool] = {
        "final_loss": result.final_loss,
        "epochs": total / rows.epoch_positions,
        "training_tokens_per_s": result.tokens_per_s,
    }
    return Facts(shape=shape, tokens=total, figures=figures)


def _padded(vocab_size: int) -> int:
    """A tokenizer made elsewhere may have any size; the embedding's rows are a multiple of 32."""
    return -(-vocab_size // 32) * 32
