"""What most people run: transformers' Qwen3ForCausalLM and its Trainer, AdamW, blocks of 256 tokens as `run_clm` makes them.

Rows are those of the other arms (documents end to end, <|endoftext|> between them), given to the Trainer as input and labels, so that
as in run_clm a row's first token is not predicted and documents see those before them. First weights are transformers' own.
"hf_tuned" has the usual settings of language models and a tuned rate; "hf_default" the Trainer's defaults, but for bf16
and compiling.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from texts import FOLDER
from torch import Tensor

from arms.meter import Meter
from arms.peers import ACCELERATE, use
from arms.runs import BATCH_TOKENS, SEQUENCE, Data, Run, Trained, qwen, qwen_flop

RULE_LR = 3e-3
"""The rate at scale 1 and 8,192 tokens a step: what is usual for models of about a million parameters. Times sqrt(batch / 8,192)."""
WARMUP, FINAL_LR, WEIGHT_DECAY, BETAS = 0.02, 0.1, 0.1, (0.9, 0.95)
COMPILED = True
"""As every arm: a third fewer CPU seconds, the same losses."""
DEFAULT_BATCH_TOKENS = 8 * SEQUENCE
"""The Trainer's default is 8 rows."""


def settings(run: Run) -> dict[str, Any]:
    """All that the run depends on besides the text."""
    common = {
        "model": "transformers Qwen3ForCausalLM, its own initialisation, tied head",
        "rows": "run_clm blocks",
        "precision": "bf16",
        "compiled": COMPILED,
        "optimizer": "adamw_torch_fused",
        "max_grad_norm": 1.0,
    }
    if run.arm == "hf_default":
        return common | {
            "learning_rate": 5e-5, "lr_scheduler_type": "linear", "warmup_steps": 0, "weight_decay": 0.0,
            "betas": [0.9, 0.999],
        }  # fmt: skip
    return common | {
        "learning_rate": RULE_LR * run.scale * math.sqrt(run.batch_tokens / BATCH_TOKENS),
        "lr_scheduler_type": "cosine_with_min_lr",
        "lr_scheduler_kwargs": {"min_lr_rate": FINAL_LR},
        "warmup_steps": round(WARMUP * run.steps),
        "weight_decay": WEIGHT_DECAY,
        "betas": [BETAS[0], run.beta2 or BETAS[1]],
    }


class Blocks(torch.utils.data.Dataset[dict[str, Tensor]]):
    """The run's rows, numbered."""

    def __init__(self, data: Data, run: Run) -> None:
        self._rows, self._count = data.rows(run.seed), run.steps * run.rows

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        tokens = torch.from_numpy(self._rows.row(number).tokens_T)
        return {"input_ids": tokens, "labels": tokens}


def make_model(run: Run) -> Any:
    """The model with first weights from the run's seed."""
    import transformers

    shape = qwen(run.shape)
    transformers.set_seed(run.seed)
    return transformers.Qwen3ForCausalLM(
        transformers.Qwen3Config(
            vocab_size=shape.vocab_size, hidden_size=shape.width, intermediate_size=shape.ff, num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads, num_key_value_heads=shape.kv_heads, head_dim=shape.head_dim,
            max_position_embeddings=SEQUENCE, tie_word_embeddings=True, use_cache=False,
        )
    )  # fmt: skip


def trainer(run: Run, data: Data, meter: Meter, *, compiled: bool) -> Any:
    """A Trainer that tells the meter of every step."""
    use(ACCELERATE)  # before transformers looks for it
    import transformers

    transformers.utils.logging.set_verbosity_error()
    model = make_model(run)

    class Told(transformers.TrainerCallback):  # type: ignore[misc]
        def on_train_begin(self, *_: Any, **__: Any) -> None:
            meter.start()

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            meter.step(state.global_step * run.batch_tokens, logits_of(model))

    class InOrder(transformers.Trainer):  # type: ignore[misc]
        def _get_train_sampler(self, dataset: Any = None) -> Any:
            return torch.utils.data.SequentialSampler(dataset or self.train_dataset)

    said = settings(run)
    arguments = transformers.TrainingArguments(
        output_dir=str(FOLDER / "trainer"), max_steps=run.steps, per_device_train_batch_size=run.rows, seed=run.seed, bf16=True,
        use_cpu=True, learning_rate=said["learning_rate"], lr_scheduler_type=said["lr_scheduler_type"],
        lr_scheduler_kwargs=said.get("lr_scheduler_kwargs", {}), warmup_steps=said["warmup_steps"],
        weight_decay=said["weight_decay"], adam_beta1=said["betas"][0], adam_beta2=said["betas"][1], optim=said["optimizer"],
        max_grad_norm=said["max_grad_norm"], save_strategy="no", eval_strategy="no", logging_steps=max(1, run.steps // 8),
        report_to="none", disable_tqdm=True, dataloader_num_workers=0, torch_compile=compiled, remove_unused_columns=False,
    )  # fmt: skip
    return InOrder(model=model, args=arguments, train_dataset=Blocks(data, run), callbacks=[Told()])


def logits_of(model: Any) -> Any:
    """The model as the scoring wants it."""

    def logits(tokens_BT: Tensor) -> Tensor:
        training = model.training
        model.eval()
        found: Tensor = model(input_ids=tokens_BT).logits
        model.train(training)
        return found

    return logits


def train(run: Run, data: Data, meter: Meter) -> Trained:
    """Train and score."""
    running = trainer(run, data, meter, compiled=COMPILED)
    import accelerate
    import transformers

    running.train()
    meter.end(logits_of(running.model))
    shape = qwen(run.shape)
    tokens = run.steps * run.batch_tokens
    return Trained(
        model_flop=qwen_flop(shape, tokens),
        optimizer_flop=0.0,
        matrix_parameters=shape.matrix_parameters,
        parameters=sum(p.numel() for p in running.model.parameters()),
        notes={
            "losses": [round(row["loss"], 4) for row in running.state.log_history if "loss" in row],
            "versions": {"transformers": transformers.__version__, "accelerate": accelerate.__version__},
        },
    )
