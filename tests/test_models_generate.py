"""Greedy continuation: batched and cached gives what one-by-one and uncached gives."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from luosi.errors import InputError
from luosi.models.generate import greedy
from luosi.models.transformer import Transformer
from tests.models_kit import noisy_model, small_shape

MODEL = noisy_model(small_shape(), scale=0.3)


def slowly(model: Transformer, prompt: list[int], new_tokens: int) -> tuple[list[int], list[float]]:
    """One prompt, everything computed anew for every token."""
    tokens, gaps = list(prompt), []
    for _ in range(new_tokens):
        with torch.no_grad():
            logits = model(torch.tensor([tokens]))[0, -1]
        best = logits.sort(descending=True)
        gaps.append(((best.values[0] - best.values[1]) / logits.std()).item())
        tokens.append(int(best.indices[0]))
    return tokens[len(prompt) :], gaps


prompts = st.lists(st.lists(st.integers(0, 319), min_size=1, max_size=20), min_size=1, max_size=4)


@given(prompts=prompts, new_tokens=st.integers(1, 6))
@settings(max_examples=12, deadline=None)
def test_a_batch_continues_like_each_alone(prompts: list[list[int]], new_tokens: int) -> None:
    together = greedy(MODEL, prompts, new_tokens)
    for prompt, tokens, gaps in zip(prompts, together.tokens, together.gaps, strict=True):
        expected, expected_gaps = slowly(MODEL, prompt, new_tokens)
        near = next((step for step, gap in enumerate(expected_gaps) if gap < 1e-3), new_tokens)
        assert tokens[:near] == expected[:near] and len(tokens) == len(gaps) == new_tokens
        assert gaps[:near] == pytest.approx(expected_gaps[:near], abs=1e-3)


def test_agrees_with_transformers() -> None:
    from transformers import Qwen3Config, Qwen3ForCausalLM

    from luosi.models.config import hf_config

    config = hf_config(MODEL.shape, bos_id=None, eos_id=None, pad_id=0)
    theirs = Qwen3ForCausalLM(Qwen3Config.from_dict(config)).eval()
    theirs.load_state_dict(MODEL.state_dict(), strict=False)
    theirs.tie_weights()
    prompt = torch.tensor([[5, 77, 200, 3]])
    expected = theirs.generate(prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=16, do_sample=False)
    assert greedy(MODEL, prompt.tolist(), 16).tokens == [expected[0, 4:].tolist()]


@pytest.mark.parametrize(
    ("prompts", "message"),
    [([], "empty prompt"), ([[1], []], "empty prompt"), ([[1] * 120], "exceed the context of 128")],
)
def test_prompts_that_cannot_be_continued_are_refused(prompts: list[list[int]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        greedy(MODEL, prompts, 9)
