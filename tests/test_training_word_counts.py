"""Word vectors from counting neighbours."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from luosi.training import word_counts
from luosi.training.word_counts import word_vectors

WIDTH = 16


def text(length: int, vocabulary: int = 40) -> np.ndarray:
    """Even words follow odd ones of the same decade, and the other way round."""
    random = np.random.default_rng(0)
    decades = np.repeat(random.integers(0, vocabulary // 10, length // 20 + 1), 20)[:length]
    return (decades * 10 + 2 * random.integers(0, 5, length) + np.arange(length) % 2).astype(np.uint16)


def test_words_of_like_company_are_near() -> None:
    vectors = word_vectors(text(50_000), 48, WIDTH, seed=0)
    assert vectors.shape == (48, WIDTH)
    assert not vectors[40:].any(), "words that never occur"
    assert vectors[:40].norm(dim=1).tolist() == pytest.approx([WIDTH**0.5] * 40, rel=1e-4)
    alike = vectors[:40] @ vectors[:40].T / WIDTH
    kind = torch.arange(40) // 10 * 2 + torch.arange(40) % 2
    same = kind[:, None] == kind
    assert alike[same].min() > alike[~same].max() + 0.3


def test_the_same_seed_gives_the_same_bits_and_leaves_torch_alone() -> None:
    state = torch.random.get_rng_state()
    first, second, other = (word_vectors(text(5_000), 40, WIDTH, seed) for seed in (0, 0, 1))
    assert torch.equal(first, second) and not torch.equal(first, other)
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("length", [0, 1, 2, 100])
def test_short_texts(length: int) -> None:
    vectors = word_vectors(text(length), 40, 64, seed=0)
    assert vectors.shape == (40, 64) and torch.isfinite(vectors).all()
    assert int(vectors.any(1).sum()) <= length


def test_one_word_over_and_over_has_no_vector_and_breaks_none() -> None:
    assert not word_vectors(np.full(100, 5, np.uint16), 40, WIDTH, seed=0).any()


def test_a_sample_of_a_large_text_stands_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = text(400_000)
    monkeypatch.setattr(word_counts, "CHUNK", 30_000)
    in_parts = word_vectors(whole, 40, WIDTH, seed=0)
    monkeypatch.setattr(word_counts, "COUNTED_TOKENS", 80_000)
    sampled = word_vectors(whole, 40, WIDTH, seed=0)
    monkeypatch.undo()
    assert torch.equal(in_parts, word_vectors(whole, 40, WIDTH, seed=0))
    mine, theirs = (x @ x.T / WIDTH for x in (sampled, in_parts))
    assert float((mine - theirs).abs().mean()) < 0.1
