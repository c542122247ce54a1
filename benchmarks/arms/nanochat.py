"""karpathy/nanochat's training (nanochat/optim.py, scripts/base_train.py), reimplemented for nanochat_model.py.

Muon with Polar Express and NorMuon's variance for the layers' matrices, AdamW with nanochat's own rate and betas for each other kind
of parameter, cautious weight decay that falls to 0, momentum that rises, and falls while the rate does; rates by nanochat's rules from
width (embeddings, head) and batch (square root), weight decay from batch and horizon. One scale times all rates is tuned, as in the
other arms. At the edge of the four trials further ones are made, for the rule is stretched far here: nanochat's rates are set at half a
million tokens a step.

Known or possible differences from the repository: one process, no stacking of matrices, the optimizer not compiled; AdamW is torch's with the same
formula; the batch is the tuned one, not nanochat's rule (which gives 90 thousand tokens here, 170 updates in all); the numbers below are
those of the repository in the first half of 2026 as remembered, not checked.
"""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from arms.meter import Meter
from arms.nanochat_model import (
    GATE_CHANNELS,
    SMEAR_CHANNELS,
    NanoChat,
    fold,
    restricted_shape,
    whole_shape,
)  # fmt: skip
from arms.runs import SEQUENCE, Data, Run, Trained, qwen
from luosi.artifacts.shape import ModelShape
from luosi.models.flops import attention_flop
from luosi.models.precision import autocast
from luosi.models.transformer import Transformer
from luosi.models.weights import save_model
from luosi.stages.export.parity import same_logits
from luosi.training.batches import ShuffledRows
from luosi.training.estimates import orthogonal_flop

MATRIX_LR, EMBEDDING_LR, HEAD_LR, SCALAR_LR, SMEAR_LR, WEIGHT_DECAY = 0.02, 0.3, 0.008, 0.5, 0.2, 0.28
REFERENCE_BATCH, REFERENCE_WIDTH, REFERENCE_TOKENS = 2**19, 768, 10.5 * 110.1e6
"""Where these were tuned: 12 layers, 110 million parameters in matrices and head, 10.5 tokens for each."""
WARMUP_STEPS, WARMDOWN, FINAL_LR = 40, 0.65, 0.05
MOMENTUM, MOMENTUM_FIRST, MOMENTUM_LAST, MOMENTUM_STEPS = 0.97, 0.85, 0.90, 400
VARIANCE_BETA = 0.9
POLAR_EXPRESS = (
    (8.156554524902461, -22.48329292557795, 15.878769915207462),
    (4.042929935166739, -2.808917465908714, 0.5000178451051316),
    (3.8916678022926607, -2.772484153217685, 0.5060648178503393),
    (3.285753657755655, -2.3681294933425376, 0.46449024233003106),
    (2.3465413258596377, -1.7097828382687081, 0.42323551169305323),
)
"""Amsel et al. 2025 (arXiv:2505.16932), five iterations, safety factor 2e-2."""
MICRO_TOKENS = 2048


def settings(run: Run) -> dict[str, Any]:
    """All that the run depends on besides the text."""
    batch_scale = math.sqrt(run.batch_tokens / REFERENCE_BATCH)
    width_scale = (qwen(run.shape).width / REFERENCE_WIDTH) ** -0.5
    factor = run.scale * batch_scale
    return {
        "model": "nanochat" if run.arm == "nanochat" else "nanochat, what Qwen3 can hold",
        "rows": "documents end to end",
        "precision": "bf16 autocast",
        "compiled": True,
        "optimizer": "Muon (Polar Express, NorMuon, cautious decay) and AdamW",
        "matrix_lr": MATRIX_LR * factor,
        "embedding_lr": EMBEDDING_LR * factor * width_scale,
        "head_lr": HEAD_LR * factor * width_scale,
        "scalar_lr": SCALAR_LR * factor,
        "smear_lr": SMEAR_LR * factor,
        "weight_decay": WEIGHT_DECAY * batch_scale * REFERENCE_TOKENS / run.tokens,
        "warmup_steps": WARMUP_STEPS,
        "warmdown": WARMDOWN,
    }


