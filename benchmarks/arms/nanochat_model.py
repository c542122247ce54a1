"""karpathy/nanochat's model (nanochat/gpt.py), reimplemented: whole, or only what a Qwen3 file can hold.

Written from memory and from published descriptions of the repository as of the first half of 2026; the package itself does not
install here. Both forms: norms without weights, one of them after the embedding; QK-norm after the rotation, queries and keys times
1.2; a learned factor on the residual stream before each layer; no biases; a head of its own; zero output projections.

The whole model further has: ReLU squared; value embeddings in every other layer, the last one among them, behind a gate on the first
12 channels; a learned share of the normed embedding (x0) added before each layer; "smear" (a gated share of the token before, from
24 channels); "backout" (a share of the middle layer's stream taken away before the head); logits capped at 20 by tanh.

Known or possible differences from the repository:
- no sliding windows (its own run script for CPUs switches them off, too) and no FlashAttention; documents are not masked, as there;
- fp32 weights under bf16 autocast, where nanochat keeps embeddings in bf16: a little more exact, not faster;
- the vocabulary is not padded (4,096 is a multiple of 64 already);
- heads of 64 dimensions instead of 128, so that width 128 has two as in the other arms;
- rows: documents end to end in rows of 256, the same for all arms. nanochat's best-fit packing begins each row with a document and
  crops those that do not fit, which at 256 tokens a row would throw most of this text away;
- first values of the residual factors (1.15 falling to 1.05), of x0's (0.2 to 0.05), of backout (0.2), the gate's range (0 to 3),
  the cap of 20 and the rotary base of 100,000 are as remembered, not checked.

The restricted form has SwiGLU with key-value heads shared by two, exactly the other arms' shape; `fold` writes it as Qwen3 weights.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from luosi.artifacts.shape import ModelShape
from luosi.models.transformer import rotary_frequencies, rotate

QK_SCALE, ROTARY_BASE, SOFTCAP = 1.2, 100_000.0, 20.0
GATE_CHANNELS, GATE_RANGE, SMEAR_CHANNELS = 12, 3.0, 24
EPS = torch.finfo(torch.float32).eps
"""What torch.nn.functional.rms_norm adds if nothing else is said."""


def norm(x: Tensor) -> Tensor:
    """RMS norm without weights."""
    return F.rms_norm(x, (x.shape[-1],), eps=EPS)


def linear(inputs: int, outputs: int) -> nn.Linear:
    """Without a bias."""
    return nn.Linear(inputs, outputs, bias=False)


class Block(nn.Module):
    """Attention and MLP."""

    def __init__(self, shape: ModelShape, number: int, whole: bool) -> None:
        super().__init__()
        self.shape = shape
        kv_width = shape.kv_heads * shape.head_dim
        self.q = linear(shape.width, shape.heads * shape.head_dim)
        self.k, self.v = linear(shape.width, kv_width), linear(shape.width, kv_width)
        self.o = linear(shape.heads * shape.head_dim, shape.width)
        self.up, self.down = linear(shape.width, shape.ff), linear(shape.ff, shape.width)
        self.gate = None if whole else linear(shape.width, shape.ff)
        has_values = whole and number % 2 == (shape.layers - 1) % 2
        self.values = nn.Embedding(shape.vocab_size, kv_width) if has_values else None
        self.value_gate = linear(GATE_CHANNELS, shape.kv_heads) if has_values else None

    def forward(self, x_BTC: Tensor, rotary: tuple[Tensor, Tensor], tokens_BT: Tensor) -> Tensor:
        x_BTC = x_BTC + self._attention(norm(x_BTC), rotary, tokens_BT)
        return x_BTC + self._mlp(norm(x_BTC))

    def _attention(self, x_BTC: Tensor, rotary: tuple[Tensor, Tensor], tokens_BT: Tensor) -> Tensor:
        heads = (-1, self.shape.head_dim)
        q, k, v = (project(x_BTC).unflatten(-1, heads) for project in (self.q, self.k, self.v))
        if self.values is not None and self.value_gate is not None:
            gate_BTK = GATE_RANGE * torch.sigmoid(self.value_gate(x_BTC[..., :GATE_CHANNELS]))
            v = v + gate_BTK[..., None] * self.values(tokens_BT).unflatten(-1, heads).to(v.dtype)
        q, k = (QK_SCALE * norm(rotate(one, rotary)) for one in (q, k))
        groups = self.shape.heads // self.shape.kv_heads
        q, k, v = (one.transpose(1, 2).to(v.dtype) for one in (q, k, v))
        k, v = (one.repeat_interleave(groups, 1) for one in (k, v))
        y_BTC: Tensor = self.o(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2))
        return y_BTC

    def _mlp(self, x_BTC: Tensor) -> Tensor:
        up = self.up(x_BTC)
        y_BTC: Tensor = self.down(F.relu(up).square() if self.gate is None else F.silu(self.gate(x_BTC)) * up)
        return y_BTC


class NanoChat(nn.Module):
    """The model; `whole`, or what Qwen3 can hold."""

    def __init__(self, shape: ModelShape, *, whole: bool, seed: int) -> None:
        super().__init__()
        self.shape, self.whole = shape, whole
        self.embedding = nn.Embedding(shape.vocab_size, shape.width)
        self.blocks = nn.ModuleList(Block(shape, number, whole) for number in range(shape.layers))
        self.head = linear(shape.width, shape.vocab_size)
        self.residual = nn.Parameter(torch.empty(shape.layers))
        self.x0 = nn.Parameter(torch.empty(shape.layers)) if whole else None
        self.smear_gate = linear(SMEAR_CHANNELS, 1) if whole else None
        self.smear = nn.Parameter(torch.empty(1)) if whole else None
        self.backout = nn.Parameter(torch.empty(1)) if whole else None
        self.register_buffer("frequencies", rotary_frequencies(shape), persistent=False)
        self.frequencies: Tensor
        self._initialise(seed)

    @torch.no_grad()
    def _initialise(self, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        bound = (3 / self.shape.width) ** 0.5
        depth = torch.linspace(0, 1, self.shape.layers)
        for name, parameter in self.named_parameters():
            if name == "embedding.weight":
                parameter.copy_(0.8 * torch.randn(parameter.shape, generator=generator))
            elif name == "head.weight":
                parameter.copy_(0.001 * torch.randn(parameter.shape, generator=generator))
            elif name.endswith((".o.weight", ".down.weight")):
                parameter.zero_()
            elif "value_gate" in name or "smear_gate" in name:
                parameter.copy_(0.02 * torch.rand(parameter.shape, generator=generator))
            elif parameter.ndim == 2:
                # ReLU squared wants smaller steps into its hidden layer
                scale = 0.4 if self.whole and name.endswith(".up.weight") else 1.0
                parameter.copy_(scale * bound * (2 * torch.rand(parameter.shape, generator=generator) - 1))
        self.residual.copy_(1.15 - 0.10 * depth)
        if self.x0 is not None and self.smear is not None and self.backout is not None:
            self.x0.copy_(0.20 - 0.15 * depth)
            self.smear.zero_()
            self.backout.fill_(0.2)

    def forward(self, tokens_BT: Tensor) -> Tensor:
        """Logits [B, T, V], fp32."""
        positions_T = torch.arange(tokens_BT.shape[1])
        angles = positions_T[None, :, None].float() * self.frequencies
        rotary = (angles.cos()[:, :, None], angles.sin()[:, :, None])
        x = norm(self.embedding(tokens_BT))
        if self.smear_gate is not None and self.smear is not None:
            gate = self.smear * torch.sigmoid(self.smear_gate(x[:, 1:, :SMEAR_CHANNELS]))
            x = torch.cat((x[:, :1], x[:, 1:] + gate * x[:, :-1]), 1)
        x0, middle = x, x
        for number, block in enumerate(self.blocks):
            x = self.residual[number] * x
            if self.x0 is not None:
                x = x + self.x0[number] * x0
            x = block(x, rotary, tokens_BT)
            if number == self.shape.layers // 2:
                middle = x
        if self.backout is not None:
            x = x - self.backout * middle
        logits = self.head(norm(x)).float()
        return SOFTCAP * torch.tanh(logits / SOFTCAP) if self.whole else logits


def whole_shape(shape: ModelShape) -> ModelShape:
    """nanochat's own proportions at the same width and depth: a key-value head for each head, an MLP of 4 widths in two matrices.

    At width 128 the layers' matrices have exactly as many parameters as the other arms': 12 x 128^2 each.
    """
    return shape.model_copy(
        update={
            "kv_heads": shape.heads,
            "ff": 4 * shape.width,
            "tied": False,
            "rope_theta": ROTARY_BASE,
            "norm_eps": EPS,
        }
    )


def restricted_shape(shape: ModelShape) -> ModelShape:
    """The other arms' shape with nanochat's constants; it ships as this."""
    return shape.model_copy(update={"tied": False, "rope_theta": ROTARY_BASE, "norm_eps": EPS})


@torch.no_grad()
def fold(model: NanoChat) -> dict[str, Tensor]:
    """The restricted model as Qwen3's weights, exactly.

    The embedding's norm goes into its rows. A factor on the residual stream is left out, and what is written to the stream from
    there on is divided by the product of the factors so far: every reader norms the stream first. A norm after the rotation is a
    norm before it, since a rotation keeps lengths; its factor of 1.2 becomes the norm's weight.
    """
    assert not model.whole
    shape = model.shape
    ones, scaled = torch.ones(shape.width), torch.full((shape.head_dim,), QK_SCALE)
    state = {
        "model.embed_tokens.weight": norm(model.embedding.weight),
        "model.norm.weight": ones,
        "lm_head.weight": model.head.weight.clone(),
    }
    factor = torch.ones(())
    for number, block in enumerate(model.blocks):
        assert isinstance(block, Block) and block.gate is not None
        factor = factor * model.residual[number]
        layer = {
            "input_layernorm": ones,
            "post_attention_layernorm": ones,
            "self_attn.q_norm": scaled,
            "self_attn.k_norm": scaled,
            "self_attn.q_proj": block.q.weight,
            "self_attn.k_proj": block.k.weight,
            "self_attn.v_proj": block.v.weight,
            "self_attn.o_proj": block.o.weight / factor,
            "mlp.gate_proj": block.gate.weight,
            "mlp.up_proj": block.up.weight,
            "mlp.down_proj": block.down.weight / factor,
        }
        state |= {f"model.layers.{number}.{name}.weight": weight.clone() for name, weight in layer.items()}
    return state
