"""First weights: what a wired model does before it learned anything."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from luosi.artifacts import ModelShape
from luosi.models.first_weights import initialise, wire
from luosi.models.transformer import Transformer
from tests.models_kit import small_shape

VOCABULARY, LENGTH = 512, 64
SHAPE = ModelShape(
    family="qwen3", vocab_size=VOCABULARY, layers=3, width=128, heads=2, kv_heads=1, head_dim=64, ff=128, context=2 * LENGTH
)  # fmt: skip


def wired(shape: ModelShape, seed: int = 0, words_VC: Tensor | None = None) -> Transformer:
    model = Transformer(shape)
    initialise(model, seed)
    wire(model, seed, words_VC)
    return model


def repeated(rows: int) -> Tensor:
    """[rows, 2 * LENGTH]: each row's first half again; no word twice in a half."""
    generator = torch.Generator().manual_seed(1)
    half = torch.stack([torch.randperm(VOCABULARY, generator=generator)[:LENGTH] for _ in range(rows)])
    return torch.cat((half, half), 1)


@torch.no_grad()
def rank_of_next(model: Transformer, tokens_BT: Tensor) -> float:
    """Mean share of the words that are thought likelier than the true next one, in the second half, the word at hand aside."""
    logits = model(tokens_BT).scatter(2, tokens_BT[:, :, None], -torch.inf)[:, LENGTH:-1]
    wanted = logits.gather(2, tokens_BT[:, LENGTH + 1 :, None])
    return float((logits > wanted).float().mean())


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("tied", [True, False])
def test_a_wired_model_expects_what_followed_the_same_word_before(seed: int, tied: bool) -> None:
    shape = SHAPE.model_copy(update={"tied": tied})
    model, tokens = wired(shape, seed), repeated(8)
    plain = Transformer(shape)
    initialise(plain, seed)
    assert rank_of_next(model, tokens) < 0.1
    assert 0.4 < rank_of_next(plain, tokens) < 0.6
    alone = torch.roll(tokens[:, LENGTH:], 1, 0)
    assert 0.4 < rank_of_next(model, torch.cat((tokens[:, :LENGTH], alone), 1)) < 0.6
    with torch.no_grad():
        logits = model(tokens[:, :LENGTH])
    loss = F.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:LENGTH].flatten())
    assert loss.item() == pytest.approx(torch.tensor(VOCABULARY).log().item(), rel=0.1)


def test_the_embedding_begins_as_the_given_words() -> None:
    words = torch.randn(VOCABULARY, SHAPE.width, generator=torch.Generator().manual_seed(3))
    words[7] = 0
    weight = wired(SHAPE, 0, words).model.embed_tokens.weight.detach()
    own = weight - weight.mean(0)
    alike = F.cosine_similarity(own, words)
    assert alike[torch.arange(VOCABULARY) != 7].min() > 0.6
    assert own[7].norm() == pytest.approx(float(own.norm(dim=1).mean()), rel=0.3)


@pytest.mark.parametrize(
    "change", [{"layers": 1}, {"head_dim": 128}, {"width": 32, "head_dim": 8}, {"context": 100_000}]
)
def test_any_shape_can_be_wired(change: dict[str, int]) -> None:
    model = wired(small_shape().model_copy(update=change))
    assert all(torch.isfinite(parameter).all() for parameter in model.parameters())
    again = wired(small_shape().model_copy(update=change))
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))