def progress_of(step: int, steps: int) -> tuple[float, float, float]:
    """(multiplier of the rates, Muon's momentum, multiplier of the weight decay) of a step."""
    down = round(WARMDOWN * steps)
    left = steps - step
    if step < WARMUP_STEPS:
        rate = (step + 1) / WARMUP_STEPS
    else:
        rate = 1.0 if left >= down else left / down + (1 - left / down) * FINAL_LR
    if step < MOMENTUM_STEPS:
        momentum = MOMENTUM_FIRST + (MOMENTUM - MOMENTUM_FIRST) * step / MOMENTUM_STEPS
    else:
        fallen = max(0.0, 1 - left / down)
        momentum = MOMENTUM + (MOMENTUM_LAST - MOMENTUM) * fallen
    return rate, momentum, left / steps


def polar(gradient: Tensor) -> Tensor:
    """The nearest matrix with equal singular values, about; bf16."""
    x = gradient.bfloat16()
    x = x / (x.norm() * 1.02 + 1e-6)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    for a, b, c in POLAR_EXPRESS:
        square = x @ x.T
        x = a * x + (b * square + c * (square @ square)) @ x
    return x.T if tall else x


class Muon:
    """nanochat's Muon for a list of matrices."""

    def __init__(self, matrices: list[Tensor], lr: float, weight_decay: float) -> None:
        self.matrices, self._lr, self._decay = matrices, lr, weight_decay
        self._momenta = [torch.zeros_like(p) for p in matrices]
        self._variances = [torch.zeros_like(p.sum(self._axis(p), keepdim=True)) for p in matrices]

    @staticmethod
    def _axis(matrix: Tensor) -> int:
        """The axis over which squares are averaged."""
        return 1 if matrix.shape[0] >= matrix.shape[1] else 0

    @torch.no_grad()
    def step(self, multiplier: float, momentum: float, decay: float) -> None:
        """One update; gradients are dropped."""
        for p, first, second in zip(self.matrices, self._momenta, self._variances, strict=True):
            assert p.grad is not None
            first.lerp_(p.grad, 1 - momentum)
            update = polar(p.grad.lerp(first, momentum)).float()
            axis = self._axis(p)
            mean = update.square().mean(axis, keepdim=True)
            size = (mean.sum() * p.shape[axis]).sqrt()
            second.lerp_(mean, 1 - VARIANCE_BETA)
            scale = second.clamp_min(1e-10).rsqrt()
            scaled = (mean * p.shape[axis] * scale.square()).sum().sqrt()
            update *= scale * (size / scaled.clamp_min(1e-10))
            lr = self._lr * multiplier * max(1.0, p.shape[0] / p.shape[1]) ** 0.5
            kept = p * (update * p >= 0)
            p.sub_(lr * update + lr * self._decay * decay * kept)
            p.grad = None


def optimizers(model: NanoChat, said: dict[str, Any]) -> tuple[Muon, torch.optim.AdamW]:
    """Every parameter in its group."""
    embedding = said["embedding_lr"]
    kinds: dict[str, dict[str, Any]] = {
        "head": {"lr": said["head_lr"], "betas": (0.8, 0.96), "weight_decay": 0.01},
        "embedding": {"lr": embedding, "betas": (0.8, 0.995), "weight_decay": 0.001},
        "values": {"lr": 0.5 * embedding, "betas": (0.8, 0.995), "weight_decay": 0.01},
        "residual": {"lr": 0.01 * said["scalar_lr"], "betas": (0.8, 0.95), "weight_decay": 0.05},
        "x0": {"lr": said["scalar_lr"], "betas": (0.96, 0.95), "weight_decay": 0.0},
        "smear": {"lr": said["smear_lr"], "betas": (0.8, 0.95), "weight_decay": 0.0},
    }
    groups: dict[str, list[Tensor]] = {kind: [] for kind in kinds}
    matrices = []
    for name, parameter in model.named_parameters():
        if name.startswith(("smear", "backout")):
            groups["smear"].append(parameter)
        elif name.split(".")[0] in kinds:
            groups[name.split(".")[0]].append(parameter)
        elif ".values." in name:
            groups["values"].append(parameter)
        else:
            matrices.append(parameter)
    filled = [{"params": groups[kind], **options} for kind, options in kinds.items() if groups[kind]]
    return Muon(matrices, said["matrix_lr"], said["weight_decay"]), torch.optim.AdamW(filled, eps=1e-10, fused=True)


