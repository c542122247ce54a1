"""The FLOP count is held against PyTorch's own counter, the parameter counts against real modules."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from luosi.artifacts import ModelShape
from luosi.models.flops import attention_flop, forward_flop, linear_sizes, lora_parameters, training_flop
from luosi.models.lora import add_lora
from luosi.models.transformer import Transformer
from tests.models_kit import noisy_model, random_tokens, small_shape

FAMILIES = pytest.mark.parametrize("family", ["qwen3", "qwen2", "llama"])
BATCH, LENGTH = 3, 16


def attention_count(q: Any, k: Any, v: Any, *_: Any, **__: Any) -> int:
    """Of torch's own attention, for ours in blocks, of which torch knows nothing; not halved by the causal mask."""
    return int(sdpa_flop_count(q, q, q))


def attention_backward_count(dy: Any, *inputs: Any, **__: Any) -> int:
    """Two products for each of the forward pass; computing the weights anew is not counted."""
    return 2 * attention_count(*inputs)


ATTENTION = {
    torch.ops.luosi.attend_by_blocks: attention_count,
    torch.ops.luosi.attend_by_blocks_backward: attention_backward_count,
}


def counted(model: Transformer, *, backward: bool) -> int:
    """FLOPs that torch counts."""
    tokens = random_tokens(BATCH, LENGTH)
    with FlopCounterMode(display=False, custom_mapping=ATTENTION) as counter:
        logits = model(tokens)
        if backward:
            F.cross_entropy(logits.flatten(0, 1), tokens.flatten()).backward()
    return int(counter.get_total_flops())


def without_mask(shape: ModelShape) -> float:
    """What torch counts for attention beyond our causal average, forward."""
    tokens = BATCH * LENGTH
    return tokens * shape.layers * 4 * shape.heads * shape.head_dim * LENGTH - attention_flop(shape, tokens, LENGTH)


@FAMILIES
@pytest.mark.parametrize("tied", [True, False])
def test_forward_equals_torchs_count(family: str, tied: bool) -> None:
    shape = small_shape(family, tied=tied)
    ours = forward_flop(shape, BATCH * LENGTH, LENGTH) + without_mask(shape)
    assert ours == counted(noisy_model(shape), backward=False)


@FAMILIES
def test_training_equals_torchs_count(family: str) -> None:
    shape = small_shape(family)
    ours = training_flop(shape, BATCH * LENGTH, LENGTH) + 3 * without_mask(shape)
    assert ours == counted(noisy_model(shape), backward=True)


def test_lora_training_is_close_to_torchs_count() -> None:
    shape = small_shape(layers=3)
    model = noisy_model(shape)
    targets = list(linear_sizes(shape))
    add_lora(model, rank=4, alpha=8.0, targets=targets, seed=0)
    extra = lora_parameters(shape, 4, targets)
    tokens = BATCH * LENGTH
    ours = training_flop(shape, tokens, LENGTH, trainable="lora", adapter_parameters=extra) + 3 * without_mask(shape)
    # the first layer's inputs need no gradient, which the formula does not care to know
    torchs = counted(model, backward=True)
    assert torchs <= ours <= 1.15 * torchs


@FAMILIES
@pytest.mark.parametrize("tied", [True, False])
def test_parameters_equal_the_modules(family: str, tied: bool) -> None:
    shape = small_shape(family, tied=tied)
    assert shape.parameters == sum(parameter.numel() for parameter in Transformer(shape).parameters())


@FAMILIES
def test_projection_sizes_and_lora_parameters_equal_the_modules(family: str) -> None:
    shape = small_shape(family)
    model = Transformer(shape)
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear):
            assert tuple(module.weight.shape) == linear_sizes(shape)[name.rsplit(".", 1)[1]]
    add_lora(model, rank=3, alpha=6.0, targets=["q_proj", "down_proj"], seed=0)
    made = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    assert made == lora_parameters(shape, 3, ["q_proj", "down_proj"])


def test_the_docstrings_example() -> None:
    shape = ModelShape(
        family="llama", vocab_size=256, layers=2, width=64, heads=4, kv_heads=4, head_dim=16, ff=128, tied=False
    )
    assert shape.matrix_parameters == 81_920
    assert forward_flop(shape, 1, 1) == 197_120