def flop(shape: ModelShape, tokens: int, whole: bool) -> float:
    """Forward and backward of the model's matrix products, the gates' small ones among them."""
    mlp = (2 if whole else 3) * shape.width * shape.ff
    attention = shape.width * shape.head_dim * (2 * shape.heads + 2 * shape.kv_heads)
    gates = -(-shape.layers // 2) * GATE_CHANNELS * shape.kv_heads + SMEAR_CHANNELS if whole else 0
    multiplied = shape.layers * (attention + mlp) + shape.vocab_size * shape.width + gates
    return 3 * (2.0 * tokens * multiplied + attention_flop(shape, tokens, SEQUENCE))


def learn(model: Any, rows: ShuffledRows, first: int, count: int) -> None:
    """Gradients of the mean loss over `count` rows from number `first`, a few rows at a time."""
    size = MICRO_TOKENS // SEQUENCE
    for begin in range(first, first + count, size):
        some = [rows.row(number) for number in range(begin, min(begin + size, first + count))]
        tokens, targets = (
            torch.from_numpy(np.stack(which)) for which in zip(*((r.tokens_T, r.targets_T) for r in some), strict=True)
        )
        with autocast("bf16", "cpu"):
            logits = model(tokens)
        loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten()) * (len(some) / count)
        torch.autograd.backward(loss)


def train(run: Run, data: Data, meter: Meter) -> Trained:
    """Train and score; the restricted model is also folded and compared with what transformers makes of its files."""
    whole, said = run.arm == "nanochat", settings(run)
    shape = whole_shape(qwen(run.shape)) if whole else restricted_shape(qwen(run.shape))
    model = NanoChat(shape, whole=whole, seed=run.seed)
    muon, adamw = optimizers(model, said)
    peaks = [group["lr"] for group in adamw.param_groups]
    rows = data.rows(run.seed)
    compiled = torch.compile(model)
    meter.start()
    for step in range(run.steps):
        rate, momentum, decay = progress_of(step, run.steps)
        learn(compiled, rows, step * run.rows, run.rows)
        muon.step(rate, momentum, decay)
        for group, peak in zip(adamw.param_groups, peaks, strict=True):
            group["lr"] = peak * rate
        adamw.step()
        adamw.zero_grad(set_to_none=True)
        meter.step((step + 1) * run.batch_tokens, model)
    meter.end(model)
    tokens_seen = run.steps * run.batch_tokens
    projections = [p for p in muon.matrices if min(p.shape) > model.shape.kv_heads]
    notes: dict[str, Any] = {"residual": [round(x, 4) for x in model.residual.tolist()]}
    if not whole:
        notes["parity"] = parity(model, data)
    return Trained(
        model_flop=flop(shape, tokens_seen, whole),
        optimizer_flop=run.steps * sum(orthogonal_flop(*p.shape, len(POLAR_EXPRESS)) for p in muon.matrices),
        matrix_parameters=sum(p.numel() for p in projections),
        parameters=sum(p.numel() for p in model.parameters()),
        notes=notes,
    )


@torch.no_grad()
def parity(model: NanoChat, data: Data) -> dict[str, Any]:
    """The trained model, its fold and transformers on the fold's files must give the same logits.

    Raises:
        ParityError: transformers differs from the fold.
        SystemExit: The fold differs from the trained model.
    """
    folded = Transformer(model.shape)
    folded.load_state_dict(fold(model))
    rows = data.rows(seed=0)
    tokens = torch.from_numpy(np.stack([rows.row(number).tokens_T for number in range(4)]))
    ours, theirs = model(tokens), folded(tokens)
    difference = float((ours - theirs).square().mean().sqrt() / ours.std())
    if not difference < 1e-4:  # fp32 rounding, which single logits of a model of large weights exceed
        raise SystemExit(f"the folded model's logits differ by {difference:.1e} of their deviation")
    with tempfile.TemporaryDirectory() as folder:
        save_model(Path(folder), folded.state_dict(), model.shape, data.made.tokenizer.path)
        return {"fold_difference": difference, **same_logits(folded, Path(folder), tokens.tolist())}
